//! Streams: bytes, nodes, trimming, consumer groups and copy-on-write, and the claim that they fit counters better (60).

use std::path::Path;

use writepath::observe::result::RunResult;
use writepath::observe::spent::GroupSpent;
use writepath::report::About;
use writepath::report::json::run_output;
use writepath::scenario::resolve::{Overrides, resolve};
use writepath::scenario::{Scenario, builtin};

use super::world::{assert_close, children, int, on_a_free_machine, read, s, simulate};

fn spent(result: &RunResult, name: &str) -> GroupSpent {
    result.spent.iter().find(|group| group.0 == name).expect("a group of that name").1
}

/// One group of `operation` at 10,000/s on `streams` streams.
fn one_group(version: &str, operation: &str, dataset: &str, duration: &str) -> String {
    format!(
        "[redis]\nversion = \"{version}\"\nappendonly = true\nsave = \"\"\nauto-aof-rewrite-percentage = 0\n\
         [dataset]\nkeys = 1000\nvalue-size = \"20B\"\n{dataset}\n\
         [[workload]]\nname = \"adders\"\nrate = \"10000/s\"\narrivals = \"uniform\"\noperation = \"{operation}\"\n\
         [run]\nduration = \"{duration}\"\nwarmup = \"0s\"\nwindows = []"
    )
}

#[test]
fn an_entry_is_logged_with_its_id_and_an_exact_trim() {
    for (operation, bytes) in [
        ("XADD", 101),
        // `MAXLEN = 1000`: 12, 7 and 10 bytes.
        ("XADD MAXLEN ~ 1000", 101 + 12 + 7 + 10),
        ("XADD MAXLEN 1000", 101 + 12 + 10),
        // Two fields more of 5 and 20 bytes.
        ("XADD 3", 101 + 2 * (11 + 27)),
    ] {
        let text = one_group("7.2", operation, "streams = 10", "1s");
        let result = simulate(&on_a_free_machine(&text, |_| ()));
        let logged = spent(&result, "adders").aof_bytes_per_command().expect("commands");
        assert_eq!(logged, bytes as f64, "{operation}");
    }
}

#[test]
fn streams_grow_by_nodes_and_stay_where_their_maxlen_says() {
    let run = |operation: &str, dataset: &str| {
        let text = one_group("7.2", operation, dataset, "30s");
        simulate(&on_a_free_machine(&text, |_| ())).streams.expect("streams")
    };
    // 300,000 entries in one stream: 3,000 nodes of 100.
    let one = run("XADD", "streams = 1");
    assert_eq!((one.entries, one.nodes, one.node_capacity), (299_999, 3_000, 100));
    // In 1,000 streams of about 300 entries half a node more each.
    let many = run("XADD", "streams = \"1k\"");
    assert_eq!(many.entries, 299_999);
    assert_close(many.nodes as f64, 1000.0 * (300.0 / 100.0 + 0.495), 0.03, "nodes");
    // The tail of each keeps its 4096 bytes, the others are shrunk to 3584.
    assert_close(one.bytes as f64 / one.entries as f64, (3584.0 + 40.0) / 100.0, 0.01, "bytes an entry");
    let trimmed = run("XADD MAXLEN ~ 100", "streams = \"1k\"");
    assert_close(trimmed.entries as f64, 1000.0 * (100.0 + 49.5), 0.02, "approximate MAXLEN");
    assert_eq!(trimmed.added, trimmed.entries + trimmed.removed);
    let exact = run("XADD MAXLEN 100", "streams = \"1k\"");
    assert_eq!(exact.entries, 100_000);
    assert_close(exact.marked as f64, 1000.0 * 49.5, 0.02, "entries marked in head nodes");
    // Entries of 200 bytes: a node takes (4096 − 22 − 205) / (10 + 204), rounded up.
    let large = simulate(&on_a_free_machine(
        &one_group("7.2", "XADD", "streams = 1", "1s")
            .replace("value-size = \"20B\"", "value-size = \"200B\""),
        |_| (),
    ));
    assert_eq!(large.streams.expect("streams").node_capacity, 19);
}

#[test]
fn exact_trimming_walks_over_half_a_node_and_whole_nodes_are_nearly_free() {
    let cpu = |operation: &str| {
        let text = one_group("7.2", operation, "streams = 1\nstream-entries = 1000", "20s");
        let scenario = on_a_free_machine(&text, |machine| {
            (machine.cpu.xadd, machine.cpu.stream_trim_entry) = (1000, 65);
        });
        spent(&simulate(&scenario), "adders").cpu_per_command().expect("commands")
    };
    assert_eq!(cpu("XADD"), 1000.0);
    // 1, 2 … 99 entries and then the node: 49.5 steps in the mean.
    assert_close(cpu("XADD MAXLEN 1000"), 1000.0 + 65.0 * 49.51, 0.01, "exact");
    assert_close(cpu("XADD MAXLEN ~ 1000"), 1000.65, 0.001, "whole nodes");
}

#[test]
fn consumers_read_what_was_added_and_each_delivery_is_logged_as_a_claim() {
    let text = one_group("7.2", "XADD", "streams = 1", "20s").replace(
        "[run]",
        "[[workload]]\nname = \"readers\"\nrate = \"2000/s\"\narrivals = \"uniform\"\noperation = \"XREADGROUP 10\"\n\
         [[workload]]\nname = \"ackers\"\nrate = \"2000/s\"\narrivals = \"uniform\"\noperation = \"XACK 4\"\n[run]",
    );
    let result = simulate(&on_a_free_machine(&text, |_| ()));
    let used = result.streams.expect("streams");
    // Five entries a read, four of which are acknowledged.
    assert_close(used.delivered as f64, 200_000.0, 0.001, "delivered");
    assert_close(used.pending as f64, 40_000.0, 0.01, "pending");
    assert_eq!(used.delivered, used.acknowledged + used.pending);
    let readers = spent(&result, "readers");
    let claim = spent(
        &simulate(&on_a_free_machine(&text.replace("XREADGROUP 10", "XREADGROUP 1"), |_| ())),
        "readers",
    );
    let (five, one) = (readers.aof_bytes_per_command(), claim.aof_bytes_per_command());
    let one = one.expect("commands");
    // `*14`, XCLAIM, the key, group, consumer, 0, id, TIME, its value, RETRYCOUNT, 1, FORCE, JUSTID, LASTID, id.
    let expected = 5 + 12 + 27 + 13 + 14 + 7 + 22 + 10 + 20 + 17 + 7 + 11 + 12 + 12 + 22;
    assert_close(one, expected as f64, 0.002, "one delivery");
    assert_close(five.expect("commands"), 5.0 * one + 29.0, 0.002, "five in MULTI … EXEC");
    // 5.0 propagates the claims without MULTI.
    let old = simulate(&on_a_free_machine(&text.replace("7.2", "5.0"), |_| ()));
    assert_close(spent(&old, "readers").aof_bytes_per_command().expect("commands"), 5.0 * one, 0.002, "5.0");
}

#[test]
fn nothing_to_read_is_no_write_and_trimmed_entries_are_missed() {
    let text = one_group("7.2", "XREADGROUP 10", "streams = 10\nstream-entries = 100", "1s");
    let result = simulate(&on_a_free_machine(&text, |_| ()));
    assert_eq!((result.counters.aof_bytes, int(&result, "rdb_changes_since_last_save")), (0, 0));
    let adding = one_group("7.2", "XADD MAXLEN ~ 100", "streams = 1", "2s");
    let text = adding.replace(
        "[run]",
        "[[workload]]\nname = \"readers\"\nrate = \"10/s\"\narrivals = \"uniform\"\noperation = \"XREADGROUP 5\"\n[run]",
    );
    let used = simulate(&on_a_free_machine(&text, |_| ())).streams.expect("streams");
    // What is neither read nor there any more was missed.
    assert_close(used.delivered as f64, 100.0, 0.1, "read");
    assert!(used.missed <= used.removed && used.missed + used.delivered >= used.removed, "{used:?}");
    let used = simulate(&on_a_free_machine(&adding, |_| ())).streams.expect("streams");
    assert_eq!((used.missed, used.delivered), (0, 0), "nobody reads");
    // XDEL removes the oldest, node by node.
    let text = one_group("7.2", "XDEL 10", "streams = 1\nstream-entries = 150000", "1s");
    let used = simulate(&on_a_free_machine(&text, |_| ())).streams.expect("streams");
    assert_eq!((used.entries, used.marked), (150_000 - 99_990, 90));
}

/// `streams-vs-counters` with one of its groups left, or all.
fn comparison(only: Option<&str>, set: &[&str]) -> Scenario {
    let text = builtin::get("streams-vs-counters").expect("built in");
    let overrides =
        Overrides { set: set.iter().map(|setting| setting.to_string()).collect(), ..Overrides::default() };
    let mut scenario = resolve(text, "streams-vs-counters", Path::new(""), &overrides).expect("resolves");
    scenario.workloads.retain(|group| only.is_none_or(|name| group.name == name));
    scenario
}

#[test]
fn an_xadd_logs_more_than_an_incr_and_copies_fewer_pages() {
    let result = simulate(&comparison(None, &[]));
    let [incr, set, xadd] = ["incr", "set", "xadd"].map(|name| spent(&result, name));
    let bytes = [incr, set, xadd].map(|group| group.aof_bytes_per_command().expect("commands"));
    assert_eq!(bytes, [41.0, 67.0, 130.0]);
    assert!(children(&result, "aof-rewrite").len() >= 3, "pages are shared now and then");
    let faults = [incr, set, xadd].map(|group| group.cow_faults_per_command().expect("commands"));
    assert!(faults[2] < 0.1 * faults[0] && faults[0] < faults[1], "{faults:?}");
    // One tail and a share of a header page a stream and rewrite, each with a fault on first touch.
    let forks = result.counters.forks as f64;
    let expected = forks * 1000.0 * (1.0 + 120.0 / 4096.0) / xadd.commands as f64;
    assert_close(faults[2], expected, 0.05, "pages of streams");
    // The faults of the groups are those of the server.
    let all: f64 = [incr, set, xadd].iter().map(|group| group.cow_faults).sum();
    assert!((all - result.counters.cow_faults as f64).abs() <= 1.0, "{all}");
    let json = serde_json::to_value(run_output(&result, &About::of(&comparison(None, &[])))).expect("JSON");
    assert_eq!(json["groups"][2]["aof_bytes_per_command"], 130.0);
    assert_eq!(json["streams"]["streams"], 1000);
}

#[test]
fn with_as_many_streams_as_counters_the_copies_are_as_many() {
    let set = ["dataset.streams=1M", "dataset.stream-entries=1", "redis.auto-aof-rewrite-percentage=20"];
    let mut scenario = comparison(None, &set);
    scenario.machine.machine.memory = 1 << 40;
    let result = simulate(&scenario);
    let faults =
        ["incr", "xadd"].map(|name| spent(&result, name).cow_faults_per_command().expect("commands"));
    assert!(result.counters.forks > 0 && faults[1] > faults[0], "{faults:?}");
}

#[test]
fn the_aof_of_streams_is_rewritten_as_that_of_counters_only_sooner() {
    let period = |name: &str| {
        let result =
            simulate(&comparison(Some(name), &["redis.auto-aof-rewrite-min-size=1mb", "run.warmup=0s"]));
        let first = s(children(&result, "aof-rewrite")[0].start);
        // The base doubles: one base at its rate of bytes.
        let bytes = spent(&result, name).aof_bytes_per_command().expect("commands") * 5000.0;
        let start = simulate(&comparison(Some(name), &["run.duration=1s", "run.warmup=0s"]));
        let base = int(&start, "aof_base_size") as f64;
        assert_close(first, base / bytes, 0.02, name);
        (first, base / 1e6)
    };
    let [incr, set, xadd] = ["incr", "set", "xadd"].map(period);
    assert!(xadd.0 < set.0 && set.0 < incr.0, "{incr:?} {set:?} {xadd:?}");
}

#[test]
fn a_rewrite_without_preamble_writes_an_xadd_an_entry() {
    let base = |version: &str, entries: u64| {
        let text = one_group(version, "XADD", &format!("streams = 10\nstream-entries = {entries}"), "1s")
            .replace("appendonly = true", "appendonly = true\naof-use-rdb-preamble = false")
            .replace("rate = \"10000/s\"", "rate = \"1/s\"");
        int(&simulate(&on_a_free_machine(&text, |_| ())), "aof_base_size")
    };
    assert_eq!(base("7.2", 1000) - base("7.2", 0), 10 * 1000 * 101);
    // XSETID key id, with ENTRIESADDED n MAXDELETEDID id from 7.0 on; more digits of arguments there are not.
    assert_eq!(base("7.2", 0) - base("6.2", 0), 10 * (19 + 10 + 19 + 22));
}

#[test]
fn pending_entries_and_header_pages_are_copied_once() {
    // A snapshot that takes the whole run: what is written to again is not copied again.
    let text = one_group("7.2", "XREADGROUP 10", "streams = 100\nstream-entries = 100", "10s")
        .replace("operation = \"XREADGROUP 10\"", "mix = { XADD = 0.5, XREADGROUP = 0.25, XACK = 0.25 }")
        .replace("[run]", "[[event]]\nat = \"1s\"\ndo = \"BGSAVE\"\n[run]");
    let scenario = on_a_free_machine(&text, |machine| {
        (machine.cow.fault, machine.child.rdb_per_key) = (1000, 10_000_000);
    });
    let result = simulate(&scenario);
    assert_eq!((result.counters.forks, children(&result, "bgsave").len()), (1, 0));
    let used = result.streams.expect("streams");
    // A tail and a share of a header page a stream, and what was pending at the fork.
    let pages = 100.0 + (100.0_f64 * 120.0 / 4096.0) + (used.pending as f64 * 150.0 / 4096.0).max(1.0);
    let faults = result.counters.cow_faults as f64;
    assert!((95.0..=pages + 2.0).contains(&faults), "{faults} of {pages}");
}

#[test]
fn what_streams_cannot_be_is_refused_with_its_remedy() {
    let problems = |text: &str| {
        resolve(text, "test.toml", Path::new(""), &Overrides::default()).expect_err("problems").to_string()
    };
    let old = problems("[redis]\nversion = \"4.0\"\n[[workload]]\nrate = \"1/s\"\noperation = \"XADD\"");
    assert!(old.contains("test.toml:5:13: XADD: version 4.0 has no streams"), "{old}");
    let two = problems(
        "[[workload]]\nrate = \"1/s\"\noperation = \"XADD\"\n[[workload]]\nrate = \"1/s\"\noperation = \"XADD 2\"",
    );
    assert!(two.contains("entries of streams are alike"), "{two}");
    let huge = problems(
        "[redis]\nstream-node-max-bytes = \"1gb\"\nstream-node-max-entries = 0\n[[workload]]\nrate = \"1/s\"\noperation = \"XADD\"",
    );
    assert!(huge.contains("redis.stream-node-max-entries to at most 65536"), "{huge}");
    let none = read("[dataset]\nstreams = 5\n[[workload]]\nrate = \"1/s\"");
    assert!(none.notes.iter().any(|note| note.contains("dataset.streams does not matter")));
}
