//! How long the runs of a search are.
//!
//! A scenario says for how long to watch one server; a search makes a hundred runs, and only their sum has to be long. So
//! they are as short as windows and the cycles of snapshots allow, and each begins somewhere else in those cycles, so that
//! together they see forks and rewrites as often as one long run does. A scenario that is about what happens at a time
//! keeps its length and its beginning.

use crate::experiment::objective::Objective;
use crate::experiment::{Assignment, Template};
use crate::redis::child::ChildKind;
use crate::redis::plan::plans;
use crate::redis::server::Server;
use crate::rng::Streams;
use crate::scenario::{Scenario, Source, Workload};
use crate::units::{Nanos, SECOND, format_span};

/// Measured time of a run in which nothing happens in cycles.
const PLAIN: Nanos = 30 * SECOND;
/// The same where snapshots, rewrites or expiry come and go. A run of a whole cycle of snapshots has a fork whatever its
/// phase, so that runs differ little; shorter ones would be cheaper each, and many more.
const CYCLES: Nanos = 120 * SECOND;
/// The most that is given to a cycle of snapshots: longer ones are seen by some runs only.
const CYCLE_MOST: Nanos = 600 * SECOND;
/// Cycles of snapshots in a run at most, for a rewrite to fall into each.
const REWRITE_CYCLES_MOST: u64 = 3;
/// Windows in a run at least: how far they are within the bound says more than how many are.
const WINDOWS: u64 = 2;
/// Why a length is given when a flag gives it.
const AS_ASKED: &str = "as asked";
/// The warm-up is at most this part of the measured time.
const WARMUP_PART: u64 = 10;

/// Length of the runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Length {
    /// Simulated time, the warm-up included \[ns\].
    pub duration: Nanos,
    /// Warm-up \[ns\].
    pub warmup: Nanos,
    /// Windows that are kept \[ns\].
    pub windows: Vec<Nanos>,
    /// The scenario says how long, for this reason; none: chosen here.
    pub given: Option<&'static str>,
    /// Runs begin anywhere in the cycles of snapshots and rewrites.
    pub random_phase: bool,
}

impl Length {
    /// For runs of `scenario`, to which `template` resolves, under `objectives`.
    ///
    /// # Errors
    /// Objectives whose windows do not fit into a run whose length is given, a sentence each.
    pub fn of(
        template: &Template,
        scenario: &Scenario,
        objectives: &[Objective],
    ) -> Result<Length, Vec<String>> {
        let mut windows: Vec<Nanos> =
            objectives.iter().filter_map(|objective| objective.window).map(|window| window.length).collect();
        windows.sort_unstable();
        windows.dedup();
        let longest = windows.last().copied().unwrap_or(0);
        if let Some(reason) = given(template, scenario) {
            let (duration, warmup) = (scenario.run.duration, scenario.run.warmup);
            let measured = duration - warmup;
            let too_long =
                |objective: &&Objective| objective.window.is_some_and(|window| window.length > measured);
            let errors: Vec<String> = objectives
                .iter()
                .filter(too_long)
                .map(|objective| {
                    format!("{objective}: the window is longer than the {} measured", format_span(measured))
                })
                .collect();
            let length =
                Length { duration, warmup, windows, given: Some(reason), random_phase: reason == AS_ASKED };
            return if errors.is_empty() { Ok(length) } else { Err(errors) };
        }
        let measured = (WINDOWS * longest)
            .max(if has_cycles(scenario) { CYCLES } else { PLAIN })
            .max(save_cycle(scenario));
        let warmup = scenario.run.warmup.min(measured / WARMUP_PART);
        Ok(Length { duration: measured + warmup, warmup, windows, given: None, random_phase: true })
    }

    /// What lays it over the template.
    pub fn assignments(&self) -> Vec<Assignment> {
        let assign = |key: &str, value: String| Assignment { key: key.to_owned(), value };
        let windows: Vec<String> =
            self.windows.iter().map(|window| format!("\"{}s\"", window / SECOND)).collect();
        vec![
            assign("run.duration", format!("{}ns", self.duration)),
            assign("run.warmup", format!("{}ns", self.warmup)),
            assign("run.windows", format!("[{}]", windows.join(", "))),
        ]
    }
}

/// Why the scenario's own duration is kept, if it is.
fn given(template: &Template, scenario: &Scenario) -> Option<&'static str> {
    let overrides = template.overrides();
    let set = |key: &str| overrides.set.iter().any(|set| set.trim_start().starts_with(key));
    let moves = scenario.cluster.as_ref().is_some_and(|cluster| !cluster.moves.is_empty());
    let is_scheduled =
        |source: &Source| matches!(source, Source::Open { schedule, .. } if schedule.len() > 1);
    if overrides.duration.is_some() || set("run.duration") {
        Some(AS_ASKED)
    } else if !scenario.events.is_empty() || moves {
        Some("the scenario has events")
    } else if scenario.workloads.iter().any(|group| is_scheduled(&group.source)) {
        Some("the scenario has a schedule")
    } else if !scenario.dataset.prefilled {
        Some("the scenario starts without keys")
    } else {
        None
    }
}

/// From one snapshot to the next under a load that is heavy enough for the save point with the shortest time.
pub(super) fn save_cycle(scenario: &Scenario) -> Nanos {
    let Some(shortest) = scenario.redis.save.iter().map(|point| point.seconds).min() else { return 0 };
    let (server, _) = Server::new(scenario, &Streams::new(scenario.run.seed, 0));
    let snapshot = server.child_span(ChildKind::Bgsave, 1.0);
    // Whole seconds, so that two scenarios that hardly differ have runs of the same length.
    let cycle = (shortest + 1) as Nanos * SECOND + snapshot;
    cycle.next_multiple_of(SECOND).min(CYCLE_MOST)
}

/// How many cycles of snapshots a run of `scenario` takes to hold about as many AOF rewrites as any other: runs that have one
/// or none differ by a whole fork, and many are needed to see through that. One where rewrites come so seldom, or so fast,
/// that it makes no difference, or where there is only one kind of cycle.
pub(super) fn whole_cycles(scenario: &Scenario) -> u64 {
    let (cycle, redis) = (save_cycle(scenario), &scenario.redis);
    if cycle == 0 || !redis.appendonly || redis.auto_aof_rewrite_percentage == 0 {
        return 1;
    }
    let streams = Streams::new(scenario.run.seed, 0);
    let (server, maps) = Server::new(scenario, &streams);
    let plans =
        plans(&scenario.workloads, &scenario.dataset, maps, redis.version, &scenario.machine, &streams);
    let rate = |workload: &Workload| match &workload.source {
        Source::Open { schedule, .. } => schedule.first().map_or(0.0, |piece| piece.1),
        Source::Closed { .. } => 0.0,
    };
    let aof_rate: f64 =
        scenario.workloads.iter().zip(&plans).map(|(group, plan)| rate(group) * plan.mean_aof_bytes()).sum();
    if aof_rate <= 0.0 {
        return 1;
    }
    let growth = server.rewritten_bytes() as f64 * redis.auto_aof_rewrite_percentage as f64 / 100.0;
    let period = growth.max(redis.auto_aof_rewrite_min_size as f64) / aof_rate * SECOND as f64;
    match libm::round(period / cycle as f64) as u64 {
        cycles @ 2..=REWRITE_CYCLES_MOST => cycles,
        _ => 1,
    }
}

fn has_cycles(scenario: &Scenario) -> bool {
    let expires =
        scenario.dataset.ttl.is_some() || scenario.workloads.iter().any(|group| group.ttl.is_some());
    scenario.redis.appendonly || !scenario.redis.save.is_empty() || expires || scenario.cluster.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::builtin;
    use crate::scenario::resolve::Overrides;

    fn template(name: &str, duration: Option<&str>) -> Template {
        let overrides = Overrides { duration: duration.map(str::to_owned), ..Overrides::default() };
        let text = builtin::get(name).expect("built in").to_owned();
        Template::new(text, name.to_owned(), ".".into(), overrides)
    }

    fn length(name: &str, duration: Option<&str>, objectives: &[&str]) -> Result<Length, Vec<String>> {
        let template = template(name, duration);
        let parse = |text: &&str| Objective::parse(text).expect("an objective");
        let scenario = template.resolve().unwrap_or_else(|problems| panic!("{problems}"));
        let length = Length::of(&template, &scenario, &objectives.iter().map(parse).collect::<Vec<_>>());
        if let Ok(length) = &length {
            let scenario =
                template.with(&length.assignments()).unwrap_or_else(|problems| panic!("{problems}"));
            assert_eq!((scenario.run.duration, scenario.run.warmup), (length.duration, length.warmup));
            assert_eq!(scenario.run.windows, length.windows);
        }
        length
    }

    #[test]
    fn runs_are_as_long_as_cycles_and_windows_need() {
        let of = |name, objectives: &[&str]| {
            let length = length(name, None, objectives).expect("it fits");
            assert_eq!(length.given, None);
            (length.duration - length.warmup) / SECOND
        };
        assert_eq!(of("persistence-everysec", &["p99<5ms"]), 120);
        // A minute from save to save, and the snapshot of 10 GiB.
        assert!((122..=600).contains(&of("article", &["p99<5ms"])));
        assert_eq!(of("persistence-none", &["p99<5ms"]), 30);
        assert!((122..=600).contains(&of("article", &["p99<5ms/60s", "p99<1s/10s"])));
        assert_eq!(of("persistence-none", &["p99<5ms/60s"]), 120);
        assert_eq!(of("article", &["p99<5ms/1h"]), 7200);
    }

    #[test]
    fn a_rewrite_falls_into_each_run_where_it_comes_every_few_snapshots() {
        let cycles = |rate: &str| {
            let assign = Assignment { key: "rate".to_owned(), value: rate.to_owned() };
            whole_cycles(
                &template("article", None).with(&[assign]).unwrap_or_else(|problems| panic!("{problems}")),
            )
        };
        // 58 M keys make an AOF of 9 GB, which 185,000 commands a second double in about five minutes.
        assert_eq!((cycles("185k/s"), cycles("120k/s"), cycles("5k/s")), (2, 3, 1));
        let alone =
            template("persistence-rdb", None).resolve().unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(whole_cycles(&alone), 1, "no AOF");
    }

    #[test]
    fn what_happens_at_a_time_and_what_was_asked_for_keep_their_length() {
        let with_event = length("article-rewrite", None, &["p99<5ms"]).expect("it fits");
        assert!(with_event.given.is_some() && !with_event.random_phase);
        let asked = length("article", Some("10m"), &["p99<5ms/60s"]).expect("it fits");
        assert_eq!((asked.duration, asked.given, asked.random_phase), (600 * SECOND, Some("as asked"), true));
        let errors =
            length("article", Some("10m"), &["p99<5ms/60s", "p99<5ms/1h"]).expect_err("an hour is too long");
        assert_eq!(errors, ["p99<5ms/1h: the window is longer than the 9 min measured"]);
    }
}
