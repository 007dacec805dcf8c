//! Problems of input files and flags: where, what was read, what is expected, what to do.

use std::fmt;

/// One problem of an input file or flag.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// File as the user named it, or the flag (`--rate`).
    pub file: String,
    /// Line from 1; 0 when there is no position (flags).
    pub line: usize,
    /// Column from 1, counted in characters.
    pub column: usize,
    /// The key and what was read: `redis.appendfsync: unknown policy "everysecond"`.
    pub read: String,
    /// What is expected and what to do, a line each; may be empty.
    pub remedies: Vec<String>,
}

/// All problems of an input, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.read)?,
            line => write!(f, "{}:{line}:{}: {}", self.file, self.column, self.read)?,
        }
        self.remedies.iter().try_for_each(|remedy| write!(f, "\n  {remedy}"))
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// The name among `known` that is most like `typed`, if one is close enough to suggest.
pub fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(typed, name), name))
        .filter(|(distance, name)| *distance <= 1 + name.len().min(typed.len()) / 3)
        .min()
        .map(|(_, name)| name)
}

/// Line and column (from 1, in characters) of a byte offset in `text`.
pub fn position(text: &str, offset: usize) -> (usize, usize) {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    let before = &text[..offset];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}
