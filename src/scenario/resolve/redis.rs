//! `[redis]`: the version, and directives laid over its defaults.

use std::collections::BTreeMap;

use super::super::cluster_directives::{self, ClusterSettings};
use super::super::file::suggestion;
use super::super::keys::{CLUSTER, REDIS};
use super::super::reader::{Fault, Reader, Section};
use super::super::redis_conf::Applied;
use super::super::tree::{Entry, Place, Table};
use super::super::{Dataset, Origin, Setting, Workload, directives};
use crate::redis::config::RedisConfig;
use crate::redis::version::Version;

/// The server's settings, and what became of the directives.
pub struct Redis {
    /// The settings.
    pub config: RedisConfig,
    /// Settings of the cluster; none if the scenario has none.
    pub cluster: Option<ClusterSettings>,
    /// Directives that were used, as `name value`.
    pub used: Vec<String>,
    /// Directives that are not modelled, as `name: what it is`.
    pub not_modelled: Vec<String>,
}

/// The version when none can be read; its problem is then reported.
const FALLBACK: Version = Version::redis(7, 2);

/// Reads the table.
pub fn read(tree: &Table, has_redis_conf: bool, reader: &mut Reader) -> Redis {
    let section = Section::single(&REDIS, tree);
    let version = reader.read(&section, "version", |node| {
        let text = node.plain().unwrap_or_default();
        text.parse::<Version>().map_err(|message| Fault::from_message(&message))
    });
    let version = version.value.unwrap_or(FALLBACK);
    let cluster = tree.get(CLUSTER.name).map(|_| ClusterSettings::defaults(version));
    let config = RedisConfig::defaults(version);
    let mut redis = Redis { config, cluster, used: Vec::new(), not_modelled: Vec::new() };
    let mut sorted = Sorted::default();
    for entry in section.table.entries.iter().filter(|entry| entry.key != "version") {
        lay(entry, &mut redis, &mut sorted, reader);
    }
    // server.c, main: only from 6.2 on does a server with a file start from the default save points.
    if has_redis_conf && !redis.config.version.has(6, 2) && !section.has("save") {
        redis.config.save.clear();
        reader.notes.push("the redis.conf has no save: before 6.2 that means no save points".to_owned());
    }
    check_io_threads(&section, &redis.config, reader);
    note(sorted.irrelevant, "do not matter to the write path", reader);
    note(sorted.unknown, "are not known as directives", reader);
    note(redis.not_modelled.clone(), "are not modelled", reader);
    let of_cluster = redis.cluster.as_ref().map_or_else(Vec::new, ClusterSettings::directives);
    note_cluster(&sorted.origins, &redis, reader);
    for (name, value) in directives::of(&redis.config).into_iter().chain(of_cluster) {
        let origin = sorted.origins.remove(name).unwrap_or(Origin::Version);
        reader.settings.push(Setting { key: format!("redis.{name}"), value: value.toml(), origin });
    }
    redis
}

/// Directives by what becomes of them.
#[derive(Default)]
struct Sorted {
    origins: BTreeMap<String, Origin>,
    irrelevant: Vec<String>,
    unknown: Vec<String>,
}

fn note(names: Vec<String>, what: &str, reader: &mut Reader) {
    if !names.is_empty() {
        reader.notes.push(format!("these directives {what}: {}", names.join(", ")));
    }
}

/// Lays one directive over the configuration.
fn lay(entry: &Entry, redis: &mut Redis, sorted: &mut Sorted, reader: &mut Reader) {
    let Entry { key: name, node, .. } = entry;
    let place = &node.place;
    let Some(value) = node.plain() else {
        let remedy = "write it in quotes, as a redis.conf has it";
        return reader.problem(
            place,
            format!("redis.{name}: {} is no value of a directive", node.literal()),
            remedy,
        );
    };
    // A file of a real server holds much that does not concern this program; a scenario is written for it.
    let is_of_a_server = matches!(place.origin, Origin::RedisConf(..) | Origin::Info(_));
    let of_file = matches!(place.origin, Origin::RedisConf(..)) && name == "save";
    let of_cluster = redis.cluster.as_mut().and_then(|settings| settings.apply(name, &value));
    let applied = match (of_cluster, of_file) {
        (Some(applied), _) => applied,
        (None, true) => directives::set_save(&mut redis.config, value.lines().map(str::to_owned)),
        (None, false) => directives::set(&mut redis.config, name, &value),
    };
    match applied {
        Applied::Used => {
            redis.used.push(format!("{name} {}", shown(&value.replace('\n', " "))));
            let canonical = cluster_directives::canonical(name).filter(|_| redis.cluster.is_some());
            sorted.origins.insert(canonical.unwrap_or(name).to_owned(), place.origin.clone());
            check_enabled(redis, place, reader);
        }
        Applied::Wrong(expected) => wrong(name, &value, &expected, place, reader),
        Applied::NotModelled(_) if name == "cluster-enabled" => reader.notes.push(
            "cluster-enabled yes without [cluster]: a node that owns all slots is simulated as a single server"
                .to_owned(),
        ),
        Applied::NotModelled(what) if is_of_a_server => redis.not_modelled.push(format!("{name}: {what}")),
        // A setting the version does not have: a sweep over versions passes through such.
        Applied::NotModelled(what)
            if directives::fields(&redis.config).iter().any(|field| field.0 == name)
                || cluster_directives::canonical(name).is_some() =>
        {
            if !matches!(value.as_str(), "no" | "0") {
                reader.notes.push(format!("redis.{name}: {what}"));
            }
        }
        Applied::NotModelled(what) => {
            reader.problem(
                place,
                format!("redis.{name} is not modelled: {what}"),
                format!("take {name} out"),
            );
        }
        Applied::Irrelevant => sorted.irrelevant.push(name.clone()),
        Applied::Unknown if is_of_a_server => sorted.unknown.push(name.clone()),
        Applied::Unknown => {
            let known = directives::of(&redis.config);
            let of_cluster = redis.cluster.as_ref().map_or_else(Vec::new, ClusterSettings::directives);
            let known = known.iter().chain(&of_cluster).map(|(name, _)| *name);
            let remedy = suggestion(name, known.chain(["version"]));
            reader.problem(&entry.place, format!("redis: unknown directive {name:?}"), remedy);
        }
    }
}

/// A value as it may stand in a list: an empty one is `""`.
fn shown(value: &str) -> &str {
    if value.is_empty() { "\"\"" } else { value }
}

/// Reports a wrong value of a directive.
pub fn wrong(name: &str, value: &str, expected: &str, place: &Place, reader: &mut Reader) {
    let read = match name {
        "appendfsync" | "maxmemory-policy" => format!("redis.{name}: unknown policy {value:?}"),
        _ => format!("redis.{name}: wrong value {value:?}"),
    };
    let begins = ["expected", "write", "use", "set"].iter().any(|word| expected.starts_with(word));
    let remedy = if begins { expected.to_owned() } else { format!("expected {expected}") };
    reader.problem(place, read, remedy);
}

/// Nodes of a cluster are in cluster mode.
fn check_enabled(redis: &mut Redis, place: &Place, reader: &mut Reader) {
    if let Some(settings) = redis.cluster.as_mut().filter(|settings| !settings.enabled) {
        settings.enabled = true;
        let remedy = "set it to yes, or take [cluster] out to simulate one server";
        reader.problem(place, "redis.cluster-enabled: no, but the scenario has [cluster]", remedy);
    }
}

/// Says what becomes of settings that the nodes of a cluster have and the simulation does not.
fn note_cluster(origins: &BTreeMap<String, Origin>, redis: &Redis, reader: &mut Reader) {
    if redis.cluster.is_some() && origins.contains_key("cluster-migration-barrier") {
        reader.notes.push(
            "cluster-migration-barrier is about replicas that move to primaries without any, which is not \
             simulated; it does not limit how keys or slots migrate"
                .to_owned(),
        );
    }
}

fn check_io_threads(section: &Section<'_>, config: &RedisConfig, reader: &mut Reader) {
    if config.io_threads > 1 {
        let read = format!("redis.io-threads: io-threads {}: not modelled yet", config.io_threads);
        let remedy = "set io-threads 1 to simulate the single-threaded server";
        reader.problem(&section.place_of("io-threads"), read, remedy);
    }
}

/// Notes a policy that finds nothing to evict.
pub fn check_policy(config: &RedisConfig, dataset: &Dataset, groups: &[Workload], reader: &mut Reader) {
    let given = groups.iter().flat_map(|group| &group.mix).any(|(command, _)| command.ttl_ms.is_some());
    let none = dataset.ttl_share == 0.0 && !given;
    if config.maxmemory > 0 && config.maxmemory_policy.is_volatile() && none {
        reader.notes.push(
            "maxmemory-policy evicts only keys with a TTL, and no key has one: writes get OOM at the limit"
                .to_owned(),
        );
    }
}
