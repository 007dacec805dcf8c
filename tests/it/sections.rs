//! Sections of the measured time: they hold all that the run holds, and asking for them changes nothing.
//!
//! Method: built-in scenarios with every mechanism, a cluster that moves slots and replicas among them, each with several
//! numbers of sections; the JSON and the tables of the run must be the same to the byte. What the sections hold is added up
//! and compared with the whole, exactly.

use writepath::cluster;
use writepath::observe::result::{Counters, RunResult};
use writepath::observe::sparse::SparseHistogram;
use writepath::report::{About, csv, json};
use writepath::scenario::resolve::{Overrides, resolve};
use writepath::scenario::{Scenario, builtin};
use writepath::sim::RunOptions;

use super::world::on_a_free_machine;

const CASES: [(&str, &[&str]); 7] = [
    ("article", &["run.duration=20s", "run.warmup=1s", "redis.save=1 1000", "dataset.keys=100000"]),
    (
        "article",
        &["run.duration=20s", "run.warmup=1s", "run.windows=[]", "redis.save=1 1000", "dataset.keys=100000"],
    ),
    ("closed-loop-50", &["run.duration=3s", "run.warmup=0s"]),
    ("split-writes-and-reads", &["run.duration=8s", "run.warmup=1s"]),
    ("replica-lag", &["run.duration=40s", "run.warmup=1s"]),
    ("expiry-storm", &["run.duration=40s", "run.warmup=1s"]),
    ("rebalance-3-to-4", &["run.duration=40s", "run.warmup=1s"]),
];

fn scenario((name, settings): (&str, &[&str])) -> Scenario {
    let set = settings.iter().map(|setting| setting.to_string()).collect();
    let text = builtin::get(name).expect("a built-in scenario");
    let overrides = Overrides { set, ..Overrides::default() };
    resolve(text, name, std::path::Path::new("."), &overrides)
        .unwrap_or_else(|problems| panic!("{name}:\n{problems}"))
}

fn simulate(scenario: &Scenario, sections: u32, timeline: bool) -> RunResult {
    let options = RunOptions { sections, timeline, ..RunOptions::default() };
    cluster::simulate(scenario, &options, &mut |_| true).expect("it runs")
}

/// All that is printed of a run but the uncertainty, which needs sections.
fn bytes(scenario: &Scenario, mut result: RunResult) -> Vec<Vec<u8>> {
    result.sections = Default::default();
    let json = serde_json::to_vec(&json::run_output(&result, &About::of(scenario))).expect("serialisable");
    vec![json, csv::summary(&result), csv::timeline(&result), csv::events(&result)]
}

#[test]
fn sections_change_nothing() {
    for case in CASES {
        let scenario = scenario(case);
        for timeline in [false, true] {
            let without = bytes(&scenario, simulate(&scenario, 0, timeline));
            for sections in [7, 64] {
                let with = bytes(&scenario, simulate(&scenario, sections, timeline));
                assert!(with == without, "{case:?}, timeline {timeline}, {sections} sections");
            }
        }
    }
}

/// Otherwise the intervals of a run would depend on whether its timeline is written.
#[test]
fn a_timeline_moves_no_section() {
    for case in CASES {
        let scenario = scenario(case);
        let of = |timeline| simulate(&scenario, 64, timeline).sections;
        assert!(of(false) == of(true), "{case:?}");
    }
}

#[test]
fn sections_hold_what_the_run_holds() {
    for case in CASES {
        let scenario = scenario(case);
        let result = simulate(&scenario, 64, false);
        let sections = &result.sections;
        let number = sections.list.len();
        assert!((19..=128).contains(&number), "{case:?}: {number} sections");
        assert_eq!(sections.list[0].start, scenario.run.warmup);
        assert_eq!(sections.list[number - 1].end, scenario.run.duration);
        assert!(sections.list.windows(2).all(|pair| pair[0].end == pair[1].start), "{case:?}");
        assert_eq!(sections.scopes.len(), result.scopes.len());
        for scope in &result.scopes {
            let parts = sections.sojourns(&scope.name);
            assert_eq!(
                SparseHistogram::merged(parts),
                SparseHistogram::from(&scope.sojourn),
                "{case:?} {}",
                scope.name
            );
        }
        let mut counters = Counters::default();
        let mut busy = result.busy.map(|_| 0);
        for section in &sections.list {
            counters = counters.plus(&section.counters);
            busy.iter_mut().zip(section.busy).for_each(|(sum, part)| *sum += part);
        }
        assert_eq!((counters, busy), (result.counters, result.busy), "{case:?}");
        let stalls: u64 = sections.list.iter().map(|section| section.stalls).sum();
        let threshold = scenario.run.stall_threshold;
        let listed = result.events.iter().filter(|event| event.span >= threshold && event.span > 0).count();
        assert_eq!(stalls, listed as u64 + result.events_dropped, "{case:?}");
    }
}

#[test]
fn a_request_is_in_the_section_that_answered_it() {
    // 100 requests a second at their times, and nothing takes any time but one freeze of 2 s.
    let scenario = on_a_free_machine(
        r#"
        [redis]
        save = ""
        [dataset]
        keys = 1000
        [[workload]]
        loop = "open"
        rate = "100/s"
        arrivals = "uniform"
        operation = "SET"
        [[event]]
        at = "5500ms"
        do = "freeze"
        for = "2s"
        [run]
        duration = "10s"
        warmup = "0s"
        windows = []
        "#,
        |_| (),
    );
    let result = simulate(&scenario, 10, false);
    let counts: Vec<u64> = result.sections.sojourns("all").iter().map(|section| section.count()).collect();
    let expected = [100, 100, 100, 100, 100, 50, 0, 250, 100, 100];
    let within = |(&count, expected): (&u64, u64)| count.abs_diff(expected) <= 2;
    assert!(counts.iter().zip(expected).all(within), "{counts:?}");
    let stalls: Vec<u64> = result.sections.list.iter().map(|section| section.stalls).collect();
    assert_eq!(stalls, [0, 0, 0, 0, 0, 1, 0, 0, 0, 0], "it began in the sixth second");
}
