//! `[[workload]]`: groups of clients.

use std::path::Path;

use super::super::keys::{REDIS, WORKLOAD};
use super::super::layers::group_name;
use super::super::reader::{Fault, Reader, Section};
use super::super::schedule::{schedule, schedule_csv};
use super::super::shapes::{Quantity, command, dist, mix, popularity};
use super::super::tree::{Node, Place, Table};
use super::super::ttl::Ttl;
use super::super::ttl_shape::{TtlOf, ttl};
use super::super::values::text;
use super::super::{Arrivals, Dataset, KeyPopularity, Origin, Source, Workload};
use super::pattern;
use super::redis::Redis;
use super::servers;
use crate::dist::Dist;
use crate::redis::command::{Command, CommandKind};
use crate::redis::version::Version;
use crate::units::Nanos;

/// Keys of an open loop only.
const OPEN_KEYS: &[&str] = &["rate", "schedule", "schedule-csv", "arrivals", "burst-size"];

/// Reads the groups.
pub fn read(
    tree: &Table,
    dataset: &Dataset,
    version: Version,
    base_dir: &Path,
    reader: &mut Reader,
) -> Vec<Workload> {
    let sections = Section::repeated(&WORKLOAD, tree);
    // A `workload` that is no array of tables was reported for its shape.
    if sections.is_empty() && tree.get(WORKLOAD.name).is_none() {
        let place = Place::default_value();
        reader.problem(&place, "the scenario has no [[workload]]", "add [[workload]] with rate = \"5000/s\"");
    }
    let mut groups: Vec<Workload> = Vec::new();
    for (index, section) in sections.into_iter().enumerate() {
        let group = read_group(section, index, (dataset, version), base_dir, reader, &groups);
        groups.push(group);
    }
    groups
}

fn read_group(
    mut section: Section<'_>,
    index: usize,
    (dataset, version): (&Dataset, Version),
    base_dir: &Path,
    reader: &mut Reader,
    earlier: &[Workload],
) -> Workload {
    let name = group_name(WORKLOAD.name, section.table, index);
    section.prefix = format!("workload.{name}");
    reader.name(&section, &name, earlier.iter().any(|group| group.name == name), &[]);
    let is_open = reader.choice(&section, "loop").value.is_none_or(|text| text == "open");
    let mut source = if is_open { open(&section, base_dir, reader) } else { closed(&section, reader) };
    let mut count = |key| reader.whole(&section, key).value.unwrap_or(1) as u32;
    let (connections, pipeline) = (count("connections"), count("pipeline"));
    let pattern = pattern::read(&section, version, &source, reader);
    // Keys of a pattern stand beside the dataset, and the pattern names its commands.
    let (mut mix, mut keys) = (Vec::new(), KeyPopularity::Uniform);
    if !section.has("pattern") {
        mix = read_mix(&section, reader);
        let given = reader.read(&section, "keys", |node| fitting_keys(node, dataset.keys));
        keys = given.value.unwrap_or(KeyPopularity::Uniform);
        servers::split(&section, keys, &mut source, &mut mix, reader);
    }
    let ttl = read_ttl(&section, &mut mix, reader);
    let key_size = reader.whole(&section, "key-size").value.map_or(dataset.key_size, |size| size as u32);
    let value_size = reader.read(&section, "value-size", |node| dist(node, Quantity::Size));
    let wait = super::replica::read_wait(&section, reader);
    Workload {
        name,
        source,
        connections,
        pipeline,
        mix,
        keys,
        key_size,
        value_size: value_size.value.unwrap_or_else(|| dataset.value_size.clone()),
        wait,
        pattern: pattern.map(Box::new),
        ttl,
    }
}

fn open(section: &Section<'_>, base_dir: &Path, reader: &mut Reader) -> Source {
    refuse(section, &["think"], "of a closed loop", "set loop = \"closed\", or take it out", reader);
    let schedule = read_schedule(section, base_dir, reader);
    let arrivals = match reader.choice(section, "arrivals").value.as_deref() {
        Some("uniform") => Arrivals::Uniform,
        Some("bursts") => {
            let size = reader.whole(section, "burst-size");
            if !size.given {
                let place = section.place_of("arrivals");
                let remedy = "add burst-size = 100, the client writes in a burst";
                reader.problem(&place, "workload.burst-size is missing", remedy);
            }
            Arrivals::Bursts { size: size.value.unwrap_or(1) as u32 }
        }
        _ => {
            refuse(section, &["burst-size"], "of arrivals in bursts", "set arrivals = \"bursts\"", reader);
            Arrivals::Poisson
        }
    };
    Source::Open { schedule, arrivals }
}

fn closed(section: &Section<'_>, reader: &mut Reader) -> Source {
    let remedy = "set loop = \"open\", or take it out: a closed loop sends when replies have come";
    refuse(section, OPEN_KEYS, "of an open loop", remedy, reader);
    let think = reader.read(section, "think", |node| dist(node, Quantity::Span));
    Source::Closed { think: think.value.unwrap_or(Dist::Fixed(0.0)) }
}

/// Reports keys that do not belong to this kind of group: taken silently, they would mislead.
fn refuse(section: &Section<'_>, keys: &[&str], whose: &str, remedy: &str, reader: &mut Reader) {
    for key in keys.iter().filter(|key| section.has(key)) {
        reader.problem(&section.place_of(key), format!("workload.{key} is {whose}"), remedy);
    }
}

fn read_schedule(section: &Section<'_>, base_dir: &Path, reader: &mut Reader) -> Vec<(Nanos, f64)> {
    let ways = ["rate", "schedule", "schedule-csv"];
    let given: Vec<&str> = ways.into_iter().filter(|key| section.has(key)).collect();
    if given.len() > 1 {
        let read = format!("workload: {} are given together", given.join(" and "));
        reader.problem(&section.place_of(given[1]), read, "keep one of them");
    }
    let steps = match given.first() {
        Some(&"rate") => reader.real(section, "rate").value.map(|rate| vec![(0, rate)]),
        Some(&"schedule") => reader.read(section, "schedule", schedule).value,
        Some(_) => {
            let before = reader.settings.len();
            let files = reader.files.clone();
            let steps = reader
                .read(section, "schedule-csv", |node| schedule_csv(&base_dir.join(text(node)?), &files));
            reader.settings.truncate(before);
            // The steps themselves are the setting: a resolved scenario stands without the file.
            if let Some(steps) = &steps.value {
                let step = |(from, rate): &(Nanos, f64)| format!("[\"{from}ns\", \"{rate}/s\"]");
                let literal = steps.iter().map(step).collect::<Vec<_>>().join(", ");
                reader.record(section, "schedule", format!("[{literal}]"), steps_origin(section));
            }
            steps.value
        }
        None => {
            let remedy = "add rate = \"5000/s\", or schedule, or schedule-csv";
            reader.problem(&section.place, "workload.rate is missing: an open loop needs one", remedy);
            None
        }
    };
    steps.unwrap_or_else(|| vec![(0, 1.0)])
}

fn steps_origin(section: &Section<'_>) -> Origin {
    section.place_of("schedule-csv").origin
}

fn read_mix(section: &Section<'_>, reader: &mut Reader) -> Vec<(Command, f64)> {
    if section.has("mix") {
        if section.has("operation") {
            let read = "workload: operation and mix are both given";
            reader.problem(&section.place_of("mix"), read, "keep one of them");
        }
        return reader.read(section, "mix", mix).value.unwrap_or_default();
    }
    let one = reader.read(section, "operation", |node| command(&text(node)?));
    one.value.map(|command| vec![(command, 1.0)]).unwrap_or_default()
}

/// The time to live of the group's SETs, which then are SETs with PX: its mean stands for it in their bytes.
fn read_ttl(section: &Section<'_>, mix: &mut [(Command, f64)], reader: &mut Reader) -> Option<Ttl> {
    let got = reader.read(section, "ttl", |node| ttl(node, TtlOf::Group));
    let of_group = got.value?;
    let mut gives = false;
    for (command, _) in mix.iter_mut().filter(|(command, _)| command.kind == CommandKind::Set) {
        if command.ttl_ms.is_some() || command.keepttl {
            let read = format!("workload.ttl: {command} says itself what becomes of the time to live");
            reader.problem(&got.place, read, "take ttl out, or the option of SET");
        }
        (command.ttl_ms, gives) = (Some(of_group.mean_ms()), true);
    }
    if !gives && !mix.is_empty() {
        let remedy = "add SET to the mix; EXPIRE and EVALSHA have their seconds with them: \"EXPIRE 60\"";
        reader.problem(&got.place, "workload.ttl: the group has no SET to give it", remedy);
    }
    Some(of_group)
}

fn fitting_keys(node: &Node, keys: u64) -> Result<KeyPopularity, Fault> {
    let popularity = popularity(node)?;
    match popularity {
        KeyPopularity::Hot { keys: hot, .. } if hot > keys => Err(Fault::new(
            format!("{hot} hot keys, but the dataset has {keys}"),
            "lower the hot keys or raise dataset.keys",
        )),
        KeyPopularity::Split { keys: own, .. } if own > keys => Err(Fault::new(
            format!("{own} sub-keys, but the dataset has {keys} keys"),
            "lower the sub-keys or raise dataset.keys",
        )),
        _ => Ok(popularity),
    }
}

/// The server must have room for all connections.
pub fn check_clients(tree: &Table, groups: &[Workload], redis: &Redis, reader: &mut Reader) {
    let connections: u64 = groups.iter().map(|group| u64::from(group.connections)).sum();
    let maxclients = redis.config.maxclients;
    if connections > maxclients.into() {
        let place = Section::repeated(&WORKLOAD, tree)
            .iter()
            .find(|section| section.has("connections"))
            .map(|section| section.place_of("connections"));
        let read =
            format!("workload.connections: {connections} in all, but redis.maxclients is {maxclients}");
        let place = place.unwrap_or_else(|| Section::single(&REDIS, tree).place_of("maxclients"));
        reader.problem(&place, read, "lower workload.connections or raise redis.maxclients");
    }
}
