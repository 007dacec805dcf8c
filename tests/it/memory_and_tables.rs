//! The main hash table as keys come in, and what happens at maxmemory (section 9 of the reference).

use writepath::cause::Cause;
use writepath::cost_model::CostModel;
use writepath::observe::result::RunResult;
use writepath::units::{MIB, MICROSECOND, MILLISECOND, SECOND};

use super::world::{always, assert_close, blocks, on_a_free_machine, read, s, simulate, times};

/// Share of the buckets of a table with as many keys as buckets that hold some: 1 − 1/e.
const FULL: f64 = 0.632_120_558_828_557_7;

/// An empty server that 10,000 new keys a second reach, of so many that none comes twice.
fn filling(
    version: &str,
    cron_rehashes: bool,
    seconds: u64,
    more: &str,
    price: impl FnOnce(&mut CostModel),
) -> RunResult {
    let text = format!(
        "[redis]\nversion = \"{version}\"\nsave = \"\"\nactiverehashing = {cron_rehashes}\n[dataset]\n\
         keys = 100_000_000_000\nprefilled = false\n[[workload]]\nrate = \"10000/s\"\narrivals = \"uniform\"\n\
         keys = {{ dist = \"sequential\" }}\n{more}\n[run]\nduration = \"{seconds}s\"\nwarmup = \"0s\"\nwindows = []\n\
         stall-threshold = \"1ns\""
    );
    simulate(&on_a_free_machine(&text, price))
}

#[test]
fn an_empty_server_doubles_its_table_at_every_power_of_two() {
    // 100,000 keys: from 4 buckets 8, 16 … 131,072: fifteen doublings.
    let result = filling("7.2", false, 10, "", |machine| machine.memory.first_touch = MICROSECOND);
    assert_eq!(result.counters.table_growths, 15);
    let grown = times(&result, "table-allocation");
    for (at, exponent) in grown.iter().zip(2..) {
        // The key after the 2^e-th finds the table full; keys come every 100 us from 100 us on.
        let key = s(*at) * 1e4;
        let expected = f64::powi(2.0, exponent) + 1.0;
        assert!((key - expected).abs() < 0.5, "growth {exponent} at key {key}");
    }
    assert_eq!(result.timeline[8].keys, 90_000);
}

#[test]
fn a_rehash_moves_a_bucket_with_every_command_and_frees_the_old_table_at_its_end() {
    let result = filling("7.2", false, 10, "", |machine| {
        (machine.cpu.rehash_step, machine.memory.free_per_mib) = (MICROSECOND, MILLISECOND);
    });
    // Old tables of 4 to 32,768 buckets, all of which but 1/e hold keys; of the last, begun with key 65,537, 34,463
    // commands move a bucket each and pass the empty ones.
    let moved = FULL * (65_536 - 4) as f64 + (100_000 - 65_536 - 1) as f64;
    assert_close(s(result.busy[Cause::Rehash as usize]), moved * 1e-6, 0.001, "moves");
    // Freed: 4 to 32,768 buckets of 8 bytes, at a millisecond a MiB.
    let freed = blocks(&result, Cause::TableFree);
    assert_close(s(freed.sum), (65_536 - 4) as f64 * 8.0 / MIB as f64 * 1e-3, 0.001, "freed");
    assert_close(s(freed.longest), 0.25e-3, 0.001, "the largest");
}

#[test]
fn server_cron_rehashes_a_millisecond_each_time_unless_it_is_told_not_to() {
    let text = |on: &str| {
        format!(
            "[redis]\nversion = \"7.2\"\nsave = \"\"\nactiverehashing = {on}\n[dataset]\n\
             keys = 100_000_000_000\nprefilled = false\n\
             [[workload]]\nschedule = [[\"0s\", \"100000/s\"], [\"11s\", \"10/s\"]]\narrivals = \"uniform\"\n\
             keys = {{ dist = \"sequential\" }}\n[run]\nduration = \"100s\"\nwarmup = \"0s\"\nwindows = []"
        )
    };
    let moved = |on: &str| {
        let result = simulate(&on_a_free_machine(&text(on), |machine| machine.cpu.rehash_step = 100));
        s(result.busy[Cause::Rehash as usize]) / 100e-9
    };
    // 1.1 million keys at 11 s; the growth at 1,048,577 has moved 51,423 buckets by then. Alone, 890 commands more
    // move one each; serverCron moves 10,000 each time and is done.
    let before = FULL * 1_048_572.0;
    assert_close(moved("false") - before, 51_423.0 + 890.0, 0.01, "by commands");
    assert_close(moved("true"), before + FULL * 1_048_576.0, 0.001, "all");
}

#[test]
fn growth_waits_for_the_end_of_a_child_and_comes_right_after_it() {
    // 40,000 keys at the fork in 65,536 buckets, serverCron long done with moving them; 90,000 when the child ends.
    let more = "[[event]]\nat = \"4s\"\ndo = \"BGSAVE\"";
    let result = filling("7.2", true, 12, more, |machine| {
        machine.memory.first_touch = MICROSECOND;
        machine.child.rdb_per_key = 5_000_000_000 / 40_000;
    });
    let child = &result.children[0];
    let end = child.start + child.fork + child.duration;
    let late: Vec<_> =
        times(&result, "table-allocation").into_iter().filter(|&at| at > child.start).collect();
    // Without the child the growth would come at 6.55 s.
    assert!(
        late[0] >= end && late[0] - end <= SECOND / 1000,
        "{} after the child",
        late[0] as f64 - end as f64
    );
    assert!((s(end) - 9.0).abs() < 0.2, "{}", s(end));
}

#[test]
fn an_overloaded_table_grows_in_spite_of_a_child() {
    // 20,000 keys at 2 s in 32,768 buckets, a child to the end: forced at 4 keys a bucket from 7.4 on, above 5 before.
    for (version, keys) in [("7.4", 131_072.0), ("valkey-8.0", 131_072.0), ("7.2", 196_608.0)] {
        let result = filling(version, true, 30, "[[event]]\nat = \"2s\"\ndo = \"BGSAVE\"", |machine| {
            machine.memory.first_touch = MICROSECOND;
            machine.child.rdb_per_key = SECOND;
        });
        let forced = times(&result, "table-allocation").into_iter().find(|&at| at > 2 * SECOND).expect("one");
        assert_close(s(forced) * 1e4, keys, 0.001, version);
    }
}

/// 4,000 commands a second of `mix` against a server of 100,000 keys with a limit of `limit` MiB.
fn limited(redis: &str, limit: u64, workload: &str, price: impl FnOnce(&mut CostModel)) -> RunResult {
    let text = format!(
        "[redis]\nversion = \"7.2\"\nsave = \"\"\nmaxmemory = \"{limit}mb\"\n{redis}\n[dataset]\nkeys = \"1M\"\n\
         prefilled = false\n[[workload]]\nrate = \"10000/s\"\narrivals = \"uniform\"\n{workload}\n\
         [run]\nduration = \"60s\"\nwarmup = \"0s\"\nwindows = []"
    );
    simulate(&on_a_free_machine(&text, price))
}

#[test]
fn noeviction_refuses_what_may_grow_and_nothing_else() {
    let result = limited("", 20, "mix = { SET = 0.5, GET = 0.3, \"EXPIRE 60\" = 0.1, DEL = 0.1 }", |_| ());
    assert!(result.memory.used_bytes <= 20 * MIB + 1000, "{}", result.memory.used_bytes);
    let read = result.scopes.iter().find(|scope| scope.name == "read").expect("reads");
    assert_close(read.sojourn.count() as f64, 180_000.0, 0.01, "reads");
    assert!(result.errors.oom > 1000 && result.errors.misconf == 0);
    // Only SETs are refused: those answered and those refused are half of all, EXPIREs and DELs a fifth.
    let write = result.scopes.iter().find(|scope| scope.name == "write").expect("writes");
    assert_close((write.sojourn.count() + result.errors.oom) as f64, 420_000.0, 0.01, "writes");
    let all_refused =
        limited("", 1, "mix = { SET = 0.5, GET = 0.3, \"EXPIRE 60\" = 0.1, DEL = 0.1 }", |_| ());
    assert_close(all_refused.errors.oom as f64, 300_000.0, 0.01, "an empty server is above 1 MiB already");
}

#[test]
fn eviction_keeps_memory_at_the_limit_and_logs_a_del_a_key() {
    let redis = "maxmemory-policy = \"allkeys-lru\"\nappendonly = true\nauto-aof-rewrite-percentage = 0";
    let disk = |machine: &mut CostModel| machine.disk.fdatasync = always(0.5);
    let result = limited(redis, 50, "keys = { dist = \"uniform\" }", disk);
    // The AOF's buffer does not count. A write goes through before the next evicts for it: one key over.
    let row_max = result.timeline.iter().map(|row| row.used_bytes - row.aof_buffer_bytes).max().unwrap_or(0);
    assert!(row_max <= 50 * MIB + 1000, "{row_max}");
    assert!(result.counters.evicted_keys > 50_000 && result.errors.oom == 0);
    let sets = result.completed * 148;
    assert_eq!(result.counters.aof_bytes, sets + 40 * result.counters.evicted_keys);
    // Evictions are no acknowledged writes: what a machine's death loses is what came in the last F to 1 s + F, or 2 s
    // + F by a clock of whole seconds, to the end.
    let unsynced: Vec<u64> = result.timeline[30..].iter().map(|row| row.unsynced_writes).collect();
    assert!(unsynced.iter().all(|n| (4_900..=25_100).contains(n)), "{unsynced:?}");
}

#[test]
fn a_table_doubling_at_the_limit_is_evicted_for_in_slices_of_half_a_millisecond() {
    // 65,537 keys and a table of 1 MiB more than before: a burst of evictions, 16 keys between two looks at the clock.
    let redis = "maxmemory-policy = \"allkeys-random\"\nactiverehashing = false";
    let result = limited(redis, 14, "keys = { dist = \"sequential\" }", |machine| {
        machine.cpu.evict_key = 20 * MICROSECOND
    });
    let slices = blocks(&result, Cause::EvictionCycle);
    // The slice ends with the 16th key beyond 500 us: 32 keys of 20 us.
    assert!(slices.longest <= 32 * 20 * MICROSECOND, "{}", slices.longest);
    assert!(result.counters.evicted_keys > 100_000);
    let unlimited = limited(
        &format!("{redis}\nmaxmemory-eviction-tenacity = 100"),
        14,
        "keys = { dist = \"sequential\" }",
        |machine| machine.cpu.evict_key = 20 * MICROSECOND,
    );
    assert!(blocks(&unlimited, Cause::EvictionCycle).longest >= slices.longest);
}

#[test]
fn lowering_maxmemory_on_a_running_server_evicts_in_slices_of_half_a_millisecond() {
    let mut scenario = read(
        "[redis]\nversion = \"7.2\"\nsave = \"\"\nmaxmemory-policy = \"allkeys-random\"\n[dataset]\nkeys = \"200k\"\n\
         [[workload]]\nrate = \"100/s\"\narrivals = \"uniform\"\n[[event]]\nat = \"5s\"\n\
         do = \"CONFIG SET maxmemory 20mb\"\n[run]\nduration = \"60s\"\nwarmup = \"0s\"\nwindows = []",
    );
    scenario.machine = writepath::models::blank("free");
    scenario.machine.cpu.evict_key = 5 * MICROSECOND;
    let result = simulate(&scenario);
    let slices = blocks(&result, Cause::EvictionCycle);
    // 100 keys are 500 us; looked at after every 16: 112 keys, 560 us, and the command goes on.
    assert_eq!(slices.longest, 112 * 5 * MICROSECOND);
    assert!(result.memory.used_bytes <= 20 * MIB + 1000, "{}", result.memory.used_bytes);
}

#[test]
fn a_volatile_policy_without_a_key_to_evict_refuses_like_noeviction() {
    let result = limited("maxmemory-policy = \"volatile-lru\"", 20, "keys = { dist = \"uniform\" }", |_| ());
    assert!(result.counters.evicted_keys == 0 && result.errors.oom > 400_000, "{}", result.errors.oom);
}
