//! Where experiments are kept: in a folder, or in the program.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::builtin;
use super::file::Experiment;
use super::finding::Manifest;
use super::lists::{self, Fact, Undecided};
use super::table::Results;
use crate::scenario::problem::{Problem, Problems};

/// The question and what would settle it.
pub const EXPERIMENT: &str = "experiment.toml";
/// What the runs answered.
pub const RESULT: &str = "result.csv";
/// What was found.
pub const FINDING: &str = "finding.md";
/// What a result was made from; written last.
pub const MANIFEST: &str = "manifest.json";
/// Claims that no simulator decides.
pub const UNDECIDED: &str = "undecided.toml";
/// What real servers showed.
pub const FACTS: &str = "real-servers.toml";

/// Where the files are.
#[derive(Clone, Debug)]
pub enum Store {
    /// In the program.
    Builtin,
    /// In a folder.
    Folder(PathBuf),
}

/// An experiment with what is recorded of it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The experiment.
    pub experiment: Experiment,
    /// `experiment.toml` as problems name it.
    pub file: String,
    /// `result.csv` as it stands; none before the first run.
    pub result: Option<String>,
    /// The same, read.
    pub results: Option<Results>,
    /// `finding.md` as it stands.
    pub finding: Option<String>,
    /// `manifest.json`.
    pub manifest: Option<Manifest>,
}

/// Everything of a store.
#[derive(Clone, Debug)]
pub struct Book {
    /// Experiments by name.
    pub entries: Vec<Entry>,
    /// Claims that none of them decides.
    pub undecided: Vec<Undecided>,
    /// What real servers showed.
    pub facts: Vec<Fact>,
}

impl Store {
    /// `folder`, or `experiments` where that holds some, or what is in the program.
    pub fn find(folder: Option<&Path>) -> Store {
        let here = Path::new("experiments");
        match folder {
            Some(folder) => Store::Folder(folder.to_owned()),
            None if here.join(UNDECIDED).is_file() => Store::Folder(here.to_owned()),
            None => Store::Builtin,
        }
    }

    /// Names of all experiments, sorted.
    ///
    /// # Errors
    /// The system's.
    pub fn names(&self) -> io::Result<Vec<String>> {
        let Store::Folder(folder) = self else {
            return Ok(builtin::ALL.iter().map(|own| own.name.to_owned()).collect());
        };
        let mut names = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.join(EXPERIMENT).is_file() {
                names.extend(path.file_name().map(|name| name.to_string_lossy().into_owned()));
            }
        }
        names.sort();
        Ok(names)
    }

    /// A file of an experiment, or of the folder itself where `name` is empty; none where there is none.
    fn read(&self, name: &str, file: &str) -> io::Result<Option<String>> {
        match self {
            Store::Builtin => Ok(builtin::read(name, file).map(str::to_owned)),
            Store::Folder(folder) => match fs::read_to_string(folder.join(name).join(file)) {
                Ok(text) => Ok(Some(text)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            },
        }
    }

    /// A file as problems name it.
    fn shown(&self, name: &str, file: &str) -> String {
        match self {
            Store::Builtin => Path::new("experiments").join(name).join(file).display().to_string(),
            Store::Folder(folder) => folder.join(name).join(file).display().to_string(),
        }
    }

    /// The experiments `names` and the lists beside them.
    ///
    /// # Errors
    /// Every mistake of all files.
    pub fn load(&self, names: &[String]) -> Result<Book, Problems> {
        let mut problems = Vec::new();
        let mut keep = |error: Problems| problems.extend(error.0);
        let entries = names.iter().filter_map(|name| self.entry(name).map_err(&mut keep).ok()).collect();
        let undecided = self
            .text("", UNDECIDED)
            .and_then(|text| lists::undecided(&text.unwrap_or_default(), &self.shown("", UNDECIDED)));
        let undecided = undecided.map_err(&mut keep).unwrap_or_default();
        let facts = self
            .text("", FACTS)
            .and_then(|text| lists::facts(&text.unwrap_or_default(), &self.shown("", FACTS)));
        let facts = facts.map_err(&mut keep).unwrap_or_default();
        if problems.is_empty() { Ok(Book { entries, undecided, facts }) } else { Err(Problems(problems)) }
    }

    /// A file, with what the system says against it as a problem.
    fn text(&self, name: &str, file: &str) -> Result<Option<String>, Problems> {
        self.read(name, file)
            .map_err(|error| self.problem(name, file, (0, 0), format!("cannot be read: {error}")))
    }

    fn problem(&self, name: &str, file: &str, (line, column): (usize, usize), read: String) -> Problems {
        Problems(vec![Problem { file: self.shown(name, file), line, column, read, remedies: Vec::new() }])
    }

    fn entry(&self, name: &str) -> Result<Entry, Problems> {
        let file = self.shown(name, EXPERIMENT);
        let text = self.text(name, EXPERIMENT)?.unwrap_or_default();
        let experiment = Experiment::read(name, &text, &file)?;
        let result = self.text(name, RESULT)?;
        let results = result
            .as_deref()
            .map(Results::read)
            .transpose()
            .map_err(|(line, column, read)| self.problem(name, RESULT, (line, column), read))?;
        let manifest = self.text(name, MANIFEST)?.map(|text| serde_json::from_str(&text));
        let manifest = manifest.transpose().map_err(|error: serde_json::Error| {
            self.problem(name, MANIFEST, (error.line(), error.column()), format!("{error}"))
        })?;
        Ok(Entry { experiment, file, result, results, finding: self.text(name, FINDING)?, manifest })
    }
}
