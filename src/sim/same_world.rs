//! Two scenarios under one seed meet the same random world, whatever mechanisms one of them has more.
//!
//! Method: what comes from outside (arrivals and their connections, the host's gaps, what each request is) is recorded to
//! the nanosecond on a machine that has noise and jitter, and compared with that of a scenario with one thing changed.

use std::path::Path;

use super::run::{RunOptions, Simulation};
use super::turn::{Probe, Replied};
use crate::scenario::resolve::{Overrides, resolve};
use crate::units::{Nanos, SECOND};

const SCENARIO: &str = r#"
[redis]
appendonly  = true
appendfsync = "everysec"
save        = "1 100"
[dataset]
keys       = "100k"
value-size = { dist = "lognormal", mean = "100B", scv = 1.5 }
[[workload]]
loop      = "open"
rate      = "2000/s"
mix       = { SET = 0.7, GET = 0.3 }
keys      = { dist = "zipf", s = 0.9 }
[run]
duration = "4s"
warmup   = "0s"
"#;
/// Requests of this time have their answers before the run ends, 4 s, whatever the server does.
const BEFORE: Nanos = 3 * SECOND;
/// Later than the last turn of any run.
const AFTER: Nanos = 10 * SECOND;
const REPLICA: &str = "[[replica]]\nname = \"r1\"\n";

/// What comes from outside.
#[derive(Debug, Default, PartialEq)]
struct World {
    /// (intended time, connection) of every request that was answered.
    arrivals: Vec<(Nanos, u32)>,
    /// Start and length of the host's gaps after the run's end.
    gaps: Vec<(Nanos, Nanos)>,
    /// Kind, size, key and the rest of each request, as drawn.
    requests: Vec<[u64; 5]>,
}

impl Probe for World {
    fn replied(&mut self, seen: &Replied) {
        self.arrivals.push((seen.arrived_at, seen.connection));
    }
}

/// The world that `text` meets with `settings`.
fn world(text: &str, settings: &[&str], replication: u64) -> World {
    let set = settings.iter().map(|setting| setting.to_string()).collect();
    let overrides = Overrides { set, ..Overrides::default() };
    let scenario = resolve(text, "test.toml", Path::new("."), &overrides).expect("a sound scenario");
    let options = RunOptions { replication, ..RunOptions::default() };
    let mut seen = World::default();
    let mut simulation = Simulation::new(&scenario, &options, &mut seen, None);
    while simulation.turn() {}
    // Those up to the end have been taken when a turn found them: the ones after it are the same if those were.
    let noise = &mut simulation.noise;
    while noise.next_at() < AFTER {
        noise.take();
    }
    let gaps = (0..100).map(|_| noise.take()).collect();
    let requests = (0..1000).map(|n| simulation.plans[0].draws_of(n)).collect();
    simulation.finish(&scenario);
    seen.arrivals.sort_unstable();
    seen.arrivals.retain(|arrival| arrival.0 < BEFORE);
    World { gaps, requests, ..seen }
}

#[test]
fn the_world_is_the_same_whatever_the_server_does() {
    let base = world(SCENARIO, &[], 0);
    assert!(base.arrivals.len() > 5500, "{} arrivals", base.arrivals.len());
    for settings in [
        &["redis.appendfsync=always"][..],
        &["redis.appendfsync=no"],
        &["redis.appendonly=false"],
        &["redis.save=\"\""],
        &["redis.version=6.2", "redis.auto-aof-rewrite-min-size=1kb"],
        &["redis.maxmemory=1gb", "redis.maxmemory-policy=allkeys-lru"],
        &["dataset.ttl={ dist = \"fixed\", value = \"10s\" }"],
        &["machine.disk.fdatasync=20ms", "machine.fork.per-gib=1s"],
    ] {
        assert!(base == world(SCENARIO, settings, 0), "{settings:?}");
    }
    assert!(base == world(&format!("{SCENARIO}{REPLICA}"), &[], 0), "a replica");
}

#[test]
fn another_replication_is_another_world() {
    let (base, other) = (world(SCENARIO, &[], 0), world(SCENARIO, &[], 1));
    assert_ne!(base.arrivals, other.arrivals);
    assert_ne!(base.gaps, other.gaps);
    assert_ne!(base.requests, other.requests);
}
