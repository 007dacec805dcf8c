//! A price that depends on a length of time, looked up in a table on a logarithmic scale.

use crate::math::octave_part;
use crate::units::Nanos;

/// Table entries an octave: the argument is known to one part in 16, far finer than such prices are.
const SUB_BITS: u32 = 4;
/// The entry of 0, then those of all octaves.
const SLOTS: usize = 1 + (64 << SUB_BITS);
/// The first part of the first octave has the entry behind that of 0.
const BEFORE_ONE: usize = (1023 << SUB_BITS) - 1;

/// Cost as a function of a span, piecewise linear through given points.
#[derive(Clone, Debug)]
pub struct Curve {
    table: Box<[Nanos; SLOTS]>,
}

impl Curve {
    /// The curve through `points` (span, cost), rising in span; 0 at 0, constant after the last point.
    /// No points: 0 everywhere.
    pub fn new(points: &[(Nanos, Nanos)]) -> Self {
        let mut table = Box::new([0; SLOTS]);
        table.iter_mut().enumerate().for_each(|(slot, cost)| *cost = interpolate(points, middle(slot)));
        Curve { table }
    }

    /// Cost at `span`.
    #[inline(always)]
    pub fn at(&self, span: Nanos) -> Nanos {
        let slot = octave_part(span, SUB_BITS).saturating_sub(BEFORE_ONE);
        self.table[slot.min(SLOTS - 1)]
    }
}

/// The span that stands for an entry.
fn middle(slot: usize) -> Nanos {
    let Some(slot) = slot.checked_sub(1) else { return 0 };
    let (octave, part) = (slot as u32 >> SUB_BITS, slot as u128 & ((1 << SUB_BITS) - 1));
    let low = ((1 << SUB_BITS) + part) << octave >> SUB_BITS;
    let width = (1 << octave) >> SUB_BITS;
    (low + (width >> 1)).min(u64::MAX as u128) as Nanos
}

fn interpolate(points: &[(Nanos, Nanos)], span: Nanos) -> Nanos {
    let mut before = (0, 0);
    for &point in points {
        if span < point.0 {
            let share = (span - before.0) as f64 / (point.0 - before.0) as f64;
            return (before.1 as f64 + (point.1 as f64 - before.1 as f64) * share).round() as Nanos;
        }
        before = point;
    }
    before.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_follows_the_points_to_one_part_in_sixteen() {
        let curve = Curve::new(&[(20_000, 10_000), (100_000, 20_000), (1_000_000, 31_000)]);
        assert_eq!(curve.at(0), 0);
        assert!((curve.at(20_000) as f64 / 10_000.0 - 1.0).abs() < 0.04);
        assert!((curve.at(100_000) as f64 / 20_000.0 - 1.0).abs() < 0.04);
        assert_eq!(curve.at(5_000_000_000), 31_000);
        assert_eq!(curve.at(u64::MAX), 31_000);
        assert_eq!(Curve::new(&[]).at(123_456), 0);
        let mut last = 0;
        for span in (0..2_000_000).step_by(997) {
            assert!(curve.at(span) >= last);
            last = curve.at(span);
        }
    }
}
