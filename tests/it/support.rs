//! Scenarios in which almost nothing costs anything, probes that keep what they see, and estimates with their
//! standard errors.

use writepath::dist::Dist;
use writepath::models;
use writepath::observe::result::RunResult;
use writepath::redis::command::{Command, CommandKind};
use writepath::redis::config::{AppendFsync, RedisConfig};
use writepath::redis::version::Version;
use writepath::scenario::{
    Arrivals, Dataset, KeyPopularity, RunConfig, Scenario, Source, StartState, Workload,
};
use writepath::sim::{Probe, Replied, RunOptions, run_probed};
use writepath::units::{Nanos, SECOND};

/// Time per byte of a value is 1 ns in these scenarios, so that the service time of a SET is its size.
const ONE_NS_A_BYTE: f64 = 1024.0;

/// One group of SETs whose service times are `service` \[ns\], without persistence, on a machine in which nothing
/// else costs anything.
pub fn scenario(source: Source, connections: u32, service: Dist, duration: Nanos) -> Scenario {
    let mut machine = models::blank("blank");
    machine.cpu.per_kib = ONE_NS_A_BYTE;
    let version = Version::redis(7, 2);
    let redis = RedisConfig { save: Vec::new(), dynamic_hz: false, ..RedisConfig::defaults(version) };
    Scenario {
        name: "test".into(),
        redis,
        dataset: Dataset {
            keys: 1000,
            prefilled: true,
            key_size: 16,
            value_size: Dist::Fixed(16.0),
            ttl_share: 0.0,
            ttl: None,
            fragmentation: 1.0,
            streams: 1,
            stream_entries: 0,
        },
        workloads: vec![Workload {
            name: "clients".into(),
            source,
            connections,
            pipeline: 1,
            mix: vec![(Command::plain(CommandKind::Set), 1.0)],
            keys: KeyPopularity::Uniform,
            key_size: 16,
            value_size: service,
            wait: None,
            pattern: None,
            ttl: None,
        }],
        replicas: Vec::new(),
        events: Vec::new(),
        cluster: None,
        machine,
        run: RunConfig {
            duration,
            warmup: 0,
            seed: 1,
            windows: vec![10 * SECOND],
            interval: SECOND,
            allow_overload: false,
            stall_threshold: 1_000_000,
        },
        start: StartState {
            changes_since_save: 0,
            last_save_age: 0,
            aof_base_size: None,
            aof_current_size: None,
            used_memory: None,
            used_memory_rss: None,
        },
        sweep: None,
        settings: Vec::new(),
        notes: Vec::new(),
        directives_used: Vec::new(),
        directives_not_modelled: Vec::new(),
    }
}

/// A Poisson process of `rate` commands a second.
pub fn poisson(rate: f64) -> Source {
    Source::Open { schedule: vec![(0, rate)], arrivals: Arrivals::Poisson }
}

/// Turns the AOF on.
pub fn with_aof(mut scenario: Scenario, appendfsync: AppendFsync) -> Scenario {
    scenario.redis.appendonly = true;
    scenario.redis.appendfsync = appendfsync;
    scenario.redis.auto_aof_rewrite_percentage = 0;
    scenario
}

/// Keeps everything that was answered.
#[derive(Default)]
pub struct Recorder {
    /// In the order of the replies.
    pub replied: Vec<Replied>,
}

impl Probe for Recorder {
    fn replied(&mut self, seen: &Replied) {
        self.replied.push(*seen);
    }
}

/// Runs replication number `replication` and keeps everything.
pub fn record_replication(scenario: &Scenario, replication: u64) -> (Vec<Replied>, RunResult) {
    let mut recorder = Recorder::default();
    let options = RunOptions { replication, ..RunOptions::default() };
    let result = run_probed(scenario, &options, &mut recorder, &mut |_| true).expect("it runs");
    (recorder.replied, result)
}

/// Runs `scenario` and keeps everything.
pub fn record(scenario: &Scenario) -> (Vec<Replied>, RunResult) {
    record_replication(scenario, 0)
}

/// Calls a function with the replies of each turn.
pub struct Turns<F: FnMut(&[Replied])> {
    turn: Vec<Replied>,
    each: F,
}

impl<F: FnMut(&[Replied])> Probe for Turns<F> {
    fn replied(&mut self, seen: &Replied) {
        if self.turn.last().is_some_and(|last| last.polled_at != seen.polled_at) {
            (self.each)(&self.turn);
            self.turn.clear();
        }
        self.turn.push(*seen);
    }
}

/// Runs `scenario` and calls `each` with the replies of each turn but the last.
pub fn run_by_turns(scenario: &Scenario, each: impl FnMut(&[Replied])) -> RunResult {
    let mut turns = Turns { turn: Vec::new(), each };
    run_probed(scenario, &RunOptions::default(), &mut turns, &mut |_| true).expect("it runs")
}

/// The replies of one turn in the order of execution: connections in reverse order of their replies.
pub fn in_order_of_execution(turn: &[Replied]) -> impl Iterator<Item = &Replied> {
    let connections: Vec<&[Replied]> = turn.chunk_by(|a, b| a.connection == b.connection).collect();
    connections.into_iter().rev().flatten()
}

/// A mean and its standard error.
#[derive(Clone, Copy, Debug)]
pub struct Estimate {
    /// Mean.
    pub mean: f64,
    /// Standard error.
    pub error: f64,
}

impl Estimate {
    /// From independent values.
    pub fn of(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
        Estimate { mean, error: (squares / (n - 1.0) / n).sqrt() }
    }

    /// From one run of dependent values, by the means of 32 batches.
    ///
    /// The first twentieth is left out, since a run begins with an empty server.
    pub fn by_batches(values: &[f64]) -> Self {
        let steady = &values[values.len() / 20..];
        let length = steady.len() / 32;
        let mean = |batch: &[f64]| batch.iter().sum::<f64>() / batch.len() as f64;
        Estimate::of(&steady.chunks_exact(length).map(mean).collect::<Vec<_>>())
    }

    /// Whether `expected` is within four standard errors.
    pub fn agrees_with(&self, expected: f64) -> bool {
        (self.mean - expected).abs() <= 4.0 * self.error
    }
}

/// Panics unless `expected` is within four standard errors of the estimate.
pub fn assert_agrees(what: &str, estimate: Estimate, expected: f64) {
    assert!(estimate.agrees_with(expected), "{what}: {estimate:?} against {expected}");
}

/// Panics if `expected` is within four standard errors: the check would not notice the difference.
pub fn assert_differs(what: &str, estimate: Estimate, expected: f64) {
    assert!(!estimate.agrees_with(expected), "{what}: {estimate:?} does not tell {expected} apart");
}
