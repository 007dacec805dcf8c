//! When an AOF rewrite begins, what its base is then, and what `no-appendfsync-on-rewrite` risks (claims 35 to 41).

use writepath::observe::result::RunResult;
use writepath::scenario::Scenario;
use writepath::units::{MILLISECOND, SECOND};

use super::world::{always, assert_close, children, gib, int, on_a_free_machine, read, s, simulate};

/// 100,000 keys, 1,000 writes a second, a rewrite that takes `r` seconds.
fn growing(more: &str, r: f64, duration: &str) -> Scenario {
    let text = format!(
        "[redis]\nversion = \"7.2\"\nappendonly = true\nsave = \"\"\nauto-aof-rewrite-min-size = \"1mb\"\n{more}\n\
         [run]\nduration = \"{duration}\"\nwarmup = \"0s\"\nwindows = []"
    );
    let text = text.replace(
        "[run]",
        "[dataset]\nkeys = \"100k\"\n[[workload]]\nrate = \"1000/s\"\narrivals = \"uniform\"\n[run]",
    );
    on_a_free_machine(&text, |machine| machine.child.rdb_per_key = (r * 1e4) as u64)
}

/// Bytes of a key of 20 bytes and its value of 100 in the rewritten file: RDB.
const RDB_KEY: f64 = 124.0;
const GROWTH: f64 = 148_000.0;

#[test]
fn growth_starts_a_rewrite_when_the_file_is_twice_its_base_and_the_base_is_what_the_rewrite_left() {
    let r = 10.0;
    let result = simulate(&growing("", r, "900s"));
    let rewrites = children(&result, "aof-rewrite");
    let base = 1e5 * RDB_KEY;
    // serverCron looks 10 times a second.
    let first = s(rewrites[0].start);
    assert!((base / GROWTH..base / GROWTH + 0.11).contains(&first), "{first}");
    // From then on the base holds what was written meanwhile as well: B/W + R from the end to the next start.
    for pair in rewrites.windows(2) {
        let gap = s(pair[1].start) - s(pair[0].start + pair[0].fork + pair[0].duration);
        let expected = base / GROWTH + s(pair[0].duration);
        assert!((expected - 0.01..expected + 0.11).contains(&gap), "{gap}, expected {expected}");
    }
    let last = rewrites[rewrites.len() - 1];
    // But for the command that waits in the buffer.
    assert!(last.file_bytes + last.written_meanwhile_bytes - int(&result, "aof_base_size") <= 148);
    // An AOF twenty times its base, as in the article's INFO, cannot come of this rule.
    let largest = result.timeline.iter().map(|row| row.aof_bytes).max().unwrap_or(0) as f64;
    assert!(largest < 2.0 * (base + GROWTH * r) + GROWTH * (r + 0.2), "{largest}");
}

#[test]
fn twenty_times_the_base_is_rewritten_at_the_first_look() {
    let mut scenario = growing("", 10.0, "30s");
    (scenario.start.aof_base_size, scenario.start.aof_current_size) =
        (Some(142_657_843), Some(2_853_123_104));
    let result = simulate(&scenario);
    assert!(result.children[0].start <= SECOND / 10, "{}", result.children[0].start);
}

#[test]
fn after_a_restart_growth_begins_again_before_7_0_and_goes_on_from_7_0_on() {
    let base_after = |version: &str| {
        let mut scenario = growing("auto-aof-rewrite-percentage = 100", 1.0, "100s");
        scenario.redis.version = version.parse().expect("a version");
        scenario.events = read(
            "[[workload]]\nrate = \"1/s\"\n[[event]]\nat = \"50s\"\ndo = \"crash\"\nrestart = \"1s\"\n\
             [run]\nduration = \"100s\"",
        )
        .events;
        simulate(&scenario)
    };
    let base = 1e5 * RDB_KEY;
    // The file has 50 s of growth on its base at the crash. Up to 6.2 all of it is the new base: next rewrite far away.
    let old = base_after("6.2");
    assert_eq!(old.children.len(), 0);
    assert_close(int(&old, "aof_base_size") as f64, base + 50.0 * GROWTH, 0.001, "base");
    // From 7.0 on the base is the BASE file's: the rewrite comes when growth, the 50 s included, has doubled it.
    let new = base_after("7.2");
    let expected = base / GROWTH + 1.0;
    let start = s(new.children[0].start);
    assert!((expected..expected + 0.12).contains(&start), "{start}, expected {expected}");
}

#[test]
fn percentage_zero_and_an_event_rewrite_at_the_quiet_time_and_at_no_other() {
    let mut scenario = growing("auto-aof-rewrite-percentage = 0", 10.0, "600s");
    scenario.events = read(
        "[[workload]]\nrate = \"1/s\"\n[[event]]\nat = \"400s\"\ndo = \"BGREWRITEAOF\"\n[run]\nduration = \"600s\"",
    )
    .events;
    let result = simulate(&scenario);
    assert_eq!(result.counters.aof_rewrites, 1);
    let late = result.children[0].start - 400 * SECOND;
    assert!(late <= MILLISECOND, "with the first turn after it: {late}");
}

/// A rewrite from 20 s to 80 s, one fdatasync of 20 ms.
fn rewriting(more: &str) -> RunResult {
    let mut scenario = growing(&format!("auto-aof-rewrite-percentage = 0\n{more}"), 60.0, "100s");
    scenario.machine.disk.fdatasync = always(0.02);
    scenario.machine.disk.dirty_expire = 3600 * SECOND;
    scenario.events = read(
        "[[workload]]\nrate = \"1/s\"\n[[event]]\nat = \"20s\"\ndo = \"BGREWRITEAOF\"\n[run]\nduration = \"100s\"",
    )
    .events;
    simulate(&scenario)
}

#[test]
fn no_appendfsync_on_rewrite_takes_the_fsyncs_of_the_childs_life_and_risks_all_of_it() {
    let (plain, risky) = (rewriting(""), rewriting("no-appendfsync-on-rewrite = true"));
    assert_close(plain.counters.aof_fsyncs as f64, 100.0, 0.05, "fdatasyncs");
    assert_close(risky.counters.aof_fsyncs as f64, 40.0, 0.08, "fdatasyncs");
    assert!(plain.loss.machine_death_seconds_max < 2.1);
    assert_close(
        risky.loss.machine_death_seconds_max,
        s(risky.children[0].duration),
        0.03,
        "the child's life",
    );
    // write(2) goes on: a process loses what one fdatasync of 20 ms and the four of the manifests held back.
    assert!(risky.loss.process_death_writes_max <= 100, "{}", risky.loss.process_death_writes_max);
    // The kernel writes back what is older than 30 s, and looks every 5 s.
    let mut scenario =
        growing("auto-aof-rewrite-percentage = 0\nno-appendfsync-on-rewrite = true", 60.0, "100s");
    scenario.events = read(
        "[[workload]]\nrate = \"1/s\"\n[[event]]\nat = \"20s\"\ndo = \"BGREWRITEAOF\"\n[run]\nduration = \"100s\"",
    )
    .events;
    let bounded = simulate(&scenario).loss.machine_death_seconds_max;
    assert!((30.0..36.2).contains(&bounded), "{bounded}");
}

#[test]
fn no_appendfsync_on_rewrite_suspends_the_promise_of_always() {
    let result = rewriting("appendfsync = \"always\"\nno-appendfsync-on-rewrite = true");
    assert_close(
        result.loss.machine_death_seconds_max,
        s(result.children[0].duration),
        0.03,
        "the child's life",
    );
    assert_eq!(rewriting("appendfsync = \"always\"").loss.machine_death_writes_max, 0);
}

#[test]
fn half_the_keys_have_half_the_fork() {
    let fork = |memory: &str| {
        let scenario = read(&format!(
            "[redis]\nappendonly = true\nsave = \"\"\n[dataset]\nmemory = \"{memory}\"\n\
             [[workload]]\n\
             rate = \"100/s\"\n[[event]]\nat = \"1s\"\ndo = \"BGREWRITEAOF\"\n\
             [run]\nduration = \"200s\"\nwarmup = \"0s\"\nwindows = []"
        ));
        let result = simulate(&scenario);
        assert_close(gib(result.memory.used_bytes), if memory == "8GiB" { 8.0 } else { 4.0 }, 0.01, "used");
        result.children[0].fork - scenario.machine.fork.base
    };
    assert_close(fork("4GiB") as f64, fork("8GiB") as f64 / 2.0, 0.01, "fork of half");
}

#[test]
fn info_has_the_names_the_article_looks_for() {
    let result = simulate(&growing("", 10.0, "90s"));
    for name in ["aof_rewrite_in_progress", "aof_current_size", "aof_base_size", "aof_rewrite_scheduled"] {
        int(&result, name);
    }
    assert_eq!(int(&result, "aof_rewrite_in_progress"), 1, "84 s are the first trigger");
}
