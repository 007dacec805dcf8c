//! What a rule says.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

/// How bad it is; the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Writes are lost, refused or held up now, or will be at the next event that is sure to come.
    Serious,
    /// Costs latency or safety under conditions that this server meets.
    Warning,
    /// Worth knowing: small, or a reading that misleads.
    Note,
}

impl Severity {
    /// Name in files and text.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Serious => "serious",
            Severity::Warning => "warning",
            Severity::Note => "note",
        }
    }
}

/// Fields and their values, in the order in which they are to be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence(pub Vec<(String, String)>);

impl Serialize for Evidence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (field, value) in &self.0 {
            map.serialize_entry(field, value)?;
        }
        map.end()
    }
}

/// What of a simulation tells what a finding costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Price {
    /// Rewrites of the AOF: how often, the fork, the end.
    Rewrites,
    /// Snapshots: how often, the fork.
    Snapshots,
    /// What a crash loses.
    Loss,
    /// The longest waits for the AOF.
    AofWaits,
    /// Slices of the expire cycle while this share of the keys with a TTL comes due together \[0 to 1\].
    Storm(f64),
    /// Quantiles alone.
    Tail,
}

/// How a finding is priced: what to look at, and the settings that the remedy changes (none: it has no setting).
#[derive(Clone, Debug, PartialEq)]
pub struct Pricing {
    /// What to look at.
    pub price: Price,
    /// (setting, value) of the remedy, as `--set` takes them.
    pub remedy: Vec<(&'static str, String)>,
}

/// Something found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// The rule's name.
    pub id: &'static str,
    /// How bad.
    pub severity: Severity,
    /// What it was seen by.
    pub evidence: Evidence,
    /// What it means for this server.
    pub consequence: String,
    /// What to do.
    pub remedy: String,
    /// What the simulation of this server says of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub simulated: Option<Simulated>,
    /// How it is priced, if it can be.
    #[serde(skip)]
    pub pricing: Option<Pricing>,
}

impl Finding {
    /// A finding of `severity`; its rule gives it the name.
    pub fn new(
        severity: Severity,
        evidence: Vec<(String, String)>,
        consequence: String,
        remedy: impl Into<String>,
    ) -> Self {
        let (evidence, remedy) = (Evidence(evidence), remedy.into());
        Finding { id: "", severity, evidence, consequence, remedy, simulated: None, pricing: None }
    }

    /// The same, priced by a simulation with and without the remedy's settings.
    pub fn priced(mut self, price: Price, remedy: &[(&'static str, &str)]) -> Self {
        let remedy = remedy.iter().map(|(setting, value)| (*setting, (*value).to_owned())).collect();
        self.pricing = Some(Pricing { price, remedy });
        self
    }
}

/// What a simulation says of a finding.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Simulated {
    /// In words: as it is, and what the remedy gives.
    pub text: String,
    /// As the server is.
    pub as_it_is: Figures,
    /// The same random world with the remedy; none where the remedy is no setting.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub with_remedy: Option<Figures>,
    /// Settings of the remedy, as `--set` takes them.
    pub settings: Vec<String>,
}

/// Figures of one simulated run, times in ns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Median sojourn.
    pub p50_ns: u64,
    /// P99 of the whole run.
    pub p99_ns: u64,
    /// P99.9.
    pub p999_ns: u64,
    /// The longest.
    pub max_ns: u64,
    /// P99 of the worst ten seconds.
    pub p99_ns_worst_10s: u64,
    /// The longest fork.
    pub fork_ns_max: u64,
    /// The longest work in the main thread at the end of a child.
    pub child_end_ns_max: u64,
    /// The longest wait for the AOF: its write(2), or its fdatasync under always.
    pub aof_wait_ns_max: u64,
    /// The longest slice of the expire cycle.
    pub expire_slice_ns_max: u64,
    /// Most acknowledged writes that a machine's death loses.
    pub machine_death_writes_max: u64,
    /// Seconds of writes that are lost then.
    pub machine_death_seconds_max: f64,
}
