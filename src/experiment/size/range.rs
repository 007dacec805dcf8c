//! Where a search looks when nobody says so.

use super::unknown::{Unknown, problem};
use crate::experiment::Template;
use crate::experiment::design::Form;
use crate::models::price;
use crate::redis::plan::plans;
use crate::redis::server::Server;
use crate::rng::Streams;
use crate::scenario::keys::{self, Kind};
use crate::scenario::problem::Problem;
use crate::scenario::{Scenario, memory};
use crate::sim::offered_load;
use crate::units::MIB;

/// Range of a factor when nobody gives one.
const FACTORS: (f64, f64) = (1.0 / 64.0, 64.0);
/// From the current value down and up, when nobody gives a range and the setting has none.
const AROUND: f64 = 100.0;
/// Below the rate at which the main thread is never idle, the lowest rate that is tried.
const RATES: f64 = 1000.0;
/// And beyond it the highest: more than a value in four digits differs from it.
const BEYOND: f64 = 1.001;
/// Smallest and largest value to try of what is solved for when nobody says so.
///
/// # Errors
/// Where there is none: the setting has no value and no bounds, or nothing costs anything.
pub fn default_range(
    unknown: &Unknown,
    template: &Template,
    scenario: &Scenario,
) -> Result<(f64, f64), Problem> {
    let data_memory = scenario.machine.machine.memory as f64 / scenario.dataset.fragmentation;
    Ok(match unknown.name.as_str() {
        "rate" => {
            let highest = highest_rate(unknown, template)?;
            // A little beyond, so that the last value is one that nothing carries.
            (highest / RATES, BEYOND * highest)
        }
        "shards" => (1.0, 1024.0),
        "connections" => (1.0, 10_000.0),
        "pipeline" => (1.0, 1000.0),
        "hz" => (1.0, 500.0),
        "ttl-jitter" => (1e9, 86_400e9),
        "value-size" => (1.0, MIB as f64),
        "memory" => ((64 * MIB) as f64, 0.9 * data_memory),
        "keys" => {
            let dataset = &scenario.dataset;
            let (version, bytes) = (scenario.redis.version, (0.9 * data_memory) as u64);
            let most =
                memory::keys_in(version, bytes, dataset.key_size, &dataset.value_size, dataset.ttl_share);
            (1000.0, most as f64)
        }
        _ if unknown.form == Form::Factor => FACTORS,
        _ => return around(unknown, scenario),
    })
}

/// A range around the value that the setting has, within what it may be.
fn around(unknown: &Unknown, scenario: &Scenario) -> Result<(f64, f64), Problem> {
    let none = || {
        let remedy = "give --from and --to";
        problem("--solve", format!("{} has no range of its own", unknown.name), remedy)
    };
    let key = unknown.settings()[0];
    let shown =
        scenario.settings.iter().find(|setting| setting.key == key).map(|setting| setting.value.clone());
    let priced = key.strip_prefix("machine.").and_then(price::find);
    let shown = shown.or_else(|| {
        let price = priced?;
        Some(price.get(&mut scenario.machine.clone()).text(price.unit))
    });
    let current = shown.and_then(|text| unknown.form.parse(&text).ok()).filter(|current| *current > 0.0);
    let (least, most) =
        priced.map(|price| (price.min, price.max)).or_else(|| bounds(key)).unwrap_or((0.0, f64::MAX));
    let current = current.ok_or_else(none)?;
    let least = if unknown.is_counted() { least.max(1.0) } else { least };
    Ok(((current / AROUND).max(least), (current * AROUND).min(most)))
}

/// The bounds that the scenario's format gives a key of a table.
fn bounds(key: &str) -> Option<(f64, f64)> {
    let (table, path) = key.split_once('.')?;
    let spec = keys::table(table)?;
    match spec.key(path.rsplit('.').next()?)?.kind {
        Kind::Span(low, high) | Kind::Bytes(low, high) | Kind::Count(low, high) => {
            Some((low as f64, high as f64))
        }
        Kind::Number(low, high) => Some((low, high)),
        _ => None,
    }
}

/// The rate of each open group at which the main thread is never idle; beyond it no queue can end.
fn highest_rate(unknown: &Unknown, template: &Template) -> Result<f64, Problem> {
    let one = template.with(&unknown.assignments(1.0));
    let scenario = one.map_err(|mut problems| problems.0.swap_remove(0))?;
    let streams = Streams::new(scenario.run.seed, 0);
    let (_, maps) = Server::new(&scenario, &streams);
    let version = scenario.redis.version;
    let plans = plans(&scenario.workloads, &scenario.dataset, maps, version, &scenario.machine, &streams);
    let load = offered_load(&scenario, &plans).filter(|load| load.offered > 0.0);
    let nodes = scenario.cluster.as_ref().map_or(1.0, |cluster| cluster.nodes.len() as f64);
    load.map(|load| nodes / load.offered).ok_or_else(|| {
        problem("--solve", "rate: commands cost nothing on this machine".to_owned(), "give --from and --to")
    })
}
