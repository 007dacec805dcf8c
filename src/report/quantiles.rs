//! The quantiles every table shows of a histogram, and when there are too few values for one.

use schemars::JsonSchema;
use serde::Serialize;

use crate::observe::histogram::Histogram;
use crate::units::Nanos;

/// Fewest values from which a P99.99 is taken.
const P9999_NEEDS: u64 = 10_000;

/// Mean, quantiles and maximum of a span, in ns; none where there are too few values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Quantiles {
    /// Mean.
    pub mean: Option<f64>,
    /// Median.
    pub p50: Option<Nanos>,
    /// 90 % are at most this.
    pub p90: Option<Nanos>,
    /// 99 % are at most this.
    pub p99: Option<Nanos>,
    /// 99.9 % are at most this.
    pub p999: Option<Nanos>,
    /// 99.99 % are at most this; null below 10,000 values.
    pub p9999: Option<Nanos>,
    /// Largest.
    pub max: Option<Nanos>,
}

impl Quantiles {
    /// Quantiles of `histogram`.
    pub fn of(histogram: &Histogram) -> Self {
        if histogram.count() == 0 {
            return Quantiles::default();
        }
        let at = |q| Some(histogram.quantile(q));
        Quantiles {
            mean: Some(histogram.mean()),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            p9999: if histogram.count() >= P9999_NEEDS { at(0.9999) } else { None },
            max: Some(histogram.max()),
        }
    }

    /// Mean (rounded), p50, p90, p99, p99.9, p99.99 and maximum, as columns show them.
    pub fn columns(&self) -> [Option<Nanos>; 7] {
        let mean = self.mean.map(|mean| mean.round() as Nanos);
        [mean, self.p50, self.p90, self.p99, self.p999, self.p9999, self.max]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_needs_values() {
        assert_eq!(Quantiles::of(&Histogram::new()), Quantiles::default());
        let mut histogram = Histogram::new();
        histogram.record_n(1000, 9_999);
        assert_eq!(Quantiles::of(&histogram).p9999, None);
        assert_eq!(Quantiles::of(&histogram).p999, Some(1000));
        histogram.record(2000);
        assert_eq!(Quantiles::of(&histogram).p9999, Some(1000));
        assert_eq!(Quantiles::of(&histogram).max, Some(2000));
    }
}
