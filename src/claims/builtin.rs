//! Experiments that come with the program.

/// The files of one.
#[derive(Clone, Copy, Debug)]
pub struct Builtin {
    /// Name of its folder.
    pub name: &'static str,
    files: [&'static str; 4],
}

macro_rules! experiments {
    ($($name:literal,)*) => {
        /// All of them, by name.
        pub const ALL: &[Builtin] = &[$(Builtin {
            name: $name,
            files: [
                include_str!(concat!("../../experiments/", $name, "/experiment.toml")),
                include_str!(concat!("../../experiments/", $name, "/result.csv")),
                include_str!(concat!("../../experiments/", $name, "/finding.md")),
                include_str!(concat!("../../experiments/", $name, "/manifest.json")),
            ],
        },)*];
    };
}

experiments! {
    "aof-growth",
    "ask-redirect",
    "benchmark-rate",
    "both-modes",
    "default-config",
    "everysec-loss",
    "expiry-stampede",
    "expiry-storm",
    "fork-spike",
    "group-commit",
    "hot-key",
    "immortal-counters",
    "info-lag",
    "limiter-repair",
    "migrate-lever",
    "rebalance-tail",
    "rebalance-time",
    "replica-behind",
    "replication-cost",
    "rewrite-duration",
    "rewrite-end",
    "rewrite-everysec",
    "rewrite-fsync-switch",
    "rewrite-trigger",
    "six-hours",
    "slowlog",
    "split-brain",
    "split-instances",
    "streams",
    "write-phases",
}

/// A file of the experiment `name`, or of the folder of all where that is empty.
pub fn read(name: &str, file: &str) -> Option<&'static str> {
    let place = match (name, file) {
        ("", super::store::UNDECIDED) => return Some(include_str!("../../experiments/undecided.toml")),
        ("", super::store::FACTS) => return Some(include_str!("../../experiments/real-servers.toml")),
        (_, super::store::EXPERIMENT) => 0,
        (_, super::store::RESULT) => 1,
        (_, super::store::FINDING) => 2,
        (_, super::store::MANIFEST) => 3,
        _ => return None,
    };
    ALL.iter().find(|own| own.name == name).map(|own| own.files[place])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn all_folders_are_built_in_and_only_those() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
        let on_disk = super::super::store::Store::Folder(folder).names().expect("a folder");
        assert_eq!(ALL.iter().map(|own| own.name).collect::<Vec<_>>(), on_disk);
    }
}
