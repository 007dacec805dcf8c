//! Each metric of a point over all its replications, with its interval or the reason why there is none.

use super::super::metric::{Metric, Source};
use super::record::Replication;
use crate::observe::result::RunResult;
use crate::observe::sections::Sections;
use crate::stats::estimate;
use crate::stats::interval::{Estimate, of_replications};

/// Sections of a point's whole measured time, shared out over its replications.
const SECTIONS: u64 = 64;
/// Fewest sections of a replication.
const SECTIONS_MIN: u64 = 16;
/// Why a number that is counted once a run has no interval.
const ONE_RUN: &str = "an interval needs two replications";
/// Why a metric has no value.
const NO_SUCH_THING: &str = "the scenario has no such thing";

/// Sections to ask of each of `replications` runs.
pub(in crate::experiment) fn sections(replications: u64) -> u32 {
    (SECTIONS / replications).max(SECTIONS_MIN) as u32
}

/// One estimate for each of `metrics`: of replications, and the sections of each.
pub(in crate::experiment) fn all(
    metrics: &[Metric],
    replications: &[Replication],
    sections: &[&Sections],
) -> Vec<Estimate> {
    let values = |column: usize| replications.iter().filter_map(|run| run.values[column]).collect();
    metrics.iter().enumerate().map(|(column, metric)| one(metric, values(column), sections)).collect()
}

fn one(metric: &Metric, values: Vec<f64>, sections: &[&Sections]) -> Estimate {
    let scope = metric.scope.as_deref().unwrap_or("all");
    if values.is_empty() {
        return Estimate::missing(NO_SUCH_THING);
    }
    match metric.quantity.source {
        Source::Quantile(q) => estimate::quantile(sections, scope, q),
        Source::Mean => estimate::mean(sections, scope),
        Source::Max => Estimate::bare(values.into_iter().fold(f64::MIN, f64::max), estimate::MAXIMUM),
        Source::Run(_) => match values[..] {
            [value] => Estimate::bare(value, ONE_RUN),
            _ => of_replications(&values),
        },
    }
}

/// What a run gave: requests and values.
pub(in crate::experiment) fn replication(run: &RunResult, metrics: &[Metric]) -> Replication {
    Replication { requests: run.requests, values: metrics.iter().map(|metric| metric.of(run)).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::builtin;
    use crate::scenario::resolve::{Overrides, resolve};
    use crate::sim::{RunOptions, run};

    #[test]
    fn a_single_run_has_intervals_of_what_its_sections_show_and_reasons_for_the_rest() {
        let set = ["run.duration=40s", "run.warmup=1s", "dataset.keys=100k", "redis.save=\"\""];
        let overrides = Overrides { set: set.map(str::to_owned).to_vec(), ..Overrides::default() };
        let text = builtin::get("article").expect("built in");
        let scenario =
            resolve(text, "article", std::path::Path::new("."), &overrides).expect("a sound scenario");
        let options = RunOptions { sections: sections(1), ..RunOptions::default() };
        let run = run(&scenario, &options, &mut |_| true).expect("it runs");
        let metrics = ["mean", "p50", "max", "busy"].map(|name| Metric::parse(name).expect("a metric"));
        let all = all(&metrics, &[replication(&run, &metrics)], &[&run.sections]);
        for (metric, estimate) in metrics.iter().zip(&all) {
            let (value, own) = (estimate.value.expect("it is there"), metric.of(&run).expect("it is there"));
            assert!((value / own - 1.0).abs() < 2e-3, "{metric}: {value} for {own}");
        }
        assert!(
            all[..2].iter().all(|estimate| estimate.low < estimate.value && estimate.value < estimate.high)
        );
        assert!(all[2..].iter().all(|estimate| estimate.low.is_none() && estimate.reason.is_some()));
    }
}
