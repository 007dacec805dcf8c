//! The standard set: workloads by mechanism, and the third of them that touches every mechanism in a few minutes.
//!
//! None of them is a workload that prices are calibrated on: those are tight loops of one command with nothing besides
//! (`calibrate`), these are runs of whole servers under load.

use std::path::PathBuf;

use super::case::{Case, Load, assign};
use crate::experiment::Template;
use crate::scenario::resolve::Overrides;

/// Scenario files, by name.
pub const FILES: &[(&str, &str)] = &[
    ("pipeline", include_str!("../../experiments/validation/pipeline.toml")),
    ("size", include_str!("../../experiments/validation/size.toml")),
    ("rate", include_str!("../../experiments/validation/rate.toml")),
    ("aof", include_str!("../../experiments/validation/aof.toml")),
    ("fork", include_str!("../../experiments/validation/fork.toml")),
    ("rewrite", include_str!("../../experiments/validation/rewrite.toml")),
    ("cow", include_str!("../../experiments/validation/cow.toml")),
    ("expiry", include_str!("../../experiments/validation/expiry.toml")),
    ("racy", include_str!("../../experiments/validation/racy.toml")),
    ("lua", include_str!("../../experiments/validation/lua.toml")),
    ("replica", include_str!("../../experiments/validation/replica.toml")),
    ("two-replicas", include_str!("../../experiments/validation/two-replicas.toml")),
    ("resync", include_str!("../../experiments/validation/resync.toml")),
    ("reshard", include_str!("../../experiments/validation/reshard.toml")),
];

/// Pipeline depths, and those of the quick set.
const PIPELINES: [u32; 7] = [1, 2, 4, 8, 16, 32, 64];
const QUICK_PIPELINES: [(u32, u32); 4] = [(1, 1), (1, 50), (16, 50), (16, 200)];
const CONNECTIONS: [u32; 3] = [1, 50, 200];
const SIZES: [(&str, bool); 6] =
    [("10B", false), ("100B", false), ("1KiB", false), ("4KiB", true), ("16KiB", false), ("64KiB", true)];
const SHARES: [(u32, bool); 5] = [(10, false), (30, false), (50, true), (70, false), (90, true)];
const AOF_SHARES: [(u32, bool); 3] = [(10, false), (40, true), (70, false)];
const FORKS: [(&str, &str, bool); 3] = [("0.5", "512MiB", true), ("1", "1GiB", false), ("2", "2GiB", false)];

/// What `--only` can name, in the order of the set.
pub fn mechanisms() -> Vec<String> {
    let mut names: Vec<String> =
        standard(&Overrides::default()).into_iter().map(|case| case.mechanism).collect();
    names.dedup();
    names
}

/// The whole set under what the command line lays over every scenario.
pub fn standard(overrides: &Overrides) -> Vec<Case> {
    let case = |name: String, mechanism: &str, file: &str, settings: &[(&str, &str)], quick: bool| {
        let text = FILES.iter().find(|known| known.0 == file).expect("a file of the set").1;
        let template = Template::new(text.to_owned(), file.to_owned(), PathBuf::from("."), overrides.clone());
        let settings = settings.iter().map(|(key, value)| assign(key, value)).collect();
        Case { name, mechanism: mechanism.to_owned(), template, settings, load: None, quick }
    };
    let at = |case: Case, share: u32, capacity: Case| {
        let load = Load { share: f64::from(share) / 100.0, capacity: Box::new(capacity) };
        Case { load: Some(load), ..case }
    };
    let capacity =
        |settings: &[(&str, &str)]| case("capacity".to_owned(), "capacity", "pipeline", settings, false);
    let mut set = Vec::new();
    for connections in CONNECTIONS {
        for pipeline in PIPELINES {
            let settings = [("pipeline", pipeline.to_string()), ("connections", connections.to_string())];
            let settings = settings.each_ref().map(|(key, value)| (*key, value.as_str()));
            let quick = QUICK_PIPELINES.contains(&(pipeline, connections));
            let name = format!("pipeline-{pipeline}-connections-{connections}");
            set.push(case(name, "pipeline", "pipeline", &settings, quick));
        }
    }
    for (size, quick) in SIZES {
        set.push(case(format!("size-{size}"), "size", "size", &[("value-size", size)], quick));
    }
    for (share, quick) in SHARES {
        set.push(at(case(format!("rate-{share}"), "rate", "rate", &[], quick), share, capacity(&[])));
    }
    for policy in ["no", "everysec", "always"] {
        for (share, quick) in AOF_SHARES {
            let settings = [
                ("redis.appendfsync", policy),
                ("redis.appendonly", "true"),
                ("redis.auto-aof-rewrite-percentage", "0"),
            ];
            let name = format!("aof-{policy}-{share}");
            set.push(at(case(name, "aof", "aof", &settings, quick), share, capacity(&settings)));
        }
    }
    for (gib, memory, quick) in FORKS {
        let settings = [("dataset.memory", memory)];
        set.push(case(format!("fork-{gib}-gib"), "fork", "fork", &settings, quick));
    }
    set.push(case("rewrite".to_owned(), "rewrite", "rewrite", &[], true));
    set.push(case("cow".to_owned(), "cow", "cow", &[], true));
    for (hz, quick) in [("10", true), ("100", false)] {
        set.push(case(format!("expiry-hz-{hz}"), "expiry", "expiry", &[("redis.hz", hz)], quick));
    }
    set.push(case("racy".to_owned(), "pattern", "racy", &[], true));
    set.push(case("lua".to_owned(), "pattern", "lua", &[], true));
    set.push(case("one-replica".to_owned(), "replica", "replica", &[], true));
    set.push(case("two-replicas".to_owned(), "replica", "two-replicas", &[], false));
    set.push(case("resync".to_owned(), "resync", "resync", &[], true));
    set.push(case("reshard".to_owned(), "reshard", "reshard", &[], true));
    set
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate::case::{Beside, beside, figures};

    #[test]
    fn every_case_is_sound_has_figures_and_a_name_of_its_own() {
        let set = standard(&Overrides::default());
        for case in &set {
            let scenario = case.resolve(&[]).unwrap_or_else(|problems| panic!("{}: {problems}", case.name));
            assert!(figures(&scenario).len() >= 3, "{}", case.name);
            if let Some(load) = &case.load {
                let capacity = load.capacity.resolve(&[]);
                let capacity = capacity.unwrap_or_else(|problems| panic!("{}: {problems}", case.name));
                let own = |redis: &crate::redis::config::RedisConfig| format!("{redis:?}");
                assert_eq!(own(&capacity.redis), own(&scenario.redis), "{}: another server", case.name);
                assert_eq!(capacity.dataset, scenario.dataset, "{}: other keys", case.name);
            }
        }
        let mut names: Vec<_> = set.iter().map(|case| &case.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), set.len());
    }

    #[test]
    fn the_quick_set_is_about_a_third_and_touches_every_mechanism() {
        let set = standard(&Overrides::default());
        let quick: Vec<&Case> = set.iter().filter(|case| case.quick).collect();
        assert!(3 * quick.len() <= set.len() + 8, "{} of {}", quick.len(), set.len());
        for mechanism in mechanisms() {
            assert!(quick.iter().any(|case| case.mechanism == mechanism), "{mechanism}");
        }
    }

    #[test]
    fn the_scenario_says_what_happens_besides() {
        let set = standard(&Overrides::default());
        let of = |name: &str| {
            let case =
                set.iter().find(|case| case.name == name).unwrap_or_else(|| panic!("{name} is a case"));
            beside(&case.resolve(&[]).expect("it is sound"))
        };
        assert_eq!(of("pipeline-1-connections-1"), Beside::Nothing);
        assert_eq!(of("two-replicas"), Beside::Nothing);
        assert_eq!([of("fork-1-gib"), of("rewrite"), of("cow")], [Beside::Child; 3]);
        assert_eq!(of("expiry-hz-100"), Beside::Storm);
        assert_eq!(of("lua"), Beside::Pattern);
        assert_eq!((of("resync"), of("reshard")), (Beside::Resync, Beside::Reshard));
    }
}
