//! Waking a sleeping server takes time that is nobody's CPU time, and is the same time whoever looks.

use writepath::cause::Cause;
use writepath::dist::Dist;
use writepath::observe::blame::Part;
use writepath::observe::result::RunResult;
use writepath::scenario::{Arrivals, Scenario, Source};
use writepath::sim::{RunOptions, run};
use writepath::units::{MILLISECOND, SECOND};

use crate::support::{poisson, record, scenario};

const DELAY: u64 = 40_000;

fn sets(source: Source, delay: u64) -> Scenario {
    let mut scenario = scenario(source, 5, Dist::Fixed(20_000.0), 10 * SECOND);
    scenario.machine.cpu.wakeup = vec![(MILLISECOND, 7_000)];
    scenario.machine.network.wake_server = vec![(1000, delay), (MILLISECOND, delay)];
    scenario
}

fn result(scenario: &Scenario, blame: bool) -> RunResult {
    run(scenario, &RunOptions { blame, ..RunOptions::default() }, &mut |_| true).expect("it runs")
}

#[test]
fn a_request_to_a_sleeping_server_takes_longer_and_the_server_does_not_work_longer() {
    let every_ms = || Source::Open { schedule: vec![(0, 1000.0)], arrivals: Arrivals::Uniform };
    let (with, without) = (result(&sets(every_ms(), DELAY), false), result(&sets(every_ms(), 0), false));
    // Each finds it asleep. Shorter sleeps make waking cheaper by a little.
    let mean = |result: &RunResult| result.scopes[0].sojourn.mean();
    assert!((mean(&with) - mean(&without) - DELAY as f64).abs() < 0.05 * DELAY as f64);
    let busy = |result: &RunResult| result.busy.iter().sum::<u64>() as f64;
    assert!((busy(&with) / busy(&without) - 1.0).abs() < 0.02, "{} {}", busy(&with), busy(&without));
    assert_eq!(with.busy[Cause::Command as usize], without.busy[Cause::Command as usize]);
}

#[test]
fn probes_and_blame_see_the_same_run_and_blame_the_waking() {
    let scenario = sets(poisson(15_000.0), DELAY);
    let (bare, blamed, (_, watched)) = (result(&scenario, false), result(&scenario, true), record(&scenario));
    let all = |result: &RunResult| {
        let slots: Vec<_> = result.scopes[0].sojourn.slots().collect();
        (result.busy, slots, result.counters.eventloop_cycles)
    };
    assert!(all(&bare) == all(&blamed) && all(&bare) == all(&watched));
    let blame = blamed.blame.expect("it was asked for");
    let whole = blame.whole();
    let sum: u128 = whole.causes.iter().map(|cause| cause.1).sum();
    assert_eq!(sum, whole.sojourn_ns);
    // A part of a second's requests finds it asleep, each of those waits for the whole of it.
    let waking = whole.of(Part::Main(Cause::WakeUp).name());
    let cpu = u128::from(blamed.busy[Cause::WakeUp as usize]);
    assert!(waking > 4 * cpu, "{waking} of {cpu}");
}
