//! Values of a scenario that are tables or lists: distributions, key popularity, mixes, windows.

use super::KeyPopularity;
use super::file::suggestion;
use super::keys::{DISTS, Kind, POPULARITIES, STRING_MAX, Variant};
use super::reader::Fault;
use super::tree::{Node, Table, Value};
use super::values::{choice, number, quantity, whole};
use crate::dist::Dist;
use crate::redis::command::Command;
use crate::units::{self, Nanos};

/// Shares may miss 1 by this, for the sake of 0.1 and 1/3.
const SHARE_TOLERANCE: f64 = 1e-6;

/// What a distribution is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// Bytes of a string.
    Size,
    /// Nanoseconds.
    Span,
}

impl Quantity {
    fn read(self, node: &Node) -> Result<f64, Fault> {
        let value = match self {
            Quantity::Size => whole(node, Kind::Bytes(0, STRING_MAX)),
            Quantity::Span => quantity(node, units::parse_span),
        };
        value.map(|value| value as f64).map_err(|fault| fault.at(&node.place))
    }
}

/// Reads a fixed value, or a table with `dist`.
pub fn dist(node: &Node, of: Quantity) -> Result<Dist, Fault> {
    if !matches!(node.value, Value::Table(_)) {
        return of.read(node).map(Dist::Fixed);
    }
    let (name, table) = variant(node, DISTS)?;
    let field = |key: &str| of.read(needed(table, key)?);
    let mean = || match field("mean")? {
        mean if mean > 0.0 => Ok(mean),
        _ => Err(Fault::new("the mean is 0", "expected more than 0")),
    };
    Ok(match name {
        "fixed" => Dist::Fixed(field("value")?),
        "uniform" => {
            let (low, high) = (field("low")?, field("high")?);
            if low > high {
                return Err(Fault::new("low is above high", "expected low at most high"));
            }
            Dist::Uniform { low, high }
        }
        "exponential" => Dist::Exponential { mean: mean()? },
        "lognormal" => Dist::Lognormal { mean: mean()?, scv: share_of(needed(table, "scv")?, 1e-9, 1e6)? },
        _ => Dist::Empirical(empirical(needed(table, "values")?, of)?),
    })
}

fn share_of(node: &Node, low: f64, high: f64) -> Result<f64, Fault> {
    number(node, low, high).map_err(|fault| fault.at(&node.place))
}

/// Cumulative points of `[["100B", 0.5], ["1KiB", 0.5]]`.
fn empirical(node: &Node, of: Quantity) -> Result<Vec<(f64, f64)>, Fault> {
    let mut sum = 0.0;
    let mut points = Vec::new();
    for (value, share) in pairs(node, "[value, share]")? {
        let share = share_of(share, 0.0, 1.0)?;
        sum += share;
        if share > 0.0 {
            points.push((sum, of.read(value)?));
        }
    }
    adds_up(sum).map_err(|fault| fault.at(&node.place))?;
    if let Some(last) = points.last_mut() {
        last.0 = 1.0;
    }
    Ok(points)
}

fn adds_up(sum: f64) -> Result<(), Fault> {
    if (sum - 1.0).abs() <= SHARE_TOLERANCE {
        return Ok(());
    }
    // Six digits: a sum of decimal fractions has noise after them.
    let shown = (sum * 1e6).round() / 1e6;
    Err(Fault::new(format!("the shares add up to {shown}"), "expected shares that add up to 1"))
}

/// Reads which keys a group addresses: a word, or a table with `dist`.
pub fn popularity(node: &Node) -> Result<KeyPopularity, Fault> {
    static EMPTY: Table = Table { entries: Vec::new() };
    let names: Vec<&str> = POPULARITIES.iter().map(|variant| variant.name).collect();
    let (name, table) = match &node.value {
        Value::Table(_) => variant(node, POPULARITIES)?,
        _ => {
            let word = choice(node, &names)?;
            (names.into_iter().find(|name| *name == word).unwrap_or("uniform"), &EMPTY)
        }
    };
    Ok(match name {
        "zipf" => KeyPopularity::Zipf { s: share_of(needed(table, "s")?, 1e-6, 10.0)? },
        "hot" => {
            let keys = needed(table, "keys")?;
            KeyPopularity::Hot {
                share: share_of(needed(table, "share")?, 0.0, 1.0)?,
                keys: whole(keys, Kind::Count(1, u64::MAX)).map_err(|fault| fault.at(&keys.place))?,
            }
        }
        "sequential" => KeyPopularity::Sequential,
        "single" => sub_keys(table)?,
        _ => KeyPopularity::Uniform,
    })
}

/// Reads `{ dist = "single", sub-keys = 16, servers = 4 }`.
fn sub_keys(table: &Table) -> Result<KeyPopularity, Fault> {
    let count = |key: &str, high| match table.get(key) {
        Some(node) => whole(node, Kind::Count(1, high)).map(Some).map_err(|fault| fault.at(&node.place)),
        None => Ok(None),
    };
    let (keys, servers) = (count("sub-keys", 1_000_000)?, count("servers", 1_000_000)?);
    match (keys, servers) {
        (None, None) => Ok(KeyPopularity::Single),
        (None, Some(_)) => {
            Err(Fault::new("servers without sub-keys", "add sub-keys = …: one key lies on one server"))
        }
        (Some(keys), servers) => {
            let servers = servers.unwrap_or(1);
            if keys % servers != 0 {
                let read = format!("{keys} sub-keys do not divide among {servers} servers");
                return Err(Fault::new(read, "make sub-keys a multiple of servers"));
            }
            Ok(KeyPopularity::Split { keys: keys / servers, servers: servers as u32 })
        }
    }
}

/// The name a table's `dist` chooses, after a check that the table has no key that this one does not take.
fn variant<'t>(node: &'t Node, variants: &'static [Variant]) -> Result<(&'static str, &'t Table), Fault> {
    let Value::Table(table) = &node.value else {
        return Err(Fault::new(format!("{} is no table", node.literal()), "write { dist = … }"));
    };
    let dist = needed(table, "dist")?;
    let names: Vec<&str> = variants.iter().map(|variant| variant.name).collect();
    let word = choice(dist, &names).map_err(|fault| fault.at(&dist.place))?;
    let chosen = variants.iter().find(|variant| variant.name == word);
    let Some(chosen) = chosen else { return Err(Fault::new("unknown dist", names.join(", "))) };
    for entry in table.entries.iter().filter(|entry| entry.key != "dist") {
        if !chosen.keys.contains(&entry.key.as_str()) {
            let read = format!("unknown key {:?} of dist {word:?}", entry.key);
            let remedy = match chosen.keys {
                [] => format!("dist {word:?} takes no other key"),
                keys => suggestion(&entry.key, keys.iter().copied()),
            };
            return Err(Fault::new(read, remedy).at(&entry.place));
        }
    }
    Ok((chosen.name, table))
}

fn needed<'t>(table: &'t Table, key: &str) -> Result<&'t Node, Fault> {
    table.get(key).ok_or_else(|| Fault::new(format!("{key} is missing"), format!("add {key} = …")))
}

/// Reads `{ SET = 0.9, GET = 0.1 }`.
pub fn mix(node: &Node) -> Result<Vec<(Command, f64)>, Fault> {
    let Value::Table(table) = &node.value else {
        return Err(Fault::new(
            format!("{} is no mix", node.literal()),
            "write for example { SET = 0.9, GET = 0.1 }",
        ));
    };
    let mut commands: Vec<(Command, f64)> = Vec::new();
    let mut sum = 0.0;
    for entry in &table.entries {
        let command = command(&entry.key).map_err(|fault| fault.at(&entry.place))?;
        let share = share_of(&entry.node, 0.0, 1.0)?;
        sum += share;
        if share > 0.0 {
            commands.push((command, share));
        }
    }
    adds_up(sum)?;
    Ok(commands)
}

/// Reads a command.
pub fn command(text: &str) -> Result<Command, Fault> {
    text.parse().map_err(|message: String| Fault::from_message(&message))
}

/// Reads a list of spans, or a text of them with commas between.
pub fn spans(node: &Node) -> Result<Vec<Nanos>, Fault> {
    match &node.value {
        Value::List(nodes) => nodes
            .iter()
            .map(|node| quantity(node, units::parse_span).map_err(|fault| fault.at(&node.place)))
            .collect(),
        Value::Text(text) => {
            let part = |part: &str| quantity(&Node::text(part.trim(), node.place.clone()), units::parse_span);
            text.split(',').map(part).collect()
        }
        _ => {
            Err(Fault::new(format!("{} is no list", node.literal()), "write for example [\"10s\", \"60s\"]"))
        }
    }
}

/// The pairs of a list of two-element lists.
pub fn pairs<'t>(node: &'t Node, shape: &str) -> Result<Vec<(&'t Node, &'t Node)>, Fault> {
    let Value::List(nodes) = &node.value else {
        return Err(Fault::new(
            format!("{} is no list", node.literal()),
            format!("expected a list of {shape}"),
        ));
    };
    let pair = |node: &'t Node| match &node.value {
        Value::List(pair) if pair.len() == 2 => Ok((&pair[0], &pair[1])),
        _ => Err(Fault::new(
            format!("{} is no {shape}", node.literal()),
            format!("expected a list of {shape}"),
        )
        .at(&node.place)),
    };
    nodes.iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tree::Place;
    use super::*;
    use crate::units::SECOND;

    fn node(text: &str) -> Node {
        Node::guess(text, Place::flag("--set"))
    }

    #[test]
    fn distributions_are_read() {
        let size = |text: &str| dist(&node(text), Quantity::Size);
        assert_eq!(size("100B").unwrap(), Dist::Fixed(100.0));
        assert_eq!(
            size("{dist='lognormal', mean='100B', scv=1.5}").unwrap(),
            Dist::Lognormal { mean: 100.0, scv: 1.5 }
        );
        assert_eq!(
            size("{dist='empirical', values=[['100B', 0.5], ['1KiB', 0.5]]}").unwrap(),
            Dist::Empirical(vec![(0.5, 100.0), (1.0, 1024.0)])
        );
        for text in
            ["{dist='uniform', low='2B', high='1B'}", "{dist='exponential', mean='0B'}", "{mean='1B'}"]
        {
            assert!(size(text).is_err(), "{text}");
        }
        assert!(
            size("{dist='empirical', values=[['100B', 0.5]]}").unwrap_err().read.contains("add up to 0.5")
        );
        assert!(size("{dist='fixed', valu='1B'}").unwrap_err().remedies[0].contains("\"value\""));
    }

    #[test]
    fn popularity_is_a_word_or_a_table() {
        assert_eq!(popularity(&node("single")).unwrap(), KeyPopularity::Single);
        assert_eq!(popularity(&node("{dist='zipf', s=1.1}")).unwrap(), KeyPopularity::Zipf { s: 1.1 });
        assert!(popularity(&node("zipf")).unwrap_err().read.contains("s is missing"));
    }

    #[test]
    fn spans_are_a_list_or_a_text_with_commas() {
        assert_eq!(spans(&node("10s,1m")).unwrap(), vec![10 * SECOND, 60 * SECOND]);
    }
}
