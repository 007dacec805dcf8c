//! Gaps in which the host, or another program, has the core: threads that do nothing but look at the clock.
//!
//! What runs in the background of an idle machine takes a core that nobody uses. Where a server and its clients are at work
//! it has to take one of theirs, so as many threads spin.

use std::time::{Duration, Instant};

use crate::cost_model::NoiseClass;
use crate::live::pin::on_busy_cores;
use crate::models::unit::{Value, gaps};
use crate::units::{MICROSECOND, MILLISECOND, Nanos, SECOND};

use super::super::book::{Book, Finding};

/// Ends of the classes of gaps; what is longer than the last is a stop of the machine, not its noise.
pub const BOUNDS: [Nanos; 11] = [
    20 * MICROSECOND,
    50 * MICROSECOND,
    100 * MICROSECOND,
    200 * MICROSECOND,
    500 * MICROSECOND,
    MILLISECOND,
    2 * MILLISECOND,
    5 * MILLISECOND,
    10 * MILLISECOND,
    20 * MILLISECOND,
    50 * MILLISECOND,
];
/// Pieces that a spell is cut into, to see how much rates differ.
const PIECES: u32 = 4;
/// A share of time in gaps above which a spell is noisy.
pub const NOISY: f64 = 0.05;
/// Length of a canary.
const CANARY: Duration = Duration::from_millis(4);
/// Standard errors of a count that its range covers.
const ERRORS: f64 = 2.0;

/// What a spinning thread saw.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// Gaps of each class.
    pub counts: [u64; BOUNDS.len() - 1],
    /// Time \[ns\].
    pub elapsed: Nanos,
    /// Time in gaps of any class or longer \[ns\].
    pub lost: Nanos,
}

impl Seen {
    /// Takes note of the time between two looks at the clock.
    fn look(&mut self, between: Nanos) {
        if between < BOUNDS[0] {
            return;
        }
        self.lost += between;
        if let Some(class) = BOUNDS.windows(2).position(|ends| between <= ends[1]) {
            self.counts[class] += 1;
        }
    }

    /// What another thread, or this one at another time, saw.
    fn add(&mut self, other: &Seen) {
        self.elapsed += other.elapsed;
        self.lost += other.lost;
        self.counts.iter_mut().zip(&other.counts).for_each(|(sum, count)| *sum += count);
    }

    /// Share of the time in gaps.
    pub fn share(&self) -> f64 {
        self.lost as f64 / self.elapsed.max(1) as f64
    }

    /// Gaps of a class a second of the thread's own time, as the model counts them.
    fn rate(&self, class: usize) -> f64 {
        self.counts[class] as f64 * SECOND as f64 / (self.elapsed - self.lost.min(self.elapsed)).max(1) as f64
    }
}

/// Spins for `span`.
pub fn spin(span: Duration) -> Seen {
    let mut seen = Seen::default();
    let begun = Instant::now();
    let mut last = begun;
    while last - begun < span {
        let now = Instant::now();
        seen.look((now - last).as_nanos() as Nanos);
        last = now;
    }
    seen.elapsed = (last - begun).as_nanos() as Nanos;
    seen
}

/// Whether the machine is noisy just now.
pub fn is_noisy() -> bool {
    spin(CANARY).share() > NOISY
}

/// Spins for `span` in pieces, on the cores that a server and its clients keep busy; `go_on` is asked between them.
pub fn measure(span: Duration, mut go_on: impl FnMut() -> bool) -> Vec<Seen> {
    let piece = || {
        let mut all = Seen::default();
        on_busy_cores(|| spin(span / PIECES)).iter().for_each(|seen| all.add(seen));
        all
    };
    (0..PIECES).map_while(|_| go_on().then(piece)).collect()
}

/// Classes and the range of their rates, as factors, from pieces of a spell.
pub fn classes(pieces: &[Seen]) -> (Vec<NoiseClass>, (f64, f64)) {
    let mut all = Seen::default();
    pieces.iter().for_each(|piece| all.add(piece));
    let found = (0..all.counts.len()).filter(|class| all.counts[*class] > 0);
    let classes = found.filter_map(|class| {
        let rate = (all.rate(class) * 1e3).round() / 1e3;
        gaps(rate, BOUNDS[class], BOUNDS[class + 1]).ok()
    });
    // One range for all: how much the number of gaps differs between pieces, and its own error.
    let total = |seen: &Seen| (0..seen.counts.len()).map(|class| seen.rate(class)).sum::<f64>();
    let mean = total(&all).max(f64::MIN_POSITIVE);
    let error = ERRORS / (all.counts.iter().sum::<u64>().max(1) as f64).sqrt();
    let factors = pieces.iter().map(|piece| total(piece) / mean);
    let (low, high) = factors.fold((1.0 - error, 1.0 + error), |(low, high), factor| {
        (f64::min(low, factor), f64::max(high, factor))
    });
    (classes.collect(), ((low.max(0.0) * 1e3).round() / 1e3, (high * 1e3).round() / 1e3))
}

/// Writes what was seen into the book.
pub fn tell(pieces: &[Seen], book: &mut Book) {
    let seconds = pieces.iter().map(|piece| piece.elapsed).sum::<Nanos>() as f64 / SECOND as f64;
    let (classes, range) = classes(pieces);
    let how = format!("{seconds:.1} s of spinning threads; classes without a gap are left out");
    book.found(Finding { price: "noise.class", value: Value::Gaps(classes), range, how, residual: None });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost_model::Noise;
    use crate::noise::HostNoise;
    use crate::rng::{StreamId, Streams};

    /// What a thread would see of the simulator's own gaps in `span`.
    fn seen(noise: &Noise, span: Nanos, number: u64) -> Seen {
        let mut host = HostNoise::new(noise, Streams::new(7, number).open(StreamId::HostNoise, 0));
        let mut seen = Seen { elapsed: span, ..Seen::default() };
        while host.next_at() < span {
            seen.look(host.take().1);
        }
        seen
    }

    #[test]
    fn the_simulators_own_gaps_come_back_class_by_class() {
        let known = [(180.0, 20, 50), (60.0, 50, 100), (4.0, 200, 500), (1.0, 1000, 2000)];
        let classes_known: Vec<NoiseClass> = known
            .iter()
            .map(|(per_second, shortest, longest)| NoiseClass {
                per_second: *per_second,
                shortest: shortest * MICROSECOND,
                longest: longest * MICROSECOND,
            })
            .collect();
        let noise = Noise { classes: classes_known.clone() };
        // So long that the rarest class is known to 4 s.e. of 3 %.
        let pieces: Vec<Seen> = (0..4).map(|number| seen(&noise, 4500 * SECOND, number)).collect();
        let (found, range) = classes(&pieces);
        assert_eq!(found.len(), known.len());
        for (found, known) in found.iter().zip(&classes_known) {
            assert_eq!((found.shortest, found.longest), (known.shortest, known.longest));
            assert!((found.per_second / known.per_second - 1.0).abs() < 0.03, "{found:?}");
        }
        assert!(range.0 < 1.0 && range.1 > 1.0 && range.1 < 1.02, "{range:?}");
    }

    #[test]
    fn a_quiet_machine_has_no_class_and_a_stopped_one_is_noisy() {
        let quiet = Seen { elapsed: SECOND, ..Seen::default() };
        assert_eq!(classes(&[quiet]).0, []);
        let mut stopped = Seen { elapsed: SECOND, ..Seen::default() };
        stopped.look(100 * MILLISECOND);
        assert!(stopped.share() > NOISY && stopped.counts.iter().all(|count| *count == 0));
    }
}
