//! Reads the text of a model file into a [`CostModel`], reporting every problem at once.

use toml::de::DeTable;

use super::price::{self, PRICES};
use super::{ModelSource, blank, contradictions};
use crate::cost_model::CostModel;
use crate::scenario::problem::{Problem, Problems, nearest, position};

/// Reads a model file's `text`; `file` names it in problems, `name` is the model's.
pub fn parse(text: &str, file: &str, name: &str) -> Result<(CostModel, ModelSource), Problems> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader {
        text,
        file,
        problems: Vec::new(),
        model: blank(name),
        source: ModelSource { name: name.to_string(), ..ModelSource::default() },
    };
    for error in &errors {
        reader.problem(error.span().map_or(0, |span| span.start), error.message().to_string(), Vec::new());
    }
    if errors.is_empty() {
        reader.document(document.get_ref());
    }
    if reader.problems.is_empty() {
        for contradiction in contradictions(&reader.model) {
            reader.problem(0, contradiction, Vec::new());
        }
    }
    match reader.problems.is_empty() {
        true => Ok((reader.model, reader.source)),
        false => {
            reader.problems.sort();
            Err(Problems(reader.problems))
        }
    }
}

/// A file being read.
pub(super) struct Reader<'t> {
    text: &'t str,
    file: &'t str,
    problems: Vec<Problem>,
    pub(super) model: CostModel,
    pub(super) source: ModelSource,
}

impl Reader<'_> {
    pub(super) fn problem(&mut self, offset: usize, read: String, remedies: Vec<String>) {
        let (line, column) = position(self.text, offset);
        self.problems.push(Problem { file: self.file.to_string(), line, column, read, remedies });
    }

    pub(super) fn unknown<'k>(
        &mut self,
        offset: usize,
        name: &str,
        known: impl IntoIterator<Item = &'k str>,
    ) {
        let key = name.rsplit('.').next().unwrap_or(name);
        let remedy = nearest(key, known).map(|near| format!("did you mean {near:?}?"));
        self.problem(offset, format!("{name}: unknown key"), remedy.into_iter().collect());
    }

    fn document(&mut self, root: &DeTable<'_>) {
        for (key, value) in root {
            let (table_name, at) = (key.get_ref().as_ref(), key.span().start);
            let Some(table) = value.get_ref().as_table() else {
                self.problem(at, format!("{table_name}: expected a table"), Vec::new());
                continue;
            };
            if table_name == "meta" {
                self.meta(table);
                continue;
            }
            let in_table =
                || PRICES.iter().filter_map(|p| p.name.split_once('.')).filter(|n| n.0 == table_name);
            if in_table().next().is_none() {
                let tables = PRICES.iter().filter_map(|p| p.name.split_once('.')).map(|n| n.0);
                self.unknown(at, table_name, tables.chain(["meta"]));
                continue;
            }
            for (key, value) in table {
                let name = format!("{table_name}.{}", key.get_ref());
                match price::find(&name) {
                    Some(price) => self.price(price, value),
                    None => self.unknown(key.span().start, &name, in_table().map(|n| n.1)),
                }
            }
        }
        self.missing(root);
    }

    fn meta(&mut self, table: &DeTable<'_>) {
        for (key, value) in table {
            let (name, at) = (key.get_ref().as_ref(), key.span().start);
            let place = match name {
                "machine" => &mut self.source.machine,
                "how" => &mut self.source.how,
                "date" => &mut self.source.date,
                "server" => &mut self.model.server,
                _ => {
                    self.unknown(at, &format!("meta.{name}"), ["machine", "how", "date", "server"]);
                    continue;
                }
            };
            match value.get_ref().as_str() {
                Some(text) => *place = text.to_string(),
                None => self.problem(at, format!("meta.{name}: expected text"), Vec::new()),
            }
        }
    }

    fn missing(&mut self, root: &DeTable<'_>) {
        let at =
            |name: &str| root.iter().find(|entry| entry.0.get_ref() == name).map_or(0, |e| e.0.span().start);
        let has = |name: &str| {
            let (table, key) = name.split_once('.')?;
            let table = root.iter().find(|entry| entry.0.get_ref() == table)?.1.get_ref().as_table()?;
            table.iter().find(|entry| entry.0.get_ref() == key)
        };
        for price in PRICES.iter().filter(|price| has(price.name).is_none()) {
            let offset = price.name.split_once('.').map_or(0, |name| at(name.0));
            let expected = match price.unit.is_number() {
                true => format!("expected {}, from {}", price.unit.expected(), price.allowed()),
                false => format!("expected {}", price.unit.expected()),
            };
            self.problem(offset, format!("{}: missing price", price.name), vec![expected]);
        }
        for key in ["machine", "how", "date"] {
            if has(&format!("meta.{key}")).is_none() {
                self.problem(at("meta"), format!("meta.{key}: missing"), Vec::new());
            }
        }
    }
}
