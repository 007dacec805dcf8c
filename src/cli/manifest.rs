//! `manifest.json`: what is needed to get a result again.

use std::time::Duration;

use serde::Serialize;

use super::replay;
use crate::models;
use crate::report::seconds;
use crate::scenario::show::resolved_toml;
use crate::scenario::{Origin, Scenario};

/// The manifest of a run. Only `wall_clock_s` differs between two equal runs.
#[derive(Debug, Serialize)]
struct Manifest<'a> {
    writepath: &'static str,
    command_line: Vec<String>,
    scenario: &'a str,
    redis_version: String,
    /// The real server that was driven.
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<String>,
    seed: u64,
    duration_s: f64,
    /// Time the run took on this machine.
    wall_clock_s: f64,
    settings: Vec<SettingRow<'a>>,
    /// The scenario as a file that gives the same run.
    resolved: String,
    model: ModelRow<'a>,
    notes: &'a [String],
    directives_used: &'a [String],
    directives_not_modelled: &'a [String],
}

/// The manifest of runs of several scenarios.
#[derive(Debug, Serialize)]
struct Together<'a> {
    scenarios: Vec<Labelled<'a>>,
}

#[derive(Debug, Serialize)]
struct Labelled<'a> {
    /// As tables name it.
    label: &'a str,
    #[serde(flatten)]
    manifest: Manifest<'a>,
}

#[derive(Debug, Serialize)]
struct SettingRow<'a> {
    key: &'a str,
    value: &'a str,
    origin: String,
}

#[derive(Debug, Serialize)]
struct ModelRow<'a> {
    name: &'a str,
    /// The file of a built-in model, each value with its source.
    text: Option<&'static str>,
}

/// The manifest's text.
pub fn manifest(scenario: &Scenario, wall_clock: Duration) -> Vec<u8> {
    bytes(&of(scenario, wall_clock))
}

/// The manifest of a real run on `server`.
pub fn manifest_of_load(scenario: &Scenario, wall_clock: Duration, server: String) -> Vec<u8> {
    bytes(&Manifest { server: Some(server), ..of(scenario, wall_clock) })
}

/// The manifest of several scenarios with their labels; `wall_clock` is the time of all of them.
pub fn manifest_of_all(scenarios: &[(&str, &Scenario)], wall_clock: Duration) -> Vec<u8> {
    let one = |&(label, scenario)| Labelled { label, manifest: of(scenario, wall_clock) };
    bytes(&Together { scenarios: scenarios.iter().map(one).collect() })
}

fn bytes(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).expect("plain values are always JSON");
    bytes.push(b'\n');
    bytes
}

fn of(scenario: &Scenario, wall_clock: Duration) -> Manifest<'_> {
    let row = |setting: &'_ crate::scenario::Setting| origin(&setting.origin);
    let settings = scenario.settings.iter();
    let name = &scenario.machine.name;
    Manifest {
        writepath: env!("CARGO_PKG_VERSION"),
        command_line: std::iter::once("writepath".to_owned()).chain(replay::arguments()).collect(),
        scenario: &scenario.name,
        redis_version: scenario.redis.version.to_string(),
        server: None,
        seed: scenario.run.seed,
        duration_s: seconds(scenario.run.duration),
        wall_clock_s: wall_clock.as_secs_f64(),
        settings: settings
            .map(|own| SettingRow { key: &own.key, value: &own.value, origin: row(own) })
            .collect(),
        resolved: resolved_toml(scenario),
        model: ModelRow { name, text: models::builtin().find(|model| model.0 == name).map(|model| model.1) },
        notes: &scenario.notes,
        directives_used: &scenario.directives_used,
        directives_not_modelled: &scenario.directives_not_modelled,
    }
}

/// Where a setting came from, in a few words.
fn origin(origin: &Origin) -> String {
    match origin {
        Origin::Default => "default".to_owned(),
        Origin::Version => "default of the version".to_owned(),
        Origin::Model => "model".to_owned(),
        Origin::Scenario(file, line) => format!("{file}:{line}"),
        Origin::Info(file) => file.display().to_string(),
        Origin::RedisConf(file, line) => format!("{}:{line}", file.display()),
        Origin::Flag(flag) => flag.clone(),
    }
}
