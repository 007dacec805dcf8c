//! Two uncertainties of one number, kept apart: that of sampling, and what is not known of the machine.
//!
//! The metric is taken for several draws of the machine, the same replications of each. A value is then what the draw
//! makes of it, what the replication makes of it, and a rest; the means of the draws are spread by the machine and by
//! the rest alone, because every draw has the same replications (common random numbers). The variance of the rest is
//! estimated from the table (two ways, one value a cell), and the means are drawn together by so much as it accounts
//! for, so that their own spread is that of the machine (Louis, JASA 79, 1984). The prices that carry it are those
//! with which the means are correlated in rank beyond chance, by Holm's procedure over all prices at 5 %; what a
//! price does up and down at once is not seen by ranks.

use crate::stats::paired::{Interval, holm};
use crate::stats::student;

/// Probability that the interval of the machine holds a draw.
pub const MACHINE_LEVEL: f64 = 0.9;
/// Probability of naming a price that does nothing.
const CARRIER_ALPHA: f64 = 0.05;
/// Fewer draws that run say nothing.
pub const DRAWS_MIN: usize = 10;

/// What the machine's unknown prices make of a metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Spread {
    /// Where the metric is in 90 % of the draws that run, sampling taken out.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Draws that could run.
    pub draws: usize,
    /// Draws that could not.
    pub failed: usize,
    /// Share of the variance over the draws that the sampling of the draws made, 0 to 1.
    pub noise_share: f64,
    /// Prices that carry it, largest first.
    pub carriers: Vec<Carrier>,
}

/// A price that carries a part of the spread.
#[derive(Clone, Debug, PartialEq)]
pub struct Carrier {
    /// Number of the price among those drawn.
    pub price: usize,
    /// Correlation of ranks between price and metric, −1 to 1. Its square is about the share of the variance.
    pub correlation: f64,
}

/// The spread of a metric over draws: for each draw its shares (one for each price) and its values (one for each
/// replication); no values for a draw that could not run. None if fewer than [`DRAWS_MIN`] could.
pub fn spread(draws: &[(Vec<f64>, Option<Vec<f64>>)]) -> Option<Spread> {
    let ran: Vec<(&[f64], &[f64])> =
        draws.iter().filter_map(|(shares, values)| Some((&shares[..], values.as_deref()?))).collect();
    if ran.len() < DRAWS_MIN {
        return None;
    }
    let values: Vec<&[f64]> = ran.iter().map(|draw| draw.1).collect();
    let positive = values.iter().all(|row| row.iter().all(|&value| value > 0.0));
    // Prices multiply: their spread is alike on both sides in the logarithm.
    let to = |value: f64| if positive { libm::log(value) } else { value };
    let from = |value: f64| if positive { libm::exp(value) } else { value };
    let table: Vec<Vec<f64>> =
        values.iter().map(|row| row.iter().map(|&value| to(value)).collect()).collect();
    let means: Vec<f64> = table.iter().map(|row| mean(row)).collect();
    let noise_share = noise_share(&table, &means);
    let centre = mean(&means);
    let kept = (1.0 - noise_share).sqrt();
    let mut own: Vec<f64> = means.iter().map(|value| from(centre + kept * (value - centre))).collect();
    own.sort_by(f64::total_cmp);
    let beyond = (1.0 - MACHINE_LEVEL) / 2.0;
    Some(Spread {
        low: quantile(&own, beyond),
        high: quantile(&own, 1.0 - beyond),
        draws: ran.len(),
        failed: draws.len() - ran.len(),
        noise_share,
        carriers: carriers(&ran, &means),
    })
}

/// Share of the variance of the means that the rest accounts for.
fn noise_share(table: &[Vec<f64>], means: &[f64]) -> f64 {
    let (draws, replications) = (table.len(), table[0].len());
    let centre = mean(means);
    let variance = means.iter().map(|value| (value - centre).powi(2)).sum::<f64>() / (draws - 1) as f64;
    if replications < 2 || variance <= 0.0 {
        return 0.0;
    }
    let of_replication: Vec<f64> = (0..replications)
        .map(|replication| table.iter().map(|row| row[replication]).sum::<f64>() / draws as f64)
        .collect();
    let rest = |(row, own): (&Vec<f64>, &f64)| -> f64 {
        row.iter().zip(&of_replication).map(|(value, other)| (value - own - other + centre).powi(2)).sum()
    };
    let squares: f64 = table.iter().zip(means).map(rest).sum();
    let of_rest = squares / ((draws - 1) * (replications - 1)) as f64;
    (of_rest / replications as f64 / variance).min(1.0)
}

fn carriers(ran: &[(&[f64], &[f64])], means: &[f64]) -> Vec<Carrier> {
    let ranks_of_means = ranks(means);
    let prices = ran[0].0.len();
    let correlations: Vec<f64> = (0..prices)
        .map(|price| {
            let shares: Vec<f64> = ran.iter().map(|draw| draw.0[price]).collect();
            correlation(&ranks(&shares), &ranks_of_means)
        })
        .collect();
    let p_values: Vec<f64> = correlations.iter().map(|&own| p_value(own, ran.len())).collect();
    let seen = holm(&p_values, CARRIER_ALPHA);
    let mut found: Vec<Carrier> = (0..prices)
        .filter(|&price| seen[price])
        .map(|price| Carrier { price, correlation: correlations[price] })
        .collect();
    found.sort_by(|one, other| other.correlation.abs().total_cmp(&one.correlation.abs()));
    found
}

/// Probability of a correlation of ranks at least as large between independent things (Student's t, good from ten on).
fn p_value(correlation: f64, n: usize) -> f64 {
    let left = 1.0 - correlation * correlation;
    let degrees = n as u64 - 2;
    if left <= 0.0 {
        0.0
    } else {
        1.0 - student::probability_within(degrees as u32, correlation.abs() * (degrees as f64 / left).sqrt())
    }
}

/// Ranks from 0; equal values share the mean of theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&one, &other| values[one].total_cmp(&values[other]).then(one.cmp(&other)));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    for run in order.chunk_by(|&one, &other| values[one] == values[other]) {
        let rank = first as f64 + (run.len() - 1) as f64 / 2.0;
        run.iter().for_each(|&index| ranks[index] = rank);
        first += run.len();
    }
    ranks
}

/// Pearson's correlation; 0 if one of the two never varies.
fn correlation(one: &[f64], other: &[f64]) -> f64 {
    let (a, b) = (mean(one), mean(other));
    let product = |x: &[f64], a: f64, y: &[f64], b: f64| -> f64 {
        x.iter().zip(y).map(|(x, y)| (x - a) * (y - b)).sum()
    };
    let squares = product(one, a, one, a) * product(other, b, other, b);
    if squares > 0.0 { product(one, a, other, b) / squares.sqrt() } else { 0.0 }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Quantile of sorted values, which divide the probability into n + 1 equal parts (Hyndman and Fan's sixth); the
/// outermost value beyond them.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len() - 1;
    let place = (share * (sorted.len() + 1) as f64 - 1.0).clamp(0.0, last as f64);
    let below = place as usize;
    sorted[below] + (place - below as f64) * (sorted[(below + 1).min(last)] - sorted[below])
}

/// Whether a conclusion about a difference holds for all machines of the ranges.
#[derive(Clone, Debug, PartialEq)]
pub struct Flips {
    /// Draws in which the difference has the same sign as for the model's own prices, beyond its interval.
    pub same: usize,
    /// Draws in which no difference is seen.
    pub unseen: usize,
    /// Draws in which it has the opposite sign, beyond its interval.
    pub opposite: usize,
    /// Whether the opposite is seen in more draws than chance would show; always false without a conclusion.
    pub flips: bool,
}

/// Compares the interval of a difference under the model's own prices with that under each draw. `level` is their
/// confidence: each end is passed by chance with probability (1 − level) / 2, and only more opposite draws than this
/// explains at 5 % are a flip.
pub fn flips(own: &Interval, draws: &[Interval], level: f64) -> Flips {
    let sign = |interval: &Interval| i32::from(interval.low > 0.0) - i32::from(interval.high < 0.0);
    let count = |wanted: i32| draws.iter().filter(|draw| sign(draw) == wanted).count();
    let conclusion = sign(own);
    let unseen = count(0);
    if conclusion == 0 {
        return Flips { same: 0, unseen, opposite: 0, flips: false };
    }
    let (same, opposite) = (count(conclusion), count(-conclusion));
    let by_chance = at_least(opposite, draws.len(), (1.0 - level) / 2.0);
    Flips { same, unseen, opposite, flips: opposite > 0 && by_chance < 0.05 }
}

/// Probability of at least `k` successes of `n`, each with probability `p` < 1.
fn at_least(k: usize, n: usize, p: f64) -> f64 {
    let (mut term, mut below) = (libm::pow(1.0 - p, n as f64), 0.0);
    for successes in 0..k {
        below += term;
        term *= (n - successes) as f64 / (successes + 1) as f64 * p / (1.0 - p);
    }
    1.0 - below
}

#[cfg(test)]
#[path = "uncertainty_tests.rs"]
mod tests;
