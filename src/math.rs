//! Elementary functions in plain Rust, so that results do not depend on the platform's C library.

/// Natural logarithm of a positive, normal, finite `x`; absolute error below 1e-12 for x in (2^-60, 2^60).
///
/// Splits x = 2^k · m with m in [√½, √2) and sums ln m = 2·artanh((m−1)/(m+1)) to the 15th power.
/// No table and no branch, so that a loop over it can be vectorised.
#[inline(always)]
pub fn ln(x: f64) -> f64 {
    const SQRT_HALF_BITS: u64 = 0x3FE6_A09E_667F_3BCD;
    let bits = x.to_bits();
    let shifted = bits.wrapping_sub(SQRT_HALF_BITS);
    let exponent = (shifted as i64) >> 52;
    let mantissa = f64::from_bits(bits.wrapping_sub((exponent as u64) << 52));
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let z = s * s;
    let tail = z
        * (1.0 / 3.0
            + z * (1.0 / 5.0
                + z * (1.0 / 7.0 + z * (1.0 / 9.0 + z * (1.0 / 11.0 + z * (1.0 / 13.0 + z / 15.0))))));
    exponent as f64 * std::f64::consts::LN_2 + 2.0 * s * (1.0 + tail)
}

/// The whole number nearest to `x`, ties to even, for 0 ≤ x < 2^51; two instructions where a checked conversion
/// takes a dozen.
///
/// Adding 2^52 leaves the whole number in the low bits of the sum.
#[inline(always)]
pub fn whole(x: f64) -> u64 {
    const TWO_52: f64 = 4_503_599_627_370_496.0;
    (x + TWO_52).to_bits() & ((1 << 52) - 1)
}

/// The number of `x`, 1 ≤ x < 2^53, among the intervals of a scale that divides each octave into 2^`bits` equal ones:
/// rising, exact, and from one octave to the next 2^`bits` more. That of 1 is 1023 · 2^`bits`.
///
/// Read off the floating-point number that `x` is; above 2^53 it is rounded, above 2^63 it is larger than any other.
#[inline(always)]
pub fn octave_part(x: u64, bits: u32) -> usize {
    ((x as i64 as f64).to_bits() >> (52 - bits)) as usize
}

/// A factor for whole numbers, in fixed point: exact to 2^-24 of the product.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Factor(u64);

impl Factor {
    const BITS: u32 = 24;

    /// The factor nearest to `x`, 0 ≤ x < 2^39.
    pub fn new(x: f64) -> Self {
        Factor((x * (1u64 << Self::BITS) as f64).round() as u64)
    }

    /// `n` times the factor, rounded down.
    #[inline(always)]
    pub fn of(self, n: u64) -> u64 {
        ((n as u128 * self.0 as u128) >> Self::BITS) as u64
    }
}

/// Quantile of the standard normal distribution, p in (0, 1); relative error about 1e-9.
///
/// Source: P. J. Acklam's rational approximation (2003), one third of it per region.
pub fn normal_quantile(p: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969683028665376e+01,
        2.209460984245205e+02,
        -2.759285104469687e+02,
        1.383_577_518_672_69e2,
        -3.066479806614716e+01,
        2.506628277459239e+00,
    ];
    const B: [f64; 5] = [
        -5.447609879822406e+01,
        1.615858368580409e+02,
        -1.556989798598866e+02,
        6.680131188771972e+01,
        -1.328068155288572e+01,
    ];
    const C: [f64; 6] = [
        -7.784894002430293e-03,
        -3.223964580411365e-01,
        -2.400758277161838e+00,
        -2.549732539343734e+00,
        4.374664141464968e+00,
        2.938163982698783e+00,
    ];
    const D: [f64; 4] =
        [7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e+00, 3.754408661907416e+00];
    const LOW: f64 = 0.02425;
    let tail = |q: f64| {
        (((((C[0] * q + C[1]) * q + C[2]) * q + C[3]) * q + C[4]) * q + C[5])
            / ((((D[0] * q + D[1]) * q + D[2]) * q + D[3]) * q + 1.0)
    };
    if p < LOW {
        tail((-2.0 * ln(p)).sqrt())
    } else if p > 1.0 - LOW {
        -tail((-2.0 * ln(1.0 - p)).sqrt())
    } else {
        let q = p - 0.5;
        let r = q * q;
        (((((A[0] * r + A[1]) * r + A[2]) * r + A[3]) * r + A[4]) * r + A[5]) * q
            / (((((B[0] * r + B[1]) * r + B[2]) * r + B[3]) * r + B[4]) * r + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ln_agrees_with_libm() {
        let mut x = 1e-15f64;
        while x < 1e15 {
            assert!((ln(x) - libm::log(x)).abs() < 1e-12, "ln({x})");
            x *= 1.037;
        }
        assert_eq!(ln(1.0), 0.0);
    }

    #[test]
    fn whole_rounds_and_factors_multiply() {
        for x in [0.0, 0.4, 0.6, 1.5, 2.5, 1e9 + 0.49, 2e15] {
            assert_eq!(whole(x), x.round_ties_even() as u64, "{x}");
        }
        assert_eq!(Factor::new(0.5).of(7), 3);
        assert_eq!(Factor::new(1.75).of(1 << 40), 7 << 38);
        assert_eq!(Factor::new(0.0).of(u64::MAX), 0);
    }

    #[test]
    fn an_octave_has_equal_parts() {
        for x in (1..2000u64).chain((11..53).flat_map(|k| [(1 << k) - 1, 1 << k, (1 << k) + (1 << k >> 1)])) {
            for bits in [0, 4, 10] {
                let octave = x.ilog2() as usize;
                let part = (((x - (1 << octave)) as u128) << bits >> octave) as usize;
                assert_eq!(octave_part(x, bits), ((1023 + octave) << bits) + part, "{x}");
            }
        }
        assert!(octave_part(u64::MAX, 4) > octave_part(1 << 62, 4));
    }

    #[test]
    fn normal_quantile_inverts_the_cdf() {
        for &p in &[1e-6, 0.001, 0.02, 0.3, 0.5, 0.77, 0.98, 0.9999] {
            let x = normal_quantile(p);
            let cdf = 0.5 * libm::erfc(-x / std::f64::consts::SQRT_2);
            assert!((cdf / p - 1.0).abs() < 1e-7, "p = {p}: {cdf}");
        }
    }
}
