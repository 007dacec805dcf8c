//! The best of several systems with a promised probability, at the price of as few runs as that takes.
//!
//! Method: the fully sequential procedure KN of Kim and Nelson (ACM TOMACS 11, 2001, 251–273, with c = 1). After a first
//! stage of n₀ replications of every system, one more of each at a time; a system goes as soon as another's mean is ahead
//! by more than W = max(0, δ/2r · (h²S²/δ² − r)), S² being the variance of the difference of the two in the first stage.
//! Replications of the systems may share their random world, which makes S² small: the procedure does not ask for
//! independence across systems, only for normal values, independent across replications.
//!
//! Promise: when the best mean is ahead of all others by δ or more, it is chosen with probability 1 − α at least. When
//! some are closer to it than δ, one of those is.

use super::paired::Moments;

/// The procedure under way. The best system is the one with the smallest mean.
#[derive(Clone, Debug)]
pub struct Selection {
    delta: f64,
    /// h² of the paper.
    h2: f64,
    systems: Vec<System>,
    /// Variance of the difference of each two, in the first stage.
    variances: Vec<Vec<f64>>,
    /// Replications so far of those that are left.
    replications: u64,
}

#[derive(Clone, Debug)]
struct System {
    sum: f64,
    /// Replications after which it went.
    gone_after: Option<u64>,
    /// The system that was ahead of it.
    beaten_by: Option<usize>,
}

impl Selection {
    /// From the first stage of each system: n₀ ≥ 2 values each, of the same replications.
    ///
    /// `alpha` in (0, 1 − 1/k) is the probability of a wrong choice, `delta` > 0 the smallest difference that matters.
    ///
    /// # Panics
    /// For values out of range, or stages of unequal length.
    pub fn new(first: &[Vec<f64>], alpha: f64, delta: f64) -> Selection {
        let n0 = first.first().map_or(0, Vec::len);
        assert!(n0 >= 2 && first.iter().all(|values| values.len() == n0), "a first stage of equal length");
        assert!(delta > 0.0 && alpha > 0.0 && alpha < 1.0, "delta {delta}, alpha {alpha}");
        let systems =
            first.iter().map(|values| System { sum: values.iter().sum(), gone_after: None, beaten_by: None });
        let variance = |a: &[f64], b: &[f64]| {
            let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
            Moments::of(&differences).variance
        };
        let mut selection = Selection {
            delta,
            h2: h_squared(first.len(), n0, alpha),
            systems: systems.collect(),
            variances: first.iter().map(|a| first.iter().map(|b| variance(a, b)).collect()).collect(),
            replications: n0 as u64,
        };
        selection.screen();
        selection
    }

    /// One more replication: a value for each system that is left, in the order of [`left`](Self::left).
    ///
    /// # Panics
    /// If the number of values is another.
    pub fn add(&mut self, values: &[f64]) {
        let left = self.left();
        assert_eq!(values.len(), left.len(), "a value for each system that is left");
        left.iter().zip(values).for_each(|(&index, value)| self.systems[index].sum += value);
        self.replications += 1;
        self.screen();
    }

    /// The systems still in the race, by number.
    pub fn left(&self) -> Vec<usize> {
        (0..self.systems.len()).filter(|&index| self.systems[index].gone_after.is_none()).collect()
    }

    /// The best, once it is alone.
    pub fn best(&self) -> Option<usize> {
        let left = self.left();
        (left.len() == 1).then(|| left[0])
    }

    /// Replications so far of those that are left.
    pub fn replications(&self) -> u64 {
        self.replications
    }

    /// Replications after which `system` went and who was ahead of it; none while it is in the race.
    pub fn gone(&self, system: usize) -> Option<(u64, usize)> {
        let System { gone_after, beaten_by, .. } = &self.systems[system];
        (*gone_after).zip(*beaten_by)
    }

    /// Mean of `system` over its replications.
    pub fn mean(&self, system: usize) -> f64 {
        let System { sum, gone_after, .. } = &self.systems[system];
        sum / gone_after.unwrap_or(self.replications) as f64
    }

    /// Replications after which the race is over at the latest, as far as those that are left go.
    pub fn at_most(&self) -> u64 {
        let left = self.left();
        let pairs = left.iter().flat_map(|&a| left.iter().map(move |&b| (a, b)));
        let longest = pairs.map(|(a, b)| self.reach(a, b)).fold(0.0, f64::max);
        (longest.floor() as u64 + 1).max(self.replications)
    }

    /// h²S²/δ²: from so many replications on the smallest lead decides between two.
    fn reach(&self, a: usize, b: usize) -> f64 {
        self.h2 * self.variances[a][b] / (self.delta * self.delta)
    }

    /// Takes out every system that another in the race is ahead of by enough.
    fn screen(&mut self) {
        let left = self.left();
        let r = self.replications as f64;
        for &system in &left {
            let ahead = left.iter().copied().filter(|&other| other != system).find(|&other| {
                let lead = (self.systems[system].sum - self.systems[other].sum) / r;
                let margin = (self.delta / (2.0 * r) * (self.reach(system, other) - r)).max(0.0);
                // Of two that are equal to the last bit the first stays.
                lead > margin || (lead == margin && margin == 0.0 && other < system)
            });
            if let Some(other) = ahead {
                self.systems[system].gone_after = Some(self.replications);
                self.systems[system].beaten_by = Some(other);
            }
        }
    }
}

/// h² = 2η(n₀ − 1) with η = ½((2α/(k − 1))^(−2/(n₀ − 1)) − 1), for `k` systems.
fn h_squared(k: usize, n0: usize, alpha: f64) -> f64 {
    let degrees = (n0 - 1) as f64;
    let share = 2.0 * alpha / (k.max(2) - 1) as f64;
    let eta = 0.5 * (libm::pow(share, -2.0 / degrees) - 1.0);
    (2.0 * eta * degrees).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::normal_quantile;
    use crate::rng::{Stream, StreamId, Streams, Uniform};

    const N0: usize = 10;
    const ALPHA: f64 = 0.05;

    /// Systems whose best is ahead of all others by `delta`: the case in which KN has least to spare.
    struct Slippage {
        systems: usize,
        delta: f64,
        /// Correlation of the systems' values.
        correlation: f64,
    }

    impl Slippage {
        /// One replication. The best system is the last, since ties favour the first.
        fn values(&self, stream: &mut Stream) -> Vec<f64> {
            let mut normal = || normal_quantile(stream.unit());
            let shared = self.correlation.sqrt() * normal();
            let own = (1.0 - self.correlation).sqrt();
            let mean = |index: usize| if index + 1 == self.systems { 0.0 } else { self.delta };
            (0..self.systems).map(|index| mean(index) + shared + own * normal()).collect()
        }

        /// Whether the best was chosen, and after how many runs in all; `factor` is a mistake in h².
        fn race(&self, stream: &mut Stream, factor: f64) -> (bool, u64) {
            let mut first = vec![Vec::new(); self.systems];
            for _ in 0..N0 {
                self.values(stream).into_iter().zip(&mut first).for_each(|(value, own)| own.push(value));
            }
            let mut selection = Selection::new(&first, ALPHA, self.delta);
            selection.h2 *= factor;
            let mut runs = (N0 * self.systems) as u64;
            while selection.best().is_none() {
                let values = self.values(stream);
                let left = selection.left();
                runs += left.len() as u64;
                selection.add(&left.iter().map(|&index| values[index]).collect::<Vec<_>>());
            }
            (selection.best() == Some(self.systems - 1), runs)
        }

        fn share_and_runs(&self, races: usize, factor: f64) -> (f64, f64) {
            let mut stream = Streams::new(21, 0).open(StreamId::Arrivals, 0);
            let all: Vec<_> = (0..races).map(|_| self.race(&mut stream, factor)).collect();
            let right = all.iter().filter(|race| race.0).count() as f64;
            (right / races as f64, all.iter().map(|race| race.1 as f64).sum::<f64>() / races as f64)
        }
    }

    /// Two systems close to one another: the random walk of their difference is nearly a Brownian motion, for which the
    /// promise is kept exactly.
    const CLOSE: Slippage = Slippage { systems: 2, delta: 0.1, correlation: 0.8 };
    const RACES: usize = 8000;

    /// Four standard errors of the share of right choices.
    fn tolerance() -> f64 {
        4.0 * (ALPHA * (1.0 - ALPHA) / RACES as f64).sqrt()
    }

    #[test]
    fn the_best_is_chosen_as_often_as_promised() {
        let (right, _) = CLOSE.share_and_runs(RACES, 1.0);
        assert!((right - (1.0 - ALPHA)).abs() < tolerance(), "{right}");
        // A constant a fifth too small or a third too large is noticed.
        let (right, _) = CLOSE.share_and_runs(RACES, 0.8);
        assert!(right < 1.0 - ALPHA - tolerance(), "{right}");
        let (right, _) = CLOSE.share_and_runs(RACES, 4.0 / 3.0);
        assert!(right > 1.0 - ALPHA + tolerance(), "{right}");
    }

    #[test]
    fn among_many_the_best_is_chosen_at_least_as_often() {
        for (systems, correlation) in [(5, 0.8), (10, 0.5), (3, 0.0)] {
            let case = Slippage { systems, delta: 0.4, correlation };
            let (right, _) = case.share_and_runs(RACES, 1.0);
            assert!(right > 1.0 - ALPHA - tolerance(), "{systems} systems: {right}");
        }
    }

    #[test]
    fn a_shared_world_and_worse_systems_make_it_cheaper() {
        let runs = |case: &Slippage| case.share_and_runs(500, 1.0).1;
        let apart = Slippage { systems: 5, delta: 0.3, correlation: 0.0 };
        let together = Slippage { correlation: 0.8, ..apart };
        // Variances of differences are five times smaller; the first stage is there in both.
        assert!(runs(&together) < 0.4 * runs(&apart), "{} against {}", runs(&together), runs(&apart));
    }

    /// ½(1 + h²/(n₀ − 1))^(−(n₀ − 1)/2) = α/(k − 1): the chance of a wrong choice over the distribution of S².
    #[test]
    fn the_constant_solves_its_equation() {
        for (k, n0, alpha) in [(2, 10, 0.05), (5, 10, 0.05), (10, 20, 0.01), (3, 2, 0.1)] {
            let degrees = (n0 - 1) as f64;
            let wrong = 0.5 * libm::pow(1.0 + h_squared(k, n0, alpha) / degrees, -degrees / 2.0);
            assert!((wrong * (k - 1) as f64 / alpha - 1.0).abs() < 1e-12, "{k} systems: {wrong}");
        }
    }

    #[test]
    fn the_race_ends_in_time_and_says_who_beat_whom() {
        let first = vec![vec![1.0, 2.0, 3.0], vec![1.5, 2.0, 3.5], vec![9.0, 9.5, 11.0]];
        let mut selection = Selection::new(&first, 0.05, 0.1);
        assert_eq!(selection.gone(2).expect("far behind").0, 3);
        let last = selection.at_most();
        while selection.best().is_none() {
            selection.add(&[2.0, 2.0]);
        }
        assert!(selection.replications() <= last, "{} of {last}", selection.replications());
        assert_eq!((selection.best(), selection.gone(1).map(|gone| gone.1)), (Some(0), Some(0)));
        assert!((selection.mean(2) - 29.5 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn of_equals_the_first_stays() {
        let selection = Selection::new(&[vec![1.0, 2.0], vec![1.0, 2.0]], 0.05, 0.1);
        assert_eq!((selection.best(), selection.at_most()), (Some(0), 2));
    }
}
