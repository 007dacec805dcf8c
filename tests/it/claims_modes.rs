//! The article's five persistence modes: what each costs, and what a crash loses (claims 13 to 23).

use writepath::cause::Cause;
use writepath::observe::result::RunResult;
use writepath::redis::config::{RedisConfig, SavePoint};
use writepath::redis::version::KNOWN;
use writepath::scenario::Scenario;
use writepath::stats::queueing::group_commit_throughput;
use writepath::units::{MICROSECOND, MILLISECOND};

use super::world::{
    always, assert_close, blocks, children, int, longest, on_a_free_machine, read, s, simulate, sojourn,
};

/// 2,000 writes a second to 2 GiB of keys on the default machine, undisturbed by its host.
fn mode(persistence: &str, seconds: u64) -> Scenario {
    let mut scenario = read(&format!(
        "[redis]\nversion = \"7.2\"\n{persistence}\n[dataset]\nmemory = \"2GiB\"\n[[workload]]\nrate = \"2000/s\"\n\
         [run]\nduration = \"{seconds}s\"\nwarmup = \"0s\"\nwindows = []"
    ));
    scenario.machine.noise.classes.clear();
    scenario
}

const NONE: &str = "appendonly = false\nsave = \"\"";
const RDB: &str = "appendonly = false\nsave = \"60 10000\"";
const EVERYSEC: &str = "appendonly = true\nappendfsync = \"everysec\"\nsave = \"\"";
const ALWAYS: &str = "appendonly = true\nappendfsync = \"always\"\nsave = \"\"";

#[test]
fn without_persistence_nothing_stalls_and_a_crash_loses_everything() {
    let result = simulate(&mode(NONE, 120));
    assert_eq!((result.stalls.len(), result.counters.forks, result.counters.aof_writes), (0, 0, 0));
    assert_eq!(result.loss.process_death_writes_max, result.completed);
    assert_eq!(result.loss.machine_death_writes_max, result.completed);
    // At a random instant half of it: the mean of 10,000 uniform instants has a standard error of 0.3 %.
    assert_close(result.loss.process_death_writes_mean, result.completed as f64 / 2.0, 0.015, "mean loss");
}

#[test]
fn snapshots_stall_at_the_fork_and_lose_what_came_since_the_last_one() {
    let result = simulate(&mode(RDB, 300));
    let saves = children(&result, "bgsave");
    assert!(saves.len() >= 3);
    assert!(result.stalls.iter().take(saves.len()).all(|stall| stall.cause == "fork"), "{:?}", result.stalls);
    assert_eq!(longest(&result, Cause::Fork), result.stalls[0].span);
    // Safe is what the last finished file holds, so the loss reaches back to its fork: one save, 60 to 61 s by whole
    // seconds, up to 0.1 s to the next serverCron, the next save, up to 0.1 s until its end is noticed; twice.
    let save = saves.iter().map(|child| s(child.duration)).fold(0.0, f64::max);
    let most = result.loss.machine_death_seconds_max;
    assert!((60.0 + 2.0 * save - 0.5..=61.4 + 2.0 * save).contains(&most), "{most} with saves of {save} s");
    assert_eq!(result.loss.process_death_writes_max, result.loss.machine_death_writes_max);
}

#[test]
fn fork_and_copy_on_write_of_a_snapshot_are_priced_apart() {
    let without = |change: fn(&mut Scenario)| {
        let mut scenario = mode(RDB, 90);
        change(&mut scenario);
        simulate(&scenario)
    };
    let no_fork = without(|scenario| {
        (scenario.machine.fork.base, scenario.machine.fork.per_gib) = (0, 0.0);
    });
    let no_cow = without(|scenario| {
        (scenario.machine.cow.fault, scenario.machine.cow.reprotect) = (0, 0);
    });
    assert_eq!((no_fork.counters.forks, no_fork.busy[Cause::Fork as usize]), (1, 0));
    assert!(no_fork.busy[Cause::Cow as usize] > 0 && no_fork.counters.cow_faults > 0);
    assert_eq!(no_cow.busy[Cause::Cow as usize], 0);
    assert!(no_cow.busy[Cause::Fork as usize] > 20 * MILLISECOND);
}

#[test]
fn everysec_syncs_once_a_second_and_never_in_the_main_thread() {
    let result = simulate(&mode(EVERYSEC, 120));
    assert_close(result.counters.aof_fsyncs as f64, 120.0, 0.01, "fdatasyncs");
    assert_eq!(blocks(&result, Cause::AofFsyncAlways).count, 0);
    assert_eq!(result.stalls.len(), 0, "{:?}", result.stalls);
}

#[test]
fn everysec_loses_a_second_and_an_fdatasync_with_the_machine_and_nothing_with_the_process() {
    for f in [0.005, 0.05, 0.4] {
        let mut scenario = mode(EVERYSEC, 120);
        scenario.redis.version = "7.4".parse().expect("a version");
        scenario.machine.disk.fdatasync = always(f);
        scenario.machine.disk.fdatasync_per_kib = 0.0;
        let loss = simulate(&scenario).loss;
        // But for what was acknowledged while the fdatasync ran: 2,000 F, and what Poisson arrivals add to it.
        let behind = 2000.0 * f;
        assert!((loss.process_death_writes_max as f64) < behind + 5.0 * behind.sqrt() + 5.0, "{f}");
        // A gap of the Poisson arrivals delays the next fsync: 0.5 ms on average, 6 ms at the worst of 120.
        let over = loss.machine_death_seconds_max - 1.0 - f;
        assert!((-0.001..0.006).contains(&over), "{f}: {over}");
        assert!((0.4..0.6).contains(&(loss.machine_death_seconds_mean - f)), "{f}");
    }
}

#[test]
fn everysec_adds_microseconds_to_the_median_and_its_rewrite_pauses_at_the_fork() {
    let (none, everysec) = (simulate(&mode(NONE, 30)), simulate(&mode(EVERYSEC, 30)));
    // Appending costs 0.68 us, write(2) 2.5 us and the copy 0.1 us; of the queue it is a few per cent more.
    let added = sojourn(&everysec, 0.5) - sojourn(&none, 0.5);
    assert!((3 * MICROSECOND..8 * MICROSECOND).contains(&added), "{added}");
    let mut scenario = mode(&format!("{EVERYSEC}\nauto-aof-rewrite-percentage = 0"), 60);
    scenario.events = read(
        "[[workload]]\nrate = \"1/s\"\n[[event]]\nat = \"10s\"\ndo = \"BGREWRITEAOF\"\n[run]\nduration = \"60s\"",
    )
    .events;
    let rewritten = simulate(&scenario);
    assert_eq!(rewritten.counters.aof_rewrites, 1);
    assert_eq!(rewritten.stalls[0].cause, "fork");
    assert_eq!(longest(&rewritten, Cause::AofRewriteDiffWrite), 0);
    let end = rewritten.children[0].end_stall;
    assert!(end < rewritten.stalls[0].span / 2, "{end}");
}

#[test]
fn always_is_a_group_commit_one_fdatasync_a_turn_not_one_a_write() {
    let mut scenario = mode(ALWAYS, 30);
    scenario.machine.disk.fdatasync = always(0.002);
    let result = simulate(&scenario);
    assert_eq!(result.counters.aof_fsyncs, result.counters.aof_writes);
    assert_eq!(blocks(&result, Cause::AofFsyncAlways).count, result.counters.aof_fsyncs);
    // 2,000 writes a second meet a disk that syncs fewer than 500 times a second, and keep up.
    assert!(result.counters.aof_fsyncs <= 15_000, "{}", result.counters.aof_fsyncs);
    assert!(result.completed > 58_000);
}

#[test]
fn clients_that_wait_commit_together_under_always() {
    let text = "[redis]\nversion = \"7.2\"\nappendonly = true\nappendfsync = \"always\"\nsave = \"\"\n\
        [[workload]]\nloop = \"closed\"\nconnections = 50\n[run]\nduration = \"20s\"\nwarmup = \"1s\"\nwindows = []";
    let result = simulate(&on_a_free_machine(text, |machine| {
        machine.disk.fdatasync = always(0.001);
        machine.network.one_way = 100 * MICROSECOND;
        machine.client.threads = 50;
    }));
    let rate = result.completed as f64 / 19.0;
    let together = group_commit_throughput(50, 0.001, 0.0, 0.0002);
    // One group of all, or two that take turns, each waiting for the other's fdatasync. One a write would give
    // 1,000 writes a second.
    assert!((25_000.0 * 0.99..=together * 1.01).contains(&rate), "{rate}");
}

#[test]
fn always_loses_no_acknowledged_write_but_holds_many_unacknowledged_ones() {
    let result = simulate(&mode(ALWAYS, 60));
    assert_eq!((result.loss.process_death_writes_max, result.loss.machine_death_writes_max), (0, 0));
    assert_eq!(result.loss.machine_death_seconds_max, 0.0);
    assert!(result.counters.eventloop_cmd_per_cycle_max > 1, "a turn's batch may or may not survive");
}

#[test]
fn under_always_a_request_takes_one_to_two_fdatasyncs() {
    let text = "[redis]\nversion = \"7.2\"\nappendonly = true\nappendfsync = \"always\"\nsave = \"\"\n\
        [[workload]]\nrate = \"RATE/s\"\nconnections = 5000\n[run]\nduration = \"60s\"\nwarmup = \"1s\"\nwindows = []";
    let at = |rate: &str| {
        let scenario = on_a_free_machine(&text.replace("RATE", rate), |machine| {
            machine.disk.fdatasync = always(0.01);
        });
        simulate(&scenario)
    };
    // Twenty writes gather during each fdatasync F: each waits for the rest of it, uniform on (0, F), and for its own.
    let busy = at("2000");
    let ms = |result: &RunResult, q: f64| s(sojourn(result, q)) * 1e3;
    assert_close(ms(&busy, 0.5), 15.0, 0.01, "median");
    assert_close(ms(&busy, 0.99), 19.9, 0.01, "P99");
    assert!(ms(&busy, 0.0) >= 9.9 && ms(&busy, 1.0) <= 20.1);
    // A write that comes alone waits for its own only.
    assert_close(ms(&at("5"), 0.5), 10.0, 0.01, "alone");
}

#[test]
fn children_of_both_kinds_never_overlap_and_the_snapshots_do_not_shorten_the_loss() {
    let run = |save: &str| {
        let mut scenario = read(&format!(
            "[redis]\nversion = \"7.2\"\nappendonly = true\nsave = \"{save}\"\n[dataset]\nkeys = \"500k\"\n\
             [[workload]]\nrate = \"10000/s\"\n[run]\nduration = \"600s\"\nwarmup = \"0s\"\nwindows = []"
        ));
        scenario.machine.noise.classes.clear();
        // Children of 20 s, so that each would meet the other's.
        scenario.machine.child.rdb_per_key = 40 * MICROSECOND;
        simulate(&scenario)
    };
    let both = run("60 10000");
    assert!(children(&both, "bgsave").len() >= 3 && children(&both, "aof-rewrite").len() >= 3);
    for pair in both.children.windows(2) {
        let end = pair[0].start + pair[0].fork + pair[0].duration;
        assert!(
            end <= pair[1].start,
            "{} ends at {end}, {} starts at {}",
            pair[0].kind,
            pair[1].kind,
            pair[1].start
        );
    }
    assert_eq!(
        both.counters.forks,
        both.children.len() as u64
            + u64::from(int(&both, "rdb_bgsave_in_progress") > 0)
            + u64::from(int(&both, "aof_rewrite_in_progress") > 0)
    );
    let aof_only = run("");
    assert_close(
        both.loss.machine_death_seconds_mean,
        aof_only.loss.machine_death_seconds_mean,
        0.05,
        "loss with and without snapshots",
    );
}

#[test]
fn info_and_settings_show_the_mode() {
    let result = simulate(&mode(EVERYSEC, 5));
    assert_eq!(int(&result, "aof_enabled"), 1);
    assert!(int(&result, "aof_current_size") > int(&result, "aof_base_size"));
    let result = simulate(&mode(RDB, 5));
    assert_eq!(int(&result, "aof_enabled"), 0);
    assert_eq!(int(&result, "rdb_changes_since_last_save"), result.completed);
    let scenario = read("[[workload]]\nrate = \"1/s\"");
    let setting = |key: &str| {
        scenario
            .settings
            .iter()
            .find(|setting| setting.key == key)
            .map(|setting| setting.value.trim_matches('"'))
    };
    assert_eq!(setting("redis.save"), Some("3600 1 300 100 60 10000"));
    assert_eq!(setting("redis.appendonly"), Some("false"));
    assert_eq!(setting("redis.appendfsync"), Some("everysec"));
}

#[test]
fn an_untouched_server_of_every_version_snapshots_and_has_no_aof() {
    for &version in KNOWN {
        let config = RedisConfig::defaults(version);
        assert!(
            config.save.contains(&SavePoint { seconds: 60, changes: 10_000 }) && !config.appendonly,
            "{version}"
        );
    }
    // Its loss after a crash at any instant: 61 s and two saves, not everything.
    let mut scenario = read(
        "[dataset]\nkeys = \"1M\"\n[[workload]]\nrate = \"1000/s\"\n\
         [run]\nduration = \"400s\"\nwarmup = \"0s\"\nwindows = []",
    );
    scenario.machine.noise.classes.clear();
    let result = simulate(&scenario);
    let save = result.children.iter().map(|child| s(child.duration)).fold(0.0, f64::max);
    assert!(result.counters.forks >= 5);
    assert!(result.loss.machine_death_seconds_max <= 61.4 + 2.0 * save);
}
