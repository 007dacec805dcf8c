//! Times to live as a scenario means them.

use super::{Action, Scenario};
use crate::dist::{Dist, Sampler};
use crate::redis::command::CommandKind;
use crate::redis::expires::NEVER_DUE_MS;
use crate::rng::Uniform;
use crate::units::{MILLISECOND, Nanos};

/// Probability beyond which a distribution's tail counts with the time to live it begins at: state is bounded by the
/// longest one.
const TAIL: f64 = 1e-9;

/// When keys that exist at the start got their time to live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TtlAge {
    /// All at time 0.
    New,
    /// Evenly over their lives so far: what is left is uniform between nothing and the whole.
    Spread,
}

/// A time to live that keys are given.
#[derive(Clone, Debug, PartialEq)]
pub struct Ttl {
    /// Time to live \[ns\], counted from 1 ms up.
    pub dist: Dist,
    /// Uniform extra time, 0 to this \[ns\].
    pub jitter: Nanos,
    /// Deadlines are rounded up to multiples of this on the server's wall clock, which at time 0 is less than a second
    /// past a whole hour \[ns\]; 0 for none.
    pub align: Nanos,
    /// Of the keys of the dataset: when they got it.
    pub age: TtlAge,
}

impl Ttl {
    /// Always `ms` milliseconds from now.
    pub fn fixed_ms(ms: u64) -> Self {
        Ttl { dist: Dist::Fixed((ms * MILLISECOND) as f64), jitter: 0, align: 0, age: TtlAge::New }
    }

    /// From now to the latest deadline \[ms\].
    pub fn longest_ms(&self) -> u64 {
        self.longest_life_ms() + to_ms(self.jitter) + to_ms(self.align)
    }

    /// The longest time to live, jitter and alignment apart \[ms\].
    fn longest_life_ms(&self) -> u64 {
        let longest = match &self.dist {
            Dist::Fixed(value) => *value,
            Dist::Uniform { high, .. } => *high,
            Dist::Empirical(points) | Dist::Quantiles(points) => {
                points.iter().map(|point| point.1).fold(0.0, f64::max)
            }
            Dist::Exponential { .. } | Dist::Lognormal { .. } => self.dist.quantile(1.0 - TAIL),
        };
        to_ms(longest as Nanos).max(1)
    }

    /// Mean time to live, jitter included and alignment not \[ms\].
    pub fn mean_ms(&self) -> u64 {
        to_ms((self.dist.mean() + 0.5 * self.jitter as f64) as Nanos).max(1)
    }
}

/// The ways in which keys of a scenario get a time to live: the dataset's, then one for each command of each group that
/// gives one, in their order. Empty when no key needs one.
///
/// Keys of `dataset.ttl-share` without `dataset.ttl` matter only where they meet other volatile keys or an eviction
/// of volatile keys alone; they are never due.
pub fn ways(scenario: &Scenario) -> Vec<Ttl> {
    let dataset = &scenario.dataset;
    let of_groups: Vec<Ttl> = scenario
        .workloads
        .iter()
        .flat_map(|group| group.mix.iter().map(move |(command, _)| (group, command)))
        .filter_map(|(group, command)| {
            let fixed = Ttl::fixed_ms(command.ttl_ms?);
            Some(group.ttl.clone().filter(|_| command.kind == CommandKind::Set).unwrap_or(fixed))
        })
        .collect();
    let events = scenario.events.iter().filter_map(|event| match &event.action {
        Action::ConfigSet { config, .. } => Some(&**config),
        _ => None,
    });
    let evicts_volatile = events
        .chain([&scenario.redis])
        .any(|config| config.maxmemory > 0 && config.maxmemory_policy.is_volatile());
    if of_groups.is_empty() && dataset.ttl.is_none() && !(evicts_volatile && dataset.ttl_share > 0.0) {
        return Vec::new();
    }
    let first = dataset.ttl.clone().unwrap_or_else(|| Ttl::fixed_ms(NEVER_DUE_MS));
    [first].into_iter().chain(of_groups).collect()
}

/// Whole milliseconds, rounded.
fn to_ms(span: Nanos) -> u64 {
    (span + MILLISECOND / 2) / MILLISECOND
}

/// A [`Ttl`] prepared for drawing deadlines.
#[derive(Clone, Debug)]
pub struct TtlSampler {
    life: Sampler,
    fixed_ms: Option<u64>,
    longest_ms: u64,
    jitter_ms: u64,
    align_ms: u64,
}

impl TtlSampler {
    /// Prepares `ttl`.
    pub fn new(ttl: &Ttl) -> Self {
        let fixed_ms = ttl.dist.fixed().map(|value| to_ms(value as Nanos).max(1));
        TtlSampler {
            life: Sampler::new(&ttl.dist),
            fixed_ms,
            longest_ms: ttl.longest_life_ms(),
            jitter_ms: to_ms(ttl.jitter),
            align_ms: to_ms(ttl.align),
        }
    }

    /// Deadlines are multiples of this \[ms\].
    pub fn step_ms(&self) -> u64 {
        self.align_ms.max(1)
    }

    /// Whether deadlines of one millisecond are all the same.
    pub fn is_fixed(&self) -> bool {
        self.fixed_ms.is_some() && self.jitter_ms == 0
    }

    /// A deadline drawn at `wall` \[ms of the server's clock\]: one uniform number for the life where it varies, one for
    /// the jitter where there is some.
    #[inline(always)]
    pub fn deadline(&self, wall: u64, draws: &mut impl Uniform) -> u64 {
        let life = match self.fixed_ms {
            Some(life) => life,
            None => to_ms(self.life.sample(draws)).clamp(1, self.longest_ms),
        };
        let jitter = if self.jitter_ms == 0 { 0 } else { draws.below(self.jitter_ms + 1) };
        self.aligned(wall + life + jitter)
    }

    /// `deadline` rounded up to the alignment.
    #[inline(always)]
    pub fn aligned(&self, deadline: u64) -> u64 {
        if self.align_ms == 0 { deadline } else { deadline.next_multiple_of(self.align_ms) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{StreamId, Streams};
    use crate::units::SECOND;

    #[test]
    fn deadlines_have_their_life_jitter_and_alignment() {
        let mut stream = Streams::new(1, 0).open(StreamId::Ttl, 0);
        let mut ttl = Ttl::fixed_ms(60_000);
        assert_eq!(TtlSampler::new(&ttl).deadline(7, &mut stream), 60_007);
        ttl.jitter = 300 * SECOND;
        let sampler = TtlSampler::new(&ttl);
        let mean = (0..10_000).map(|_| sampler.deadline(0, &mut stream)).sum::<u64>() as f64 / 1e4;
        assert!((mean - 210_000.0).abs() < 4.0 * 300_000.0 / 12f64.sqrt() / 100.0, "{mean}");
        ttl.align = 60 * SECOND;
        let sampler = TtlSampler::new(&ttl);
        for _ in 0..1000 {
            let deadline = sampler.deadline(12_345, &mut stream);
            assert!(deadline.is_multiple_of(60_000) && deadline <= 12_345 + ttl.longest_ms());
        }
    }

    #[test]
    fn no_life_is_shorter_than_a_millisecond_or_longer_than_the_longest() {
        let mut stream = Streams::new(1, 0).open(StreamId::Ttl, 0);
        let dist = Dist::Exponential { mean: 2e6 };
        let ttl = Ttl { dist, jitter: 0, align: 0, age: TtlAge::New };
        let sampler = TtlSampler::new(&ttl);
        for _ in 0..10_000 {
            assert!((1..=ttl.longest_ms()).contains(&sampler.deadline(0, &mut stream)));
        }
        assert_eq!(ttl.mean_ms(), 2);
    }
}
