//! The loop that a textbook begins with: events in a binary heap, taken out by time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use rand_distr::{Distribution, Exp1};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use writepath::observe::histogram::Histogram;

use crate::queue::{RATE, SERVICE, WARM_UP};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Departure,
    Arrival,
}

/// An exponential span with mean `mean` \[ns\].
pub fn exponential(mean: f64, random: &mut Xoshiro256PlusPlus) -> u64 {
    let unit: f64 = Exp1.sample(random);
    (unit * mean) as u64
}

/// Serves `customers` customers, each in `service` seconds on average.
fn serve(seed: u64, customers: u64, service: f64) -> (u64, Histogram) {
    let (gap, service) = (1e9 / RATE, service * 1e9);
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let (mut calendar, mut queue) = (BinaryHeap::new(), VecDeque::new());
    let (mut arrived, mut sojourns) = (0, Histogram::new());
    calendar.push(Reverse((exponential(gap, &mut random), Event::Arrival)));
    while let Some(Reverse((now, event))) = calendar.pop() {
        match event {
            Event::Arrival => {
                if queue.is_empty() {
                    calendar.push(Reverse((now + exponential(service, &mut random), Event::Departure)));
                }
                queue.push_back(now);
                arrived += 1;
                if arrived < customers {
                    calendar.push(Reverse((now + exponential(gap, &mut random), Event::Arrival)));
                }
            }
            Event::Departure => {
                let arrived_at = queue.pop_front().expect("somebody is served");
                if arrived_at >= WARM_UP {
                    sojourns.record(now - arrived_at);
                }
                if !queue.is_empty() {
                    calendar.push(Reverse((now + exponential(service, &mut random), Event::Departure)));
                }
            }
        }
    }
    (arrived, sojourns)
}

/// Serves `customers` customers of the queue.
pub fn simulate(seed: u64, customers: u64) -> (u64, Histogram) {
    serve(seed, customers, SERVICE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::{Replication, mm1};

    fn replications(service: f64) -> Vec<Replication> {
        (0..20).map(|seed| Replication::timed(|| serve(seed, 200_000, service))).collect()
    }

    #[test]
    fn it_is_the_queue_of_the_theory_and_two_percent_more_is_seen() {
        assert_eq!(mm1().refutes(&replications(SERVICE)), None);
        let faults = mm1().refutes(&replications(1.02 * SERVICE)).expect("another queue");
        assert!(faults.contains("mean") && faults.contains("P99"), "{faults}");
    }
}
