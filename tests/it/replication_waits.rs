//! What clients wait for: WAIT, WAITAOF, min-replicas-to-write; and what is lost when the primary changes.

use writepath::observe::replicas::ReplicationResult;
use writepath::observe::result::RunResult;
use writepath::scenario::Scenario;
use writepath::units::{MICROSECOND, MILLISECOND, Nanos, SECOND};

use super::support::record;
use super::world::{on_a_free_machine, read, simulate, times};

/// One client in a closed loop that waits as `wait` says.
fn closed(redis: &str, wait: &str, seconds: u64, more: &str) -> Scenario {
    let text = format!(
        "[redis]\nsave = \"\"\n{redis}\n[dataset]\nkeys = 1000\n\
         [[workload]]\nloop = \"closed\"\nconnections = 1\n{wait}\n{more}\n\
         [run]\nduration = \"{seconds}s\"\nwarmup = \"0s\"\n"
    );
    on_a_free_machine(&text, |machine| {
        machine.disk.fdatasync = writepath::dist::Dist::Fixed((10 * MILLISECOND) as f64);
        machine.disk.fdatasync_busy = machine.disk.fdatasync.clone();
    })
}

fn open(rate: u64, redis: &str, seconds: u64, more: &str) -> Scenario {
    let text = format!(
        "[redis]\nsave = \"\"\n{redis}\n[dataset]\nkeys = 1000\n\
         [[workload]]\nrate = \"{rate}/s\"\narrivals = \"uniform\"\n{more}\n\
         [run]\nduration = \"{seconds}s\"\nwarmup = \"0s\"\n"
    );
    on_a_free_machine(&text, |_| ())
}

fn replication(result: &RunResult) -> &ReplicationResult {
    result.replication.as_ref().expect("the scenario has replicas")
}

fn p50(result: &RunResult) -> Nanos {
    result.scopes[0].sojourn.quantile(0.5)
}

/// Whether `value` is within one part in `parts` of `expected`.
fn near(value: Nanos, expected: Nanos, parts: u64) -> bool {
    value.abs_diff(expected) <= expected / parts
}

const TWO: &str = "[[replica]]\ndelay = \"1ms\"\n[[replica]]\ndelay = \"5ms\"\n";

#[test]
fn wait_takes_a_round_trip_to_the_slowest_of_those_waited_for() {
    for (replicas, round_trip) in [(1, 2 * MILLISECOND), (2, 10 * MILLISECOND)] {
        let wait = format!("wait = {{ replicas = {replicas}, timeout = \"1s\" }}");
        let result = simulate(&closed("", &wait, 10, TWO));
        assert!(near(p50(&result), round_trip, 200), "{} for {replicas}", p50(&result));
        let waits = replication(&result).waits;
        assert_eq!((waits.timed_out, waits.acknowledged), (0, result.completed));
        assert!(waits.waited - waits.acknowledged <= 1);
        // One GETACK a turn, and the replicas answer each.
        let expected = 10 * SECOND / round_trip;
        assert!(near(result.completed, expected, 50), "{} of {expected}", result.completed);
    }
    // Without a wait the loop does not know of replicas.
    let result = simulate(&closed("", "think = \"1ms\"", 2, TWO));
    assert!(p50(&result) < MICROSECOND);
}

#[test]
fn wait_never_returns_early() {
    let more = "[[replica]]\ndelay = \"700us\"\napply = \"30us\"\n\
                [[event]]\nat = \"2s\"\ndo = \"replica-stall\"\nfor = \"300ms\"\n\
                [[event]]\nat = \"4s\"\ndo = \"replica-stop\"\n[[event]]\nat = \"5s\"\ndo = \"replica-start\"\n\
                [[event]]\nat = \"6s\"\ndo = \"partition\"\nfor = \"400ms\"\n\
                [[event]]\nat = \"8s\"\ndo = \"replica-disconnect\"\nfor = \"200ms\"\n";
    for version in ["6.2", "7.2", "valkey-8.0"] {
        let text = format!(
            "[redis]\nsave = \"\"\nversion = \"{version}\"\n[[workload]]\nrate = \"3000/s\"\nconnections = 200\n\
             wait = {{ replicas = 1, timeout = \"10s\" }}\n{more}\n[run]\nduration = \"12s\"\nwarmup = \"0s\"\n"
        );
        let (replied, result) = record(&read(&text));
        let round_trip = 1400 * MICROSECOND;
        assert!(replied.len() > 25_000, "{}", replied.len());
        for seen in &replied {
            assert!(seen.sent_at >= seen.executed_at + round_trip, "{version}: {seen:?}");
            let stopped = |from: Nanos, until: Nanos| {
                let during = seen.executed_at > from && seen.executed_at < until;
                !during || seen.sent_at >= until
            };
            assert!(stopped(2 * SECOND, 2300 * MILLISECOND), "{version}: {seen:?}");
            assert!(stopped(4 * SECOND, 5 * SECOND), "{version}: {seen:?}");
            assert!(stopped(6 * SECOND, 6400 * MILLISECOND), "{version}: {seen:?}");
        }
        assert_eq!(replication(&result).waits.timed_out, 0, "{version}");
    }
}

#[test]
fn a_wait_on_a_stopped_replica_times_out() {
    let more = "[[replica]]\n[[event]]\nat = \"1s\"\ndo = \"replica-stop\"\n";
    let result = simulate(&closed("", "wait = { replicas = 1, timeout = \"500ms\" }", 11, more));
    let waits = replication(&result).waits;
    // Ten seconds of half a second each, seen by serverCron up to 100 ms later.
    assert!((16..=20).contains(&waits.timed_out), "{waits:?}");
    let longest = result.scopes[0].sojourn.max();
    assert!((500 * MILLISECOND..=610 * MILLISECOND).contains(&longest), "{longest}");
}

#[test]
fn waitaof_waits_for_fsyncs() {
    let wait = |local, replicas| {
        format!("waitaof = {{ local = {local}, replicas = {replicas}, timeout = \"10s\" }}")
    };
    let aof = "appendonly = true\nauto-aof-rewrite-percentage = 0";
    // Everysec: the next fsync, a second after the last one; its end is seen by the next turns.
    for version in ["7.2", "7.4", "valkey-8.0"] {
        let redis = format!("version = \"{version}\"\n{aof}");
        let result = simulate(&closed(&redis, &wait(1, 0), 60, "[[replica]]\n"));
        let median = p50(&result);
        assert!((900 * MILLISECOND..=1350 * MILLISECOND).contains(&median), "{version}: {median}");
        assert_eq!(replication(&result).waits.timed_out, 0);
    }
    let always = format!("{aof}\nappendfsync = \"always\"\nversion = \"7.4\"");
    let result = simulate(&closed(&always, &wait(1, 0), 10, "[[replica]]\n"));
    assert!(near(p50(&result), 10 * MILLISECOND, 20), "{}", p50(&result));
    // A replica's own fsync, once a second, and its acknowledgement, once a second too.
    let replica = "[[replica]]\nappendonly = true\nfsync = \"10ms\"\n";
    let result = simulate(&closed(aof, &wait(0, 1), 60, replica));
    assert!((500 * MILLISECOND..=2100 * MILLISECOND).contains(&p50(&result)), "{}", p50(&result));
    assert!(result.completed > 25);
}

#[test]
fn writes_are_refused_without_good_replicas() {
    let more = "[[replica]]\n[[event]]\nat = \"10s\"\ndo = \"replica-stop\"\n\
                [[event]]\nat = \"30s\"\ndo = \"replica-start\"\n";
    let redis = "min-replicas-to-write = 1\nmin-replicas-max-lag = 5";
    let result = simulate(&open(1000, redis, 60, more));
    // The last acknowledgement is up to 1 s old, its age is counted in whole seconds and looked at once a second;
    // after the start both come back within 2 s.
    let refused = result.errors.noreplicas as f64 / 1000.0;
    assert!((12.5..=17.0).contains(&refused), "{refused} s");
    assert_eq!(result.completed + result.errors.noreplicas, result.requests);
    assert_eq!(simulate(&open(1000, "", 60, more)).errors.noreplicas, 0);
}

#[test]
fn a_failover_loses_what_was_under_way() {
    let more = "[[replica]]\nname = \"far\"\ndelay = \"80ms\"\n[[replica]]\nname = \"near\"\ndelay = \"50ms\"\n\
                [[event]]\nat = \"10s\"\ndo = \"failover\"\nrestart = \"2s\"\n";
    let result = simulate(&open(10_000, "repl-diskless-sync-delay = 0", 30, more));
    let failover = &replication(&result).failovers[0];
    assert_eq!((failover.to.as_str(), failover.at), ("near", 10 * SECOND));
    assert!(failover.acknowledged_writes_lost.abs_diff(500) <= 2, "{failover:?}");
    assert!(failover.bytes_lost.abs_diff(500 * 148) <= 300);
    // Who had less goes on by the second id; the old primary has more, and starts anew.
    let [far, near] = &replication(&result).replicas[..] else { panic!("two replicas") };
    assert_eq!((far.sync_partial_ok, far.sync_full), (1, 0), "{far:?}");
    assert_eq!(
        (near.sync_partial_ok, near.sync_full, near.acknowledged_writes_lost),
        (0, 1, failover.acknowledged_writes_lost)
    );
    assert!(near.state == "online" && far.state == "online");
    assert!(result.errors.connection_lost.abs_diff(20_000) <= 2, "{:?}", result.errors);
    // The one that is named loses more.
    let named = more.replace("restart", "to = \"far\"\nrestart");
    let result = simulate(&open(10_000, "", 30, &named));
    assert!(replication(&result).failovers[0].acknowledged_writes_lost.abs_diff(800) <= 2);
}

#[test]
fn who_waited_loses_nothing() {
    let more =
        "[[replica]]\ndelay = \"50ms\"\n[[event]]\nat = \"10s\"\ndo = \"failover\"\nrestart = \"1s\"\n";
    let wait = "connections = 5000\nwait = { replicas = 1, timeout = \"5s\" }\n";
    let result = simulate(&open(10_000, "", 15, &format!("{wait}{more}")));
    assert_eq!(replication(&result).failovers[0].acknowledged_writes_lost, 0);
    assert!(replication(&result).failovers[0].bytes_lost > 400 * 148);
}

#[test]
fn an_isolated_primary_loses_what_it_acknowledged() {
    let partition = |elect: &str| {
        format!(
            "[[replica]]\n[[event]]\nat = \"10s\"\ndo = \"partition\"\nfor = \"40s\"\nelect = \"{elect}\"\n"
        )
    };
    let lost = |redis: &str, elect: &str| {
        let result = simulate(&open(1000, redis, 80, &partition(elect)));
        assert_eq!(replication(&result).replicas[0].state, "online");
        replication(&result).failovers.first().map_or(0, |failover| failover.acknowledged_writes_lost)
    };
    assert!(lost("", "15s").abs_diff(40_000) <= 2);
    // Bounded by the age of the last acknowledgement: five whole seconds, and up to two.
    let bounded = lost("min-replicas-to-write = 1\nmin-replicas-max-lag = 5", "15s");
    assert!((4000..=7500).contains(&bounded), "{bounded}");
    // Healed before anybody else was chosen: nothing is lost.
    assert_eq!(lost("", "60s"), 0);
}

#[test]
fn a_replica_of_a_replica_is_behind_by_both_ways() {
    let more = "[[replica]]\ndelay = \"20ms\"\n[[replica]]\nof = \"replica-1\"\ndelay = \"30ms\"\n";
    let result = simulate(&open(5000, "", 30, more));
    let [first, second] = &replication(&result).replicas[..] else { panic!("two replicas") };
    let rate = 5000.0 * 148.0;
    assert!((first.lag_bytes.mean() / (rate * 0.02) - 1.0).abs() < 0.02);
    assert!((second.lag_bytes.mean() / (rate * 0.05) - 1.0).abs() < 0.05, "{}", second.lag_bytes.mean());
    // The primary has one replica to feed.
    assert!(second.buffer_bytes_max == 0 && second.of.as_deref() == Some("replica-1"));
}

#[test]
fn a_crash_of_the_primary_costs_its_replicas_a_full_resync() {
    let more = "[[replica]]\n[[event]]\nat = \"10s\"\ndo = \"crash\"\nrestart = \"3s\"\n";
    let result = simulate(&open(1000, "appendonly = true\nrepl-diskless-sync-delay = 0", 30, more));
    let replica = &replication(&result).replicas[0];
    assert_eq!((replica.sync_full, replica.state), (1, "online"));
    assert_eq!(times(&result, "crash").len(), 1);
}
