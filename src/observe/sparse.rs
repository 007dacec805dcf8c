//! A histogram that takes only the memory of what is in it: for keeping many, sending them elsewhere, and adding them up.

use super::histogram::{self, Histogram, SLOTS};
use crate::units::Nanos;

/// First byte of the byte form; another layout gets another number.
const FORM: u8 = 1;

/// The same slots and counts as a [`Histogram`], without the empty ones: about two hundred to two thousand of them for
/// sojourns of one server. Adding up loses nothing: sections, replications and shards in any order give the histogram of
/// all their values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SparseHistogram {
    /// (slot, number of values, at least 1) by rising slot.
    entries: Vec<(u16, u64)>,
    total: u64,
    sum: u128,
    max: Nanos,
}

/// Bytes that are no sparse histogram, or a cut one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no histogram of this program: damaged at byte {at}")]
pub struct Damaged {
    /// Where the first thing is that makes no sense.
    pub at: usize,
}

impl From<&Histogram> for SparseHistogram {
    fn from(dense: &Histogram) -> Self {
        SparseHistogram {
            entries: dense.entries().map(|(slot, count)| (slot as u16, count)).collect(),
            total: dense.count(),
            sum: dense.sum(),
            max: dense.max(),
        }
    }
}

impl SparseHistogram {
    /// An empty histogram.
    pub fn new() -> Self {
        SparseHistogram::default()
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

    /// The value at or below which a share `q` (0 to 1) of the values lies, the middle of its slot, as
    /// [`Histogram::quantile`] has it; 0 when empty.
    pub fn quantile(&self, q: f64) -> Nanos {
        let rank = ((q * self.total as f64).ceil() as u64).clamp(1, self.total.max(1));
        let mut seen = 0;
        for &(slot, count) in &self.entries {
            seen += count;
            if seen >= rank {
                return histogram::middle(slot as usize).min(self.max);
            }
        }
        self.max
    }

    /// The same with the values of a slot spread evenly over it \[ns\], so that it rises with `q` without steps; none when
    /// empty.
    pub fn interpolated(&self, q: f64) -> Option<f64> {
        let rank = q.clamp(0.0, 1.0) * self.total as f64;
        let mut below = 0.0;
        for &(slot, count) in &self.entries {
            let count = count as f64;
            if below + count >= rank {
                let (low, high) = self.extent(slot);
                return Some(low + (high - low) * (rank - below) / count);
            }
            below += count;
        }
        (self.total > 0).then_some(self.max as f64)
    }

    /// Number of values above `limit` \[ns\], with the values of its slot spread evenly over it.
    pub fn above(&self, limit: f64) -> f64 {
        // Whole nanoseconds decide the slot; the rest is within it.
        let edge = histogram::slot(limit.max(0.0) as Nanos) as u16;
        let first = self.entries.partition_point(|entry| entry.0 < edge);
        let (within, beyond) = match self.entries.get(first) {
            Some(&(slot, count)) if slot == edge => (count as f64, first + 1),
            _ => (0.0, first),
        };
        let (low, high) = self.extent(edge);
        let left =
            if high > low { ((high - limit) / (high - low)).clamp(0.0, 1.0) } else { f64::from(limit < low) };
        within * left + self.entries[beyond..].iter().map(|entry| entry.1 as f64).sum::<f64>()
    }

    /// Where the values of a slot lie \[ns\]: up to the next slot, or to the largest value.
    fn extent(&self, slot: u16) -> (f64, f64) {
        let (low, high) = histogram::bounds(slot as usize);
        (low as f64, (high as f64 + 1.0).min(self.max as f64).max(low as f64))
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &SparseHistogram) {
        if self.entries.is_empty() {
            self.entries.clone_from(&other.entries);
        } else if !other.entries.is_empty() {
            let mut both = Vec::with_capacity(self.entries.len() + other.entries.len() / 4);
            let (mut mine, mut theirs) = (self.entries.iter().peekable(), other.entries.iter().peekable());
            while let (Some(&&(a, m)), Some(&&(b, t))) = (mine.peek(), theirs.peek()) {
                let both_have = a == b;
                let count = if both_have {
                    m + t
                } else if a < b {
                    m
                } else {
                    t
                };
                both.push((a.min(b), count));
                if a <= b {
                    mine.next();
                }
                if b <= a {
                    theirs.next();
                }
            }
            both.extend(mine.chain(theirs));
            self.entries = both;
        }
        self.total += other.total;
        self.sum += other.sum;
        self.max = self.max.max(other.max);
    }

    /// All of `parts` in one.
    pub fn merged<'a>(parts: impl IntoIterator<Item = &'a SparseHistogram>) -> SparseHistogram {
        // Dense in between: adding n sparse ones two by two would copy the sum n times.
        let mut counts = vec![0u64; SLOTS];
        let mut all = SparseHistogram::new();
        for part in parts {
            part.entries.iter().for_each(|&(slot, count)| counts[slot as usize] += count);
            all.total += part.total;
            all.sum += part.sum;
            all.max = all.max.max(part.max);
        }
        let filled = counts.into_iter().enumerate().filter(|(_, count)| *count > 0);
        all.entries = filled.map(|(slot, count)| (slot as u16, count)).collect();
        all
    }

    /// The non-empty slots: (middle value, never above the maximum \[ns\]; count), rising.
    pub fn slots(&self) -> impl Iterator<Item = (Nanos, u64)> + '_ {
        self.entries.iter().map(|&(slot, count)| (histogram::middle(slot as usize).min(self.max), count))
    }

    /// A few bytes a slot: the same on every machine.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(32 + 4 * self.entries.len());
        bytes.push(FORM);
        put(&mut bytes, self.entries.len() as u128);
        put(&mut bytes, self.sum);
        put(&mut bytes, self.max as u128);
        let mut next = 0;
        for &(slot, count) in &self.entries {
            put(&mut bytes, (slot - next) as u128);
            put(&mut bytes, count as u128);
            next = slot + 1;
        }
        bytes
    }

    /// What [`to_bytes`](Self::to_bytes) made bytes of; an error with its place if they are anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<SparseHistogram, Damaged> {
        let mut reader = Reader { bytes, at: 0 };
        if reader.byte()? != FORM {
            return Err(Damaged { at: 0 });
        }
        let entries = reader.number(SLOTS as u128)? as usize;
        let (sum, max) = (reader.number(u128::MAX)?, reader.number(Nanos::MAX as u128)? as Nanos);
        let mut read = SparseHistogram { entries: Vec::with_capacity(entries), total: 0, sum, max };
        let mut next = 0;
        for _ in 0..entries {
            let at = reader.at;
            let slot = next + reader.number(SLOTS as u128)? as usize;
            let count = reader.number(u64::MAX as u128)? as u64;
            let total = read.total.checked_add(count);
            let (true, Some(total)) = (slot < SLOTS && count > 0, total) else { return Err(Damaged { at }) };
            read.total = total;
            read.entries.push((slot as u16, count));
            next = slot + 1;
        }
        if reader.at == bytes.len() { Ok(read) } else { Err(Damaged { at: reader.at }) }
    }
}

/// Seven bits a byte, the lowest first; the top bit says that more follow.
fn put(bytes: &mut Vec<u8>, mut number: u128) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn byte(&mut self) -> Result<u8, Damaged> {
        let byte = *self.bytes.get(self.at).ok_or(Damaged { at: self.at })?;
        self.at += 1;
        Ok(byte)
    }

    fn number(&mut self, limit: u128) -> Result<u128, Damaged> {
        let start = self.at;
        let (mut number, mut shift) = (0u128, 0);
        loop {
            let byte = self.byte()?;
            let bits = (byte & 0x7F) as u128;
            if shift >= 128 || bits << shift >> shift != bits {
                return Err(Damaged { at: start });
            }
            number |= bits << shift;
            shift += 7;
            if byte < 0x80 {
                break;
            }
        }
        if number <= limit { Ok(number) } else { Err(Damaged { at: start }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of many octaves, without a pattern.
    fn dense(from: u64, step: u64, number: u64) -> Histogram {
        let mut histogram = Histogram::new();
        (0..number).for_each(|n| histogram.record_n(from + n * n * step % 9_000_001, 1 + n % 3));
        histogram
    }

    #[test]
    fn it_says_what_the_dense_one_says() {
        let dense = dense(5, 977, 5000);
        let sparse = SparseHistogram::from(&dense);
        for q in [0.0, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0] {
            assert_eq!(sparse.quantile(q), dense.quantile(q), "{q}");
            let smooth = sparse.interpolated(q).expect("values");
            let width = sparse.quantile(q) as f64 / 1024.0 + 1.0;
            assert!((smooth - sparse.quantile(q) as f64).abs() <= width, "{q}: {smooth}");
        }
        assert_eq!((sparse.count(), sparse.sum(), sparse.max()), (dense.count(), dense.sum(), dense.max()));
        assert_eq!(sparse.slots().collect::<Vec<_>>(), dense.slots().collect::<Vec<_>>());
        assert_eq!(SparseHistogram::new().interpolated(0.5), None);
    }

    #[test]
    fn the_number_above_a_quantile_is_what_is_left_of_it() {
        let sparse = SparseHistogram::from(&dense(5, 977, 5000));
        for q in [0.001, 0.3, 0.5, 0.99, 0.9999] {
            let above = sparse.above(sparse.interpolated(q).expect("values"));
            let expected = (1.0 - q) * sparse.count() as f64;
            assert!(
                (above - expected).abs() < 1e-6 * sparse.count() as f64,
                "{q}: {above} against {expected}"
            );
        }
        assert_eq!((sparse.above(0.0), sparse.above(1e18)), (sparse.count() as f64, 0.0));
    }

    #[test]
    fn parts_add_up_in_any_order() {
        let (mut a, b, c) = (dense(5, 977, 3000), dense(1 << 33, 31, 50), dense(0, 1, 2000));
        let parts = [&a, &b, &c].map(SparseHistogram::from);
        let mut sum = SparseHistogram::new();
        [2, 0, 1].iter().for_each(|&part: &usize| sum.merge(&parts[part]));
        a.merge(&b);
        a.merge(&c);
        assert_eq!(sum, SparseHistogram::from(&a));
        assert_eq!(sum, SparseHistogram::merged(&parts));
    }

    #[test]
    fn bytes_come_back_and_damaged_ones_are_refused() {
        let sparse = SparseHistogram::from(&dense(5, 977, 5000));
        let bytes = sparse.to_bytes();
        assert!(bytes.len() < 3 * sparse.entries.len() + 32, "{} bytes", bytes.len());
        assert_eq!(SparseHistogram::from_bytes(&bytes), Ok(sparse));
        let empty = SparseHistogram::new();
        assert_eq!(SparseHistogram::from_bytes(&empty.to_bytes()), Ok(empty));
        for length in 0..bytes.len() {
            assert!(SparseHistogram::from_bytes(&bytes[..length]).is_err(), "cut at {length}");
        }
        let longer: Vec<u8> = bytes.iter().copied().chain([0]).collect();
        assert_eq!(SparseHistogram::from_bytes(&longer), Err(Damaged { at: bytes.len() }));
        assert_eq!(SparseHistogram::from_bytes(&[2, 0, 0, 0]), Err(Damaged { at: 0 }));
        assert!(SparseHistogram::from_bytes(&[FORM, 1, 0, 0, 0, 0]).is_err(), "a slot of no value");
        assert!(
            SparseHistogram::from_bytes(&[FORM, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F]).is_err(),
            "too many slots"
        );
    }
}
