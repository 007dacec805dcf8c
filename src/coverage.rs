//! How often 95 % intervals of quantiles hold the truth: the check of `stats::estimate` by repetition.
//!
//! Each trial is a short run as a user would make it, with its sections and intervals; the truth is a closed form, or a run
//! a hundred times as long. Of the trials that gave an interval, 95 % should hold the truth; the others said that there is
//! too little data, and how many did is part of the answer: a run that is refused only when it has seen too little of the
//! tail leaves runs that have seen much of it, so that the rest cannot cover as often where many are refused.

mod queue;

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::observe::sections::Sections;
use crate::scenario::resolve::{Overrides, resolve};
use crate::scenario::{Scenario, builtin};
use crate::sim::{RunOptions, run};
use crate::stats::estimate::{self, SECTIONS};
use crate::stats::interval::Estimate;

pub use queue::{Queue, Vacations};

/// Quantiles that are looked at.
pub const QUANTILES: [f64; 3] = [0.5, 0.99, 0.999];
/// Length of the run that gives the truth, in trials.
const TRUTH: u64 = 100;
/// Seed of trials and of the truth.
const SEEDS: (u64, u64) = (1, 2);

/// Something whose quantiles are known.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name.
    pub name: &'static str,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    /// A queue with a closed form.
    Queue(Queue),
    /// A scenario, and the same for longer.
    Scenario(Box<(Scenario, Scenario)>),
}

/// Built-in scenarios and what makes them short: (name of the case, scenario, settings, minutes). The first at a tenth
/// of its rate has the same forks; the second rewrites its AOF every half minute.
const SCENARIOS: [(&str, &str, &[&str], u64); 2] = [
    ("article", "article", &["workload.rate=500/s"], 60),
    (
        "everysec-rewrite",
        "persistence-everysec",
        &["workload.rate=500/s", "dataset.keys=10000", "redis.auto-aof-rewrite-min-size=1mb"],
        30,
    ),
];

/// All cases: queues with a closed form, then scenarios.
pub fn cases() -> Vec<Case> {
    let queues = queue::ALL.iter().map(|&(name, queue)| Case { name, kind: Kind::Queue(queue) });
    let scenarios = SCENARIOS.iter().map(|&(name, builtin, settings, minutes)| {
        let short = scenario(builtin, settings, minutes, SEEDS.0);
        let long = scenario(builtin, settings, minutes * TRUTH, SEEDS.1);
        Case { name, kind: Kind::Scenario(Box::new((short, long))) }
    });
    queues.chain(scenarios).collect()
}

fn scenario(name: &str, settings: &[&str], minutes: u64, seed: u64) -> Scenario {
    let text = builtin::get(name).expect("cases name built-in scenarios");
    let length = [format!("run.duration={minutes}min"), "run.windows=[]".to_owned()];
    let set = settings.iter().map(|setting| setting.to_string()).chain(length).collect();
    let overrides = Overrides { set, seed: Some(seed), ..Overrides::default() };
    resolve(text, name, Path::new("."), &overrides)
        .unwrap_or_else(|problems| panic!("case {name}:\n{problems}"))
}

impl Case {
    /// The true quantiles \[ns\], in the order of [`QUANTILES`].
    pub fn truth(&self) -> [f64; 3] {
        match &self.kind {
            Kind::Queue(queue) => QUANTILES.map(|q| queue.quantile(q)),
            Kind::Scenario(both) => {
                let sections = simulate(&both.1, 0);
                QUANTILES.map(|q| estimate::pooled(&[&sections], "all", q).expect("requests"))
            }
        }
    }

    /// The estimates of trial number `number`, from 0.
    pub fn trial(&self, number: u64) -> [Estimate; 3] {
        let sections = match &self.kind {
            Kind::Queue(queue) => queue.simulate(SEEDS.0, number, SECTIONS),
            // Replication 0 has no random phase.
            Kind::Scenario(both) => simulate(&both.0, number + 1),
        };
        QUANTILES.map(|q| estimate::quantile(&[&sections], "all", q))
    }

    /// Makes `trials` of them on `jobs` threads; `done` is told after each.
    pub fn measure(&self, trials: u64, jobs: usize, done: &(dyn Fn() + Sync)) -> [Coverage; 3] {
        let truth = self.truth();
        let counts = Mutex::new(truth.map(Coverage::of));
        let next = AtomicU64::new(0);
        // Sums of whole numbers do not depend on the order in which threads add to them.
        std::thread::scope(|scope| {
            for _ in 0..jobs.max(1) {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= trials {
                            break;
                        }
                        let estimates = self.trial(number);
                        let mut counts = counts.lock().expect("no trial panics while it counts");
                        counts.iter_mut().zip(&estimates).for_each(|(count, estimate)| count.add(estimate));
                        done();
                    }
                });
            }
        });
        counts.into_inner().expect("no trial panics while it counts")
    }
}

fn simulate(scenario: &Scenario, replication: u64) -> Sections {
    let options = RunOptions { replication, sections: SECTIONS, random_phase: true, ..RunOptions::default() };
    run(scenario, &options, &mut |_| true).expect("cases are not overloaded").sections
}

/// How often intervals held the truth.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Coverage {
    /// The truth \[ns\].
    pub truth: f64,
    /// Trials.
    pub trials: u64,
    /// Trials that gave an interval.
    pub given: u64,
    /// Intervals that held the truth.
    pub covered: u64,
    /// Sum of half widths over values, in millionths, of the intervals given.
    widths: u64,
}

impl Coverage {
    /// No trials yet, against `truth` \[ns\].
    pub fn of(truth: f64) -> Self {
        Coverage { truth, ..Coverage::default() }
    }

    /// Counts one trial.
    pub fn add(&mut self, estimate: &Estimate) {
        self.trials += 1;
        let (Some(low), Some(high)) = (estimate.low, estimate.high) else { return };
        self.given += 1;
        self.covered += u64::from(low <= self.truth && self.truth <= high);
        self.widths += (1e6 * estimate.relative_half_width().unwrap_or(0.0)) as u64;
    }

    /// Share of the intervals that held the truth; none without any.
    pub fn share(&self) -> Option<f64> {
        (self.given > 0).then(|| self.covered as f64 / self.given as f64)
    }

    /// 95 % interval of that share (Wilson 1927).
    pub fn share_interval(&self) -> Option<(f64, f64)> {
        const Z: f64 = 1.959_963_984_540_054;
        let (share, n) = (self.share()?, self.given as f64);
        let middle = (share + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
        let half = Z / (1.0 + Z * Z / n) * libm::sqrt(share * (1.0 - share) / n + Z * Z / (4.0 * n * n));
        Some((middle - half, middle + half))
    }

    /// Mean half width over value of the intervals given; none without any.
    pub fn half_width(&self) -> Option<f64> {
        (self.given > 0).then(|| self.widths as f64 / 1e6 / self.given as f64)
    }

    /// Share of the trials that said there is too little data.
    pub fn refused(&self) -> f64 {
        (self.trials - self.given) as f64 / self.trials.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_have_their_interval() {
        let coverage = Coverage { truth: 1.0, trials: 110, given: 100, covered: 95, widths: 5_000_000 };
        let (low, high) = coverage.share_interval().expect("intervals");
        assert!((low - 0.8882).abs() < 1e-4 && (high - 0.9785).abs() < 1e-4, "{low} {high}");
        assert_eq!((coverage.half_width(), coverage.share()), (Some(0.05), Some(0.95)));
        assert!((coverage.refused() - 10.0 / 110.0).abs() < 1e-12);
        assert_eq!(Coverage::default().share_interval(), None);
    }

    #[test]
    fn every_case_resolves() {
        assert!(cases().len() >= 5);
    }
}
