//! Scenarios for tests of mechanisms: written as users write them, on a machine that charges nothing, so that every
//! nanosecond left is the mechanism's own.

use std::path::Path;

use writepath::cause::Cause;
use writepath::cost_model::CostModel;
use writepath::dist::Dist;
use writepath::models;
use writepath::observe::result::{BlockTotals, ChildRow, InfoValue, RunResult};
use writepath::scenario::Scenario;
use writepath::scenario::resolve::{Overrides, resolve};
use writepath::sim::RunOptions;
use writepath::units::{GIB, Nanos, SECOND};

/// The scenario that `text` says.
pub fn read(text: &str) -> Scenario {
    resolve(text, "test.toml", Path::new(""), &Overrides::default())
        .unwrap_or_else(|problems| panic!("{problems}"))
}

/// The same on a machine where everything is free, until `price` says otherwise.
pub fn on_a_free_machine(text: &str, price: impl FnOnce(&mut CostModel)) -> Scenario {
    let mut scenario = read(text);
    scenario.machine = models::blank("free");
    // Children and the main thread do not share cores.
    scenario.machine.machine.cores = 64;
    price(&mut scenario.machine);
    scenario
}

/// Runs it, with a timeline.
pub fn simulate(scenario: &Scenario) -> RunResult {
    let options = RunOptions { timeline: true, ..RunOptions::default() };
    writepath::cluster::simulate(scenario, &options, &mut |_| true).expect("the scenario runs")
}

/// What `cause` blocked the main thread for.
pub fn blocks(result: &RunResult, cause: Cause) -> BlockTotals {
    let none = BlockTotals { cause, count: 0, sum: 0, longest: 0, by_length: Vec::new() };
    result.blocks.iter().find(|totals| totals.cause == cause).cloned().unwrap_or(none)
}

/// The longest the main thread was blocked by `cause`.
pub fn longest(result: &RunResult, cause: Cause) -> Nanos {
    blocks(result, cause).longest
}

/// The children of one kind.
pub fn children<'a>(result: &'a RunResult, kind: &str) -> Vec<&'a ChildRow> {
    result.children.iter().filter(|child| child.kind == kind).collect()
}

/// Times at which `what` happened.
pub fn times(result: &RunResult, what: &str) -> Vec<Nanos> {
    result.events.iter().filter(|event| event.cause == what).map(|event| event.at).collect()
}

/// Sojourn of all requests at quantile `q`.
pub fn sojourn(result: &RunResult, q: f64) -> Nanos {
    result.scopes[0].sojourn.quantile(q)
}

/// Always `seconds`.
pub fn always(seconds: f64) -> Dist {
    Dist::Fixed(seconds * SECOND as f64)
}

/// Nanoseconds as seconds.
pub fn s(nanos: Nanos) -> f64 {
    nanos as f64 / SECOND as f64
}

/// Bytes as GiB.
pub fn gib(bytes: u64) -> f64 {
    bytes as f64 / GIB as f64
}

/// Panics unless `value` is within `share` of `expected`.
#[track_caller]
pub fn assert_close(value: f64, expected: f64, share: f64, what: &str) {
    assert!(
        (value - expected).abs() <= share * expected.abs(),
        "{what}: {value}, expected {expected} ± {share}"
    );
}

/// A number under its INFO name.
pub fn int(result: &RunResult, name: &str) -> u64 {
    match result.info.iter().find(|field| field.0 == name) {
        Some((_, InfoValue::Int(value))) => *value,
        other => panic!("{name}: {other:?}"),
    }
}

/// A word under its INFO name.
pub fn text_of<'a>(result: &'a RunResult, name: &str) -> &'a str {
    match result.info.iter().find(|field| field.0 == name) {
        Some((_, InfoValue::Text(value))) => value,
        other => panic!("{name}: {other:?}"),
    }
}
