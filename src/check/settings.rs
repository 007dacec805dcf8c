//! Settings of the server from wherever they are known: CONFIG GET, INFO, redis.conf, the version's defaults.

use std::collections::BTreeMap;

use super::input::config_get::is_secret;
use super::input::info::Info;
use crate::redis::config::RedisConfig;
use crate::redis::version::Version;
use crate::scenario::directives::{self, set_save};
use crate::scenario::redis_conf::{Applied, Directive, apply, apply_all, canonical, modelled};

/// Where a setting's value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// The running server.
    ConfigGet,
    /// A field of INFO, of the running server too.
    Info,
    /// redis.conf, which the server may have read.
    RedisConf,
}

/// Settings, the running server's before those of the file.
#[derive(Clone, Debug)]
pub struct Settings {
    values: BTreeMap<String, (String, From)>,
    /// All of them together; defaults of the version where nothing is known.
    pub config: RedisConfig,
    /// A file, or enough of CONFIG GET, was given: what is absent is at its default.
    whole: bool,
    /// (name, in the file, on the server) where the two differ.
    pub differing: Vec<(String, String, String)>,
    /// What was wrong with values: in words.
    pub wrong: Vec<String>,
}

/// Fields of INFO that are settings.
const INFO_SETTINGS: &[(&str, &str)] = &[
    ("maxmemory", "maxmemory"),
    ("maxmemory_policy", "maxmemory-policy"),
    ("configured_hz", "hz"),
    ("repl_backlog_size", "repl-backlog-size"),
    ("maxclients", "maxclients"),
];

/// Settings in a CONFIG GET from which on it is taken to be of all settings.
const WHOLE: usize = 60;

impl Settings {
    /// Lays them over one another.
    pub fn new(
        version: Version,
        file: Option<&[Directive]>,
        config_get: Option<&[(String, String)]>,
        info: Option<&Info>,
    ) -> Self {
        let mut settings = Settings {
            values: BTreeMap::new(),
            config: RedisConfig::defaults(version),
            whole: file.is_some() || config_get.is_some_and(|pairs| pairs.len() >= WHOLE),
            differing: Vec::new(),
            wrong: Vec::new(),
        };
        if let Some(directives) = file {
            settings.file(directives);
        }
        let before = settings.config.clone();
        if let Some(info) = info {
            settings.info(info);
        }
        for (name, value) in config_get.unwrap_or_default() {
            settings.running(canonical(name), value, From::ConfigGet);
        }
        if file.is_some() {
            settings.compare(&before);
        }
        settings
    }

    fn file(&mut self, directives: &[Directive]) {
        let problems = apply_all(&mut self.config, directives).4;
        self.wrong.extend(problems.0.iter().map(|problem| problem.to_string().replace("\n  ", ": ")));
        let mut save: Vec<&str> = Vec::new();
        for directive in directives {
            let mut value = directive.value.clone();
            if directive.name == "save" {
                match value.is_empty() {
                    true => save.clear(),
                    false => save.push(&directive.value),
                }
                value = save.join(" ");
            }
            self.values.insert(canonical(&directive.name).to_owned(), (value, From::RedisConf));
        }
    }

    fn info(&mut self, info: &Info) {
        if let Some(on) = info.text("aof_enabled") {
            self.running("appendonly", if on == "0" { "no" } else { "yes" }, From::Info);
        }
        for (field, name) in INFO_SETTINGS {
            if let Some(value) = info.text(field) {
                self.running(name, value, From::Info);
            }
        }
    }

    /// A value of the running server.
    fn running(&mut self, name: &str, value: &str, from: From) {
        let applied = match name {
            "save" => {
                let words: Vec<&str> = value.split_ascii_whitespace().collect();
                set_save(&mut self.config, words.chunks(2).map(|pair| pair.join(" ")))
            }
            _ => apply(&mut self.config, name, value),
        };
        if let Applied::Wrong(expected) = applied {
            let place = if from == From::Info { "INFO" } else { "CONFIG GET" };
            self.wrong.push(format!("{place}: {name}: {value:?} is no value for it: {expected}"));
            return;
        }
        self.values.insert(name.to_owned(), (value.to_owned(), from));
    }

    /// Where the running server is not as the file says.
    fn compare(&mut self, file: &RedisConfig) {
        let (before, after) = (directives::fields(file), directives::fields(&self.config));
        for ((name, was), (_, is)) in before.iter().zip(&after) {
            let is_running = self.values.get(*name).is_some_and(|(_, from)| *from != From::RedisConf);
            if is_running && was != is && !is_secret(name) {
                self.differing.push(((*name).to_owned(), was.plain(), is.plain()));
            }
        }
    }

    /// Whether the value of `name` is known, or at the default of a configuration that is.
    pub fn is_known(&self, name: &str) -> bool {
        self.whole || self.values.contains_key(name)
    }

    /// The value of a setting as written, or the version's default where the configuration is known without it.
    pub fn text(&self, name: &str) -> Option<String> {
        if let Some((value, _)) = self.values.get(name) {
            return Some(value.clone());
        }
        let fields = directives::fields(&self.config);
        let default = || fields.iter().find(|field| field.0 == name).map(|field| field.1.plain());
        if self.whole { default() } else { None }
    }

    /// Whether `name` was given itself.
    pub fn is_given(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// Modelled settings as a scenario's `[redis]` table has them, without the version.
    pub fn toml(&self) -> String {
        let known: Vec<&str> = modelled().collect();
        let of = directives::of(&self.config);
        let lines = of.iter().filter(|(name, _)| known.contains(name));
        lines.map(|(name, value)| format!("{name} = {}\n", value.toml())).collect()
    }

    /// Where the settings come from, in words; none where nothing is known.
    pub fn origin(&self) -> Option<&'static str> {
        let has = |from: From| self.values.values().any(|value| value.1 == from);
        match (has(From::ConfigGet), has(From::RedisConf), has(From::Info)) {
            (true, _, _) => Some("CONFIG GET"),
            (_, true, true) => Some("redis.conf and INFO"),
            (_, true, _) => Some("redis.conf"),
            (_, _, true) => Some("INFO alone"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::input::info;
    use crate::scenario::redis_conf::parse;

    fn file(text: &str) -> Vec<Directive> {
        parse(text, "redis.conf".as_ref()).expect("directives")
    }

    #[test]
    fn the_running_server_goes_before_the_file_and_the_file_before_defaults() {
        let file = file(
            "appendonly no\nsave 60 1\nsave 300 10\nhz 20\nslave-read-only yes\nmin-slaves-to-write 1\n",
        );
        let running = [("appendonly".to_owned(), "yes".to_owned()), ("save".to_owned(), String::new())];
        let info = info::parse(b"aof_enabled:1\nconfigured_hz:50\n");
        let settings = Settings::new(Version::redis(7, 2), Some(&file), Some(&running), Some(&info));
        assert!(settings.config.appendonly && settings.config.save.is_empty());
        assert_eq!((settings.config.hz, settings.config.replication.min_replicas_to_write), (50, 1));
        assert_eq!(settings.text("appendfsync").as_deref(), Some("everysec"));
        assert_eq!(settings.text("min-replicas-to-write").as_deref(), Some("1"));
        let names: Vec<&str> = settings.differing.iter().map(|differing| differing.0.as_str()).collect();
        assert_eq!(names, ["appendonly", "save", "hz"]);
    }

    #[test]
    fn what_nobody_said_is_not_known() {
        let settings =
            Settings::new(Version::redis(7, 2), None, None, Some(&info::parse(b"aof_enabled:0\n")));
        assert!(settings.is_known("appendonly") && !settings.is_known("save"));
        assert_eq!((settings.text("save"), settings.text("appendonly").as_deref()), (None, Some("no")));
    }

    #[test]
    fn wrong_values_are_said_and_passed_over() {
        let wrong = [("hz".to_owned(), "ten".to_owned())];
        let settings = Settings::new(Version::redis(7, 2), Some(&file("hz eleven\n")), Some(&wrong), None);
        assert_eq!((settings.wrong.len(), settings.config.hz), (2, 10), "{:?}", settings.wrong);
    }
}
