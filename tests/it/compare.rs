//! Comparing and selecting: what pairing is worth, the same bytes on any number of threads, what is said of what cannot run.
//!
//! Method: replications of two fsync policies are paired by their number and, for the same runs of independent streams, by
//! different numbers; the program is run with flags as users give them.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU64, Ordering};

use writepath::experiment::compare::{Pair, Verdict, compare};
use writepath::experiment::replications::{Failed, Runs, Watch};
use writepath::experiment::{Metric, Outcome, Pool, Template};
use writepath::scenario::resolve::Overrides;
use writepath::scenario::{Scenario, builtin};
use writepath::sim::SimError;

/// Article made small, with snapshots.
const SMALL: [&str; 5] =
    ["run.duration=20s", "run.warmup=1s", "workload.rate=1000/s", "dataset.memory=1GiB", "redis.save=5 100"];

fn scenario(more: &[&str]) -> Scenario {
    let set = SMALL.iter().chain(more).map(|setting| setting.to_string()).collect();
    let text = builtin::get("article").expect("built in").to_owned();
    let overrides = Overrides { set, ..Overrides::default() };
    let template = Template::new(text, "article".into(), Path::new(".").to_owned(), overrides);
    template.resolve().unwrap_or_else(|problems| panic!("{problems}"))
}

fn metrics(names: &[&str]) -> Vec<Metric> {
    names.iter().map(|name| Metric::parse(name).expect("a metric")).collect()
}

/// Counts the runs that end.
#[derive(Default)]
struct Counting(AtomicU64);

impl Watch for Counting {
    fn goes_on(&self) -> bool {
        true
    }

    fn finished(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Replications 0 to `n` − 1 of both.
fn outcomes(a: &Scenario, b: &Scenario, n: u64, metrics: &[Metric]) -> (Vec<Outcome>, Vec<Outcome>) {
    let (pool, watch) = (Pool::new(2).expect("threads"), Counting::default());
    let mut both = Runs { metrics, pool: &pool, watch: &watch }.of(&[a, b], 0..n).expect("they run");
    assert_eq!(watch.0.into_inner(), 2 * n);
    let b = both.pop().expect("two scenarios");
    (both.pop().expect("two scenarios"), b)
}

#[test]
fn a_change_of_the_fsync_policy_is_seen_with_a_fifth_of_the_runs_or_less() {
    const N: u64 = 16;
    let metrics = metrics(&["mean", "p99", "throughput"]);
    let (everysec, no) = (scenario(&[]), scenario(&["redis.appendfsync=no"]));
    let (a, b) = outcomes(&everysec, &no, N, &metrics);
    let reductions = |pairs: &[Pair]| -> Vec<f64> {
        let rows = compare(pairs, &metrics);
        rows.iter()
            .map(|row| row.compared.as_ref().expect("values").variance_reduction.unwrap_or(f64::INFINITY))
            .collect()
    };
    let paired: Vec<Pair> = a.iter().cloned().zip(b.clone()).collect();
    let reduced = reductions(&paired);
    assert!(reduced.iter().all(|&reduction| reduction >= 5.0), "{reduced:?}");
    // Pairs of different replications are independent: 1, and with 15 degrees of freedom within a third and three.
    let shifted: Vec<Pair> = a.into_iter().zip(b.into_iter().cycle().skip(1)).collect();
    let independent = reductions(&shifted);
    assert!(independent.iter().all(|reduction| (0.33..3.0).contains(reduction)), "{independent:?}");
}

#[test]
fn slower_commands_are_worse_and_a_scenario_beside_itself_is_no_different() {
    let metrics = metrics(&["mean", "p99", "busy"]);
    let plain = scenario(&[]);
    let verdicts = |other: &Scenario| -> Vec<Verdict> {
        let (a, b) = outcomes(&plain, other, 6, &metrics);
        let pairs: Vec<Pair> = a.into_iter().zip(b).collect();
        compare(&pairs, &metrics).iter().map(|row| row.verdict).collect()
    };
    // Three per cent of a command are a hundredth of a per cent of the sojourn: only pairing shows them.
    let set = plain.machine.cpu.set as f64;
    let slower = scenario(&[&format!("machine.cpu.set={}ns", (1.03 * set).ceil())]);
    assert_eq!(verdicts(&slower)[0], Verdict::Worse);
    assert_eq!(verdicts(&slower)[2], Verdict::Worse);
    assert_eq!(verdicts(&plain), [Verdict::NoDifferenceSeen; 3]);
}

#[test]
fn a_run_that_fails_ends_the_others_and_is_named() {
    let (pool, watch) = (Pool::new(2).expect("threads"), Counting::default());
    let metrics = metrics(&["p99"]);
    // An hour of simulated time that nobody waits for.
    let (sound, overloaded) = (scenario(&["run.duration=100h"]), scenario(&["workload.rate=5M/s"]));
    let runs = Runs { metrics: &metrics, pool: &pool, watch: &watch };
    let error = runs.of(&[&sound, &overloaded], 0..3).expect_err("the second cannot run");
    let Failed { scenario: 1, error: SimError::Overload { offered, .. } } = error else {
        panic!("{error:?}")
    };
    assert!(offered > 1.0);
}

#[test]
fn later_replications_are_those_that_a_longer_series_would_have() {
    let (pool, watch, metrics) = (Pool::new(2).expect("threads"), Counting::default(), metrics(&["mean"]));
    let one = scenario(&[]);
    let runs = Runs { metrics: &metrics, pool: &pool, watch: &watch };
    let of = |range| runs.of(&[&one], range).expect("it runs").swap_remove(0);
    assert_eq!([of(0..2), of(2..4)].concat(), of(0..4));
}

fn program(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_writepath"));
    command.args(arguments).args(SMALL.iter().flat_map(|setting| ["--set", *setting]));
    command.output().expect("it starts")
}

fn printed(arguments: &[&str]) -> String {
    let output = program(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn any_number_of_threads_prints_the_same_bytes() {
    for arguments in [
        &["compare", "--to", "redis.appendfsync=no", "--replications", "3", "--format", "csv"][..],
        &["compare", "--to", "redis.appendfsync=no", "--precision", "p99=3%,busy=1%", "--budget", "12"],
        &["select", "article", "persistence-rdb", "--best", "p99", "--budget", "14", "--format", "json"],
        &["select", "article", "--vary", "redis.appendfsync=no,everysec", "--best", "p99", "--budget", "14"],
        &["run", "--replications", "3", "--format", "csv"],
        &["run", "--precision", "p99=3%,busy=1%", "--budget", "12"],
    ] {
        let with = |jobs: &str| printed(&[arguments, &["--jobs", jobs]].concat());
        let one = with("1");
        assert!(one == with("3"), "{arguments:?}");
        assert!(one != printed(&[arguments, &["--seed", "2"]].concat()), "{arguments:?}");
    }
}

#[test]
fn a_precision_is_met_or_what_it_takes_is_said() {
    let arguments = ["compare", "--to", "redis.appendfsync=always", "--precision"];
    let met = printed(&[&arguments[..], &["throughput=1%"]].concat());
    assert!(met.contains("throughput to 1 %: met after 10 replications."), "{met}");
    let not = printed(&[&arguments[..], &["p99=1ns", "--budget", "12"]].concat());
    assert!(not.contains("after 12 replications; about "), "{not}");
}

#[test]
fn a_scenario_runs_until_it_is_known_well_enough() {
    let json = |more: &[&str]| -> serde_json::Value {
        let text =
            printed(&[&["run", "--format", "json", "--precision", "mean=10us,throughput=2%"], more].concat());
        serde_json::from_str(&text).expect("JSON")
    };
    let met = json(&[]);
    assert_eq!((&met["replications"], &met["precision"][0]["met"]), (&10.into(), &true.into()));
    let mean = &met["metrics"]["mean"];
    let end = |key: &str| mean[key].as_f64().expect("a number");
    assert!(
        end("low") < end("value") && end("value") < end("high") && end("high") - end("low") < 2e4,
        "{mean}"
    );
}

#[test]
fn the_best_of_three_policies_is_found() {
    let text = printed(&[
        "select",
        "persistence-always",
        "persistence-none",
        "article",
        "--best",
        "mean",
        "--format",
        "json",
    ]);
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(json["best"], "persistence-none");
    assert!(json["runs"].as_u64() <= json["runs_of_equal_allocation"].as_u64(), "{json}");
}

#[test]
fn what_cannot_run_is_named_and_nothing_is_written() {
    let out = tempfile::tempdir().expect("a folder");
    let dir = out.path().join("result");
    let dir = dir.to_str().expect("text");
    let output = program(&["compare", "--to", "workload.rate=5M/s", "--out", dir]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("B: article, workload.rate=5M/s: offered load is "), "{stderr}");
    assert!(!Path::new(dir).exists());
    printed(&["compare", "--to", "redis.save=\"\"", "--replications", "2", "--out", dir]);
    let files = ["comparison.csv", "manifest.json", "replications.csv"].map(|name| Path::new(dir).join(name));
    assert!(files.iter().all(|file| file.exists()));
}
