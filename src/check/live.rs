//! A live server, asked by commands that only read. Whatever is not on the list is not sent.

use std::time::{Duration, Instant};

use redis::{Cmd, Value};

use super::input::reply::{Dress, Reply};
use super::input::{cluster, info, latency, slowlog};
use super::ttl_sample::TtlSample;
use crate::live::address::Address;
use crate::live::control::Control;
use crate::live::{LiveError, Result};

/// Commands that may be sent, each with the first argument that it must have, if it must have one.
const ALLOWED: &[(&str, Option<&str>)] = &[
    ("INFO", None),
    ("CONFIG", Some("GET")),
    ("SLOWLOG", Some("GET")),
    ("LATENCY", Some("LATEST")),
    ("CLUSTER", Some("INFO")),
    ("CLUSTER", Some("NODES")),
    ("SCAN", None),
    ("PTTL", None),
];

/// Settings that are asked for; by name, so that passwords are never sent.
const SETTINGS: &[&str] = &[
    "activedefrag",
    "active-expire-effort",
    "aof-use-rdb-preamble",
    "appendfsync",
    "appendonly",
    "auto-aof-rewrite-min-size",
    "auto-aof-rewrite-percentage",
    "client-output-buffer-limit",
    "cluster-migration-barrier",
    "disable-thp",
    "dynamic-hz",
    "hz",
    "io-threads",
    "io-threads-do-reads",
    "latency-monitor-threshold",
    "lazyfree-lazy-eviction",
    "lazyfree-lazy-expire",
    "lazyfree-lazy-server-del",
    "lazyfree-lazy-user-del",
    "maxclients",
    "maxmemory",
    "maxmemory-policy",
    "min-replicas-max-lag",
    "min-replicas-to-write",
    "min-slaves-to-write",
    "no-appendfsync-on-rewrite",
    "rdbcompression",
    "repl-backlog-size",
    "repl-diskless-sync",
    "repl-rdb-channel",
    "dual-channel-replication-enabled",
    "repl-timeout",
    "save",
    "slowlog-log-slower-than",
    "stop-writes-on-bgsave-error",
];

/// Entries of the slow log that are asked for.
const SLOW_ENTRIES: &str = "128";
/// Keys of one SCAN.
const PAGE: usize = 200;

/// How much is sampled.
#[derive(Clone, Copy, Debug)]
pub struct Sampling {
    /// Most keys.
    pub keys: usize,
    /// Longest time.
    pub time: Duration,
}

/// What a server has said of itself; what it refused is in words.
#[derive(Debug, Default)]
pub struct Told {
    /// INFO.
    pub info: info::Info,
    /// CONFIG GET.
    pub settings: Option<Vec<(String, String)>>,
    /// SLOWLOG GET.
    pub slowlog: Option<Vec<slowlog::SlowEntry>>,
    /// LATENCY LATEST.
    pub latency: Option<Vec<latency::LatencyEvent>>,
    /// CLUSTER NODES.
    pub nodes: Option<cluster::Nodes>,
    /// CLUSTER INFO.
    pub cluster: Option<info::Info>,
    /// Deadlines of sampled keys.
    pub ttl: Option<TtlSample>,
    /// What could not be asked, and why.
    pub unknown: Vec<String>,
}

/// A connection over which nothing but the list goes.
struct ReadOnly {
    control: Control,
    unknown: Vec<String>,
}

/// Asks the server at `address` all there is to ask; `goes_on` is asked between pages of the sample.
///
/// # Errors
/// No connection, a connection that breaks, a server that does not let us in or has no INFO.
pub fn ask(address: &Address, sampling: Sampling, goes_on: &dyn Fn() -> bool) -> Result<Told> {
    let mut server = ReadOnly { control: Control::connect(address)?, unknown: Vec::new() };
    let text = match server.send(&["INFO", "everything"]) {
        Ok(answer) => answer,
        // Old servers know no more than INFO.
        Err(LiveError::Refused { .. }) => server.send(&["INFO"])?,
        Err(error) => return Err(error),
    };
    let info = info::parse(text_of(&text).as_bytes());
    if !info.is_any() {
        return Err(server.control.unexpected("INFO", &text));
    }
    let mut told = Told { settings: server.settings()?, ..Told::default() };
    let slow = server.maybe(&["SLOWLOG", "GET", SLOW_ENTRIES])?;
    told.slowlog = slow.and_then(|answer| slowlog::of_reply(&reply(&answer), Dress::Nested));
    let latest = server.maybe(&["LATENCY", "LATEST"])?;
    told.latency = latest.and_then(|answer| latency::of_reply(&reply(&answer), Dress::Nested));
    if info.text("cluster_enabled") == Some("1") {
        let nodes = server.maybe(&["CLUSTER", "NODES"])?;
        told.nodes = nodes.and_then(|answer| cluster::nodes(&text_of(&answer)));
        let state = server.maybe(&["CLUSTER", "INFO"])?;
        told.cluster = state.map(|answer| info::parse(text_of(&answer).as_bytes()));
    }
    let volatile = info.dump.expires.unwrap_or(0);
    if sampling.keys > 0 && volatile > 0 {
        told.ttl = server.sample(sampling, goes_on)?;
    }
    told.info = info;
    told.unknown = server.unknown;
    Ok(told)
}

/// Whether a command only reads, by the list.
fn is_allowed(words: &[&str]) -> bool {
    let is = |word: Option<&&str>, wanted: &str| word.is_some_and(|word| word.eq_ignore_ascii_case(wanted));
    ALLOWED
        .iter()
        .any(|(name, first)| is(words.first(), name) && first.is_none_or(|first| is(words.get(1), first)))
}

impl ReadOnly {
    /// Sends a command of the list.
    fn send(&mut self, words: &[&str]) -> Result<Value> {
        Ok(self.send_all(&[words.iter().map(|word| word.as_bytes().to_vec()).collect()])?.remove(0))
    }

    /// Sends commands of the list in one go.
    fn send_all(&mut self, commands: &[Vec<Vec<u8>>]) -> Result<Vec<Value>> {
        let mut packed = Vec::with_capacity(commands.len());
        for words in commands {
            let texts: Vec<_> = words.iter().map(|word| String::from_utf8_lossy(word)).collect();
            let shown: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
            if !is_allowed(&shown) {
                let what =
                    format!("{} is no command that only reads: not sent", shown.first().unwrap_or(&""));
                return Err(LiveError::cannot(what, "this is a bug of writepath"));
            }
            let mut command = Cmd::new();
            words.iter().for_each(|word| {
                command.arg(word.as_slice());
            });
            packed.push(command);
        }
        self.control.pipeline(&packed)
    }

    /// The same; none, and a word about it, if the server refuses.
    fn maybe(&mut self, words: &[&str]) -> Result<Option<Value>> {
        match self.send(words) {
            Ok(answer) => Ok(Some(answer)),
            Err(LiveError::Refused { answer, .. }) => {
                let shown = words.iter().take(2).copied().collect::<Vec<_>>().join(" ");
                self.unknown.push(format!("{shown}: the server refuses it ({answer})"));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Settings by name; none if the server refuses CONFIG GET.
    fn settings(&mut self) -> Result<Option<Vec<(String, String)>>> {
        let mut pairs = Vec::new();
        for name in SETTINGS {
            let Some(answer) = self.maybe(&["CONFIG", "GET", name])? else { return Ok(None) };
            let answer = reply(&answer);
            if let [name, value] = answer.list()
                && let (Some(name), Some(value)) = (name.text(), value.text())
            {
                pairs.push((name.to_owned(), value.to_owned()));
            }
        }
        Ok(Some(pairs))
    }

    /// Remaining times of keys of the selected database, page by page; none if the server refuses.
    fn sample(&mut self, sampling: Sampling, goes_on: &dyn Fn() -> bool) -> Result<Option<TtlSample>> {
        let (started, mut cursor) = (Instant::now(), "0".to_owned());
        let (mut keys, mut remaining) = (0, Vec::new());
        loop {
            let Some(page) = self.maybe(&["SCAN", &cursor, "COUNT", &PAGE.to_string()])? else {
                return Ok(None);
            };
            let Value::Array(page) = page else { return Ok(None) };
            let [next, Value::Array(names)] = page.as_slice() else { return Ok(None) };
            cursor = text_of(next);
            let names = names.iter().take(sampling.keys - keys).filter_map(|name| match name {
                Value::BulkString(name) => Some(vec![b"PTTL".to_vec(), name.clone()]),
                _ => None,
            });
            let commands: Vec<Vec<Vec<u8>>> = names.collect();
            keys += commands.len();
            let answers = match self.send_all(&commands) {
                Err(LiveError::Refused { answer, .. }) => {
                    self.unknown.push(format!("PTTL: the server refuses it ({answer})"));
                    return Ok(None);
                }
                answers => answers?,
            };
            let left = answers.into_iter().filter_map(|answer| match answer {
                Value::Int(left) => u64::try_from(left).ok(),
                _ => None,
            });
            remaining.extend(left);
            let is_whole = cursor == "0";
            if is_whole || keys >= sampling.keys || started.elapsed() >= sampling.time || !goes_on() {
                return Ok(Some(TtlSample::new(keys, remaining, is_whole, started.elapsed().as_secs_f64())));
            }
        }
    }
}

fn text_of(value: &Value) -> String {
    match value {
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::VerbatimString { text, .. } => text.clone(),
        Value::SimpleString(text) => text.clone(),
        Value::Int(number) => number.to_string(),
        _ => String::new(),
    }
}

fn reply(value: &Value) -> Reply {
    match value {
        Value::Nil => Reply::Nil,
        Value::Array(list) | Value::Set(list) => Reply::List(list.iter().map(reply).collect()),
        Value::Map(pairs) => Reply::List(pairs.iter().flat_map(|(k, v)| [reply(k), reply(v)]).collect()),
        other => Reply::Text(text_of(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::fake::{Fake, Turn};

    const SAMPLING: Sampling = Sampling { keys: 3, time: Duration::from_secs(5) };

    #[test]
    fn nothing_but_the_list_is_ever_sent() {
        let fake = Fake::start("", |words| match words[0].as_str() {
            "INFO" => {
                let info = "role:master\r\ncluster_enabled:1\r\ndb0:keys=5,expires=5,avg_ttl=9\r\n";
                Turn::Answer(format!("${}\r\n{info}\r\n", info.len()))
            }
            "PTTL" => Turn::Answer(":5000\r\n".to_owned()),
            "SCAN" => {
                let keys: String = (0..5).map(|n| format!("$2\r\nk{n}\r\n")).collect();
                Turn::Answer(format!("*2\r\n$1\r\n7\r\n*5\r\n{keys}"))
            }
            "SLOWLOG" | "LATENCY" => Turn::Answer("*0\r\n".to_owned()),
            "CLUSTER" if words[1] == "INFO" => Turn::Answer("$20\r\ncluster_state:fail\r\n\r\n".to_owned()),
            _ => Turn::Usual,
        });
        let told = ask(&fake.address(), SAMPLING, &|| true).expect("it answers");
        for words in fake.log("") {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            assert!(is_allowed(&words), "{words:?}");
        }
        let sample = told.ttl.expect("keys were sampled");
        assert_eq!((sample.keys, sample.remaining_ms, sample.is_whole), (3, vec![5000; 3], false));
        assert_eq!(told.slowlog, Some(Vec::new()));
        assert_eq!(
            told.cluster.and_then(|info| info.text("cluster_state").map(str::to_owned)).as_deref(),
            Some("fail")
        );
        assert_eq!(told.settings.map(|pairs| pairs.len()), Some(1), "the one that this server has");
        assert!(told.unknown.iter().any(|text| text.starts_with("CLUSTER NODES: the server refuses")));
    }

    #[test]
    fn what_writes_is_not_sent_even_if_asked() {
        let fake = Fake::usual();
        let control = Control::connect(&fake.address()).expect("it listens");
        let mut server = ReadOnly { control, unknown: Vec::new() };
        for words in [
            &["SET", "a", "b"][..],
            &["CONFIG", "SET", "hz", "10"],
            &["SLOWLOG", "RESET"],
            &["LATENCY", "RESET"],
            &["CLUSTER", "RESET"],
            &["CONFIG"],
            &["FLUSHALL"],
            &["EVAL", "return 1", "0"],
            &[],
        ] {
            assert!(server.send(words).is_err(), "{words:?}");
        }
        assert!(fake.log("").is_empty());
    }

    #[test]
    fn a_server_that_refuses_settings_is_asked_the_rest() {
        let fake = Fake::start("", |words| match words[0].as_str() {
            "CONFIG" => Turn::Answer("-NOPERM no\r\n".to_owned()),
            _ => Turn::Usual,
        });
        let told = ask(&fake.address(), SAMPLING, &|| true).expect("it answers");
        assert_eq!((told.settings, told.slowlog), (None, None));
        assert!(told.unknown[0].contains("CONFIG GET: the server refuses it (NOPERM"), "{:?}", told.unknown);
        assert_eq!(fake.log("CONFIG").len(), 1);
    }

    #[test]
    fn a_server_that_dies_is_an_error() {
        let fake = Fake::start("", |words| if words[0] == "SLOWLOG" { Turn::Die } else { Turn::Usual });
        assert!(ask(&fake.address(), SAMPLING, &|| true).is_err());
    }
}
