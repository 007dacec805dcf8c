//! What was typed, as a tree in which every value knows where it stands.
//!
//! The scenario file, an INFO dump, a redis.conf and the flags all become nodes of one tree; a later one replaces
//! an earlier one. So each setting has one value, one origin and one place to complain about.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::Origin;
use super::problem::{Problem, position};

/// Where a value was typed.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// File and line, or flag, or default.
    pub origin: Origin,
    /// Column from 1; 0 when there is no position.
    pub column: usize,
}

/// A value with its place.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it was typed.
    pub place: Place,
    /// What was typed.
    pub value: Value,
}

/// A value as typed. Numbers with a fraction keep their text: a version 8.10 is not 8.1.
#[derive(Clone, Debug)]
pub enum Value {
    /// A string.
    Text(String),
    /// A whole number.
    Integer(i128),
    /// A number with a fraction or an exponent, as typed.
    Float(String),
    /// A boolean.
    Bool(bool),
    /// A list.
    List(Vec<Node>),
    /// A table.
    Table(Table),
    /// What no setting takes: a date, or a whole number of absurd length.
    Other(String),
}

/// A table in the order of the file.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// Its entries.
    pub entries: Vec<Entry>,
}

/// One key of a table.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub place: Place,
    /// Its value.
    pub node: Node,
}

impl Place {
    /// The place of a value nobody typed.
    pub fn default_value() -> Self {
        Place { origin: Origin::Default, column: 0 }
    }

    /// The place of a flag's value.
    pub fn flag(name: &str) -> Self {
        Place { origin: Origin::Flag(name.to_owned()), column: 0 }
    }

    /// A problem at this place; `file` is named when there is no other.
    pub fn problem(&self, file: &str, read: String, remedies: Vec<String>) -> Problem {
        let (file, line) = match &self.origin {
            Origin::Scenario(file, line) => (file.clone(), *line),
            Origin::Info(path) => (path.display().to_string(), 0),
            Origin::RedisConf(path, line) => (path.display().to_string(), *line),
            Origin::Flag(flag) => (flag.clone(), 0),
            Origin::Default | Origin::Version | Origin::Model => (file.to_owned(), 0),
        };
        Problem { file, line, column: self.column, read, remedies }
    }
}

impl Node {
    /// A string.
    pub fn text(text: impl Into<String>, place: Place) -> Self {
        Node { place, value: Value::Text(text.into()) }
    }

    /// Reads a value as it stands in a flag or in the table of defaults: a TOML list, table, quoted string, boolean
    /// or whole number, and anything else as plain text.
    pub fn guess(text: &str, place: Place) -> Self {
        let trimmed = text.trim();
        let is_digits = !trimmed.is_empty() && trimmed.bytes().all(|b| b.is_ascii_digit());
        if trimmed.starts_with(['{', '[', '"', '\'']) || matches!(trimmed, "true" | "false") || is_digits {
            let (value, errors) = DeValue::parse_recoverable(trimmed);
            // A leading zero is no TOML number, but a flag may carry one; it then stays text.
            if errors.is_empty() {
                return convert(value.get_ref(), 0..0, &|_| place.clone());
            }
        }
        Node::text(text, place)
    }

    /// The value as TOML writes it on one line.
    pub fn literal(&self) -> String {
        match &self.value {
            Value::Text(text) => quote(text),
            Value::Integer(number) => number.to_string(),
            Value::Float(text) | Value::Other(text) => text.clone(),
            Value::Bool(value) => value.to_string(),
            Value::List(nodes) => {
                let parts: Vec<String> = nodes.iter().map(Node::literal).collect();
                format!("[{}]", parts.join(", "))
            }
            Value::Table(table) => {
                let pair =
                    |entry: &Entry| format!("{} = {}", bare_or_quoted(&entry.key), entry.node.literal());
                let parts: Vec<String> = table.entries.iter().map(pair).collect();
                format!("{{ {} }}", parts.join(", "))
            }
        }
    }

    /// The text of a scalar as a redis.conf or a model file would have it: `true` is `yes`.
    pub fn plain(&self) -> Option<String> {
        match &self.value {
            Value::Text(text) | Value::Float(text) | Value::Other(text) => Some(text.clone()),
            Value::Integer(number) => Some(number.to_string()),
            Value::Bool(value) => Some(if *value { "yes" } else { "no" }.to_owned()),
            Value::List(_) | Value::Table(_) => None,
        }
    }
}

impl Table {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    /// Gives a key a value, in the place of the one it had.
    pub fn set(&mut self, key: &str, node: Node) {
        match self.entries.iter_mut().find(|entry| entry.key == key) {
            Some(entry) => {
                entry.place = node.place.clone();
                entry.node = node;
            }
            None => self.entries.push(Entry { key: key.to_owned(), place: node.place.clone(), node }),
        }
    }

    /// Takes a key away.
    pub fn remove(&mut self, key: &str) {
        self.entries.retain(|entry| entry.key != key);
    }

    /// The table under a key; it is made if it is missing, and replaces a value that is no table.
    pub fn table_mut(&mut self, key: &str, place: &Place) -> &mut Table {
        let at = match self.entries.iter().position(|entry| entry.key == key) {
            Some(at) => at,
            None => {
                let node = Node { place: place.clone(), value: Value::Table(Table::default()) };
                self.entries.push(Entry { key: key.to_owned(), place: place.clone(), node });
                self.entries.len() - 1
            }
        };
        let value = &mut self.entries[at].node.value;
        if !matches!(value, Value::Table(_)) {
            *value = Value::Table(Table::default());
        }
        match value {
            Value::Table(table) => table,
            _ => unreachable!("made a table above"),
        }
    }

    /// The tables of an array of tables (`[[workload]]`); none when it is missing or something else.
    pub fn tables_mut(&mut self, key: &str) -> Vec<&mut Table> {
        let entry = self.entries.iter_mut().find(|entry| entry.key == key);
        let Some(Entry { node: Node { value: Value::List(nodes), .. }, .. }) = entry else {
            return Vec::new();
        };
        nodes
            .iter_mut()
            .filter_map(|node| match &mut node.value {
                Value::Table(table) => Some(table),
                _ => None,
            })
            .collect()
    }
}

/// Parses the text of a scenario file; on errors of syntax, all of them.
pub fn parse(text: &str, file: &str) -> Result<Table, Vec<Problem>> {
    let place = |span: Range<usize>| {
        let (line, column) = position(text, span.start);
        Place { origin: Origin::Scenario(file.to_owned(), line), column }
    };
    let (document, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Ok(convert_table(document.get_ref(), &place));
    }
    let problem = |error: &toml::de::Error| {
        let span = error.span().unwrap_or(text.len()..text.len());
        place(span).problem(file, format!("this is not TOML: {}", error.message()), Vec::new())
    };
    let mut problems: Vec<Problem> = errors.iter().map(problem).collect();
    problems.sort();
    Err(problems)
}

fn convert_table(table: &DeTable<'_>, place: &dyn Fn(Range<usize>) -> Place) -> Table {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    let entry =
        |(key, value): (&toml::Spanned<std::borrow::Cow<'_, str>>, &toml::Spanned<DeValue<'_>>)| Entry {
            key: key.get_ref().to_string(),
            place: place(key.span()),
            node: convert(value.get_ref(), value.span(), place),
        };
    Table { entries: entries.into_iter().map(entry).collect() }
}

fn convert(value: &DeValue<'_>, span: Range<usize>, place: &dyn Fn(Range<usize>) -> Place) -> Node {
    let value = match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => match i128::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Value::Integer(number),
            Err(_) => Value::Other(number.to_string()),
        },
        DeValue::Float(number) => Value::Float(number.as_str().to_owned()),
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Datetime(date) => Value::Other(date.to_string()),
        DeValue::Array(array) => {
            Value::List(array.iter().map(|value| convert(value.get_ref(), value.span(), place)).collect())
        }
        DeValue::Table(table) => Value::Table(convert_table(table, place)),
    };
    Node { place: place(span), value }
}

/// A TOML basic string.
pub fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", c as u32)),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A key as TOML writes it.
fn bare_or_quoted(key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !key.is_empty() && key.chars().all(bare) { key.to_owned() } else { quote(key) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_knows_its_line_and_column_and_prints_back() {
        let tree = parse("[run]\nseed = 3\nwindows = [ \"1s\",\n \"é\" ]\n", "x.toml").unwrap();
        let Value::Table(run) = &tree.get("run").unwrap().value else { panic!("no table") };
        let seed = run.get("seed").unwrap();
        assert_eq!(seed.place, Place { origin: Origin::Scenario("x.toml".into(), 2), column: 8 });
        assert_eq!(run.get("windows").unwrap().literal(), "[\"1s\", \"é\"]");
    }

    #[test]
    fn flags_are_read_as_toml_only_when_they_look_like_it() {
        let literal = |text| Node::guess(text, Place::flag("--set")).literal();
        assert_eq!(literal("5000/s"), "\"5000/s\"");
        assert_eq!(literal("{dist = 'zipf', s = 1.10}"), "{ dist = \"zipf\", s = 1.10 }");
        assert_eq!(literal("true"), "true");
        assert_eq!(literal("7.10"), "\"7.10\"");
        assert_eq!(literal("{oops"), "\"{oops\"");
        assert_eq!(literal("007"), "\"007\"");
    }
}
