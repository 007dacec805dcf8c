//! `[dataset]` and `[start]`: the keys, and the state of the server when the run begins.

use super::super::keys::{DATASET, START};
use super::super::reader::{Got, Reader, Section};
use super::super::shapes::{Quantity, dist};
use super::super::tree::{Place, Table};
use super::super::ttl::Ttl;
use super::super::ttl_shape::{TtlOf, ttl};
use super::super::{Dataset, StartState, memory};
use super::streams::STREAMS;
use crate::cost_model::CostModel;
use crate::dist::Dist;
use crate::redis::config::RedisConfig;
use crate::redis::version::Version;
use crate::units::{format_bytes, format_count};

/// Reads `[dataset]`.
pub fn read(tree: &Table, version: Version, reader: &mut Reader) -> Dataset {
    let section = Section::single(&DATASET, tree);
    let key_size = reader.whole(&section, "key-size").value.unwrap_or(20) as u32;
    let value_size = reader
        .read(&section, "value-size", |node| dist(node, Quantity::Size))
        .value
        .unwrap_or(Dist::Fixed(100.0));
    let prefilled = reader.boolean(&section, "prefilled").value.unwrap_or(true);
    let ttl = reader.read(&section, "ttl", |node| ttl(node, TtlOf::Dataset));
    let ttl_share = read_ttl_share(&section, &ttl, prefilled, reader);
    let fragmentation = reader.real(&section, "fragmentation").value.unwrap_or(1.0);
    let mut count = |key| reader.whole(&section, key).value;
    let (streams, stream_entries) =
        (count("streams").unwrap_or(STREAMS), count("stream-entries").unwrap_or(0));
    let keys = if section.has("memory") {
        let memory = read_memory(&section, reader);
        memory.value.map(|bytes| {
            let keys = memory::keys_in(version, bytes, key_size, &value_size, ttl_share);
            // The number of keys is the setting; the memory was only a way to say it.
            reader.record(&section, "keys", keys.to_string(), memory.place.origin.clone());
            reader.notes.push(format!(
                "dataset.memory of {} holds {} keys of {:.0} B each",
                format_bytes(bytes),
                format_count(keys as f64),
                bytes as f64 / keys as f64
            ));
            keys
        })
    } else {
        reader.whole(&section, "keys").value
    };
    Dataset {
        keys: keys.unwrap_or(1),
        prefilled,
        key_size,
        value_size,
        ttl_share,
        fragmentation,
        streams,
        stream_entries,
        ttl: ttl.value,
    }
}

/// With a time to live all keys have one unless another share is given.
fn read_ttl_share(section: &Section<'_>, ttl: &Got<Ttl>, prefilled: bool, reader: &mut Reader) -> f64 {
    if ttl.given && !prefilled {
        let read = "dataset.ttl is of keys that exist at the start, and prefilled is false";
        reader.problem(&ttl.place, read, "take dataset.ttl out, or give workload.ttl to a group that writes");
    }
    let given = section.has("ttl-share");
    if ttl.given && !given {
        reader.record(section, "ttl-share", "1".to_owned(), ttl.place.origin.clone());
        return 1.0;
    }
    let share = reader.real(section, "ttl-share");
    if ttl.given && share.value == Some(0.0) {
        let read = "dataset: ttl is given, but ttl-share gives it to no key";
        reader.problem(&share.place, read, "raise ttl-share, or take one of them out");
    }
    share.value.unwrap_or(0.0)
}

fn read_memory(section: &Section<'_>, reader: &mut Reader) -> Got<u64> {
    if section.has("keys") {
        let read = "dataset: keys and memory are both given";
        reader.problem(&section.place_of("memory"), read, "keep one of them: each follows from the other");
    }
    let before = reader.settings.len();
    let memory = reader.whole(section, "memory");
    reader.settings.truncate(before);
    memory
}

/// Reads `[start]`.
pub fn read_start(tree: &Table, reader: &mut Reader) -> StartState {
    let section = Section::single(&START, tree);
    let mut optional = |key| reader.whole(&section, key).value;
    StartState {
        changes_since_save: optional("changes-since-save").unwrap_or(0),
        last_save_age: optional("last-save-age").unwrap_or(0),
        aof_base_size: optional("aof-base-size"),
        aof_current_size: optional("aof-current-size"),
        used_memory: optional("used-memory"),
        used_memory_rss: optional("used-memory-rss"),
    }
}

/// The data must fit the machine, or the kernel would kill the server before the first request.
pub fn check_memory(
    tree: &Table,
    dataset: &Dataset,
    start: &StartState,
    config: &RedisConfig,
    machine: &CostModel,
    reader: &mut Reader,
) {
    let of_keys = if dataset.prefilled {
        memory::of_keys(
            config.version,
            dataset.keys,
            dataset.key_size,
            &dataset.value_size,
            dataset.ttl_share,
        )
    } else {
        0.0
    };
    let used = start.used_memory.map_or(of_keys, |bytes| bytes as f64);
    let rss = start.used_memory_rss.map_or(used * dataset.fragmentation, |bytes| bytes as f64);
    if rss <= machine.machine.memory as f64 {
        return;
    }
    let read = format!(
        "dataset: the keys take {} at the start (used memory {} and its fragmentation), machine {:?} has {}",
        format_bytes(rss as u64),
        format_bytes(used as u64),
        machine.name,
        format_bytes(machine.machine.memory)
    );
    let remedy =
        "lower dataset.keys (or memory), or set machine.memory under [machine]: machine.memory = \"64GiB\"";
    reader.problem(&data_place(tree), read, remedy);
}

/// Where the amount of data was typed.
pub fn data_place(tree: &Table) -> Place {
    let section = Section::single(&DATASET, tree);
    let key = ["memory", "keys"].into_iter().find(|key| section.has(key)).unwrap_or("keys");
    section.place_of(key)
}
