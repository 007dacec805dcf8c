//! Failing disks, crashes, and settings changed on a running server.

use writepath::cause::Cause;
use writepath::cost_model::CostModel;
use writepath::observe::result::RunResult;
use writepath::units::{MILLISECOND, SECOND};

use super::world::{always, assert_close, blocks, children, on_a_free_machine, s, simulate, times};

/// 1,000 evenly spaced writes (or `workload`) a second for 60 s.
fn faulty(redis: &str, workload: &str, event: &str, price: impl FnOnce(&mut CostModel)) -> RunResult {
    let text = format!(
        "[redis]\nversion = \"7.4\"\n{redis}\n[dataset]\nkeys = \"10k\"\n[[workload]]\nrate = \"1000/s\"\n\
         arrivals = \"uniform\"\n{workload}\n{event}\n[run]\nduration = \"60s\"\nwarmup = \"0s\"\nwindows = []"
    );
    simulate(&on_a_free_machine(&text, |machine| {
        machine.disk.fdatasync = always(0.01);
        price(machine);
    }))
}

const EVERYSEC: &str = "appendonly = true\nappendfsync = \"everysec\"\nsave = \"\"";
const ALWAYS: &str = "appendonly = true\nappendfsync = \"always\"\nsave = \"\"";
const NONE: &str = "appendonly = false\nsave = \"\"";

#[test]
fn a_full_disk_refuses_writes_not_reads_until_there_is_room() {
    let full = "[[event]]\nat = \"20s\"\ndo = \"disk-full\"\nfor = \"10s\"";
    let result = faulty(EVERYSEC, "mix = { SET = 0.5, GET = 0.5 }", full, |_| ());
    // Half of 1,000 a second for 10 s; the draw of the mix has a standard error of 0.7 %.
    assert_close(result.errors.misconf as f64, 5_000.0, 0.03, "refused");
    let read = result.scopes.iter().find(|scope| scope.name == "read").expect("reads");
    assert_close(read.sojourn.count() as f64, 30_000.0, 0.02, "reads");
    assert_eq!(result.completed + result.errors.misconf, 59_999);
    // The write that failed was acknowledged and stays in the buffer: it is written when the disk has room.
    assert_eq!(result.timeline[58].aof_buffer_bytes, 0);
}

#[test]
fn an_always_server_exits_on_a_full_disk_and_every_later_request_finds_nobody() {
    let full = "[[event]]\nat = \"20s\"\ndo = \"disk-full\"\nfor = \"1s\"";
    let result = faulty(ALWAYS, "", full, |_| ());
    assert_eq!(times(&result, "crash").len(), 1);
    assert_close(result.errors.connection_lost as f64, 40_000.0, 0.002, "lost connections");
    assert_eq!(result.completed + result.errors.connection_lost, 59_999);
    assert_eq!(result.loss.process_death_writes_max, 0);
}

#[test]
fn an_always_server_exits_when_its_fdatasync_fails() {
    let fails = "[[event]]\nat = \"20s\"\ndo = \"fsync-fails\"\nfor = \"1s\"";
    let result = faulty(ALWAYS, "", fails, |_| ());
    assert_close(result.errors.connection_lost as f64, 40_000.0, 0.002, "lost connections");
}

#[test]
fn a_failed_background_fsync_refuses_writes_until_one_succeeds() {
    let fails = "[[event]]\nat = \"20.5s\"\ndo = \"fsync-fails\"\nfor = \"1s\"";
    let result = faulty(EVERYSEC, "", fails, |_| ());
    // The one at 21 s fails; what was written beside it is synced 1 s later, and writes are taken again.
    assert_close(result.errors.misconf as f64, 1_000.0, 0.1, "refused");
    // One failed, which the loss has to remember: 2 s and two fdatasyncs instead of 1 s and one.
    assert!(result.loss.machine_death_seconds_max > 1.5, "{}", result.loss.machine_death_seconds_max);
    let none = faulty(EVERYSEC, "", "", |_| ());
    assert!(none.errors.misconf == 0 && none.loss.machine_death_seconds_max < 1.02);
}

#[test]
fn a_process_that_dies_loses_nothing_it_wrote_and_a_machine_what_it_had_not_synced() {
    for (kind, appendonly, lost) in [
        ("process", EVERYSEC, 0.0..1.0),
        ("machine", EVERYSEC, 1.0..1011.0),
        ("process", ALWAYS, 0.0..1.0),
        ("machine", ALWAYS, 0.0..1.0),
        ("process", NONE, 29_990.0..30_010.0),
        ("machine", NONE, 29_990.0..30_010.0),
    ] {
        let crash = format!("[[event]]\nat = \"30s\"\ndo = \"crash\"\nkind = \"{kind}\"\nrestart = \"5s\"");
        let price = |machine: &mut CostModel| {
            if appendonly == ALWAYS {
                machine.disk.fdatasync = always(0.0001);
            }
        };
        let result = faulty(appendonly, "", &crash, price);
        let event = result.events.iter().find(|event| event.cause == "crash").expect("a crash");
        let said: f64 = event.detail.split_whitespace().find_map(|word| word.parse().ok()).expect("a number");
        assert!(lost.contains(&said), "{kind} {appendonly}: {}", event.detail);
        // Who asks during the 5 s of the restart loses the connection; who asks after it is served.
        assert_close(result.errors.connection_lost as f64, 5_000.0, 0.002, "connections");
        assert_eq!(result.completed + result.errors.connection_lost, 59_999, "{kind} {appendonly}");
        assert_eq!(blocks(&result, Cause::Restart).sum, 5 * SECOND);
    }
}

#[test]
fn what_a_crash_lost_is_not_lost_again() {
    let crash = "[[event]]\nat = \"30.9s\"\ndo = \"crash\"\nkind = \"machine\"\nrestart = \"1s\"";
    let result = faulty(EVERYSEC, "", crash, |_| ());
    // The books go on with the next write: up to a second of writes is not safe, neither none nor twice that.
    let unsynced: Vec<_> = result.timeline[40..].iter().map(|row| row.unsynced_writes).collect();
    assert_close(result.loss.machine_death_writes_max as f64, 1010.0, 0.005, "the worst");
    assert!(unsynced.iter().any(|&n| n > 0), "{unsynced:?}");
}

#[test]
fn a_server_without_a_child_after_a_crash_saves_anew_from_its_restart_on() {
    let redis = "appendonly = false\nsave = \"20 1000\"";
    let crash = "[[event]]\nat = \"30s\"\ndo = \"crash\"\nrestart = \"5s\"";
    let result = faulty(redis, "", crash, |machine| machine.child.rdb_per_key = SECOND / 10_000);
    let starts: Vec<f64> = children(&result, "bgsave").iter().map(|child| s(child.start)).collect();
    // The restarted server takes its data for saved at 35 s: the next save comes 20 to 21.1 s later, not at once.
    let after = starts.iter().copied().find(|&start| start > 30.0).expect("one more");
    assert!((55.0..=56.2).contains(&after), "{starts:?}");
}

#[test]
fn a_crash_takes_the_child_and_its_shared_pages_along() {
    let events =
        "[[event]]\nat = \"5s\"\ndo = \"BGSAVE\"\n[[event]]\nat = \"10s\"\ndo = \"crash\"\nrestart = \"1s\"";
    let result = faulty(NONE, "", events, |machine| {
        machine.child.rdb_per_key = SECOND;
        (machine.cow.fault, machine.cow.reprotect, machine.cow.pages_per_set) = (1000, 1000, 0.01);
    });
    assert_eq!((result.counters.children_failed, result.counters.rdb_saves), (1, 0));
    let faults_at = |second: usize| result.timeline[second].busy[Cause::Cow as usize];
    assert!(faults_at(8) > 0, "while the child lives");
    assert_eq!((12..59).map(faults_at).sum::<u64>(), 0, "a new process shares nothing");
}

#[test]
fn config_set_appendfsync_takes_effect_at_once() {
    let set = "[[event]]\nat = \"30s\"\ndo = \"CONFIG SET appendfsync always\"";
    let result = faulty(EVERYSEC, "", set, |machine| machine.disk.fdatasync = always(0.0001));
    // 30 of everysec, then one for each of 30,000 writes.
    assert_close(result.counters.aof_fsyncs as f64, 30_030.0, 0.002, "fdatasyncs");
    let set = "[[event]]\nat = \"30s\"\ndo = \"CONFIG SET appendfsync no\"";
    assert!((30..=31).contains(&faulty(EVERYSEC, "", set, |_| ()).counters.aof_fsyncs));
}

#[test]
fn config_set_save_and_hz_take_effect_at_once() {
    let set = "[[event]]\nat = \"30s\"\ndo = \"CONFIG SET save '10 100'\"";
    let result = faulty(NONE, "", set, |_| ());
    let first = children(&result, "bgsave")[0];
    // 30 s are long since the last save, so the next serverCron forks.
    assert!(first.start >= 30 * SECOND && first.start <= 30 * SECOND + 101 * MILLISECOND, "{}", first.start);
    let set = "[[event]]\nat = \"30s\"\ndo = \"CONFIG SET hz 100\"";
    let result = faulty(NONE, "", set, |_| ());
    // 300 in the first half, 3,000 in the second.
    assert_close(result.counters.crons as f64, 3_300.0, 0.01, "serverCrons");
}

#[test]
fn turning_the_aof_on_rewrites_it_at_once() {
    let set = "[[event]]\nat = \"30s\"\ndo = \"CONFIG SET appendonly yes\"";
    let result = faulty(NONE, "", set, |machine| machine.child.rdb_per_key = SECOND / 10_000);
    let child = children(&result, "aof-rewrite")[0];
    assert!(child.start >= 30 * SECOND && child.start <= 30 * SECOND + 101 * MILLISECOND, "{}", child.start);
    assert_close(result.counters.aof_bytes as f64, 30_000.0 * 146.0, 0.02, "bytes from then on");
}

#[test]
fn another_programs_writes_make_fdatasyncs_busy_while_they_last() {
    let event = "[[event]]\nat = \"20s\"\ndo = \"foreign-writer\"\nrate = \"100MiB/s\"\nfor = \"20s\"";
    let result = faulty(ALWAYS, "", event, |machine| {
        machine.disk.bandwidth = 100.0 * 1024.0 * 1024.0;
        (machine.disk.fdatasync, machine.disk.fdatasync_busy) = (always(0.001), always(0.005));
    });
    let totals = blocks(&result, Cause::AofFsyncAlways);
    assert_eq!(totals.longest, 5 * MILLISECOND);
    // 20 s of fdatasyncs of 5 ms back to back are 4,000; 40 s with one a millisecond.
    let busy: u64 = result.timeline[21..39].iter().map(|row| row.eventloop_cycles).sum();
    assert_close(busy as f64, 18.0 * 200.0, 0.03, "turns beside the other program");
}
