//! Whether a run holds enough for a quantile, and if not, enough of what.
//!
//! Requests that one stall delays are one observation, so requests are not what is counted. It is looked at which sections
//! hold the requests beyond the quantile: if they lie where children start and end (forks, the end of a rewrite), the
//! cycles of that child are the observations; otherwise the sections themselves, each weighted by what it holds (Kish
//! 1965: (Σe)² / Σe²).

use super::interval::Part;
use crate::cause::Cause;
use crate::observe::sections::{Section, Sections};

/// Fewest requests beyond a quantile.
const REQUESTS_MIN: f64 = 10.0;
/// Fewest episodes that those requests may come from.
pub const EPISODES_MIN: f64 = 10.0;
/// A child is behind the tail if so much of it lies in the child's sections …
const CARRIED: f64 = 0.5;
/// … and so many times as much as of all requests.
const LIFT: f64 = 2.0;

/// Why there is too little for the quantile `q` of `requests` requests, of which `beyond` says how many were slower, by
/// run and section; none if there is enough.
pub(super) fn too_little(runs: &[&Sections], beyond: &[Vec<Part>], q: f64, requests: u64) -> Option<String> {
    let rare = q.min(1.0 - q);
    if requests as f64 * rare < REQUESTS_MIN {
        let needed = (REQUESTS_MIN / rare).round();
        return Some(format!("{} needs {needed} requests, {} {requests}", name(q), have(runs)));
    }
    // Below the median it is the fast requests that are few; stalls do not make those.
    if q < 0.5 {
        return None;
    }
    if let Some((kind, cycles, effective)) = carrier(runs, beyond) {
        return (effective < EPISODES_MIN).then(|| {
            let number = if effective + 0.5 >= cycles as f64 {
                cycles.to_string()
            } else {
                format!("{cycles}, of which {effective:.0} make it")
            };
            format!("{} needs {EPISODES_MIN} {kind} cycles, {} {number}", name(q), have(runs))
        });
    }
    let effective = kish(beyond.iter().flatten().map(|part| part.sum));
    // Few sections are few for any quantile, and that is said elsewhere.
    let possible = beyond.iter().flatten().count() as f64;
    (possible > EPISODES_MIN && effective < EPISODES_MIN).then(|| episodes(runs, beyond, q, effective))
}

/// Why the interval of `q` has no upper end.
pub(super) fn no_end(runs: &[&Sections], beyond: &[Vec<Part>], q: f64) -> String {
    episodes(runs, beyond, q, kish(beyond.iter().flatten().map(|part| part.sum)))
}

fn episodes(runs: &[&Sections], beyond: &[Vec<Part>], q: f64, effective: f64) -> String {
    let cause = cause(runs, beyond).map_or(String::new(), |cause| format!(" ({})", cause.name()));
    let longer = if effective < EPISODES_MIN { EPISODES_MIN / effective.max(0.1) } else { 2.0 };
    format!(
        "{} rests on about {effective:.0} episodes{cause} that differ too much; it needs a run {:.0} times as long",
        name(q),
        longer.ceil()
    )
}

/// The kind of child whose cycles hold the tail, the number of those cycles, and how many of them make it, weighted.
fn carrier(runs: &[&Sections], beyond: &[Vec<Part>]) -> Option<(&'static str, usize, f64)> {
    let mut kinds: Vec<&'static str> = Vec::new();
    for recurring in runs.iter().flat_map(|run| &run.recurring) {
        if !kinds.contains(&recurring.kind) {
            kinds.push(recurring.kind);
        }
    }
    // First where a child starts and ends, where stalls are; then its whole life, which slows the disk.
    [false, true].into_iter().find_map(|whole_life| {
        let held = kinds.iter().map(|&kind| held_by(runs, beyond, kind, whole_life));
        let carriers = held.filter(|held| held.carries(beyond));
        let best = carriers.max_by(|a, b| a.beyond().total_cmp(&b.beyond()))?;
        Some((best.kind, best.cycles.len(), kish(best.cycles.iter().copied())))
    })
}

/// What lies in the sections of one kind of child.
struct Held {
    kind: &'static str,
    /// Requests beyond the quantile, by cycle.
    cycles: Vec<f64>,
    /// All requests in those sections.
    of: f64,
}

impl Held {
    fn beyond(&self) -> f64 {
        self.cycles.iter().sum()
    }

    fn carries(&self, beyond: &[Vec<Part>]) -> bool {
        let (sum, of) = beyond.iter().flatten().fold((0.0, 0.0), |(s, o), part| (s + part.sum, o + part.of));
        let share = self.beyond() / sum;
        share >= CARRIED && share >= LIFT * self.of / of
    }
}

fn held_by(runs: &[&Sections], beyond: &[Vec<Part>], kind: &'static str, whole_life: bool) -> Held {
    let mut held = Held { kind, cycles: Vec::new(), of: 0.0 };
    for (run, parts) in runs.iter().zip(beyond) {
        let spans = run.recurring.iter().filter(|recurring| recurring.kind == kind);
        // The next section too: a stall at the end of one is answered for there.
        let mut free_from = 0;
        for span in spans {
            let first = run.section_at(span.start).max(free_from);
            let last = (run.section_at(span.end) + 1).min(parts.len().saturating_sub(1));
            let start_ends = run.section_at(span.start) + 1;
            let chosen = (first..=last).filter(|&at| whole_life || at <= start_ends || at + 2 > last);
            let chosen = chosen.map(|at| parts[at]);
            let (sum, of) = chosen.fold((0.0, 0.0), |(s, o), part| (s + part.sum, o + part.of));
            held.cycles.push(sum);
            held.of += of;
            free_from = free_from.max(last + 1);
        }
    }
    held
}

/// The cause that takes most beyond its average in the sections that hold the tail.
fn cause(runs: &[&Sections], beyond: &[Vec<Part>]) -> Option<Cause> {
    let sum: f64 = beyond.iter().flatten().map(|part| part.sum).sum();
    let sections: f64 = beyond.iter().flatten().count() as f64;
    let excess = |cause: Cause| {
        let busy = |(section, part): (&Section, &Part)| {
            section.busy[cause as usize] as f64 * (part.sum / sum - 1.0 / sections)
        };
        runs.iter().zip(beyond).flat_map(|(run, parts)| run.list.iter().zip(parts)).map(busy).sum::<f64>()
    };
    let causes = Cause::ALL.iter().map(|&cause| (cause, excess(cause)));
    causes.filter(|(_, excess)| *excess > 0.0).max_by(|a, b| a.1.total_cmp(&b.1)).map(|(cause, _)| cause)
}

/// Number of equal weights that vary a sum as much as these: (Σe)² / Σe²; 0 of nothing.
fn kish(weights: impl Iterator<Item = f64>) -> f64 {
    let (sum, squares) =
        weights.fold((0.0, 0.0), |(sum, squares), weight| (sum + weight, squares + weight * weight));
    if squares > 0.0 { sum * sum / squares } else { 0.0 }
}

fn have(runs: &[&Sections]) -> &'static str {
    if runs.len() == 1 { "this run has" } else { "these runs have" }
}

/// P99.9 of 0.999.
pub fn name(q: f64) -> String {
    // Nine digits: 99.9 and not 99.90000000000001.
    format!("P{}", (q * 1e9).round() / 1e7)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::sections::Recurring;
    use crate::units::SECOND;

    /// A run of 64 sections of 1 s with 1000 requests each; `beyond` says how many are slow in each.
    fn run(beyond: impl Fn(usize) -> f64, recurring: Vec<Recurring>) -> (Sections, Vec<Vec<Part>>) {
        let section =
            |index: u64| Section { start: index * SECOND, end: (index + 1) * SECOND, ..Section::default() };
        let list = (0..64).map(section).collect();
        let parts = (0..64).map(|index| Part { sum: beyond(index), of: 1000.0 }).collect();
        (Sections { list, recurring, ..Sections::default() }, vec![parts])
    }

    fn saves(every: usize) -> Vec<Recurring> {
        let at = |start: u64| Recurring { kind: "bgsave", start, end: start + SECOND / 2 };
        (0..64).step_by(every).map(|index| at(index as u64 * SECOND)).collect()
    }

    fn said(run: &(Sections, Vec<Vec<Part>>), q: f64) -> Option<String> {
        too_little(&[&run.0], &run.1, q, 64_000)
    }

    #[test]
    fn requests_beyond_a_quantile_are_counted() {
        let even = run(|_| 6.4, Vec::new());
        assert_eq!(said(&even, 0.99), None);
        assert_eq!(said(&even, 0.9999).as_deref(), Some("P99.99 needs 100000 requests, this run has 64000"));
    }

    #[test]
    fn a_tail_of_few_cycles_names_them() {
        let spikes = |every| move |index: usize| if index.is_multiple_of(every) { 100.0 } else { 0.1 };
        assert_eq!(
            said(&run(spikes(20), saves(20)), 0.99).as_deref(),
            Some("P99 needs 10 bgsave cycles, this run has 4")
        );
        assert!(said(&run(spikes(8), saves(8)), 0.99).is_some(), "8 cycles are not");
        assert_eq!(said(&run(spikes(6), saves(6)), 0.99), None, "11 cycles are enough");
        // Children that have nothing to do with the tail do not excuse it, nor explain it.
        let reason =
            said(&run(|index| if index < 3 { 100.0 } else { 0.1 }, saves(6)), 0.99).expect("3 sections");
        assert!(reason.starts_with("P99 rests on about 3 episodes"), "{reason}");
    }

    #[test]
    fn a_tail_that_one_cycle_makes_is_one_observation() {
        let uneven = |index: usize| {
            if index == 0 {
                1000.0
            } else if index.is_multiple_of(4) {
                5.0
            } else {
                0.0
            }
        };
        let reason = said(&run(uneven, saves(4)), 0.99).expect("one cycle");
        assert_eq!(reason, "P99 needs 10 bgsave cycles, this run has 16, of which 1 make it");
    }

    #[test]
    fn the_cause_is_what_the_sections_of_the_tail_have_more_of() {
        let (mut sections, parts) = run(|index| if index < 5 { 50.0 } else { 0.0 }, Vec::new());
        for (index, section) in sections.list.iter_mut().enumerate() {
            section.busy[Cause::Command as usize] = 1_000_000;
            section.busy[Cause::HostNoise as usize] = if index < 5 { 90_000 } else { 10_000 };
        }
        let reason = said(&(sections, parts), 0.99).expect("5 sections");
        assert!(reason.starts_with("P99 rests on about 5 episodes (host-noise)"), "{reason}");
    }

    #[test]
    fn weights_count_as_equal_ones() {
        assert_eq!(kish([2.0; 7].into_iter()), 7.0);
        assert_eq!(kish([0.0, 3.0, 0.0].into_iter()), 1.0);
        assert_eq!(kish(std::iter::empty()), 0.0);
        assert_eq!([0.5, 0.99, 0.999, 0.9999].map(name), ["P50", "P99", "P99.9", "P99.99"]);
    }
}
