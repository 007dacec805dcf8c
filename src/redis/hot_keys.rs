//! Keys in the CPU's cache: which share of a group's requests finds its key's memory there.
//!
//! A command on a random key of a large keyspace waits for memory several times: hash bucket, entry, key, object, value
//! (redis pull requests #14017 and #14899; "Unlock 1 million RPS", part 2, of the Valkey project). Prices of commands
//! are those of such keys. The caches are taken to hold the most often addressed bytes. A popularity class whose keys fit
//! into the core's own cache together with all more popular ones saves all, one beyond the last level nothing, and in
//! between the share falls with the logarithm of the bytes, as measured on `two-core-vm`.
//!
//! The saving is an expectation, folded into a command's price: single misses are parts of a microsecond.

use super::memory::mean_bytes_per_key;
use super::profile::Profile;
use super::version::Version;
use crate::client::key_classes::KeyClasses;
use crate::cost_model::CostModel;
use crate::scenario::{Dataset, KeyPopularity, Source, Workload};
use crate::units::Nanos;

/// Rate at which a connection of a closed loop is taken to write, to weigh it against open loops \[1/s\].
const CLOSED_LOOP_WRITES: f64 = 1000.0;

/// Share of each group's keys that are found in the cache of `machine`, 0 to 1.
pub fn cache_hits(
    workloads: &[Workload],
    dataset: &Dataset,
    version: Version,
    machine: &CostModel,
) -> Vec<f64> {
    if machine.machine.l3 == 0 {
        return vec![0.0; workloads.len()];
    }
    let bytes =
        mean_bytes_per_key(version, dataset.key_size, &dataset.value_size, dataset.ttl_share).max(1.0);
    let classes: Vec<KeyClasses> =
        workloads.iter().map(|group| KeyClasses::new(group.keys, dataset.keys)).collect();
    let mut bounds: Vec<u64> = classes
        .iter()
        .flat_map(|own| own.classes().iter().flat_map(|class| [class.first, class.first + class.keys]))
        .collect();
    bounds.sort_unstable();
    bounds.dedup();
    // Ranks between two bounds, and how often one of their keys is asked for.
    let mut pieces: Vec<(f64, u64, u64)> = bounds
        .windows(2)
        .map(|pair| {
            let asked =
                workloads.iter().zip(&classes).map(|(group, own)| weight(group) * per_key(own, pair[0]));
            (asked.sum(), pair[0], pair[1])
        })
        .filter(|piece| piece.0 > 0.0)
        .collect();
    pieces.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut used = 0.0;
    let mut hits = vec![0.0; workloads.len()];
    for (_, from, to) in pieces {
        used += (to - from) as f64 * bytes;
        let share = share_in_cache(used, machine);
        if share == 0.0 {
            break;
        }
        for (hit, own) in hits.iter_mut().zip(&classes) {
            *hit += share * per_key(own, from) * (to - from) as f64;
        }
    }
    hits.into_iter().map(|hit: f64| hit.min(1.0)).collect()
}

/// How much of the waiting for memory is saved on keys that take `bytes` together with all more popular ones, 0 to 1.
pub fn share_in_cache(bytes: f64, machine: &CostModel) -> f64 {
    let (own, last) = (machine.machine.l2 as f64, machine.machine.l3 as f64);
    if own == 0.0 || own >= last {
        return (bytes <= last && last > 0.0) as u8 as f64;
    }
    (1.0 - libm::log(bytes / own) / libm::log(last / own)).clamp(0.0, 1.0)
}

/// Price of a command of a string on a key of which a share is in the cache: no less than that of PING \[ns\].
pub fn cached(price: Nanos, share: f64, machine: &CostModel) -> Nanos {
    let most = price.saturating_sub(machine.cpu.ping).min(machine.cpu.hot_key_saving);
    price - (share * most as f64).round() as Nanos
}

/// Probability that a request goes to the key of `rank`.
fn per_key(classes: &KeyClasses, rank: u64) -> f64 {
    let of = classes.classes();
    let class = of.partition_point(|class| class.first + class.keys <= rank);
    of.get(class).filter(|class| class.first <= rank).map_or(0.0, |class| class.mass / class.keys as f64)
}

/// Keys a group asks for, a second.
fn weight(group: &Workload) -> f64 {
    let rate = match &group.source {
        Source::Open { schedule, .. } => schedule.iter().map(|step| step.1).fold(0.0, f64::max),
        Source::Closed { .. } => {
            f64::from(group.connections) * f64::from(group.pipeline) * CLOSED_LOOP_WRITES
        }
    };
    let keys = |elements: u32, several: bool| if several { f64::from(elements) } else { 1.0 };
    let mean = |(command, share): &(super::command::Command, f64)| {
        use super::command::CommandKind::{Del, Mget, Mset, Unlink};
        share * keys(command.elements, matches!(command.kind, Mget | Mset | Del | Unlink))
    };
    rate * group.mix.iter().map(mean).sum::<f64>()
}

/// What a command of `profile` saves when a share `hits` of its keys is in the cache \[ns\].
///
/// A further key of a command saves of its price what the first saves of its own (assumed): `per-element` is the price
/// of elements of collections as well, and less than that of a command.
pub fn saving(profile: &Profile, hits: f64, machine: &CostModel) -> Nanos {
    let further = u64::from(profile.keys.saturating_sub(1)) * machine.cpu.per_element;
    if profile.keys == 0 || hits == 0.0 {
        return 0;
    }
    let first = profile.cpu.saturating_sub(further).max(1);
    let one = machine.cpu.hot_key_saving.min(first.saturating_sub(machine.cpu.ping));
    let share = one as f64 / first as f64;
    (hits * (one as f64 + share * further as f64)).round() as Nanos
}

/// Whether a group's keys are few and asked for by many.
pub fn is_hot(keys: KeyPopularity) -> bool {
    matches!(keys, KeyPopularity::Single | KeyPopularity::Split { .. } | KeyPopularity::Hot { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models;
    use crate::redis::command::Command;
    use crate::scenario::resolve::{Overrides, resolve};
    use crate::units::MIB;

    fn hits(groups: &[&str], keys: &str, l3: u64) -> Vec<f64> {
        let groups: String =
            groups.iter().map(|g| format!("[[workload]]\nrate = \"1000/s\"\n{g}\n")).collect();
        let text = format!("[dataset]\nkeys = \"{keys}\"\n{groups}");
        let scenario = resolve(&text, "test.toml", std::path::Path::new(""), &Overrides::default()).unwrap();
        let mut machine = models::blank("free");
        machine.machine.l3 = l3;
        cache_hits(&scenario.workloads, &scenario.dataset, scenario.redis.version, &machine)
    }

    #[test]
    fn classes_that_fit_the_cache_hit_and_others_miss() {
        // A key of 20 bytes with 100 bytes of value takes 188: 32 MiB hold 178,481.
        assert_eq!(hits(&["keys = \"uniform\""], "178k", 32 * MIB), [1.0]);
        assert_eq!(hits(&["keys = \"uniform\""], "179k", 32 * MIB), [0.0]);
        assert_eq!(hits(&["keys = \"single\""], "100M", 32 * MIB), [1.0]);
        assert_eq!(hits(&["keys = \"single\""], "100M", 187), [0.0]);
        assert_eq!(hits(&["keys = { dist = \"single\", sub-keys = 16 }"], "100M", 16 * 188), [1.0]);
        let hot = hits(&["keys = { dist = \"hot\", share = 0.75, keys = 1000 }"], "100M", 32 * MIB);
        assert!((hot[0] - 0.75).abs() < 1e-9, "{hot:?}");
        assert_eq!(hits(&["keys = \"uniform\""], "10", 0), [0.0]);
    }

    #[test]
    fn between_the_caches_the_saving_falls_with_the_logarithm() {
        let mut machine = models::blank("free");
        (machine.machine.l2, machine.machine.l3) = (MIB, 32 * MIB);
        let share = |mib: f64| share_in_cache(mib * MIB as f64, &machine);
        assert_eq!((share(0.5), share(1.0), share(32.0), share(500.0)), (1.0, 1.0, 0.0, 0.0));
        assert!((share(2.0) - 0.8).abs() < 1e-9 && (share(16.0) - 0.2).abs() < 1e-9);
        (machine.cpu.ping, machine.cpu.hot_key_saving) = (200, 900);
        assert_eq!((cached(1200, 1.0, &machine), cached(1200, 0.5, &machine)), (300, 750));
        assert_eq!(cached(600, 1.0, &machine), 200);
    }

    #[test]
    fn zipf_hits_with_the_mass_of_the_most_popular_keys() {
        let hit = hits(&["keys = { dist = \"zipf\", s = 1.0 }"], "100M", 32 * MIB)[0];
        // Harmonic numbers of the ranks that fit, to a class of half an octave, and of all.
        let harmonic = |n: f64| n.ln() + 0.577;
        let (low, high) = (harmonic(98_304.0) / harmonic(1e8), harmonic(178_481.0) / harmonic(1e8));
        assert!((low..high).contains(&hit), "{low} {hit} {high}");
    }

    #[test]
    fn groups_share_the_cache_by_how_often_they_ask() {
        // The writers' key is the readers' most popular one, and the rest of the readers' do not fit.
        let both = hits(&["keys = \"single\"", "keys = \"uniform\""], "1M", 32 * MIB);
        assert!(both[0] == 1.0 && both[1] < 1e-5, "{both:?}");
    }

    #[test]
    fn a_command_saves_no_more_than_it_costs() {
        let mut machine = models::blank("free");
        (machine.cpu.get, machine.cpu.per_element, machine.cpu.hot_key_saving) = (1000, 400, 600);
        let saved = |text: &str, hits: f64, machine: &CostModel| {
            let profile = text.parse::<Command>().unwrap().profile(Version::redis(7, 2), 20, &machine.cpu);
            saving(&profile, hits, machine)
        };
        assert_eq!(saved("GET", 1.0, &machine), 600);
        assert_eq!(saved("GET", 0.5, &machine), 300);
        assert_eq!(saved("MGET 11", 1.0, &machine), 600 + 2400);
        assert_eq!(saved("PING", 1.0, &machine), 0);
        machine.cpu.hot_key_saving = 5000;
        assert_eq!(saved("MGET 11", 1.0, &machine), 1000 + 4000);
    }
}
