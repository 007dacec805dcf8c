//! INFO dumps: the state of a live server, from which a simulation can start.
//!
//! Field names are those of INFO in Redis 2.8 to 8.x and Valkey (`genRedisInfoString`, server.c).

use std::path::Path;

use super::files::Files;
use super::problem::{Problem, Problems};
use crate::redis::version::{Flavour, Version};

/// What a dump says; fields that were not in it are none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InfoDump {
    /// Version as dumped: `valkey_version` of a Valkey, else `redis_version`.
    pub redis_version: Option<String>,
    /// Redis, or Valkey if the dump has a `valkey_version` or `server_name:valkey`.
    pub flavour: Option<Flavour>,
    /// Keys of all databases.
    pub keys: Option<u64>,
    /// Keys with a TTL of all databases.
    pub expires: Option<u64>,
    /// Mean remaining TTL over the keys that have one \[ms\].
    pub avg_ttl_ms: Option<u64>,
    /// `used_memory` \[bytes\].
    pub used_memory: Option<u64>,
    /// `used_memory_rss` \[bytes\].
    pub used_memory_rss: Option<u64>,
    /// `mem_fragmentation_ratio`.
    pub mem_fragmentation_ratio: Option<f64>,
    /// `maxmemory` \[bytes\], 0 for none.
    pub maxmemory: Option<u64>,
    /// `total_system_memory` \[bytes\].
    pub total_system_memory: Option<u64>,
    /// `aof_enabled`.
    pub aof_enabled: Option<bool>,
    /// `aof_current_size` \[bytes\]; only with AOF on.
    pub aof_current_size: Option<u64>,
    /// `aof_base_size` \[bytes\]: size after the last rewrite or at start; only with AOF on.
    pub aof_base_size: Option<u64>,
    /// `rdb_changes_since_last_save`.
    pub changes_since_save: Option<u64>,
    /// Age of the last save \[s\]: `server_time_usec` (6.2 on) less `rdb_last_save_time`.
    pub last_save_age_s: Option<u64>,
    /// `configured_hz`, before 5.0 `hz` \[1/s\].
    pub hz: Option<u32>,
    /// `connected_slaves`.
    pub connected_slaves: Option<u64>,
    /// `connected_clients`.
    pub connected_clients: Option<u64>,
    /// `instantaneous_ops_per_sec` \[1/s\].
    pub instantaneous_ops_per_sec: Option<u64>,
    /// `latest_fork_usec` \[us\], 0 before the first fork.
    pub latest_fork_usec: Option<u64>,
    /// Fields a simulation would start from that the dump lacks, by INFO name.
    pub missing: Vec<&'static str>,
}

impl InfoDump {
    /// The modelled version nearest to the server's, if there is one.
    pub fn version(&self) -> Option<Version> {
        let prefix = if self.flavour == Some(Flavour::Valkey) { "valkey-" } else { "" };
        format!("{prefix}{}", self.redis_version.as_deref()?).parse().ok()
    }
}

/// Reads a dump from a file.
pub fn read(path: &Path, files: &Files) -> Result<InfoDump, Problems> {
    let name = path.display().to_string();
    match files.read(path) {
        Ok(bytes) => parse(&String::from_utf8_lossy(&bytes), &name),
        Err(error) => Err(Problems(vec![Problem {
            file: name,
            line: 0,
            column: 0,
            read: format!("cannot be read: {error}"),
            remedies: Vec::new(),
        }])),
    }
}

/// Reads a dump from text; `name` names it in problems. Fields that are not needed are passed over.
pub fn parse(text: &str, name: &str) -> Result<InfoDump, Problems> {
    let mut reader = Reader::default();
    let mut problems = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_end();
        let Some((field, value)) = line.split_once(':').filter(|_| !line.starts_with('#')) else { continue };
        if let Err(expected) = reader.field(field.trim_start(), value) {
            problems.push(Problem {
                file: name.to_string(),
                line: index + 1,
                column: line.chars().count() - value.chars().count() + 1,
                read: format!("{field}: {value:?} is no value for it"),
                remedies: vec![format!("expected {expected}")],
            });
        }
    }
    if reader.known == 0 && problems.is_empty() {
        problems.push(Problem {
            file: name.to_string(),
            line: 0,
            column: 0,
            read: "no INFO field found".to_string(),
            remedies: vec!["write one with: redis-cli INFO > FILE".to_string()],
        });
    }
    if problems.is_empty() { Ok(reader.finish()) } else { Err(Problems(problems)) }
}

#[derive(Default)]
struct Reader {
    dump: InfoDump,
    known: usize,
    /// ∑ expires × avg_ttl.
    ttl_sum: u128,
    server_time_usec: Option<u64>,
    last_save_time: Option<u64>,
    configured_hz: Option<u32>,
}

impl Reader {
    /// Takes one field, or says what its value should be.
    fn field(&mut self, field: &str, value: &str) -> Result<(), &'static str> {
        let dump = &mut self.dump;
        match field {
            "redis_version" if dump.flavour != Some(Flavour::Valkey) => {
                dump.redis_version = Some(value.to_string());
                dump.flavour = dump.flavour.or(Some(Flavour::Redis));
            }
            "redis_version" => {}
            "valkey_version" => {
                dump.redis_version = Some(value.to_string());
                dump.flavour = Some(Flavour::Valkey);
            }
            // `redis_version` of a Valkey is the Redis it answers for; `valkey_version` follows it.
            "server_name" if value == "valkey" => dump.flavour = Some(Flavour::Valkey),
            "used_memory" => dump.used_memory = Some(number(value)?),
            "used_memory_rss" => dump.used_memory_rss = Some(number(value)?),
            "mem_fragmentation_ratio" => dump.mem_fragmentation_ratio = ratio(value)?,
            "maxmemory" => dump.maxmemory = Some(number(value)?),
            "total_system_memory" => dump.total_system_memory = Some(number(value)?),
            "aof_enabled" => dump.aof_enabled = Some(number::<u64>(value)? != 0),
            "aof_current_size" => dump.aof_current_size = Some(number(value)?),
            "aof_base_size" => dump.aof_base_size = Some(number(value)?),
            "rdb_changes_since_last_save" => dump.changes_since_save = Some(number(value)?),
            "rdb_last_save_time" => self.last_save_time = Some(number(value)?),
            "server_time_usec" => self.server_time_usec = Some(number(value)?),
            "hz" => dump.hz = Some(number(value)?),
            "configured_hz" => self.configured_hz = Some(number(value)?),
            "connected_slaves" => dump.connected_slaves = Some(number(value)?),
            "connected_clients" => dump.connected_clients = Some(number(value)?),
            "instantaneous_ops_per_sec" => dump.instantaneous_ops_per_sec = Some(number(value)?),
            "latest_fork_usec" => dump.latest_fork_usec = Some(number(value)?),
            _ if is_database(field) => self.database(value)?,
            _ => return Ok(()),
        }
        self.known += 1;
        Ok(())
    }

    /// `keys=…,expires=…,avg_ttl=…` of one database; later versions add more pairs.
    fn database(&mut self, value: &str) -> Result<(), &'static str> {
        let pair = |name: &str| {
            let found = value.split(',').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
            found.map(number::<u64>).transpose()
        };
        let keys = pair("keys")?.ok_or("keys=…,expires=…,avg_ttl=…")?;
        let (expires, avg_ttl) = (pair("expires")?.unwrap_or(0), pair("avg_ttl")?.unwrap_or(0));
        self.dump.keys = Some(self.dump.keys.unwrap_or(0).saturating_add(keys));
        self.dump.expires = Some(self.dump.expires.unwrap_or(0).saturating_add(expires));
        self.ttl_sum = self.ttl_sum.saturating_add(u128::from(expires) * u128::from(avg_ttl));
        Ok(())
    }

    fn finish(self) -> InfoDump {
        let mut dump = self.dump;
        dump.hz = self.configured_hz.or(dump.hz);
        dump.last_save_age_s = self
            .server_time_usec
            .zip(self.last_save_time)
            .map(|(now, save)| (now / 1_000_000).saturating_sub(save));
        dump.avg_ttl_ms = dump
            .expires
            .filter(|expires| *expires > 0)
            .and_then(|expires| u64::try_from(self.ttl_sum / u128::from(expires)).ok());
        let aof = dump.aof_enabled == Some(true);
        dump.missing = [
            (dump.redis_version.is_none(), "redis_version"),
            (dump.keys.is_none(), "db0"),
            (dump.used_memory.is_none(), "used_memory"),
            (dump.used_memory_rss.is_none(), "used_memory_rss"),
            (dump.aof_enabled.is_none(), "aof_enabled"),
            (aof && dump.aof_current_size.is_none(), "aof_current_size"),
            (aof && dump.aof_base_size.is_none(), "aof_base_size"),
            (dump.changes_since_save.is_none(), "rdb_changes_since_last_save"),
            (self.last_save_time.is_none(), "rdb_last_save_time"),
            (self.server_time_usec.is_none(), "server_time_usec"),
            (dump.hz.is_none(), "hz"),
            (dump.connected_slaves.is_none(), "connected_slaves"),
            (dump.connected_clients.is_none(), "connected_clients"),
            (dump.instantaneous_ops_per_sec.is_none(), "instantaneous_ops_per_sec"),
        ]
        .into_iter()
        .filter_map(|(missing, name)| missing.then_some(name))
        .collect();
        dump
    }
}

/// `db0`, `db1`, …
fn is_database(field: &str) -> bool {
    field.strip_prefix("db").is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, &'static str> {
    text.trim().parse().map_err(|_| "a whole number")
}

/// A ratio; the server prints `nan` or `-nan` before it has sampled its memory.
fn ratio(text: &str) -> Result<Option<f64>, &'static str> {
    let ratio: f64 = text.trim().parse().map_err(|_| "a number")?;
    Ok(Some(ratio).filter(|ratio| ratio.is_finite() && *ratio >= 0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dump_of_a_real_server_is_read() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/info-7.0.txt");
        let dump = read(&path, &Files::default()).expect("a dump");
        assert_eq!(dump.version(), Some(Version::redis(7, 0)));
        assert_eq!((dump.keys, dump.expires), (Some(225_915), Some(1)));
        assert_eq!((dump.used_memory, dump.used_memory_rss), (Some(43_451_448), Some(51_163_136)));
        assert_eq!(dump.aof_enabled, Some(true));
        assert_eq!((dump.aof_current_size, dump.aof_base_size), (Some(11_297_970), Some(6_977_840)));
        assert_eq!((dump.changes_since_save, dump.last_save_age_s), (Some(30_002), Some(3)));
        assert_eq!((dump.hz, dump.connected_slaves, dump.connected_clients), (Some(10), Some(0), Some(6)));
        assert_eq!((dump.mem_fragmentation_ratio, dump.avg_ttl_ms), (Some(1.18), Some(999_796)));
        assert!(dump.missing.is_empty(), "{:?}", dump.missing);
    }

    #[test]
    fn a_valkey_is_told_from_the_redis_it_answers_for() {
        let dump =
            parse("redis_version:7.2.4\nserver_name:valkey\nvalkey_version:8.1.0\n", "i").expect("a dump");
        assert_eq!((dump.version(), dump.flavour), (Some(Version::valkey(8, 1)), Some(Flavour::Valkey)));
        assert!(dump.missing.contains(&"used_memory") && !dump.missing.contains(&"aof_base_size"));
    }

    #[test]
    fn databases_add_up_and_configured_hz_wins() {
        let text = "# Keyspace\r\ndb0:keys=10,expires=2,avg_ttl=100\r\ndb15:keys=5,expires=2,avg_ttl=300,subexpiry=1\r\n\
                    hz:80\r\nconfigured_hz:10\r\nused_memory_human:1.2M\r\nmem_fragmentation_ratio:-nan\r\n";
        let dump = parse(text, "i").expect("a dump");
        assert_eq!((dump.keys, dump.expires, dump.avg_ttl_ms), (Some(15), Some(4), Some(200)));
        assert_eq!((dump.hz, dump.mem_fragmentation_ratio), (Some(10), None));
    }

    #[test]
    fn what_is_no_dump_is_refused() {
        let error = parse("hello\nworld: 1\n", "i").expect_err("no dump").to_string();
        assert!(error.contains("no INFO field found") && error.contains("redis-cli INFO"), "{error}");
        let error = parse("hz:10\nused_memory:12M\ndb0:nothing\n", "i").expect_err("bad values").to_string();
        assert!(error.contains("i:2:13: used_memory: \"12M\"") && error.contains("i:3:5: db0"), "{error}");
        assert!(read(Path::new("no/such/file"), &Files::default()).is_err());
    }
}
