//! How long the runs of a counterfactual are, and how many.
//!
//! What happened is told by one run of the whole duration. What would have happened otherwise takes many runs, each of which
//! only has to hold what recurs: as in a search for a size, they are some cycles of snapshots long and begin anywhere in
//! them. A scenario that is about what happens at a time keeps its length, and gets fewer runs instead.

use crate::experiment::Template;
use crate::experiment::size::Length;
use crate::observe::result::RunResult;
use crate::scenario::ttl::Ttl;
use crate::scenario::{Scenario, Source};
use crate::units::{Nanos, SECOND};

/// Commands that all runs together may take, about: some ten seconds of two cores.
const BUDGET: f64 = 400e6;
/// Plain commands that one of a cluster counts as, one of clients with a program, one where keys have deadlines, and one of a
/// closed loop.
const HEAVY: [f64; 4] = [20.0, 10.0, 5.0, 2.0];
/// Longer than the budget allows, where runs have to be as long as the scenario.
const PATIENCE: f64 = 2.0;
/// Replications when nobody says how many.
pub const REPLICATIONS: u64 = 10;
/// The fewest that tell anything, where each has to be long.
const FEWEST: u64 = 4;
/// Commands whose simulation takes about as long as the beginning of a run.
const BEGINNING: f64 = 2e5;

/// Length and number of runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Horizon {
    /// Simulated time of each, the warm-up included \[ns\].
    pub duration: Nanos,
    /// Warm-up \[ns\].
    pub warmup: Nanos,
    /// Runs of each variant when nobody says how many.
    pub replications: u64,
    /// Why they are as long as the scenario, where they could not be shorter.
    pub whole: Option<&'static str>,
}

impl Horizon {
    /// For `variants` of the scenario that `template` resolves to, one of which took `run`; `asked` is a length that somebody
    /// wants, `replications` how many runs, if somebody says so.
    pub fn of(
        (template, scenario, run): (&Template, &Scenario, &RunResult),
        variants: usize,
        asked: Option<Nanos>,
        replications: Option<u64>,
    ) -> Horizon {
        let (duration, warmup) = (scenario.run.duration, scenario.run.warmup);
        let each = replications.unwrap_or(REPLICATIONS);
        if let Some(length) = asked {
            let duration = length.min(duration);
            return Horizon { duration, warmup: warmup.min(duration / 2), replications: each, whole: None };
        }
        let measured = (duration - warmup).max(1);
        let commands = run.requests.max(1) as f64 * weight(scenario);
        let share = BUDGET / variants.max(1) as f64;
        let affordable =
            |runs: u64| ((share / runs as f64 - BEGINNING) / commands).max(0.0) * measured as f64;
        let length = Length::of(template, scenario, &[]).ok();
        if let Some(reason) = reason(scenario, length.as_ref()) {
            let fits = (PATIENCE * share / (commands + BEGINNING)) as u64;
            let replications = replications.unwrap_or(fits.clamp(FEWEST, REPLICATIONS));
            return Horizon { duration, warmup, replications, whole: Some(reason) };
        }
        let chosen = length.filter(|length| length.given.is_none());
        let cycle = chosen.as_ref().map_or(measured, |length| length.duration - length.warmup);
        let cycle = cycle.max(deadlines(scenario));
        let cycles = (affordable(each) / cycle as f64) as u64;
        // Where the length was asked for there is no cycle to keep to.
        let own = match chosen {
            Some(_) => cycle.saturating_mul(cycles.max(1)),
            None => (affordable(each) as Nanos).next_multiple_of(SECOND).max(SECOND),
        };
        let own = own.min(measured);
        let warmup = chosen.map_or(warmup, |length| length.warmup.min(warmup));
        Horizon { duration: own + warmup, warmup, replications: each, whole: None }
    }

    /// `scenario` at this length, without windows, which nothing here asks for.
    pub fn applied(&self, mut scenario: Scenario) -> Scenario {
        (scenario.run.duration, scenario.run.warmup) = (self.duration, self.warmup);
        scenario.run.warmup_auto = false;
        scenario.run.windows.clear();
        scenario
    }
}

/// What a command of `scenario` costs to simulate, in plain ones.
fn weight(scenario: &Scenario) -> f64 {
    let groups = || scenario.workloads.iter();
    let is = [
        scenario.cluster.is_some(),
        groups().any(|group| group.pattern.is_some()),
        times_to_live(scenario).next().is_some(),
        groups().any(|group| matches!(group.source, Source::Closed { .. })),
    ];
    is.iter().zip(HEAVY).find(|(is, _)| **is).map_or(1.0, |(_, weight)| weight)
}

fn times_to_live(scenario: &Scenario) -> impl Iterator<Item = &Ttl> {
    scenario.dataset.ttl.iter().chain(scenario.workloads.iter().filter_map(|group| group.ttl.as_ref()))
}

/// Twice the time after which keys are due: what happens to those that are there at the start has happened by then.
fn deadlines(scenario: &Scenario) -> Nanos {
    let due = |ttl: &Ttl| 2 * (ttl.dist.mean() as Nanos).saturating_add(ttl.jitter + ttl.align);
    times_to_live(scenario).map(due).max().unwrap_or(0)
}

/// Why the runs have to be as long as the scenario, if so.
fn reason(scenario: &Scenario, length: Option<&Length>) -> Option<&'static str> {
    if scenario.replicas.iter().any(|replica| replica.attach.is_some()) {
        return Some("a replica attaches at a time");
    }
    length.and_then(|length| length.given.filter(|_| !length.random_phase))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::builtin;
    use crate::scenario::resolve::Overrides;
    use crate::sim::{RunOptions, run};

    fn horizon(
        name: &str,
        set: &[&str],
        duration: Option<&str>,
        replications: Option<u64>,
    ) -> (Horizon, Scenario) {
        let overrides = Overrides {
            set: set.iter().map(|set| set.to_string()).collect(),
            duration: duration.map(str::to_owned),
            ..Overrides::default()
        };
        let text = builtin::get(name).expect("built in").to_owned();
        let template = Template::new(text, name.to_owned(), ".".into(), overrides);
        let scenario = template.resolve().unwrap_or_else(|problems| panic!("{problems}"));
        let short = Scenario {
            run: crate::scenario::RunConfig {
                duration: 12 * SECOND,
                warmup: 2 * SECOND,
                ..scenario.run.clone()
            },
            ..scenario.clone()
        };
        let mut result = run(&short, &RunOptions::default(), &mut |_| true).expect("it runs");
        // As many as a run of the whole length has.
        let factor = (scenario.run.duration - scenario.run.warmup) / (10 * SECOND);
        result.requests *= factor;
        (Horizon::of((&template, &scenario, &result), 20, None, replications), scenario)
    }

    #[test]
    fn runs_are_whole_cycles_as_long_as_the_budget_allows() {
        let (short, _) = horizon("article", &["dataset.memory=1GiB"], None, Some(40));
        let (long, scenario) = horizon("article", &["dataset.memory=1GiB"], None, None);
        let measured = |horizon: &Horizon| horizon.duration - horizon.warmup;
        assert!(measured(&long).is_multiple_of(measured(&short)) && long.duration < scenario.run.duration);
        // 5000 commands a second, 20 variants of 10 runs: a cycle more, which the short ones are, would be too much.
        let all = |measured: Nanos| 200.0 * (measured as f64 / SECOND as f64 * 5000.0 + BEGINNING);
        assert!(all(measured(&long)) < 1.01 * BUDGET, "{long:?}");
        assert!(all(measured(&long) + measured(&short)) > 0.99 * BUDGET, "{long:?} {short:?}");
        assert_eq!((long.replications, long.whole), (REPLICATIONS, None));
    }

    #[test]
    fn what_happens_at_a_time_keeps_its_length_and_what_was_asked_for_is_a_bound() {
        let (with_event, scenario) = horizon("slow-disk", &[], None, None);
        assert_eq!((with_event.duration, with_event.whole.is_some()), (scenario.run.duration, true));
        assert!((FEWEST..=REPLICATIONS).contains(&with_event.replications));
        let (asked, _) = horizon("article", &["dataset.memory=1GiB"], Some("70s"), None);
        assert_eq!(asked.duration, 70 * SECOND);
    }

    #[test]
    fn keys_that_are_there_at_the_start_come_due_twice_over() {
        let hour = 3600 * SECOND;
        let (short, _) = horizon("article", &["dataset.memory=1GiB", "dataset.ttl=10s"], None, None);
        let (long, _) = horizon("article", &["dataset.memory=1GiB", "dataset.ttl=1h"], None, None);
        let measured = |horizon: &Horizon| horizon.duration - horizon.warmup;
        assert!(measured(&short) < 2 * hour && measured(&long) >= 2 * hour, "{short:?} {long:?}");
    }
}
