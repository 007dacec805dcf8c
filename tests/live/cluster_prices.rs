//! What being a node of a cluster costs: CPU time of main threads, for the `[cluster]` prices of a machine's model.
//!
//! The scheduler's figure, not the clock's: waiting for the other server is not in it, nor is a busy machine, except
//! through caches. Commands come many in one write, so that wake-ups and passes of the event loop weigh little;
//! what is compared alternates. Every figure is a median.

use std::time::Duration;

use crate::figures::Figures;
use crate::nodes::{Nodes, calls, free_ports};
use crate::reply::encode;
use crate::server::Server;
use crate::slots::{SLOTS, slot_of, tag_in};

/// Measurements of which the median is told.
const REPEATS: usize = 11;
/// Commands of one measurement of cheap commands.
const COMMANDS: usize = 50_000;
/// Bytes of one send when keys are made.
const SEND: usize = 1 << 20;
/// Keys that these touch, their name as [`key`] writes it.
const KEYS: usize = 100_000;
/// Commands of one measurement that are sent one by one.
const ALONE: usize = 200;
/// The slot that MIGRATE empties: one of the first node's.
const SLOT: usize = 0;
const VALUE: &[u8] = &[b'x'; 100];

/// What is measured in one MIGRATE.
struct Case {
    name: &'static str,
    /// Keys in one call.
    batch: usize,
    /// Calls in a row.
    calls: usize,
    content: Content,
}

#[derive(Clone, Copy)]
enum Content {
    /// A string of so many bytes.
    Bytes(usize),
    /// A hash of so many fields of 10 B with values of 10 B.
    Fields(usize),
}

const CASES: [Case; 10] = [
    Case { name: "1_key_of_10_b", batch: 1, calls: 1000, content: Content::Bytes(10) },
    Case { name: "10_keys_of_10_b", batch: 10, calls: 500, content: Content::Bytes(10) },
    Case { name: "100_keys_of_10_b", batch: 100, calls: 100, content: Content::Bytes(10) },
    Case { name: "10_keys_of_100_b", batch: 10, calls: 500, content: Content::Bytes(100) },
    Case { name: "10_keys_of_1_kib", batch: 10, calls: 200, content: Content::Bytes(1024) },
    Case { name: "10_keys_of_100_kib", batch: 10, calls: 20, content: Content::Bytes(100 * 1024) },
    Case { name: "100_keys_of_1_kib", batch: 100, calls: 50, content: Content::Bytes(1024) },
    Case { name: "hash_of_1000", batch: 1, calls: 100, content: Content::Fields(1000) },
    Case { name: "hash_of_10000", batch: 1, calls: 20, content: Content::Fields(10_000) },
    Case { name: "hash_of_100000", batch: 1, calls: 4, content: Content::Fields(100_000) },
];

impl Case {
    /// Whether `rdbcompression` tries to shorten the values: those of a KiB, which it cannot.
    fn is_compressed(&self) -> bool {
        matches!(self.content, Content::Bytes(size) if size >= 1024)
    }
}

fn key(number: usize) -> String {
    format!("key:{number:016}")
}

/// The middle of the values, lowest and highest.
fn middle(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [values[values.len() / 2], values[0], values[values.len() - 1]]
}

fn tell(figures: &mut Figures, name: &str, values: Vec<f64>) -> f64 {
    let [median, low, high] = middle(values);
    figures.number(name, median);
    figures.number(&format!("{name}_min"), low);
    figures.number(&format!("{name}_max"), high);
    median
}

/// CPU time of the main thread a command \[ns\] for `bytes`, which are `commands` commands.
fn cpu(server: &mut Server, bytes: &[u8], commands: usize) -> Result<f64, String> {
    let before = server.main_thread_ns()?;
    server.pass(bytes, commands)?;
    // The last reply leaves before the thread sleeps.
    std::thread::sleep(Duration::from_millis(1));
    Ok((server.main_thread_ns()? - before) as f64 / commands as f64)
}

fn repeated(server: &mut Server, words: &[&str], commands: usize) -> Result<Vec<f64>, String> {
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    let mut bytes = Vec::new();
    for _ in 0..commands {
        encode(&mut bytes, &words);
    }
    (0..REPEATS).map(|_| cpu(server, &bytes, commands)).collect()
}

/// Runs all. Returns a line for people.
pub fn run(program: &str, figures: &mut Figures) -> Result<String, String> {
    let lookup = slot_lookup(program, figures)?;
    let mut nodes = Nodes::start(program, 3, 0, &["--appendonly", "no"])?;
    let version = nodes.servers[0].info("server")?;
    figures.text("redis_version", version.text("redis_version").unwrap_or("?"));
    let redirect = redirects(&mut nodes, figures)?;
    keys_of_slots(&mut nodes, figures)?;
    set_slot(program, figures)?;
    let mut migrates = Vec::new();
    for (compression, suffix) in [("no", ""), ("yes", "_lzf")] {
        nodes.servers[0].ask(&["CONFIG", "SET", "rdbcompression", compression])?;
        for case in CASES.iter().filter(|case| compression == "no" || case.is_compressed()) {
            let [source, target, blocked] = migrate(&mut nodes, case)?;
            let name = format!("{}{suffix}", case.name);
            let of_source = tell(figures, &format!("migrate_us_{name}"), source);
            let of_target = tell(figures, &format!("restore_us_{name}"), target);
            tell(figures, &format!("migrate_blocked_us_{name}"), blocked);
            migrates.push(format!("{} {of_source:.0} + {of_target:.0}", name.replace('_', " ")));
        }
    }
    drop(nodes);
    ranges(program, figures)?;
    Ok(format!(
        "slot look-up {lookup:.0} ns, redirect {redirect:.0} ns, us of CPU a MIGRATE at source + target: {}",
        migrates.join(", ")
    ))
}

/// SETs by a node of a cluster against the same by a server without; PING beside them.
fn slot_lookup(program: &str, figures: &mut Figures) -> Result<f64, String> {
    let mut nodes = Nodes::start(program, 3, 0, &["--appendonly", "no"])?;
    let mut alone = Server::start(program, &["--appendonly", "no"])?;
    let map = nodes.map(0)?;
    let own: Vec<usize> =
        (0..KEYS).filter(|number| map[slot_of(key(*number).as_bytes())] == Some(0)).collect();
    let (mut sets, mut pings) = (Vec::new(), Vec::new());
    for number in 0..COMMANDS {
        encode(&mut sets, &[b"SET", key(own[(number * 7919) % own.len()]).as_bytes(), VALUE]);
        encode(&mut pings, &[b"PING"]);
    }
    let (mut bare, mut more, mut pinged) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=2 * REPEATS {
        let without = cpu(&mut alone, &sets, COMMANDS)?;
        let with = cpu(&mut nodes.servers[0], &sets, COMMANDS)?;
        let ping = cpu(&mut alone, &pings, COMMANDS)?;
        // The first round makes the keys.
        if round > 0 {
            bare.push(without);
            more.push(with - without);
            pinged.push(ping);
        }
    }
    tell(figures, "ping_ns", pinged);
    tell(figures, "set_ns", bare);
    Ok(tell(figures, "slot_lookup_ns", more))
}

/// SETs to a node that does not have their slots.
fn redirects(nodes: &mut Nodes, figures: &mut Figures) -> Result<f64, String> {
    let map = nodes.map(0)?;
    let mut bytes = Vec::new();
    let others = (0..).filter(|number| map[slot_of(key(*number).as_bytes())] != Some(0));
    for number in others.take(COMMANDS) {
        encode(&mut bytes, &[b"SET", key(number).as_bytes(), VALUE]);
    }
    let server = &mut nodes.servers[0];
    let values = (0..REPEATS).map(|_| cpu(server, &bytes, COMMANDS)).collect::<Result<_, _>>()?;
    Ok(tell(figures, "redirect_ns", values))
}

/// COUNTKEYSINSLOT and GETKEYSINSLOT of 0, 10 and 100 keys.
fn keys_of_slots(nodes: &mut Nodes, figures: &mut Figures) -> Result<(), String> {
    let (tag, slot) = (tag_in(SLOT), SLOT.to_string());
    nodes.fill(200, |number| format!("{{{tag}}}:{number:010}"), VALUE)?;
    let server = &mut nodes.servers[0];
    tell(figures, "count_keys_ns", repeated(server, &["CLUSTER", "COUNTKEYSINSLOT", &slot], 5000)?);
    for keys in ["0", "10", "100"] {
        let values = repeated(server, &["CLUSTER", "GETKEYSINSLOT", &slot, keys], 2000)?;
        tell(figures, &format!("get_keys_ns_{keys}"), values);
    }
    server.ask(&["FLUSHALL"])?;
    Ok(())
}

/// SETSLOT many a pass of the event loop, and one a pass, which then writes nodes.conf; COUNTKEYSINSLOT beside it,
/// after which nothing is to be saved. In a cluster of so many nodes.
fn set_slot(program: &str, figures: &mut Figures) -> Result<(), String> {
    let (slot, other) = (SLOT.to_string(), id(1));
    let words = ["CLUSTER", "SETSLOT", &slot, "MIGRATING", &other];
    let mut bytes = [Vec::new(), Vec::new()];
    encode(&mut bytes[0], &words.map(str::as_bytes));
    encode(&mut bytes[1], &[b"CLUSTER", b"COUNTKEYSINSLOT", slot.as_bytes()]);
    for nodes in [3, 30, 100] {
        let mut server = lone(program, nodes, 1)?;
        if nodes == 3 {
            let together = repeated(&mut server, &words, 2000)?;
            tell(figures, "setslot_ns", together);
        }
        let mut saved = Vec::new();
        for _ in 0..REPEATS {
            let mut spent = [0.0; 2];
            for (spent, bytes) in spent.iter_mut().zip(&bytes) {
                let before = server.main_thread_ns()?;
                for _ in 0..ALONE {
                    server.pass(bytes, 1)?;
                }
                *spent = (server.main_thread_ns()? - before) as f64 / ALONE as f64 / 1e3;
            }
            saved.push(spent[0] - spent[1]);
        }
        tell(figures, &format!("config_write_us_{nodes}_nodes"), saved);
    }
    Ok(())
}

/// Main thread's time of source and target \[us a call\] of MIGRATEs in a row, as often as [`REPEATS`] says, and how
/// long the source was blocked, by its own clock.
fn migrate(nodes: &mut Nodes, case: &Case) -> Result<[Vec<f64>; 3], String> {
    let (tag, slot) = (tag_in(SLOT), SLOT.to_string());
    let name = |number: usize| format!("{{{tag}}}:{number:010}");
    let (from, to) = (nodes.id(0)?, nodes.id(1)?);
    let port = nodes.servers[1].port().to_string();
    let (mut source, mut target, mut blocked) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..REPEATS {
        fill(&mut nodes.servers[0], case, &name)?;
        nodes.servers[1].ask(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from])?;
        nodes.servers[0].ask(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to])?;
        let mut bytes = Vec::new();
        for call in 0..case.calls {
            let keys: Vec<String> = (0..case.batch).map(|place| name(call * case.batch + place)).collect();
            let mut words = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "60000", "KEYS"];
            words.extend(keys.iter().map(String::as_str));
            encode(&mut bytes, &words.iter().map(|word| word.as_bytes()).collect::<Vec<_>>());
        }
        let so_far = calls(&nodes.servers[0].info("commandstats")?, "migrate").1;
        let begun = nodes.servers[1].main_thread_ns()?;
        let ns = cpu(&mut nodes.servers[0], &bytes, case.calls)?;
        source.push(ns / 1e3);
        target.push((nodes.servers[1].main_thread_ns()? - begun) as f64 / 1e3 / case.calls as f64);
        let us = calls(&nodes.servers[0].info("commandstats")?, "migrate").1 - so_far;
        blocked.push(us / case.calls as f64);
        let moved = (case.calls * case.batch) as u64;
        let keys = nodes.keys()?;
        if keys[..2] != [0, moved] {
            return Err(format!("{moved} keys were to move: {keys:?}"));
        }
        nodes.servers[1].ask(&["FLUSHALL"])?;
        for node in [0, 1] {
            nodes.servers[node].ask(&["CLUSTER", "SETSLOT", &slot, "STABLE"])?;
        }
    }
    Ok([source, target, blocked])
}

fn fill(server: &mut Server, case: &Case, name: &impl Fn(usize) -> String) -> Result<(), String> {
    let (mut bytes, mut commands) = (Vec::new(), 0);
    let keys = case.calls * case.batch;
    for number in 0..keys {
        let name = name(number);
        match case.content {
            Content::Bytes(size) => {
                // Nothing that LZF shortens.
                let value: Vec<u8> = (0..size)
                    .map(|place| ((place * 2_654_435_761 + place * place * 40_503) >> 7) as u8)
                    .collect();
                encode(&mut bytes, &[b"SET", name.as_bytes(), &value]);
            }
            Content::Fields(fields) => {
                let fields: Vec<String> = (0..2 * fields).map(|place| format!("{place:010}")).collect();
                let mut words = vec![b"HSET".as_slice(), name.as_bytes()];
                words.extend(fields.iter().map(|field| field.as_bytes()));
                encode(&mut bytes, &words);
            }
        }
        commands += 1;
        if bytes.len() > SEND || number + 1 == keys {
            server.pass(&bytes, commands)?;
            (bytes, commands) = (Vec::new(), 0);
        }
    }
    Ok(())
}

/// CLUSTER SLOTS and SHARDS of a server that has slots in so many ranges.
fn ranges(program: &str, figures: &mut Figures) -> Result<(), String> {
    for count in [3, 50, 500] {
        let mut server = lone(program, 3, count)?;
        for command in ["SLOTS", "SHARDS"] {
            let values = repeated(&mut server, &["CLUSTER", command], 200)?;
            tell(figures, &format!("{}_ns_{count}_ranges", command.to_lowercase()), values);
        }
    }
    Ok(())
}

/// Identity of the node of this number in [`lone`].
fn id(node: usize) -> String {
    format!("{node:040x}")
}

/// A server that believes in a cluster of `nodes` nodes, of which it has the slots in so many ranges and the others
/// do not answer.
fn lone(program: &str, nodes: usize, ranges: usize) -> Result<Server, String> {
    let mut ports = free_ports();
    let port = ports.next().ok_or("no port is free")?;
    let mut text = String::new();
    for node in 0..nodes {
        let flags = if node == 0 { "myself,master" } else { "master" };
        // Ports of nobody: their connections are refused at once.
        let port = if node == 0 { port } else { 100 + node as u16 };
        text += &format!("{} 127.0.0.1:{port}@{} {flags} - 0 0 {node} connected", id(node), port + 10_000);
        if node == 0 {
            let width = SLOTS / ranges;
            // A slot is left out between two ranges.
            let last = |range: usize| (range + 1) * width - 2;
            text.extend((0..ranges).map(|range| format!(" {}-{}", range * width, last(range))));
        }
        text.push('\n');
    }
    text += &format!("vars currentEpoch {nodes} lastVoteEpoch 0\n");
    let options = ["--appendonly", "no", "--cluster-enabled", "yes", "--cluster-node-timeout", "600000"];
    Server::start_at(port, program, &options, Some(("nodes.conf", &text)))
}
