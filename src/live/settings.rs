//! Settings of a scenario for a real server: which it is given, and which it has already.

use std::process::Command;

use super::error::{LiveError, Result};
use crate::redis::config::RedisConfig;
use crate::redis::version::Version;
use crate::scenario::{Origin, Scenario, directives};

/// The version that a server program says of itself, as the simulator knows it.
///
/// # Errors
/// [`LiveError::Program`] when it cannot be run or says nothing of the kind.
pub fn version_of(program: &str) -> Result<Version> {
    let failed = |reason: String| LiveError::Program {
        program: program.to_owned(),
        reason,
        remedy: "name a redis-server or valkey-server that can be run".to_owned(),
    };
    let output =
        Command::new(program).arg("--version").output().map_err(|error| failed(error.to_string()))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = said_version(&text);
    let said = said.ok_or_else(|| failed(format!("--version prints {:?}", text.trim())))?;
    said.parse().map_err(|reason: String| failed(format!("is version {said}: {reason}")))
}

/// `Redis server v=7.0.15 sha=…`, `Valkey server v=9.1.2 sha=…`.
fn said_version(text: &str) -> Option<String> {
    let number = text.split_whitespace().find_map(|word| word.strip_prefix("v="))?;
    let flavour = if text.to_lowercase().starts_with("valkey") { "valkey-" } else { "" };
    Some(format!("{flavour}{number}"))
}

/// What a server of our own of `version` is given: the settings that [`named`] names and it has, and `save`. What nobody names
/// is the default of its version, as in a simulation.
pub fn for_own(scenario: &Scenario, version: Version) -> Vec<(String, String)> {
    let config = RedisConfig { version, ..scenario.redis.clone() };
    let named = named(scenario);
    let is_given = |name: &str| name == "save" || named.iter().any(|own| own.0 == name);
    let has = directives::of(&config).into_iter().filter(|(name, _)| is_given(name));
    has.map(|(name, value)| (name.to_owned(), value.plain())).collect()
}

/// The settings that the scenario, its redis.conf or flags name, as CONFIG SET takes them.
pub fn named(scenario: &Scenario) -> Vec<(String, String)> {
    let is_named = |name: &str| {
        scenario.settings.iter().any(|setting| {
            let own = setting.key.strip_prefix("redis.") == Some(name);
            own && matches!(setting.origin, Origin::Scenario(..) | Origin::RedisConf(..) | Origin::Flag(_))
        })
    };
    let all = directives::fields(&scenario.redis).into_iter();
    all.filter(|(name, _)| is_named(name)).map(|(name, value)| (name.to_owned(), value.plain())).collect()
}

/// Whether the server's own words for a setting mean the same: `64mb` and `67108864` do.
pub fn is_same(name: &str, wanted: &str, has: &str) -> bool {
    let version = crate::redis::version::KNOWN.iter().rev().find(|version| version.has(7, 2));
    let read = |value: &str| {
        let mut config = RedisConfig::defaults(*version?);
        let applied = directives::set(&mut config, name, value);
        (applied == crate::scenario::redis_conf::Applied::Used).then_some(config)
    };
    wanted == has || read(wanted).is_some_and(|wanted| read(has) == Some(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::resolve::{Overrides, resolve};

    #[test]
    fn a_program_says_its_version() {
        let text = "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=1\n";
        assert_eq!(said_version(text).as_deref(), Some("7.0.15"));
        assert_eq!(said_version("Valkey server v=9.1.2 sha=0:0").as_deref(), Some("valkey-9.1.2"));
        assert_eq!(said_version("ls (GNU coreutils) 9.1"), None);
    }

    #[test]
    fn settings_are_those_of_the_scenario_in_the_words_of_the_server() {
        let text = "[redis]\nappendonly = true\nhz = 50\nsave = \"\"\n[[workload]]\nloop = \"open\"\nrate = \"1/s\"\n\
                    operation = \"SET\"\n";
        let scenario = resolve(text, "t.toml", ".".as_ref(), &Overrides::default()).expect("sound");
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(named(&scenario), [pair("appendonly", "yes"), pair("save", ""), pair("hz", "50")]);
        assert_eq!(for_own(&scenario, Version::redis(6, 2)), named(&scenario));
        let text = "[redis]\naof-timestamp-enabled = true\n[[workload]]\nloop = \"open\"\nrate = \"1/s\"\n\
                    operation = \"SET\"\n";
        let scenario = resolve(text, "t.toml", ".".as_ref(), &Overrides::default()).expect("sound");
        let save = pair("save", "3600 1 300 100 60 10000");
        assert_eq!(for_own(&scenario, Version::redis(6, 2)), std::slice::from_ref(&save));
        assert_eq!(for_own(&scenario, Version::redis(7, 0)), [pair("aof-timestamp-enabled", "yes"), save]);
        assert!(is_same("auto-aof-rewrite-min-size", "64mb", "67108864"));
        assert!(!is_same("hz", "50", "10") && is_same("save", "60 1", "60 1"));
    }
}
