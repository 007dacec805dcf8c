//! The flags that every subcommand about a scenario shares.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::failure::Failure;
use super::result_folder::ResultFolder;
use crate::scenario::files::Files;
use crate::scenario::resolve::Overrides;

/// Which scenario, and what to change in it. Quantities carry units.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Scenario")]
pub struct ScenarioFlags {
    /// A file, the name of a built-in scenario, or - for standard input
    #[arg(help_heading = None, default_value = "article", hide_default_value = false)]
    pub scenario: String,
    /// Read a real redis.conf or valkey.conf, its includes too
    #[arg(long, value_name = "FILE")]
    pub redis_conf: Option<PathBuf>,
    /// Version of the server, 2.8 to 8.x, valkey-7.2 to valkey-9.x
    #[arg(long, value_name = "V")]
    pub redis_version: Option<String>,
    /// Machine prices: a built-in model or a file
    #[arg(long, value_name = "NAME|FILE")]
    pub model: Option<String>,
    /// Start in the state of a live server's INFO dump
    #[arg(long, value_name = "FILE")]
    pub info: Option<PathBuf>,
    /// Arrival rate of commands, 5000/s
    #[arg(long, value_name = "RATE")]
    pub rate: Option<String>,
    /// Number of connections
    #[arg(long, value_name = "N")]
    pub connections: Option<String>,
    /// Commands a client sends at once
    #[arg(long, value_name = "N")]
    pub pipeline: Option<String>,
    /// Number of keys, 10M
    #[arg(long, value_name = "N")]
    pub keys: Option<String>,
    /// Size of a value, 100B
    #[arg(long, value_name = "SIZE")]
    pub value_size: Option<String>,
    /// Simulated time, 6h
    #[arg(long, value_name = "TIME")]
    pub duration: Option<String>,
    /// Time at the start that is not counted, 60s; auto: found by a run of the first half
    #[arg(long, value_name = "TIME")]
    pub warmup: Option<String>,
    /// Any setting: TABLE.KEY=VALUE; may be repeated
    #[arg(long, value_name = "TABLE.KEY=VALUE")]
    pub set: Vec<String>,
    /// Seed of all randomness [default: the scenario's, else 1]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Windows over which quantiles are also taken, 10s,60s,1h
    #[arg(long, value_name = "TIMES")]
    pub window: Option<String>,
}

impl ScenarioFlags {
    /// What the flags change.
    pub fn overrides(&self) -> Overrides {
        Overrides {
            redis_conf: self.redis_conf.clone(),
            redis_version: self.redis_version.clone(),
            model: self.model.clone(),
            info: self.info.clone(),
            rate: self.rate.clone(),
            connections: self.connections.clone(),
            pipeline: self.pipeline.clone(),
            keys: self.keys.clone(),
            value_size: self.value_size.clone(),
            duration: self.duration.clone(),
            warmup: self.warmup.clone(),
            set: self.set.clone(),
            seed: self.seed,
            window: self.window.clone(),
            files: Files::default(),
        }
    }

    /// The flags that are given, as they can be typed again.
    pub fn given(&self) -> Vec<(String, String)> {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        let seed = self.seed.map(|seed| seed.to_string());
        let single = [
            ("--redis-conf", path(&self.redis_conf)),
            ("--redis-version", self.redis_version.clone()),
            ("--model", self.model.clone()),
            ("--info", path(&self.info)),
            ("--rate", self.rate.clone()),
            ("--connections", self.connections.clone()),
            ("--pipeline", self.pipeline.clone()),
            ("--keys", self.keys.clone()),
            ("--value-size", self.value_size.clone()),
            ("--duration", self.duration.clone()),
            ("--warmup", self.warmup.clone()),
            ("--seed", seed),
            ("--window", self.window.clone()),
        ];
        let single = single.into_iter().filter_map(|(flag, value)| Some((flag.to_owned(), value?)));
        single.chain(self.set.iter().map(|set| ("--set".to_owned(), set.clone()))).collect()
    }

    /// Whether any flag changes the scenario.
    pub fn change_something(&self) -> bool {
        !self.given().is_empty()
    }
}

/// Where the result of a subcommand goes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputFlags {
    /// What goes to standard output
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
    /// Write the result's files into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Write into a folder that holds other files
    #[arg(long, requires = "out")]
    force: bool,
}

impl OutputFlags {
    /// The folder for the result's files, if one is asked for.
    ///
    /// # Errors
    /// When it cannot be made or holds other files.
    pub fn folder(&self) -> Result<Option<ResultFolder>, Failure> {
        self.out.as_ref().map(|dir| ResultFolder::prepare(dir, self.force)).transpose()
    }
}

/// What goes to standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Text for people.
    Human,
    /// One JSON object, stable.
    Json,
    /// A table, stable.
    Csv,
}
