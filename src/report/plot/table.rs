//! Tables of results as they are read back: columns by name, numbers with their place when they are none.

use std::fmt;
use std::io::{self, Read};

use csv::StringRecord;

/// Why a table cannot be read.
#[derive(Debug)]
pub enum ReadError {
    /// The system refused.
    Io(io::Error),
    /// It holds something else: `:LINE: what`, to stand behind the file's name.
    Content(String),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Io(error) => error.fmt(f),
            ReadError::Content(what) => f.write_str(what),
        }
    }
}

impl From<csv::Error> for ReadError {
    fn from(error: csv::Error) -> Self {
        let text = error.to_string();
        match error.into_kind() {
            csv::ErrorKind::Io(error) => ReadError::Io(error),
            csv::ErrorKind::UnequalLengths { pos, expected_len, len } => {
                let line = pos.map_or_else(String::new, |pos| format!(":{}", pos.line()));
                ReadError::Content(format!("{line}: {len} fields where the header has {expected_len}"))
            }
            _ => ReadError::Content(format!(": {text}")),
        }
    }
}

/// A table whose header has been read.
pub struct Table<R> {
    reader: csv::Reader<R>,
    header: StringRecord,
}

impl<R: Read> Table<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// The system's, or text that is no CSV.
    pub fn open(input: R) -> Result<Self, ReadError> {
        let mut reader = csv::Reader::from_reader(input);
        let header = reader.headers()?.clone();
        Ok(Table { reader, header })
    }

    /// Names of the columns.
    pub fn header(&self) -> &StringRecord {
        &self.header
    }

    /// The column of this name.
    ///
    /// # Errors
    /// There is none.
    pub fn column(&self, name: &str) -> Result<usize, ReadError> {
        let found = self.header.iter().position(|own| own == name);
        found.ok_or_else(|| ReadError::Content(format!(":1: has no column {name}")))
    }

    /// The rows behind the header.
    pub fn rows(&mut self) -> impl Iterator<Item = Result<StringRecord, ReadError>> + '_ {
        self.reader.records().map(|row| row.map_err(ReadError::from))
    }
}

/// The number in a field of a row; none when it is empty.
///
/// # Errors
/// It holds something else.
pub fn number(row: &StringRecord, column: usize) -> Result<Option<f64>, ReadError> {
    let text = &row[column];
    if text.is_empty() {
        return Ok(None);
    }
    text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Some).ok_or_else(|| {
        let line = row.position().map_or(0, csv::Position::line);
        ReadError::Content(format!(":{line}: {text:?} is not a number"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_table_says_where_and_why() {
        let mut table = Table::open(&b"a,b\n1,x\n,2\n3\n"[..]).expect("a header");
        assert_eq!(table.column("b").expect("a column"), 1);
        assert_eq!(table.column("c").expect_err("no column").to_string(), ":1: has no column c");
        let rows: Vec<_> = table.rows().collect();
        let row = rows[0].as_ref().expect("a row");
        assert_eq!(number(row, 0).expect("a number"), Some(1.0));
        assert_eq!(number(row, 1).expect_err("a word").to_string(), ":2: \"x\" is not a number");
        assert_eq!(number(rows[1].as_ref().expect("a row"), 0).expect("nothing"), None);
        assert_eq!(rows[2].as_ref().expect_err("short").to_string(), ":4: 1 fields where the header has 2");
        let bytes = Table::open(&b"a\n\xff\n"[..]).expect("a header").rows().next().expect("a row");
        assert!(matches!(bytes, Err(ReadError::Content(what)) if what.contains("UTF-8")));
    }
}
