//! What a page is made of, as its template gets it: text and tables ready to print, and places for charts.

use serde::Serialize;
use serde_json::{Map, Value};

/// A whole page.
#[derive(Debug, Default, Serialize)]
pub struct Page {
    /// Name of the scenario, or what the folder is.
    pub title: String,
    /// What kind of result it is, in a few words.
    pub kind: &'static str,
    /// The answer, a sentence each.
    pub verdict: Vec<String>,
    /// Server, machine, length, seed, in one line.
    pub facts: String,
    /// The numbers to be seen first.
    pub tiles: Vec<Tile>,
    /// The rest, in order.
    pub sections: Vec<Section>,
    /// What the charts and the long tables show, by their names.
    #[serde(skip)]
    pub data: Map<String, Value>,
}

/// A number to be seen first.
#[derive(Debug, Serialize)]
pub struct Tile {
    /// What it is.
    pub label: &'static str,
    /// The number with its unit.
    pub value: String,
    /// Its interval, or what to think of it.
    pub note: String,
}

/// One section.
#[derive(Debug, Default, Serialize)]
pub struct Section {
    /// Its anchor.
    pub id: &'static str,
    /// Its heading.
    pub title: String,
    /// What it says.
    pub text: Vec<String>,
    /// Commands to be typed.
    pub commands: Vec<String>,
    /// Its chart.
    pub chart: Option<Chart>,
    /// Its tables.
    pub tables: Vec<Table>,
    /// The names of its long tables, which can be searched and sorted.
    pub lists: Vec<&'static str>,
}

/// A place for a chart.
#[derive(Debug, Serialize)]
pub struct Chart {
    /// Which one: the name of its data.
    pub name: &'static str,
    /// What it shows, in words: the same message without the picture.
    pub label: String,
    /// The numbers behind it.
    pub behind: Option<Table>,
}

/// A table.
#[derive(Debug, Default, Serialize)]
pub struct Table {
    /// What it shows.
    pub caption: String,
    /// Heads of the columns.
    pub columns: Vec<String>,
    /// The rows; the first cell is the row's head.
    pub rows: Vec<Vec<Cell>>,
}

/// A cell of a table.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Cell {
    /// What stands in it.
    pub text: String,
    /// Length of the bar behind it \[%\].
    pub bar: Option<String>,
    /// It is aligned as numbers are.
    pub number: bool,
}

impl Cell {
    /// A number with its unit.
    pub fn number(text: impl Into<String>) -> Cell {
        Cell { text: text.into(), bar: None, number: true }
    }

    /// A number with a bar of this share of the cell's width.
    pub fn bar(text: impl Into<String>, share: f64) -> Cell {
        let percent = 100.0 * if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
        Cell { bar: Some(format!("{percent:.1}")), ..Cell::number(text) }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Cell {
        Cell { text: text.into(), ..Cell::default() }
    }
}

impl Table {
    /// A table without rows yet.
    pub fn new(caption: impl Into<String>, columns: &[&str]) -> Table {
        let columns = columns.iter().map(|&column| column.to_owned()).collect();
        Table { caption: caption.into(), columns, rows: Vec::new() }
    }
}

/// A number for a chart, four digits: what a screen can show, in fewer bytes.
pub fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return 0.0;
    }
    let mut scale = 1.0;
    while value.abs() / scale >= 9_999.5 {
        scale *= 10.0;
    }
    (value / scale).round() * scale
}

/// The same of a span \[ns\], or nothing.
pub fn nanos(value: Option<f64>) -> Value {
    value.map_or(Value::Null, |value| Value::from(rounded(value).max(0.0) as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chart_numbers_keep_four_digits() {
        let shown = [0.0, 3.4, 266_111.0, 9_999.6, 128_208_101.0].map(rounded);
        assert_eq!(shown, [0.0, 3.0, 266_100.0, 10_000.0, 128_200_000.0]);
        assert_eq!((nanos(None), nanos(Some(128_208_101.0))), (Value::Null, Value::from(128_200_000)));
    }

    #[test]
    fn bars_stay_in_their_cell() {
        let bars = [f64::NAN, -1.0, 0.123, 7.0].map(|share| Cell::bar("x", share).bar.unwrap_or_default());
        assert_eq!(bars, ["0.0", "0.0", "12.3", "100.0"]);
    }
}
