//! Gaps in which the host runs something else on the core of the main thread.
//!
//! A Poisson process of gaps; the class of each gap is drawn by rate, its length log-uniform within the class.
//! Gaps do not overlap: one that would begin inside another begins after it.

use crate::cost_model::Noise;
use crate::math::ln;
use crate::rng::{Stream, Uniform};
use crate::units::{NEVER, Nanos, SECOND};

/// The gaps of one core, in order.
#[derive(Clone, Debug)]
pub struct HostNoise {
    stream: Stream,
    /// Mean time between gaps \[ns\]; infinite when there are none.
    mean_gap: f64,
    /// (cumulative share, ln of the shortest, ln of longest / shortest).
    classes: Vec<(f64, f64, f64)>,
    next_at: Nanos,
    next_length: Nanos,
}

impl HostNoise {
    /// Gaps of `noise`, the first after time 0.
    pub fn new(noise: &Noise, stream: Stream) -> Self {
        let rate: f64 = noise.classes.iter().map(|class| class.per_second).sum();
        let mut cumulative = 0.0;
        let classes = noise
            .classes
            .iter()
            .map(|class| {
                cumulative += class.per_second / rate;
                let shortest = ln(class.shortest.max(1) as f64);
                (cumulative, shortest, ln(class.longest.max(1) as f64) - shortest)
            })
            .collect();
        let mut noise =
            HostNoise { stream, mean_gap: SECOND as f64 / rate, classes, next_at: NEVER, next_length: 0 };
        if rate > 0.0 {
            noise.next_at = 0;
            noise.draw();
        }
        noise
    }

    /// Start of the next gap; [`NEVER`] without noise.
    #[inline(always)]
    pub fn next_at(&self) -> Nanos {
        self.next_at
    }

    /// Takes the next gap: (start, length).
    pub fn take(&mut self) -> (Nanos, Nanos) {
        let gap = (self.next_at, self.next_length);
        self.draw();
        gap
    }

    fn draw(&mut self) {
        let wait = self.stream.exponential() * self.mean_gap;
        let class = self.stream.unit();
        let length = self.stream.unit();
        let &(_, shortest, range) = self
            .classes
            .iter()
            .find(|(share, ..)| class <= *share)
            .unwrap_or(&self.classes[self.classes.len() - 1]);
        self.next_at = self.next_at + self.next_length + wait.round() as Nanos;
        self.next_length = libm::exp(shortest + range * length).round() as Nanos;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost_model::NoiseClass;
    use crate::rng::{StreamId, Streams};

    #[test]
    fn gaps_come_at_their_rate_with_their_lengths() {
        let noise = Noise {
            classes: vec![
                NoiseClass { per_second: 200.0, shortest: 20_000, longest: 50_000 },
                NoiseClass { per_second: 20.0, shortest: 1_000_000, longest: 2_000_000 },
            ],
        };
        let mut host = HostNoise::new(&noise, Streams::new(3, 0).open(StreamId::HostNoise, 0));
        let (mut long, mut total, mut end) = (0u64, 0u64, 0);
        while host.next_at() < 1000 * SECOND {
            let (at, length) = host.take();
            assert!(at >= end, "gaps overlap");
            end = at + length;
            total += 1;
            long += (length >= 1_000_000) as u64;
            assert!((20_000..=50_000).contains(&length) || (1_000_000..=2_000_000).contains(&length));
        }
        // Gaps stop the clock of the process for their own length: 200 × 33 us + 20 × 1.44 ms = 3.6 % of it.
        let expected = 220_000.0 / 1.0355;
        assert!((total as f64 - expected).abs() < 4.0 * expected.sqrt(), "{total} against {expected}");
        let share = long as f64 / total as f64;
        assert!((share - 20.0 / 220.0).abs() < 4.0 * (0.0826f64 / total as f64).sqrt());
    }
}
