use std::path::Path;

use super::super::builtin;
use super::super::keys::{Kind, TABLES};
use super::super::show::resolved_toml;
use super::super::ttl::{Ttl, ways};
use super::super::{Action, Arrivals, KeyPopularity, Origin, Scenario, Source};
use super::cluster::tests::{CLUSTER, SMALL_CLUSTER};
use super::{Overrides, resolve};
use crate::dist::Dist;
use crate::redis::config::AppendFsync;
use crate::redis::version::Version;
use crate::units::SECOND;

const SMALL: &str = "[[workload]]\nrate = \"100/s\"\n";

fn read(text: &str) -> Scenario {
    with(text, &Overrides::default())
}

fn with(text: &str, overrides: &Overrides) -> Scenario {
    resolve(text, "x.toml", Path::new(""), overrides).unwrap_or_else(|problems| panic!("{problems}"))
}

fn problems(text: &str, overrides: &Overrides) -> String {
    resolve(text, "x.toml", Path::new(""), overrides).unwrap_err().to_string()
}

fn set(settings: &[&str]) -> Overrides {
    Overrides { set: settings.iter().map(|text| (*text).to_owned()).collect(), ..Overrides::default() }
}

fn setting<'s>(scenario: &'s Scenario, key: &str) -> (&'s str, &'s Origin) {
    let setting = scenario.settings.iter().find(|setting| setting.key == key);
    let setting = setting.unwrap_or_else(|| panic!("no setting {key}"));
    (&setting.value, &setting.origin)
}

fn assert_same(a: &Scenario, b: &Scenario) {
    assert_eq!(a.redis, b.redis);
    assert_eq!(a.dataset, b.dataset);
    assert_eq!(a.workloads, b.workloads);
    assert_eq!(a.replicas, b.replicas);
    assert_eq!(a.events, b.events);
    assert_eq!(a.cluster, b.cluster);
    assert_eq!(a.machine, b.machine);
    assert_eq!(a.run, b.run);
    assert_eq!(a.start, b.start);
    assert_eq!(sweep_of(a), sweep_of(b));
}

/// What a scenario's sweep varies, without the places.
fn sweep_of(scenario: &Scenario) -> Option<String> {
    let own = scenario.sweep.as_ref()?;
    let axes: Vec<String> = own.vary.iter().map(|axis| format!("{} {:?}", axis.key, axis.values)).collect();
    let exclude: Vec<&str> = own.exclude.iter().map(|(text, _)| text.as_str()).collect();
    let points = own.points.as_ref().map(|points| points.0);
    Some(format!("{axes:?} {exclude:?} {points:?} {:?} {:?} {:?}", own.design, own.seed, own.replications))
}

#[test]
fn times_to_live_are_the_datasets_and_the_groups() {
    let ttl = "{ dist = \"fixed\", value = \"1h\", jitter = \"300s\" }";
    let workload = format!("[[workload]]\nrate = \"100/s\"\nttl = {ttl}\n");
    let scenario = read(&format!("[dataset]\nkeys = \"1k\"\nttl = \"60s\"\n{workload}"));
    assert_eq!(
        (scenario.dataset.ttl.clone(), scenario.dataset.ttl_share),
        (Some(Ttl::fixed_ms(60_000)), 1.0)
    );
    let group = &scenario.workloads[0];
    assert_eq!(group.ttl.as_ref().map(|ttl| ttl.jitter), Some(300 * SECOND));
    assert_eq!(group.mix[0].0.ttl_ms, Some(3_750_000));
    assert_eq!(ways(&scenario).len(), 2);
    assert_same(&scenario, &read(&resolved_toml(&scenario)));
}

#[test]
fn defaults_fill_a_scenario_of_two_lines() {
    let scenario = read(SMALL);
    assert_eq!(scenario.redis.version, Version::redis(7, 2));
    assert_eq!((scenario.dataset.keys, scenario.dataset.key_size), (1_000_000, 20));
    assert_eq!(scenario.run.duration, 3600 * SECOND);
    assert_eq!(scenario.run.warmup, 60 * SECOND);
    assert_eq!(scenario.run.windows, vec![10 * SECOND, 60 * SECOND, 3600 * SECOND]);
    let group = &scenario.workloads[0];
    assert_eq!((group.name.as_str(), group.connections, group.pipeline), ("workload-1", 50, 1));
    assert_eq!(group.source, Source::Open { schedule: vec![(0, 100.0)], arrivals: Arrivals::Poisson });
    assert_eq!(setting(&scenario, "run.seed"), ("1", &Origin::Default));
    assert_eq!(setting(&scenario, "redis.hz"), ("10", &Origin::Version));
    assert_eq!(setting(&scenario, "workload.workload-1.rate").1, &Origin::Scenario("x.toml".into(), 2));
}

#[test]
fn a_short_run_has_no_default_warmup_and_only_windows_that_fit() {
    let scenario = with(SMALL, &Overrides { duration: Some("30s".into()), ..Overrides::default() });
    assert_eq!((scenario.run.warmup, &scenario.run.windows), (0, &vec![10 * SECOND]));
}

#[test]
fn every_table_and_value_is_read() {
    let scenario = read(FULL);
    assert_eq!(scenario.workloads.len(), 2);
    let Source::Open { schedule, arrivals } = &scenario.workloads[0].source else { panic!("closed") };
    assert_eq!(schedule, &vec![(0, 5000.0), (60 * SECOND, 20000.0)]);
    assert_eq!(arrivals, &Arrivals::Bursts { size: 10 });
    assert_eq!(scenario.workloads[0].value_size, Dist::Fixed(1024.0));
    assert_eq!(scenario.workloads[1].source, Source::Closed { think: Dist::Exponential { mean: 1e6 } });
    assert_eq!(scenario.workloads[1].keys, KeyPopularity::Hot { share: 0.9, keys: 10 });
    assert_eq!(scenario.machine.fork.per_gib, 12e6);
    let order: Vec<u64> = scenario.events.iter().map(|event| event.at / SECOND).collect();
    assert_eq!(order, vec![10, 20, 30, 40, 50, 60]);
    let Action::ConfigSet { text, config } = &scenario.events[0].action else { panic!("no CONFIG SET") };
    assert_eq!((text.as_str(), config.appendfsync), ("appendfsync always", AppendFsync::Always));
    assert_eq!(scenario.start.aof_base_size, Some(1 << 30));
}

#[test]
fn every_key_of_the_list_is_read_by_somebody() {
    let keys: Vec<String> = [FULL, SMALL, REPLICAS, PATTERNS, CLUSTER, SMALL_CLUSTER]
        .iter()
        .flat_map(|text| read(text).settings.into_iter().map(|setting| setting.key))
        .collect();
    // A way to say another key, or the files' own.
    let others = ["dataset.memory", "workload.schedule-csv", "event.until"];
    for spec in TABLES {
        for key in spec.keys.iter().filter(|key| !matches!(key.kind, Kind::Refused(_))) {
            let name = format!("{}.{}", spec.name, key.name);
            let end = format!(".{}", key.name);
            let read = keys.iter().any(|found| found.starts_with(spec.name) && found.ends_with(&end));
            assert!(read || others.contains(&name.as_str()), "{name}");
        }
    }
}

#[test]
fn replicas_are_read() {
    let scenario = read(REPLICAS);
    let names: Vec<&str> = scenario.replicas.iter().map(|replica| replica.name.as_str()).collect();
    assert_eq!(names, ["replica-1", "other", "replica-3"]);
    assert_eq!((scenario.replicas[0].attach, scenario.replicas[2].of), (Some(10 * SECOND), Some(1)));
    assert_eq!(scenario.redis.replication.output_limit.hard, 128 << 20);
    let wait = scenario.workloads[1].wait.expect("it waits");
    assert!(wait.aof && wait.local && wait.replicas == 1 && wait.timeout == 2 * SECOND);
    // A partition has an end of its own.
    assert_eq!(scenario.events.len(), 6);
}

#[test]
fn a_resolved_scenario_prints_as_a_file_that_resolves_to_it() {
    let mut texts: Vec<&str> = builtin::all().map(|(_, text)| text).collect();
    texts.extend([FULL, SMALL, REPLICAS, PATTERNS, CLUSTER, SMALL_CLUSTER]);
    for text in texts {
        let scenario = read(text);
        let printed = resolved_toml(&scenario);
        assert_same(&scenario, &read(&printed));
        // Notes on how a value was come to are gone then, and nothing else.
        let settings = |text: &str| text.lines().filter(|line| !line.starts_with("# note")).count();
        assert_eq!(settings(&resolved_toml(&read(&printed))), settings(&printed));
    }
}

#[test]
fn flags_win_over_the_file_and_are_named_as_the_origin() {
    let overrides = Overrides {
        rate: Some("7k/s".into()),
        keys: Some("10M".into()),
        value_size: Some("{dist='uniform', low='1B', high='9B'}".into()),
        connections: Some("7".into()),
        pipeline: Some("3".into()),
        redis_version: Some("8.10".into()),
        seed: Some(u64::MAX),
        window: Some("2s,4s".into()),
        model: Some("two-core-vm".into()),
        ..set(&[
            "redis.appendfsync=no",
            "workload.keys.dist=zipf",
            "workload.workload-1.keys.s=1.1",
            "machine.fork.per-gib=5ms",
        ])
    };
    let scenario =
        with("[dataset]\nmemory = \"1GiB\"\n[[workload]]\nschedule = [[\"0s\", \"1/s\"]]\n", &overrides);
    let group = &scenario.workloads[0];
    assert_eq!(group.source, Source::Open { schedule: vec![(0, 7000.0)], arrivals: Arrivals::Poisson });
    assert_eq!((group.connections, group.pipeline, scenario.dataset.keys), (7, 3, 10_000_000));
    assert_eq!(group.keys, KeyPopularity::Zipf { s: 1.1 });
    assert_eq!(group.value_size, Dist::Uniform { low: 1.0, high: 9.0 });
    assert_eq!(scenario.redis.version, Version::redis(8, 10));
    assert_eq!(scenario.redis.appendfsync, AppendFsync::No);
    assert_eq!((scenario.run.seed, &scenario.run.windows), (u64::MAX, &vec![2 * SECOND, 4 * SECOND]));
    assert_eq!((scenario.machine.name.as_str(), scenario.machine.fork.per_gib), ("two-core-vm", 5e6));
    assert_eq!(setting(&scenario, "workload.workload-1.rate").1, &Origin::Flag("--rate".into()));
    assert_same(&scenario, &read(&resolved_toml(&scenario)));
}

#[test]
fn wrong_flags_are_named() {
    let found = problems(SMALL, &set(&["run.duration", "nothing=1", "workload.other.rate=1/s", "run.sed=1"]));
    for part in ["has no \"=\"", "names no table", "no workload is named \"other\"", "did you mean \"seed\"?"]
    {
        assert!(found.contains(part), "{part} in {found}");
    }
    let closed = "[[workload]]\nloop = \"closed\"\n";
    assert!(
        problems(closed, &Overrides { rate: Some("1/s".into()), ..Overrides::default() })
            .contains("--rate: ")
    );
    assert!(problems("", &Overrides::default()).contains("no [[workload]]"));
}

#[test]
fn a_redis_conf_lays_over_the_scenario_and_a_flag_over_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("redis.conf");
    let text =
        "port 1\nappendonly yes\nsave 900 1\nsave 60 5\nappendfsync always\nreplicaof a 1\nstrange 1\n";
    std::fs::write(&path, text).unwrap();
    let conf = Overrides { redis_conf: Some(path.clone()), ..set(&["redis.appendfsync=no"]) };
    let scenario = with(&format!("[redis]\nappendonly = false\nhz = 20\n{SMALL}"), &conf);
    assert!(scenario.redis.appendonly);
    assert_eq!((scenario.redis.hz, scenario.redis.save.len()), (20, 2));
    assert_eq!(scenario.redis.appendfsync, AppendFsync::No);
    assert_eq!(setting(&scenario, "redis.appendonly").1, &Origin::RedisConf(path.clone(), 2));
    assert_eq!(scenario.directives_not_modelled.len(), 1);
    assert!(scenario.notes.iter().any(|note| note.contains("strange")));
    assert_same(&scenario, &read(&resolved_toml(&scenario)));
    std::fs::write(&path, "hz 20\n").unwrap();
    let old = Overrides {
        redis_conf: Some(path.clone()),
        redis_version: Some("6.0".into()),
        ..Overrides::default()
    };
    assert!(with(SMALL, &old).redis.save.is_empty());
    std::fs::write(&path, "appendonly maybe\nappendfsync never\nio-threads 4\n").unwrap();
    let found = problems(SMALL, &Overrides { redis_conf: Some(path), ..Overrides::default() });
    for part in ["redis.conf:1:", "redis.conf:2:", "redis.conf:3:"] {
        assert!(found.contains(part), "{part} in {found}");
    }
}

#[test]
fn an_info_dump_gives_state_and_rate_below_the_flags() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("info.txt");
    let text =
        "redis_version:6.2.14\nused_memory:1000000\ninstantaneous_ops_per_sec:1234\ndb0:keys=5,expires=0\n";
    std::fs::write(&path, text).unwrap();
    let info = Overrides { info: Some(path.clone()), ..Overrides::default() };
    let scenario = with(SMALL, &info);
    assert_eq!(scenario.redis.version, Version::redis(6, 2));
    assert_eq!((scenario.dataset.keys, scenario.start.used_memory), (5, Some(1_000_000)));
    let Source::Open { schedule, .. } = &scenario.workloads[0].source else { panic!("closed") };
    assert_eq!(schedule, &vec![(0, 1234.0)]);
    assert!(scenario.notes.iter().any(|note| note.contains("instantaneous_ops_per_sec")));
    let flagged = with(SMALL, &Overrides { rate: Some("9/s".into()), ..info });
    assert_eq!(setting(&flagged, "workload.workload-1.rate").1, &Origin::Flag("--rate".into()));
    assert_same(&scenario, &read(&resolved_toml(&scenario)));
}

#[test]
fn a_setting_that_the_version_lacks_is_noted_only_when_it_is_on() {
    let old =
        |value: &str| read(&format!("[redis]\nversion = \"3.2\"\naof-use-rdb-preamble = {value}\n{SMALL}"));
    let notes = |scenario: &Scenario| scenario.notes.iter().filter(|note| note.contains("preamble")).count();
    assert_eq!((notes(&old("true")), notes(&old("false"))), (1, 0));
    assert!(!old("true").redis.aof_use_rdb_preamble);
}

#[test]
fn a_schedule_comes_from_a_csv_file_beside_the_scenario() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("day.csv"), "time_s,rate_per_s\n0,10\n1.5,20\n").unwrap();
    let text = "[[workload]]\nschedule-csv = \"day.csv\"\n";
    let scenario = resolve(text, "x.toml", folder.path(), &Overrides::default()).unwrap();
    let Source::Open { schedule, .. } = &scenario.workloads[0].source else { panic!("closed") };
    assert_eq!(schedule, &vec![(0, 10.0), (3 * SECOND / 2, 20.0)]);
    assert_same(&scenario, &read(&resolved_toml(&scenario)));
    std::fs::write(folder.path().join("day.csv"), "time_s,rate_per_s\n0,10\n0,x\n").unwrap();
    let found = resolve(text, "x.toml", folder.path(), &Overrides::default()).unwrap_err().to_string();
    assert!(
        found.starts_with("x.toml:2:16: workload.schedule-csv: ") && found.contains("day.csv:3:"),
        "{found}"
    );
}

/// Replicas, what clients wait for, and what may happen to them.
const REPLICAS: &str = r#"
[redis]
version = "7.2"
appendonly = true
client-output-buffer-limit = "replica 128mb 32mb 30"
min-replicas-to-write = 1

[[workload]]
rate = "100/s"
wait = { replicas = 2, timeout = "1s" }

[[workload]]
name = "logged"
rate = "100/s"
waitaof = { local = 1, replicas = 1, timeout = "2s" }

[[replica]]
delay = "1ms"
bandwidth = "100MiB/s"
socket-buffer = "1MiB"
apply = "2us"
load = "50MiB/s"
attach = "10s"
appendonly = true
fsync = "2ms"

[[replica]]
name = "other"

[[replica]]
of = "other"

[[event]]
at = "1m"
do = "replica-stop"
replica = "other"

[[event]]
at = "2m"
do = "replica-start"
replica = "other"

[[event]]
at = "3m"
do = "replica-stall"
replica = "replica-1"
for = "1s"

[[event]]
at = "4m"
do = "partition"
for = "20s"
elect = "5s"

[[event]]
at = "5m"
do = "failover"
to = "other"
restart = "2s"
"#;

/// Every key of a pattern; a crash, which [`FULL`] has, is refused beside one.
const PATTERNS: &str = r#"
[[workload]]
loop = "closed"
pattern = "incr-expire"
window = "10s"
limit = 100
client-death = 0.001
release = "expiry"
timeout = "200ms"
retries = 3
retry-backoff = { kind = "exponential", base = "50ms", cap = "2s", jitter = "none" }
retry-budget = 0.1
[[workload]]
rate = "1k/s"
pattern = [{ name = "look", do = "GET" }, { do = ["SET 0", "EXPIRE 5 NX"], if-nil = "look" }]
pattern-keys = "10k"
keys = { dist = "zipf", s = 1.1 }
"#;

const FULL: &str = r#"
[redis]
version = "6.2"
appendonly = true
[dataset]
keys = "1M"
key-size = "30B"
value-size = { dist = "lognormal", mean = "100B", scv = 1.5 }
prefilled = true
ttl-share = 0.1
ttl = { dist = "exponential", mean = "1h", jitter = "5m", align = "60s", age = "spread" }
fragmentation = 1.3
[[workload]]
name = "writers"
loop = "open"
schedule = [["0s", "5000/s"], ["1m", "20000/s"]]
arrivals = "bursts"
burst-size = 10
connections = 20
pipeline = 4
mix = { SET = 1.0 }
ttl = "90s"
value-size = "1KiB"
[[workload]]
loop = "closed"
think = { dist = "exponential", mean = "1ms" }
keys = { dist = "hot", share = 0.9, keys = 10 }
key-size = "8B"
[[event]]
at = "20s"
do = "freeze"
for = "1s"
[[event]]
at = "10s"
do = "config set appendfsync always"
[[event]]
at = "30s"
do = "foreign-writer"
rate = "10MiB/s"
until = "31s"
[[event]]
at = "40s"
do = "crash"
kind = "machine"
restart = "5s"
[[event]]
at = "50s"
do = "disk-full"
for = "1s"
[[event]]
at = "60s"
do = "BGSAVE"
[machine]
model = "two-core-vm"
fork.per-gib = "12ms"
[run]
duration = "2m"
warmup = "1s"
seed = 5
windows = ["1s"]
interval = "500ms"
allow-overload = true
stall-threshold = "2ms"
[start]
changes-since-save = 7
last-save-age = "3s"
aof-base-size = "1GiB"
aof-current-size = "1GiB"
used-memory = "1GiB"
used-memory-rss = "1GiB"

[sweep]
vary = { "redis.hz" = [10, 100], rate = "1k/s..9k/s:9", run.seed = 3 }
design = "lhs"
points = 20
exclude = ["redis.hz=10 and rate>5k/s"]
seed = 4
replications = 2
"#;
