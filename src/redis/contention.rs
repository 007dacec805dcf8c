//! Too few cores: the main thread waits for one that others keep busy.
//!
//! Linux lets a thread that wakes up go ahead of one that never sleeps, until it has had more than its fair share of the
//! core by a slice (EEVDF, kernel/sched/fair.c from 6.6 on: base_slice). So a server that is busy for less than its share
//! hardly notices a child that computes on the same core, and one that is busy for more is stopped once a slice.
//!
//! Left out: threads that move between cores, and waits of the clients' own threads.

use crate::math::Factor;
use crate::units::{MICROSECOND, Nanos};

/// Slice of one core (kernel/sched/fair.c, `sysctl_sched_base_slice`); it grows with the logarithm of the cores.
const BASE_SLICE: Nanos = 700 * MICROSECOND;
/// Cores beyond which it grows no more (`get_update_sysctl_factor`).
const CORES_MOST: u32 = 8;

/// What the main thread has had of a core beyond its share.
#[derive(Clone, Debug)]
pub struct Contention {
    /// Fair share of a core; none while there are cores enough.
    share: Option<f64>,
    fair: Factor,
    slice: Nanos,
    /// Time on a core beyond the fair share, as of `at`.
    ahead: Nanos,
    at: Nanos,
}

impl Contention {
    /// Nobody else wants one of `cores`.
    pub fn new(cores: u32) -> Self {
        let slice = BASE_SLICE * Nanos::from(1 + cores.clamp(1, CORES_MOST).ilog2());
        Contention { share: None, fair: Factor::default(), slice, ahead: 0, at: 0 }
    }

    /// So many threads, the main thread among them, want so many cores from now on.
    pub fn set(&mut self, runnable: f64, cores: f64) {
        let share = (runnable > cores).then(|| cores / runnable);
        if share != self.share {
            self.share = share;
            self.fair = Factor::new(share.unwrap_or(1.0));
        }
    }

    /// Whether there are too few cores now.
    #[inline(always)]
    pub fn is_on(&self) -> bool {
        self.share.is_some()
    }

    /// What the main thread waits for a core \[ns\] after it has worked for `span` until `now`.
    #[inline(always)]
    pub fn after(&mut self, span: Nanos, now: Nanos) -> Nanos {
        if self.share.is_some() { self.waits(span, now) } else { 0 }
    }

    #[inline(never)]
    fn waits(&mut self, span: Nanos, now: Nanos) -> Nanos {
        let elapsed = now.saturating_sub(self.at);
        self.at = now;
        self.ahead = (self.ahead + span).saturating_sub(self.fair.of(elapsed));
        if self.ahead < self.slice {
            return 0;
        }
        // Until its share has caught up.
        let wait = (self.ahead as f64 / self.share.unwrap_or(1.0)).round() as Nanos;
        self.ahead = 0;
        self.at = now + wait;
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::SECOND;

    fn contention(runnable: f64, cores: u32) -> Contention {
        let mut contention = Contention::new(cores);
        contention.set(runnable, f64::from(cores));
        contention
    }

    /// Waits of a thread that works for `work` and sleeps for `sleep`, over a second of both.
    fn waits(contention: &mut Contention, work: Nanos, sleep: Nanos) -> Vec<Nanos> {
        let (mut now, mut waits) = (0, Vec::new());
        while now < SECOND {
            now += work;
            let wait = contention.after(work, now);
            waits.extend((wait > 0).then_some(wait));
            now += wait + sleep;
        }
        waits
    }

    #[test]
    fn who_stays_below_the_fair_share_never_waits_and_who_does_not_gets_it() {
        assert_eq!(waits(&mut contention(2.0, 1), 20_000, 80_000).len(), 0);
        assert_eq!(waits(&mut contention(2.0, 1), 20_000, 21_000).len(), 0);
        let met = waits(&mut contention(2.0, 1), 20_000, 0);
        let total: Nanos = met.iter().sum();
        assert!((total as f64 - 0.5e9).abs() < 3e6, "half of the core: {total}");
        // 0.7 ms beyond the share at half a nanosecond a nanosecond: 1.4 ms of work, then as long a wait.
        assert!(met.iter().all(|wait| (1_400_000..1_450_000).contains(wait)), "{met:?}");
        assert_eq!(waits(&mut contention(2.0, 2), 20_000, 0).len(), 0, "there are cores enough");
    }

    #[test]
    fn slices_grow_with_the_logarithm_of_the_cores() {
        let slice = |cores| contention(1.0, cores).slice;
        assert_eq!([1, 2, 4, 8, 64].map(slice), [700_000, 1_400_000, 2_100_000, 2_800_000, 2_800_000]);
    }
}
