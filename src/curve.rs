//! A price that depends on a length of time, looked up in a table on a logarithmic scale.

use crate::units::Nanos;

/// Table entries an octave: the argument is known to one part in 16, far finer than such prices are.
const SUB_BITS: u32 = 4;
const SLOTS: usize = (64 - SUB_BITS as usize + 1) << SUB_BITS;

/// Cost as a function of a span, piecewise linear through given points.
#[derive(Clone, Debug)]
pub struct Curve {
    table: Box<[Nanos]>,
}

impl Curve {
    /// The curve through `points` (span, cost), rising in span; 0 at 0, constant after the last point.
    /// No points: 0 everywhere.
    pub fn new(points: &[(Nanos, Nanos)]) -> Self {
        let table = (0..SLOTS).map(|slot| interpolate(points, middle(slot))).collect();
        Curve { table }
    }

    /// Cost at `span`.
    #[inline(always)]
    pub fn at(&self, span: Nanos) -> Nanos {
        self.table[slot(span)]
    }
}

#[inline(always)]
fn slot(span: Nanos) -> usize {
    let octave = (63 - (span | ((1 << SUB_BITS) - 1)).leading_zeros()) - (SUB_BITS - 1);
    let shift = octave.saturating_sub(1);
    ((octave as usize) << SUB_BITS) + ((span >> shift) as usize & ((1 << SUB_BITS) - 1))
}

fn middle(slot: usize) -> Nanos {
    let (octave, sub) = (slot >> SUB_BITS, (slot & ((1 << SUB_BITS) - 1)) as u64);
    if octave == 0 {
        return sub;
    }
    let shift = octave as u32 - 1;
    (((1u128 << SUB_BITS) + sub as u128) << shift).min(u64::MAX as u128 / 2) as u64 + (1 << shift >> 1)
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
