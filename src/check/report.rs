//! All there is to say of a server.

use std::collections::BTreeMap;

use serde::Serialize;

use super::facts::Facts;
use super::finding::{Finding, Severity};
use super::input::cluster;
use super::input::config_get;
use super::input::info::{self, Info};
use super::input::{latency, slowlog};
use super::live::Told;
use super::monitor;
use super::rules;
use super::settings::Settings;
use super::simulate::Simulation;
use super::source::Source;
use crate::redis::version::{Flavour, Version};
use crate::scenario::redis_conf::Directive;
use crate::units::{format_bytes, format_count};

/// Version that a server of unknown version is taken for.
const ASSUMED: Version = Version::redis(7, 2);

/// Bytes of the inputs as they came; none of those that were not given.
#[derive(Debug, Default)]
pub struct Inputs {
    /// Directives of redis.conf.
    pub redis_conf: Option<Vec<Directive>>,
    /// INFO.
    pub info: Option<Vec<u8>>,
    /// CONFIG GET.
    pub config_get: Option<Vec<u8>>,
    /// SLOWLOG GET.
    pub slowlog: Option<Vec<u8>>,
    /// LATENCY LATEST.
    pub latency: Option<Vec<u8>>,
    /// INFO of a replica.
    pub replica_info: Option<Vec<u8>>,
    /// CLUSTER INFO.
    pub cluster_info: Option<Vec<u8>>,
    /// CLUSTER NODES.
    pub cluster_nodes: Option<Vec<u8>>,
    /// A MONITOR capture.
    pub monitor: Option<Vec<u8>>,
    /// Source files: name and bytes.
    pub source: Vec<(String, Vec<u8>)>,
    /// What a live server said.
    pub told: Option<Told>,
    /// The version, where somebody says it.
    pub version: Option<Version>,
    /// Commands a second, where somebody says it.
    pub rate: Option<f64>,
}

/// What is said of a server.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Version of the program.
    pub writepath: &'static str,
    /// What the server is.
    pub server: Head,
    /// What was found, the worst first.
    pub findings: Vec<Finding>,
    /// What cannot be known from the input.
    pub unknown: Vec<String>,
    /// How findings were priced.
    pub simulation: Option<Simulation>,
}

/// What the server is.
#[derive(Debug, Serialize)]
pub struct Head {
    /// `redis 7.0.15`.
    pub version: String,
    /// `primary` or `replica`.
    pub role: Option<&'static str>,
    /// Replicas that are connected.
    pub connected_replicas: Option<u64>,
    /// Keys of all databases.
    pub keys: Option<u64>,
    /// `used_memory`.
    pub used_bytes: Option<u64>,
    /// Commands a second.
    pub rate_per_s: Option<f64>,
    /// What is written to disk, and what a crash loses.
    pub persistence: Option<String>,
    /// Where the settings come from.
    pub settings_from: Option<&'static str>,
}

impl Report {
    /// Whether something serious was found.
    pub fn is_serious(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Serious)
    }
}

/// Reads the inputs, and says in words what could not be read.
pub fn facts(inputs: Inputs) -> (Facts, Vec<String>) {
    let mut unknown = Vec::new();
    let mut settings = inputs.config_get.as_deref().map(config_get::parse);
    if settings.as_ref().is_some_and(Vec::is_empty) {
        unknown.push("--config-get holds no settings: redis-cli CONFIG GET '*' > FILE".to_owned());
        settings = None;
    }
    let mut slow = inputs.slowlog.as_deref().map(slowlog::parse);
    if slow == Some(None) {
        unknown.push("--slowlog holds no SLOWLOG: redis-cli SLOWLOG GET 128 > FILE".to_owned());
    }
    let mut events = inputs.latency.as_deref().map(latency::parse);
    if events == Some(None) {
        unknown.push(
            "--latency holds no LATENCY LATEST (a HISTORY does not name its event): redis-cli LATENCY LATEST > FILE"
                .to_owned(),
        );
    }
    let captured = inputs.monitor.as_deref().map(monitor::parse);
    if captured == Some(None) {
        unknown.push(
            "--monitor holds no command: timeout 10 redis-cli MONITOR > FILE, at a quiet time".to_owned(),
        );
    }
    let mut nodes = inputs.cluster_nodes.as_deref().map(|bytes| cluster::nodes(&cluster::text_of(bytes)));
    if nodes == Some(None) {
        unknown.push("--cluster-nodes holds no nodes: redis-cli CLUSTER NODES > FILE".to_owned());
    }
    let mut info = named_info("--info", inputs.info.as_deref(), &mut unknown);
    let replica = named_info("--replica-info", inputs.replica_info.as_deref(), &mut unknown);
    let mut cluster_info = inputs.cluster_info.as_deref().map(info::parse);
    let mut ttl = None;
    if let Some(told) = inputs.told {
        unknown.extend(told.unknown);
        info = Some(told.info);
        settings = settings.or(told.settings);
        slow = slow.or(told.slowlog.map(Some));
        events = events.or(told.latency.map(Some));
        nodes = nodes.or(told.nodes.map(Some));
        cluster_info = cluster_info.or(told.cluster);
        ttl = told.ttl;
    }
    let version = version(inputs.version, info.as_ref(), &mut unknown);
    let file = inputs.redis_conf.as_deref();
    let settings = Settings::new(version, file, settings.as_deref(), info.as_ref());
    unknown.extend(settings.wrong.iter().cloned());
    let mut source = (!inputs.source.is_empty()).then(Source::default);
    if let Some(source) = &mut source {
        inputs.source.iter().for_each(|(name, bytes)| source.add(name, &super::input::decode(bytes)));
    }
    let facts = Facts {
        info,
        replica,
        settings,
        slowlog: slow.flatten(),
        latency: events.flatten(),
        nodes: nodes.flatten(),
        cluster: cluster_info,
        monitor: captured.flatten(),
        source,
        ttl,
        given_rate: inputs.rate,
        ..Facts::new(version)
    };
    (facts, unknown)
}

/// An INFO, with what is wrong with it in words.
fn named_info(flag: &str, bytes: Option<&[u8]>, unknown: &mut Vec<String>) -> Option<Info> {
    let info = info::parse(bytes?);
    if !info.is_any() {
        unknown.push(format!("{flag} holds no field of INFO: redis-cli INFO everything > FILE"));
        return None;
    }
    if let Some(field) = &info.cut {
        unknown.push(format!("{flag} ends within a line: what it says of {field} is left out"));
    }
    unknown.extend(info.wrong.iter().map(|wrong| format!("{flag}: {wrong}")));
    let gone = info.missing_sections();
    if !gone.is_empty() {
        unknown.push(format!("{flag} has nothing of the sections {}", gone.join(", ")));
    }
    Some(info)
}

fn version(given: Option<Version>, info: Option<&Info>, unknown: &mut Vec<String>) -> Version {
    let told = info.and_then(|info| info.dump.version());
    given.or(told).unwrap_or_else(|| {
        let has = info.and_then(|info| info.dump.redis_version.clone());
        let why = has.map_or_else(
            || "the version is not known".to_owned(),
            |has| format!("version {has} is not modelled"),
        );
        unknown.push(format!("{why}: taken for {ASSUMED} (--redis-version)"));
        ASSUMED
    })
}

/// What the rules say, and what they could not.
pub fn report(facts: &Facts, mut unknown: Vec<String>) -> Report {
    let (findings, silent) = rules::look(facts);
    unknown.extend(in_vain(facts, silent));
    unknown.extend(beyond(facts));
    let head = head(facts);
    facts.take_missed();
    Report { writepath: env!("CARGO_PKG_VERSION"), server: head, findings, unknown, simulation: None }
}

fn head(facts: &Facts) -> Head {
    let dump = facts.info.as_ref().map(|info| &info.dump);
    let name = if facts.version.flavour == Flavour::Valkey { "valkey" } else { "redis" };
    let own = dump.and_then(|dump| dump.redis_version.clone());
    let number = facts.version.to_string().trim_start_matches("valkey-").to_owned();
    let role = facts.info.as_ref().and_then(|info| info.text("role"));
    Head {
        version: format!("{name} {}", own.unwrap_or(number)),
        role: role.map(|role| if role == "slave" { "replica" } else { "primary" }),
        connected_replicas: dump.and_then(|dump| dump.connected_slaves),
        keys: facts.keys(),
        used_bytes: dump.and_then(|dump| dump.used_memory),
        rate_per_s: facts.rate().map(|rate| rate.per_s),
        persistence: rules::mode(facts),
        settings_from: facts.settings.origin(),
    }
}

/// The head in one line.
pub fn headline(head: &Head) -> String {
    let mut parts = vec![head.version.clone()];
    parts.extend(head.role.map(|role| match head.connected_replicas {
        Some(n) if n > 0 => format!("{role} with {n} replica{}", if n == 1 { "" } else { "s" }),
        _ => role.to_owned(),
    }));
    parts.extend(head.keys.map(|keys| format!("{} keys", format_count(keys as f64))));
    parts.extend(head.used_bytes.map(format_bytes));
    parts.extend(head.rate_per_s.map(|rate| format!("{}/s", format_count(rate))));
    parts.join(", ")
}

/// Questions that found no answer, by where the answer would be, with the rules that were silent for it.
fn in_vain(facts: &Facts, silent: BTreeMap<String, Vec<&'static str>>) -> Vec<String> {
    let (mut fields, mut settings, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for (what, rules) in silent {
        if let Some(field) = what.strip_prefix("INFO's ").or((what == "INFO").then_some("fields")) {
            fields.push((field.to_owned(), rules));
        } else if let Some(name) = what.strip_prefix("the setting ") {
            settings.push((name.to_owned(), rules));
        } else {
            others.push((what, rules));
        }
    }
    let rules = |rows: &[(String, Vec<&'static str>)]| {
        let mut names: Vec<&str> = rows.iter().flat_map(|row| row.1.iter().copied()).collect();
        names.sort_unstable();
        names.dedup();
        names.join(", ")
    };
    let names = |rows: &[(String, Vec<&'static str>)]| {
        rows.iter().map(|row| row.0.as_str()).collect::<Vec<_>>().join(", ")
    };
    let mut lines = Vec::new();
    if !fields.is_empty() {
        let what = match facts.info {
            None => "INFO (--info, --server)".to_owned(),
            Some(_) => format!("INFO's {}", names(&fields)),
        };
        lines.push(format!("{what}: not judged: {}", rules(&fields)));
    }
    if !settings.is_empty() {
        let what = names(&settings);
        lines.push(format!(
            "the settings {what} (--config-get, --redis-conf): not judged: {}",
            rules(&settings)
        ));
    }
    let flag = |what: &str| match what {
        "SLOWLOG" => " (--slowlog)",
        "LATENCY LATEST" => " (--latency)",
        "a MONITOR capture" => " (--monitor)",
        "a MONITOR capture or source" => " (--monitor, --source)",
        "CLUSTER NODES" => " (--cluster-nodes)",
        "CLUSTER INFO" => " (--cluster-info)",
        _ => "",
    };
    lines.extend(
        others.iter().map(|(what, names)| format!("{what}{}: not judged: {}", flag(what), names.join(", "))),
    );
    lines
}

/// What no such input tells.
fn beyond(facts: &Facts) -> Vec<String> {
    let mut lines = Vec::new();
    if !facts.version.has(6, 2) {
        lines.push(
            "transparent huge pages: before 6.2 the server does not switch them off; cat \
             /sys/kernel/mm/transparent_hugepage/enabled on its machine"
                .to_owned(),
        );
    }
    lines.push("gaps of the host: redis-cli --intrinsic-latency 100 on the server's machine".to_owned());
    lines.push("how long the disk takes for an fsync: writepath calibrate on a server like it".to_owned());
    lines.push("what clients see: ASK redirects, time-outs and retries are in their own metrics".to_owned());
    if facts.source.is_some() {
        lines.push(
            "source is looked through for words: wrappers, keys under another name and steps in other functions are not seen"
                .to_owned(),
        );
    }
    if let Some(sample) = &facts.ttl
        && !sample.is_whole
    {
        lines.push(format!("times to live beyond the {} keys sampled, and of other databases", sample.keys));
    }
    lines
}
