//! The built-in scenarios of replication, each with the verdict it shows; and random ones, whose books must balance.

use std::path::Path;

use proptest::prelude::*;
use writepath::cause::Cause;
use writepath::observe::replicas::ReplicaResult;
use writepath::observe::result::RunResult;
use writepath::scenario::builtin;
use writepath::scenario::resolve::{Overrides, resolve};
use writepath::units::{MIB, MILLISECOND, SECOND};

use super::support::record;
use super::world::{longest, read, simulate};

/// Runs a built-in scenario with settings laid over it.
fn run_built_in(name: &str, set: &[&str]) -> RunResult {
    let text = builtin::get(name).expect("built in");
    let set = set.iter().map(|text| (*text).to_owned()).collect();
    let overrides = Overrides { set, ..Overrides::default() };
    let scenario =
        resolve(text, name, Path::new(""), &overrides).unwrap_or_else(|problems| panic!("{problems}"));
    simulate(&scenario)
}

fn replica(result: &RunResult) -> &ReplicaResult {
    &result.replication.as_ref().expect("it has replicas").replicas[0]
}

#[test]
fn replica_lag_by_info_is_a_thousand_times_the_true_one() {
    let result = run_built_in("replica-lag", &[]);
    let seen = replica(&result);
    // INFO: half a second of 0.74 MB/s. The truth: the way, and a pass of the replica's loop.
    let info = seen.info_lag_bytes.mean();
    assert!((0.35e6..0.42e6).contains(&info), "{info}");
    assert!((250_000..400_000).contains(&seen.lag.quantile(0.5)), "{}", seen.lag.quantile(0.5));
    assert!(seen.lag_bytes.mean() < info / 500.0, "{} {info}", seen.lag_bytes.mean());
    // Lag takes no bandwidth: what is sent is the stream, once.
    let stream = result.replication.as_ref().map_or(0, |replication| replication.stream_bytes);
    let sent = seen.sent_bytes;
    assert!(sent.abs_diff(stream) < 2000, "{sent} {stream}");
    let slow = run_built_in("replica-lag", &["replica.delay=100ms"]);
    assert!(replica(&slow).sent_bytes.abs_diff(stream) < 200_000);
}

#[test]
fn a_stopped_replica_costs_memory_then_a_fork() {
    let result = run_built_in("replica-stopped", &[]);
    let seen = replica(&result);
    assert_eq!((seen.dropped_at.len(), seen.sync_full, seen.sync_partial_ok), (1, 1, 0));
    // Stopped at 60 s; 60 whole seconds without an acknowledgement.
    let dropped = seen.dropped_at[0] / SECOND;
    assert!((119..=122).contains(&dropped), "{dropped}");
    // About 60 s of 1.48 MB/s, less what the sockets took.
    assert!((70 * MIB..90 * MIB).contains(&seen.buffer_bytes_max), "{}", seen.buffer_bytes_max);
    assert_eq!((seen.state, result.counters.forks), ("online", 1));
    let row_max = result.timeline.iter().map(|row| row.replica_buffer_bytes_max).max();
    assert!(row_max.is_some_and(|max| max > 70 * MIB));
    // A short stop within the backlog costs nothing of the kind.
    let short = run_built_in("replica-stopped", &["event.2.at=61s"]);
    assert_eq!((replica(&short).dropped_at.len(), short.counters.forks), (0, 0));
}

#[test]
fn a_full_resync_passes_through_the_main_thread_unless_it_has_a_channel() {
    let result = run_built_in("full-resync", &[]);
    let sync = &replica(&result).syncs[0];
    assert_eq!((sync.kind, sync.outcome), ("diskless", "online"));
    assert!(longest(&result, Cause::Fork) > 10 * MILLISECOND);
    let pieces = sync.bytes.div_ceil(16 << 10);
    let copied = result.busy[Cause::DisklessCopy as usize];
    assert!(copied >= pieces * 5000 && copied <= pieces * 10_000, "{copied} for {pieces} pieces");
    let channel = ["redis.version=\"valkey-8.0\"", "redis.dual-channel-replication-enabled=yes"];
    let other = run_built_in("full-resync", &channel);
    assert_eq!(other.busy[Cause::DisklessCopy as usize], 0);
    assert!(replica(&other).buffer_bytes_max < replica(&result).buffer_bytes_max / 100);
}

#[test]
fn a_resync_loop_is_named_and_a_larger_limit_ends_it() {
    let result = run_built_in("resync-loop", &[]);
    let seen = replica(&result);
    let because = seen.resync_loop.expect("it will never catch up");
    assert!(because.bytes_per_second * because.seconds > because.limit as f64);
    assert!(seen.sync_full >= 5 && result.counters.forks >= 5, "{}", seen.sync_full);
    assert_ne!(seen.state, "online");
    let larger = run_built_in("resync-loop", &["redis.client-output-buffer-limit=replica 1gb 1gb 60"]);
    assert_eq!((replica(&larger).state, replica(&larger).sync_full), ("online", 1));
    assert!(replica(&larger).resync_loop.is_none());
}

const VERSIONS: [&str; 6] = ["2.8", "6.0", "6.2", "7.2", "8.0", "valkey-8.0"];

/// An event on one of two replicas.
fn event() -> impl Strategy<Value = String> {
    let action = prop_oneof![
        Just("replica-stop"),
        Just("replica-start"),
        Just("replica-stall"),
        Just("replica-disconnect"),
        Just("partition"),
        Just("failover"),
        Just("crash"),
    ];
    (1u64..14_000, 1u64..4000, action, 1..3).prop_map(|(at, span, action, replica)| {
        let own = match action {
            "replica-stop" | "replica-start" => format!("replica = \"replica-{replica}\""),
            "replica-stall" | "replica-disconnect" => {
                format!("replica = \"replica-{replica}\"\nfor = \"{span}ms\"")
            }
            "partition" => format!("for = \"{span}ms\"\nelect = \"2s\""),
            _ => format!("restart = \"{}ms\"", span / 4),
        };
        format!("[[event]]\nat = \"{at}ms\"\ndo = \"{action}\"\n{own}\n")
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]
    /// The books are checked at the end of every run; a probe, which turns the quiet path off, changes no count of the
    /// main thread as long as nobody waits for anybody.
    #[test]
    fn the_books_balance_whatever_happens(
        version in 0..VERSIONS.len(),
        diskless in any::<bool>(),
        waits in any::<bool>(),
        logs in any::<bool>(),
        chained in any::<bool>(),
        attach in prop::option::of(0u64..8000),
        events in prop::collection::vec(event(), 0..7),
        seed in any::<u64>(),
    ) {
        let wait = if waits { "wait = { replicas = 1, timeout = \"300ms\" }" } else { "" };
        let attach = attach.map_or(String::new(), |at| format!("attach = \"{at}ms\""));
        let chained = if chained { "[[replica]]\nof = \"replica-2\"\n" } else { "" };
        let text = format!(
            "[redis]\nversion = \"{}\"\nsave = \"2 100\"\nappendonly = {logs}\nrepl-diskless-sync = {diskless}\n\
             repl-diskless-sync-delay = 1\nrepl-timeout = 12\nclient-output-buffer-limit = \"replica 4mb 2mb 2\"\n\
             min-replicas-max-lag = 2\n[dataset]\nkeys = 20000\n\
             [[workload]]\nrate = \"2000/s\"\n{wait}\n\
             [[replica]]\ndelay = \"300us\"\nsocket-buffer = \"256KiB\"\n{attach}\n\
             [[replica]]\nbandwidth = \"5MiB/s\"\napply = \"40us\"\n{chained}{}\n\
             [machine]\nmodel = \"cloud-vm\"\n[run]\nduration = \"15s\"\nwarmup = \"1s\"\nseed = {seed}\n",
            VERSIONS[version],
            events.concat(),
        );
        let scenario = read(&text);
        let result = simulate(&scenario);
        let replication = result.replication.as_ref().expect("it has replicas");
        for replica in &replication.replicas {
            prop_assert!(replica.lag_bytes.count() < 200);
            prop_assert!(replica.buffer_bytes_max < 6 * MIB, "{}", replica.buffer_bytes_max);
        }
        prop_assert_eq!(simulate(&scenario).busy, result.busy);
        let (_, probed) = record(&scenario);
        prop_assert!(probed.completed.abs_diff(result.completed) <= result.completed / 20 + 50);
    }
}
