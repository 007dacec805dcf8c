//! Hash slots, names of nodes and weights as a scenario writes them.

use std::ops::RangeInclusive;

use super::cluster::SLOTS;
use super::file::suggestion;
use super::reader::Fault;
use super::tree::{Node, Place, Table, Value};
use super::values::{number, text};

/// Largest weight of a node in a rebalance.
const WEIGHT_MAX: f64 = 1e6;

/// Reads `"0-5460"`, `7000`, `"0-99, 200"`, or a list of such; an empty text is no slot. Each range comes with where
/// it was typed.
pub fn slots(node: &Node) -> Result<Vec<(RangeInclusive<u16>, Place)>, Fault> {
    let mut found: Vec<(RangeInclusive<u16>, Place)> = Vec::new();
    let nodes = match &node.value {
        Value::List(nodes) => nodes.iter().collect(),
        _ => vec![node],
    };
    for node in nodes {
        for range in of_scalar(node).map_err(|fault| fault.at(&node.place))? {
            let overlaps = |other: &&(RangeInclusive<u16>, Place)| {
                other.0.start() <= range.end() && range.start() <= other.0.end()
            };
            if let Some((other, _)) = found.iter().find(overlaps) {
                let read = format!("slot {} is named twice", range.start().max(other.start()));
                return Err(Fault::new(read, "name every slot once").at(&node.place));
            }
            found.push((range, node.place.clone()));
        }
    }
    found.sort_by_key(|(range, _)| *range.start());
    Ok(found)
}

fn of_scalar(node: &Node) -> Result<Vec<RangeInclusive<u16>>, Fault> {
    match &node.value {
        Value::Integer(slot) => slot_of(&slot.to_string()).map(|slot| vec![slot..=slot]),
        Value::Text(text) => text
            .split(|c: char| c == ',' || c.is_whitespace())
            .filter(|part| !part.is_empty())
            .map(range_of)
            .collect(),
        _ => Err(Fault::new(format!("{} is no slot", node.literal()), "write for example \"0-5460\"")),
    }
}

fn range_of(part: &str) -> Result<RangeInclusive<u16>, Fault> {
    let (first, last) = match part.split_once('-') {
        Some((first, last)) if !first.is_empty() => (slot_of(first)?, slot_of(last)?),
        _ => (slot_of(part)?, slot_of(part)?),
    };
    if last < first {
        let remedy = format!("write \"{last}-{first}\"");
        return Err(Fault::new(format!("{part:?} ends before it begins"), remedy));
    }
    Ok(first..=last)
}

fn slot_of(text: &str) -> Result<u16, Fault> {
    let expected = format!("expected a slot from 0 to {}", SLOTS - 1);
    match text.parse::<i128>() {
        Ok(slot) if (0..SLOTS as i128).contains(&slot) => Ok(slot as u16),
        Ok(_) => Err(Fault::new(format!("slot {text} is out of range"), expected)),
        Err(_) => Err(Fault::new(format!("{text:?} is no slot"), expected)),
    }
}

/// The place of a node in the list, by its name.
pub fn node_named(node: &Node, names: &[String]) -> Result<usize, Fault> {
    let typed = text(node)?;
    names.iter().position(|name| *name == typed).ok_or_else(|| {
        let remedy = suggestion(&typed, names.iter().map(String::as_str));
        Fault::new(format!("no node {typed:?}"), remedy).at(&node.place)
    })
}

/// Reads a name or a list of names; `"all"` gives an empty list.
pub fn nodes_named(node: &Node, names: &[String]) -> Result<Vec<usize>, Fault> {
    if matches!(&node.value, Value::Text(text) if text == "all") {
        return Ok(Vec::new());
    }
    let Value::List(nodes) = &node.value else { return node_named(node, names).map(|index| vec![index]) };
    let mut found = Vec::new();
    for node in nodes {
        let index = node_named(node, names)?;
        if found.contains(&index) {
            return Err(Fault::new(format!("{} is named twice", names[index]), "name every node once")
                .at(&node.place));
        }
        found.push(index);
    }
    if found.is_empty() {
        return Err(Fault::new("it names no node", "name nodes, or write \"all\""));
    }
    Ok(found)
}

/// Reads `{ node-4 = 0 }`: a weight for each node, 1 for those without.
pub fn weights(node: &Node, names: &[String]) -> Result<Vec<f64>, Fault> {
    let Value::Table(table) = &node.value else {
        return Err(Fault::new(format!("{} is no table", node.literal()), "write { node-4 = 0 }"));
    };
    let mut weights = vec![1.0; names.len()];
    let Table { entries } = table;
    for entry in entries {
        let Some(index) = names.iter().position(|name| *name == entry.key) else {
            let remedy = suggestion(&entry.key, names.iter().map(String::as_str));
            return Err(Fault::new(format!("no node {:?}", entry.key), remedy).at(&entry.place));
        };
        weights[index] = number(&entry.node, 0.0, WEIGHT_MAX).map_err(|fault| fault.at(&entry.node.place))?;
    }
    if weights.iter().all(|weight| *weight == 0.0) {
        return Err(Fault::new("every node has weight 0", "leave a node with a weight above 0"));
    }
    Ok(weights)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(text: &str) -> Node {
        Node::guess(text, Place::flag("--set"))
    }

    fn read(text: &str) -> Vec<RangeInclusive<u16>> {
        slots(&node(text)).unwrap().into_iter().map(|slots| slots.0).collect()
    }

    #[test]
    fn slots_are_a_range_a_number_or_a_list_of_such() {
        assert_eq!(read("0-5460"), vec![0..=5460]);
        assert_eq!(read("7000"), vec![7000..=7000]);
        assert_eq!(read("\"7-9, 3 5\""), vec![3..=3, 5..=5, 7..=9]);
        assert_eq!(read("['100-200', 16383]"), vec![100..=200, 16383..=16383]);
        assert_eq!(read("\"\""), vec![]);
        for (text, wrong) in [
            ("16384", "out of range"),
            ("-1", "out of range"),
            ("9-7", "ends before it begins"),
            ("1-", "is no slot"),
            ("x", "is no slot"),
            ("true", "is no slot"),
            ("['1-5', 5]", "named twice"),
        ] {
            let fault = slots(&node(text)).unwrap_err();
            assert!(fault.read.contains(wrong), "{text}: {}", fault.read);
        }
    }

    #[test]
    fn nodes_are_named_or_all() {
        let names = ["node-1".to_owned(), "node-2".to_owned()];
        assert_eq!(nodes_named(&node("all"), &names).unwrap(), Vec::<usize>::new());
        assert_eq!(nodes_named(&node("['node-2', 'node-1']"), &names).unwrap(), vec![1, 0]);
        assert!(nodes_named(&node("node-3"), &names).unwrap_err().remedies[0].contains("did you mean"));
        assert_eq!(weights(&node("{ node-2 = 0.5 }"), &names).unwrap(), vec![1.0, 0.5]);
        assert!(weights(&node("{ node-1 = 0, node-2 = 0 }"), &names).is_err());
    }
}
