//! INFO in any dress, of any version: its fields as they are.

use std::collections::BTreeMap;

use super::cluster::text_of;
use crate::scenario::info::{self, InfoDump};

/// Fields of an INFO.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Info {
    fields: BTreeMap<String, String>,
    /// Where the dump ends in the middle of a line: that line's field, or what there is of it.
    pub cut: Option<String>,
    /// The section of databases has begun: one that holds none is empty.
    pub has_keyspace: bool,
    /// The typed part, from which a simulation starts.
    pub dump: InfoDump,
    /// Values that are none for their field: (field, what is expected).
    pub wrong: Vec<String>,
}

/// Sections, and a field that each has in every version that has it at all.
const SECTIONS: &[(&str, &[&str])] = &[
    ("Server", &["redis_version"]),
    ("Clients", &["connected_clients"]),
    ("Memory", &["used_memory"]),
    ("Persistence", &["rdb_last_bgsave_status", "rdb_changes_since_last_save", "aof_enabled"]),
    ("Stats", &["total_commands_processed", "instantaneous_ops_per_sec"]),
    ("Replication", &["role"]),
    ("CPU", &["used_cpu_sys"]),
];

impl Info {
    /// The text of a field.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.fields.get(field).map(String::as_str)
    }

    /// The number in a field.
    pub fn number(&self, field: &str) -> Option<f64> {
        number(self.text(field)?)
    }

    /// Fields whose names begin with `prefix`: what follows it, and the value.
    pub fn with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let all = self.fields.range(prefix.to_owned()..);
        all.map_while(move |(name, value)| Some((name.strip_prefix(prefix)?, value.as_str())))
    }

    /// Sections of which nothing is there.
    pub fn missing_sections(&self) -> Vec<&'static str> {
        let gone =
            SECTIONS.iter().filter(|(_, fields)| fields.iter().all(|field| self.text(field).is_none()));
        gone.map(|(name, _)| *name).collect()
    }

    /// Whether there is any field that INFO has.
    pub fn is_any(&self) -> bool {
        self.missing_sections().len() < SECTIONS.len() || self.text("db0").is_some()
    }
}

/// A number of a compound value: `calls=5,usec=7` has 5 under `calls`.
pub fn part(value: &str, name: &str) -> Option<f64> {
    value.split(',').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).and_then(number)
}

/// A word of a compound value.
pub fn word<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    value.split(',').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

/// A finite number. Tables that went through other programs may have a decimal comma.
fn number(text: &str) -> Option<f64> {
    let text = text.trim().trim_end_matches('%');
    let value = text.parse::<f64>().ok().or_else(|| text.replacen(',', ".", 1).parse().ok())?;
    value.is_finite().then_some(value)
}

/// Reads an INFO; where a field stands twice, as in dumps one after another, the last counts.
pub fn parse(bytes: &[u8]) -> Info {
    let text = text_of(bytes);
    let mut fields = BTreeMap::new();
    let mut last = None;
    for line in text.lines() {
        let line = line.trim();
        let Some((name, value)) = line.split_once(':') else { continue };
        if is_field(name) {
            fields.insert(name.to_owned(), value.trim().to_owned());
            last = Some(name.to_owned());
        }
    }
    let mut cut = None;
    let is_open = !text.is_empty() && !text.ends_with('\n') && !text.starts_with('"');
    let ends_with =
        |name: &String| text.lines().last().is_some_and(|line| line.trim().starts_with(name.as_str()));
    if is_open && let Some(name) = last.filter(ends_with) {
        // Of `keys=…,expires=…,avg_ttl=12` all but the last part is whole.
        match fields.get(&name).and_then(|value| Some(value.rsplit_once(',')?.0.to_owned())) {
            Some(whole) => drop(fields.insert(name.clone(), whole)),
            None => drop(fields.remove(&name)),
        }
        cut = Some(name);
    }
    let (dump, wrong) = typed(&fields);
    let has_keyspace = text.lines().any(|line| line.trim() == "# Keyspace");
    Info { fields, cut, has_keyspace, dump, wrong }
}

/// `redis_version`, `cmdstat_config|get`, `db0`; no prose and no prompt.
fn is_field(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 100
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-|.".contains(&byte))
}

/// The fields that a simulation starts from, without those that are no values.
fn typed(fields: &BTreeMap<String, String>) -> (InfoDump, Vec<String>) {
    let mut lines: Vec<(String, String)> = fields.iter().map(|(n, v)| (n.clone(), v.clone())).collect();
    let mut wrong = Vec::new();
    loop {
        let text: String = lines.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        match info::parse(&text, "INFO") {
            Ok(dump) => return (dump, wrong),
            Err(problems) => {
                let bad: Vec<usize> = problems.0.iter().filter(|p| p.line > 0).map(|p| p.line - 1).collect();
                if bad.is_empty() {
                    return (InfoDump::default(), wrong);
                }
                wrong.extend(
                    problems
                        .0
                        .iter()
                        .map(|problem| format!("{} ({})", problem.read, problem.remedies.join(", "))),
                );
                let mut index = 0;
                lines.retain(|_| {
                    index += 1;
                    !bad.contains(&(index - 1))
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture(file: &str) -> Info {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check");
        parse(&std::fs::read(folder.join(file)).expect("a fixture"))
    }

    #[test]
    fn dumps_of_every_version_are_read() {
        for (file, version, keys) in [
            ("redis-2.8/info.txt", "2.8.24", 50_000),
            ("redis-3.2/info.txt", "3.2.12", 1_200_000),
            ("redis-6.2/info.txt", "6.2.5", 26_000),
            ("redis-7.0/info.txt", "7.0.15", 26_000),
            ("redis-8.2/info.txt", "8.2.3", 26_000),
            ("valkey-9.1/info.txt", "9.1.0", 26_000),
        ] {
            let info = fixture(file);
            assert!(info.missing_sections().is_empty(), "{file}: {:?}", info.missing_sections());
            let own = info.dump.redis_version.clone().unwrap_or_default();
            let parts = |text: &str| text.split('.').take(2).map(str::to_owned).collect::<Vec<_>>();
            assert_eq!(parts(&own), parts(version), "{file}");
            assert_eq!(info.dump.keys, Some(keys), "{file}");
        }
        assert_eq!(fixture("redis-7.0/info.resp").text("tcp_port"), Some("7870"));
    }

    #[test]
    fn a_dump_that_is_cut_off_keeps_what_is_whole() {
        let cut = parse(b"# Memory\r\nused_memory:12345\r\nused_memory_rss:99");
        assert_eq!((cut.number("used_memory"), cut.number("used_memory_rss")), (Some(12345.0), None));
        assert_eq!(cut.cut.as_deref(), Some("used_memory_rss"));
        let cut = parse(b"db0:keys=10,expires=2,avg_tt");
        assert_eq!((cut.dump.keys, cut.dump.expires), (Some(10), Some(2)));
        assert_eq!(parse(b"hz:10\n# Keyspace").cut, None);
    }

    #[test]
    fn json_wrong_values_and_prose_are_taken_as_they_are() {
        let json = parse(b"\"# Server\\r\\nredis_version:7.2.4\\r\\nhz:10\\r\\n\"");
        assert_eq!((json.text("redis_version"), &json.cut), (Some("7.2.4"), &None));
        let bad = parse(b"hz:ten\nused_memory:5\nmem_fragmentation_ratio:1,18\nNote that: nothing\n");
        assert_eq!((bad.wrong.len(), bad.dump.used_memory), (2, Some(5)), "{:?}", bad.wrong);
        assert_eq!(bad.number("mem_fragmentation_ratio"), Some(1.18));
        assert!(!parse(b"hello\n").is_any());
    }

    #[test]
    fn parts_of_compound_values() {
        let info =
            parse(b"cmdstat_set:calls=5,usec=10,usec_per_call=2.00\ncmdstat_get:calls=7,usec=1\nx:1\n");
        let calls: Vec<_> = info.with_prefix("cmdstat_").map(|(name, v)| (name, part(v, "calls"))).collect();
        assert_eq!(calls, [("get", Some(7.0)), ("set", Some(5.0))]);
        assert_eq!(word("ip=a,state=online", "state"), Some("online"));
    }
}
