//! Histograms of spans as flat arrays: one add per value in the hot loop, merged by touched octaves.

use crate::math::octave_part;
use crate::units::Nanos;

/// Sub-buckets of an octave: a value is known to one part in 1024.
const SUB_BITS: u32 = 10;
const SUB: usize = 1 << SUB_BITS;
/// Octaves: values up to 2^45 ns (9.7 hours) are told apart, larger ones count as that.
const OCTAVES: usize = 36;
pub(super) const SLOTS: usize = OCTAVES * SUB;
/// What [`octave_part`] has below the slots that are not single values.
const BELOW_LOG: usize = (1023 + SUB_BITS as usize - 1) << SUB_BITS;

/// A log-linear histogram of spans in nanoseconds, relative error at most 1/1024.
#[derive(Debug)]
pub struct Histogram {
    counts: Box<[u64]>,
    /// Bit o is set when a count of octave o may be above zero.
    touched: u64,
    total: u64,
    sum: u128,
    max: Nanos,
}

/// Copies what was touched: the rest of a new histogram takes no memory until it is.
impl Clone for Histogram {
    fn clone(&self) -> Self {
        let mut copy = Histogram::new();
        copy.merge(self);
        copy
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram::new()
    }
}

/// Slot of a value: values below 1024 stand alone, then 1024 slots an octave.
#[inline(always)]
pub(super) fn slot(value: Nanos) -> usize {
    let value = value.min((1 << (SUB_BITS as usize + OCTAVES - 1)) - 1);
    if value < SUB as u64 { value as usize } else { octave_part(value, SUB_BITS) - BELOW_LOG }
}

/// The value that stands for a slot.
pub(super) fn middle(slot: usize) -> Nanos {
    let (low, high) = bounds(slot);
    low + (high - low) / 2
}

/// Smallest and largest value of a slot.
pub(super) fn bounds(slot: usize) -> (Nanos, Nanos) {
    let octave = (slot >> SUB_BITS) as u32;
    let sub = (slot & (SUB - 1)) as u64;
    if octave == 0 {
        return (sub, sub);
    }
    let shift = octave - 1;
    let low = (SUB as u64 + sub) << shift;
    (low, low + (1 << shift) - 1)
}

impl Histogram {
    /// An empty histogram.
    pub fn new() -> Self {
        Histogram { counts: vec![0; SLOTS].into_boxed_slice(), touched: 0, total: 0, sum: 0, max: 0 }
    }

    /// Adds one value.
    #[inline(always)]
    pub fn record(&mut self, value: Nanos) {
        self.record_n(value, 1);
    }

    /// Adds `n` equal values.
    #[inline(always)]
    pub fn record_n(&mut self, value: Nanos, n: u64) {
        self.record_all([(value, n)]);
    }

    /// Adds values, each the number of times that stands beside it.
    #[inline(always)]
    pub fn record_all(&mut self, values: impl IntoIterator<Item = (Nanos, u64)>) {
        let (mut touched, mut total, mut sum, mut max) = (0, 0, 0, 0);
        for (value, n) in values {
            let slot = slot(value);
            self.counts[slot] += n;
            touched |= 1 << (slot >> SUB_BITS);
            total += n;
            sum += value as u128 * n as u128;
            max = value.max(max);
        }
        self.touched |= touched;
        self.total += total;
        self.sum += sum;
        self.max = self.max.max(max);
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Histogram) {
        let mut left = other.touched;
        while left != 0 {
            let octave = left.trailing_zeros() as usize;
            left &= left - 1;
            let range = octave * SUB..(octave + 1) * SUB;
            for (mine, theirs) in self.counts[range.clone()].iter_mut().zip(&other.counts[range]) {
                *mine += theirs;
            }
        }
        self.touched |= other.touched;
        self.total += other.total;
        self.sum += other.sum;
        self.max = self.max.max(other.max);
    }

    /// What was added since it was `earlier`; the largest value is that of its slot.
    pub fn since(&self, earlier: &Histogram) -> Histogram {
        let mut rest = self.clone();
        rest.counts.iter_mut().zip(&earlier.counts).for_each(|(mine, before)| *mine -= before);
        rest.total -= earlier.total;
        rest.sum -= earlier.sum;
        rest.max = 0;
        let last = (0..SLOTS).rev().find(|&slot| rest.counts[slot] > 0);
        rest.max = last.map_or(0, |slot| bounds(slot).1.min(self.max));
        rest
    }

    /// The values without those of `part`, all of which are in it; `max` is the largest of what is left.
    pub fn without(&self, part: &Histogram, max: Nanos) -> Histogram {
        Histogram { max, ..self.since(part) }
    }

    /// Empties it.
    pub fn clear(&mut self) {
        let mut left = self.touched;
        while left != 0 {
            let octave = left.trailing_zeros() as usize;
            left &= left - 1;
            self.counts[octave * SUB..(octave + 1) * SUB].fill(0);
        }
        (self.touched, self.total, self.sum, self.max) = (0, 0, 0, 0);
    }

    /// Number of values.
    pub fn count(&self) -> u64 {
        self.total
    }

    /// Sum of the values, exact.
    pub fn sum(&self) -> u128 {
        self.sum
    }

    /// Mean of the values, exact to rounding; 0 when empty.
    pub fn mean(&self) -> f64 {
        if self.total == 0 { 0.0 } else { self.sum as f64 / self.total as f64 }
    }

    /// Largest value, exact; 0 when empty.
    pub fn max(&self) -> Nanos {
        self.max
    }

    /// The value at or below which a share `q` of the values lies (the middle of its slot); 0 when empty.
    pub fn quantile(&self, q: f64) -> Nanos {
        self.quantiles([q])[0]
    }

    /// The same for several rising shares in one pass.
    pub fn quantiles<const N: usize>(&self, shares: [f64; N]) -> [Nanos; N] {
        let mut values = [self.max; N];
        let rank = |q: f64| ((q * self.total as f64).ceil() as u64).clamp(1, self.total.max(1));
        let (mut seen, mut next) = (0, 0);
        for (value, count) in self.slots() {
            seen += count;
            while next < N && seen >= rank(shares[next]) {
                values[next] = value;
                next += 1;
            }
            if next == N {
                break;
            }
        }
        values
    }

    /// The non-empty slots: (middle value, never above the maximum; count), rising.
    pub fn slots(&self) -> impl Iterator<Item = (Nanos, u64)> + '_ {
        self.entries().map(|(slot, count)| (middle(slot).min(self.max), count))
    }

    /// The same by the slots' numbers.
    pub(super) fn entries(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        (0..OCTAVES).filter(|octave| self.touched >> octave & 1 == 1).flat_map(move |octave| {
            let slots = octave * SUB..(octave + 1) * SUB;
            slots.filter(|&slot| self.counts[slot] > 0).map(|slot| (slot, self.counts[slot]))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_falls_into_the_slot_that_holds_it() {
        let mut value = 1u64;
        while value < 1 << 44 {
            for v in [value - 1, value, value + 1, value * 3 / 2] {
                let (low, high) = bounds(slot(v));
                assert!(low <= v && v <= high, "{v}: {low}..{high}");
                assert!((high - low) as f64 <= v as f64 / 1024.0 + 1.0);
            }
            value *= 2;
        }
        assert!(slot(u64::MAX) < SLOTS);
    }

    #[test]
    fn quantiles_are_ranks() {
        let mut histogram = Histogram::new();
        for value in 1..=1000 {
            histogram.record(value);
        }
        assert_eq!(histogram.quantile(0.5), 500);
        assert_eq!(histogram.quantile(0.99), 990);
        assert_eq!(histogram.quantile(1.0), 1000);
        assert_eq!(histogram.mean(), 500.5);
        let mut twice = histogram.clone();
        twice.merge(&histogram);
        assert_eq!((twice.count(), twice.sum(), twice.quantile(0.99)), (2000, 1_001_000, 990));
        twice.clear();
        assert_eq!((twice.count(), twice.quantile(0.5)), (0, 0));
    }
}
