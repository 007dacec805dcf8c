//! `writepath list`: what is built in.

use clap::{Args, ValueEnum};

use super::failure::Failure;
use super::terminal::Terminal;
use crate::cause::Cause;
use crate::experiment::metric::QUANTITIES;
use crate::models;
use crate::redis::version::{IoThreadDesign, KNOWN, RewriteStyle, Version};
use crate::report::blame::BLAME_COLUMNS;
use crate::report::cluster_tables::{MIGRATIONS_COLUMNS, NODES_COLUMNS};
use crate::report::csv::{EVENTS_COLUMNS, SUMMARY_COLUMNS, timeline_columns};
use crate::report::json::COUNTERS;
use crate::scenario::builtin;

/// List what is built in: scenarios, models, causes, metrics or versions
#[derive(Clone, Debug, Args)]
pub struct ListArgs {
    /// What to list; all of them when left out
    #[arg(value_enum)]
    what: Option<What>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// Scenarios that `run` knows by name
    Scenarios,
    /// Machine models
    Models,
    /// What the main thread can be busy with
    Causes,
    /// What can be asked of a run, columns and counters of results
    Metrics,
    /// Server versions
    Versions,
}

/// Runs the subcommand.
pub fn list(args: &ListArgs, terminal: &Terminal) -> Result<(), Failure> {
    let text = match args.what {
        Some(what) => aligned(&rows(what)),
        None => What::value_variants()
            .iter()
            .map(|&what| format!("{}:\n{}", heading(what), indented(&aligned(&rows(what)))))
            .collect::<Vec<_>>()
            .join("\n"),
    };
    terminal.print(&text)
}

fn heading(what: What) -> &'static str {
    match what {
        What::Scenarios => "Scenarios",
        What::Models => "Models",
        What::Causes => "Causes",
        What::Metrics => "Metrics",
        What::Versions => "Versions",
    }
}

/// Name and meaning of each thing.
fn rows(what: What) -> Vec<(String, String)> {
    let own = |&(name, meaning): &(&str, &str)| (name.to_owned(), meaning.to_owned());
    match what {
        What::Scenarios => {
            builtin::all().map(|(name, text)| (name.to_owned(), builtin::description(text))).collect()
        }
        What::Models => models::builtin().map(|(name, text)| (name.to_owned(), machine(text))).collect(),
        What::Causes => {
            Cause::ALL.iter().map(|cause| (cause.name().to_owned(), cause.describe().to_owned())).collect()
        }
        What::Metrics => {
            let quantities = QUANTITIES.iter().map(|quantity| {
                (quantity.name.to_owned(), format!("{} (column {})", quantity.about, quantity.column))
            });
            let file = |file: &'static str| move |(name, meaning)| (format!("{file} {name}"), meaning);
            let summary = SUMMARY_COLUMNS.iter().map(own).map(file("summary.csv"));
            let timeline = timeline_columns().into_iter().map(file("timeline.csv"));
            let events = EVENTS_COLUMNS.iter().map(own).map(file("events.csv"));
            let blame = BLAME_COLUMNS.iter().map(own).map(file("blame.csv"));
            let nodes = NODES_COLUMNS.iter().map(own).map(file("nodes.csv"));
            let migrations = MIGRATIONS_COLUMNS.iter().map(own).map(file("migrations.csv"));
            quantities
                .chain(summary)
                .chain(timeline)
                .chain(events)
                .chain(blame)
                .chain(nodes)
                .chain(migrations)
                .chain(COUNTERS.iter().map(own).map(file("counters")))
                .collect()
        }
        What::Versions => KNOWN.iter().map(|version| (version.to_string(), differences(*version))).collect(),
    }
}

/// The machine that a model's file describes.
fn machine(text: &str) -> String {
    let table: Option<toml::Table> = text.parse().ok();
    let machine = table.as_ref().and_then(|table| table.get("meta")?.get("machine")?.as_str());
    machine.map_or_else(|| builtin::description(text), str::to_owned)
}

/// What sets a version apart for the write path.
fn differences(version: Version) -> String {
    let rewrite = match version.rewrite_style() {
        RewriteStyle::BufferAtEnd => "AOF rewrite ends with the whole buffer",
        RewriteStyle::Streamed => "AOF rewrite streams its buffer, ends with the rest",
        RewriteStyle::MultiPart => "multi-part AOF",
    };
    let threads = match version.io_thread_design() {
        IoThreadDesign::None => "no io threads",
        IoThreadDesign::Spinning => "io threads the main thread waits for",
        IoThreadDesign::Offload => "asynchronous io threads",
        IoThreadDesign::OwnedClients => "io threads that own clients",
    };
    format!("{rewrite}; {threads}")
}

fn aligned(rows: &[(String, String)]) -> String {
    let width = rows.iter().map(|row| row.0.chars().count()).max().unwrap_or(0);
    rows.iter()
        .map(|(name, meaning)| format!("{name:<width$}  {meaning}").trim_end().to_owned() + "\n")
        .collect()
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_listed_has_a_name_of_its_own_and_a_meaning() {
        for &what in What::value_variants() {
            let rows = rows(what);
            let names: std::collections::BTreeSet<&String> = rows.iter().map(|row| &row.0).collect();
            assert_eq!(names.len(), rows.len(), "{what:?}");
            assert!(rows.iter().all(|row| !row.0.is_empty() && !row.1.is_empty()), "{what:?}");
        }
    }
}
