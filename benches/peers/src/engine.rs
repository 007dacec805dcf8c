//! The queue in writepath: a server on which nothing costs anything but the bytes of a SET's value, of exponential
//! length, and clients on so many connections that hardly a turn meets one twice.

use std::path::Path;

use writepath::dist::Dist;
use writepath::models;
use writepath::observe::histogram::Histogram;
use writepath::scenario::Scenario;
use writepath::scenario::resolve::{Overrides, resolve};
use writepath::sim::{Probe, Replied, RunOptions, run, run_probed};

use crate::queue::{RATE, SERVICE, WARM_UP};

/// One nanosecond a byte, so that a value of a million bytes takes a millisecond.
const NS_PER_KIB: f64 = 1024.0;

fn scenario(seed: u64, customers: u64) -> Scenario {
    let text = format!(
        r#"
        [redis]
        save       = ""
        dynamic-hz = false

        [dataset]
        keys       = "1k"
        value-size = "16B"

        [[workload]]
        loop        = "open"
        rate        = "{RATE}/s"
        connections = 10000
        operation   = "SET"

        [run]
        duration = "{}s"
        warmup   = "{}s"
        seed     = {seed}
        windows  = []
        "#,
        customers as f64 / RATE,
        WARM_UP as f64 / 1e9,
    );
    let mut scenario = resolve(&text, "mm1", Path::new("."), &Overrides::default())
        .unwrap_or_else(|problems| panic!("the queue as a scenario:\n{problems}"));
    scenario.machine = models::blank("free");
    scenario.machine.cpu.per_kib = NS_PER_KIB;
    scenario.workloads[0].value_size = Dist::Exponential { mean: SERVICE * 1e9 };
    scenario
}

/// Records the sojourn of each command up to the end of its own execution: M/M/1 as it stands in books. Replies leave
/// at the end of the turn, which is later.
struct Executions {
    customers: u64,
    turn: Vec<Replied>,
    sojourns: Histogram,
}

impl Executions {
    /// A turn replies in reverse order of execution.
    fn end_turn(&mut self) {
        let mut at = self.turn.first().map_or(0, |seen| seen.polled_at);
        for seen in self.turn.iter().rev() {
            at += seen.service;
            if seen.arrived_at >= WARM_UP {
                self.sojourns.record(at - seen.arrived_at);
            }
        }
        self.customers += self.turn.len() as u64;
        self.turn.clear();
    }
}

impl Probe for Executions {
    fn replied(&mut self, seen: &Replied) {
        if self.turn.first().is_some_and(|first| first.polled_at != seen.polled_at) {
            self.end_turn();
        }
        self.turn.push(*seen);
    }
}

/// About `customers` customers; a customer leaves when its command has been executed.
pub fn simulate(seed: u64, customers: u64) -> (u64, Histogram) {
    let mut probe = Executions { customers: 0, turn: Vec::new(), sojourns: Histogram::new() };
    run_probed(&scenario(seed, customers), &RunOptions::default(), &mut probe, &mut |_| true)
        .expect("utilisation below 1");
    probe.end_turn();
    (probe.customers, probe.sojourns)
}

/// About `customers` customers; a customer leaves with the replies of its turn, as `writepath run` counts.
pub fn simulate_replies(seed: u64, customers: u64) -> (u64, Histogram) {
    let scenario = scenario(seed, customers);
    let mut result = run(&scenario, &RunOptions::default(), &mut |_| true).expect("utilisation below 1");
    let warm_up = (WARM_UP as f64 / 1e9 * RATE) as u64;
    (result.requests + warm_up, std::mem::take(&mut result.scopes[0].sojourn))
}
