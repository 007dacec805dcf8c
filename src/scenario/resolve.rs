//! From what was typed to what is meant: defaults, overrides, units, and checks across settings.
//!
//! Later layers win: built-in default, version, model, scenario, INFO dump, redis.conf, flags. All problems of all
//! layers are reported at once.

mod cluster;
mod cluster_checks;
mod dataset;
mod event;
mod machine;
mod moves;
mod node_redis;
mod pattern;
mod redis;
mod replica;
mod run;
mod servers;
mod streams;
mod workload;

use std::path::Path;

use super::keys::TABLES;
use super::layers;
pub use super::layers::Overrides;
use super::problem::Problems;
use super::reader::Reader;
use super::sweep;
use super::tree;
use super::{Scenario, file};
pub use machine::model_path;

/// Resolves the text of a scenario file, with what the command line overrides.
///
/// `file_name` is the file as the user named it; relative paths inside the file count from `base_dir`.
pub fn resolve(
    text: &str,
    file_name: &str,
    base_dir: &Path,
    overrides: &Overrides,
) -> Result<Scenario, Problems> {
    let mut tree = tree::parse(text, file_name).map_err(Problems)?;
    let mut reader =
        Reader { file: file_name.to_owned(), files: overrides.files.clone(), ..Reader::default() };
    layers::apply(&mut tree, overrides, &mut reader);
    reader.problems.extend(file::check_names(&tree, file_name));

    let redis = redis::read(&tree, overrides.redis_conf.is_some(), &mut reader);
    let dataset = dataset::read(&tree, redis.config.version, &mut reader);
    let workloads = workload::read(&tree, &dataset, redis.config.version, base_dir, &mut reader);
    let machine = machine::read(&tree, base_dir, &mut reader);
    machine::note_version(machine.as_ref(), redis.config.version, &mut reader);
    let run = run::read(&tree, &mut reader);
    let replicas = replica::read(&tree, &mut reader);
    replica::check(&tree, &redis.config, &replicas, &workloads, &mut reader);
    let mut cluster = cluster::read(&tree, &redis, machine.as_ref(), &dataset, base_dir, &mut reader);
    let world = event::World { config: &redis.config, replicas: &replicas, cluster: cluster.as_ref() };
    let (events, moves) = event::read(&tree, &world, run.duration, &mut reader);
    let start = dataset::read_start(&tree, &mut reader);
    let sweep = sweep::read(&tree, &mut reader);
    if let Some(cluster) = &mut cluster {
        cluster_checks::check(&tree, cluster, &workloads, &start, &replicas, &mut reader);
        cluster.moves = moves;
    }
    pattern::check_events(&tree, &workloads, &events, &mut reader);
    workload::check_clients(&tree, &workloads, &redis, &mut reader);
    streams::check(&tree, &workloads, &dataset, &redis.config, machine.as_ref(), &mut reader);
    pattern::note_limits(&workloads, &redis.config, &mut reader);
    redis::check_policy(&redis.config, &dataset, &workloads, &mut reader);
    if let Some(machine) = machine.as_ref().filter(|_| cluster.is_none()) {
        dataset::check_memory(&tree, &dataset, &start, &redis.config, machine, &mut reader);
    }
    finish(reader, |reader| {
        Some(Scenario {
            name: name_of(file_name),
            redis: redis.config,
            dataset,
            workloads,
            replicas,
            events,
            cluster: cluster.map(Box::new),
            machine: machine?,
            run,
            start,
            sweep: sweep.map(Box::new),
            settings: reader.settings,
            notes: reader.notes,
            directives_used: redis.used,
            directives_not_modelled: redis.not_modelled,
        })
    })
}

fn finish(mut reader: Reader, build: impl FnOnce(Reader) -> Option<Scenario>) -> Result<Scenario, Problems> {
    let mut problems = std::mem::take(&mut reader.problems);
    // In the order of the files, so that a reader can go through them from top to bottom.
    problems.sort();
    problems.dedup();
    if !problems.is_empty() {
        return Err(Problems(problems));
    }
    let rank = |key: &str| {
        let table = key.split('.').next().unwrap_or("");
        TABLES.iter().position(|spec| spec.name == table)
    };
    reader.settings.sort_by_key(|setting| rank(&setting.key));
    // Without a problem every part was built.
    build(reader).ok_or_else(|| Problems(Vec::new()))
}

/// The file's stem.
fn name_of(file_name: &str) -> String {
    let stem = Path::new(file_name).file_stem().map(|stem| stem.to_string_lossy().into_owned());
    match stem {
        Some(stem) if stem != "-" => stem,
        _ => "stdin".to_owned(),
    }
}

#[cfg(test)]
mod tests;
