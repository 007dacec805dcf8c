//! Events that move slots: reshard, move-slots, rebalance, cluster-fix.

use std::ops::RangeInclusive;

use super::super::cluster::{ClusterSpec, MoveAction, MoveKind, MoveOptions, SLOTS, TimedMove};
use super::super::keys::Kind;
use super::super::reader::{Fault, Reader, Section};
use super::super::slots;
use super::super::tree::{Node, Place};
use super::super::values::whole;
use crate::redis::version::{Flavour, Version};
use crate::units::{MILLISECOND, SECOND};

/// Names of the actions that move slots.
pub const MOVES: &[&str] = &["reshard", "move-slots", "rebalance", "cluster-fix"];

/// A move as read, with the places its later checks complain about.
pub struct Draft {
    /// What it does; its time is the event's.
    pub timed: TimedMove,
    /// Where the amount was typed.
    amount: Place,
    /// Where the sources were typed.
    sources: Place,
}

/// Reads a move; none with a problem reported.
pub fn read(
    section: &Section<'_>,
    name: &str,
    at: u64,
    cluster: Option<(&ClusterSpec, Version)>,
    reader: &mut Reader,
) -> Option<Draft> {
    let Some((cluster, version)) = cluster else {
        let read = format!("event.do: {name}, but the scenario has no [cluster]");
        reader.problem(&section.place_of("do"), read, "add [cluster], or take the event out");
        return None;
    };
    let names: Vec<String> = cluster.nodes.iter().map(|node| node.name.clone()).collect();
    let options = options(section, name, version, reader);
    let action = match name {
        "reshard" => reshard(section, &names, reader),
        "move-slots" => move_slots(section, &names, reader),
        "rebalance" => Some(MoveAction::Rebalance {
            weights: reader
                .read(section, "weights", |node| slots::weights(node, &names))
                .value
                .unwrap_or_else(|| vec![1.0; names.len()]),
            use_empty: reader.boolean(section, "use-empty-primaries").value.unwrap_or(false),
            threshold: reader.real(section, "threshold").value.unwrap_or(0.0),
        }),
        _ => Some(MoveAction::Fix),
    };
    Some(Draft {
        timed: TimedMove { at, action: action?, options: options? },
        amount: section.place_of("slots"),
        sources: section.place_of("from"),
    })
}

fn reshard(section: &Section<'_>, names: &[String], reader: &mut Reader) -> Option<MoveAction> {
    let from = reader.read(section, "from", |node| slots::nodes_named(node, names));
    if !from.given {
        let remedy = format!("add from = {:?}, a list of names, or \"all\"", names[0]);
        reader.problem(&section.place, "event.from is missing", remedy);
    }
    let to = target(section, names, reader);
    let count = reader.read(section, "slots", |node| whole(node, Kind::Count(1, SLOTS as u64)));
    if !count.given {
        reader.problem(&section.place, "event.slots is missing", "add slots = 500, the number of slots");
    }
    let (from, to) = (from.value?, to?);
    if from.contains(&to) {
        let read = format!("event.to: {} also gives the slots: a migration to itself", names[to]);
        reader.problem(&section.place_of("to"), read, "name another node, or take it out of from");
        return None;
    }
    Some(MoveAction::Reshard { from, to, slots: count.value? as u32 })
}

fn move_slots(section: &Section<'_>, names: &[String], reader: &mut Reader) -> Option<MoveAction> {
    let which = reader.read(section, "slots", |node| {
        let found = slots::slots(node)?;
        if found.is_empty() {
            return Err(Fault::new("it names no slot", "write for example \"0-99\""));
        }
        Ok(found)
    });
    if !which.given {
        let remedy = "add slots = \"0-99\", or a list of such";
        reader.problem(&section.place, "event.slots is missing", remedy);
    }
    let to = target(section, names, reader);
    let slots = which.value?.into_iter().map(|(range, _)| range).collect();
    Some(MoveAction::Slots { slots, to: to? })
}

fn target(section: &Section<'_>, names: &[String], reader: &mut Reader) -> Option<usize> {
    let to = reader.read(section, "to", |node| slots::node_named(node, names));
    if !to.given {
        let remedy = format!("add to = {:?}", names[names.len() - 1]);
        reader.problem(&section.place, "event.to is missing", remedy);
    }
    to.value
}

fn options(section: &Section<'_>, name: &str, version: Version, reader: &mut Reader) -> Option<MoveOptions> {
    let method = reader.choice(section, "method");
    if method.value? == "atomic" {
        check_atomic(section, name, version, &method.place, reader);
        // The server's own migration has none of redis-cli's settings.
        return Some(MoveOptions {
            kind: MoveKind::Atomic,
            pipeline: 1,
            timeout: 60 * SECOND,
            pause: 0,
            replace: false,
        });
    }
    let timeout = reader.read(section, "timeout", |node| whole_milliseconds(section, node));
    Some(MoveOptions {
        kind: MoveKind::Legacy,
        pipeline: reader.whole(section, "pipeline").value? as u32,
        timeout: timeout.value?,
        pause: reader.whole(section, "pause").value?,
        replace: reader.boolean(section, "replace").value?,
    })
}

/// MIGRATE takes its time-out in milliseconds.
fn whole_milliseconds(section: &Section<'_>, node: &Node) -> Result<u64, Fault> {
    let kind = section.spec.key("timeout").map_or(Kind::Text, |key| key.kind);
    let span = whole(node, kind)?;
    match span.is_multiple_of(MILLISECOND) {
        true => Ok(span),
        false => {
            let read = format!("{} is no whole number of milliseconds", node.literal());
            Err(Fault::new(read, "MIGRATE takes milliseconds: round it"))
        }
    }
}

fn check_atomic(section: &Section<'_>, name: &str, version: Version, place: &Place, reader: &mut Reader) {
    if name == "cluster-fix" {
        let read = "event.method: an atomic migration leaves no slot open that could be fixed";
        reader.problem(place, read, "take method out");
    }
    if !version.has_atomic_migration() {
        let needed = match version.flavour {
            Flavour::Redis => "8.4 (or \"valkey-9.0\")",
            Flavour::Valkey => "valkey-9.0 (or \"8.4\")",
        };
        let read = format!("event.method: {version} has no atomic migration of slots");
        let remedy = format!("set redis.version to {needed} or later, or method = \"legacy\"");
        reader.problem(place, read, remedy);
    }
    for key in ["pipeline", "timeout", "pause", "replace"].into_iter().filter(|key| section.has(key)) {
        let read = format!("event.{key}: a setting of the legacy method");
        reader.problem(&section.place_of(key), read, "take it out, or set method = \"legacy\"");
    }
}

/// Who owns what when moves begin, as far as it follows from the scenario: each move is taken as done by the next.
///
/// What a rebalance moves is decided in the run, so from the first one on nothing is checked.
pub fn check(moves: &[Draft], cluster: &ClusterSpec, reader: &mut Reader) {
    let mut owners = cluster.owners();
    for draft in moves {
        match &draft.timed.action {
            MoveAction::Reshard { from, to, slots } => {
                let all = (0..cluster.nodes.len()).filter(|node| node != to).collect::<Vec<_>>();
                let named = if from.is_empty() { &all } else { from };
                check_reshard(draft, named, *slots as usize, cluster, &owners, reader);
                reshard_table(named, *slots as usize, &owners)
                    .into_iter()
                    .for_each(|slot| owners[slot] = Some(*to as u16));
            }
            MoveAction::Slots { slots, to } => {
                check_slots(draft, slots, *to, cluster, &owners, reader);
                slots.iter().cloned().flatten().for_each(|slot| owners[usize::from(slot)] = Some(*to as u16));
            }
            MoveAction::Rebalance { .. } => return,
            MoveAction::Fix => {}
        }
    }
}

fn owned(node: usize, owners: &[Option<u16>]) -> usize {
    owners.iter().filter(|owner| **owner == Some(node as u16)).count()
}

fn check_reshard(
    draft: &Draft,
    sources: &[usize],
    slots: usize,
    cluster: &ClusterSpec,
    owners: &[Option<u16>],
    reader: &mut Reader,
) {
    let MoveAction::Reshard { from, .. } = &draft.timed.action else { return };
    if let Some(empty) = from.iter().find(|node| owned(**node, owners) == 0) {
        let read = format!("event.from: {} owns no slot by then", cluster.nodes[*empty].name);
        return reader.problem(&draft.sources, read, "name nodes that own slots");
    }
    let total: usize = sources.iter().map(|node| owned(*node, owners)).sum();
    if slots > total {
        let read = format!("event.slots: {slots}, but the sources own {total} by then");
        reader.problem(&draft.amount, read, "lower slots, or name more sources");
    }
}

fn check_slots(
    draft: &Draft,
    slots: &[RangeInclusive<u16>],
    to: usize,
    cluster: &ClusterSpec,
    owners: &[Option<u16>],
    reader: &mut Reader,
) {
    let name = &cluster.nodes[to].name;
    for slot in slots.iter().cloned().flatten() {
        let (read, remedy) = match owners[usize::from(slot)] {
            None => (format!("event.slots: slot {slot} has no owner by then"), "leave it out"),
            Some(owner) if usize::from(owner) == to => (
                format!("event.slots: slot {slot} is {name}'s by then: a migration to itself"),
                "leave it out, or name another node",
            ),
            Some(_) => continue,
        };
        return reader.problem(&draft.amount, read, remedy);
    }
}

/// Which slots a reshard takes (`clusterManagerComputeReshardTable`, redis-cli.c): in proportion to what the sources
/// own, rounded up for the one with most and down for the others.
fn reshard_table(sources: &[usize], slots: usize, owners: &[Option<u16>]) -> Vec<usize> {
    let mut sorted: Vec<(usize, usize)> = sources.iter().map(|&node| (owned(node, owners), node)).collect();
    sorted.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    let total: usize = sorted.iter().map(|(count, _)| count).sum();
    let mut taken = Vec::with_capacity(slots);
    for (index, (count, node)) in sorted.into_iter().enumerate() {
        let share = slots as f32 / total.max(1) as f32 * count as f32;
        let most = if index == 0 { share.ceil() } else { share.floor() } as usize;
        let room = most.min(slots.saturating_sub(taken.len()));
        let of_node = (0..SLOTS).filter(|slot| owners[*slot] == Some(node as u16));
        taken.extend(of_node.take(room));
    }
    taken
}
