//! The same seed gives the same result to the byte: in one process, on several threads at once, watched or not, with
//! or without a timeline, and in another process.
//!
//! Method: the whole JSON of a run is compared, on scenarios that use every mechanism; the program's own files are
//! compared byte by byte, but for the manifest, which says when and where it ran. Another seed must differ.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use writepath::dist::Dist;
use writepath::observe::result::RunResult;
use writepath::redis::config::AppendFsync;
use writepath::report::{About, json};
use writepath::scenario::resolve::{Overrides, resolve};
use writepath::scenario::{Scenario, builtin};

use writepath::sim::{RunOptions, run, run_probed};
use writepath::stats::estimate::SECTIONS;
use writepath::units::{MILLISECOND, SECOND};

use super::support::{Recorder, poisson, record, scenario, with_aof};

/// Built-in scenarios and settings that make them short.
const CASES: [(&str, &[&str]); 4] = [
    ("article", &["run.duration=10s", "run.warmup=1s", "redis.save=1 1000", "dataset.keys=100000"]),
    ("persistence-both", &["run.duration=10s", "run.warmup=0s", "redis.save=1 1000", "dataset.keys=100000"]),
    ("persistence-always", &["run.duration=5s", "run.warmup=0s"]),
    ("closed-loop-50", &["run.duration=3s", "run.warmup=0s"]),
];

fn short(name: &str, settings: &[&str], seed: u64) -> Scenario {
    let overrides = Overrides {
        set: settings.iter().map(|setting| setting.to_string()).collect(),
        seed: Some(seed),
        ..Overrides::default()
    };
    let text = builtin::get(name).expect("a built-in scenario");
    resolve(text, name, Path::new("."), &overrides).unwrap_or_else(|problems| panic!("{name}:\n{problems}"))
}

fn scenarios(seed: u64) -> Vec<Scenario> {
    CASES.iter().map(|&(name, settings)| short(name, settings, seed)).collect()
}

fn text(scenario: &Scenario, result: &RunResult) -> String {
    serde_json::to_string(&json::run_output(result, &About::of(scenario))).expect("serialisable")
}

fn simulated(scenario: &Scenario, options: RunOptions) -> String {
    text(scenario, &run(scenario, &options, &mut |_| true).expect("it runs"))
}

fn plain(scenario: &Scenario) -> String {
    simulated(scenario, RunOptions::default())
}

#[test]
fn a_run_repeats_itself_and_another_seed_does_not() {
    for (scenario, other) in scenarios(1).iter().zip(&scenarios(2)) {
        let first = plain(scenario);
        assert_eq!(first, plain(scenario), "{}", scenario.name);
        let seedless = |text: &str| text.replace("\"seed\":2", "\"seed\":1");
        assert_ne!(first, seedless(&plain(other)), "{}", scenario.name);
        let replication = RunOptions { replication: 1, ..RunOptions::default() };
        assert_ne!(first, simulated(scenario, replication), "{}", scenario.name);
    }
}

#[test]
fn runs_on_several_threads_at_once_do_not_disturb_one_another() {
    let scenarios = scenarios(1);
    let alone: Vec<String> = scenarios.iter().map(plain).collect();
    let together: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = scenarios.iter().map(|scenario| scope.spawn(move || plain(scenario))).collect();
        threads.into_iter().map(|thread| thread.join().expect("it runs")).collect()
    });
    assert_eq!(alone, together);
}

#[test]
fn a_probe_changes_nothing() {
    for scenario in scenarios(1) {
        let (replied, result) = record(&scenario);
        assert!(!replied.is_empty());
        assert_eq!(plain(&scenario), text(&scenario, &result), "{}", scenario.name);
    }
}

/// Windows of a millisecond, of which every seventh or so ends during a flush.
#[test]
fn a_probe_moves_no_reply_into_another_window() {
    let mut scenario =
        with_aof(scenario(poisson(8_000.0), 50, Dist::Fixed(2000.0), SECOND), AppendFsync::Everysec);
    scenario.machine.disk.write = 20_000;
    scenario.run.interval = MILLISECOND;
    let options = RunOptions { timeline: true, ..RunOptions::default() };
    let bare = run(&scenario, &options, &mut |_| true).expect("it runs");
    let mut probe = Recorder::default();
    let probed = run_probed(&scenario, &options, &mut probe, &mut |_| true).expect("it runs");
    let rows = |result: &RunResult| -> Vec<_> {
        result.timeline.iter().map(|row| (row.at, row.completed, row.sojourn)).collect()
    };
    assert!(probe.replied.iter().any(|seen| {
        let window = |at| at / MILLISECOND;
        window(seen.executed_at) < window(seen.flushed_at)
    }));
    assert_eq!(rows(&bare), rows(&probed));
}

#[test]
fn a_timeline_changes_nothing() {
    for scenario in scenarios(1) {
        let options = RunOptions { timeline: true, ..RunOptions::default() };
        let result = run(&scenario, &options, &mut |_| true).expect("it runs");
        assert!(!result.timeline.is_empty());
        assert_eq!(plain(&scenario), text(&scenario, &result), "{}", scenario.name);
    }
}

/// Standard output of `writepath run` of a case, and the files it wrote beside its manifest.
fn program(case: usize, seed: &str) -> (Vec<u8>, BTreeMap<String, Vec<u8>>) {
    let out = tempfile::tempdir().expect("a folder");
    let (name, settings) = CASES[case];
    let mut command = Command::new(env!("CARGO_BIN_EXE_writepath"));
    command.args(["run", name, "--format", "json", "--seed", seed, "--out"]).arg(out.path());
    command.args(settings.iter().flat_map(|setting| ["--set", *setting]));
    let output = command.output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let entries = fs::read_dir(out.path()).expect("a folder").map(|entry| entry.expect("readable").path());
    let name = |path: &Path| path.file_name().expect("named").to_string_lossy().into_owned();
    let files = entries
        .filter(|path| name(path) != "manifest.json")
        .map(|path| (name(&path), fs::read(&path).expect("a file")))
        .collect();
    (output.stdout, files)
}

#[test]
fn another_process_prints_and_writes_the_same_bytes() {
    for case in [0, 3] {
        let first = program(case, "1");
        assert!(first.1.len() >= 3, "files: {:?}", first.1.keys());
        assert!(first == program(case, "1"), "{}", CASES[case].0);
        assert!(first != program(case, "2"), "{}", CASES[case].0);
    }
}

#[test]
fn the_program_prints_what_the_library_returns() {
    let printed: serde_json::Value = serde_json::from_slice(&program(0, "1").0).expect("JSON");
    let (name, settings) = CASES[0];
    let options = RunOptions { sections: SECTIONS, ..RunOptions::default() };
    let text = simulated(&short(name, settings, 1), options);
    let returned: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(printed, returned);
}
