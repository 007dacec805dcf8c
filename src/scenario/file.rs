//! The shape of a scenario file: tables and keys that exist, each where it may stand.
//!
//! Values are read in `resolve`; here every unknown or refused name is found, with the nearest known one.

use super::cluster_keys::redis_cli_option;
use super::keys::{self, Key, Kind, TableSpec};
use super::problem::{Problem, nearest};
use super::tree::{Entry, Node, Table, Value};

/// All problems of names in the tree; `file` is named where nothing else is.
pub fn check_names(tree: &Table, file: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    for entry in &tree.entries {
        let mut push = |read: String, remedies: Vec<String>| {
            problems.push(entry.place.problem(file, read, remedies));
        };
        if let Some(spec) = keys::table(&entry.key) {
            match (&entry.node.value, spec.repeated) {
                (Value::Table(table), false) => check_table(spec, table, file, &mut problems),
                (Value::List(nodes), true) => {
                    for node in nodes {
                        match &node.value {
                            Value::Table(table) => check_table(spec, table, file, &mut problems),
                            _ => problems.push(misshapen(spec, node, file)),
                        }
                    }
                }
                _ => push(
                    format!("{0}: not written as {1}", spec.name, header(spec)),
                    vec![format!("write {} on a line of its own", header(spec))],
                ),
            }
        } else {
            let (read, remedies) = unknown_table(entry);
            push(read, remedies);
        }
    }
    problems
}

fn header(spec: &TableSpec) -> String {
    if spec.repeated { format!("[[{}]]", spec.name) } else { format!("[{}]", spec.name) }
}

fn misshapen(spec: &TableSpec, node: &Node, file: &str) -> Problem {
    let read = format!("{}: {} is no table", spec.name, node.literal());
    node.place.problem(file, read, vec![format!("write {} on a line of its own", header(spec))])
}

fn unknown_table(entry: &Entry) -> (String, Vec<String>) {
    let read = format!("unknown table {:?}", entry.key);
    let owner = keys::TABLES.iter().find(|table| table.key(&entry.key).is_some());
    if let (Some(owner), false) = (owner, matches!(entry.node.value, Value::Table(_))) {
        let key = &entry.key;
        return (
            format!("unknown key {key:?} outside of any table"),
            vec![format!("{key} belongs under {}", header(owner))],
        );
    }
    let names = keys::TABLES.iter().map(|table| table.name);
    (read, vec![suggestion(&entry.key, names)])
}

fn check_table(spec: &TableSpec, table: &Table, file: &str, problems: &mut Vec<Problem>) {
    for entry in &table.entries {
        match spec.key(&entry.key) {
            Some(Key { kind: Kind::Refused(reason), name, .. }) => {
                problems.push(entry.place.problem(
                    file,
                    format!("{}.{name}: {reason}", spec.name),
                    Vec::new(),
                ));
            }
            Some(_) => {}
            None if spec.open => {}
            None => {
                let names =
                    spec.keys.iter().filter(|key| !matches!(key.kind, Kind::Refused(_))).map(|key| key.name);
                let read = format!("{}: unknown key {:?}", spec.name, entry.key);
                let of_redis_cli = if spec.name == "event" { redis_cli_option(&entry.key) } else { None };
                let remedies = of_redis_cli.unwrap_or_else(|| vec![suggestion(&entry.key, names)]);
                problems.push(entry.place.problem(file, read, remedies));
            }
        }
    }
}

/// `did you mean "x"?`, or all names when none is near.
pub fn suggestion<'a>(typed: &str, names: impl Iterator<Item = &'a str> + Clone) -> String {
    match nearest(typed, names.clone()) {
        Some(name) => format!("did you mean {name:?}?"),
        None => format!("expected one of: {}", names.collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::parse;
    use super::*;

    fn problems(text: &str) -> String {
        let found = check_names(&parse(text, "x.toml").unwrap(), "x.toml");
        found.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn unknown_names_are_reported_with_the_nearest_one() {
        assert_eq!(
            problems("[workloads]\n[run]\nduraton = \"1s\"\n"),
            "x.toml:1:2: unknown table \"workloads\"\n  did you mean \"workload\"?\n\
             x.toml:3:1: run: unknown key \"duraton\"\n  did you mean \"duration\"?"
        );
        assert_eq!(
            problems("duration = \"1s\""),
            "x.toml:1:1: unknown key \"duration\" outside of any table\n  duration belongs under [run]"
        );
    }

    #[test]
    fn an_array_of_tables_is_asked_for_and_an_option_of_redis_cli_explained() {
        assert!(problems("[[event]]\ncluster-pipeline = 5").contains("write pipeline = 10"));
        assert!(problems("[workload]\nrate = \"1/s\"").contains("[[workload]]"));
    }
}
