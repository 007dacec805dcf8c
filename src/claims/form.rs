//! Reading of the tables of `experiments/`: every value by its key, every mistake with its place.

use crate::scenario::problem::{Problem, nearest};
use crate::scenario::tree::{self, Node, Place, Table, Value};

/// A file while it is read.
#[derive(Debug)]
pub struct Form {
    /// As problems name it.
    pub file: String,
    /// What is wrong so far.
    pub problems: Vec<Problem>,
}

impl Form {
    /// Begins to read `text`; what is no TOML is an empty table, with problems.
    pub fn begin(text: &str, file: &str) -> (Form, Table) {
        let (tree, problems) = match tree::parse(text, file) {
            Ok(tree) => (tree, Vec::new()),
            Err(problems) => (Table::default(), problems),
        };
        (Form { file: file.to_owned(), problems }, tree)
    }

    /// Reports a mistake at `place`. Lines of `read` after the first are remedies.
    pub fn fault(&mut self, place: &Place, read: &str) {
        let mut lines = read.lines().map(|line| line.trim().to_owned());
        let first = lines.next().unwrap_or_default();
        self.problems.push(place.problem(&self.file, first, lines.collect()));
    }

    /// The first line of the file, for what is missing in it.
    pub fn top(&self) -> Place {
        Place { origin: crate::scenario::Origin::Scenario(self.file.clone(), 1), column: 1 }
    }

    /// Reports keys of `table`, called `name`, other than `known`.
    pub fn keys(&mut self, table: &Table, name: &str, known: &[&str]) {
        for entry in table.entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let remedy = match nearest(&entry.key, known.iter().copied()) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("expected one of: {}", known.join(", ")),
            };
            self.fault(&entry.place, &format!("{name}: unknown key {:?}\n{remedy}", entry.key));
        }
    }

    /// A text; a number or truth value as it is typed.
    pub fn text(&mut self, table: &Table, key: &str) -> Option<String> {
        let node = table.get(key)?;
        let text = plain(node);
        if text.is_none() {
            self.fault(&node.place, &format!("{key}: {} is no text", node.literal()));
        }
        text
    }

    /// A text that must be there; `place` is where it is missing.
    pub fn need(&mut self, table: &Table, key: &str, place: &Place) -> String {
        if table.get(key).is_none() {
            self.fault(place, &format!("{key} is missing"));
        }
        self.text(table, key).unwrap_or_default()
    }

    /// One text or a list of them.
    pub fn texts(&mut self, table: &Table, key: &str) -> Option<Vec<String>> {
        let node = table.get(key)?;
        let nodes = match &node.value {
            Value::List(nodes) => nodes.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let texts: Option<Vec<String>> = nodes.iter().map(plain).collect();
        if texts.is_none() {
            self.fault(&node.place, &format!("{key}: {} is no list of texts", node.literal()));
        }
        texts
    }

    /// A whole number from `low` to `high`.
    pub fn whole(&mut self, table: &Table, key: &str, (low, high): (u64, u64)) -> Option<u64> {
        let node = table.get(key)?;
        match &node.value {
            Value::Integer(number) if (i128::from(low)..=i128::from(high)).contains(number) => {
                u64::try_from(*number).ok()
            }
            _ => {
                let read = format!("{key}: {}\nexpected a whole number from {low} to {high}", node.literal());
                self.fault(&node.place, &read);
                None
            }
        }
    }

    /// A truth value, false if it is not there.
    pub fn flag(&mut self, table: &Table, key: &str) -> bool {
        match table.get(key) {
            None => false,
            Some(Node { value: Value::Bool(value), .. }) => *value,
            Some(node) => {
                let (place, literal) = (node.place.clone(), node.literal());
                self.fault(&place, &format!("{key}: {literal} is neither true nor false"));
                false
            }
        }
    }

    /// The entries of a table under `key`: names with their nodes, in the order of the file.
    pub fn entries<'t>(&mut self, table: &'t Table, key: &str) -> Vec<(&'t str, &'t Node)> {
        match table.get(key) {
            None => Vec::new(),
            Some(Node { value: Value::Table(inner), .. }) => {
                inner.entries.iter().map(|entry| (entry.key.as_str(), &entry.node)).collect()
            }
            Some(node) => {
                self.fault(&node.place, &format!("{key} is no table\nwrite [{key}] on a line of its own"));
                Vec::new()
            }
        }
    }

    /// The tables `[[key]]`, each with its place.
    pub fn tables<'t>(&mut self, table: &'t Table, key: &str) -> Vec<(&'t Table, Place)> {
        let Some(node) = table.get(key) else { return Vec::new() };
        let Value::List(nodes) = &node.value else {
            self.fault(&node.place, &format!("{key} is no list of tables\nwrite [[{key}]]"));
            return Vec::new();
        };
        let mut found = Vec::new();
        for node in nodes {
            match &node.value {
                Value::Table(inner) => found.push((inner, node.place.clone())),
                _ => self.fault(&node.place, &format!("{key}: {} is no table", node.literal())),
            }
        }
        found
    }
}

/// The text of a scalar as a flag would give it; lists and tables as TOML.
pub fn as_flag(node: &Node) -> String {
    match &node.value {
        Value::Text(text) => text.clone(),
        _ => node.literal(),
    }
}

fn plain(node: &Node) -> Option<String> {
    match node.value {
        Value::List(_) | Value::Table(_) => None,
        _ => Some(as_flag(node)),
    }
}
