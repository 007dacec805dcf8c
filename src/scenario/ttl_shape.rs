//! Reads a time to live: a span, or a table with `dist` and, beside it, `jitter`, `align` and `age`.

use super::file::suggestion;
use super::keys::{DISTS, Kind};
use super::reader::Fault;
use super::shapes::{Quantity, dist};
use super::tree::{Node, Table, Value};
use super::ttl::{Ttl, TtlAge};
use super::values::{choice, whole};
use crate::dist::Dist;
use crate::units::{MILLISECOND, Nanos, SECOND, format_span};

/// Longest time to live: a hundred years, so that no deadline leaves the clock.
const LONGEST: Nanos = 100 * 365 * 86_400 * SECOND;

/// Whose keys get it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TtlOf {
    /// Those that exist at the start.
    Dataset,
    /// Those that a group writes.
    Group,
}

/// Reads a time to live of `whose` keys.
pub fn ttl(node: &Node, whose: TtlOf) -> Result<Ttl, Fault> {
    let Value::Table(table) = &node.value else {
        let dist = checked(dist(node, Quantity::Span)?, node)?;
        return Ok(Ttl { dist, jitter: 0, align: 0, age: TtlAge::New });
    };
    check_keys(table, whose)?;
    let span = |key: &str, least: Nanos| match table.get(key) {
        None => Ok(0),
        Some(node) => {
            whole(node, Kind::Span(least, LONGEST)).map_err(|fault| named(key, fault).at(&node.place))
        }
    };
    let (jitter, align) = (span("jitter", 0)?, span("align", MILLISECOND)?);
    if !align.is_multiple_of(MILLISECOND) {
        let place = table.get("align").map_or(&node.place, |node| &node.place);
        let fault = Fault::new("align is no whole number of milliseconds", "write align = \"60s\"");
        return Err(fault.at(place));
    }
    let age = match table.get("age") {
        None => TtlAge::New,
        Some(node) => match choice(node, &["new", "spread"]).map_err(|fault| fault.at(&node.place))?.as_str()
        {
            "spread" => TtlAge::Spread,
            _ => TtlAge::New,
        },
    };
    let life = Node { place: node.place.clone(), value: Value::Table(life_alone(table)) };
    Ok(Ttl { dist: checked(dist(&life, Quantity::Span)?, node)?, jitter, align, age })
}

fn named(key: &str, fault: Fault) -> Fault {
    Fault { read: format!("{key}: {}", fault.read), ..fault }
}

/// The keys that stand beside the distribution's own.
fn beside(whose: TtlOf) -> &'static [&'static str] {
    if whose == TtlOf::Dataset { &["jitter", "align", "age"] } else { &["jitter", "align"] }
}

fn check_keys(table: &Table, whose: TtlOf) -> Result<(), Fault> {
    let of_dists = || DISTS.iter().flat_map(|dist| dist.keys.iter().copied());
    for entry in &table.entries {
        let key = entry.key.as_str();
        if key == "dist" || beside(whose).contains(&key) || of_dists().any(|known| known == key) {
            continue;
        }
        let fault = if key == "age" {
            Fault::new("a group's keys have no age", "age belongs to dataset.ttl; take it out")
        } else {
            let mut known: Vec<&str> = vec!["dist"];
            known.extend(beside(whose));
            known.extend(of_dists());
            Fault::new(format!("unknown key {key:?}"), suggestion(key, known.into_iter()))
        };
        return Err(fault.at(&entry.place));
    }
    Ok(())
}

/// The table of the distribution alone.
fn life_alone(table: &Table) -> Table {
    let is_beside = |key: &str| beside(TtlOf::Dataset).contains(&key);
    Table { entries: table.entries.iter().filter(|entry| !is_beside(&entry.key)).cloned().collect() }
}

/// The server takes no time to live of 0, and counts in milliseconds.
fn checked(dist: Dist, node: &Node) -> Result<Dist, Fault> {
    let (least, most) = match &dist {
        Dist::Fixed(value) => (*value, *value),
        Dist::Uniform { low, high } => (*low, *high),
        Dist::Exponential { mean } | Dist::Lognormal { mean, .. } => (*mean, *mean),
        Dist::Quantiles(points) | Dist::Empirical(points) => {
            let values = || points.iter().map(|point| point.1);
            (values().fold(f64::MAX, f64::min), values().fold(0.0, f64::max))
        }
    };
    if least < MILLISECOND as f64 {
        let read = format!("a time to live of {} is none", format_span(least as Nanos));
        return Err(Fault::new(read, "expected at least 1ms").at(&node.place));
    }
    if most > LONGEST as f64 {
        let read = format!("a time to live of {} is too long", format_span(most as Nanos));
        return Err(Fault::new(read, format!("expected at most {}", format_span(LONGEST))).at(&node.place));
    }
    Ok(dist)
}

#[cfg(test)]
mod tests {
    use super::super::tree::Place;
    use super::*;

    fn read(text: &str) -> Result<Ttl, Fault> {
        ttl(&Node::guess(text, Place::flag("--set")), TtlOf::Dataset)
    }

    #[test]
    fn a_span_or_a_table_is_read() {
        assert_eq!(read("60s").unwrap(), Ttl::fixed_ms(60_000));
        let full =
            read("{dist='uniform', low='1s', high='2s', jitter='300s', align='60s', age='spread'}").unwrap();
        assert_eq!(full.dist, Dist::Uniform { low: 1e9, high: 2e9 });
        assert_eq!((full.jitter, full.align, full.age), (300 * SECOND, 60 * SECOND, TtlAge::Spread));
    }

    #[test]
    fn impossible_ones_say_what_is_expected() {
        let fault = |text: &str| read(text).unwrap_err();
        assert!(fault("0s").read.contains("is none"));
        assert!(fault("{dist='fixed', value='1h', jitter='-5s'}").read.contains("jitter"));
        assert!(fault("{dist='fixed', value='1h', align='0s'}").read.contains("too small"));
        assert!(fault("{dist='fixed', value='1h', jiter='5s'}").remedies[0].contains("\"jitter\""));
        assert!(fault("{dist='fixed', value='50000d'}").read.contains("too long"));
        assert!(fault("{value='1h'}").read.contains("dist is missing"));
        assert!(fault("{dist='fixed', value='1h', age='old'}").read.contains("old"));
    }
}
