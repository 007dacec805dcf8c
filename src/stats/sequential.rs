//! How many replications a wanted precision takes, when that is found on the way.
//!
//! Method: the sequential rule of Chow and Robbins (1965): go on until the interval is narrow enough. It is right in the
//! limit of narrow intervals; before that, stopping at the first narrow one makes intervals cover less often than they
//! say, most of all when the first looks come early. So the first look comes after [`FIRST`] replications, and later ones
//! where the precision is expected to be met, some five in all. Intervals of 95 % then cover in 94 % or more for normal
//! values; for skewed ones (exponential) in 93 %.

/// Replications before the first look.
pub const FIRST: u64 = 10;
/// From one look to the next the number of replications grows by a tenth at least …
const GROWTH_LEAST: u64 = 10;
/// … and doubles at most, since a variance from few values says little.
const GROWTH_MOST: u64 = 2;

/// The half width of an interval that is wanted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Width {
    /// A share of the value itself, > 0.
    Relative(f64),
    /// In the unit of the value, > 0.
    Absolute(f64),
}

/// One number at a look: its interval so far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    /// Estimate.
    pub value: f64,
    /// Half the width of its interval, ≥ 0.
    pub half_width: f64,
}

impl Width {
    /// The half width wanted of something that is `value`.
    pub fn of(self, value: f64) -> f64 {
        match self {
            Width::Relative(share) => share * value.abs(),
            Width::Absolute(width) => width,
        }
    }

    /// Whether `look` is precise enough.
    pub fn is_met(self, look: Look) -> bool {
        look.half_width <= self.of(look.value)
    }

    /// Replications after which that is expected, from `look` at `n` of them: intervals shrink with the square root.
    /// At least `n`; [`u64::MAX`] when no number is enough.
    pub fn projected(self, look: Look, n: u64) -> u64 {
        if self.is_met(look) {
            return n;
        }
        let ratio = look.half_width / self.of(look.value);
        // A conversion of a number beyond the range gives its end.
        ((n as f64 * ratio * ratio).ceil() as u64).max(n + 1)
    }
}

/// The number of replications at which to look next after a look at `n`, when `projected` are expected to do.
pub fn next_look(n: u64, projected: u64) -> u64 {
    projected.clamp(n + (n / GROWTH_LEAST).max(2), (GROWTH_MOST * n).max(n + 2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::normal_quantile;
    use crate::rng::{Stream, StreamId, Streams, Uniform};
    use crate::stats::paired::Moments;

    const LEVEL: f64 = 0.95;
    const TRIALS: usize = 10_000;
    /// Standard deviation of the values, whose mean is 1.
    const DEVIATION: f64 = 0.5;

    /// Share of trials whose interval at the end covers, and the mean number of replications. `spoilt` looks from the third
    /// replication on after each.
    fn coverage(width: Width, spoilt: bool) -> (f64, f64) {
        let mut stream = Streams::new(31, 0).open(StreamId::Arrivals, 0);
        let ends: Vec<Moments> = (0..TRIALS).map(|_| stopped(&mut stream, width, spoilt)).collect();
        let covered = ends.iter().filter(|end| (end.mean - 1.0).abs() <= end.half_width(LEVEL)).count();
        let replications: u64 = ends.iter().map(|end| end.n).sum();
        (covered as f64 / TRIALS as f64, replications as f64 / TRIALS as f64)
    }

    fn stopped(stream: &mut Stream, width: Width, spoilt: bool) -> Moments {
        let mut values = Vec::new();
        let mut n = if spoilt { 3 } else { FIRST };
        loop {
            let missing = n as usize - values.len();
            values.extend((0..missing).map(|_| 1.0 + DEVIATION * normal_quantile(stream.unit())));
            let moments = Moments::of(&values);
            let look = Look { value: moments.mean, half_width: moments.half_width(LEVEL) };
            if width.is_met(look) {
                return moments;
            }
            n = if spoilt { n + 1 } else { next_look(n, width.projected(look, n)) };
        }
    }

    #[test]
    fn intervals_after_stopping_cover_nearly_as_often_as_they_say() {
        for width in [Width::Relative(0.2), Width::Absolute(0.2), Width::Relative(0.1), Width::Absolute(0.1)]
        {
            let (covered, _) = coverage(width, false);
            // Four standard errors of so many trials are 0.9 %.
            assert!((0.94 - 0.009..=0.95 + 0.009).contains(&covered), "{width:?}: {covered}");
        }
        let (covered, _) = coverage(Width::Relative(0.2), true);
        assert!(covered < 0.94 - 0.009, "looking early and often is noticed: {covered}");
    }

    #[test]
    fn it_takes_about_as_many_replications_as_if_the_variance_were_known() {
        for wanted in [0.1, 0.05] {
            let known = (normal_quantile(0.5 + LEVEL / 2.0) * DEVIATION / wanted).powi(2);
            let mut stream = Streams::new(32, 0).open(StreamId::Arrivals, 0);
            let total: u64 = (0..500).map(|_| stopped(&mut stream, Width::Absolute(wanted), false).n).sum();
            let mean = total as f64 / 500.0;
            // Never fewer, and no more than the least step from look to look wastes.
            assert!(
                mean > known && mean < known * (1.0 + 1.5 / GROWTH_LEAST as f64),
                "{mean} against {known}"
            );
        }
    }

    #[test]
    fn looks_come_where_the_precision_is_expected_but_neither_too_early_nor_too_late() {
        let look = Look { value: 10.0, half_width: 2.0 };
        assert_eq!(Width::Relative(0.1).projected(look, 10), 40);
        assert_eq!(Width::Absolute(2.0).projected(look, 10), 10);
        assert_eq!(Width::Relative(0.1).projected(Look { value: 0.0, half_width: 1.0 }, 10), u64::MAX);
        assert_eq!((next_look(10, 40), next_look(10, 11), next_look(100, 130)), (20, 12, 130));
    }
}
