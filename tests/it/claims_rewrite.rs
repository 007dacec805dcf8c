//! AOF rewrite: growth, trigger, cost at the start and at the end by version (claims 24 to 41).

use writepath::cause::Cause;
use writepath::observe::result::RunResult;
use writepath::redis::config::AppendFsync;
use writepath::scenario::Scenario;
use writepath::units::{GIB, MIB, MICROSECOND, MILLISECOND};

use super::world::{
    always, assert_close, blocks, children, longest, on_a_free_machine, read, s, simulate, sojourn, text_of,
    times,
};

/// Bytes that `operation` adds to the AOF, a command, on average.
fn bytes_per_command(version: &str, operation: &str, keys: &str) -> f64 {
    let text = format!(
        "[redis]\nversion = \"{version}\"\nappendonly = true\nsave = \"\"\nauto-aof-rewrite-percentage = 0\n\
         [dataset]\n{keys}\nkey-size = \"20B\"\nvalue-size = \"100B\"\n[[workload]]\nrate = \"1000/s\"\n\
         operation = \"{operation}\"\n[run]\nduration = \"10s\"\nwarmup = \"0s\"\nwindows = []"
    );
    let result = simulate(&on_a_free_machine(&text, |_| ()));
    result.counters.aof_bytes as f64 / result.completed as f64
}

#[test]
fn every_write_appends_a_resp_array_and_a_command_without_effect_appends_nothing() {
    let there = "keys = 1000";
    for version in ["6.2", "7.2"] {
        for (operation, bytes) in [
            ("SET", 148.0),
            ("INCR", 41.0),
            ("EXPIRE 60", 66.0),
            ("SET EX 60", 178.0),
            ("GET", 0.0),
            ("SET NX", 0.0),
        ] {
            assert_eq!(bytes_per_command(version, operation, there), bytes, "{version} {operation}");
        }
        let absent = "keys = 1000\nprefilled = false";
        for operation in ["DEL", "UNLINK", "EXPIRE 60"] {
            assert_eq!(bytes_per_command(version, operation, absent), 0.0, "{version} {operation}");
        }
    }
    // A million keys deleted one by one at random: nearly each is still there.
    assert_close(bytes_per_command("7.2", "DEL", "keys = \"100M\""), 40.0, 0.001, "DEL");
    assert_close(bytes_per_command("7.2", "UNLINK", "keys = \"100M\""), 43.0, 0.001, "UNLINK");
}

#[test]
fn a_rate_limiter_script_logs_136_bytes_once_and_then_its_counter_only() {
    assert_eq!(bytes_per_command("7.2", "EVALSHA INCR EXPIRE", "keys = 1000"), 41.0);
    assert_eq!(bytes_per_command("6.2", "EVALSHA INCR EXPIRE", "keys = 1000"), 70.0);
    // 100 million counters: nearly every call is the first of its key.
    let first = bytes_per_command("7.2", "EVALSHA INCR EXPIRE", "keys = \"100M\"\nprefilled = false");
    assert_close(first, 136.0, 0.001, "first calls");
}

#[test]
fn an_unchecked_aof_grows_by_its_commands_until_the_disk_is_full() {
    let text = "[redis]\nversion = \"7.2\"\nappendonly = true\nsave = \"\"\nauto-aof-rewrite-percentage = 0\n\
        [dataset]\nkeys = 1000\n[[workload]]\nrate = \"5000/s\"\narrivals = \"uniform\"\n\
        [run]\nduration = \"60s\"\nwarmup = \"0s\"\nwindows = []";
    let scenario = on_a_free_machine(text, |machine| machine.disk.free = 20 * MIB);
    let result = simulate(&scenario);
    // 0.74 MB a second: the 20 MiB are gone after 28.3 s; from then on writes are refused.
    let full_after = (20 * MIB) as f64 / (5000.0 * 148.0);
    assert_close(result.errors.misconf as f64, (60.0 - full_after) * 5000.0, 0.001, "refused");
    assert_eq!(text_of(&result, "aof_last_write_status"), "err");
}

#[test]
fn fifty_thousand_writes_a_second_of_100_bytes_are_7_4_megabytes() {
    let result = article("7.2", |_| ());
    assert_close(result.counters.aof_bytes as f64 / s(result.duration), 7.4e6, 0.005, "bytes a second");
}

#[test]
fn a_rewrite_of_10_gib_takes_50_to_200_seconds_and_pauses_most_at_its_fork() {
    for (model, per_gib) in [("cloud-vm", 11.0), ("bare-metal-nvme", 10.0)] {
        let mut scenario = read(&format!(
            "[redis]\nversion = \"7.2\"\nappendonly = true\nsave = \"\"\nauto-aof-rewrite-percentage = 0\n\
             [dataset]\nmemory = \"10GiB\"\n[[workload]]\nrate = \"1000/s\"\n\
             [[event]]\nat = \"10s\"\ndo = \"BGREWRITEAOF\"\n[machine]\nmodel = \"{model}\"\n\
             [run]\nduration = \"230s\"\nwarmup = \"0s\"\nwindows = []"
        ));
        scenario.machine.noise.classes.clear();
        let result = simulate(&scenario);
        let child = children(&result, "aof-rewrite")[0];
        assert!((50.0..200.0).contains(&s(child.duration)), "{model} {}", s(child.duration));
        // 10 GiB of keys and 10 % of fragmentation.
        let expected = s(scenario.machine.fork.base) + 11.0 * per_gib * 1e-3;
        assert!(scenario.machine.fork.per_gib > 0.0);
        if model == "cloud-vm" {
            assert_close(s(child.fork), expected, 0.01, "fork");
        }
        assert_eq!((result.stalls[0].cause, result.stalls[0].span), ("fork", child.fork), "{model}");
        assert!(result.stalls.iter().skip(1).all(|stall| stall.span < child.fork / 2), "{:?}", result.stalls);
        // Everybody queues behind it, and no SLOWLOG shows it.
        assert!(sojourn(&result, 1.0) >= child.fork);
        assert_eq!(result.counters.slowlog_entries, 0);
    }
}

/// The article's case: 50,000 writes a second, and a rewrite of 8 s.
fn article(version: &str, change: impl FnOnce(&mut Scenario)) -> RunResult {
    let text = format!(
        "[redis]\nversion = \"{version}\"\nappendonly = true\nsave = \"\"\nauto-aof-rewrite-percentage = 0\n\
         aof-use-rdb-preamble = true\n[dataset]\nkeys = \"4M\"\n[[workload]]\nrate = \"50000/s\"\n\
         arrivals = \"uniform\"\n[[event]]\nat = \"1s\"\ndo = \"BGREWRITEAOF\"\n\
         [run]\nduration = \"13s\"\nwarmup = \"0s\"\nwindows = []"
    );
    let mut scenario = on_a_free_machine(&text, |machine| {
        (machine.child.rdb_per_key, machine.child.aof_per_key) = (2 * MICROSECOND, 2 * MICROSECOND);
        machine.disk.fdatasync = always(0.2);
        machine.disk.page_cache_bandwidth = 1.2 * GIB as f64;
        machine.memory.memmove_bandwidth = 5.0 * GIB as f64;
    });
    change(&mut scenario);
    simulate(&scenario)
}

const W: f64 = 7.4e6;

#[test]
fn up_to_2_8_the_parent_writes_all_that_came_during_the_rewrite() {
    let result = article("2.8", |_| ());
    let child = children(&result, "aof-rewrite")[0];
    assert_eq!(child.residual_bytes, child.written_meanwhile_bytes);
    assert_close(child.written_meanwhile_bytes as f64, W * s(child.duration), 0.001, "W R");
    assert!((380_000..430_000).contains(&child.written_meanwhile_commands), "about 400,000");
    // 59 MB are 46 ms at 1.2 GiB/s, between 30 and 91 ms: not hundreds.
    let stall = longest(&result, Cause::AofRewriteDiffWrite);
    assert_close(s(stall), child.residual_bytes as f64 / (1.2 * GIB as f64), 0.001, "stall");
    assert!((30 * MILLISECOND..91 * MILLISECOND).contains(&stall), "{stall}");
    assert_close(
        result.memory.rewrite_buffer_bytes_max as f64,
        child.residual_bytes as f64,
        0.02,
        "the buffer held it all, as serverCron sees it, 10 times a second",
    );
}

#[test]
fn from_3_0_to_6_2_the_buffer_is_streamed_and_a_few_megabytes_are_left() {
    for version in ["3.0", "4.0", "6.0", "6.2"] {
        let result = article(version, |_| ());
        let child = children(&result, "aof-rewrite")[0];
        // W (time of writing the diff + its fdatasync + up to 0.1 s until serverCron looks).
        let diff = (child.written_meanwhile_bytes - child.residual_bytes) as f64;
        let least = W * (diff / (1.2 * GIB as f64) + 0.2);
        let residual = child.residual_bytes as f64;
        assert!((least * 0.999..=least + W * 0.1005).contains(&residual), "{version} {residual} {least}");
        assert!((1_000_000.0..4_000_000.0).contains(&residual), "{version} {residual}");
        assert!(longest(&result, Cause::AofRewriteDiffWrite) < 5 * MILLISECOND, "{version}");
        assert!(result.memory.rewrite_buffer_bytes_max < 4_000_000);
        assert_eq!(blocks(&result, Cause::ManifestFsync).count, 0);
    }
}

#[test]
fn a_busy_disk_makes_the_residual_thirty_megabytes_and_its_write_tens_of_milliseconds() {
    let result = article("6.2", |scenario| {
        // Its fdatasyncs take 3 s.
        scenario.machine.disk.fdatasync = always(3.0);
        scenario.machine.child.rdb_per_key = MICROSECOND;
    });
    let child = children(&result, "aof-rewrite")[0];
    assert!((20e6..31e6).contains(&(child.residual_bytes as f64)), "{}", child.residual_bytes);
    let stall = longest(&result, Cause::AofRewriteDiffWrite);
    assert!((15 * MILLISECOND..46 * MILLISECOND).contains(&stall), "{stall}");
}

#[test]
fn from_7_0_on_nothing_is_left_and_six_manifest_syncs_take_its_place() {
    for version in ["7.0", "7.2", "8.0", "valkey-8.1"] {
        let result = article(version, |scenario| scenario.machine.disk.fdatasync = always(0.002));
        let child = children(&result, "aof-rewrite")[0];
        assert_eq!((child.residual_bytes, result.memory.rewrite_buffer_bytes_max), (0, 0), "{version}");
        assert!(child.written_meanwhile_bytes > 50_000_000);
        assert_eq!(blocks(&result, Cause::AofRewriteDiffWrite).count, 0);
        let manifests = times(&result, "manifest-fsync");
        assert_eq!(manifests.iter().filter(|&&at| at < child.start).count(), 2, "{version}: before the fork");
        let end = child.start + child.fork + child.duration;
        assert_eq!(manifests.iter().filter(|&&at| at >= end).count(), 4, "{version}: after the child");
        assert_eq!(child.end_stall, 4 * 2 * MILLISECOND, "{version}");
    }
}

#[test]
fn always_syncs_the_new_file_at_the_end_before_7_0_only() {
    let end_sync = |version: &str| {
        let always_on = |scenario: &mut Scenario| {
            scenario.redis.appendfsync = AppendFsync::Always;
            scenario.machine.disk.fdatasync = always(0.002);
        };
        blocks(&article(version, always_on), Cause::AofRewriteDoneFsync).count
    };
    assert_eq!((end_sync("6.2"), end_sync("7.2")), (1, 0));
}
