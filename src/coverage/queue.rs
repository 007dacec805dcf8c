//! Queues whose quantiles are known, by Lindley's recursion, recorded as the engine records.

use crate::observe::histogram::Histogram;
use crate::observe::sections::{Section, Sections};
use crate::observe::sparse::SparseHistogram;
use crate::rng::{Stream, StreamId, Streams};
use crate::units::{Nanos, SECOND};

/// Mean service \[s\].
const SERVICE: f64 = 1e-3;
/// Share of the customers before recording begins.
const WARMUP: f64 = 0.05;

/// What the server does when nobody waits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Vacations {
    /// It waits: M/M/1.
    None,
    /// It goes away for exponential times of this mean \[s\], again and again, until it finds a customer.
    Exponential(f64),
}

/// A queue with Poisson arrivals and exponential services of 1 ms, first come first served.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Queue {
    /// Utilisation, 0 to 1.
    pub utilisation: f64,
    /// What happens when it is empty.
    pub vacations: Vacations,
    /// Mean number of customers of a trial.
    pub customers: f64,
}

/// The queues that are looked at; the short one has too few customers for its P99.9.
pub const ALL: [(&str, Queue); 4] = [
    ("mm1-0.7", Queue { utilisation: 0.7, vacations: Vacations::None, customers: 1e6 }),
    ("mm1-0.9", Queue { utilisation: 0.9, vacations: Vacations::None, customers: 3e6 }),
    ("mm1-0.7-short", Queue { utilisation: 0.7, vacations: Vacations::None, customers: 1e5 }),
    ("mg1-vacations", Queue { utilisation: 0.5, vacations: Vacations::Exponential(20e-3), customers: 1e6 }),
];

impl Queue {
    fn arrival_rate(&self) -> f64 {
        self.utilisation / SERVICE
    }

    /// The quantile `q` of the sojourn \[ns\].
    ///
    /// That of M/M/1 is exponential with mean s / (1 − ρ). With vacations what is left of one is added, independent of it
    /// (Fuhrmann and Cooper 1985), and what is left of an exponential time is exponential.
    pub fn quantile(&self, q: f64) -> f64 {
        let queue = (1.0 - self.utilisation) / SERVICE;
        let beyond = |t: f64| match self.vacations {
            Vacations::None => libm::exp(-queue * t),
            Vacations::Exponential(mean) => {
                let away = 1.0 / mean;
                (away * libm::exp(-queue * t) - queue * libm::exp(-away * t)) / (away - queue)
            }
        };
        let (mut low, mut high) = (0.0, 1e3);
        for _ in 0..100 {
            let middle = 0.5 * (low + high);
            if beyond(middle) > 1.0 - q { low = middle } else { high = middle }
        }
        low * SECOND as f64
    }

    /// Trial number `number`, in `sections` sections.
    pub fn simulate(&self, seed: u64, number: u64, sections: u32) -> Sections {
        let streams = Streams::new(seed, number);
        let [mut arrivals, mut services, mut away] =
            [0, 1, 2].map(|index| streams.open(StreamId::Arrivals, index));
        let spread = |stream: &mut Stream, mean: f64| stream.exponential() * mean;
        let length = self.customers / self.arrival_rate();
        let begin = WARMUP * length;
        let section = length / f64::from(sections);
        let (mut now, mut free_at) = (0.0, 0.0f64);
        let mut current = Histogram::new();
        let mut list = Vec::with_capacity(sections as usize);
        while list.len() < sections as usize {
            now += spread(&mut arrivals, 1.0 / self.arrival_rate());
            if let Vacations::Exponential(mean) = self.vacations {
                while free_at < now {
                    free_at += spread(&mut away, mean);
                }
            }
            free_at = free_at.max(now) + spread(&mut services, SERVICE);
            while list.len() < sections as usize && now >= begin + section * (list.len() + 1) as f64 {
                list.push(one(list.len() as f64 * section, section, &current));
                current.clear();
            }
            if now >= begin {
                current.record(((free_at - now) * SECOND as f64) as Nanos);
            }
        }
        Sections { scopes: vec![("all".into(), 0)], list, recurring: Vec::new() }
    }
}

fn one(start: f64, length: f64, sojourns: &Histogram) -> Section {
    let nanos = |seconds: f64| (seconds * SECOND as f64) as Nanos;
    Section {
        start: nanos(start),
        end: nanos(start + length),
        sojourns: vec![SparseHistogram::from(sojourns)],
        ..Section::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::queueing::mm1_sojourn_quantile;

    #[test]
    fn quantiles_are_those_of_the_textbook() {
        let mm1 = ALL[0].1;
        let expected = mm1_sojourn_quantile(700.0, SERVICE, 0.99).expect("stable") * 1e9;
        assert!((mm1.quantile(0.99) / expected - 1.0).abs() < 1e-6);
        // A vacation of next to no length changes nothing.
        let short = Queue { vacations: Vacations::Exponential(1e-9), ..mm1 };
        assert!((short.quantile(0.99) / expected - 1.0).abs() < 1e-4);
    }

    #[test]
    fn trials_follow_their_closed_form() {
        for (name, queue) in ALL {
            let sections = queue.simulate(7, 0, 64);
            let all = SparseHistogram::merged(sections.sojourns("all"));
            assert!((all.count() as f64 / queue.customers - 1.0).abs() < 0.02, "{name}");
            let median = all.interpolated(0.5).expect("customers");
            assert!((median / queue.quantile(0.5) - 1.0).abs() < 0.1, "{name}: {median}");
        }
    }
}
