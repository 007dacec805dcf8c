//! `[[event]]`: things that happen at a time.

use super::super::cluster::{ClusterSpec, NodeChoice, TimedMove};
use super::super::file::suggestion;
use super::super::keys::{ACTIONS, EVENT, Variant};
use super::super::problem::nearest;
use super::super::reader::{Fault, Reader, Section};
use super::super::redis_conf::{Applied, changeable};
use super::super::replicas::{ReplicaAction, ReplicaSpec};
use super::super::tree::{Place, Table};
use super::super::values::text;
use super::super::{Action, Origin, TimedEvent, slots};
use super::super::{cluster_directives, directives};
use super::moves;
use crate::redis::config::RedisConfig;
use crate::units::{Nanos, format_span};

/// An action as read. The configuration a CONFIG SET leads to depends on the ones before it in time.
enum Draft {
    Ready(Action),
    ConfigSet(String),
}

/// What events happen to.
pub struct World<'s> {
    /// Settings of the server; in a cluster each node has its own.
    pub config: &'s RedisConfig,
    /// The replicas, in a cluster of every primary.
    pub replicas: &'s [ReplicaSpec],
    /// The cluster.
    pub cluster: Option<&'s ClusterSpec>,
}

/// Reads the events, and what moves slots, each in order of time.
pub fn read(
    tree: &Table,
    world: &World<'_>,
    duration: Nanos,
    reader: &mut Reader,
) -> (Vec<TimedEvent>, Vec<TimedMove>) {
    let mut drafts: Vec<(Nanos, Place, Option<NodeChoice>, Draft)> = Vec::new();
    let mut of_slots: Vec<moves::Draft> = Vec::new();
    for section in Section::repeated(&EVENT, tree) {
        let at = reader.whole(&section, "at");
        if !at.given {
            reader.problem(&section.place, "event.at is missing", "add at = \"30m\"");
        }
        let at_value = at.value.unwrap_or(0);
        if at_value >= duration {
            let read = format!(
                "event.at: {} is not before the end of the run ({})",
                format_span(at_value),
                format_span(duration)
            );
            reader.problem(&at.place, read, "lower event.at or raise run.duration");
        }
        let Some((place, variant, typed)) = read_do(&section, reader) else { continue };
        if moves::MOVES.contains(&variant.name) {
            let cluster = world.cluster.map(|cluster| (cluster, world.config.version));
            of_slots.extend(moves::read(&section, variant.name, at_value, cluster, reader));
            continue;
        }
        let node = read_node(&section, world.cluster, reader);
        if let Some(draft) = read_action(&section, variant, &typed, at_value, world.replicas, reader) {
            if let Draft::Ready(Action::Replica(ReplicaAction::Partition(until))) = draft {
                let elected = partition_elects(&section, at_value, until, world.cluster, reader);
                let ends = Draft::Ready(Action::Replica(ReplicaAction::PartitionEnds { elected }));
                drafts.push((until, place.clone(), node, ends));
            }
            drafts.push((at_value, place, node, draft));
        }
    }
    drafts.sort_by_key(|draft| draft.0);
    // One server's settings, or each node's.
    let mut current: Vec<RedisConfig> = match world.cluster {
        Some(cluster) => cluster.nodes.iter().map(|node| node.redis.clone()).collect(),
        None => vec![world.config.clone()],
    };
    let mut events = Vec::new();
    for (at, place, node, draft) in drafts {
        match draft {
            Draft::Ready(action) => events.push(TimedEvent { at, node, action }),
            Draft::ConfigSet(text) => {
                // Nodes may differ in their settings: each gets an event of its own.
                let chosen = match node {
                    Some(NodeChoice::One(index)) => index..index + 1,
                    _ => 0..current.len(),
                };
                for index in chosen {
                    let Some(action) = config_set(text.clone(), &mut current[index], &place, reader) else {
                        break;
                    };
                    events.push(TimedEvent { at, node: node.map(|_| NodeChoice::One(index)), action });
                }
            }
        }
    }
    of_slots.sort_by_key(|draft| draft.timed.at);
    if let Some(cluster) = world.cluster {
        moves::check(&of_slots, cluster, reader);
    }
    (events, of_slots.into_iter().map(|draft| draft.timed).collect())
}

/// The node an event concerns, which in a cluster has to be said.
fn read_node(
    section: &Section<'_>,
    cluster: Option<&ClusterSpec>,
    reader: &mut Reader,
) -> Option<NodeChoice> {
    let Some(cluster) = cluster else {
        if section.has("node") {
            let remedy = "add [cluster], or take node out";
            reader.problem(&section.place_of("node"), "event.node: the scenario has no [cluster]", remedy);
        }
        return None;
    };
    let names: Vec<String> = cluster.nodes.iter().map(|node| node.name.clone()).collect();
    let node = reader.read(section, "node", |node| match text(node)?.as_str() {
        "all" => Ok(NodeChoice::All),
        _ => slots::node_named(node, &names).map(NodeChoice::One),
    });
    if !node.given {
        let remedy = format!("add node = {:?}, or \"all\"", names[0]);
        reader.problem(&section.place, "event.node is missing: the scenario has [cluster]", remedy);
    }
    node.value
}

/// What an event does: where it was typed, the action, and the text.
fn read_do(section: &Section<'_>, reader: &mut Reader) -> Option<(Place, &'static Variant, String)> {
    let action = reader.read(section, "do", |node| {
        let typed = text(node)?;
        Ok((variant(&typed)?, typed))
    });
    if !action.given {
        reader.problem(&section.place, "event.do is missing", "add do = \"BGREWRITEAOF\"");
    }
    let (variant, typed) = action.value?;
    refuse_other_keys(section, variant, reader);
    Some((action.place, variant, typed))
}

fn read_action(
    section: &Section<'_>,
    variant: &Variant,
    typed: &str,
    at: Nanos,
    replicas: &[ReplicaSpec],
    reader: &mut Reader,
) -> Option<Draft> {
    Some(match variant.name {
        "BGSAVE" => Draft::Ready(Action::Bgsave),
        "SAVE" => Draft::Ready(Action::Save),
        "BGREWRITEAOF" => Draft::Ready(Action::Bgrewriteaof),
        "CONFIG SET" => Draft::ConfigSet(typed.split_whitespace().skip(2).collect::<Vec<_>>().join(" ")),
        "foreign-writer" => Draft::Ready(foreign_writer(section, at, reader)?),
        "freeze" => Draft::Ready(Action::Freeze { span: needed(section, "for", reader)? }),
        "disk-full" => {
            Draft::Ready(Action::DiskFull { until: at.saturating_add(needed(section, "for", reader)?) })
        }
        "fsync-fails" => {
            Draft::Ready(Action::FsyncFails { until: at.saturating_add(needed(section, "for", reader)?) })
        }
        "replica-stop" | "replica-start" | "replica-stall" | "replica-disconnect" | "partition"
        | "failover" => {
            Draft::Ready(Action::Replica(replica_action(section, variant.name, at, replicas, reader)?))
        }
        _ => {
            let machine = reader.choice(section, "kind").value? == "machine";
            Draft::Ready(Action::Crash { machine, restart: needed(section, "restart", reader)? })
        }
    })
}

/// The action of that name; Redis's commands in any case, as Redis takes them.
fn variant(typed: &str) -> Result<&'static Variant, Fault> {
    let words: Vec<&str> = typed.split_whitespace().collect();
    if let [config, set, rest @ ..] = &words[..]
        && config.eq_ignore_ascii_case("config")
        && set.eq_ignore_ascii_case("set")
    {
        let missing = || Fault::new(format!("{typed:?} names no setting"), "write CONFIG SET name value");
        return if rest.is_empty() { Err(missing()) } else { named("CONFIG SET").ok_or_else(missing) };
    }
    let known = ACTIONS.iter().filter(|action| action.name != "CONFIG SET");
    let found = known.clone().find(|action| action.name.eq_ignore_ascii_case(typed.trim()));
    found.ok_or_else(|| {
        let names: Vec<&str> = known.map(|action| action.name).collect();
        let list = format!("expected one of: {}, CONFIG SET name value", names.join(", "));
        let mut fault = Fault::new(format!("unknown action {typed:?}"), list);
        if let Some(name) = nearest(typed, names) {
            fault.remedies.insert(0, format!("did you mean {name:?}?"));
        }
        fault
    })
}

fn named(name: &str) -> Option<&'static Variant> {
    ACTIONS.iter().find(|action| action.name.eq_ignore_ascii_case(name))
}

fn refuse_other_keys(section: &Section<'_>, variant: &Variant, reader: &mut Reader) {
    for entry in &section.table.entries {
        let key = entry.key.as_str();
        let is_known = EVENT.key(key).is_some();
        // Whether an event has a node depends on the scenario.
        let of_all = matches!(key, "at" | "do") || (key == "node" && !moves::MOVES.contains(&variant.name));
        if is_known && !of_all && !variant.keys.contains(&key) {
            let remedy = match variant.keys {
                [] => format!("take {key} out"),
                keys => format!("{} takes: {}", variant.name, keys.join(", ")),
            };
            reader.problem(&entry.place, format!("event.{key}: {} has no {key}", variant.name), remedy);
        }
    }
}

fn needed(section: &Section<'_>, key: &str, reader: &mut Reader) -> Option<Nanos> {
    let got = reader.whole(section, key);
    if !got.given {
        reader.problem(&section.place, format!("event.{key} is missing"), format!("add {key} = \"5s\""));
    }
    got.value
}

fn foreign_writer(section: &Section<'_>, at: Nanos, reader: &mut Reader) -> Option<Action> {
    let rate = reader.real(section, "rate");
    if !rate.given {
        reader.problem(&section.place, "event.rate is missing", "add rate = \"200MiB/s\"");
    }
    let until = match (section.has("until"), section.has("for")) {
        (true, false) => {
            let until = reader.whole(section, "until");
            if until.value.is_some_and(|until| until <= at) {
                reader.problem(&until.place, "event.until is not after event.at", "raise event.until");
            }
            until.value
        }
        (false, true) => reader.whole(section, "for").value.map(|span| at.saturating_add(span)),
        (both, _) => {
            let read = if both { "event: until and for are both given" } else { "event.until is missing" };
            reader.problem(&section.place, read, "give one of until and for");
            None
        }
    };
    Some(Action::ForeignWriter { bytes_per_second: rate.value?, until: until? })
}

fn config_set(text: String, current: &mut RedisConfig, place: &Place, reader: &mut Reader) -> Option<Action> {
    let (name, value) = text.split_once(' ').unwrap_or((&text, ""));
    let name = name.to_ascii_lowercase();
    let value = value.trim_matches(['"', '\'']);
    let before = current.clone();
    if let Some(known) = cluster_directives::canonical(&name) {
        let read = format!("event.do: CONFIG SET: {known} does not change during a simulated run");
        reader.problem(place, read, "set it under [redis], in a scenario with [cluster]");
        return None;
    }
    let (read, remedy) = match directives::set(current, &name, value) {
        Applied::Used if !changeable(&name) => {
            *current = before;
            (format!("a running server does not change {name}"), "set it under [redis]".to_owned())
        }
        Applied::Used => {
            return Some(Action::ConfigSet { text, config: Box::new(current.clone()) });
        }
        Applied::Wrong(expected) => (format!("wrong value {value:?} of {name}"), expected),
        Applied::NotModelled(what) => (format!("{name}: {what}"), "take the event out".to_owned()),
        Applied::Irrelevant => {
            (format!("{name} does not matter to the write path"), "take the event out".to_owned())
        }
        Applied::Unknown => {
            let known = directives::of(current);
            (format!("unknown directive {name:?}"), suggestion(&name, known.iter().map(|d| d.0)))
        }
    };
    reader.problem(place, format!("event.do: CONFIG SET: {read}"), remedy);
    None
}

/// An action on replicas, which the scenario must have.
fn replica_action(
    section: &Section<'_>,
    name: &str,
    at: Nanos,
    replicas: &[ReplicaSpec],
    reader: &mut Reader,
) -> Option<ReplicaAction> {
    if replicas.is_empty() {
        let read = format!("event.do: {name}, but the scenario has no replica");
        reader.problem(&section.place_of("do"), read, "add [[replica]], or take the event out");
        return None;
    }
    let until = |reader: &mut Reader| needed(section, "for", reader).map(|span| at.saturating_add(span));
    Some(match name {
        "replica-stop" => ReplicaAction::Stop(named_replica(section, "replica", replicas, reader)??),
        "replica-start" => ReplicaAction::Start(named_replica(section, "replica", replicas, reader)??),
        "replica-stall" => {
            ReplicaAction::Stall(named_replica(section, "replica", replicas, reader)??, until(reader)?)
        }
        "replica-disconnect" => {
            ReplicaAction::Disconnect(named_replica(section, "replica", replicas, reader)??, until(reader)?)
        }
        "partition" => ReplicaAction::Partition(until(reader)?),
        _ => ReplicaAction::Failover {
            to: if section.has("to") { named_replica(section, "to", replicas, reader)? } else { None },
            outage: reader.whole(section, "restart").value.unwrap_or(0),
        },
    })
}

/// The place of the replica that `key` names; none for the only one there is.
fn named_replica(
    section: &Section<'_>,
    key: &str,
    replicas: &[ReplicaSpec],
    reader: &mut Reader,
) -> Option<Option<usize>> {
    let got = reader.read(section, key, |node| {
        let typed = text(node)?;
        let found = replicas.iter().position(|replica| replica.name == typed);
        found.ok_or_else(|| {
            let names = replicas.iter().map(|replica| replica.name.as_str());
            Fault::new(format!("no replica {typed:?}"), suggestion(&typed, names))
        })
    });
    if !got.given {
        if let [_] = replicas {
            return Some(Some(0));
        }
        let remedy = format!("add {key} = {:?}", replicas[0].name);
        reader.problem(&section.place, format!("event.{key} is missing"), remedy);
    }
    let index = got.value?;
    if key == "to" && replicas[index].of.is_some() {
        let read = format!("event.to: {} is a replica of a replica", replicas[index].name);
        reader.problem(&got.place, read, "name one that follows the primary itself");
    }
    Some(Some(index))
}

/// When the replicas behind a partition choose a primary; none if it ends before.
fn partition_elects(
    section: &Section<'_>,
    at: Nanos,
    until: Nanos,
    cluster: Option<&ClusterSpec>,
    reader: &mut Reader,
) -> Option<Nanos> {
    let elect = match cluster {
        // In a cluster the setting is there, and decides.
        Some(cluster) if !section.has("elect") => {
            reader.record(section, "elect", format!("\"{}ns\"", cluster.node_timeout), Origin::Default);
            cluster.node_timeout
        }
        _ => reader.whole(section, "elect").value?,
    };
    Some(at.saturating_add(elect)).filter(|elected| *elected < until)
}
