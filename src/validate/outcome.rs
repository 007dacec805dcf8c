//! The rows of a validation, as they are kept and read back.

use serde::{Deserialize, Serialize};

use super::metric::{Figure, Tolerance};
use super::verdict::{Judged, Spread, Verdict};

/// One figure of one workload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Name of the case.
    pub workload: String,
    /// What it is about.
    pub mechanism: String,
    /// Name of the figure.
    pub metric: String,
    /// What it is measured in: `ns`, `1/s`, `share`, `count`.
    pub unit: String,
    /// Median and range of the repeats on the real server.
    pub measured: Option<Spread>,
    /// Mean and 95 % interval of the simulated runs.
    pub simulated: Option<Spread>,
    /// Simulated over measured.
    pub ratio: Option<f64>,
    /// How far they may be apart.
    pub tolerance: f64,
    /// What that number is: `relative`, `factor`, `standard errors`.
    pub tolerance_kind: String,
    /// Smaller differences mean nothing here, in the metric's unit.
    pub noise: Option<f64>,
    /// What came of it.
    pub verdict: Verdict,
    /// Runs on the real server.
    pub repeats: u64,
    /// Of those, in a spell of the machine that stayed noisy, or by a generator that was late itself.
    pub noisy: u64,
    /// Why there is no verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Row {
    /// A figure of `workload` before anything is known of it.
    pub fn blank(workload: &str, mechanism: &str, figure: Figure, tolerance: Tolerance) -> Row {
        Row {
            workload: workload.to_owned(),
            mechanism: mechanism.to_owned(),
            metric: figure.name().to_owned(),
            unit: figure.unit().name().to_owned(),
            measured: None,
            simulated: None,
            ratio: None,
            tolerance: tolerance.number(),
            tolerance_kind: tolerance.kind().to_owned(),
            noise: None,
            verdict: Verdict::Skipped,
            repeats: 0,
            noisy: 0,
            reason: None,
        }
    }

    /// The same, skipped because of `reason`.
    pub fn skipped(self, reason: impl Into<String>) -> Row {
        Row { verdict: Verdict::Skipped, reason: Some(reason.into()), ..self }
    }

    /// The same, judged.
    pub fn judged(self, judged: &Judged) -> Row {
        Row {
            measured: Some(judged.measured),
            simulated: Some(judged.simulated),
            ratio: judged.ratio,
            noise: Some(judged.noise),
            verdict: judged.verdict,
            ..self
        }
    }

    /// The figure, if this program knows it.
    pub fn figure(&self) -> Option<Figure> {
        Figure::all().find(|figure| figure.name() == self.metric)
    }

    /// How far both may be apart, if this program knows what that is.
    pub fn allowed(&self) -> Option<Tolerance> {
        let kinds = [Tolerance::Relative, Tolerance::Factor, Tolerance::StandardErrors];
        kinds.map(|kind| kind(self.tolerance)).into_iter().find(|kind| kind.kind() == self.tolerance_kind)
    }
}

/// What was measured, with what and when.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// Version of this program.
    pub writepath: String,
    /// Day of the measurement, `2026-11-28`.
    pub date: String,
    /// The command that was given.
    pub command: String,
    /// The server as it names itself, `redis 7.0.15`.
    pub server: String,
    /// The machine in a line.
    pub machine: String,
    /// The model whose prices were used.
    pub model: String,
    /// Prices of another machine: every tolerance is doubled.
    pub doubled: bool,
    /// The quick set.
    pub quick: bool,
    /// Runs of each case on the server.
    pub repeats: u64,
    /// Runs of each case in the simulator.
    pub seeds: u64,
    /// Share of a spinning thread's time that the machine took, over all canaries.
    pub noise_share: f64,
    /// Longest of its gaps \[ns\].
    pub noise_ns_max: u64,
}

/// A whole validation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    /// What it is of.
    #[serde(flatten)]
    pub head: Head,
    /// Number of rows by verdict.
    pub verdicts: Tally,
    /// The rows, by case.
    pub rows: Vec<Row>,
}

/// Number of rows by verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Within tolerance.
    pub pass: u64,
    /// Beyond.
    pub miss: u64,
    /// The noise is larger than the tolerance.
    #[serde(rename = "not distinguishable")]
    pub not_distinguishable: u64,
    /// Not compared.
    pub skipped: u64,
}

impl Tally {
    /// Of `rows`.
    pub fn of<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Tally {
        let mut tally = Tally::default();
        for row in rows {
            match row.verdict {
                Verdict::Pass => tally.pass += 1,
                Verdict::Miss => tally.miss += 1,
                Verdict::NotDistinguishable => tally.not_distinguishable += 1,
                Verdict::Skipped => tally.skipped += 1,
            }
        }
        tally
    }

    /// Share of the judged rows that are within tolerance; none without any.
    pub fn share(&self) -> Option<f64> {
        let judged = self.pass + self.miss;
        (judged > 0).then(|| self.pass as f64 / judged as f64)
    }
}

impl Validation {
    /// Whether nothing misses.
    pub fn is_met(&self) -> bool {
        self.verdicts.miss == 0
    }
}
