//! Delays of replies in the network, made in batches: one plain loop, whose look-ups do not wait for one another.

use crate::dist::{Dist, Sampler};
use crate::rng::Stream;
use crate::units::Nanos;

/// Delays made at once.
const BATCH: usize = 64;

/// Delays of one group's replies: those that sampling each when it is needed would give.
#[derive(Clone, Debug)]
pub(super) struct Jitter {
    sampler: Sampler,
    stream: Stream,
    batch: [Nanos; BATCH],
    next: usize,
}

impl Jitter {
    /// Samples of `dist` \[ns\] by the numbers of `stream`, of which none is taken when every sample is the same.
    pub(super) fn new(dist: &Dist, stream: Stream) -> Self {
        let sampler = Sampler::new(dist);
        let batch = [sampler.fixed().unwrap_or(0); BATCH];
        Jitter { sampler, stream, batch, next: BATCH }
    }

    /// The next one \[ns\].
    #[inline(always)]
    pub(super) fn next(&mut self) -> Nanos {
        if self.next == BATCH {
            self.refill();
        }
        let jitter = self.batch[self.next];
        self.next += 1;
        jitter
    }

    #[inline(never)]
    fn refill(&mut self) {
        self.next = 0;
        if self.sampler.fixed().is_none() {
            let (sampler, stream) = (&self.sampler, &mut self.stream);
            self.batch.iter_mut().for_each(|jitter| *jitter = sampler.sample(stream));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{StreamId, Streams};

    #[test]
    fn delays_are_those_of_single_samples() {
        for dist in [Dist::Exponential { mean: 9000.0 }, Dist::Fixed(250.0)] {
            let open = || Streams::new(6, 0).open(StreamId::Network, 0);
            let (mut jitter, sampler, mut stream) = (Jitter::new(&dist, open()), Sampler::new(&dist), open());
            assert!((0..3 * BATCH + 5).all(|_| jitter.next() == sampler.sample(&mut stream)));
        }
    }
}
