//! One axis of a design: a setting, and the values it takes.
//!
//! `KEY=A,B,C` lists values. `KEY=LOW..HIGH:N` is N values from LOW to HIGH, both included, at equal distances, and
//! `KEY=LOW..HIGH:N:log` at equal ratios. `KEY~OTHER=…` moves together with the axis OTHER.

use super::form::Form;
use crate::experiment::template::SHORT_KEYS;
use crate::scenario::reader::Fault;
use crate::scenario::tree::Place;

/// Most values of one axis.
pub const LEVELS_MAX: u64 = 1_000_000;
/// Significant digits of a computed value.
const DIGITS: usize = 6;

/// An axis as read.
#[derive(Clone, Debug)]
pub struct Axis {
    /// The setting.
    pub key: String,
    /// The axis it moves with.
    pub with: Option<String>,
    /// Where it was typed.
    pub place: Place,
    /// How its numbers are written; none where values are words or files.
    pub form: Option<Form>,
    /// What it takes.
    pub values: Values,
    /// It was a range, which in a grid has become a list.
    pub is_range: bool,
}

/// What an axis takes.
#[derive(Clone, Debug)]
pub enum Values {
    /// These values.
    List(Vec<Level>),
    /// Everything in a range.
    Range(Range),
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub struct Level {
    /// As an assignment takes it.
    pub text: String,
    /// As a number in base units; none for words and files.
    pub number: Option<f64>,
}

/// A range of numbers, ends included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// Lower end, in base units.
    pub low: f64,
    /// Upper end, above the lower one.
    pub high: f64,
    /// Equal ratios instead of equal distances; `low` is above 0 then.
    pub log: bool,
    /// Values it has in a grid, ≥ 2.
    pub points: Option<u64>,
    /// How its numbers are written.
    pub form: Form,
}

impl Axis {
    /// Reads `KEY=VALUES`.
    ///
    /// # Errors
    /// What is wrong and what to write.
    pub fn parse(text: &str, place: Place) -> Result<Axis, Fault> {
        let Some((key, values)) = text.split_once('=') else {
            return Err(Fault::new(
                format!("{text:?} has no \"=\""),
                "write KEY=VALUES, for example redis.appendfsync=no,everysec",
            ));
        };
        let items = split(values).map_err(|fault| of_key(key, fault))?;
        Axis::of_items(key, items, place)
    }

    /// An axis of values that stand by themselves; a single one may be a range.
    ///
    /// # Errors
    /// What is wrong and what to write.
    pub fn of_items(key: &str, items: Vec<String>, place: Place) -> Result<Axis, Fault> {
        let (key, with) = match key.split_once('~') {
            Some((key, with)) => (key.trim(), Some(with.trim().to_owned())),
            None => (key.trim(), None),
        };
        if key.is_empty() || with.as_ref().is_some_and(String::is_empty) {
            return Err(Fault::new("an axis has no setting", "write KEY=VALUES, or KEY~OTHER=VALUES"));
        }
        let form = form(key, &items);
        let values = values(key, items, form).map_err(|fault| of_key(key, fault))?;
        let is_range = matches!(values, Values::Range(_));
        Ok(Axis { key: key.to_owned(), with, place, form, values, is_range })
    }

    /// The value at a share of the axis, 0 ≤ `share` < 1: levels of a list are equally likely, a range is continuous.
    pub fn at(&self, share: f64) -> Level {
        match &self.values {
            Values::List(levels) => {
                let index = (share * levels.len() as f64) as usize;
                levels[index.min(levels.len() - 1)].clone()
            }
            Values::Range(range) => range.at(share),
        }
    }

    /// Name of its column: the setting in snake_case, with the base unit if all its values are numbers.
    pub fn column(&self) -> String {
        let name = self.key.replace(['.', '-'], "_");
        let suffix = self.form.filter(|_| self.is_numeric()).map_or("", Form::suffix);
        if name.ends_with(suffix) { name } else { name + suffix }
    }

    /// Whether all its values are numbers.
    pub fn is_numeric(&self) -> bool {
        match &self.values {
            Values::List(levels) => levels.iter().all(|level| level.number.is_some()),
            Values::Range(_) => true,
        }
    }
}

impl Level {
    /// The value in a table: in base units where it is a number, else as typed, without quotes.
    pub fn cell(&self, numeric: bool) -> String {
        match self.number {
            Some(number) if numeric => number.to_string(),
            _ => unquoted(&self.text).to_owned(),
        }
    }
}

impl Range {
    /// The values of a grid: `points` ≥ 2 of them, whole numbers once each.
    pub fn levels(&self, points: u64) -> Vec<Level> {
        let last = points - 1;
        let number = |index: u64| match index {
            0 => self.low,
            index if index == last => self.high,
            index => self.between(index as f64 / last as f64),
        };
        let mut levels: Vec<Level> = (0..points).map(|index| self.level(number(index))).collect();
        levels.dedup();
        levels
    }

    /// The value at a share of the range. Whole numbers few enough to tell apart are equally likely.
    pub fn at(&self, share: f64) -> Level {
        let count = self.high - self.low + 1.0;
        let whole = match self.form.is_whole() && count <= LEVELS_MAX as f64 {
            true if !self.log => Some(self.low + (share * count).floor()),
            true => {
                let wider = Range { low: self.low - 0.5, high: self.high + 0.5, ..*self };
                Some(wider.between(share).round())
            }
            false => None,
        };
        let number = whole.unwrap_or_else(|| self.between(share));
        self.level(number.clamp(self.low, self.high))
    }

    fn between(&self, share: f64) -> f64 {
        match self.log {
            true => self.low * libm::pow(self.high / self.low, share),
            false => self.low + (self.high - self.low) * share,
        }
    }

    fn level(&self, number: f64) -> Level {
        let number = match (number == self.low || number == self.high, self.form.is_whole()) {
            (true, _) => number,
            (false, true) => number.round(),
            (false, false) => rounded(number),
        };
        Level { text: self.form.text(number), number: Some(number) }
    }
}

/// To six significant digits, which a reader of tables can take in.
fn rounded(number: f64) -> f64 {
    format!("{number:.*e}", DIGITS - 1).parse().unwrap_or(number)
}

fn of_key(key: &str, fault: Fault) -> Fault {
    Fault { read: format!("{}: {}", key.trim(), fault.read), ..fault }
}

fn form(key: &str, items: &[String]) -> Option<Form> {
    let is_factor = |item: &String| {
        item.strip_prefix('x').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit() || c == '.'))
    };
    let is_price = key.starts_with("machine.") && key != "machine.model";
    match is_price && !items.is_empty() && items.iter().all(is_factor) {
        true => Some(Form::Factor),
        false => Form::of(key),
    }
}

fn values(key: &str, items: Vec<String>, form: Option<Form>) -> Result<Values, Fault> {
    if items.is_empty() || items == [""] {
        return Err(Fault::new("no values", format!("write {key}=VALUE,VALUE or a range LOW..HIGH:N")));
    }
    if let ([item], Some(form)) = (&items[..], form)
        && !item.starts_with(['"', '\'', '[', '{'])
        && let Some((low, rest)) = item.split_once("..")
    {
        return range(low, rest, form).map(Values::Range);
    }
    let mut levels: Vec<Level> = Vec::new();
    for item in items {
        if item.is_empty() {
            return Err(Fault::new("an empty value", "write \"\" for an empty text, or take the comma away"));
        }
        if form.is_some() && item.contains("..") && !item.starts_with(['"', '\'', '[', '{']) {
            let remedy = "write one range, or a list of single values";
            return Err(Fault::new(format!("{item:?} is a range in a list"), remedy));
        }
        let number = form.and_then(|form| form.parse(&item).ok());
        // Keys that stand for a flag take their text as it is.
        let text = if SHORT_KEYS.contains(&key) { unquoted(&item).to_owned() } else { item };
        let level = Level { text, number };
        let same = |other: &Level| other.text == level.text || (number.is_some() && other.number == number);
        if levels.iter().any(same) {
            let remedy = "give every value once";
            return Err(Fault::new(format!("the value {} stands twice", level.text), remedy));
        }
        levels.push(level);
    }
    Ok(Values::List(levels))
}

/// Reads `HIGH[:N][:log]` behind `LOW..`.
fn range(low_text: &str, rest: &str, form: Form) -> Result<Range, Fault> {
    let mut parts = rest.split(':');
    let high_text = parts.next().unwrap_or_default();
    let end = |text: &str| form.parse(text).map_err(|error| Fault::from_message(&error));
    let (low, high) = (end(low_text)?, end(high_text)?);
    let mut range = Range { low, high, log: false, points: None, form };
    let mut scale = None;
    for part in parts {
        match (part.trim(), part.trim().parse::<u64>()) {
            (word @ ("log" | "lin"), _) if scale.is_none() => scale = Some(word),
            (_, Ok(points)) if range.points.is_none() => range.points = Some(points),
            _ => {
                let remedy = "behind a range stand the number of values and log: 1..100:5:log";
                return Err(Fault::new(format!("{part:?} behind a range"), remedy));
            }
        }
    }
    range.log = scale == Some("log");
    let (low_text, high_text) = (low_text.trim(), high_text.trim());
    let fault = |read: String, remedy: &str| Err(Fault::new(read, remedy));
    match range {
        Range { low, high, .. } if low > high => {
            fault(format!("{low_text} is above {high_text}"), "write the lower end first")
        }
        Range { low, high, .. } if low == high => {
            fault(format!("{low_text}..{high_text} is one value"), "write a list, or two different ends")
        }
        Range { log: true, low, .. } if low <= 0.0 => {
            fault(format!("equal ratios from {low_text}"), "begin above 0, or leave out :log")
        }
        Range { points: Some(points @ 0..=1), .. } => {
            fault(format!("{points} of a range"), "write at least 2 values")
        }
        Range { points: Some(points), .. } if points > LEVELS_MAX => {
            fault(format!("{points} values of one range"), "write at most 1000000")
        }
        range => Ok(range),
    }
}

/// Splits at commas outside of quotes and brackets.
fn split(text: &str) -> Result<Vec<String>, Fault> {
    let (mut items, mut item) = (Vec::new(), String::new());
    let (mut quote, mut depth) = (None, 0usize);
    for c in text.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => {
                items.push(std::mem::take(&mut item).trim().to_owned());
                continue;
            }
            _ => {}
        }
        item.push(c);
    }
    if quote.is_some() || depth > 0 {
        return Err(Fault::new(format!("{text}: a quote or bracket is not closed"), "close it"));
    }
    items.push(item.trim().to_owned());
    Ok(items)
}

/// The text inside of quotes.
fn unquoted(text: &str) -> &str {
    let inside = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    inside('"').or_else(|| inside('\'')).unwrap_or(text)
}

#[cfg(test)]
#[path = "axis_tests.rs"]
mod tests;
