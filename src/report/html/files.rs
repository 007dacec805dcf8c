//! The files of a result folder, as bytes, and what kind of result they are.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

use crate::report::plot::table::ReadError;

/// The file without which a folder is no result.
pub const MANIFEST: &str = "manifest.json";
/// Tables that are shown as they are, and what they hold.
pub const TABLES: &[(&str, &str)] = &[
    ("estimates.csv", "Metrics over replications"),
    ("comparison.csv", "Two scenarios compared"),
    ("size.csv", "Sizes that keep the objective"),
    ("curve.csv", "Runs on the way to them"),
    ("sensitivity.csv", "Which prices matter"),
    ("uncertainty.csv", "What is not known of the machine"),
    ("validation.csv", "Simulated and measured"),
    ("replicas.csv", "Replicas"),
    ("patterns.csv", "Patterns"),
    ("nodes.csv", "Nodes"),
    ("migrations.csv", "Migrations"),
    ("replications.csv", "Replications"),
];
/// The other files that a page is made of.
const OTHERS: &[&str] = &[
    MANIFEST,
    "result.json",
    "why.json",
    "blame.csv",
    "validation.json",
    "summary.csv",
    "timeline.csv",
    "events.csv",
    "histogram.hlog",
    "intervals.hlog",
    "points.csv",
];

/// What a folder holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A simulated run.
    Run,
    /// A real server under load.
    Load,
    /// A sweep.
    Sweep,
    /// Simulated and measured side by side.
    Validation,
    /// A result of another command, of which tables are shown.
    Tables,
}

/// The files of a folder.
#[derive(Clone, Debug, Default)]
pub struct Files(BTreeMap<String, Vec<u8>>);

/// A file that is damaged or missing: its name, then what is wrong as `:LINE: …` or `: …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Name of the file.
    pub file: String,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.file, self.what)
    }
}

impl Files {
    /// The names of all files that a page can be made of.
    pub fn names() -> impl Iterator<Item = &'static str> {
        OTHERS.iter().copied().chain(TABLES.iter().map(|table| table.0))
    }

    /// Adds a file; one that no page is made of is left out.
    pub fn add(&mut self, name: &str, bytes: Vec<u8>) {
        if Files::names().any(|known| known == name) {
            self.0.insert(name.to_owned(), bytes);
        }
    }

    /// Takes a file away.
    #[cfg(test)]
    pub fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// The bytes of a file that is there.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.get(name).map(Vec::as_slice)
    }

    /// The bytes of a file that must be there.
    pub fn need(&self, name: &str) -> Result<&[u8], Unreadable> {
        self.get(name).ok_or_else(|| unreadable(name, " is missing"))
    }

    /// The object in a JSON file that is there.
    pub fn object(&self, name: &str) -> Result<Option<Map<String, Value>>, Unreadable> {
        let read = |bytes| serde_json::from_slice(bytes).map_err(|error| json_fault(name, &error));
        self.get(name).map(read).transpose()
    }

    /// Whether there is anything to show.
    pub fn has_tables(&self) -> bool {
        let main = ["timeline.csv", "points.csv"].into_iter();
        main.chain(TABLES.iter().map(|table| table.0)).any(|name| self.get(name).is_some())
    }

    /// What the files are.
    ///
    /// # Errors
    /// Without a manifest they are no result; `result.json` is damaged.
    pub fn kind(&self) -> Result<Kind, Unreadable> {
        self.need(MANIFEST)?;
        let has = |name: &str| self.get(name).is_some();
        if has("validation.csv") {
            return Ok(Kind::Validation);
        }
        // The analysis of prices writes its points beside its own table.
        if has("points.csv") && !has("sensitivity.csv") {
            return Ok(Kind::Sweep);
        }
        if !has("timeline.csv") {
            return Ok(Kind::Tables);
        }
        let measured = self.object("result.json")?.is_some_and(|result| result.contains_key("load"));
        Ok(if measured { Kind::Load } else { Kind::Run })
    }
}

/// A fault of `file`.
pub fn unreadable(file: &str, what: impl Into<String>) -> Unreadable {
    Unreadable { file: file.to_owned(), what: what.into() }
}

/// What a table's reader says of `file`.
pub fn table_fault(file: &str) -> impl Fn(ReadError) -> Unreadable + '_ {
    move |error| unreadable(file, error.to_string())
}

fn json_fault(file: &str, error: &serde_json::Error) -> Unreadable {
    unreadable(file, format!(":{}:{}: {error}", error.line(), error.column()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(names: &[&str]) -> Files {
        let mut files = Files::default();
        names.iter().for_each(|name| files.add(name, b"{}".to_vec()));
        files
    }

    #[test]
    fn the_files_tell_what_they_are() {
        let kind = |names: &[&str]| files(names).kind();
        assert_eq!(kind(&["timeline.csv"]).expect_err("no manifest").to_string(), "manifest.json is missing");
        assert!(!files(&[MANIFEST, "thesis.tex"]).has_tables());
        assert_eq!(kind(&[MANIFEST, "timeline.csv"]), Ok(Kind::Run));
        assert_eq!(kind(&[MANIFEST, "points.csv"]), Ok(Kind::Sweep));
        assert_eq!(kind(&[MANIFEST, "points.csv", "sensitivity.csv"]), Ok(Kind::Tables));
        assert_eq!(kind(&[MANIFEST, "validation.csv"]), Ok(Kind::Validation));
        let mut load = files(&[MANIFEST, "timeline.csv"]);
        load.add("result.json", br#"{"load": {}}"#.to_vec());
        assert_eq!(load.kind(), Ok(Kind::Load));
    }

    #[test]
    fn a_damaged_object_says_where() {
        let mut files = Files::default();
        files.add("why.json", b"{\"bands\":\n  oops}".to_vec());
        let fault = files.object("why.json").expect_err("it is damaged").to_string();
        assert!(fault.starts_with("why.json:2:3: expected value"), "{fault}");
        files.add("why.json", b"[1]".to_vec());
        assert!(files.object("why.json").is_err());
        assert_eq!(files.need("timeline.csv").expect_err("none").to_string(), "timeline.csv is missing");
    }
}
