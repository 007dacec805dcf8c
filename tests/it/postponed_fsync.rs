//! `everysec` behind a slow disk: the postponed write(2), its stall, and what a crash loses then.
//!
//! One fdatasync takes F, always. Nothing else costs anything, so a stall is max(0, F − D), where D is how long the
//! write was postponed: 2 s by a millisecond clock (7.4 on), 1 to 2 s by a clock of whole seconds.

use writepath::cause::Cause;
use writepath::observe::result::RunResult;
use writepath::units::{MILLISECOND, SECOND};

use super::world::{always, assert_close, blocks, longest, on_a_free_machine, s, simulate, sojourn, times};

const RATE: f64 = 1000.0;

/// 1,000 evenly spaced writes a second for `seconds`, one fdatasync takes `f` seconds.
fn slow_disk(version: &str, f: f64, seconds: u64, more: &str, waits: bool) -> RunResult {
    let text = format!(
        "[redis]\nversion = \"{version}\"\nappendonly = true\nsave = \"\"\n{more}\n\
         [dataset]\nkeys = 1000\n[[workload]]\nrate = \"1000/s\"\narrivals = \"uniform\"\n\
         [run]\nduration = \"{seconds}s\"\nwarmup = \"0s\"\nwindows = []"
    );
    simulate(&on_a_free_machine(&text, |machine| {
        machine.disk.fdatasync = always(f);
        machine.disk.write_waits_for_fdatasync = waits;
    }))
}

#[test]
fn an_fdatasync_of_less_than_a_second_stalls_nobody_and_delays_no_reply() {
    for version in ["6.2", "7.2", "7.4", "valkey-8.1"] {
        for f in [0.1, 0.5, 0.99] {
            let result = slow_disk(version, f, 60, "", true);
            assert_eq!(blocks(&result, Cause::AofWritePendingFsync).count, 0, "{version} {f}");
            assert_eq!((result.counters.aof_delayed_fsync, sojourn(&result, 1.0)), (0, 0), "{version} {f}");
        }
    }
}

#[test]
fn with_a_millisecond_clock_a_write_stalls_for_what_the_fdatasync_takes_beyond_two_seconds() {
    for version in ["7.4", "8.0", "valkey-8.0", "valkey-9.0"] {
        for (f, stall) in [(1.5, 0.0), (1.99, 0.0), (2.5, 0.5), (3.0, 1.0), (4.0, 2.0)] {
            let result = slow_disk(version, f, 120, "", true);
            // The first write that meets the running fdatasync comes at most one gap of 1 ms after its start, and the
            // write that is forced one gap after the 2 s are over.
            let gap = s(longest(&result, Cause::AofWritePendingFsync)) - stall;
            assert!((-0.0021..=0.0).contains(&gap), "{version} {f}: {gap}");
            if stall > 0.0 {
                assert_eq!(
                    blocks(&result, Cause::AofWritePendingFsync).count,
                    result.counters.aof_delayed_fsync
                );
                assert!(result.counters.aof_delayed_fsync > 10, "{version} {f}");
            }
        }
    }
}

#[test]
fn with_a_clock_of_whole_seconds_a_write_is_forced_after_one_to_two_seconds() {
    for version in ["6.2", "7.0", "7.2", "valkey-7.2"] {
        for f in [1.5, 2.5, 3.7] {
            let result = slow_disk(version, f, 300, "", true);
            let stalls = blocks(&result, Cause::AofWritePendingFsync);
            let (least, most) = (f64::max(0.0, f - 2.0) - 0.11, f - 1.0);
            assert!(s(stalls.longest) <= most, "{version} {f}: {}", s(stalls.longest));
            // The end of an fdatasync drifts against the whole seconds unless it begins on one, and it does: fsyncs
            // are aligned to them. So the postponement is nearly 2 s each time, less the 0.1 s of a serverCron
            // before 7.2, whose clock is not looked at in between.
            if f > 2.0 {
                assert!(s(stalls.sum) / stalls.count as f64 >= least, "{version} {f}");
                assert_eq!(stalls.count, result.counters.aof_delayed_fsync);
            }
        }
    }
}

#[test]
fn the_two_clocks_differ_when_an_fdatasync_begins_within_a_second() {
    // At 7.4 an fdatasync of 1.5 s is never waited for. With whole seconds it is when it began late in one: the
    // first fsync does, at the start of the run, whose place within a second the seed decides.
    let stalls = |version: &str| {
        let stalled = |seed: u64| {
            let text = format!(
                "[redis]\nversion = \"{version}\"\nappendonly = true\nsave = \"\"\n[dataset]\nkeys = 1000\n\
                 [[workload]]\nrate = \"1000/s\"\narrivals = \"uniform\"\n[run]\nduration = \"10s\"\nwarmup = \"0s\"\n\
                 windows = []\nseed = {seed}"
            );
            let result = simulate(&on_a_free_machine(&text, |machine| {
                machine.disk.fdatasync = always(1.5);
                machine.disk.write_waits_for_fdatasync = true;
            }));
            longest(&result, Cause::AofWritePendingFsync)
        };
        (0..20).map(stalled).collect::<Vec<_>>()
    };
    assert!(stalls("7.4").iter().all(|&stall| stall == 0));
    let old = stalls("7.2");
    let longest = old.iter().max().copied().unwrap_or(0);
    // A write postponed at 0.9 s of a second is forced at 2.0 s: 1.1 s later, so 0.4 s remain; never more than 0.5 s.
    assert!(longest > 250 * MILLISECOND && longest <= 500 * MILLISECOND, "{old:?}");
}

#[test]
fn replies_of_postponed_turns_go_out_all_the_same() {
    // 1.9 s of each fdatasync are postponed and no more; every reply is immediate although the buffer fills.
    let result = slow_disk("7.4", 1.9, 60, "", true);
    assert_eq!((result.completed, sojourn(&result, 1.0)), (59_999, 0));
    let fullest = result.timeline.iter().map(|row| row.aof_buffer_bytes).max().unwrap_or(0);
    // A row a second; within 1.9 s of 1,000 writes of 148 bytes a second at least half lie in the buffer at one.
    assert!((140_000..=282_000).contains(&fullest), "{fullest}");
}

#[test]
fn requests_that_meet_a_forced_write_wait_for_its_end_reads_as_well() {
    let text = "[redis]\nversion = \"7.4\"\nappendonly = true\nsave = \"\"\n[dataset]\nkeys = 1000\n\
        [[workload]]\nrate = \"1000/s\"\narrivals = \"uniform\"\nmix = { SET = 0.5, GET = 0.5 }\n\
        [run]\nduration = \"120s\"\nwarmup = \"0s\"\nwindows = []";
    let result = simulate(&on_a_free_machine(text, |machine| {
        machine.disk.fdatasync = always(3.0);
        machine.disk.write_waits_for_fdatasync = true;
    }));
    for name in ["read", "write"] {
        let scope = result.scopes.iter().find(|scope| scope.name == name).expect("both kinds");
        assert!((0.98..=1.0).contains(&s(scope.sojourn.max())), "{name} {}", s(scope.sojourn.max()));
    }
}

#[test]
fn an_fsync_is_skipped_when_the_one_before_ended_during_the_forced_write() {
    // 7.4, F = 3 s. The write forced at 2 s returns at 3 s, queues nothing (one ran in step 2), and restarts the
    // clock at 2 s: the next fdatasync begins at 3 s, with the next write. Period 3 s, not 4, and not F + 2.
    let result = slow_disk("7.4", 3.0, 121, "", true);
    assert_close(result.counters.aof_fsyncs as f64, 120.0 / 3.0, 0.03, "fdatasyncs");
    // F = 2.2 s: forced at 2 s, over at 2.2 s, next due at 3 s: the skipped one costs 0.8 s.
    let result = slow_disk("7.4", 2.2, 121, "", true);
    assert_close(result.counters.aof_fsyncs as f64, 120.0 / 3.0, 0.03, "fdatasyncs");
    // F = 1.5 s: nothing is forced; the write after 1.5 s starts the next.
    let result = slow_disk("7.4", 1.5, 121, "", true);
    assert_close(result.counters.aof_fsyncs as f64, 120.0 / 1.5, 0.03, "fdatasyncs");
}

#[test]
fn where_write_does_not_wait_for_fdatasync_a_forced_write_stalls_nobody() {
    let result = slow_disk("7.4", 4.0, 120, "", false);
    assert!(result.counters.aof_delayed_fsync > 10);
    assert_eq!((blocks(&result, Cause::AofWritePendingFsync).count, sojourn(&result, 1.0)), (0, 0));
}

#[test]
fn a_machine_loses_a_second_and_an_fdatasync_while_fdatasyncs_are_short() {
    for f in [0.1, 0.5, 0.9] {
        let loss = slow_disk("7.4", f, 300, "", true).loss;
        // The worst instant is the end of an fdatasync that began 1 s after the one before.
        assert_close(loss.machine_death_seconds_max, 1.0 + f, 0.005, "seconds");
        assert_close(loss.machine_death_writes_max as f64, (1.0 + f) * RATE, 0.005, "writes");
        // The oldest lost write is between F old (the last fdatasync has just ended) and 1 s + F: F + 0.5 s on average,
        // within three standard errors of 10,000 instants, 0.29 s / 100 each.
        assert_close(loss.machine_death_seconds_mean, f + 0.5, 0.01 / (f + 0.5), "mean");
        // While an fdatasync runs, writes are acknowledged and wait in the buffer.
        assert_close(loss.process_death_writes_max as f64, f * RATE, 0.02, "process");
    }
}

#[test]
fn a_machine_loses_two_fdatasyncs_when_they_take_one_to_two_seconds() {
    for f in [1.2, 1.5, 1.8] {
        let loss = slow_disk("7.4", f, 300, "", true).loss;
        assert_close(loss.machine_death_seconds_max, 2.0 * f, 0.005, "seconds");
        // A process loses what the buffer gathered while the write was postponed, although it was acknowledged.
        assert_close(loss.process_death_writes_max as f64, f * RATE, 0.005, "writes");
    }
}

#[test]
fn a_machine_loses_at_most_three_seconds_and_two_fdatasyncs_when_they_take_longer() {
    for (f, next_starts_after) in [(2.2, 3.0), (2.5, 3.0), (3.0, 3.0), (4.0, 4.0)] {
        let loss = slow_disk("7.4", f, 300, "", true).loss;
        let bound = f64::max(f, 2.0) + 1.0 + f;
        assert!(loss.machine_death_seconds_max <= bound + 0.003, "{f}: {}", loss.machine_death_seconds_max);
        // The clock was restarted when the write was forced, 2 s after the start: the next is due 1 s later.
        assert_close(loss.machine_death_seconds_max, next_starts_after + f, 0.005, "seconds");
        assert_close(loss.process_death_writes_max as f64, 2.0 * RATE, 0.005, "writes");
    }
}

#[test]
fn whole_seconds_add_up_to_one_more_second_to_the_loss() {
    for version in ["6.2", "7.2"] {
        let loss = slow_disk(version, 0.5, 300, "", true).loss;
        let most = loss.machine_death_seconds_max;
        assert!((1.498..=2.61).contains(&most), "{version} {most}");
    }
}

#[test]
fn one_fdatasync_a_second_is_started_and_none_beside_a_running_one() {
    for (version, f) in [("7.4", 0.3), ("7.2", 0.3), ("6.2", 0.9), ("7.4", 0.9)] {
        let result = slow_disk(version, f, 300, "", true);
        // Each is due 1 s after the last, at the next write, 1 ms later at most.
        assert_close(result.counters.aof_fsyncs as f64, 300.0, 0.01, version);
    }
    let none = slow_disk("7.4", 0.3, 60, "appendfsync = \"no\"", true);
    assert_eq!((none.counters.aof_fsyncs, none.counters.aof_writes), (0, 59_999));
}

#[test]
fn an_idle_server_syncs_what_it_wrote_last_and_then_rests() {
    let text = "[redis]\nversion = \"7.4\"\nappendonly = true\nsave = \"\"\n[dataset]\nkeys = 1000\n[[workload]]\n\
        schedule = [[\"0s\", \"1000/s\"], [\"5s\", \"0/s\"]]\narrivals = \"uniform\"\n\
        [run]\nduration = \"60s\"\nwarmup = \"0s\"\nwindows = []";
    let result = simulate(&on_a_free_machine(text, |machine| machine.disk.fdatasync = always(0.1)));
    // At 0, 1 … 4 s and once more by serverCron, which finds an empty buffer and unsynced bytes.
    assert!((6..=7).contains(&result.counters.aof_fsyncs), "{}", result.counters.aof_fsyncs);
    let last = result.timeline.iter().rev().take_while(|row| row.unsynced_writes == 0).count();
    assert!(last >= 52, "{last}");
    assert!(times(&result, "aof-write-pending-fsync").is_empty());
    assert_eq!(result.duration, 60 * SECOND);
}

#[test]
fn a_rare_write_is_at_risk_until_its_own_fdatasync_has_ended_and_not_for_longer() {
    // One write in 10 s, each synced at once: what is lost is at most as old as an fdatasync takes.
    let text = "[redis]\nversion = \"7.4\"\nappendonly = true\nsave = \"\"\n[dataset]\nkeys = 1000\n[[workload]]\n\
        rate = \"0.1/s\"\narrivals = \"uniform\"\n[run]\nduration = \"300s\"\nwarmup = \"0s\"\nwindows = []";
    let loss = simulate(&on_a_free_machine(text, |machine| machine.disk.fdatasync = always(0.3))).loss;
    assert_close(loss.machine_death_seconds_max, 0.3, 0.01, "seconds");
    assert_eq!(loss.machine_death_writes_max, 1);
}
