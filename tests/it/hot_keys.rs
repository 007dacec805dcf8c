//! Hot keys: what limits one key, what its place in the cache saves, what sub-keys give (claims 63 and 64).

use std::path::Path;

use writepath::observe::hot_key::HotKeyUse;
use writepath::observe::result::RunResult;
use writepath::observe::spent::GroupSpent;
use writepath::report::About;
use writepath::report::json::run_output;
use writepath::scenario::resolve::{Overrides, resolve};
use writepath::scenario::{Scenario, builtin};

use super::world::{assert_close, int, read, simulate};

fn built_in(name: &str, set: &[&str]) -> Scenario {
    let text = builtin::get(name).expect("built in");
    let overrides = Overrides {
        set: set.iter().map(|setting| setting.to_string()).collect(),
        duration: Some("6s".into()),
        ..Overrides::default()
    };
    resolve(text, name, Path::new(""), &overrides).unwrap_or_else(|problems| panic!("{problems}"))
}

fn spent(result: &RunResult, name: &str) -> GroupSpent {
    result.spent.iter().find(|group| group.0 == name).expect("a group of that name").1
}

fn cpu(result: &RunResult, name: &str) -> f64 {
    spent(result, name).cpu_per_command().expect("commands")
}

/// The same arrivals, but for one that the end of the run cuts off.
fn assert_same_commands(a: &RunResult, b: &RunResult) {
    let [a, b] = [a, b].map(|result| spent(result, "writers").commands);
    assert!(a.abs_diff(b) <= 1, "{a} {b}");
}

fn analysis(result: &RunResult) -> &HotKeyUse {
    result.hot_key.as_ref().expect("a hot key")
}

#[test]
fn one_key_costs_what_random_keys_do_less_the_misses_of_memory() {
    let single = simulate(&built_in("hot-key", &[]));
    let uniform =
        simulate(&built_in("hot-key", &["workload.writers.keys=uniform", "workload.readers.keys=uniform"]));
    let machine = built_in("hot-key", &[]).machine;
    // What is left is at least a PING.
    let most = |price: u64| machine.cpu.hot_key_saving.min(price - machine.cpu.ping) as f64;
    for (group, expected) in [("writers", most(machine.cpu.incr)), ("readers", most(machine.cpu.get))] {
        let saved = cpu(&uniform, group) - cpu(&single, group);
        assert!((saved - expected).abs() < 1e-6, "{group}: {saved}");
    }
    // All in all: the thread is busy with the same system calls.
    let share = single.busy_total as f64 / uniform.busy_total as f64;
    assert!((0.9..0.99).contains(&share), "{share}");
    let used = analysis(&single);
    assert!(uniform.hot_key.is_none() && used.in_cache == 1.0);
    // Of the whole price of a command, two system calls and the append included, the saving is about a tenth.
    let cost = machine.cpu.read + machine.cpu.write + machine.cpu.incr + machine.cpu.aof_append;
    let gain = used.one_key.as_run / used.random_keys.as_run;
    let most = 1.0 / (1.0 - most(machine.cpu.incr) / cost as f64);
    assert!(gain > 1.0 && gain < most, "{gain} {most}");
}

#[test]
fn the_shares_come_from_the_books_and_the_limit_is_the_system_calls() {
    let result = simulate(&built_in("hot-key", &[]));
    let used = analysis(&result);
    assert!((used.shares.iter().sum::<f64>() - 1.0).abs() < 1e-9);
    assert!(used.shares[0] > 0.6 && used.shares[1] < 0.15, "{:?}", used.shares);
    assert_eq!(used.cost.largest(), "system-calls");
    assert_close(used.writes_per_s, 90_000.0, 0.02, "writes");
    assert_close(used.reads_per_s, 1_000.0, 0.1, "reads");
    let always = simulate(&built_in("hot-key", &["redis.appendfsync=always", "run.allow-overload=true"]));
    assert_eq!(analysis(&always).cost.largest(), "aof");
    let script = built_in(
        "hot-key",
        &["workload.writers.operation=EVALSHA INCR EXPIRE", "workload.writers.pipeline=16"],
    );
    assert_eq!(analysis(&simulate(&script)).cost.largest(), "command");
    let json =
        serde_json::to_value(run_output(&result, &About::of(&built_in("hot-key", &[])))).expect("JSON");
    assert_eq!(json["hot_key"]["limit"], "system-calls");
    assert_eq!(json["hot_key"]["sub_keys"], 16);
}

/// Fifty clients in a closed loop that cost nothing themselves, on a machine without noise.
fn saturated(pipeline: u32, more: &str, keys: &str) -> RunResult {
    let mut scenario = read(&format!(
        "[redis]\nversion = \"7.2\"\nsave = \"\"\n{more}\n[dataset]\nkeys = \"1M\"\nvalue-size = \"20B\"\n\
         [[workload]]\nname = \"writers\"\nloop = \"closed\"\nconnections = 50\npipeline = {pipeline}\noperation = \"INCR\"\n\
         keys = {keys}\n[machine]\nmodel = \"bare-metal-nvme\"\n[run]\nduration = \"2s\"\nwarmup = \"0s\"\nwindows = []"
    ));
    let machine = &mut scenario.machine;
    machine.noise.classes.clear();
    (machine.network.one_way, machine.network.per_kib) = (0, 0.0);
    machine.network.jitter = writepath::dist::Dist::Fixed(0.0);
    (machine.client.per_reply, machine.client.per_send, machine.client.per_command) = (0, 0, 0);
    machine.client.wakeup.clear();
    simulate(&scenario)
}

#[test]
fn the_closed_form_is_what_a_saturated_thread_carries() {
    let aof = "appendonly = true\nauto-aof-rewrite-percentage = 0";
    for (pipeline, more) in [(1, ""), (1, aof), (4, aof), (16, ""), (16, aof)] {
        let result = saturated(pipeline, more, "\"single\"");
        let carried = result.completed as f64 / 2.0;
        assert_close(carried, analysis(&result).one_key.as_run, 0.02, &format!("pipeline {pipeline} {more}"));
    }
}

#[test]
fn pipelining_lifts_one_key_beyond_a_million_writes_a_second() {
    let [alone, many] = [1, 16].map(|pipeline| saturated(pipeline, "", "\"single\"").completed as f64 / 2.0);
    // "Roughly 200,000 writes per second to a single key" is what single commands take of any keys.
    assert!((120_000.0..250_000.0).contains(&alone), "{alone}");
    assert!(many > 1e6 && many > 4.0 * alone, "{many}");
    let uniform = saturated(1, "", "\"uniform\"").completed as f64 / 2.0;
    assert!(uniform < alone && uniform > 0.85 * alone, "{uniform} {alone}");
}

const HERE: &str = "{ dist = \"single\", sub-keys = 16 }";

#[test]
fn sub_keys_on_the_same_server_change_nothing_but_the_price_of_reads() {
    let keys = format!("workload.writers.keys={HERE}");
    let readers = format!("workload.readers.keys={HERE}");
    let one = simulate(&built_in("hot-key", &[]));
    let split = simulate(&built_in("hot-key", &[&keys, &readers, "workload.readers.operation=MGET 16"]));
    assert_eq!(cpu(&one, "writers"), cpu(&split, "writers"));
    assert_same_commands(&one, &split);
    assert!(cpu(&split, "readers") > 3.0 * cpu(&one, "readers"));
    // The saturated rates differ by the reads alone.
    let used = analysis(&split);
    let lost = (used.one_key.as_run - used.sub_keys_one_server.as_run) / used.one_key.as_run;
    let expected = used.reads_per_s * (used.read_ns[1] - used.read_ns[0]) * 1e-9;
    assert!((lost - expected).abs() < 0.1 * expected && lost < 0.01, "{lost} {expected}");
    assert_eq!((used.sub_keys, used.servers), (16, 16));
    // MGET reads the sub-keys and no other: every one is a hit.
    assert_eq!(split.counters.keyspace_hits, 16 * spent(&split, "readers").commands);
}

#[test]
fn sixteen_keys_come_into_being_and_no_more() {
    let keys = format!("workload.writers.keys={HERE}");
    let result = simulate(&built_in(
        "hot-key",
        &[&keys, "dataset.prefilled=false", "workload.readers.operation=PING"],
    ));
    assert_eq!(int(&result, "keys"), 16);
}

#[test]
fn several_servers_divide_the_writes_and_the_keys_of_each_read() {
    let one = simulate(&built_in("hot-key", &[]));
    let quarter = simulate(&built_in("hot-key-sharded", &[]));
    let commands = |result: &RunResult, name: &str| spent(result, name).commands as f64;
    assert_close(commands(&quarter, "writers"), commands(&one, "writers") / 4.0, 0.02, "writes");
    assert_close(commands(&quarter, "readers"), commands(&one, "readers"), 0.05, "reads");
    assert_eq!(quarter.counters.keyspace_hits as f64, 4.0 * commands(&quarter, "readers"));
    assert!(quarter.busy_total * 2 < one.busy_total);
    let used = analysis(&quarter);
    assert_close(used.writes_per_s, 90_000.0, 0.02, "writes of all servers");
    assert_eq!((used.sub_keys, used.servers), (16, 4));
    let gain = used.sub_keys_servers.as_run / used.one_key.as_run;
    assert!((3.9..4.02).contains(&gain), "{gain}");
    // One server of one is the server itself.
    let keys = "{ dist = \"single\", sub-keys = 16, servers = 1 }";
    let set = [format!("workload.writers.keys={keys}"), format!("workload.readers.keys={keys}")];
    let alone = simulate(&built_in("hot-key-sharded", &[&set[0], &set[1]]));
    assert_same_commands(&alone, &one);
}

#[test]
fn a_hot_set_and_zipf_save_by_the_share_that_fits_the_cache() {
    let hot = "workload.writers.keys={ dist = \"hot\", share = 0.5, keys = 100 }";
    let result = simulate(&built_in("hot-key", &[hot]));
    let single = simulate(&built_in("hot-key", &[]));
    let machine = built_in("hot-key", &[]).machine;
    let dearer = cpu(&result, "writers") - cpu(&single, "writers");
    let saving = machine.cpu.hot_key_saving.min(machine.cpu.incr - machine.cpu.ping) as f64;
    assert_close(dearer, 0.5 * saving, 0.002, "half of the requests miss");
    assert_close(analysis(&result).in_cache, 0.5, 0.001, "share in the cache");
    let zipf = simulate(&built_in("hot-key", &["workload.writers.keys={ dist = \"zipf\", s = 0.99 }"]));
    let between = cpu(&zipf, "writers") - cpu(&single, "writers");
    assert!(between > 0.0 && between < 0.5 * saving, "{between}");
}
