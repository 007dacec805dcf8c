//! Directives of a cluster's nodes, which are the same on all of them: names, versions and values.

use super::cluster::ConfigSave;
use super::directives::{DirectiveValue, bytes};
use super::redis_conf::Applied;
use super::redis_conf::value::{integer, memory, one_of, yes_no};
use crate::redis::version::Version;
use crate::units::{KIB, MILLISECOND, Nanos};

/// Settings of the cluster, under redis.conf's names with `-` written `_`.
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterSettings {
    /// Version of the servers; decides which of the settings there are.
    pub version: Version,
    /// `cluster-enabled`.
    pub enabled: bool,
    /// `cluster-node-timeout` \[ms\], ≥ 1.
    pub node_timeout: u64,
    /// `cluster-require-full-coverage`.
    pub require_full_coverage: bool,
    /// `cluster-allow-reads-when-down` (6.0 on).
    pub allow_reads_when_down: bool,
    /// `cluster-migration-barrier`: replicas that stay with a primary when one moves to a primary without any.
    pub migration_barrier: u64,
    /// `cluster-replica-validity-factor`.
    pub replica_validity_factor: u64,
    /// `cluster-replica-no-failover` (4.0 on).
    pub replica_no_failover: bool,
    /// `cluster-slot-migration-handoff-max-lag-bytes` \[bytes\] (Redis 8.4 on).
    pub handoff_max_lag: u64,
    /// `cluster-slot-migration-write-pause-timeout` \[ms\] (Redis 8.4 on).
    pub write_pause_timeout: u64,
    /// `cluster-manual-failover-timeout` \[ms\], ≥ 1 (Valkey 8.1 on).
    pub manual_failover_timeout: u64,
    /// `slot-migration-max-failover-repl-bytes` \[bytes\] (Valkey 9.0 on); −1: writes pause whatever is in flight.
    pub max_failover_repl_bytes: i64,
    /// `cluster-config-save-behavior` (Valkey 9.1 on).
    pub config_save: ConfigSave,
}

const SAVE_BEHAVIORS: &[(&str, ConfigSave)] =
    &[("sync", ConfigSave::Sync), ("best-effort", ConfigSave::BestEffort)];

/// Names before 5.0.
const ALIASES: &[(&str, &str)] = &[
    ("cluster-slave-no-failover", "cluster-replica-no-failover"),
    ("cluster-slave-validity-factor", "cluster-replica-validity-factor"),
];

impl ClusterSettings {
    /// What a server of `version` in cluster mode does when its configuration file says nothing (config.c).
    pub fn defaults(version: Version) -> Self {
        ClusterSettings {
            version,
            enabled: true,
            node_timeout: 15_000,
            require_full_coverage: true,
            allow_reads_when_down: false,
            migration_barrier: 1,
            replica_validity_factor: 10,
            replica_no_failover: false,
            handoff_max_lag: 1024 * KIB,
            write_pause_timeout: 10_000,
            manual_failover_timeout: 5000,
            max_failover_repl_bytes: 0,
            config_save: ConfigSave::Sync,
        }
    }

    /// Every setting that the version has.
    pub fn directives(&self) -> Vec<(&'static str, DirectiveValue)> {
        let mut all = self.fields();
        all.retain(|(name, _)| has(name, self.version));
        all
    }

    fn fields(&self) -> Vec<(&'static str, DirectiveValue)> {
        use DirectiveValue::{Bool, Number, Text};
        let count = |n: u64| Number(i64::try_from(n).unwrap_or(i64::MAX));
        let save = SAVE_BEHAVIORS.iter().find(|(_, value)| *value == self.config_save);
        vec![
            ("cluster-enabled", Bool(self.enabled)),
            ("cluster-node-timeout", count(self.node_timeout)),
            ("cluster-require-full-coverage", Bool(self.require_full_coverage)),
            ("cluster-allow-reads-when-down", Bool(self.allow_reads_when_down)),
            ("cluster-migration-barrier", count(self.migration_barrier)),
            ("cluster-replica-validity-factor", count(self.replica_validity_factor)),
            ("cluster-replica-no-failover", Bool(self.replica_no_failover)),
            ("cluster-slot-migration-handoff-max-lag-bytes", bytes(self.handoff_max_lag)),
            ("cluster-slot-migration-write-pause-timeout", count(self.write_pause_timeout)),
            ("cluster-manual-failover-timeout", count(self.manual_failover_timeout)),
            ("slot-migration-max-failover-repl-bytes", Number(self.max_failover_repl_bytes)),
            ("cluster-config-save-behavior", Text(save.map_or("sync", |(name, _)| name).to_owned())),
        ]
    }

    /// Takes one directive over, if it is one of these.
    pub fn apply(&mut self, name: &str, value: &str) -> Option<Applied> {
        let name = canonical(name)?;
        if !has(name, self.version) {
            return Some(Applied::NotModelled("this version does not have the directive"));
        }
        Some(match self.set(name, value) {
            Ok(()) => Applied::Used,
            Err(expected) => Applied::Wrong(expected),
        })
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let switch = |place: &mut bool| yes_no(value).map(|on| *place = on);
        let count =
            |place: &mut u64, low| integer(value, low, i32::MAX.into()).map(|n| *place = n.unsigned_abs());
        match name {
            "cluster-enabled" => switch(&mut self.enabled),
            "cluster-node-timeout" => count(&mut self.node_timeout, 1),
            "cluster-require-full-coverage" => switch(&mut self.require_full_coverage),
            "cluster-allow-reads-when-down" => switch(&mut self.allow_reads_when_down),
            "cluster-migration-barrier" => count(&mut self.migration_barrier, 0),
            "cluster-replica-validity-factor" => count(&mut self.replica_validity_factor, 0),
            "cluster-replica-no-failover" => switch(&mut self.replica_no_failover),
            "cluster-slot-migration-handoff-max-lag-bytes" => {
                memory(value).map(|bytes| self.handoff_max_lag = bytes)
            }
            "cluster-slot-migration-write-pause-timeout" => count(&mut self.write_pause_timeout, 0),
            "cluster-manual-failover-timeout" => count(&mut self.manual_failover_timeout, 1),
            "slot-migration-max-failover-repl-bytes" => match value.trim() {
                "-1" => {
                    self.max_failover_repl_bytes = -1;
                    Ok(())
                }
                value => memory(value)
                    .map(|bytes| self.max_failover_repl_bytes = i64::try_from(bytes).unwrap_or(i64::MAX)),
            },
            _ => one_of(value, SAVE_BEHAVIORS).map(|behavior| self.config_save = behavior),
        }
    }

    /// Bytes still on their way at which writes pause for a hand-over.
    pub fn lag_limit(&self) -> u64 {
        match self.version.valkey_at_least(9, 0) {
            true => u64::try_from(self.max_failover_repl_bytes).unwrap_or(u64::MAX),
            false => self.handoff_max_lag,
        }
    }

    /// How long writes pause for a hand-over, as the setting says \[ns\].
    pub fn pause_timeout(&self) -> Nanos {
        let ms = match self.version.valkey_at_least(7, 2) {
            true => self.manual_failover_timeout,
            false => self.write_pause_timeout,
        };
        ms * MILLISECOND
    }
}

/// The name used here, if it is one of these directives.
pub fn canonical(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    let name = ALIASES.iter().find(|alias| alias.0 == name).map_or(name.as_str(), |alias| alias.1);
    names().into_iter().find(|known| *known == name)
}

/// Names of these directives, of every version.
pub fn names() -> Vec<&'static str> {
    ClusterSettings::defaults(Version::redis(7, 2)).fields().into_iter().map(|field| field.0).collect()
}

/// Every directive with its default, whether one version has them all or not.
pub fn all() -> Vec<(&'static str, DirectiveValue)> {
    ClusterSettings::defaults(Version::redis(7, 2)).fields()
}

fn has(name: &str, version: Version) -> bool {
    match name {
        "cluster-allow-reads-when-down" => version.has(6, 0),
        "cluster-replica-no-failover" => version.has(4, 0),
        "cluster-slot-migration-handoff-max-lag-bytes" | "cluster-slot-migration-write-pause-timeout" => {
            version.redis_at_least(8, 4)
        }
        "cluster-manual-failover-timeout" => version.valkey_at_least(8, 1),
        "slot-migration-max-failover-repl-bytes" => version.valkey_at_least(9, 0),
        "cluster-config-save-behavior" => version.valkey_at_least(9, 1),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::version::KNOWN;

    #[test]
    fn directives_give_the_settings_back() {
        for &version in KNOWN {
            let mut settings = ClusterSettings::defaults(version);
            for (name, value) in [
                ("cluster-node-timeout", "5000"),
                ("cluster-slave-no-failover", "yes"),
                ("cluster-slot-migration-handoff-max-lag-bytes", "3mb"),
                ("slot-migration-max-failover-repl-bytes", "-1"),
                ("cluster-config-save-behavior", "best-effort"),
            ] {
                settings.apply(name, value);
            }
            let mut back = ClusterSettings::defaults(version);
            for (name, value) in settings.directives() {
                assert_eq!(back.apply(name, &value.plain()), Some(Applied::Used), "{version} {name}");
            }
            assert_eq!(back, settings);
        }
    }

    #[test]
    fn limits_of_the_hand_over_are_those_of_the_flavour() {
        let limits = |version: Version| {
            let settings = ClusterSettings::defaults(version);
            (settings.lag_limit(), settings.pause_timeout())
        };
        assert_eq!(limits(Version::redis(8, 4)), (1 << 20, 10_000 * MILLISECOND));
        assert_eq!(limits(Version::valkey(9, 0)), (0, 5000 * MILLISECOND));
    }

    #[test]
    fn values_are_checked_and_names_of_others_left_alone() {
        let mut settings = ClusterSettings::defaults(Version::redis(7, 2));
        assert!(matches!(settings.apply("cluster-node-timeout", "0"), Some(Applied::Wrong(_))));
        assert!(matches!(
            settings.apply("cluster-config-save-behavior", "sync"),
            Some(Applied::NotModelled(_))
        ));
        assert_eq!(settings.apply("hz", "10"), None);
    }
}
