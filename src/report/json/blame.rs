//! Blame in JSON.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::observe::blame::{Band, Blame};
use crate::units::Nanos;

/// Where the time of the requests went.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct BlameOutput {
    /// All requests.
    pub whole: BandOutput,
    /// Those up to P50, from there to P90, to P99, to P99.9, and beyond.
    pub bands: Vec<BandOutput>,
}

/// Requests between two quantiles of the sojourn.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct BandOutput {
    /// The quantile beyond which they lie, or `min`.
    pub from: &'static str,
    /// The quantile up to which they lie, or `max`.
    pub to: &'static str,
    /// That quantile, in ns.
    pub to_ns: Nanos,
    /// Requests.
    pub requests: u64,
    /// Sum of their sojourns, in ns.
    pub sojourn_ns: u128,
    /// What it was spent on, in ns; the values add up to `sojourn_ns`.
    pub causes: BTreeMap<&'static str, u128>,
}

impl From<&Blame> for BlameOutput {
    fn from(blame: &Blame) -> Self {
        BlameOutput {
            whole: BandOutput::from(&blame.whole()),
            bands: blame.bands().iter().map(BandOutput::from).collect(),
        }
    }
}

impl From<&Band> for BandOutput {
    fn from(band: &Band) -> Self {
        let Band { from, to, to_ns, requests, sojourn_ns, ref causes } = *band;
        BandOutput { from, to, to_ns, requests, sojourn_ns, causes: causes.iter().copied().collect() }
    }
}
