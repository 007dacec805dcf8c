//! A resolved scenario as a scenario file: every setting, and where it came from as a comment.

use super::keys::TABLES;
use super::{Origin, Scenario, Setting};

/// Widest setting that still moves the comments of its table to the right.
const ALIGN_MAX: usize = 60;

/// Prints a resolved scenario; what it prints resolves to the same scenario.
pub fn resolved_toml(scenario: &Scenario) -> String {
    let mut text =
        format!("# {} as resolved; behind each setting stands where it came from.\n", scenario.name);
    for note in &scenario.notes {
        text.push_str(&format!("# note: {}\n", one_line(note)));
    }
    for group in groups(&scenario.settings) {
        text.push_str(&format!("\n{}\n", header(group[0].0)));
        let lines: Vec<(String, String)> = group
            .iter()
            .map(|(_, key, setting)| (format!("{key} = {}", setting.value), origin_text(&setting.origin)))
            .collect();
        let length = |line: &(String, String)| line.0.chars().count();
        let width = lines.iter().map(length).filter(|length| *length <= ALIGN_MAX).max().unwrap_or(0);
        for (line, origin) in lines {
            text.push_str(&format!("{line:width$}  # {origin}\n"));
        }
    }
    text
}

/// Settings of one table together: (table with the group's name or number, key, setting).
fn groups(settings: &[Setting]) -> Vec<Vec<(&str, &str, &Setting)>> {
    let mut groups: Vec<Vec<(&str, &str, &Setting)>> = Vec::new();
    for setting in settings {
        let (table, key) = split(&setting.key);
        match groups.last_mut() {
            Some(group) if group[0].0 == table => group.push((table, key, setting)),
            _ => groups.push(vec![(table, key, setting)]),
        }
    }
    groups
}

/// Splits `workload.NAME.rate` and `run.seed` before the key.
fn split(key: &str) -> (&str, &str) {
    let dots: Vec<usize> = key.match_indices('.').map(|(at, _)| at).collect();
    let at = if is_repeated(key) { dots.get(1) } else { dots.first() };
    at.map_or((key, ""), |&at| (&key[..at], &key[at + 1..]))
}

fn is_repeated(key: &str) -> bool {
    let table = key.split('.').next().unwrap_or("");
    TABLES.iter().any(|spec| spec.repeated && spec.name == table)
}

fn header(table: &str) -> String {
    let name = table.split('.').next().unwrap_or(table);
    if is_repeated(table) { format!("[[{name}]]") } else { format!("[{name}]") }
}

/// Where a setting came from, in a few words.
pub fn origin_text(origin: &Origin) -> String {
    one_line(&match origin {
        Origin::Default => "default".to_owned(),
        Origin::Version => "default of the version".to_owned(),
        Origin::Model => "model".to_owned(),
        Origin::Scenario(file, line) => format!("{file}:{line}"),
        Origin::Info(path) => path.display().to_string(),
        Origin::RedisConf(path, line) => format!("{}:{line}", path.display()),
        Origin::Flag(flag) => flag.clone(),
    })
}

/// A comment ends with its line, and TOML takes no control characters in one.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
