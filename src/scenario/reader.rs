//! Typed reading of a table's keys: each value checked, recorded with its origin, or reported.

use super::files::Files;
use super::keys::{Key, Kind, TableSpec};
use super::problem::Problem;
use super::tree::{Node, Place, Table, Value, quote};
use super::values;
use super::{Origin, Setting};

/// What reading collects: problems, settings and notes.
#[derive(Debug, Default)]
pub struct Reader {
    /// The scenario file as the user named it.
    pub file: String,
    /// Problems so far.
    pub problems: Vec<Problem>,
    /// Settings so far.
    pub settings: Vec<Setting>,
    /// Notes so far.
    pub notes: Vec<String>,
    /// Where the files it names are read.
    pub files: Files,
}

/// A table being read.
#[derive(Debug)]
pub struct Section<'t> {
    /// Its keys.
    pub spec: &'static TableSpec,
    /// Name under which settings are recorded: `run`, `workload.NAME`, `event.1`.
    pub prefix: String,
    /// What was typed.
    pub table: &'t Table,
    /// Where the table begins.
    pub place: Place,
}

/// A value that could not be read.
#[derive(Debug)]
pub struct Fault {
    /// Where, when it is a part of the value.
    pub place: Option<Place>,
    /// What was read.
    pub read: String,
    /// What is expected.
    pub remedies: Vec<String>,
}

/// A key's value as read.
#[derive(Clone, Debug)]
pub struct Got<T> {
    /// The value; none when it is missing or was reported.
    pub value: Option<T>,
    /// Where it was typed, or the table when it was not.
    pub place: Place,
    /// It was typed.
    pub given: bool,
}

impl Fault {
    /// A fault of the whole value.
    pub fn new(read: impl Into<String>, remedy: impl Into<String>) -> Self {
        Fault { place: None, read: read.into(), remedies: vec![remedy.into()] }
    }

    /// A fault from a message of the form `what was read; what to do; …`.
    pub fn from_message(message: &str) -> Self {
        let mut parts = message.split("; ").map(str::to_owned);
        Fault { place: None, read: parts.next().unwrap_or_default(), remedies: parts.collect() }
    }

    /// The same fault at a part of the value.
    pub fn at(mut self, place: &Place) -> Self {
        self.place.get_or_insert_with(|| place.clone());
        self
    }
}

impl<'t> Section<'t> {
    /// A table that stands once; an empty one if it is missing.
    pub fn single(spec: &'static TableSpec, tree: &'t Table) -> Self {
        static EMPTY: Table = Table { entries: Vec::new() };
        let entry = tree.entries.iter().find(|entry| entry.key == spec.name);
        let place = entry.map_or_else(Place::default_value, |entry| entry.place.clone());
        let table = match entry.map(|entry| &entry.node.value) {
            Some(Value::Table(table)) => table,
            _ => &EMPTY,
        };
        Section { spec, prefix: spec.name.to_owned(), table, place }
    }

    /// The tables of an array of tables.
    pub fn repeated(spec: &'static TableSpec, tree: &'t Table) -> Vec<Self> {
        let Some(Node { value: Value::List(nodes), .. }) = tree.get(spec.name) else { return Vec::new() };
        let section = |(index, node): (usize, &'t Node)| match &node.value {
            Value::Table(table) => {
                let prefix = format!("{}.{}", spec.name, index + 1);
                Some(Section { spec, prefix, table, place: node.place.clone() })
            }
            _ => None,
        };
        nodes.iter().enumerate().filter_map(section).collect()
    }

    /// Whether a key was typed.
    pub fn has(&self, key: &str) -> bool {
        self.table.get(key).is_some()
    }

    /// Where a key was typed, or the table when it was not.
    pub fn place_of(&self, key: &str) -> Place {
        self.table.get(key).map_or_else(|| self.place.clone(), |node| node.place.clone())
    }
}

impl Reader {
    /// Reports a problem of a key.
    pub fn problem(&mut self, place: &Place, read: impl Into<String>, remedy: impl Into<String>) {
        let problem = place.problem(&self.file, read.into(), vec![remedy.into()]);
        self.problems.push(problem);
    }

    /// Records a setting.
    pub fn record(&mut self, section: &Section<'_>, key: &str, value: String, origin: Origin) {
        self.settings.push(Setting { key: format!("{}.{key}", section.prefix), value, origin });
    }

    /// Reads a key with `parse`: what was typed, else its default.
    pub fn read<T>(
        &mut self,
        section: &Section<'_>,
        key: &str,
        parse: impl FnOnce(&Node) -> Result<T, Fault>,
    ) -> Got<T> {
        let default = section.spec.key(key).and_then(|key| key.default);
        let typed = section.table.get(key);
        let node = match (typed, default) {
            (Some(node), _) => node.clone(),
            (None, Some(text)) => Node::guess(text, Place::default_value()),
            (None, None) => return Got { value: None, place: section.place.clone(), given: false },
        };
        let place = if typed.is_some() { node.place.clone() } else { section.place.clone() };
        let value = match parse(&node) {
            Ok(value) => {
                let number = matches!(section.spec.key(key), Some(Key { kind: Kind::Number(..), .. }));
                let literal = match &node.value {
                    Value::Text(text) if number => text.trim().to_owned(),
                    _ => node.literal(),
                };
                self.record(section, key, literal, node.place.origin.clone());
                Some(value)
            }
            Err(fault) => {
                let at = fault.place.as_ref().unwrap_or(&node.place);
                let read = format!("{}.{key}: {}", section.spec.name, fault.read);
                self.problems.push(at.problem(&self.file, read, fault.remedies));
                None
            }
        };
        Got { value, place, given: typed.is_some() }
    }

    /// Reads a span, size or count within the key's bounds.
    pub fn whole(&mut self, section: &Section<'_>, key: &str) -> Got<u64> {
        let kind = kind_of(section, key);
        self.read(section, key, |node| values::whole(node, kind))
    }

    /// Reads a number, rate or bandwidth within the key's bounds.
    pub fn real(&mut self, section: &Section<'_>, key: &str) -> Got<f64> {
        let kind = kind_of(section, key);
        self.read(section, key, |node| values::real(node, kind))
    }

    /// Reads a boolean.
    pub fn boolean(&mut self, section: &Section<'_>, key: &str) -> Got<bool> {
        self.read(section, key, values::boolean)
    }

    /// Reads any text.
    pub fn text(&mut self, section: &Section<'_>, key: &str) -> Got<String> {
        self.read(section, key, values::text)
    }

    /// Checks the name of one of several tables, which is a part of dotted names and of columns, and records one that
    /// was not typed. `reserved` cannot be names, nor can names of keys.
    pub fn name(&mut self, section: &Section<'_>, name: &str, taken: bool, reserved: &[&str]) {
        let spec = section.spec;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let got = self.read(section, "name", |node| {
            let name = values::text(node)?;
            let free = spec.key(&name).is_none() && !reserved.contains(&name.as_str());
            if name.is_empty() || !name.chars().all(plain) || !free {
                let remedy = "use letters, digits, - and _, and no name of a key";
                return Err(Fault::new(format!("{name:?} cannot be a name"), remedy));
            }
            Ok(name)
        });
        if !got.given {
            self.record(section, "name", quote(name), Origin::Default);
        }
        if taken {
            let thing = if spec.name == "workload" { "group" } else { spec.name };
            let remedy = format!("give every {thing} a name of its own");
            self.problem(&got.place, format!("{}.name: {name:?} is taken", spec.name), remedy);
        }
    }

    /// Reads one of the key's words.
    pub fn choice(&mut self, section: &Section<'_>, key: &str) -> Got<String> {
        let words = match kind_of(section, key) {
            Kind::Choice(words) => words,
            _ => &[],
        };
        self.read(section, key, |node| values::choice(node, words))
    }
}

fn kind_of(section: &Section<'_>, key: &str) -> Kind {
    section.spec.key(key).map_or(Kind::Text, |key| key.kind)
}
