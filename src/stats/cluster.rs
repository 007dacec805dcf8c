//! Redirects while slots move, in closed form.
//!
//! Times are seconds and rates a second, save where a function says nanoseconds. Loads are Poisson and even over the
//! slots; one slot is open at a time.

use libm::{exp, expm1};

use crate::units::Nanos;

/// Number of hash slots (`CLUSTER_SLOTS`, cluster.h).
const SLOTS: f64 = 16_384.0;

/// Share of the key space that lies in a migrating slot while `reshards` legacy reshards run, which move one slot at a
/// time each.
pub fn migrating_share(reshards: u32) -> f64 {
    (f64::from(reshards) / SLOTS).min(1.0)
}

/// Expected number of ASK replies while `slots` slots move, each of them open for `open` \[s\] under `load` commands a
/// second, of which a share `new` has keys that no node has yet.
///
/// A key that is there meets ASK once it has moved, which is half of the time if keys leave evenly; a new one always
/// does. A client without the target's answer asks the source every time: ASK changes no map.
pub fn ask_expected(slots: f64, open: f64, load: f64, new: f64) -> f64 {
    slots * open * load * (0.5 * (1.0 - new) + new)
}

/// Least and largest share of the keys that have left, in the mean over the time of a slot's `keys` keys ≥ 1 leaving
/// `batch` ≥ 1 at a time in equal steps: commands that come during a step see its beginning, or wait for its end.
///
/// 0.5 lies between the two; they differ by a step's share.
pub fn share_gone(keys: u64, batch: u64) -> (f64, f64) {
    let (keys, batch) = (keys.max(1), batch.max(1));
    let steps = keys.div_ceil(batch);
    // Σ of min(i · batch, keys), i below `steps`.
    let before = batch as f64 * (steps as f64 - 1.0) * steps as f64 / 2.0;
    let whole = keys as f64 * steps as f64;
    (before / whole, (before + keys as f64) / whole)
}

/// Expected number of MOVED replies of `maps` client processes that change one slot at each MOVED: one a map and moved
/// slot that it uses before the end.
///
/// `rests` are the times from the end of each slot's move to the end of the run \[s\], `load` the commands a second of
/// one process to one slot.
pub fn moved_expected(maps: f64, load: f64, rests: impl IntoIterator<Item = f64>) -> f64 {
    let used = |rest: f64| -expm1(-load * rest.max(0.0));
    maps * rests.into_iter().map(used).sum::<f64>()
}

/// The same for processes that never change their map: every command to a moved slot.
pub fn moved_expected_unlearned(maps: f64, load: f64, rests: impl IntoIterator<Item = f64>) -> f64 {
    maps * load * rests.into_iter().map(|rest| rest.max(0.0)).sum::<f64>()
}

/// The same for processes that fetch the whole map at each MOVED, in no time: `slots` slots move, one every `gap` \[s\],
/// and the run ends `rest` \[s\] after the last.
///
/// Between two moves a process has at most one MOVED, since the fetch tells it of all slots that have moved; it has one
/// with probability 1 − e^(−m·load·gap) when it knows nothing of m slots.
pub fn moved_expected_fetching(maps: f64, load: f64, slots: u32, gap: f64, rest: f64) -> f64 {
    // unknown[m]: probability that a process does not know of m + 1 moved slots.
    let mut unknown = vec![1.0];
    let mut moved = 0.0;
    for slot in 1..=slots {
        let span = if slot == slots { rest } else { gap };
        let mut next = vec![0.0];
        for (m, &probability) in unknown.iter().enumerate() {
            let silent = exp(-(m as f64 + 1.0) * load * span);
            next[0] += probability * (1.0 - silent);
            next.push(probability * silent);
        }
        moved += next[0];
        // What is left out is below the last digit of any sum of 16,384 terms.
        while next.len() > 1 && next.last().is_some_and(|last| *last < 1e-22) {
            next.pop();
        }
        unknown = next;
    }
    maps * moved
}

/// Latency \[ns\] of a command on an idle cluster: its round trips, each twice `one_way` \[ns\], and the time that each
/// server takes from a request it can read to the reply it has written, `server` \[ns\], one for each round trip.
pub fn idle_latency(one_way: Nanos, server: &[Nanos]) -> Nanos {
    server.iter().map(|time| 2 * one_way + time).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(value: f64, expected: f64, tolerance: f64) {
        assert!((value - expected).abs() <= tolerance, "{value} against {expected}");
    }

    #[test]
    fn a_migrating_slot_is_a_small_part_of_the_keys() {
        near(migrating_share(1), 0.000_061, 1e-6);
        near(migrating_share(20_000), 1.0, 0.0);
        // 500 slots, 20 ms each, 50,000 commands a second over all slots.
        near(ask_expected(500.0, 0.02, 50_000.0 / 16_384.0, 0.0), 15.26, 0.01);
        near(ask_expected(1.0, 2.0, 10.0, 1.0), 20.0, 0.0);
    }

    #[test]
    fn keys_that_leave_in_batches_are_gone_for_half_of_the_time_up_to_a_batch() {
        assert_eq!(share_gone(1, 10), (0.0, 1.0));
        assert_eq!(share_gone(20, 10), (0.25, 0.75));
        for (keys, batch) in [(1u64, 1u64), (95, 10), (100, 7), (1000, 10)] {
            let gone: Vec<f64> =
                (0..keys.div_ceil(batch)).map(|step| (step * batch) as f64 / keys as f64).collect();
            let mean = gone.iter().sum::<f64>() / gone.len() as f64;
            let (least, most) = share_gone(keys, batch);
            near(least, mean, 1e-12);
            near(most - least, 1.0 / gone.len() as f64, 1e-12);
        }
    }

    #[test]
    fn a_process_meets_one_moved_a_slot_it_uses() {
        near(moved_expected(10.0, 1e9, [1.0; 500]), 5000.0, 1e-9);
        near(moved_expected(1.0, 2.0, [0.5, 0.0, -1.0]), 1.0 - exp(-1.0), 1e-15);
        near(moved_expected_unlearned(3.0, 2.0, [0.5, 1.5, -1.0]), 12.0, 1e-12);
    }

    #[test]
    fn a_process_that_fetches_meets_fewer() {
        // Used at once: each slot has its own MOVED. One slot: no matter how it learns.
        near(moved_expected_fetching(10.0, 1e9, 500, 1.0, 1.0), 5000.0, 1e-6);
        near(moved_expected_fetching(1.0, 2.0, 1, 9.0, 0.5), moved_expected(1.0, 2.0, [0.5]), 1e-15);
        // Two slots by hand: MOVED in the gap with p, and after it with one or two unknown slots.
        let (load, gap, rest) = (0.7, 0.9, 0.4);
        let p = 1.0 - exp(-load * gap);
        let after = p * (1.0 - exp(-load * rest)) + (1.0 - p) * (1.0 - exp(-2.0 * load * rest));
        near(moved_expected_fetching(1.0, load, 2, gap, rest), p + after, 1e-14);
        // Rarely used slots: the hazard grows by load / gap, cycles are Rayleigh with mean √(π gap / (2 load)).
        let (load, gap, slots) = (1e-4, 1.0, 16_000);
        let cycles = f64::from(slots) * gap / (std::f64::consts::PI * gap / (2.0 * load)).sqrt();
        near(moved_expected_fetching(1.0, load, slots, gap, gap) / cycles, 1.0, 0.02);
    }

    #[test]
    fn idle_latencies_are_round_trips_and_servers() {
        assert_eq!(idle_latency(100, &[7]), 207);
        assert_eq!(idle_latency(100, &[7, 5, 9]), 621);
    }
}
