//! What is not known of the machine, beside what sampling leaves open: lines of text, JSON and CSV.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::csv::table;
use super::sensitivity::{number, unit_name};
use crate::experiment::machine::{DRAW_REPLICATIONS, Machine, OWN_REPLICATIONS, Uncertain};
use crate::experiment::uncertainty::{MACHINE_LEVEL, Spread};

/// Most prices that a line names.
const NAMED: usize = 3;
/// Square of a correlation from which a price carries most of the spread.
const MOST: f64 = 0.5;

/// Columns of `uncertainty.csv` and what they hold: a row for each metric.
pub const COLUMNS: &[(&str, &str)] = &[
    ("scenario", "name of the scenario"),
    ("seed", "seed of all randomness"),
    ("metric", "name of the metric"),
    ("unit", "unit of the values: ns, s, per_s, count, bytes or share"),
    ("value", "mean over replications under the model's own prices"),
    ("sampling_low", "lower end of its 95 % interval"),
    ("sampling_high", "upper end"),
    ("machine_low", "5 % of the draws are below, sampling taken out"),
    ("machine_high", "95 % of the draws are below"),
    ("draws", "draws that could run"),
    ("failed_draws", "draws that could not"),
    ("noise_share", "share of the variance over the draws that their sampling made"),
    ("carriers", "prices that carry it, largest first, by spaces"),
];

/// `machine_uncertainty` of the JSON object of a run.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct MachineOutput {
    /// Draws of the model's prices from their ranges.
    pub draws: u64,
    /// Draws that could not run.
    pub failed_draws: usize,
    /// Prices that were drawn.
    pub prices: usize,
    /// Replications under the model's own prices.
    pub replications: u64,
    /// Replications of each draw.
    pub draw_replications: u64,
    /// Share of the machines that the interval of the machine holds.
    pub machine_level: f64,
    /// By name of the metric, in its unit.
    pub metrics: BTreeMap<String, UncertainOutput>,
}

/// A metric with its two intervals.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct UncertainOutput {
    /// Mean over replications under the model's own prices.
    pub value: f64,
    /// Its 95 % interval by sampling.
    pub sampling: EndsOutput,
    /// Where it is on most machines within the ranges; absent if too few draws could run.
    pub machine: Option<EndsOutput>,
    /// Share of the variance over the draws that their sampling made.
    pub noise_share: Option<f64>,
    /// Prices that carry it beyond chance, largest first.
    pub carriers: Vec<CarrierOutput>,
}

/// Two ends.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct EndsOutput {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// A price that carries a part.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct CarrierOutput {
    /// Its name.
    pub price: String,
    /// Correlation of ranks between price and metric.
    pub correlation: f64,
}

/// The JSON of it.
pub fn output(machine: &Machine) -> MachineOutput {
    let uncertain = |own: &Uncertain| {
        let spread = own.machine.as_ref();
        let carriers = spread.iter().flat_map(|spread| &spread.carriers);
        let output = UncertainOutput {
            value: own.sampling.value,
            sampling: EndsOutput { low: own.sampling.low, high: own.sampling.high },
            machine: spread.map(|spread| EndsOutput { low: spread.low, high: spread.high }),
            noise_share: spread.map(|spread| spread.noise_share),
            carriers: carriers
                .map(|carrier| CarrierOutput {
                    price: machine.prices[carrier.price].clone(),
                    correlation: carrier.correlation,
                })
                .collect(),
        };
        (own.metric.to_string(), output)
    };
    MachineOutput {
        draws: machine.draws,
        failed_draws: machine.failed,
        prices: machine.prices.len(),
        replications: OWN_REPLICATIONS,
        draw_replications: DRAW_REPLICATIONS,
        machine_level: MACHINE_LEVEL,
        metrics: machine.metrics.iter().map(uncertain).collect(),
    }
}

/// Lines for people, one for each metric.
pub fn human(machine: &Machine) -> String {
    let mut text = format!(
        "\nWhat is not known of the machine: {} draws of {} prices from their ranges\n",
        machine.draws,
        machine.prices.len()
    );
    if let Some(reason) = &machine.reason {
        text.push_str(&format!("{} of the draws cannot run, the first because: {reason}\n", machine.failed));
    }
    let names = machine.metrics.iter().map(|own| own.metric.to_string().chars().count());
    let width = names.max().unwrap_or(0);
    for own in &machine.metrics {
        let unit = own.metric.quantity.unit;
        let (low, high) = (unit.show(own.sampling.low.max(0.0)), unit.show(own.sampling.high));
        let value = unit.show(own.sampling.value);
        let of_machine = own.machine.as_ref().map_or("too few draws can run".to_owned(), |spread| {
            let (low, high) = (unit.show(spread.low), unit.show(spread.high));
            format!("machine {low} to {high}, {}", carriers(spread, machine))
        });
        let name = own.metric.to_string();
        text.push_str(&format!("  {name:<width$}  {value}, sampling {low} to {high}, {of_machine}\n"));
    }
    text
}

/// `mostly fork.per-gib`, `by fork.per-gib, cpu.read`, or that none stands out.
fn carriers(spread: &Spread, machine: &Machine) -> String {
    let Some(first) = spread.carriers.first() else { return "no single price stands out".to_owned() };
    if first.correlation.powi(2) >= MOST {
        return format!("mostly {}", machine.prices[first.price]);
    }
    let named = spread.carriers.iter().take(NAMED);
    let names: Vec<&str> = named.map(|carrier| machine.prices[carrier.price].as_str()).collect();
    format!("by {}", names.join(", "))
}

/// `uncertainty.csv`.
pub fn csv(machine: &Machine, scenario: &str, seed: u64) -> Vec<u8> {
    let header = COLUMNS.iter().map(|column| column.0.to_owned()).collect();
    let output = output(machine);
    let row = |own: &Uncertain| {
        let name = own.metric.to_string();
        let values = &output.metrics[&name];
        let ends = values.machine;
        let carriers: Vec<&str> = values.carriers.iter().map(|carrier| carrier.price.as_str()).collect();
        vec![
            scenario.to_owned(),
            seed.to_string(),
            name,
            unit_name(own.metric.quantity.unit).to_owned(),
            values.value.to_string(),
            values.sampling.low.to_string(),
            values.sampling.high.to_string(),
            number(ends.map(|ends| ends.low)),
            number(ends.map(|ends| ends.high)),
            (output.draws - output.failed_draws as u64).to_string(),
            output.failed_draws.to_string(),
            number(values.noise_share),
            carriers.join(" "),
        ]
    };
    table(header, machine.metrics.iter().map(row))
}
