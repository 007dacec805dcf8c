//! Times to live of sampled keys: whether many come due together, and what a jitter would give.

/// Bins in which keys that come due together are looked for \[ms\].
const BINS_MS: [u64; 2] = [60_000, 1000];
/// Least share of the keys with a TTL in one bin, by bin. The jitter that the article advises leaves a fifth in a minute.
const SHARES: [f64; 2] = [0.4, 0.05];
/// How many times the share that deadlines spread evenly would have there.
const TIMES_EVEN: f64 = 4.0;
/// Fewest sampled keys in the bin.
const FEWEST: usize = 50;
/// Jitter that the article advises \[s\].
pub const JITTER_S: f64 = 300.0;

/// Deadlines of keys that were sampled.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TtlSample {
    /// Keys looked at.
    pub keys: usize,
    /// Remaining times of those with a TTL \[ms\], rising.
    pub remaining_ms: Vec<u64>,
    /// All keys were looked at, not a part.
    pub is_whole: bool,
    /// How long it took \[s\].
    pub seconds: f64,
}

/// Keys that come due together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Peak {
    /// Length of the bin \[ms\].
    pub bin_ms: u64,
    /// Its start from now \[ms\].
    pub start_ms: u64,
    /// Sampled keys in it.
    pub sampled: usize,
    /// Their share of the sampled keys with a TTL.
    pub share: f64,
    /// The share if deadlines were spread evenly as far as the last one.
    pub even: f64,
}

impl TtlSample {
    /// A sample of `keys` keys of which these have so much time left.
    pub fn new(keys: usize, mut remaining_ms: Vec<u64>, is_whole: bool, seconds: f64) -> Self {
        remaining_ms.sort_unstable();
        TtlSample { keys, remaining_ms, is_whole, seconds }
    }

    /// Where most keys come due within `bin_ms`; none without keys that have a TTL.
    pub fn peak(&self, bin_ms: u64) -> Option<Peak> {
        let times = &self.remaining_ms;
        let last = *times.last()?;
        let (mut start, mut best) = (0, (0, 0));
        for end in 0..times.len() {
            while times[end] - times[start] >= bin_ms {
                start += 1;
            }
            best = best.max((end + 1 - start, usize::MAX - start));
        }
        let (sampled, start) = (best.0, usize::MAX - best.1);
        let even = (bin_ms as f64 / (last.max(1)) as f64).min(1.0);
        let share = sampled as f64 / times.len() as f64;
        Some(Peak { bin_ms, start_ms: times[start], sampled, share, even })
    }

    /// Keys that come due together, if there are so many that it is no chance and no matter of short lives: keys that are
    /// written all the time with EX 60 all come due within a minute, spread evenly over it.
    pub fn synchronised(&self) -> Option<Peak> {
        BINS_MS.iter().zip(SHARES).find_map(|(&bin, least)| {
            let peak = self.peak(bin)?;
            let together = peak.share >= least && peak.share >= TIMES_EVEN * peak.even;
            (together && peak.sampled >= FEWEST).then_some(peak)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(remaining: impl Iterator<Item = u64>) -> TtlSample {
        let remaining: Vec<u64> = remaining.collect();
        TtlSample::new(remaining.len() * 2, remaining, false, 1.0)
    }

    #[test]
    fn keys_of_one_start_are_seen() {
        // Set within a minute, half an hour ago, with EX 3600.
        let peak = sample((0..1000).map(|n| 1_800_000 + n * 59)).synchronised().expect("they come together");
        assert_eq!((peak.bin_ms, peak.sampled, peak.start_ms), (60_000, 1000, 1_800_000));
        // Half of them; the rest over an hour.
        let mixed = (0..500).map(|n| 1_800_000 + n).chain((0..500).map(|n| n * 7200));
        let peak = sample(mixed).synchronised().expect("half of them do");
        assert!((0.5..0.52).contains(&peak.share), "{peak:?}");
        // Due within the minute, but within a second of each other.
        let peak = sample((0..600).map(|n| 30_000 + n)).synchronised().expect("they come together");
        assert_eq!(peak.bin_ms, 1000);
    }

    #[test]
    fn a_share_is_held_against_one_spread_evenly() {
        // Deadlines of the next five minutes, so that evenly a fifth would come in the last one.
        let late = |share: u64| (0..1000).map(move |n| if n < share { 240_000 + n * 59 } else { n * 240 });
        assert!(sample(late(850)).synchronised().is_some_and(|peak| peak.share >= 0.85));
        assert_eq!(sample(late(700)).synchronised(), None);
    }

    #[test]
    fn short_lives_and_jitter_are_no_storm() {
        assert_eq!(sample((0..1000).map(|n| n * 60)).synchronised(), None, "EX 60, written all the time");
        assert_eq!(sample((0..1000).map(|n| 3_300_000 + n * 300)).synchronised(), None, "jitter of 300 s");
        assert_eq!(sample((0..40).map(|_| 5_000_000)).synchronised(), None, "too few to say");
        assert_eq!(sample(std::iter::empty()).synchronised(), None);
    }
}
