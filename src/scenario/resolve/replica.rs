//! `[[replica]]`, what clients wait for, and settings that have to fit them.

use super::super::file::suggestion;
use super::super::keys::{Kind, REDIS, REPLICA, WORKLOAD};
use super::super::layers::group_name;
use super::super::reader::{Fault, Reader, Section};
use super::super::replicas::{ReplicaSpec, WaitSpec};
use super::super::tree::{Node, Place, Table, Value};
use super::super::values::{text, whole};
use super::super::{Origin, Workload};
use crate::redis::config::RedisConfig;
use crate::redis::replication_config::BACKLOG_MIN;
use crate::units::{SECOND, format_bytes};

/// Reads the replicas.
pub fn read(tree: &Table, reader: &mut Reader) -> Vec<ReplicaSpec> {
    let mut replicas: Vec<ReplicaSpec> = Vec::new();
    for (index, mut section) in Section::repeated(&REPLICA, tree).into_iter().enumerate() {
        let name = group_name(REPLICA.name, section.table, index);
        section.prefix = format!("replica.{name}");
        let taken = replicas.iter().any(|other| other.name == name);
        reader.name(&section, &name, taken, &[]);
        let of = reader.read(&section, "of", |node| {
            let typed = text(node)?;
            let place = replicas.iter().position(|other| other.name == typed);
            place.map(Some).ok_or_else(|| {
                let names = replicas.iter().map(|other| other.name.as_str());
                let remedy = match replicas.is_empty() {
                    true => "name a replica that stands above this one".to_owned(),
                    false => suggestion(&typed, names),
                };
                Fault::new(format!("no replica {typed:?} stands above"), remedy)
            })
        });
        let attach = reader.whole(&section, "attach");
        if of.given && attach.given {
            let remedy = "take attach out: a replica of a replica is in step from the start";
            reader.problem(&attach.place, "replica.attach: not of a replica with of", remedy);
        }
        replicas.push(ReplicaSpec {
            of: of.value.flatten(),
            delay: reader.whole(&section, "delay").value.unwrap_or(0),
            bandwidth: reader.real(&section, "bandwidth").value.unwrap_or(1e9),
            socket_buffer: reader.whole(&section, "socket-buffer").value.unwrap_or(4 << 20),
            apply: reader.whole(&section, "apply").value,
            load: reader.real(&section, "load").value,
            attach: attach.value,
            appendonly: reader.boolean(&section, "appendonly").value.unwrap_or(false),
            fsync: reader.whole(&section, "fsync").value.unwrap_or(0),
            name,
        });
    }
    replicas
}

/// Reads `wait` and `waitaof` of a group.
pub fn read_wait(section: &Section<'_>, reader: &mut Reader) -> Option<WaitSpec> {
    let wait = reader.read(section, "wait", |node| wait_spec(node, false));
    let waitaof = reader.read(section, "waitaof", |node| wait_spec(node, true));
    if wait.given && waitaof.given {
        let remedy = "keep one of them: a client waits for one reply";
        reader.problem(&waitaof.place, "workload: wait and waitaof are both given", remedy);
    }
    wait.value.or(waitaof.value)
}

fn wait_spec(node: &Node, aof: bool) -> Result<WaitSpec, Fault> {
    let example = if aof {
        "{ local = 1, replicas = 1, timeout = \"1s\" }"
    } else {
        "{ replicas = 1, timeout = \"1s\" }"
    };
    let Value::Table(table) = &node.value else {
        return Err(Fault::new(format!("{} is no table", node.literal()), format!("write {example}")));
    };
    let known: &[&str] = if aof { &["local", "replicas", "timeout"] } else { &["replicas", "timeout"] };
    for entry in &table.entries {
        if !known.contains(&entry.key.as_str()) {
            let fault = Fault::new(
                format!("unknown key {:?}", entry.key),
                suggestion(&entry.key, known.iter().copied()),
            );
            return Err(fault.at(&entry.place));
        }
    }
    let number = |key: &str, kind: Kind, default: u64| match table.get(key) {
        Some(node) => whole(node, kind).map_err(|fault| fault.at(&node.place)),
        None => Ok(default),
    };
    let replicas = number("replicas", Kind::Count(0, 10_000), 1)? as u32;
    let local = number("local", Kind::Count(0, 1), u64::from(aof))? == 1;
    let timeout = number("timeout", Kind::Span(0, 3600 * SECOND), SECOND)?;
    if replicas == 0 && !local {
        return Err(Fault::new("it waits for nobody", format!("write {example}")));
    }
    Ok(WaitSpec { local, replicas, timeout, aof })
}

/// Settings and groups must fit the replicas.
pub fn check(
    tree: &Table,
    config: &RedisConfig,
    replicas: &[ReplicaSpec],
    groups: &[Workload],
    reader: &mut Reader,
) {
    let own = replicas.iter().filter(|replica| replica.of.is_none()).count();
    for (section, group) in Section::repeated(&WORKLOAD, tree).iter().zip(groups) {
        let Some(wait) = group.wait else { continue };
        let key = if wait.aof { "waitaof" } else { "wait" };
        let place = section.place_of(key);
        if wait.replicas as usize > own {
            let read = format!("workload.{key}: {} replicas, but the scenario has {own}", wait.replicas);
            reader.problem(&place, read, "add [[replica]] or lower replicas: it would always time out");
        }
        if wait.aof && !config.version.has(7, 2) {
            let remedy = "set redis.version = \"7.2\" or later, or use wait";
            reader.problem(&place, format!("workload.waitaof: {} has no WAITAOF", config.version), remedy);
        }
        if wait.local && !config.appendonly {
            let remedy = "set redis.appendonly = true or local = 0";
            reader.problem(&place, "workload.waitaof: local = 1, but the AOF is off", remedy);
        }
        let logging = replicas.iter().filter(|replica| replica.of.is_none() && replica.appendonly).count();
        if wait.aof && wait.replicas as usize > logging {
            let read = format!("workload.waitaof: {} replicas, but {logging} have an AOF", wait.replicas);
            reader.problem(&place, read, "set appendonly = true in [[replica]] or lower replicas");
        }
    }
    let redis = Section::single(&REDIS, tree);
    check_settings(&|key| redis.place_of(key), config, own, reader);
}

/// Settings of one server must fit its `own` replicas; `place_of` says where a setting was typed.
pub fn check_settings(
    place_of: &dyn Fn(&str) -> Place,
    config: &RedisConfig,
    own: usize,
    reader: &mut Reader,
) {
    let settings = &config.replication;
    let limit = settings.output_limit;
    if own > 0 && limit.hard > 0 && limit.hard < settings.repl_backlog_size && !config.version.has(7, 0) {
        let read = format!(
            "redis.client-output-buffer-limit: the replicas' hard limit of {} is below repl-backlog-size {}",
            format_bytes(limit.hard),
            format_bytes(settings.repl_backlog_size)
        );
        let remedy = "raise the limit or lower the backlog: a partial resynchronisation would meet it (7.0 ignores it)";
        reader.problem(&place_of("client-output-buffer-limit"), read, remedy);
    }
    if settings.repl_backlog_size < BACKLOG_MIN {
        let read =
            format!("redis.repl-backlog-size: {} is too small", format_bytes(settings.repl_backlog_size));
        reader.problem(&place_of("repl-backlog-size"), read, "expected at least 16kb");
    }
    if own > 0 && settings.repl_ping_replica_period >= settings.repl_timeout {
        let read = format!(
            "redis.repl-timeout: {} s is not above repl-ping-replica-period {} s",
            settings.repl_timeout, settings.repl_ping_replica_period
        );
        reader.problem(&place_of("repl-timeout"), read, "raise repl-timeout: idle links would be cut");
    }
    let wanted = settings.min_replicas_to_write;
    if wanted as usize > own {
        let place = place_of("min-replicas-to-write");
        if own == 0 && matches!(place.origin, Origin::RedisConf(..) | Origin::Info(_)) {
            reader.notes.push(format!(
                "min-replicas-to-write {wanted} and no [[replica]]: every write gets NOREPLICAS"
            ));
        } else {
            let read = format!("redis.min-replicas-to-write: {wanted}, but the scenario has {own} replicas");
            reader.problem(&place, read, "add [[replica]] or lower it: every write would get NOREPLICAS");
        }
    }
}
