//! Two scenarios in the same random world.

use super::metric::{Better, Metric, Source};
use super::outcome::Outcome;
use crate::stats::interval::LEVEL;
use crate::stats::paired::{Paired, holm};
use crate::stats::sequential::Look;
use crate::units::format_count;

/// A quantile is left out unless so many requests of every replication lie beyond it on average.
const BEYOND: f64 = 10.0;

/// A replication of both.
pub type Pair = (Outcome, Outcome);

/// What can be said of B beside A.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// B is better.
    Better,
    /// B is worse.
    Worse,
    /// B has more or less of something of which neither is better.
    Differs,
    /// The replications do not show a difference.
    NoDifferenceSeen,
    /// There are no values to compare.
    NotComparable,
}

impl Verdict {
    /// In words, as in every output.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Better => "better",
            Verdict::Worse => "worse",
            Verdict::Differs => "differs",
            Verdict::NoDifferenceSeen => "no difference seen",
            Verdict::NotComparable => "not comparable",
        }
    }
}

/// A metric of both.
#[derive(Clone, Debug)]
pub struct Row {
    /// Which.
    pub metric: Metric,
    /// What the replications say, intervals of [`LEVEL`] each; or why they say nothing.
    pub compared: Result<Paired, String>,
    /// The verdict; those of all rows hold together with [`LEVEL`].
    pub verdict: Verdict,
}

/// Compares `metrics`, whose values stand in this order in the outcomes of at least two `pairs`.
pub fn compare(pairs: &[Pair], metrics: &[Metric]) -> Vec<Row> {
    let compared: Vec<_> =
        metrics.iter().enumerate().map(|(index, metric)| paired(pairs, index, metric)).collect();
    // What has no value is no hypothesis.
    let p_values: Vec<f64> = compared.iter().flatten().map(|paired| paired.p_value).collect();
    let mut seen = holm(&p_values, 1.0 - LEVEL).into_iter();
    let rows = metrics.iter().zip(compared).map(|(metric, compared)| {
        let seen = compared.is_ok().then(|| seen.next().unwrap_or(false));
        let verdict = verdict(metric, compared.as_ref().ok(), seen);
        Row { metric: metric.clone(), compared, verdict }
    });
    rows.collect()
}

/// The interval of the difference in the metric number `index`, beside the value of A, for a stopping rule.
pub fn difference_look(pairs: &[Pair], index: usize) -> Option<Look> {
    let (a, b) = values(pairs, index).ok()?;
    let Paired { a, difference, .. } = Paired::of(&a, &b, LEVEL);
    Some(Look { value: a, half_width: 0.5 * (difference.high - difference.low) })
}

fn paired(pairs: &[Pair], index: usize, metric: &Metric) -> Result<Paired, String> {
    if let (Source::Quantile(q), None) = (metric.quantity.source, &metric.scope) {
        let fewest = pairs.iter().map(|(a, b)| a.requests.min(b.requests)).min().unwrap_or(0);
        let needed = (BEYOND / (1.0 - q)).round();
        if (fewest as f64) < needed {
            return Err(format!(
                "needs {} requests a replication, the shortest has {}",
                format_count(needed),
                format_count(fewest as f64)
            ));
        }
    }
    let (a, b) = values(pairs, index)?;
    Ok(Paired::of(&a, &b, LEVEL))
}

/// The values of A and of B, one a replication.
fn values(pairs: &[Pair], index: usize) -> Result<(Vec<f64>, Vec<f64>), String> {
    let of = |side: fn(&Pair) -> &Outcome| -> Vec<f64> {
        pairs.iter().filter_map(|pair| side(pair).values[index]).collect()
    };
    let (a, b) = (of(|pair| &pair.0), of(|pair| &pair.1));
    match (a.len(), b.len(), pairs.len()) {
        (in_a, in_b, n) if in_a == n && in_b == n => Ok((a, b)),
        (0, 0, _) => Err("neither has it".to_owned()),
        (0, _, _) => Err("A does not have it".to_owned()),
        (_, 0, _) => Err("B does not have it".to_owned()),
        (in_a, in_b, n) => Err(format!("{} of {n} replications have no value", n - in_a.min(in_b))),
    }
}

fn verdict(metric: &Metric, paired: Option<&Paired>, seen: Option<bool>) -> Verdict {
    let (Some(paired), Some(seen)) = (paired, seen) else { return Verdict::NotComparable };
    match (seen, metric.quantity.better) {
        (false, _) => Verdict::NoDifferenceSeen,
        (true, Better::Neither) => Verdict::Differs,
        (true, better) if (paired.difference.value < 0.0) == (better == Better::Lower) => Verdict::Better,
        (true, _) => Verdict::Worse,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(replication: u64, values: &[Option<f64>]) -> Outcome {
        Outcome { replication, seed: 1, requests: 5000, values: values.to_vec() }
    }

    fn metrics(names: &[&str]) -> Vec<Metric> {
        names.iter().map(|name| Metric::parse(name).expect("a metric")).collect()
    }

    #[test]
    fn the_better_one_is_the_one_that_has_less_or_more_as_the_metric_says() {
        let pairs: Vec<Pair> = (0..5)
            .map(|r| {
                let noise = r as f64;
                let a = [Some(100.0 + noise), Some(1000.0 + noise), Some(2.0), Some(5.0 + noise)];
                let b = [Some(90.0 + noise), Some(900.0 + noise), Some(3.0), Some(5.0 + noise)];
                (outcome(r, &a), outcome(r, &b))
            })
            .collect();
        let verdicts = |pairs: &[Pair]| -> Vec<Verdict> {
            let rows = compare(pairs, &metrics(&["p50", "throughput", "forks", "mean"]));
            rows.iter().map(|row| row.verdict).collect()
        };
        use Verdict::{Better, Differs, NoDifferenceSeen, Worse};
        assert_eq!(verdicts(&pairs), [Better, Worse, Differs, NoDifferenceSeen]);
        let swapped: Vec<Pair> = pairs.into_iter().map(|(a, b)| (b, a)).collect();
        assert_eq!(verdicts(&swapped), [Worse, Better, Differs, NoDifferenceSeen]);
    }

    #[test]
    fn what_cannot_be_compared_says_why_and_takes_no_part_in_the_level() {
        let pairs: Vec<Pair> = (0..3)
            .map(|r| {
                let last = (r < 2).then_some(1.0);
                (
                    outcome(r, &[Some(1.0), None, last, Some(0.0)]),
                    outcome(r, &[Some(1.0), Some(2.0), Some(1.0), Some(1.0 + r as f64)]),
                )
            })
            .collect();
        let rows = compare(&pairs, &metrics(&["p9999", "sync-full", "write:p99", "loss"]));
        let reasons: Vec<&str> =
            rows.iter().filter_map(|row| row.compared.as_ref().err().map(String::as_str)).collect();
        assert_eq!(
            reasons,
            [
                "needs 100 k requests a replication, the shortest has 5000",
                "A does not have it",
                "1 of 3 replications have no value"
            ]
        );
        assert_eq!(rows[0].verdict, Verdict::NotComparable);
        // 2 ± 2.48 over three replications: alone, and still no difference.
        let loss = rows[3].compared.as_ref().expect("both have it");
        assert!((loss.difference.value - 2.0).abs() < 1e-12 && loss.difference.low < 0.0);
        assert_eq!(rows[3].verdict, Verdict::NoDifferenceSeen);
    }
}
