//! `node.redis`: directives of one node over those that all nodes have.

use super::super::file::suggestion;
use super::super::reader::{Fault, Reader, Section};
use super::super::redis_conf::Applied;
use super::super::tree::{Entry, Table, Value};
use super::super::{cluster_directives, directives};
use super::redis::wrong;
use crate::redis::config::RedisConfig;

/// Settings of the node's server.
pub fn read(section: &Section<'_>, of_all: &RedisConfig, reader: &mut Reader) -> RedisConfig {
    let mut config = of_all.clone();
    let got = reader.read(section, "redis", |node| match &node.value {
        Value::Table(table) => Ok(table.clone()),
        _ => {
            Err(Fault::new(format!("{} is no table", node.literal()), "write redis = { appendonly = true }"))
        }
    });
    let Table { entries } = got.value.unwrap_or_default();
    for entry in &entries {
        lay(entry, &mut config, reader);
    }
    config
}

fn lay(entry: &Entry, config: &mut RedisConfig, reader: &mut Reader) {
    let Entry { key: name, node, place } = entry;
    let mut say = |read: String, remedy: &str| reader.problem(place, read, remedy);
    if name == "version" {
        return say("node.redis.version: all nodes have one version".to_owned(), "set it under [redis]");
    }
    if cluster_directives::canonical(name).is_some() {
        let read = format!("node.redis.{name}: a setting of the whole cluster");
        return say(read, "set it under [redis]");
    }
    let Some(value) = node.plain() else {
        let read = format!("node.redis.{name}: {} is no value of a directive", node.literal());
        return say(read, "write it in quotes, as a redis.conf has it");
    };
    match directives::set(config, name, &value) {
        Applied::Used if config.io_threads > 1 => {
            say(format!("node.redis.{name}: io-threads {value}: not modelled yet"), "set io-threads 1");
            config.io_threads = 1;
        }
        Applied::Used => {}
        Applied::Wrong(expected) => wrong(name, &value, &expected, &node.place, reader),
        Applied::NotModelled(what) => {
            say(format!("node.redis.{name} is not modelled: {what}"), "take it out");
        }
        Applied::Irrelevant => {
            say(format!("node.redis.{name} does not matter to the write path"), "take it out");
        }
        Applied::Unknown => {
            let known = directives::of(config);
            let remedy = suggestion(name, known.iter().map(|(name, _)| *name));
            say(format!("node.redis: unknown directive {name:?}"), &remedy);
        }
    }
}
