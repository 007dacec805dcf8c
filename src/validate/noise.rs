//! The machine's own noise: gaps in which spinning threads of ours did not run.
//!
//! What the host takes from a spinning thread it takes from a server, too. A request that comes at a random time meets
//! the rest of a gap; how much that is at a given quantile, how long the longest gap is and how much time all gaps take
//! together say which differences between two runs mean nothing.

use std::time::{Duration, Instant};

use super::metric::Exposure;
use super::observed::DELAYED;
use crate::live::pin::on_busy_cores;
use crate::units::{MILLISECOND, Nanos};

/// A gap shorter than this is the thread's own work.
const SHORTEST: Nanos = 20_000;
/// A spell in which gaps take a larger share of the time is noisy.
const SHARE_MAX: f64 = 0.03;
/// A spell with a longer gap is noisy.
const GAP_MAX: Nanos = 10 * MILLISECOND;

/// Gaps seen in a spell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Canary {
    /// Length of the spell \[ns\].
    pub watched: Nanos,
    /// Gaps \[ns\].
    pub gaps: Vec<Nanos>,
}

impl Canary {
    /// Spins for `length`, on as many threads as a server and its generator will keep busy, and notes when one of them did
    /// not run.
    pub fn watch(length: Duration) -> Canary {
        let gaps = on_busy_cores(|| spin(length)).concat();
        Canary { watched: length.as_nanos() as Nanos, gaps }
    }

    /// Both spells.
    pub fn merge(&mut self, other: &Canary) {
        self.watched += other.watched;
        self.gaps.extend_from_slice(&other.gaps);
    }

    /// Share of the time in gaps, 0 to 1.
    pub fn share(&self) -> f64 {
        self.gaps.iter().sum::<Nanos>() as f64 / self.watched.max(1) as f64
    }

    /// Longest gap \[ns\].
    pub fn longest(&self) -> Nanos {
        self.gaps.iter().copied().max().unwrap_or(0)
    }

    /// Whether a run beside it is worth little.
    pub fn is_noisy(&self) -> bool {
        self.share() > SHARE_MAX || self.longest() > GAP_MAX
    }

    /// Share of requests at random times that gaps alone make wait longer than `x` \[ns\].
    pub fn share_beyond(&self, x: Nanos) -> f64 {
        let rest: Nanos = self.gaps.iter().map(|gap| gap.saturating_sub(x)).sum();
        rest as f64 / self.watched.max(1) as f64
    }

    /// What gaps alone make requests at random times wait, at quantile `q` \[ns\]: a request waits longer than x with the
    /// share of the time that lies in gaps, but for the last x of each.
    pub fn wait(&self, q: f64) -> Nanos {
        let beyond = |x| self.share_beyond(x);
        let (mut low, mut high) = (0, self.longest());
        if beyond(low) <= 1.0 - q {
            return 0;
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            match beyond(middle) <= 1.0 - q {
                true => high = middle,
                false => low = middle,
            }
        }
        high
    }

    /// How much of a figure of `value` that is so exposed is noise, in the figure's unit.
    pub fn reaches(&self, exposure: Exposure, value: f64) -> f64 {
        match exposure {
            Exposure::Share => self.share() * value,
            Exposure::Quantile(hundredths) => self.wait(f64::from(hundredths) / 100.0) as f64,
            Exposure::Delayed => self.share_beyond(DELAYED),
            Exposure::Longest => self.longest() as f64,
            Exposure::None => 0.0,
        }
    }
}

/// Gaps of one thread that spins for `length` \[ns\].
fn spin(length: Duration) -> Vec<Nanos> {
    let start = Instant::now();
    let (mut last, mut gaps) = (start, Vec::new());
    while last - start < length {
        let now = Instant::now();
        let gap = (now - last).as_nanos() as Nanos;
        if gap >= SHORTEST {
            gaps.push(gap);
        }
        last = now;
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::SECOND;

    /// A second with four gaps of 10 ms.
    fn spell() -> Canary {
        Canary { watched: SECOND, gaps: vec![10 * MILLISECOND; 4] }
    }

    #[test]
    fn a_request_waits_for_the_rest_of_a_gap() {
        let canary = spell();
        assert_eq!(canary.wait(0.5), 0, "96 % of requests meet no gap");
        // 4 × (10 ms − x) = 1 % of 1 s.
        assert_eq!(canary.wait(0.99), 7_500_000);
        assert_eq!(canary.wait(0.999), 9_750_000);
        assert_eq!(Canary { watched: SECOND, gaps: vec![] }.wait(0.999), 0);
    }

    #[test]
    fn each_figure_meets_the_part_it_is_exposed_to() {
        let canary = spell();
        assert_eq!(canary.reaches(Exposure::Share, 1000.0), 40.0);
        assert_eq!(canary.reaches(Exposure::Quantile(99), 1.0), 7.5e6);
        assert_eq!(canary.reaches(Exposure::Longest, 1.0), 1e7);
        assert_eq!(canary.reaches(Exposure::Delayed, 1.0), 0.032, "four times 8 of 10 ms");
        assert_eq!(canary.reaches(Exposure::None, 1.0), 0.0);
    }

    #[test]
    fn a_spell_is_noisy_by_share_or_by_a_single_gap() {
        let of = |gaps: &[Nanos]| Canary { watched: SECOND, gaps: gaps.to_vec() };
        assert!(!of(&[MILLISECOND; 30]).is_noisy());
        assert!(of(&[MILLISECOND; 31]).is_noisy());
        assert!(!of(&[10 * MILLISECOND]).is_noisy());
        assert!(of(&[10 * MILLISECOND + 1]).is_noisy());
    }

    #[test]
    fn watching_takes_as_long_as_asked() {
        let canary = Canary::watch(Duration::from_millis(5));
        assert_eq!(canary.watched, 5 * MILLISECOND);
        assert!(canary.gaps.iter().all(|gap| *gap >= SHORTEST));
    }

    #[test]
    fn spells_add_up() {
        let mut both = spell();
        both.merge(&Canary { watched: SECOND, gaps: vec![] });
        assert_eq!((both.share(), both.longest()), (0.02, 10 * MILLISECOND));
    }
}
