//! The text of INFO.

use crate::redis::version::Version;

use super::error::{LiveError, Result};

/// Fields of INFO, as the server wrote them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Info(String);

impl From<String> for Info {
    fn from(text: String) -> Self {
        Info(text)
    }
}

impl Info {
    /// All of it, as it came.
    pub fn raw(&self) -> &str {
        &self.0
    }

    /// The text of a field; none if this server does not have it.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.0.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).map(str::trim_end)
    }

    /// The number in a field; none if the field is missing or no number.
    pub fn number(&self, field: &str) -> Option<f64> {
        self.text(field)?.parse().ok()
    }

    /// The number of keys of all databases (section `keyspace`).
    pub fn keys(&self) -> u64 {
        let of = |line: &str| {
            let rest = line.strip_prefix("db")?.split_once(':')?.1;
            rest.split(',')
                .find_map(|part| part.strip_prefix("keys="))
                .and_then(|keys| keys.parse::<u64>().ok())
        };
        self.0.lines().filter_map(of).sum()
    }

    /// CPU time of the main thread \[ns\] (section `cpu`; of all threads before 6.2, in microseconds or coarser).
    pub fn cpu_ns(&self) -> Option<u64> {
        let sum = |suffix: &str| {
            let part = |name: &str| self.number(&format!("used_cpu_{name}{suffix}"));
            Some(part("user")? + part("sys")?)
        };
        sum("_main_thread").or_else(|| sum("")).map(|seconds| (seconds * 1e9) as u64)
    }

    /// The server as it names itself, "valkey 9.1.0" (section `server`).
    pub fn server_name(&self) -> String {
        let valkey = self.text("valkey_version").map(|version| format!("valkey {version}"));
        let redis = || format!("redis {}", self.text("redis_version").unwrap_or("of unknown version"));
        valkey.unwrap_or_else(redis)
    }

    /// The server's version as the simulator knows it: the newest known one that is not newer (section `server`).
    ///
    /// # Errors
    /// [`LiveError::Cannot`] for a server of which no such version is known.
    pub fn version(&self) -> Result<Version> {
        let (name, text) = match self.text("valkey_version") {
            Some(version) => ("Valkey", format!("valkey-{version}")),
            None => ("Redis", self.text("redis_version").unwrap_or_default().to_owned()),
        };
        text.parse().map_err(|reason: String| {
            let shown = text.trim_start_matches("valkey-");
            LiveError::cannot(
                format!("the server calls itself {name} {shown:?}, which is not known here"),
                reason,
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::version::Version;

    fn info(text: &str) -> Info {
        Info::from(text.replace('\n', "\r\n"))
    }

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let info = info("# Memory\nused_memory_rss:7\nused_memory:5\nmode:x\n");
        assert_eq!((info.number("used_memory"), info.text("mode")), (Some(5.0), Some("x")));
        assert_eq!((info.number("used"), info.number("mode")), (None, None));
    }

    #[test]
    fn keys_of_all_databases_count() {
        let info = info("# Keyspace\ndb0:keys=12,expires=3,avg_ttl=0\ndb5:keys=30,expires=0,avg_ttl=0\n");
        assert_eq!(info.keys(), 42);
    }

    #[test]
    fn valkey_is_known_by_its_own_version() {
        let valkey = info("redis_version:7.2.4\nserver_name:valkey\nvalkey_version:9.1.2\n");
        assert_eq!(valkey.version().expect("known"), Version::valkey(9, 1));
        assert_eq!(valkey.server_name(), "valkey 9.1.2");
        assert_eq!(info("redis_version:7.0.15\n").server_name(), "redis 7.0.15");
        assert_eq!(info("redis_version:6.2.5\n").version().expect("known"), Version::redis(6, 2));
        let unknown = info("redis_version:99.0.0\n").version().expect_err("there is none").to_string();
        assert!(unknown.contains("Redis \"99.0.0\""), "{unknown}");
    }

    #[test]
    fn cpu_of_the_main_thread_is_taken_where_the_server_tells() {
        let old = "used_cpu_sys:1.5\nused_cpu_user:2.25\n";
        assert_eq!(info(old).cpu_ns(), Some(3_750_000_000));
        let new = format!("{old}used_cpu_sys_main_thread:0.5\nused_cpu_user_main_thread:0.25\n");
        assert_eq!(info(&new).cpu_ns(), Some(750_000_000));
    }
}
