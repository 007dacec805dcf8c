//! `check` on whatever people give it: no input panics, dumps that are cut anywhere keep what came before, and what is found
//! in one dress of a dump is found in every other.
//!
//! Method: fixtures of real servers cut at every place or shuffled; arbitrary fragments of the formats.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use serde_json::Value;
use writepath::check::input::{cluster, config_get, info, latency, reply, slowlog};
use writepath::check::monitor;
use writepath::check::report::{Inputs, Report, facts, report};
use writepath::check::simulate::{Options, price};
use writepath::check::source::Source;
use writepath::experiment::Pool;
use writepath::report::check as text;

const VERSIONS: &[&str] =
    &["redis-2.8", "redis-3.2", "redis-6.2", "redis-7.0", "redis-8.2", "valkey-9.1", "production"];

fn fixture(file: &str) -> Option<Vec<u8>> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check").join(file)).ok()
}

fn of(inputs: Inputs) -> Report {
    let (facts, unknown) = facts(inputs);
    report(&facts, unknown)
}

/// Everything that can be read of `bytes`, as every kind of input.
fn as_everything(bytes: &[u8]) -> Inputs {
    let some = || Some(bytes.to_vec());
    Inputs {
        info: some(),
        config_get: some(),
        slowlog: some(),
        latency: some(),
        replica_info: some(),
        cluster_info: some(),
        cluster_nodes: some(),
        monitor: some(),
        source: vec![("f".to_owned(), bytes.to_vec())],
        ..Inputs::default()
    }
}

/// Fragments of all formats.
const FRAGMENTS: &[&str] = &[
    "*3\r\n",
    "$5\r\n",
    "%2\r\n",
    ":7\r\n",
    "-ERR x\r\n",
    "\r\n",
    "1) ",
    " 2) ",
    "10) ",
    "1) 1) (integer) ",
    "(nil)",
    "\"",
    "\"save\"",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "# Server\n",
    "redis_version:",
    "7.2.4",
    "valkey_version:",
    "\n",
    "db0:keys=5,expires=2,avg_ttl=",
    "used_memory:",
    "-1",
    "99999999999999999999",
    "nan",
    "uptime_in_seconds:0\n",
    "slave0:ip=a,port=1,state=online,offset=5,lag=",
    "connected_slaves:1\n",
    "role:master\n",
    "master_repl_offset:9\n",
    "aof_enabled:1\n",
    "aof_base_size:0\n",
    "aof_current_size:",
    "rdb_last_save_time:",
    "instantaneous_ops_per_sec:",
    "cmdstat_set:calls=1,usec=2,usec_per_call=",
    "save",
    "appendonly",
    "yes",
    "1700000000",
    "12000",
    "KEYS",
    "127.0.0.1:5",
    "1.5 [0 127.0.0.1:5] \"GET\" \"k\"\n",
    "1.6 [0 127.0.0.1:5] \"SET\" \"k\" \"0\" \"EX\" \"5\"\n",
    "1.7 [0 127.0.0.1:5] \"INCR\" \"k\"\n",
    "r.get(k)\n",
    "r.incr(k)\n",
    ".pipeline(",
    "MULTI\n",
    "EXEC\n",
    "\u{1b}[31m",
    "\u{feff}",
    "é",
    "fork",
    "127.0.0.1:6379> ",
    "latest_fork_usec:",
];

proptest! {
    #[test]
    fn no_input_panics(parts in prop::collection::vec(
        prop_oneof![4 => prop::sample::select(FRAGMENTS).prop_map(String::from), 1 => "\\PC{0,8}"], 0..40)
    ) {
        let told = of(as_everything(parts.concat().as_bytes()));
        prop_assert!(!text::human(&told).is_empty());
        prop_assert!(serde_json::from_slice::<Value>(&text::json(&told)).is_ok());
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        of(as_everything(&bytes));
    }
}

#[test]
fn dumps_cut_anywhere_keep_what_came_before() {
    let whole = fixture("redis-8.2/info.txt").expect("a fixture");
    let all = info::parse(&whole);
    for end in (0..whole.len()).step_by(7) {
        let cut = info::parse(&whole[..end]);
        // Whatever a cut dump still says, the whole one says too; a number is never a part of one.
        for (field, value) in cut.with_prefix("").filter(|(name, _)| *name != "db0") {
            // Of a compound value that is cut off the whole parts are left.
            let same = if value.contains('=') { str::starts_with } else { |all: &str, cut: &str| all == cut };
            assert!(all.text(field).is_some_and(|all| same(all, value)), "{field} cut at {end}");
        }
        of(Inputs { info: Some(whole[..end].to_vec()), ..Inputs::default() });
    }
    for (file, rows) in [("slowlog.txt", 3), ("slowlog-raw.txt", 3), ("slowlog.json", 3), ("slowlog.resp", 3)]
    {
        let whole = fixture(&format!("redis-7.0/{file}")).expect("a fixture");
        let all = slowlog::parse(&whole).expect("a log");
        assert_eq!(all.len(), rows, "{file}");
        for end in 0..whole.len() {
            let kept = slowlog::parse(&whole[..end]).unwrap_or_default();
            assert!(kept.len() <= rows, "{file} cut at {end}");
            // The last one may be cut within its command.
            let sure = kept.len().saturating_sub(1);
            assert_eq!(kept[..sure], all[..sure], "{file} cut at {end}");
        }
        latency::parse(&whole);
        config_get::parse(&whole);
        cluster::nodes(&cluster::text_of(&whole));
        monitor::parse(&whole);
        reply::read(&whole);
        Source::default().add(file, &String::from_utf8_lossy(&whole));
    }
}

#[test]
fn every_version_is_read_and_a_healthy_one_has_nothing_serious() {
    for version in VERSIONS {
        let info = fixture(&format!("{version}/info.txt"));
        let config_get = fixture(&format!("{version}/config-get.txt"));
        let slowlog = fixture(&format!("{version}/slowlog.txt"));
        let latency = fixture(&format!("{version}/latency.txt"));
        let has_config = config_get.is_some();
        let told = of(Inputs { info, config_get, slowlog, latency, ..Inputs::default() });
        let name = version.split('-').next().unwrap_or_default();
        assert!(*version == "production" || told.server.version.starts_with(name), "{}", told.server.version);
        assert_eq!(told.is_serious(), *version == "production", "{version}: {:?}", told.findings);
        assert!(told.server.keys.is_some_and(|keys| keys > 1000), "{version}");
        let persistence = told.server.persistence.unwrap_or_default();
        assert_eq!(persistence.contains("everysec"), has_config, "{version}: {persistence}");
        assert!(told.unknown.iter().any(|line| line.contains("--monitor")), "{:?}", told.unknown);
    }
}

#[test]
fn windows_line_ends_utf_16_and_json_change_nothing() {
    let whole = fixture("production/info.txt").expect("a fixture");
    let plain = String::from_utf8(whole.clone()).expect("text").replace("\r\n", "\n");
    let wide: Vec<u8> =
        [0xff, 0xfe].into_iter().chain(plain.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let json = serde_json::to_vec(&String::from_utf8_lossy(&whole)).expect("JSON");
    let resp = [format!("${}\r\n", whole.len()).into_bytes(), whole.clone(), b"\r\n".to_vec()].concat();
    let told = |bytes: Vec<u8>| text::human(&of(Inputs { info: Some(bytes), ..Inputs::default() }));
    let wanted = told(whole);
    for (dress, bytes) in [("LF", plain.into_bytes()), ("UTF-16", wide), ("JSON", json), ("RESP", resp)] {
        assert_eq!(told(bytes), wanted, "{dress}");
    }
}

#[test]
fn a_remedy_gives_what_its_mechanism_says() {
    let conf = fixture("production/redis.conf").expect("a fixture");
    let directives =
        writepath::scenario::redis_conf::parse(&String::from_utf8_lossy(&conf), Path::new("redis.conf"));
    let (facts, unknown) = facts(Inputs {
        info: fixture("production/info.txt"),
        redis_conf: Some(directives.expect("directives")),
        rate: Some(500.0),
        ..Inputs::default()
    });
    let mut told = report(&facts, unknown);
    let options = Options { model: "cloud-vm".to_owned(), seed: 1 };
    let pool = Pool::new(0).expect("threads");
    let simulation =
        price(&facts, &mut told.findings, &options, &pool, &|| true).expect("it runs").expect("it priced");
    assert!(simulation.runs >= 4 && simulation.rate_per_s == 500.0, "{simulation:?}");
    let simulated = |id: &str| {
        let finding = told.findings.iter().find(|finding| finding.id == id).unwrap_or_else(|| panic!("{id}"));
        finding.simulated.clone().unwrap_or_else(|| panic!("{id} was not simulated"))
    };
    // A fork is as long as the latest one, 131 ms, by the memory that was resident then.
    let snapshots = simulated("snapshots-beside-aof");
    let fork = snapshots.as_it_is.fork_ns_max as f64;
    assert!((fork / 131.2e6 - 1.0).abs() < 0.1, "{fork}");
    assert!(snapshots.as_it_is.max_ns as f64 > 0.9 * fork, "somebody waits for it");
    // Without save points nothing forks.
    let without = snapshots.with_remedy.expect("it has a remedy");
    assert_eq!((without.fork_ns_max, snapshots.settings.join(" ").as_str()), (0, "redis.save=\"\""));
    assert!(without.max_ns < snapshots.as_it_is.max_ns / 5, "{without:?}");
    // hz 100: slices of 2.5 ms instead of 25.
    let expiry = simulated("expiry-over-time");
    let (slice, short) =
        (expiry.as_it_is.expire_slice_ns_max, expiry.with_remedy.expect("hz").expire_slice_ns_max);
    assert!((24_000_000..30_000_000).contains(&slice), "{slice}");
    assert!((2_400_000..4_000_000).contains(&short), "{short}");
}
