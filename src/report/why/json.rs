//! `why.json`.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::{WhyReport, unit_suffix, worse};
use crate::experiment::compare::Row;
use crate::experiment::why::{Change, Effect, Findings};
use crate::report::json::BandOutput;
use crate::report::request_life::{self, LifeOutput};
use crate::report::seconds;

#[derive(Serialize)]
struct Output<'a> {
    writepath: &'static str,
    scenario: &'a str,
    redis_version: String,
    model: &'a str,
    seed: u64,
    sentence: String,
    headline: &'static str,
    runs: RunsOutput<'a>,
    bands: Vec<BandOutput>,
    without: Vec<Changed<'a>>,
    stays: Vec<Reason>,
    not_tried: Vec<&'static str>,
    remedies: Vec<Changed<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    traced_request: Option<LifeOutput>,
}

/// How the other worlds were looked at.
#[derive(Serialize)]
struct RunsOutput<'a> {
    replications: usize,
    duration_s: f64,
    warmup_s: f64,
    whole: Option<&'a str>,
}

#[derive(Serialize)]
struct Reason {
    cause: &'static str,
    reason: &'static str,
}

#[derive(Serialize)]
struct ChangeOutput<'a> {
    value: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
    from: Option<f64>,
    to: Option<f64>,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

/// A world, with a key a metric.
struct Changed<'a>(&'a Effect, &'a Findings);

impl Serialize for Changed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Changed(effect, findings) = self;
        let mut map = serializer.serialize_map(None)?;
        match &effect.change {
            Change::Without(without) => {
                map.serialize_entry("cause", without.cause.name())?;
                map.serialize_entry("what", without.what)?;
            }
            Change::Remedy(remedy) => {
                map.serialize_entry("name", remedy.id)?;
                map.serialize_entry("title", &remedy.title)?;
                map.serialize_entry("effort", remedy.effort.name())?;
                let settings = remedy.settings.iter();
                let settings: Vec<String> =
                    settings.map(|setting| format!("{}={}", setting.key, setting.value)).collect();
                map.serialize_entry("settings", &settings)?;
                map.serialize_entry("scenario_lines", remedy.lines)?;
                map.serialize_entry("costs", &worse(effect))?;
                map.serialize_entry("costs_beside", remedy.beside)?;
            }
        }
        let verdict = effect.row(findings.headline).map_or("not comparable", |row| row.verdict.name());
        map.serialize_entry("verdict", verdict)?;
        if let Err(reason) = &effect.rows {
            map.serialize_entry("reason", reason)?;
        }
        for row in effect.rows.iter().flatten() {
            let quantity = row.metric.quantity;
            let name = row.metric.to_string().replace([':', '-'], "_");
            map.serialize_entry(&format!("{name}{}_change", unit_suffix(quantity.unit)), &change(row))?;
        }
        map.end()
    }
}

fn change(row: &Row) -> ChangeOutput<'_> {
    let paired = row.compared.as_ref().ok();
    let difference = paired.map(|paired| paired.difference);
    ChangeOutput {
        value: difference.map(|change| change.value),
        low: difference.map(|change| change.low),
        high: difference.map(|change| change.high),
        from: paired.map(|paired| paired.a),
        to: paired.map(|paired| paired.b),
        verdict: row.verdict.name(),
        reason: row.compared.as_ref().err().map(String::as_str),
    }
}

/// All of `report` as one object.
pub(super) fn json(report: &WhyReport) -> Vec<u8> {
    let (run, findings) = (report.run, report.findings);
    let changed = |effect| Changed(effect, findings);
    let output = Output {
        writepath: env!("CARGO_PKG_VERSION"),
        scenario: &run.scenario,
        redis_version: run.version.to_string(),
        model: &run.model,
        seed: run.seed,
        sentence: report.sentence(),
        headline: findings.headline,
        runs: RunsOutput {
            replications: findings.replications,
            duration_s: seconds(report.plan.horizon.duration),
            warmup_s: seconds(report.plan.horizon.warmup),
            whole: report.plan.horizon.whole,
        },
        bands: run.blame.iter().flat_map(|blame| blame.bands()).map(|band| BandOutput::from(&band)).collect(),
        without: findings.without.iter().map(changed).collect(),
        stays: report
            .plan
            .staying()
            .into_iter()
            .map(|(cause, reason)| Reason { cause: cause.name(), reason })
            .collect(),
        not_tried: report.plan.left_out.iter().map(|cause| cause.name()).collect(),
        remedies: findings.remedies.iter().map(changed).collect(),
        traced_request: report.traced.map(|(life, wanted)| request_life::output(life, wanted, run)),
    };
    let mut bytes = serde_json::to_vec_pretty(&output).expect("plain values are always JSON");
    bytes.push(b'\n');
    bytes
}
