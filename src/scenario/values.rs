//! Scalar values of a scenario: quantities with their unit and bounds, words and booleans.

use super::keys::Kind;
use super::problem::nearest;
use super::reader::Fault;
use super::tree::{Node, Value};
use crate::units::{self, format_bytes, format_span};

/// Reads a span, size or count.
pub fn whole(node: &Node, kind: Kind) -> Result<u64, Fault> {
    match kind {
        Kind::Span(low, high) => bounded(node, quantity(node, units::parse_span)?, (low, high), format_span),
        Kind::Bytes(low, high) => {
            bounded(node, quantity(node, units::parse_bytes)?, (low, high), format_bytes)
        }
        Kind::Count(low, high) => bounded(node, count(node)?, (low, high), |n| n.to_string()),
        _ => Err(Fault::new(format!("{} is no whole number", node.literal()), "write a number")),
    }
}

/// Reads a number, rate or bandwidth.
pub fn real(node: &Node, kind: Kind) -> Result<f64, Fault> {
    match kind {
        Kind::Number(low, high) => number(node, low, high),
        Kind::Rate => positive(node, rate(node)?),
        Kind::Bandwidth => positive(node, quantity(node, units::parse_bandwidth)?),
        _ => Err(Fault::new(format!("{} is no number", node.literal()), "write a number")),
    }
}

/// Reads a number from `low` to `high`.
pub fn number(node: &Node, low: f64, high: f64) -> Result<f64, Fault> {
    let expected = format!("expected a number from {low} to {high}");
    let text = match &node.value {
        Value::Integer(number) => number.to_string(),
        Value::Float(text) | Value::Text(text) => text.trim().replace('_', ""),
        _ => return Err(Fault::new(format!("{} is no number", node.literal()), expected)),
    };
    match text.parse::<f64>() {
        Ok(number) if number >= low && number <= high => Ok(number),
        Ok(_) => Err(Fault::new(format!("{text} is out of range"), expected)),
        Err(_) => Err(Fault::new(format!("{} is no number", node.literal()), expected)),
    }
}

/// Reads a rate of commands, which may be 0.
pub fn rate(node: &Node) -> Result<f64, Fault> {
    let rate = quantity(node, units::parse_rate)?;
    if rate > 1e9 {
        return Err(Fault::new(
            format!("{} is more than any server takes", node.literal()),
            "expected at most 1G/s",
        ));
    }
    Ok(rate)
}

fn positive(node: &Node, value: f64) -> Result<f64, Fault> {
    if value > 0.0 {
        Ok(value)
    } else {
        Err(Fault::new(format!("{} is nothing", node.literal()), "expected more than 0"))
    }
}

fn count(node: &Node) -> Result<u64, Fault> {
    match &node.value {
        Value::Integer(number) => u64::try_from(*number).map_err(|_| {
            Fault::new(format!("{number} is out of range"), "expected a whole number from 0 up")
        }),
        _ => quantity(node, units::parse_count),
    }
}

fn bounded(
    node: &Node,
    value: u64,
    (low, high): (u64, u64),
    print: impl Fn(u64) -> String,
) -> Result<u64, Fault> {
    let read = node.literal();
    if value < low {
        Err(Fault::new(format!("{read} is too small"), format!("expected at least {}", print(low))))
    } else if value > high {
        Err(Fault::new(format!("{read} is too large"), format!("expected at most {}", print(high))))
    } else {
        Ok(value)
    }
}

/// Reads a quantity with one of the parsers of `units`, whose messages are split into what was read and the remedy.
pub fn quantity<T>(node: &Node, parse: fn(&str) -> Result<T, String>) -> Result<T, Fault> {
    let text = match &node.value {
        Value::Text(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Float(text) => text.clone(),
        _ => {
            return Err(Fault::new(
                format!("{} is no quantity", node.literal()),
                "write a number with its unit in quotes",
            ));
        }
    };
    parse(&text).map_err(|message| {
        // A bare number was read, not a string.
        let message = match node.value {
            Value::Text(_) => message,
            _ => message.replacen(&format!("{text:?}"), &text, 1),
        };
        Fault::from_message(&message)
    })
}

/// Reads a boolean.
pub fn boolean(node: &Node) -> Result<bool, Fault> {
    match node.value {
        Value::Bool(value) => Ok(value),
        _ => Err(Fault::new(
            format!("{} is neither true nor false", node.literal()),
            "write true or false, without quotes",
        )),
    }
}

/// Reads any text.
pub fn text(node: &Node) -> Result<String, Fault> {
    match &node.value {
        Value::Text(text) | Value::Float(text) => Ok(text.clone()),
        _ => Err(Fault::new(format!("{} is no text", node.literal()), "write it in quotes")),
    }
}

/// Reads one of the given words.
pub fn choice(node: &Node, words: &[&str]) -> Result<String, Fault> {
    let typed = text(node)?;
    if words.contains(&typed.as_str()) {
        return Ok(typed);
    }
    let mut fault =
        Fault::new(format!("unknown value {typed:?}"), format!("expected one of: {}", words.join(", ")));
    if typed == "replay" {
        fault.read = "\"replay\" is not modelled yet".to_owned();
    } else if let Some(word) = nearest(&typed, words.iter().copied()) {
        fault.remedies.insert(0, format!("did you mean {word:?}?"));
    }
    Err(fault)
}

#[cfg(test)]
mod tests {
    use super::super::tree::Place;
    use super::*;

    fn node(text: &str) -> Node {
        Node::guess(text, Place::flag("--set"))
    }

    #[test]
    fn a_number_without_unit_is_told_the_unit() {
        let fault = real(&node("50000"), Kind::Rate).unwrap_err();
        assert_eq!(
            (fault.read.as_str(), fault.remedies[0].as_str()),
            ("50000 has no unit", "write \"50000/s\"")
        );
    }

    #[test]
    fn bounds_and_words_are_kept() {
        assert!(whole(&node("0"), Kind::Count(1, 5)).is_err());
        assert!(whole(&node("\"10M\""), Kind::Count(1, u64::MAX)).is_ok_and(|n| n == 10_000_000));
        assert!(number(&node("nan"), 0.0, 1.0).is_err());
        assert!(number(&node("0.5"), 0.0, 1.0).is_ok());
        assert_eq!(
            choice(&node("opne"), &["open", "closed"]).unwrap_err().remedies[0],
            "did you mean \"open\"?"
        );
        assert!(boolean(&node("yes")).is_err());
    }
}
