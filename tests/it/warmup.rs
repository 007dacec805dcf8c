//! A warm-up that the program finds, and replications that begin at a random phase.
//!
//! Method: the article's scenario at a small rate, whose snapshots come every 110 s or so. The warm-up must end where one of
//! them starts in a run without a warm-up. Starts of the first snapshot over replications must be spread evenly over the
//! interval between two (Kolmogorov and Smirnov, 1 in 1,000), and the first replication must be what it is without phases.

use std::path::Path;

use writepath::observe::result::RunResult;
use writepath::pilot;
use writepath::report::{About, json};
use writepath::scenario::resolve::{Overrides, resolve};
use writepath::scenario::{Scenario, builtin};
use writepath::sim::{RunOptions, run};
use writepath::units::SECOND;

fn article(settings: &[&str]) -> Scenario {
    let set = settings.iter().map(|setting| setting.to_string()).collect();
    let overrides = Overrides { set, ..Overrides::default() };
    resolve(builtin::get("article").expect("built in"), "article", Path::new("."), &overrides)
        .unwrap_or_else(|problems| panic!("{problems}"))
}

fn simulate(scenario: &Scenario, options: RunOptions) -> RunResult {
    run(scenario, &options, &mut |_| true).expect("it runs")
}

#[test]
fn an_automatic_warm_up_ends_where_a_cycle_starts() {
    let settings = ["workload.rate=200/s", "run.duration=24min"];
    let mut scenario = article(&[&settings[..], &["run.warmup=auto"]].concat());
    assert!(scenario.run.warmup_auto);
    pilot::settle(&mut scenario, &mut |_| true).expect("it runs");
    let whole = simulate(&article(&[&settings[..], &["run.warmup=0s"]].concat()), RunOptions::default());
    let starts: Vec<_> = whole.children.iter().map(|child| child.start).collect();
    assert!(starts.contains(&scenario.run.warmup), "{} of {starts:?}", scenario.run.warmup);
    assert!(scenario.run.warmup <= 12 * 60 * SECOND && !scenario.run.warmup_auto);
    assert!(
        scenario.notes.iter().any(|note| note.contains("start of a cycle of bgsave")),
        "{:?}",
        scenario.notes
    );
}

#[test]
fn a_given_warm_up_is_left_alone() {
    let mut scenario = article(&["run.warmup=7s"]);
    let before = scenario.clone();
    pilot::settle(&mut scenario, &mut |_| true).expect("nothing runs");
    assert_eq!((scenario.run.warmup, scenario.notes), (7 * SECOND, before.notes));
}

#[test]
fn replications_begin_anywhere_within_a_cycle_and_the_first_where_the_scenario_says() {
    let scenario = article(&["workload.rate=200/s", "run.duration=8min", "run.warmup=0s"]);
    let first = |replication| {
        let options = RunOptions { replication, random_phase: true, ..RunOptions::default() };
        simulate(&scenario, options)
    };
    let text = |result: &RunResult| {
        serde_json::to_string(&json::run_output(result, &About::of(&scenario))).expect("serialisable")
    };
    assert_eq!(text(&first(0)), text(&simulate(&scenario, RunOptions::default())));
    let plain = simulate(&scenario, RunOptions::default());
    let period = (plain.children[1].start - plain.children[0].start) as f64;
    let mut phases: Vec<f64> = (1..=60).map(|n| first(n).children[0].start as f64 / period).collect();
    phases.sort_by(f64::total_cmp);
    let n = phases.len() as f64;
    let distance =
        phases.iter().enumerate().map(|(i, phase)| (phase - (i as f64 + 0.5) / n).abs()).fold(0.0, f64::max);
    assert!(distance < 1.95 / n.sqrt(), "{distance}: {phases:?}");
}
