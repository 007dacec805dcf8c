//! A line of block characters: how a quantile went over time, at one look.

use crate::units::Nanos;

/// Eighths of a character cell, lowest first.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The parts of `length` values that `width` cells stand for.
pub fn parts(length: usize, width: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    let parts = length.min(width);
    (0..parts).map(move |part| part * length / parts..(part + 1) * length / parts)
}

/// One character per `width`-th of `values`, the largest value of each part on a logarithmic scale from the smallest
/// to the largest part; a space where there is no value.
pub fn sparkline(values: &[Option<Nanos>], width: usize) -> String {
    scaled(values, width, &|value| libm::log(value.max(1) as f64))
}

/// The same on a linear scale, for what is often 0.
pub fn linear_sparkline(values: &[Option<Nanos>], width: usize) -> String {
    scaled(values, width, &|value| value as f64)
}

fn scaled(values: &[Option<Nanos>], width: usize, scale: &dyn Fn(Nanos) -> f64) -> String {
    let largest: Vec<Option<Nanos>> =
        parts(values.len(), width).map(|part| values[part].iter().flatten().max().copied()).collect();
    let low = largest.iter().flatten().min().map_or(0.0, |&value| scale(value));
    let high = largest.iter().flatten().max().map_or(0.0, |&value| scale(value));
    let range = (high - low).max(f64::MIN_POSITIVE);
    let bar = |value: Nanos| {
        let step = (scale(value) - low) / range * (BARS.len() - 1) as f64;
        BARS[(step.round() as usize).min(BARS.len() - 1)]
    };
    largest.into_iter().map(|value| value.map_or(' ', bar)).collect()
}

/// A bar of at most `width` cells for a share of 0 to 1, to an eighth of a cell.
pub fn bar(share: f64, width: usize) -> String {
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (share.clamp(0.0, 1.0) * (width * 8) as f64).round() as usize;
    format!("{}{}", "█".repeat(eighths / 8), PARTS[eighths % 8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_shows_its_largest_value_on_a_log_scale() {
        let values = [Some(1), Some(10), None, None, Some(100), Some(1), Some(1), Some(1)];
        assert_eq!(sparkline(&values, 4), "▅ █▁");
        assert_eq!(sparkline(&values[..2], 80), "▁█");
        assert_eq!(sparkline(&[Some(5), Some(5)], 80), "▁▁");
        assert_eq!(sparkline(&[], 80), "");
        assert_eq!(linear_sparkline(&[Some(0), Some(50), None, Some(100)], 80), "▁▅ █");
    }

    #[test]
    fn a_bar_is_as_long_as_its_share() {
        assert_eq!(bar(1.0, 3), "███");
        assert_eq!(bar(0.5, 3), "█▌");
        assert_eq!(bar(0.0, 3), "");
    }
}
