//! Every built-in scenario runs, says all that the interface promises, and shows what its comment block promises.

use std::path::Path;

use serde_json::Value;
use writepath::cause::Cause;
use writepath::observe::result::RunResult;
use writepath::report::About;
use writepath::report::json::run_output;
use writepath::scenario::Scenario;
use writepath::scenario::builtin;
use writepath::scenario::resolve::{Overrides, resolve};

use super::world::{blocks, children, longest, s, simulate, sojourn};

/// A built-in scenario with overrides.
fn built_in(name: &str, overrides: &Overrides) -> Scenario {
    let text = builtin::get(name).unwrap_or_else(|| panic!("{name} is built in"));
    resolve(text, name, Path::new(""), overrides).unwrap_or_else(|problems| panic!("{name}\n{problems}"))
}

fn run_built_in(name: &str, duration: &str) -> RunResult {
    simulate(&built_in(name, &Overrides { duration: Some(duration.into()), ..Overrides::default() }))
}

/// Keys of section 4 of the interface, with dots between levels; those of a list are looked for in its first item.
const PROMISED: &[&str] = &[
    "writepath",
    "scenario",
    "redis_version",
    "model",
    "seed",
    "duration_s",
    "warmup_s",
    "loop",
    "requests",
    "completed",
    "errors.MOVED",
    "errors.ASK",
    "errors.OOM",
    "errors.MISCONF",
    "throughput_per_s",
    "server_busy_share",
    "sojourn_ns.mean",
    "sojourn_ns.p50",
    "sojourn_ns.p90",
    "sojourn_ns.p99",
    "sojourn_ns.p999",
    "sojourn_ns.p9999",
    "sojourn_ns.max",
    "closed_loop_view_ns.p99",
    "closed_loop_view_ns.p999",
    "closed_loop_view_ns.max",
    "windows.0.window_s",
    "windows.0.windows",
    "windows.0.p99_ns_median",
    "windows.0.p99_ns_worst",
    "windows.0.p999_ns_worst",
    "groups.0.name",
    "groups.0.operation",
    "groups.0.requests",
    "groups.0.sojourn_ns.p99",
    "busy_ns.command",
    "busy_ns.fork",
    "busy_ns.cow",
    "busy_ns.aof-write",
    "stalls",
    "counters.forks",
    "counters.aof_rewrites",
    "counters.aof_delayed_fsync",
    "counters.expired_keys",
    "counters.sync_full",
    "counters.eventloop_cycles",
    "loss.process_death_writes_mean",
    "loss.machine_death_writes_mean",
    "loss.machine_death_writes_max",
    "loss.machine_death_seconds_max",
    "info.latest_fork_usec",
    "info.aof_current_size",
    "memory.used_bytes",
    "memory.rss_bytes_max",
    "memory.cow_bytes_max",
    "memory.rewrite_buffer_bytes_max",
    "memory.bytes_per_key",
    "persistence.children",
];

fn has(json: &Value, path: &str) -> bool {
    let step = |value: Option<Value>, key: &str| {
        let value = value?;
        match key.parse::<usize>() {
            Ok(index) => value.get(index).cloned(),
            Err(_) => value.get(key).cloned(),
        }
    };
    path.split('.').fold(Some(json.clone()), step).is_some()
}

#[test]
fn every_built_in_scenario_runs_and_its_json_has_every_promised_key() {
    for (name, _) in builtin::all() {
        let overrides = Overrides {
            duration: Some("11s".into()),
            warmup: Some("1s".into()),
            set: if name == "article-rewrite" { vec!["dataset.memory=1GiB".into()] } else { Vec::new() },
            ..Overrides::default()
        };
        let text = builtin::get(name).expect("built in");
        // Events after the end would be refused.
        let text = text.replace("at = \"5m\"", "at = \"5s\"").replace("at   = \"4m\"", "at   = \"4s\"");
        let text =
            text.replace("at      = \"60s\"", "at = \"3s\"").replace("at      = \"150s\"", "at = \"6s\"");
        let scenario =
            resolve(&text, name, Path::new(""), &overrides).unwrap_or_else(|p| panic!("{name}\n{p}"));
        let result = simulate(&scenario);
        let json = serde_json::to_value(run_output(&result, &About::of(&scenario))).expect("JSON");
        for path in PROMISED {
            assert!(has(&json, path), "{name}: {path} is missing");
        }
        assert!(!has(&json, "no.such") && result.completed > 5_000, "{name} {}", result.completed);
        assert_eq!(json["completed"], result.completed, "{name}");
        let errors = result.errors;
        assert_eq!((errors.oom, errors.misconf, errors.connection_lost), (0, 0, 0), "{name}");
    }
}

#[test]
fn slow_disk_postpones_writes_forces_them_after_two_seconds_and_stalls_everybody() {
    let result = run_built_in("slow-disk", "10m");
    assert!(result.counters.aof_delayed_fsync >= 1, "forced writes");
    let waits = blocks(&result, Cause::AofWritePendingFsync);
    assert!(waits.count >= 1 && result.stalls[0].cause == "aof-write-pending-fsync", "{:?}", result.stalls);
    // Everybody waits: the worst sojourn is at least the longest wait. Only while the other program writes.
    assert!(sojourn(&result, 1.0) >= waits.longest);
    let at: Vec<f64> =
        result.events.iter().filter(|e| e.cause == "aof-write-pending-fsync").map(|e| s(e.at)).collect();
    assert!(at.iter().all(|&at| (240.0..375.0).contains(&at)), "{at:?}");
    // "At most one second" is no bound.
    assert!(result.loss.machine_death_seconds_max > 3.0, "{}", result.loss.machine_death_seconds_max);
}

#[test]
fn persistence_always_waits_for_the_disk_in_every_turn_and_answers_in_groups() {
    let result = run_built_in("persistence-always", "60s");
    assert_eq!(result.counters.aof_fsyncs, result.counters.aof_writes);
    let per_turn = result.completed as f64 / result.counters.aof_fsyncs as f64;
    assert!(per_turn > 1.5, "{per_turn} writes a turn");
    let everysec = run_built_in("persistence-everysec", "60s");
    assert!(sojourn(&result, 0.5) > 3 * sojourn(&everysec, 0.5));
    assert_eq!(result.loss.machine_death_writes_max, 0);
    // The disk is the limit: it carries the load, but most of the main thread's time is spent waiting for it.
    let busy = result.busy[Cause::AofFsyncAlways as usize] as f64 / result.busy_total as f64;
    assert!((0.6..0.99).contains(&busy), "{busy}");
}

#[test]
fn the_persistence_scenarios_differ_as_their_names_say() {
    let [none, rdb, everysec, both] =
        ["none", "rdb", "everysec", "both"].map(|name| run_built_in(&format!("persistence-{name}"), "100s"));
    assert_eq!(
        (none.counters.forks, everysec.counters.forks.min(1)),
        (0, everysec.counters.aof_rewrites.min(1))
    );
    assert!(rdb.counters.rdb_saves >= 1 && rdb.counters.aof_writes == 0);
    assert!(both.counters.rdb_saves >= 1 && both.counters.aof_fsyncs > 60);
    assert!(longest(&rdb, Cause::Fork) > longest(&none, Cause::HostNoise));
    assert!(rdb.busy[Cause::Cow as usize] > 0 && none.busy[Cause::Cow as usize] == 0);
    assert!(none.loss.process_death_writes_max > rdb.loss.process_death_writes_max);
    assert!(rdb.loss.process_death_writes_max > 100 * everysec.loss.process_death_writes_max.max(1));
}

#[test]
fn article_rewrite_stalls_at_the_fork_and_leaves_a_rest_before_7_0_only() {
    let at = |version: &str| {
        let overrides = Overrides {
            duration: Some("30s".into()),
            warmup: Some("0s".into()),
            redis_version: Some(version.into()),
            set: vec!["dataset.memory=1GiB".into()],
            ..Overrides::default()
        };
        let text = builtin::get("article-rewrite").expect("built in").replace("at = \"5m\"", "at = \"5s\"");
        let scenario = resolve(&text, "article-rewrite", Path::new(""), &overrides).expect("resolves");
        let result = simulate(&scenario);
        assert_eq!(result.counters.forks, 1, "{version}: nothing else forks");
        result
    };
    let [v28, v62, v72] = ["2.8", "6.2", "7.2"].map(at);
    let child = |result: &RunResult| children(result, "aof-rewrite")[0].clone();
    assert_eq!(v72.stalls[0].cause, "fork");
    assert!(child(&v72).end_stall * 2 < child(&v72).fork && child(&v72).residual_bytes == 0);
    assert!(child(&v62).residual_bytes > 0 && child(&v62).residual_bytes < 30_000_000);
    assert_eq!(child(&v28).residual_bytes, child(&v28).written_meanwhile_bytes);
    assert!(longest(&v28, Cause::AofRewriteDiffWrite) > 5 * longest(&v62, Cause::AofRewriteDiffWrite));
}

#[test]
fn default_config_snapshots_every_minute_and_a_crash_loses_what_came_since() {
    let result = run_built_in("default-config", "30m");
    let saves = children(&result, "bgsave");
    // 1,000 changes a second meet 60 10000 after 61 s; 29 measured minutes.
    assert!((25..=29).contains(&saves.len()), "{}", saves.len());
    assert!(saves.iter().all(|child| child.trigger == "save 60 10000" && child.ok));
    assert_eq!(result.counters.aof_writes, 0);
    let save = saves.iter().map(|child| s(child.duration)).fold(0.0, f64::max);
    assert!(result.loss.process_death_writes_max as f64 <= 1000.0 * 1.02 * (61.4 + 2.0 * save));
    assert!(result.loss.process_death_writes_mean > 20_000.0);
}

#[test]
fn a_pipeline_of_sixteen_leaves_time_to_a_thread_that_single_commands_take_up() {
    let with = |pipeline: &str| {
        let overrides = Overrides {
            pipeline: Some(pipeline.into()),
            duration: Some("4s".into()),
            ..Overrides::default()
        };
        let result = simulate(&built_in("pipelined", &overrides));
        (result.busy_total as f64 / result.duration as f64, sojourn(&result, 0.5))
    };
    let (pipelined, alone) = (with("16"), with("1"));
    assert!(pipelined.0 < 0.75 && alone.0 > 0.99, "{pipelined:?} {alone:?}");
    assert!(alone.1 > 2 * pipelined.1, "{pipelined:?} {alone:?}");
}
