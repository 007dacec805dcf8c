//! The queue that everybody simulates, what theory says of it, and whether a peer got it right.

use rustix::time::{ClockId, clock_gettime};
use writepath::observe::histogram::Histogram;
use writepath::stats::queueing::{mm1_sojourn_quantile, mm1_wait};

/// Mean service time \[s\].
pub const SERVICE: f64 = 1e-3;
/// Arrivals a second: a Poisson process at utilisation 0.8.
pub const RATE: f64 = 800.0;
/// Customers that arrive before this count for the speed alone \[ns\]: a run begins with an empty queue, whose
/// relaxation time is 1 / (1 − √ρ)² = 90 services.
pub const WARM_UP: u64 = 2_000_000_000;

const NS: f64 = 1e9;

/// What one replication gave.
pub struct Replication {
    /// Customers served, those of the warm-up among them.
    pub customers: u64,
    /// CPU time of this process, or of the interpreter, for all of them \[s\].
    pub cpu: f64,
    /// Sojourns of those after the warm-up \[ns\].
    pub sojourns: Histogram,
}

impl Replication {
    /// Times `simulate`, which returns the customers it served and their sojourns.
    pub fn timed(simulate: impl FnOnce() -> (u64, Histogram)) -> Self {
        let start = cpu_time();
        let (customers, sojourns) = simulate();
        Replication { customers, cpu: cpu_time() - start, sojourns }
    }
}

/// CPU time of this process \[s\]: other programs on the machine take none of it.
fn cpu_time() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / NS
}

/// A figure of the queue with its standard error over independent replications \[s\].
#[derive(Clone, Copy, Debug)]
pub struct Estimate {
    /// Of all replications together.
    pub value: f64,
    /// Standard error of that.
    pub error: f64,
}

impl Estimate {
    fn new(pooled: f64, each: &[f64]) -> Self {
        let n = each.len() as f64;
        let mean = each.iter().sum::<f64>() / n;
        let squares: f64 = each.iter().map(|value| (value - mean) * (value - mean)).sum();
        Estimate { value: pooled / NS, error: (squares / (n - 1.0) / n).sqrt() / NS }
    }

    /// Whether `expected` lies within four standard errors.
    pub fn agrees_with(&self, expected: f64) -> bool {
        (self.value - expected).abs() <= 4.0 * self.error
    }
}

/// Mean and P99 of the sojourns over replications of one peer.
pub fn estimates(replications: &[Replication]) -> (Estimate, Estimate) {
    let mut pooled = Histogram::new();
    replications.iter().for_each(|replication| pooled.merge(&replication.sojourns));
    let of = |figure: fn(&Histogram) -> f64| {
        let each: Vec<f64> = replications.iter().map(|replication| figure(&replication.sojourns)).collect();
        Estimate::new(figure(&pooled), &each)
    };
    (of(Histogram::mean), of(|sojourns| sojourns.quantile(0.99) as f64))
}

/// What theory says of a peer's sojourns \[s\].
#[derive(Clone, Copy, Debug)]
pub struct Theory {
    /// Mean.
    pub mean: f64,
    /// P99, where it has a closed form.
    pub p99: Option<f64>,
}

/// M/M/1, first come, first served: the sojourn is exponential with mean 1 / (μ − λ).
pub fn mm1() -> Theory {
    let wait = mm1_wait(RATE, SERVICE).expect("utilisation below 1");
    Theory { mean: wait + SERVICE, p99: mm1_sojourn_quantile(RATE, SERVICE, 0.99) }
}

/// The same queue where replies leave together at the end of a turn, as an event loop sends them: the wait W becomes
/// W (1 + 2ρ) / (1 + ρ). Derived in `tests/it/queueing.rs`; the distribution has no closed form.
pub fn replies_by_turns() -> Theory {
    let (wait, rho) = (mm1_wait(RATE, SERVICE).expect("utilisation below 1"), RATE * SERVICE);
    Theory { mean: SERVICE + wait * (1.0 + 2.0 * rho) / (1.0 + rho), p99: None }
}

impl Theory {
    /// What is wrong with `replications`, if something is.
    pub fn refutes(&self, replications: &[Replication]) -> Option<String> {
        let (mean, p99) = estimates(replications);
        let checks = [("mean", mean, Some(self.mean)), ("P99", p99, self.p99)];
        let faults: Vec<String> = checks
            .into_iter()
            .filter_map(|(what, estimate, expected)| Some((what, estimate, expected?)))
            .filter(|(_, estimate, expected)| !estimate.agrees_with(*expected))
            .map(|(what, estimate, expected)| {
                let Estimate { value, error } = estimate;
                format!("{what} {value:.6} s, standard error {error:.6} s, against {expected:.6} s")
            })
            .collect();
        (!faults.is_empty()).then(|| faults.join("; "))
    }
}
