//! The times to live of the keys that exist when the run begins.

use super::dict::Dict;
use super::expires::Expires;
use super::version::Version;
use crate::rng::{Stream, StreamId, Streams, Uniform};
use crate::scenario::ttl::{Ttl, TtlAge};

/// Points that stand for the keys of a class at the start, when there are more keys than that.
const POINTS: u64 = 1 << 16;
/// Owner of the stream that draws the deadlines of the dataset; groups of clients count from 0.
const DATASET: u64 = u64::MAX;

impl Expires {
    /// Gives `share` of the `present` keys of each class a time to live as `ttl`, the dataset's way, says.
    pub fn fill(&mut self, version: Version, ttl: &Ttl, share: f64, present: &[u64], streams: &Streams) {
        let mut stream = streams.open(StreamId::Ttl, DATASET);
        let (mut all, mut before) = (0.0, 0);
        for (class, &keys) in present.iter().enumerate() {
            // Rounded over all classes, so that the sum is right.
            all += keys as f64 * share;
            let volatile = (all.round() as u64 - before).min(keys);
            before += volatile;
            self.fill_class(class, volatile, ttl, &mut stream);
        }
        self.filled();
        self.dict = Dict::new(version, self.waiting_keys);
        self.due.fit(self.dict.buckets(), &mut self.stream);
    }

    fn fill_class(&mut self, class: usize, keys: u64, ttl: &Ttl, stream: &mut Stream) {
        let points = if ttl.dist.fixed().is_some() && ttl.jitter == 0 && ttl.age == TtlAge::New {
            keys.min(1)
        } else {
            keys.min(POINTS)
        };
        let wall = self.wall;
        for point in 0..points {
            let share = keys * (point + 1) / points - keys * point / points;
            // Each dimension is cut into as many equal parts as there are points, in an order of its own.
            let mut even = Stratified { point, points, dimension: 0, stream };
            let mut deadline = self.ways[0].0.deadline(wall, &mut even);
            if ttl.age == TtlAge::Spread {
                let left = (even.unit() * (deadline - wall) as f64).ceil() as u64;
                deadline = self.ways[0].0.aligned(wall + left.max(1));
            }
            self.fill_ring(class, deadline, share);
        }
        self.waiting[class] += keys;
        self.waiting_keys += keys;
        self.fates.given += keys;
    }
}

/// Uniform numbers that are evenly spread over all points where these stand for more keys: one in each of as many equal
/// parts, in an order that differs by dimension. Keys that are points themselves are drawn independently.
struct Stratified<'a> {
    point: u64,
    points: u64,
    dimension: u32,
    stream: &'a mut Stream,
}

impl Uniform for Stratified<'_> {
    fn bits(&mut self) -> u64 {
        if self.points < POINTS {
            return self.stream.bits();
        }
        // Odd multipliers are coprime to the number of points, a power of two.
        const ORDER: [u64; 3] = [1, 40_503, 25_717];
        let part = self.point.wrapping_mul(ORDER[self.dimension as usize % 3]) % self.points;
        self.dimension += 1;
        let place = (part as f64 + self.stream.unit()) / self.points as f64;
        ((place * (1u64 << 53) as f64) as u64) << 11
    }
}
