//! What overrides the scenario file: an INFO dump, a redis.conf, the flags, in this order.

use std::path::{Path, PathBuf};

use super::info::InfoDump;
use super::keys::{MACHINE, NODE, REDIS, REPLICA, WORKLOAD};
use super::problem::Problem;
use super::reader::Reader;
use super::redis_conf::{self, Directive};
use super::tree::{Node, Place, Table, Value};
use super::{Origin, info};
use crate::units::parse_rate;

/// What the command line overrides, each as typed.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--redis-conf FILE`.
    pub redis_conf: Option<PathBuf>,
    /// `--redis-version V`.
    pub redis_version: Option<String>,
    /// `--model NAME|FILE`.
    pub model: Option<String>,
    /// `--info FILE`.
    pub info: Option<PathBuf>,
    /// `--rate 5000/s`, of each open group.
    pub rate: Option<String>,
    /// `--connections N`, of each group.
    pub connections: Option<String>,
    /// `--pipeline N`, of each group.
    pub pipeline: Option<String>,
    /// `--keys 10M`.
    pub keys: Option<String>,
    /// `--value-size 100B`.
    pub value_size: Option<String>,
    /// `--duration 6h`.
    pub duration: Option<String>,
    /// `--warmup 60s`.
    pub warmup: Option<String>,
    /// `--set TABLE.KEY=VALUE`, in the order given.
    pub set: Vec<String>,
    /// `--seed N`.
    pub seed: Option<u64>,
    /// `--window 10s,60s,1h`.
    pub window: Option<String>,
}

/// Keys that say the same thing in different ways: giving one takes the others away.
const EXCLUSIVE: &[(&str, &[&str])] = &[
    ("dataset", &["keys", "memory"]),
    ("workload", &["rate", "schedule", "schedule-csv"]),
    ("workload", &["operation", "mix"]),
    ("event", &["until", "for"]),
];

/// Whether two settings say the same thing in different ways, so that the later one takes the earlier one away.
pub fn exclusive(one: &str, other: &str) -> bool {
    let parts = |setting: &str| {
        let (table, path) = setting.split_once('.')?;
        let (owner, key) = path.rsplit_once('.').unwrap_or(("", path));
        Some((table.to_owned(), owner.to_owned(), key.to_owned()))
    };
    let (Some(one), Some(other)) = (parts(one), parts(other)) else { return false };
    let both = |group: &[&str]| group.contains(&one.2.as_str()) && group.contains(&other.2.as_str());
    (&one.0, &one.1) == (&other.0, &other.1)
        && one.2 != other.2
        && EXCLUSIVE.iter().any(|(table, group)| *table == one.0 && both(group))
}

/// Lays INFO dump, redis.conf and flags over the tree of the scenario file.
pub fn apply(tree: &mut Table, overrides: &Overrides, reader: &mut Reader) {
    if let Some(path) = &overrides.info {
        match info::read(path) {
            Ok(dump) => lay_info(tree, path, &dump, reader),
            Err(problems) => reader.problems.extend(problems.0),
        }
    }
    if let Some(path) = &overrides.redis_conf {
        match redis_conf::read(path) {
            Ok(directives) => lay_redis_conf(tree, &directives),
            Err(problems) => reader.problems.extend(problems.0),
        }
    }
    lay_flags(tree, overrides, reader);
}

/// Gives a key of a table a value, and takes its alternatives away.
fn put(table_name: &str, table: &mut Table, key: &str, node: Node) {
    for (_, group) in EXCLUSIVE.iter().filter(|(name, group)| *name == table_name && group.contains(&key)) {
        group.iter().filter(|other| **other != key).for_each(|other| table.remove(other));
    }
    table.set(key, node);
}

fn lay_info(tree: &mut Table, path: &Path, dump: &InfoDump, reader: &mut Reader) {
    let place = Place { origin: Origin::Info(path.to_owned()), column: 0 };
    let mut lay = |table: &str, key: &str, text: Option<String>| {
        if let Some(text) = text {
            put(table, tree.table_mut(table, &place), key, Node::guess(&text, place.clone()));
        }
    };
    match (dump.version(), &dump.redis_version) {
        (Some(version), _) => lay("redis", "version", Some(format!("\"{version}\""))),
        (None, Some(text)) => {
            reader.notes.push(format!("INFO's version {text} is not modelled; the scenario's is used"))
        }
        (None, None) => {}
    }
    let bytes = |bytes: Option<u64>| bytes.map(|bytes| format!("{bytes}B"));
    lay("redis", "hz", dump.hz.map(|hz| hz.to_string()));
    lay("start", "used-memory", bytes(dump.used_memory));
    lay("start", "used-memory-rss", bytes(dump.used_memory_rss));
    lay("start", "aof-base-size", bytes(dump.aof_base_size));
    lay("start", "aof-current-size", bytes(dump.aof_current_size));
    lay("start", "changes-since-save", dump.changes_since_save.map(|changes| changes.to_string()));
    lay("start", "last-save-age", dump.last_save_age_s.map(|age| format!("{age}s")));
    match dump.keys {
        Some(0) => lay("dataset", "prefilled", Some("false".to_owned())),
        Some(keys) => {
            lay("dataset", "keys", Some(keys.to_string()));
            lay("dataset", "prefilled", Some("true".to_owned()));
        }
        None => {}
    }
    lay_info_rate(tree, &place, dump, reader);
    if dump.connected_slaves.is_some_and(|replicas| replicas > 0) {
        reader.notes.push(
            "INFO shows connected replicas: only those of [[replica]] are simulated, with their own links"
                .to_owned(),
        );
    }
    if !dump.missing.is_empty() {
        let fields = dump.missing.join(", ");
        reader.notes.push(format!("INFO lacks {fields}: the scenario's values are used"));
    }
}

/// INFO's operations a second become the rate of the one open group; several groups keep their own.
fn lay_info_rate(tree: &mut Table, place: &Place, dump: &InfoDump, reader: &mut Reader) {
    let Some(rate) = dump.instantaneous_ops_per_sec else { return };
    let mut groups = tree.tables_mut("workload");
    let text = format!("{rate}/s");
    let runs = parse_rate(&text).is_ok_and(|rate| rate > 0.0);
    if let ([group], true) = (&mut groups[..], runs)
        && is_open(group)
    {
        put("workload", group, "rate", Node::text(text, place.clone()));
        reader.notes.push(format!(
            "the rate is INFO's instantaneous_ops_per_sec, {rate}/s, unless --rate or --set gives another"
        ));
    }
}

fn is_open(group: &Table) -> bool {
    !matches!(group.get("loop"), Some(Node { value: Value::Text(text), .. }) if text != "open")
}

fn lay_redis_conf(tree: &mut Table, directives: &[Directive]) {
    let mut save: Vec<String> = Vec::new();
    let mut limits: Vec<String> = Vec::new();
    for directive in directives {
        let place = Place {
            origin: Origin::RedisConf(directive.file.clone(), directive.line),
            column: directive.column,
        };
        let name = directive.name.to_ascii_lowercase();
        let mut value = directive.value.clone();
        // Lines of `save` add up, and an empty one takes back those before it (config.c, loadServerConfig).
        if name == "save" {
            let points = value.trim().trim_matches(['"', '\'']).to_owned();
            if points.is_empty() {
                save.clear();
            } else {
                save.push(points);
            }
            value = save.join("\n");
        }
        // Each line of the limits is of one class.
        if name == "client-output-buffer-limit" {
            limits.push(value);
            value = limits.join(" ");
        }
        let redis = tree.table_mut(REDIS.name, &place);
        // `version` is a key of scenarios only.
        if name != "version" {
            redis.set(&name, Node::text(value, place));
        }
    }
}

fn lay_flags(tree: &mut Table, overrides: &Overrides, reader: &mut Reader) {
    let mut single = |flag: &str, table: &str, key: &str, value: &Option<String>| {
        if let Some(text) = value {
            let place = Place::flag(flag);
            let node = if key == "version" || key == "model" {
                Node::text(text, place.clone())
            } else {
                Node::guess(text, place.clone())
            };
            put(table, tree.table_mut(table, &place), key, node);
        }
    };
    single("--redis-version", "redis", "version", &overrides.redis_version);
    single("--model", MACHINE.name, "model", &overrides.model);
    single("--keys", "dataset", "keys", &overrides.keys);
    single("--value-size", "dataset", "value-size", &overrides.value_size);
    single("--duration", "run", "duration", &overrides.duration);
    single("--warmup", "run", "warmup", &overrides.warmup);
    single("--seed", "run", "seed", &overrides.seed.map(|seed| seed.to_string()));
    single("--window", "run", "windows", &overrides.window);
    if overrides.value_size.is_some() {
        tree.tables_mut("workload").into_iter().for_each(|group| group.remove("value-size"));
    }
    for (flag, key, value) in [
        ("--connections", "connections", &overrides.connections),
        ("--pipeline", "pipeline", &overrides.pipeline),
    ] {
        if let Some(text) = value {
            for group in tree.tables_mut("workload") {
                group.set(key, Node::guess(text, Place::flag(flag)));
            }
        }
    }
    if let Some(text) = &overrides.rate {
        lay_rate(tree, text, reader);
    }
    for text in &overrides.set {
        if let Err(problem) = lay_set(tree, text) {
            reader.problems.push(problem);
        }
    }
}

fn lay_rate(tree: &mut Table, text: &str, reader: &mut Reader) {
    let place = Place::flag("--rate");
    let groups: Vec<_> = tree.tables_mut("workload").into_iter().filter(|group| is_open(group)).collect();
    match groups.len() {
        0 => reader.problem(
            &place,
            "no group of the scenario is an open loop",
            "a closed loop has no rate: set its connections or think time",
        ),
        1 => {}
        n => reader.notes.push(format!("--rate is the rate of each of the {n} open groups")),
    }
    for group in groups {
        put("workload", group, "rate", Node::guess(text, place.clone()));
    }
}

/// Lays one `--set TABLE.KEY=VALUE` over the tree.
fn lay_set(tree: &mut Table, text: &str) -> Result<(), Problem> {
    let place = Place::flag("--set");
    let usage = |read: String| {
        place.problem("--set", read, vec!["write TABLE.KEY=VALUE, for example run.duration=10m".to_owned()])
    };
    let (path, value) = text.split_once('=').ok_or_else(|| usage(format!("{text:?} has no \"=\"")))?;
    let (table, path) =
        path.trim().split_once('.').ok_or_else(|| usage(format!("{path:?} names no table")))?;
    if path.is_empty() {
        return Err(usage(format!("{text:?} names no key")));
    }
    let node = Node::guess(value, place.clone());
    match table {
        "redis" | "machine" => tree.table_mut(table, &place).set(path, node),
        "workload" | "event" | "replica" | "node" => return lay_set_repeated(tree, table, path, node),
        _ => descend(table, tree.table_mut(table, &place), path, node),
    }
    Ok(())
}

/// `workload.KEY` is of every group, `workload.NAME.KEY` of one; `event.N.KEY` of the N-th event.
fn lay_set_repeated(tree: &mut Table, table: &str, path: &str, node: Node) -> Result<(), Problem> {
    let place = node.place.clone();
    let groups = tree.tables_mut(table);
    if groups.is_empty() {
        return Err(place.problem(
            "--set",
            format!("{table}.{path}: the scenario has no [[{table}]]"),
            Vec::new(),
        ));
    }
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    let is_key = match table {
        "replica" => REPLICA.key(first),
        "node" => NODE.key(first),
        _ => WORKLOAD.key(first),
    };
    let is_key = is_key.is_some();
    if table == "event" || (!is_key && !rest.is_empty()) {
        let names: Vec<String> =
            groups.iter().enumerate().map(|(index, group)| group_name(table, group, index)).collect();
        let Some(index) = names.iter().position(|name| name == first && !rest.is_empty()) else {
            let read = format!("{table}.{path}: no {table} is named {first:?}");
            return Err(place.problem("--set", read, vec![format!("expected one of: {}", names.join(", "))]));
        };
        if let Some(group) = groups.into_iter().nth(index) {
            descend(table, group, rest, node);
        }
    } else {
        groups.into_iter().for_each(|group| descend(table, group, path, node.clone()));
    }
    Ok(())
}

/// Name of a group: as typed, else `workload-1`; events count from 1.
pub fn group_name(table: &str, group: &Table, index: usize) -> String {
    match group.get("name") {
        Some(Node { value: Value::Text(name), .. }) if is_named(table) => name.clone(),
        _ if is_named(table) => format!("{table}-{}", index + 1),
        _ => (index + 1).to_string(),
    }
}

/// Whether tables of an array go by a name of their own.
fn is_named(table: &str) -> bool {
    [WORKLOAD.name, REPLICA.name, NODE.name].contains(&table)
}

/// Sets a key, or a part of a key's table (`keys.s`).
fn descend(table_name: &str, table: &mut Table, path: &str, node: Node) {
    match path.split_once('.') {
        None => put(table_name, table, path, node),
        Some((first, rest)) => {
            let place = node.place.clone();
            let mut inner = table;
            let mut parts: Vec<&str> = std::iter::once(first).chain(rest.split('.')).collect();
            let last = parts.pop().unwrap_or(rest);
            for part in parts {
                inner = inner.table_mut(part, &place);
            }
            inner.set(last, node);
        }
    }
}
