//! All that is known of a server, and what was asked for in vain.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::input::cluster::Nodes;
use super::input::info::{Info, part};
use super::input::latency::LatencyEvent;
use super::input::slowlog::SlowEntry;
use super::monitor::Monitor;
use super::settings::Settings;
use super::source::Source;
use super::ttl_sample::TtlSample;
use crate::redis::config::RedisConfig;
use crate::redis::version::Version;

/// Fork time of a GiB where none was measured \[ms\]: what bare metal and current VMs take (page-table entries of 4 KiB pages).
const FORK_MS_PER_GIB: f64 = 12.0;
/// Speed of a child that nobody has seen \[bytes/s\]: published figures are 50 to 190 MB/s.
pub const CHILD_BYTES_PER_S: f64 = 100e6;
/// Least resident memory from which a fork's time says what one of a GiB takes \[bytes\].
const FORK_IS_TELLING: f64 = 64e6;

/// What is known. Questions that find nothing are remembered, so that a rule which had to be silent can be named.
#[derive(Debug)]
pub struct Facts {
    /// INFO of the server.
    pub info: Option<Info>,
    /// INFO of a replica of it.
    pub replica: Option<Info>,
    /// The version, or what is taken for it.
    pub version: Version,
    /// Settings.
    pub settings: Settings,
    /// SLOWLOG GET.
    pub slowlog: Option<Vec<SlowEntry>>,
    /// LATENCY LATEST.
    pub latency: Option<Vec<LatencyEvent>>,
    /// CLUSTER NODES.
    pub nodes: Option<Nodes>,
    /// CLUSTER INFO.
    pub cluster: Option<Info>,
    /// A MONITOR capture.
    pub monitor: Option<Monitor>,
    /// Source files that were read.
    pub source: Option<Source>,
    /// Deadlines of sampled keys.
    pub ttl: Option<TtlSample>,
    /// Commands a second that somebody says there are.
    pub given_rate: Option<f64>,
    /// What was asked for in vain since it was last taken.
    pub(super) missed: RefCell<BTreeSet<String>>,
}

/// How many commands come.
#[derive(Clone, Debug, PartialEq)]
pub struct Rate {
    /// Commands a second.
    pub per_s: f64,
    /// Of those, writes.
    pub writes_per_s: f64,
    /// Where the number is from.
    pub from: &'static str,
    /// Where the share of writes is from; none: all are taken to be writes.
    pub mix_from: Option<&'static str>,
}

/// Commands that write, as far as INFO's commandstats name them: the share of writes in all that read or write keys.
const WRITES: &[&str] = &[
    "append",
    "bitfield",
    "blmove",
    "blpop",
    "brpop",
    "copy",
    "decr",
    "decrby",
    "del",
    "expire",
    "expireat",
    "flushdb",
    "geoadd",
    "getdel",
    "getex",
    "getset",
    "hdel",
    "hincrby",
    "hincrbyfloat",
    "hmset",
    "hset",
    "hsetnx",
    "incr",
    "incrby",
    "incrbyfloat",
    "linsert",
    "lmove",
    "lpop",
    "lpush",
    "lpushx",
    "lrem",
    "lset",
    "ltrim",
    "mset",
    "msetnx",
    "persist",
    "pexpire",
    "pexpireat",
    "pfadd",
    "psetex",
    "rename",
    "restore",
    "rpop",
    "rpoplpush",
    "rpush",
    "rpushx",
    "sadd",
    "set",
    "setbit",
    "setex",
    "setnx",
    "setrange",
    "smove",
    "spop",
    "srem",
    "unlink",
    "xack",
    "xadd",
    "xdel",
    "xgroup",
    "xreadgroup",
    "xtrim",
    "zadd",
    "zincrby",
    "zpopmax",
    "zpopmin",
    "zrem",
    "zremrangebyscore",
    "zremrangebyrank",
];

/// Commands that only read keys.
const READS: &[&str] = &[
    "bitcount",
    "exists",
    "get",
    "getbit",
    "getrange",
    "hexists",
    "hget",
    "hgetall",
    "hkeys",
    "hlen",
    "hmget",
    "hscan",
    "hvals",
    "keys",
    "lindex",
    "llen",
    "lrange",
    "mget",
    "pfcount",
    "pttl",
    "scan",
    "scard",
    "sinter",
    "sismember",
    "smembers",
    "smismember",
    "srandmember",
    "sscan",
    "strlen",
    "sunion",
    "ttl",
    "type",
    "xlen",
    "xrange",
    "xread",
    "zcard",
    "zcount",
    "zrange",
    "zrangebyscore",
    "zrank",
    "zrevrange",
    "zscan",
    "zscore",
];

impl Facts {
    /// Facts of a server of `version` of which nothing else is known.
    pub fn new(version: Version) -> Self {
        Facts {
            info: None,
            replica: None,
            version,
            settings: Settings::new(version, None, None, None),
            slowlog: None,
            latency: None,
            nodes: None,
            cluster: None,
            monitor: None,
            source: None,
            ttl: None,
            given_rate: None,
            missed: RefCell::default(),
        }
    }

    /// What was asked for in vain since the last time.
    pub fn take_missed(&self) -> BTreeSet<String> {
        self.missed.take()
    }

    fn or_missed<T>(&self, found: Option<T>, what: impl FnOnce() -> String) -> Option<T> {
        if found.is_none() {
            self.missed.borrow_mut().insert(what());
        }
        found
    }

    /// The text of INFO's `field`.
    pub fn text(&self, field: &str) -> Option<&str> {
        let found = self.info.as_ref().and_then(|info| info.text(field));
        self.or_missed(found, || format!("INFO's {field}"))
    }

    /// The number in INFO's `field`.
    pub fn number(&self, field: &str) -> Option<f64> {
        let found = self.info.as_ref().and_then(|info| info.number(field));
        self.or_missed(found, || format!("INFO's {field}"))
    }

    /// The same without a word if there is none: a field that only some servers have.
    pub fn number_if_any(&self, field: &str) -> Option<f64> {
        self.info.as_ref()?.number(field)
    }

    /// All settings, if `name` is known.
    pub fn config(&self, name: &str) -> Option<&RedisConfig> {
        let known = self.settings.is_known(name).then_some(&self.settings.config);
        self.or_missed(known, || format!("the setting {name}"))
    }

    /// Something that one input is.
    pub fn input<'a, T>(&self, input: &'a Option<T>, what: &str) -> Option<&'a T> {
        self.or_missed(input.as_ref(), || what.to_owned())
    }

    /// Evidence: fields of INFO and settings by name, those that are known.
    pub fn show(&self, names: &[&str]) -> Vec<(String, String)> {
        let value = |name: &str| {
            let field = self.info.as_ref().and_then(|info| info.text(name)).map(str::to_owned);
            field.or_else(|| self.settings.text(name))
        };
        names.iter().filter_map(|name| Some(((*name).to_owned(), value(name)?))).collect()
    }

    /// Whether the AOF is on.
    pub fn aof_on(&self) -> Option<bool> {
        Some(self.config("appendonly")?.appendonly)
    }

    /// Whether there are save points.
    pub fn saves(&self) -> Option<bool> {
        Some(!self.config("save")?.save.is_empty())
    }

    /// Whether this is a primary; a server that does not say so is taken for one.
    pub fn is_primary(&self) -> bool {
        self.info.as_ref().and_then(|info| info.text("role")) != Some("slave")
    }

    /// Replicas that are connected.
    pub fn replicas(&self) -> Option<f64> {
        self.number("connected_slaves")
    }

    /// Lines `slave0`, `slave1` … of a primary: name and value.
    pub fn replica_lines(&self) -> Vec<(String, &str)> {
        let Some(info) = &self.info else { return Vec::new() };
        let numbered = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
        let lines = info.with_prefix("slave").filter(|(name, _)| numbered(name));
        lines.map(|(name, value)| (format!("slave{name}"), value)).collect()
    }

    /// Seconds since the server began, at least one.
    pub fn uptime_s(&self) -> Option<f64> {
        Some(self.number("uptime_in_seconds")?.max(1.0))
    }

    /// How many commands come: as told, else as INFO has it now, else on average since the start.
    pub fn rate(&self) -> Option<Rate> {
        let now = self.number_if_any("instantaneous_ops_per_sec").filter(|rate| *rate > 0.0);
        let total = self.number_if_any("total_commands_processed");
        let mean = total.zip(self.number_if_any("uptime_in_seconds")).map(|(n, s)| n / s.max(1.0));
        let mean = mean.filter(|rate| *rate > 0.0);
        let found = (self.given_rate.map(|rate| (rate, "--rate")))
            .or(now.map(|rate| (rate, "INFO's instantaneous_ops_per_sec")))
            .or(mean.map(|rate| (rate, "INFO's total_commands_processed over its uptime")));
        let (per_s, from) =
            self.or_missed(found, || "a rate (INFO's instantaneous_ops_per_sec, or --rate)".to_owned())?;
        let share = self.write_share();
        let mix_from = share.map(|_| "INFO's commandstats");
        Some(Rate { per_s, writes_per_s: per_s * share.unwrap_or(1.0), from, mix_from })
    }

    /// Writes among the commands on keys, by commandstats.
    pub fn write_share(&self) -> Option<f64> {
        let info = self.info.as_ref()?;
        let calls = |names: &[&str]| {
            let known = info.with_prefix("cmdstat_").filter(|(name, _)| names.contains(name));
            known.filter_map(|(_, value)| part(value, "calls")).sum::<f64>()
        };
        let (writes, reads) = (calls(WRITES), calls(READS));
        (writes + reads > 0.0).then(|| writes / (writes + reads))
    }

    /// Keys of all databases.
    pub fn keys(&self) -> Option<u64> {
        let dump = self.info.as_ref().and_then(|info| info.dump.keys);
        // A server without keys has a section without lines.
        let empty = self.info.as_ref().is_some_and(|info| info.has_keyspace && info.cut.is_none());
        self.or_missed(dump.or(empty.then_some(0)), || "INFO's db0 (section Keyspace)".to_owned())
    }

    /// Resident memory \[bytes\].
    pub fn rss(&self) -> Option<f64> {
        self.number("used_memory_rss")
    }

    /// How long a fork takes \[ms\], and whether that was measured.
    pub fn fork_ms(&self) -> Option<(f64, bool)> {
        let measured = self.number_if_any("latest_fork_usec").filter(|usec| *usec > 0.0);
        match measured {
            Some(usec) => Some((usec / 1000.0, true)),
            None => Some((self.rss()? / (1u64 << 30) as f64 * FORK_MS_PER_GIB, false)),
        }
    }

    /// Fork time of a GiB of resident memory \[ms\], where the latest fork tells.
    pub fn fork_ms_per_gib(&self) -> Option<f64> {
        let rss = self.number_if_any("used_memory_rss").filter(|rss| *rss >= FORK_IS_TELLING)?;
        let usec = self.number_if_any("latest_fork_usec").filter(|usec| *usec > 0.0)?;
        Some(usec / 1000.0 / (rss / (1u64 << 30) as f64))
    }

    /// Length of a value as the memory has it \[bytes\]: what is left of a key's share after some 90 bytes of overhead.
    pub fn value_bytes(&self) -> Option<u64> {
        let keys = self.keys().filter(|keys| *keys > 0)?;
        let all = self.number_if_any("used_memory_dataset").or_else(|| self.number("used_memory"))?;
        Some((all / keys as f64 - 90.0).clamp(1.0, 1e8) as u64)
    }

    /// Bytes a second that writes add to the AOF and send to each replica.
    pub fn write_bytes_per_s(&self) -> Option<f64> {
        // SET of a 20-byte key: 48 bytes beside the value (catAppendOnlyGenericCommand, aof.c).
        Some(self.rate()?.writes_per_s * (self.value_bytes()? as f64 + 48.0))
    }

    /// How long a rewrite takes \[s\]: the last one, else at 100 MB/s.
    pub fn rewrite_s(&self) -> Option<f64> {
        let last = self.number_if_any("aof_last_rewrite_time_sec").filter(|seconds| *seconds > 0.0);
        last.or_else(|| Some(self.number_if_any("aof_base_size")? / CHILD_BYTES_PER_S))
    }

    /// Time from one growth rewrite to the next \[s\] (serverCron, server.c).
    pub fn rewrite_period_s(&self) -> Option<f64> {
        let config = self.config("auto-aof-rewrite-percentage")?;
        let (base, per_s) = (self.number("aof_base_size")?, self.write_bytes_per_s()?);
        let grown = base * (1.0 + config.auto_aof_rewrite_percentage as f64 / 100.0);
        let at = grown.max(config.auto_aof_rewrite_min_size as f64);
        let runs = config.auto_aof_rewrite_percentage > 0 && per_s > 0.0;
        runs.then(|| Some((at - base) / per_s + self.rewrite_s()?))?
    }

    /// Time from the end of one snapshot to the start of the next \[s\] at this rate of writes.
    pub fn snapshot_wait_s(&self) -> Option<f64> {
        let writes = self.rate()?.writes_per_s;
        let points = &self.config("save")?.save;
        let waits =
            points.iter().map(|point| (point.seconds as f64 + 1.0).max(point.changes as f64 / writes));
        waits.min_by(f64::total_cmp).filter(|seconds| seconds.is_finite())
    }

    /// Time from one snapshot to the next \[s\].
    pub fn snapshot_period_s(&self) -> Option<f64> {
        let took = self.number_if_any("rdb_last_bgsave_time_sec").filter(|seconds| *seconds > 0.0);
        Some(self.snapshot_wait_s()? + took.unwrap_or(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::input::info;

    fn facts(text: &str) -> Facts {
        let info = info::parse(text.as_bytes());
        let version = Version::redis(7, 2);
        Facts {
            settings: Settings::new(version, None, None, Some(&info)),
            info: Some(info),
            ..Facts::new(version)
        }
    }

    #[test]
    fn the_rate_is_taken_from_where_it_is_surest() {
        let text = "instantaneous_ops_per_sec:0\ntotal_commands_processed:6000\nuptime_in_seconds:60\n\
                    cmdstat_set:calls=30,usec=1\ncmdstat_get:calls=10,usec=1\ncmdstat_ping:calls=99,usec=1\n";
        let mut facts = facts(text);
        let rate = facts.rate().expect("a rate");
        assert_eq!((rate.per_s, rate.writes_per_s), (100.0, 75.0));
        facts.given_rate = Some(8.0);
        assert_eq!(facts.rate().map(|rate| (rate.per_s, rate.from)), Some((8.0, "--rate")));
    }

    #[test]
    fn rewrites_come_when_the_file_has_doubled() {
        // 10 GB at 7.4 MB/s of 148-byte SETs: 22 minutes and the rewrite.
        let keys = 52_000_000u64;
        let text = format!(
            "aof_enabled:1\naof_base_size:10000000000\naof_last_rewrite_time_sec:100\ninstantaneous_ops_per_sec:50000\n\
             used_memory:{}\ndb0:keys={keys},expires=0,avg_ttl=0\n",
            keys * 190
        );
        let mut facts = facts(&text);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let all = [pair("auto-aof-rewrite-percentage", "100"), pair("auto-aof-rewrite-min-size", "67108864")];
        facts.settings = Settings::new(facts.version, None, Some(&all), facts.info.as_ref());
        let period = facts.rewrite_period_s().expect("a period");
        assert!((period / 60.0 - 22.5 - 1.67).abs() < 0.2, "{period}");
    }

    #[test]
    fn questions_in_vain_are_remembered_once() {
        let facts = facts("hz:10\n");
        assert_eq!(facts.number("used_memory_rss"), None);
        assert_eq!(facts.config("save").map(|config| config.hz), None);
        let missed = facts.take_missed();
        assert!(missed.contains("INFO's used_memory_rss") && missed.contains("the setting save"));
        assert!(facts.take_missed().is_empty());
    }
}
