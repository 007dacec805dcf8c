//! A cluster against what is known without one: a node that has nothing changes nothing, and a hundred run.
//!
//! Method: equality, byte for byte, of what the results hold.

use std::process::{Command, Stdio};
use std::{fs, thread, time};

use writepath::cluster::simulate;
use writepath::observe::result::RunResult;
use writepath::sim::RunOptions;

use super::world::read;

/// An open loop with persistence, children and a freeze.
const BUSY: &str = r#"
[redis]
version = "7.2"
appendonly = true
save = "1 1000"
[dataset]
keys = "200k"
value-size = { dist = "lognormal", mean = "200B", scv = 1 }
[[workload]]
name = "writers"
rate = "8000/s"
connections = 40
operation = "SET"
[[workload]]
name = "readers"
rate = "3000/s"
connections = 10
mix = { GET = 0.75, INCR = 0.25 }
[[event]]
at = "700ms"
do = "freeze"
for = "30ms"
node = "all"
[[event]]
at = "1500ms"
do = "BGREWRITEAOF"
node = "all"
[machine]
model = "two-core-vm"
cluster = { slot-lookup = "0ns" }
[run]
duration = "4s"
warmup = "1s"
windows = ["1s"]
"#;

fn ran(text: &str) -> RunResult {
    let options = RunOptions { timeline: true, ..RunOptions::default() };
    simulate(&read(text), &options, &mut |_| true).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// Panics at the first line that differs.
#[track_caller]
fn assert_same(one: &str, other: &str) {
    let differ = one.lines().zip(other.lines()).position(|(one, other)| one != other);
    if let Some(line) = differ {
        let near =
            |text: &str| text.lines().skip(line.saturating_sub(12)).take(16).collect::<Vec<_>>().join("\n");
        panic!("line {line}:\n{}\n--- against\n{}", near(one), near(other));
    }
    assert_eq!(one.len(), other.len());
}

#[test]
fn a_node_without_slots_changes_nothing_in_the_others() {
    let of = |nodes: &str| ran(&format!("{BUSY}[cluster]\n{nodes}"));
    let (three, four) = (of("primaries = 3\n"), of("primaries = 3\nempty-primaries = 1\n"));
    let (before, after) = (three.cluster.expect("a cluster"), four.cluster.expect("a cluster"));
    assert_eq!(after.nodes.len(), 4);
    for (before, after) in before.nodes.iter().zip(&after.nodes) {
        assert_eq!(format!("{before:?}"), format!("{after:?}"));
    }
    assert_eq!(after.nodes[3].requests + after.nodes[3].keys, 0);
    assert_same(&format!("{:#?}", four.scopes), &format!("{:#?}", three.scopes));
    assert_eq!(three.requests, four.requests);
}

#[test]
fn a_hundred_nodes_run() {
    for nodes in [3, 16, 100] {
        let result = ran(&format!("{BUSY}[cluster]\nprimaries = {nodes}\n"));
        let cluster = result.cluster.expect("a cluster");
        assert_eq!(cluster.nodes.len(), nodes);
        assert!(cluster.nodes.iter().all(|node| node.requests > 0));
        assert_eq!(cluster.nodes.iter().map(|node| node.keys).sum::<u64>(), 200_000);
        assert_eq!(cluster.moved + cluster.ask + cluster.clusterdown, 0);
        assert_eq!(cluster.nodes.iter().map(|node| node.requests).sum::<u64>(), result.completed);
    }
}

#[test]
fn sixteen_nodes_take_less_than_48_megabytes() {
    let file = tempfile::NamedTempFile::with_suffix(".toml").expect("a file");
    let text = format!("{BUSY}[cluster]\nprimaries = 16\nclient-processes = 16\n");
    let moves = "[[event]]\nat = \"1s\"\ndo = \"reshard\"\nfrom = \"all\"\nto = \"node-2\"\nslots = 200\n";
    fs::write(file.path(), format!("{text}{moves}")).expect("writable");
    let mut command = Command::new(env!("CARGO_BIN_EXE_writepath"));
    command.arg("run").arg(file.path()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().expect("it starts");
    let (status, mut peak) = (format!("/proc/{}/status", child.id()), 0);
    let ended = loop {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        peak = peak.max(kib.unwrap_or(0));
        if let Some(ended) = child.try_wait().expect("it can be waited for") {
            break ended;
        }
        thread::sleep(time::Duration::from_millis(2));
    };
    assert!(ended.success());
    // Its own memory, without the pages of the program's file. Without /proc there is nothing to compare.
    println!("peak of 16 nodes: {peak} KiB");
    assert!(peak < 48_000_000 / 1024, "{peak} KiB");
}
