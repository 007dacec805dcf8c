//! Where a run has forgotten how it began.

/// Values of a batch, as the 5 in MSER-5 says.
const BATCH: usize = 5;

/// Number of leading values of `series` to leave out by MSER-5: means of batches of 5, cut where the standard error of the
/// mean of the rest is smallest.
///
/// None if that is not in the first half: the series has not settled, or is shorter than 10 batches.
/// Source: K. P. White, M. J. Cobb, S. C. Spratt, "A comparison of five steady-state truncation heuristics for
/// simulation", WSC 2000; the rule about the half is Hoad, Robinson and Davies (WSC 2008).
pub fn mser5(series: &[f64]) -> Option<usize> {
    let batches: Vec<f64> =
        series.chunks_exact(BATCH).map(|batch| batch.iter().sum::<f64>() / BATCH as f64).collect();
    if batches.len() < 10 {
        return None;
    }
    let error = |cut: usize| {
        let rest = &batches[cut..];
        let n = rest.len() as f64;
        let mean = rest.iter().sum::<f64>() / n;
        rest.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / (n * n)
    };
    // A cut near the end leaves a few values that are alike by chance.
    let cuts = (0..batches.len() - BATCH).map(|cut| (cut, error(cut)));
    let (cut, _) = cuts.min_by(|a, b| a.1.total_cmp(&b.1))?;
    (cut <= batches.len() / 2).then_some(cut * BATCH)
}

/// The first start of the slowest thing that recurs at or after `settled`, and its mean period: `starts` holds the starts of
/// each thing in order. None if nothing has recurred.
pub fn whole_cycle<'a>(starts: &[(&'a str, Vec<u64>)], settled: u64) -> Option<(&'a str, u64, u64)> {
    let periods = starts.iter().filter(|(_, at)| at.len() >= 2);
    let period = |at: &[u64]| (at[at.len() - 1] - at[0]) / (at.len() as u64 - 1);
    let (kind, at) = periods.max_by_key(|(_, at)| period(at))?;
    let first = at.iter().copied().find(|&at| at >= settled)?;
    Some((kind, first, period(at)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{StreamId, Streams, Uniform};

    /// Noise of deviation 1 over a start that is `high` and falls by half every `half_life` values.
    fn falling(seed: u64, high: f64, half_life: f64, length: usize) -> Vec<f64> {
        let mut stream = Streams::new(seed, 0).open(StreamId::Arrivals, 0);
        let start = |n: usize| high * libm::exp2(-(n as f64) / half_life);
        (0..length).map(|n| 100.0 + start(n) + crate::math::normal_quantile(stream.unit())).collect()
    }

    #[test]
    fn a_start_is_cut_where_it_drowns_in_noise() {
        // 64 times the noise takes 6 half-lives to fall to it. Less than 4.5 leave a batch that stands out by far.
        let cuts: Vec<usize> =
            (0..50).map(|seed| mser5(&falling(seed, 64.0, 10.0, 500)).expect("settled")).collect();
        assert!(cuts.iter().all(|&cut| cut >= 45), "{cuts:?}");
        // What is steady loses a seventh or less by chance; here that is on top of the start.
        let mean = cuts.iter().sum::<usize>() / cuts.len();
        assert!(mean < 60 + 75, "{mean}: {cuts:?}");
    }

    #[test]
    fn a_batch_is_cut_when_the_standard_error_is_smaller_without_it() {
        // A first batch of `x` ahead of 19 that alternate: the squared error is less without it from x = 1.46 on.
        let cut = |x: f64| {
            let others = (0..19).map(|n| if n % 2 == 0 { 1.0 } else { -1.0 });
            let series: Vec<f64> = std::iter::once(x).chain(others).flat_map(|mean| [mean; BATCH]).collect();
            mser5(&series)
        };
        assert_eq!((cut(1.3), cut(1.6)), (Some(0), Some(BATCH)));
    }

    #[test]
    fn what_is_steady_loses_little_and_what_never_settles_is_said() {
        let cuts = (0..50).map(|seed| mser5(&falling(seed, 0.0, 1.0, 500)).unwrap_or(250));
        assert!(cuts.sum::<usize>() / 50 < 75, "a steady series loses less than 15 % on average");
        let rising: Vec<f64> = (0..500).map(f64::from).collect();
        assert_eq!(mser5(&rising), None);
        assert_eq!(mser5(&[1.0; 49]), None);
    }

    #[test]
    fn the_slowest_cycle_decides() {
        let starts =
            [("bgsave", vec![60, 220, 380, 540]), ("aof-rewrite", vec![100, 500]), ("once", vec![3])];
        assert_eq!(whole_cycle(&starts, 90), Some(("aof-rewrite", 100, 400)));
        assert_eq!(whole_cycle(&starts, 101), Some(("aof-rewrite", 500, 400)));
        assert_eq!(whole_cycle(&starts[..1], 61), Some(("bgsave", 220, 160)));
        assert_eq!(whole_cycle(&starts[2..], 0), None);
    }
}
