//! How fast the engine is on this machine, beside a hand-written queue as yardstick.
//!
//! Machines differ and are noisy, so what counts is the ratio of two speeds measured one after the other in the
//! same process. The yardstick is the smallest simulation there is: Lindley's recursion of an M/D/1 queue at
//! utilisation 0.7, with the same random numbers and the same recording of each sojourn.

use std::path::Path;
use std::time::Instant;

use crate::client::group::Unit;
use crate::math::{ln, whole};
use crate::observe::recorder::{GroupKinds, Recorder};
use crate::rng::{StreamId, Streams, Uniform};
use crate::scenario::resolve::{Overrides, resolve};
use crate::scenario::{Scenario, builtin};
use crate::sim::{RunOptions, run};
use crate::units::{Nanos, SECOND, format_count};

/// Times each case and the yardstick are measured; the fastest of each counts.
const ROUNDS: usize = 3;
/// Service time of the yardstick.
const SERVICE: Nanos = 1000;
/// Connections its customers are spread over.
const CONNECTIONS: u64 = 50;
/// Customers of one measurement of the yardstick.
const CUSTOMERS: usize = 20_000_000;

/// A measured case.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BenchCase {
    /// Name.
    pub name: &'static str,
    /// Simulated commands a second of one core.
    pub commands_per_s: f64,
    /// Its inverse.
    pub ns_per_command: f64,
    /// Speed over that of the yardstick in the same round.
    pub ratio_to_lindley: f64,
}

/// The cases: name, built-in scenario and settings over it.
const CASES: [(&str, &str, &[&str]); 4] = [
    ("pipelined", "benchmark", &["run.duration=200s", "run.warmup=0s"]),
    ("article", "article", &[]),
    ("closed-loop-50", "closed-loop-50", &["run.duration=300s", "run.warmup=0s"]),
    (
        "zipf",
        "article",
        &[
            "dataset.keys=1e9",
            "dataset.value-size={ dist = \"lognormal\", mean = \"100B\", scv = 1.5 }",
            "workload.keys={ dist = \"zipf\", s = 0.99 }",
            "workload.rate=20000/s",
            "machine.machine.memory=1TiB",
            "machine.disk.free=4TiB",
            "run.duration=30min",
            "run.windows=[\"10s\", \"60s\"]",
        ],
    ),
];

/// The scenario of a case.
fn scenario(name: &str, settings: &[&str]) -> Scenario {
    let text = builtin::get(name).expect("cases name built-in scenarios");
    let overrides = Overrides {
        set: settings.iter().map(|setting| setting.to_string()).collect(),
        ..Overrides::default()
    };
    resolve(text, name, Path::new("."), &overrides)
        .unwrap_or_else(|problems| panic!("case {name}:\n{problems}"))
}

/// Measures every case; `begun` is told the name of each before it starts.
pub fn run_all(begun: &mut dyn FnMut(&str)) -> Vec<BenchCase> {
    let cases = CASES.iter().map(|&(name, builtin, settings)| (name, scenario(builtin, settings)));
    cases
        .map(|(name, scenario)| {
            begun(name);
            measure(name, &scenario)
        })
        .collect()
}

/// The cases as a table for people.
pub fn table(cases: &[BenchCase]) -> String {
    let width = cases.iter().map(|case| case.name.len()).max().unwrap_or(0).max(4);
    let mut text = format!(
        "{:<width$}  {:>12}  {:>11}  {:>16}\n",
        "case", "commands/s", "ns/command", "x Lindley's loop"
    );
    for case in cases {
        let speed = format_count(case.commands_per_s);
        let (span, ratio) = (case.ns_per_command, case.ratio_to_lindley);
        text.push_str(&format!("{:<width$}  {speed:>12}  {span:>11.1}  {ratio:>16.2}\n", case.name));
    }
    text
}

fn measure(name: &'static str, scenario: &Scenario) -> BenchCase {
    let (mut yardstick, mut fastest): (f64, f64) = (0.0, 0.0);
    for _ in 0..ROUNDS {
        yardstick = yardstick.max(lindley_per_s());
        let start = Instant::now();
        let result = run(scenario, &RunOptions::default(), &mut |_| true).expect("cases are not overloaded");
        fastest = fastest.max(result.requests as f64 / start.elapsed().as_secs_f64());
    }
    BenchCase {
        name,
        commands_per_s: fastest,
        ns_per_command: 1e9 / fastest,
        ratio_to_lindley: fastest / yardstick,
    }
}

/// Customers a second of the yardstick.
fn lindley_per_s() -> f64 {
    let start = Instant::now();
    let mean = lindley(CUSTOMERS);
    let speed = CUSTOMERS as f64 / start.elapsed().as_secs_f64();
    assert!(mean > SERVICE as f64, "customers are served");
    speed
}

/// Lindley's recursion for an M/D/1 queue at utilisation 0.7; mean sojourn \[ns\].
fn lindley(customers: usize) -> f64 {
    let group = GroupKinds { name: String::new(), operation: String::new(), reads: false, writes: true };
    let mut recorder = Recorder::new(&[group], CONNECTIONS as usize, 0, &[10 * SECOND, 60 * SECOND], None);
    let mut stream = Streams::new(1, 0).open(StreamId::Arrivals, 0);
    let mut connections = Streams::new(1, 0).open(StreamId::Connections, 0);
    let mean_gap = SERVICE as f64 / 0.7;
    let (mut arrival, mut free_at) = (0, 0);
    for _ in 0..customers {
        arrival += whole(-ln(stream.unit()) * mean_gap);
        free_at = free_at.max(arrival) + SERVICE;
        let connection = connections.below(CONNECTIONS) as u32;
        if free_at >= recorder.next_tick_at() {
            recorder.tick(free_at, |_, _| ());
        }
        recorder.answered(
            0,
            &Unit { arrived_at: arrival, connection, writes: 1, ..Unit::default() },
            free_at,
        );
    }
    recorder.finish().0[0].sojourn.mean()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_yardstick_is_an_md1_queue() {
        let mean = lindley(2_000_000);
        let wait = crate::stats::queueing::md1_wait(0.7e6, 1e-6).expect("stable");
        let expected = 1000.0 + wait * 1e9;
        assert!((mean / expected - 1.0).abs() < 0.02, "{mean} against {expected}");
    }

    #[test]
    fn a_case_is_a_row_of_the_table() {
        let case =
            BenchCase { name: "pipelined", commands_per_s: 2e7, ns_per_command: 50.0, ratio_to_lindley: 3.1 };
        let table = table(&[case]);
        assert!(table.ends_with("pipelined        20.0 M         50.0              3.10\n"), "{table}");
    }

    #[test]
    fn every_case_resolves() {
        CASES.iter().for_each(|&(_, name, settings)| drop(scenario(name, settings)));
    }
}
