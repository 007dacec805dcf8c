//! The SLOWLOG holds what commands took by themselves, and nothing of what held them up.
//!
//! Method: SETs whose execution takes their size in nanoseconds, some long and some short; a probe sees how long each took.

use std::path::Path;

use writepath::cluster::simulate;
use writepath::dist::Dist;
use writepath::observe::result::RunResult;
use writepath::redis::config::AppendFsync;
use writepath::scenario::resolve::{Overrides, resolve};
use writepath::scenario::{Arrivals, Scenario, Source};
use writepath::sim::RunOptions;
use writepath::units::{MILLISECOND, SECOND};

use crate::support::{poisson, record, scenario, with_aof};

/// SETs that take `execution` each, one every 100 ms, for a minute.
fn sets(execution: Dist, slower_than: i64) -> Scenario {
    let source = Source::Open { schedule: vec![(0, 10.0)], arrivals: Arrivals::Uniform };
    let mut scenario = scenario(source, 1, execution, 60 * SECOND);
    scenario.redis.slowlog_log_slower_than = slower_than;
    scenario
}

fn run(scenario: &Scenario) -> RunResult {
    simulate(scenario, &RunOptions::default(), &mut |_| true).expect("it runs")
}

#[test]
fn commands_that_take_long_are_counted_whatever_their_size_is_drawn_from() {
    let about = Dist::Uniform { low: 9_900_000.0, high: 10_100_000.0 };
    let (seen, watched) = record(&sets(about.clone(), 10_000));
    let long = seen.iter().filter(|request| request.service >= 10 * MILLISECOND).count() as u64;
    assert!(long > 200 && long < 400, "{long} of {}", seen.len());
    assert_eq!(watched.counters.slowlog_entries, long);
    assert_eq!(run(&sets(about, 10_000)).counters.slowlog_entries, long, "nobody watches");
    // All alike.
    for (execution, slower_than, is_slow) in
        [(10e6, 10_000, true), (9_999e3, 10_000, false), (1e3, 0, true), (10e6, -1, false)]
    {
        let result = run(&sets(Dist::Fixed(execution), slower_than));
        let expected = if is_slow { result.completed } else { 0 };
        assert_eq!(result.counters.slowlog_entries, expected, "{execution} ns, {slower_than} us");
    }
}

#[test]
fn whatever_ends_a_run_of_like_turns_no_command_is_missed() {
    // Timers, rows and flushes end them, thousands of times.
    let mut scenario =
        with_aof(scenario(poisson(20_000.0), 10, Dist::Fixed(10_000.0), 20 * SECOND), AppendFsync::Everysec);
    (scenario.redis.slowlog_log_slower_than, scenario.redis.hz, scenario.run.interval) =
        (0, 100, SECOND / 1000);
    let (bare, (seen, watched)) = (run(&scenario), record(&scenario));
    assert_eq!(watched.counters.slowlog_entries, seen.len() as u64);
    assert_eq!(bare.counters.slowlog_entries, seen.len() as u64);
}

#[test]
fn a_fork_is_no_command_and_save_is_one() {
    for (what, logged) in [("BGSAVE", 0), ("SAVE", 1)] {
        let text = format!(
            "[redis]\nsave = \"\"\n[dataset]\nkeys = \"2M\"\n[[workload]]\nrate = \"1000/s\"\n\
             [[event]]\nat = \"5s\"\ndo = \"{what}\"\n[run]\nduration = \"20s\"\nwarmup = \"0s\""
        );
        let set = vec!["machine.fork.base=30ms".to_owned()];
        let overrides = Overrides { set, ..Overrides::default() };
        let scenario = resolve(&text, "t.toml", Path::new("."), &overrides).expect("it is sound");
        let result = run(&scenario);
        assert!(result.scopes[0].sojourn.max() > 30 * MILLISECOND, "it holds requests up");
        assert_eq!(result.counters.slowlog_entries, logged, "{what}");
    }
}
