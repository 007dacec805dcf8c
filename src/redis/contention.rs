//! Too few cores: the main thread waits for one that others keep busy.
//!
//! Linux gives the core to whoever is to have had its slice first (EEVDF, kernel/sched/fair.c from 6.6 on), and sleeping earns
//! nothing. Beside a thread that never sleeps, such as a child, a server that wakes up goes ahead only until it has used up
//! what that thread has had more than itself. Then it waits until the other has had its slice, which is noticed at the next
//! tick of the clock; by that time it may be ahead for as long again. So a server waits about as long as it works, however
//! little that is, in pieces of up to a tick. (Linux 6.18 on two cores, 250 ticks a second: a thread that is woken 10,000
//! times a second for 20 us each beside one that computes uses 28 % of the core and waits for 25 % of the time, 3 ms at once;
//! at 15 % it waits for 11 %, at 44 % for 43 %.)
//!
//! Threads that sleep as well let each other pass, unless they want more than there is: then each gets its fair share.
//!
//! Left out: threads that move between cores, and waits of the clients' own threads.

use crate::math::Factor;
use crate::units::{MICROSECOND, Nanos};

/// Slice of one core (kernel/sched/fair.c, `sysctl_sched_base_slice`); it grows with the logarithm of the cores.
const BASE_SLICE: Nanos = 700 * MICROSECOND;
/// Cores beyond which it grows no more (`get_update_sysctl_factor`).
const CORES_MOST: u32 = 8;

/// Who wants the cores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Demand {
    /// Threads that want a core, the main thread and all the busy ones among them.
    pub runnable: f64,
    /// Of these, those that never sleep, beside the main thread.
    pub busy: f64,
    /// Cores.
    pub cores: f64,
}

/// What the main thread has had of a core that others wanted as well.
#[derive(Clone, Debug)]
pub struct Contention {
    demand: Option<Demand>,
    /// Share of the main thread's time that it is on one core with another, where those are busy; else its fair share.
    factor: Factor,
    slice: Nanos,
    tick: Nanos,
    /// Time on a core: since the last wait, or beyond the fair share as of `at`.
    ahead: Nanos,
    /// How much of it may be before the next wait.
    granted: Nanos,
    at: Nanos,
}

impl Contention {
    /// Nobody else wants one of `cores`; the clock ticks every `tick` \[ns\].
    pub fn new(cores: u32, tick: Nanos) -> Self {
        let slice = BASE_SLICE * Nanos::from(1 + cores.clamp(1, CORES_MOST).ilog2());
        Contention { demand: None, factor: Factor::default(), slice, tick, ahead: 0, granted: 0, at: 0 }
    }

    /// What is wanted from now on.
    pub fn set(&mut self, demand: Demand) {
        let demand = Some(demand).filter(|demand| demand.runnable > demand.cores);
        if demand == self.demand {
            return;
        }
        let is_busy = |demand: &Option<Demand>| demand.is_some_and(|demand| demand.busy > 0.0);
        if is_busy(&demand) != is_busy(&self.demand) {
            (self.ahead, self.granted) = (0, 0);
        }
        self.demand = demand;
        self.factor = Factor::new(demand.map_or(1.0, |Demand { runnable, busy, cores }| {
            // Each thread too many makes two of them share a core.
            if busy > 0.0 { (2.0 * (runnable - cores) / runnable).min(1.0) } else { cores / runnable }
        }));
    }

    /// Whether there are too few cores now.
    #[inline(always)]
    pub fn is_on(&self) -> bool {
        self.demand.is_some()
    }

    /// What the main thread waits for a core \[ns\] after it has worked for `span` until `now`.
    #[inline(always)]
    pub fn after(&mut self, span: Nanos, now: Nanos) -> Nanos {
        match self.demand {
            None => 0,
            Some(demand) if demand.busy > 0.0 => self.waits_for_slices(demand, span, now),
            Some(demand) => self.waits_for_share(demand, span, now),
        }
    }

    /// Beside threads that never sleep.
    #[inline(never)]
    fn waits_for_slices(&mut self, demand: Demand, span: Nanos, now: Nanos) -> Nanos {
        self.ahead += self.factor.of(span);
        // Several on one core have their turns one after the other.
        let turns = ((demand.runnable - demand.cores) / demand.cores).max(1.0);
        let mut wait = 0;
        while self.ahead >= self.granted {
            self.ahead -= self.granted;
            let begun = now + wait;
            let to_tick = self.tick - begun % self.tick;
            // A new thread has half a slice first (PLACE_DEADLINE_INITIAL).
            let is_short = self.granted == 0 && to_tick < self.slice / 2;
            let one = if is_short { to_tick + self.tick } else { to_tick };
            let all = one + ((turns - 1.0) * self.tick as f64) as Nanos;
            self.granted = (all as f64 / turns) as Nanos;
            wait += all;
        }
        wait
    }

    /// Beside threads that sleep as well.
    #[inline(never)]
    fn waits_for_share(&mut self, demand: Demand, span: Nanos, now: Nanos) -> Nanos {
        let elapsed = now.saturating_sub(self.at);
        self.at = now;
        self.ahead = (self.ahead + span).saturating_sub(self.factor.of(elapsed));
        if self.ahead < self.slice {
            return 0;
        }
        // Until its share has caught up.
        let wait = (self.ahead as f64 * demand.runnable / demand.cores).round() as Nanos;
        self.ahead = 0;
        self.at = now + wait;
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{MILLISECOND, SECOND};

    const TICK: Nanos = 4 * MILLISECOND;

    fn contention(runnable: f64, busy: f64, cores: u32) -> Contention {
        let mut contention = Contention::new(cores, TICK);
        contention.set(Demand { runnable, busy, cores: f64::from(cores) });
        contention
    }

    /// Waits of a thread that works for `work` and sleeps for `sleep`, and its work, over a second of both.
    fn waits(contention: &mut Contention, work: Nanos, sleep: Nanos) -> (Vec<Nanos>, Nanos) {
        let (mut now, mut waits, mut worked) = (0, Vec::new(), 0);
        while now < SECOND {
            (now, worked) = (now + work, worked + work);
            let wait = contention.after(work, now);
            waits.extend((wait > 0).then_some(wait));
            now += wait + sleep;
        }
        (waits, worked)
    }

    fn sum(waits: &[Nanos]) -> f64 {
        waits.iter().sum::<Nanos>() as f64
    }

    #[test]
    fn beside_a_busy_thread_a_server_waits_as_long_as_it_works() {
        for (work, sleep) in
            [(20_000, 0), (20_000, 47_000), (23_000, 81_000), (150_000, 400_000), (17_000_000, 1_000_000)]
        {
            let (met, worked) = waits(&mut contention(2.0, 1.0, 1), work, sleep);
            // But for one wait: each is worked off before the next.
            let off = sum(&met) - worked as f64;
            assert!(off.abs() <= (TICK + TICK + work) as f64, "{work} {sleep}: {off}");
            assert!(work > TICK || met.iter().all(|&wait| wait <= TICK + BASE_SLICE), "{met:?}");
        }
        // On average half a tick, whatever the phase.
        let (met, _) = waits(&mut contention(2.0, 1.0, 1), 20_000, 83_000);
        let mean = sum(&met) / met.len() as f64;
        assert!((1.6e6..2.6e6).contains(&mean), "{mean}");
    }

    #[test]
    fn with_cores_enough_nobody_waits_and_with_two_of_three_on_one_core_less_often() {
        assert!(waits(&mut contention(2.0, 1.0, 2), 20_000, 0).0.is_empty());
        let (met, worked) = waits(&mut contention(3.0, 1.0, 2), 20_000, 47_000);
        assert!((sum(&met) / worked as f64 - 2.0 / 3.0).abs() < 0.05, "{} {worked}", sum(&met));
        // Two busy ones on its only core.
        let (met, worked) = waits(&mut contention(3.0, 2.0, 1), 20_000, 0);
        assert!((1.9..2.6).contains(&(sum(&met) / worked as f64)), "{} {worked}", sum(&met));
    }

    #[test]
    fn a_new_thread_has_half_a_slice_before_anyone_else() {
        let mut new = contention(2.0, 1.0, 1);
        let now = 5 * TICK - BASE_SLICE / 4;
        assert_eq!(new.after(1000, now), BASE_SLICE / 4 + TICK);
        let mut new = contention(2.0, 1.0, 1);
        assert_eq!(new.after(1000, 5 * TICK - BASE_SLICE), BASE_SLICE);
        assert_eq!(new.after(BASE_SLICE - 1001, 7 * TICK), 0, "what the other has had is worked off first");
    }

    #[test]
    fn beside_threads_that_sleep_nobody_waits_within_the_fair_share_and_who_wants_more_gets_it() {
        assert!(waits(&mut contention(2.0, 0.0, 1), 20_000, 80_000).0.is_empty());
        assert!(waits(&mut contention(2.0, 0.0, 1), 20_000, 21_000).0.is_empty());
        let (met, _) = waits(&mut contention(2.0, 0.0, 1), 20_000, 0);
        assert!((sum(&met) - 0.5e9).abs() < 3e6, "half of the core: {}", sum(&met));
        // 0.7 ms beyond the share at half a nanosecond a nanosecond: 1.4 ms of work, then as long a wait.
        assert!(met.iter().all(|wait| (1_400_000..1_450_000).contains(wait)), "{met:?}");
    }

    #[test]
    fn slices_grow_with_the_logarithm_of_the_cores() {
        let slice = |cores| contention(1.0, 0.0, cores).slice;
        assert_eq!([1, 2, 4, 8, 64].map(slice), [700_000, 1_400_000, 2_100_000, 2_800_000, 2_800_000]);
    }
}
