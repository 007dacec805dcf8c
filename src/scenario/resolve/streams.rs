//! Checks of stream commands across groups, data and version.

use super::super::keys::{DATASET, REDIS, WORKLOAD};
use super::super::reader::{Reader, Section};
use super::super::tree::Table;
use super::super::{Dataset, Workload};
use crate::cost_model::CostModel;
use crate::redis::command::{Command, CommandKind};
use crate::redis::config::RedisConfig;
use crate::redis::stream_nodes::{CAPACITY_MAX, NodeShape};
use crate::units::format_bytes;

/// Streams when nobody says how many.
pub const STREAMS: u64 = 1000;

/// Reports what streams cannot be, and notes what is not modelled of them.
pub fn check(
    tree: &Table,
    groups: &[Workload],
    dataset: &Dataset,
    config: &RedisConfig,
    machine: Option<&CostModel>,
    reader: &mut Reader,
) {
    let sections = Section::repeated(&WORKLOAD, tree);
    let data = Section::single(&DATASET, tree);
    let mut shape: Option<(u32, u64)> = None;
    let mut addressed = false;
    for (group, section) in groups.iter().zip(&sections) {
        let place = section.place_of(if section.has("mix") { "mix" } else { "operation" });
        for (command, _) in &group.mix {
            if command.script.contains(&CommandKind::Xadd) {
                let note =
                    "XADD in a script is priced and logged; its entry takes memory but no node of a stream";
                reader.notes.push(note.into());
            }
            if !command.kind.is_stream() {
                continue;
            }
            addressed = true;
            if !config.version.has(5, 0) {
                let read = format!("{}: version {} has no streams", command.kind.name(), config.version);
                reader.problem(&place, read, "set redis.version to 5.0 or later");
            }
            let entry = (command.elements, group.value_size.mean().round() as u64);
            if command.kind == CommandKind::Xadd && *shape.get_or_insert(entry) != entry {
                let read = format!(
                    "{command} with values of {}: other entries than those of an XADD before",
                    format_bytes(entry.1)
                );
                let remedy =
                    "give every XADD the same number of fields and value-size: entries of streams are alike";
                reader.problem(&place, read, remedy);
            }
        }
    }
    if !addressed {
        // At their defaults they say nothing.
        for (key, set) in
            [("streams", dataset.streams != STREAMS), ("stream-entries", dataset.stream_entries != 0)]
        {
            if set {
                reader.notes.push(format!("dataset.{key} does not matter: no command addresses streams"));
            }
        }
        return;
    }
    if config.maxmemory > 0 {
        reader.notes.push("streams count towards maxmemory but are not evicted, other keys are".into());
    }
    if groups.iter().any(|group| group.value_size.fixed().is_none() && adds(group)) {
        reader.notes.push("nodes of streams are filled with entries of the mean size".into());
    }
    let (fields, value) =
        shape.map_or((1, dataset.value_size.mean().round() as u64), |(fields, value)| (fields.into(), value));
    let (bytes, entries) = (config.stream_node_max_bytes, config.stream_node_max_entries);
    let shape = NodeShape::new(config.version, bytes, entries, fields, value);
    if shape.capacity > CAPACITY_MAX {
        let section = Section::single(&REDIS, tree);
        let read = format!("a stream's node would take {} entries", shape.capacity);
        let remedy = format!("set redis.stream-node-max-entries to at most {CAPACITY_MAX}");
        reader.problem(&section.place_of("stream-node-max-entries"), read, remedy);
        return;
    }
    let at_start = shape.stream_bytes(dataset.stream_entries).saturating_mul(dataset.streams);
    if let Some(machine) = machine.filter(|machine| at_start > machine.machine.memory) {
        let read = format!(
            "dataset: the streams take {} at the start, machine {:?} has {}",
            format_bytes(at_start),
            machine.name,
            format_bytes(machine.machine.memory)
        );
        reader.problem(
            &data.place_of("stream-entries"),
            read,
            "lower dataset.streams or dataset.stream-entries",
        );
    }
}

fn adds(group: &Workload) -> bool {
    group.mix.iter().any(|(command, _): &(Command, f64)| command.kind == CommandKind::Xadd)
}
