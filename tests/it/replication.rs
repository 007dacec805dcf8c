//! Replication: the stream, its lag, limits of output buffers, and resynchronisation, against closed forms.
//!
//! A SET of the scenarios below is 148 bytes of the stream (key of 20 B, value of 100 B), sent at equal gaps, so that
//! W, the bytes a second, is exact.

use proptest::prelude::*;
use writepath::cause::Cause;
use writepath::observe::replicas::{ReplicaResult, ReplicationResult};
use writepath::observe::result::RunResult;
use writepath::redis::backlog::Backlog;
use writepath::redis::version::Version;
use writepath::scenario::Scenario;
use writepath::units::{KIB, MIB, MILLISECOND, Nanos, SECOND};

use super::support::record;
use super::world::{on_a_free_machine, simulate, times};

/// Bytes of one SET.
const SET: u64 = 148;

/// SETs at equal gaps, with replicas and events as `more` says.
fn text(rate: u64, seconds: u64, redis: &str, more: &str) -> String {
    format!(
        "[redis]\nsave = \"\"\n{redis}\n[dataset]\nkeys = 10000\n\
         [[workload]]\nrate = \"{rate}/s\"\narrivals = \"uniform\"\n{more}\n\
         [run]\nduration = \"{seconds}s\"\nwarmup = \"0s\"\n"
    )
}

fn free(rate: u64, seconds: u64, redis: &str, more: &str) -> Scenario {
    on_a_free_machine(&text(rate, seconds, redis, more), |_| ())
}

fn replication(result: &RunResult) -> &ReplicationResult {
    result.replication.as_ref().expect("the scenario has replicas")
}

fn replica(result: &RunResult) -> &ReplicaResult {
    &replication(result).replicas[0]
}

const ONE: &str = "[[replica]]\ndelay = \"50ms\"\n";

#[test]
fn true_lag_is_what_is_under_way_and_info_shows_half_a_second_more() {
    let result = simulate(&free(10_000, 60, "", ONE));
    let rate = (10_000 * SET) as f64;
    let seen = replica(&result);
    // Little: bytes under way = W × 50 ms.
    assert!((seen.lag_bytes.mean() / (rate * 0.05) - 1.0).abs() < 0.01, "{}", seen.lag_bytes.mean());
    assert!(seen.lag.quantile(0.5).abs_diff(50 * MILLISECOND) < MILLISECOND);
    // An acknowledgement is 50 ms old when it comes, tells of bytes that took 50 ms, and stands for a second. A look
    // every 100 ms sees the mean of that ramp to ± 50 ms.
    let info = seen.info_lag_bytes.mean() / rate;
    assert!((info - 0.6).abs() < 0.051, "{info} s");
    assert!(seen.info_lag_bytes.max() as f64 <= rate * 1.11);
}

#[test]
fn every_byte_of_the_stream_is_applied_once() {
    let schedule = "schedule = [[\"0s\", \"20000/s\"], [\"5s\", \"0/s\"]]";
    for version in ["6.2", "7.2", "valkey-8.0"] {
        let redis = format!("version = \"{version}\"");
        let more =
            "[[replica]]\n[[replica]]\ndelay = \"3ms\"\napply = \"20us\"\n[[replica]]\nof = \"replica-2\"\n";
        let text = text(1, 20, &redis, more).replace("rate = \"1/s\"", schedule);
        let result = simulate(&on_a_free_machine(&text, |_| ()));
        let replication = replication(&result);
        // SETs, one SELECT, and a PING at 0 and 10 s.
        let pings = 2 * 14;
        assert_eq!(replication.stream_bytes, result.completed * SET + 23 + pings, "{version}");
        for replica in &replication.replicas {
            assert_eq!(replica.applied_offset, replication.stream_bytes, "{version} {}", replica.name);
            assert_eq!(replica.state, "online");
        }
        // Those of the primary acknowledge it; a replica of a replica does to its own.
        assert_eq!(replication.replicas[1].acked_offset, replication.stream_bytes);
    }
}

#[test]
fn an_idle_primary_still_pings() {
    let reads = text(10, 95, "", ONE).replace("arrivals", "operation = \"GET\"\narrivals");
    let result = simulate(&on_a_free_machine(&reads, |_| ()));
    assert_eq!(replication(&result).stream_bytes, 10 * 14);
    let result =
        simulate(&on_a_free_machine(&reads.replace("save", "repl-ping-replica-period = 30\nsave"), |_| ()));
    assert_eq!(replication(&result).stream_bytes, 4 * 14);
}

#[test]
fn a_replica_that_costs_nothing_changes_no_time() {
    let alone = simulate(&free(20_000, 10, "appendonly = true", ""));
    let with = simulate(&free(20_000, 10, "appendonly = true", "[[replica]]\n[[replica]]\n"));
    assert_eq!(alone.scopes[0].sojourn.sum(), with.scopes[0].sojourn.sum());
    assert_eq!((alone.completed, alone.busy), (with.completed, with.busy));
}

#[test]
fn the_quiet_path_does_what_the_general_one_does() {
    for more in ["[[replica]]\n", "[[replica]]\n[[replica]]\n[[replica]]\n"] {
        for mix in ["operation = \"SET\"", "mix = { SET = 0.4, GET = 0.6 }"] {
            let text = text(5000, 20, "appendonly = true", more).replace("arrivals = \"uniform\"", mix);
            let mut scenario = super::world::read(&text);
            scenario.machine.machine.cores = 1;
            let (_, general) = record(&scenario);
            let quiet = simulate(&scenario);
            assert_eq!(general.busy, quiet.busy, "{mix}");
            assert_eq!(general.scopes[0].sojourn.sum(), quiet.scopes[0].sojourn.sum());
            let bytes = |result| replication(result).stream_bytes;
            assert_eq!(bytes(&general), bytes(&quiet));
            // The quiet path passes on its turns in bulk: offsets between are in proportion.
            let acked = [&general, &quiet].map(|result| replica(result).acked_offset);
            assert!(acked[0].abs_diff(acked[1]) < 10 * SET, "{acked:?}");
        }
    }
}

#[test]
fn each_replica_has_a_copy_up_to_6_2_and_shares_one_from_7_0_on() {
    let busy = |version: &str, replicas: usize| {
        let more = "[[replica]]\n".repeat(replicas);
        let text = text(2000, 10, &format!("version = \"{version}\""), &more);
        let result = simulate(&on_a_free_machine(&text, |machine| machine.cpu.replica_command = 1000));
        result.busy[Cause::Command as usize] as f64 / result.completed as f64
    };
    for replicas in 1..=5 {
        assert_eq!(busy("6.2", replicas), 1000.0 * replicas as f64);
        let shared = busy("7.2", replicas);
        assert!((shared - 1000.0 - 80.0 * (replicas - 1) as f64).abs() < 1.0, "{shared}");
    }
}

/// When a replica stopped at 2 s is dropped, without a limit of time.
fn dropped(redis: &str, seconds: u64) -> (Option<Nanos>, RunResult) {
    let redis = format!("repl-timeout = 100000\n{redis}");
    let more = "[[replica]]\nsocket-buffer = \"1MiB\"\ndelay = \"0s\"\n[[event]]\nat = \"2s\"\ndo = \"replica-stop\"\n";
    let result = simulate(&free(10_000, seconds, &redis, more));
    (replica(&result).dropped_at.first().copied(), result)
}

#[test]
fn the_hard_limit_is_met_when_socket_and_buffer_are_full() {
    let limits = "client-output-buffer-limit = \"replica 8mb 0 0\"";
    let (at, result) = dropped(limits, 20);
    let expected = 2.0 + (9 * MIB) as f64 / (10_000 * SET) as f64;
    let at = at.expect("it was dropped") as f64 / SECOND as f64;
    assert!((at - expected).abs() < 0.001, "{at} s, expected {expected}");
    let max = replica(&result).buffer_bytes_max;
    assert!((8 * MIB..8 * MIB + 2 * SET).contains(&max), "{max}");
    assert_eq!(replica(&result).state, "disconnected");
    // From 7.0 on a limit below the backlog is raised to it.
    let raised = format!("{limits}\nrepl-backlog-size = \"16mb\"");
    assert!(dropped(&raised, 12).0.is_none(), "16 MiB are not full yet");
}

#[test]
fn the_soft_limit_waits_its_seconds() {
    let (at, _) = dropped("client-output-buffer-limit = \"replica 0 2mb 10\"", 30);
    let reached = 2.0 + (3 * MIB) as f64 / (10_000 * SET) as f64;
    let after = at.expect("it was dropped") as f64 / SECOND as f64 - reached;
    // Whole seconds, strictly more than ten.
    assert!((10.0..=12.0).contains(&after), "{after} s");
}

#[test]
fn silence_is_cut_after_repl_timeout() {
    let more = "[[replica]]\n[[event]]\nat = \"5s\"\ndo = \"replica-stop\"\n";
    let result = simulate(&free(100, 60, "repl-timeout = 20", more));
    let at = replica(&result).dropped_at[0] as f64 / SECOND as f64;
    // The last acknowledgement is up to a second old; seconds are whole and strictly more.
    assert!((24.0..=27.0).contains(&at), "{at} s");
}

#[test]
fn a_short_cut_is_resumed_iff_the_backlog_reaches_back() {
    // A ring of 1 MiB holds 0.7085 s of this stream. The replica asks again at once from 7.0 on, in its next
    // replicationCron before.
    let backlog_s = MIB as f64 / (10_000 * SET) as f64;
    for (cut_ms, version) in
        [(200, "7.2"), (600, "7.2"), (690, "7.2"), (790, "7.2"), (2000, "7.2"), (3000, "6.2")]
    {
        let more = format!(
            "[[replica]]\ndelay = \"100us\"\n[[event]]\nat = \"5s\"\ndo = \"replica-disconnect\"\nfor = \"{cut_ms}ms\"\n"
        );
        let redis = format!("version = \"{version}\"\nrepl-diskless-sync-delay = 0");
        let result = simulate(&free(10_000, 20, &redis, &more));
        let replica = replica(&result);
        let fits = cut_ms as f64 / 1000.0 < backlog_s;
        assert_eq!((replica.sync_partial_ok, replica.sync_full), (fits as u64, !fits as u64), "{cut_ms} ms");
        assert_eq!(replica.state, "online", "{cut_ms} ms");
        assert_eq!(result.counters.sync_full, replica.sync_full);
        assert_eq!(result.counters.forks, replica.sync_full);
    }
}

proptest! {
    #[test]
    fn a_partial_resync_is_accepted_iff_the_offset_lies_in_the_window(
        size in 16 * KIB..4 * MIB,
        writes in prop::collection::vec(1u64..200_000, 1..200),
        ask in 0u64..40_000_000,
    ) {
        let mut ring = Backlog::new(Version::redis(6, 2), size, 0);
        let mut list = Backlog::new(Version::redis(7, 2), size, 0);
        let mut end = 0;
        for write in writes {
            end += write;
            ring.feed(end, end);
            list.feed(end, end);
            ring.check(end);
            list.check(end);
        }
        prop_assert_eq!(ring.holds(ask), ask <= end && ask + size >= end);
        // Blocks keep at least the size, and less than two blocks more.
        let block = (16 * KIB).max(size / 16);
        if ask <= end && ask + size >= end {
            prop_assert!(list.holds(ask));
        }
        if ask > end || ask + size + 2 * block < end {
            prop_assert!(!list.holds(ask));
        }
        prop_assert_eq!(list.first_byte_offset() + list.histlen(), end + 1);
    }
}

/// A full resynchronisation whose snapshot takes `load_s` to load, at W = 1.48 MB/s against a limit of 16 MiB.
fn resync(load_mib_s: f64, redis: &str, seconds: u64) -> RunResult {
    let more = format!(
        "[[replica]]\nattach = \"2s\"\ndelay = \"100us\"\nsocket-buffer = \"64KiB\"\nload = \"{load_mib_s}MiB/s\"\n"
    );
    let redis = format!("client-output-buffer-limit = \"replica 16mb 0 0\"\n{redis}");
    simulate(&free(10_000, seconds, &redis, &more))
}

#[test]
fn a_resync_loops_iff_rate_times_time_exceeds_the_limit() {
    // 10,000 keys of 123 B or so in the file: about 1.2 MB.
    let size = replica(&resync(100.0, "", 20)).syncs[0].bytes as f64;
    let limit_s = (16 * MIB) as f64 / (10_000 * SET) as f64;
    for (load_s, loops) in [(limit_s * 0.9, false), (limit_s * 1.1, true)] {
        let result = resync(size / load_s / MIB as f64, "", 60);
        let seen = replica(&result);
        assert_eq!(seen.resync_loop.is_some(), loops, "{load_s} s");
        assert_eq!(seen.state == "online", !loops);
        if let Some(because) = seen.resync_loop {
            assert!((because.bytes_per_second / (10_000 * SET) as f64 - 1.0).abs() < 0.01, "{because:?}");
            assert!(because.bytes_per_second * because.seconds > because.limit as f64);
            assert!(seen.sync_full >= 3 && seen.syncs_dropped >= 2, "it tries again and again: {seen:?}");
            let gap = seen.dropped_at[1] - seen.dropped_at[0];
            // Five whole seconds of repl-diskless-sync-delay, and the limit's time.
            assert!((gap as f64 / SECOND as f64 - limit_s - 5.5).abs() < 1.1, "{gap}");
        }
    }
}

#[test]
fn a_diskless_snapshot_passes_through_the_main_thread_in_pieces() {
    let more = "[[replica]]\nattach = \"2s\"\nbandwidth = \"10MiB/s\"\n";
    let busy = |redis: &str, cause: Cause| {
        let text = text(100, 60, redis, more).replace("keys = 10000", "keys = \"1M\"");
        let result = simulate(&on_a_free_machine(&text, |machine| machine.cpu.pipe_copy = 7000));
        let sync = replica(&result).syncs[0].clone();
        assert_eq!(sync.outcome, "online", "{redis}");
        (result.busy[cause as usize], sync, result)
    };
    let (copied, sync, result) = busy("repl-diskless-sync-delay = 5", Cause::DisklessCopy);
    assert_eq!(copied, sync.bytes.div_ceil(16 * KIB) * 7000);
    let transfer = sync.bytes as f64 / (10 * MIB) as f64;
    let took = sync.duration as f64 / SECOND as f64;
    // The delay is counted in whole seconds and looked at once a second.
    assert!((took - transfer - 5.5).abs() < 1.1, "{took} s for {transfer} s of transfer");
    assert_eq!(result.counters.rdb_saves, 0, "a snapshot to sockets is no save");
    let (sent, sync, result) = busy("repl-diskless-sync = \"no\"", Cause::RdbSend);
    assert_eq!((sent, sync.kind), (sync.bytes.div_ceil(16 * KIB) * 7000, "disk"));
    assert_eq!(result.counters.rdb_saves, 1);
    let channel = "version = \"valkey-8.0\"\ndual-channel-replication-enabled = \"yes\"";
    let (copied, sync, result) = busy(channel, Cause::DisklessCopy);
    assert_eq!((copied, sync.kind), (0, "rdb-channel"));
    let (_, _, through_main) = busy("version = \"valkey-8.0\"", Cause::DisklessCopy);
    let buffers = [&result, &through_main].map(|result| replica(result).buffer_bytes_max);
    assert!(buffers[0] < 1000 && buffers[1] > 100_000, "the stream waits at the replica: {buffers:?}");
}

#[test]
fn replicas_that_come_together_share_a_snapshot() {
    let more = "[[replica]]\nattach = \"2s\"\n[[replica]]\nattach = \"4s\"\n[[replica]]\nattach = \"30s\"\n";
    for (redis, forks) in [
        ("repl-diskless-sync-delay = 5", 2),
        ("repl-diskless-sync-delay = 0", 3),
        ("repl-diskless-sync-delay = 5\nrepl-diskless-sync-max-replicas = 1", 3),
        ("repl-diskless-sync = \"no\"", 3),
    ] {
        let result = simulate(&free(100, 60, redis, more));
        assert_eq!(result.counters.forks, forks, "{redis}");
        assert_eq!(result.counters.sync_full, 3);
        assert!(replication(&result).replicas.iter().all(|replica| replica.state == "online"), "{redis}");
        assert_eq!(times(&result, "replica-online").len(), 3);
    }
}
