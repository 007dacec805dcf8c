//! `[cluster]` and `[[node]]`: the primaries, their slots and machines.

use std::ops::RangeInclusive;
use std::path::Path;

use super::super::cluster::{ClientProfile, ClusterSpec, NodeSpec, SLOTS, dealt, ranges, slots_text};
use super::super::cluster_keys::MAX_NODES;
use super::super::keys::{CLUSTER, Kind, NODE, REDIS};
use super::super::layers::group_name;
use super::super::reader::{Got, Reader, Section};
use super::super::show::origin_text;
use super::super::slots::slots;
use super::super::tree::{Place, Table};
use super::super::values::whole;
use super::super::{Dataset, Origin, memory};
use super::dataset::data_place;
use super::machine;
use super::node_redis;
use super::redis::Redis;
use crate::cost_model::CostModel;
use crate::models;
use crate::units::{KIB, MILLISECOND, SECOND, format_bytes};

/// Bandwidth of a link whose model charges nothing for bytes \[bytes/s\].
const FREE_LINK: f64 = 1e12;
/// Ranges of slots without an owner that a note spells out.
const RANGES_SHOWN: usize = 4;

/// Reads the cluster; none if the scenario has none.
pub fn read(
    tree: &Table,
    redis: &Redis,
    machine: Option<&CostModel>,
    dataset: &Dataset,
    base_dir: &Path,
    reader: &mut Reader,
) -> Option<ClusterSpec> {
    let mut listed = Section::repeated(&NODE, tree);
    let Some(settings) = &redis.cluster else {
        if let Some(first) = listed.first() {
            reader.problem(&first.place, "node: the scenario has no [cluster]", "add [cluster]");
        }
        return None;
    };
    let section = Section::single(&CLUSTER, tree);
    if !settings.version.has(3, 0) {
        let place = Section::single(&REDIS, tree).place_of("version");
        let read = format!("redis.version: {} has no cluster", settings.version);
        reader.problem(&place, read, "set redis.version to 3.0 or later, or take [cluster] out");
    }
    check_number(&section, &mut listed, reader);
    // Without a model its problem is reported, and nothing is built.
    let blank = models::blank("none");
    let base = machine.unwrap_or(&blank);
    let mut nodes = match listed.is_empty() {
        true => counted(&section, redis, base, reader),
        false => named(&section, listed, redis, base, base_dir, reader),
    };
    deal_to_hosts(&section, &mut nodes, reader);
    let nodes = nodes.into_iter().map(|draft| draft.node).collect::<Vec<_>>();
    let client = reader.choice(&section, "client").value;
    let profile = ClientProfile::ALL.iter().find(|(name, _)| Some(*name) == client.as_deref());
    let processes = reader.whole(&section, "client-processes").value.unwrap_or(1) as u32;
    let (link_delay, link_bandwidth) = link(&section, base, reader);
    let spec = ClusterSpec {
        nodes,
        client: profile.map_or(ClientProfile::RedisPy, |(_, profile)| *profile),
        processes,
        tags: tags(&section, dataset, reader),
        link_delay,
        link_bandwidth,
        node_timeout: settings.node_timeout * MILLISECOND,
        full_coverage: settings.require_full_coverage,
        reads_when_down: settings.allow_reads_when_down,
        handoff_max_lag: settings.lag_limit(),
        write_pause_timeout: settings.pause_timeout(),
        config_save: settings.config_save,
        validity_factor: settings.replica_validity_factor as u32,
        no_failover: settings.replica_no_failover,
        moves: Vec::new(),
    };
    note_coverage(&spec, reader);
    check_memory(tree, dataset, &spec, reader);
    Some(spec)
}

/// No more primaries than clusters are built for, however they are given.
fn check_number(section: &Section<'_>, listed: &mut Vec<Section<'_>>, reader: &mut Reader) {
    let most = MAX_NODES as usize;
    if listed.len() > most {
        let read = format!("node: {} primaries", listed.len());
        reader.problem(&listed[most].place, read, format!("expected at most {most}"));
        listed.truncate(most);
    }
    let counted = ["primaries", "empty-primaries"].map(|key| match section.table.get(key) {
        Some(node) => whole(node, Kind::Count(0, MAX_NODES)).unwrap_or(0),
        None => 0,
    });
    if counted[0] + counted[1] > MAX_NODES {
        let read = format!("cluster: {} primaries in all", counted[0] + counted[1]);
        reader.problem(&section.place_of("empty-primaries"), read, format!("expected at most {most}"));
    }
}

/// A node as far as it is read.
struct Draft {
    node: NodeSpec,
    /// Number of its machine as typed.
    host: Option<u64>,
    /// Slots as typed, with their places.
    slots: Option<Vec<(RangeInclusive<u16>, Place)>>,
    /// Where its machine was chosen.
    place: Place,
}

/// `primaries` and `empty-primaries`.
fn counted(section: &Section<'_>, redis: &Redis, base: &CostModel, reader: &mut Reader) -> Vec<Draft> {
    let primaries = reader.whole(section, "primaries");
    if !primaries.given {
        let remedy = "add primaries = 3, or list them as [[node]]";
        reader.problem(&section.place, "cluster.primaries is missing", remedy);
    }
    let (owners, empty) = (primaries.value.unwrap_or(1) as usize, reader.whole(section, "empty-primaries"));
    let mut slots = dealt(owners).into_iter();
    let draft = |index: usize| Draft {
        node: NodeSpec {
            name: format!("node-{}", index + 1),
            slots: slots.next().into_iter().collect(),
            redis: redis.config.clone(),
            machine: base.clone(),
            host: 0,
        },
        host: None,
        slots: None,
        place: section.place.clone(),
    };
    (0..owners + empty.value.unwrap_or(0) as usize).map(draft).collect()
}

/// The `[[node]]`s.
fn named(
    cluster: &Section<'_>,
    sections: Vec<Section<'_>>,
    redis: &Redis,
    base: &CostModel,
    base_dir: &Path,
    reader: &mut Reader,
) -> Vec<Draft> {
    for key in ["primaries", "empty-primaries"].into_iter().filter(|key| cluster.has(key)) {
        let read = format!("cluster.{key} beside [[node]]");
        reader.problem(&cluster.place_of(key), read, "keep one of them: [[node]] lists every primary");
    }
    let mut drafts: Vec<Draft> = Vec::new();
    for (index, mut section) in sections.into_iter().enumerate() {
        let name = group_name(NODE.name, section.table, index);
        section.prefix = format!("node.{name}");
        let taken = drafts.iter().any(|other| other.node.name == name);
        reader.name(&section, &name, taken, &["all"]);
        let slots = reader.read(&section, "slots", slots);
        let model = reader.text(&section, "model");
        let own =
            model.value.and_then(|typed| machine::load("node.model", &typed, &model.place, base_dir, reader));
        drafts.push(Draft {
            node: NodeSpec {
                name,
                slots: Vec::new(),
                redis: node_redis::read(&section, &redis.config, reader),
                machine: own.unwrap_or_else(|| base.clone()),
                host: 0,
            },
            host: reader.whole(&section, "host").value,
            slots: slots.value,
            place: section.place_of(if model.given { "model" } else { "host" }),
        });
    }
    give_slots(&mut drafts, reader);
    drafts
}

/// Slots as typed, each to one node; dealt out to those that say nothing if nobody names one.
fn give_slots(drafts: &mut [Draft], reader: &mut Reader) {
    let mut owners: Vec<Option<(usize, Place)>> = vec![None; SLOTS];
    for index in 0..drafts.len() {
        for (range, place) in drafts[index].slots.clone().unwrap_or_default() {
            let taken = range.clone().find_map(|slot| owners[usize::from(slot)].clone().map(|o| (slot, o)));
            if let Some((slot, (owner, at))) = taken {
                let (name, at) = (&drafts[owner].node.name, position(&at));
                let read = format!("node.slots: slot {slot} is {name}'s ({at})");
                reader.problem(&place, read, "give every slot to one node");
                continue;
            }
            range.clone().for_each(|slot| owners[usize::from(slot)] = Some((index, place.clone())));
            drafts[index].node.slots.push(range);
        }
    }
    if owners.iter().all(Option::is_none) {
        let silent: Vec<usize> = (0..drafts.len()).filter(|&index| drafts[index].slots.is_none()).collect();
        if !silent.is_empty() {
            let ranges = dealt(silent.len());
            silent.into_iter().zip(ranges).for_each(|(index, range)| drafts[index].node.slots = vec![range]);
        }
    }
}

/// Where something was typed, in a few characters.
fn position(place: &Place) -> String {
    match place.column {
        0 => origin_text(&place.origin),
        column => format!("{}:{column}", origin_text(&place.origin)),
    }
}

fn deal_to_hosts(section: &Section<'_>, drafts: &mut [Draft], reader: &mut Reader) {
    if let Got { value: Some(hosts), place, .. } = reader.whole(section, "hosts") {
        if drafts.iter().any(|draft| draft.host.is_some()) {
            let remedy = "keep one of them: hosts deals the primaries out, node.host names a machine";
            reader.problem(&place, "cluster.hosts beside node.host", remedy);
        }
        if hosts > drafts.len() as u64 {
            let read = format!("cluster.hosts: {hosts}, but there are {} primaries", drafts.len());
            reader.problem(&place, read, "lower hosts, or take it out: then each has its own");
        }
        for (index, draft) in drafts.iter_mut().enumerate() {
            draft.host = draft.host.or(Some(1 + index as u64 % hosts));
        }
    }
    // Machines are numbered as they first appear; a node that names none has its own.
    let mut numbers: Vec<Option<u64>> = Vec::new();
    for index in 0..drafts.len() {
        let typed = drafts[index].host;
        let known = numbers.iter().position(|number| typed.is_some() && *number == typed);
        let host = known.unwrap_or_else(|| {
            numbers.push(typed);
            numbers.len() - 1
        }) as u32;
        drafts[index].node.host = host;
        let (before, this) = drafts.split_at(index);
        let beside = before.iter().find(|other| other.node.host == host);
        if let Some(other) = beside.filter(|other| other.node.machine != this[0].node.machine) {
            let read = format!("node.model: {} is on the same machine and has another", other.node.name);
            reader.problem(&this[0].place, read, "give the nodes of a host one model");
        }
    }
}

/// Delay and bandwidth between nodes: as given, else the model's.
fn link(section: &Section<'_>, machine: &CostModel, reader: &mut Reader) -> (u64, f64) {
    let network = &machine.network;
    let delay = reader.whole(section, "link-delay").value.unwrap_or_else(|| {
        reader.record(section, "link-delay", format!("\"{}ns\"", network.one_way), Origin::Model);
        network.one_way
    });
    let bandwidth = reader.real(section, "link-bandwidth").value.unwrap_or_else(|| {
        let bandwidth = match network.per_kib > 0.0 {
            true => KIB as f64 * SECOND as f64 / network.per_kib,
            false => FREE_LINK,
        };
        reader.record(section, "link-bandwidth", format!("\"{bandwidth}B/s\""), Origin::Model);
        bandwidth
    });
    (delay, bandwidth)
}

fn tags(section: &Section<'_>, dataset: &Dataset, reader: &mut Reader) -> Option<u64> {
    let tags = reader.whole(section, "hash-tags");
    if let Some(count) = tags.value.filter(|count| *count > dataset.keys) {
        let read = format!("cluster.hash-tags: {count} tags, but the dataset has {} keys", dataset.keys);
        reader.problem(&tags.place, read, "lower hash-tags or raise dataset.keys");
    }
    tags.value
}

/// Slots without an owner are a result of the run, and said beforehand.
fn note_coverage(spec: &ClusterSpec, reader: &mut Reader) {
    let owners = spec.owners();
    let open = |slot: &u16| owners[usize::from(*slot)].is_none();
    let without = ranges((0..SLOTS as u16).filter(open));
    if without.is_empty() {
        return;
    }
    let count: usize = without.iter().map(|range| range.len()).sum();
    let shown = slots_text(&without[..without.len().min(RANGES_SHOWN)]);
    let more = if without.len() > RANGES_SHOWN { " …" } else { "" };
    let answer = match spec.full_coverage {
        true => "the cluster is down and every command gets CLUSTERDOWN (cluster-require-full-coverage yes)",
        false => "commands on them get CLUSTERDOWN (cluster-require-full-coverage no)",
    };
    reader.notes.push(format!("{count} of {SLOTS} slots have no owner ({shown}{more}): {answer}"));
}

/// The keys of a machine's nodes must fit into it, as those of one server must.
fn check_memory(tree: &Table, dataset: &Dataset, spec: &ClusterSpec, reader: &mut Reader) {
    if !dataset.prefilled {
        return;
    }
    let Dataset { keys, key_size, value_size, ttl_share, fragmentation, .. } = dataset;
    let hosts = spec.nodes.iter().map(|node| node.host).max().map_or(0, |host| host + 1);
    for host in 0..hosts {
        let here: Vec<&NodeSpec> = spec.nodes.iter().filter(|node| node.host == host).collect();
        let slots: usize = here.iter().map(|node| node.slot_count()).sum();
        let share = (*keys as f64 * slots as f64 / SLOTS as f64) as u64;
        let Some(node) = here.first().filter(|_| share > 0) else { continue };
        let used = memory::of_keys(node.redis.version, share, *key_size, value_size, *ttl_share);
        let rss = used * fragmentation;
        if rss > node.machine.machine.memory as f64 {
            let read = format!(
                "dataset: the keys of {} take {} at the start, its machine {:?} has {}",
                here.iter().map(|node| node.name.as_str()).collect::<Vec<_>>().join(", "),
                format_bytes(rss as u64),
                node.machine.name,
                format_bytes(node.machine.machine.memory)
            );
            let remedy = "lower dataset.keys (or memory), or add primaries or hosts";
            return reader.problem(&data_place(tree), read, remedy);
        }
    }
}

#[cfg(test)]
pub mod tests;
