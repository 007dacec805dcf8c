//! Runs points: each replication on one thread, threads over points and replications, so that few large points keep all
//! of them busy and many small ones cost little.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::super::design::Design;
use super::super::metric::Metric;
use super::super::pool::Pool;
use super::super::template::{Assignment, Template};
use super::estimate;
use super::record::{Point, Replication, Status};
use crate::observe::result::Errors;
use crate::observe::sections::Sections;
use crate::observe::sparse::SparseHistogram;
use crate::pilot;
use crate::scenario::Scenario;
use crate::scenario::problem::Problems;
use crate::sim::{RunOptions, SimError};
use crate::units::{Nanos, format_count};

/// How often the taker of finished points is called when none has come.
pub const TICK: Duration = Duration::from_millis(100);

/// What a sweep runs.
#[derive(Debug)]
pub struct Sweep {
    /// The scenario that points are variants of.
    pub template: Template,
    /// The points.
    pub design: Design,
    /// What is asked of each replication.
    pub metrics: Vec<Metric>,
    /// Replications of each point, ≥ 1. Replication r of every point has the same random world.
    pub replications: u64,
}

/// Runs the points `indices` of `sweep` and hands each over when it is finished, in any order; none is handed over now
/// and then when nothing is. `begun` is told of a run in the thread it will run in. Ends early when `stop` is set.
///
/// # Errors
/// That of `take`, which also ends it.
pub fn run<E>(
    sweep: &Sweep,
    indices: impl Iterator<Item = u64> + Send,
    pool: &Pool,
    begun: &(dyn Fn(u64, &Scenario) + Sync),
    take: impl FnMut(Option<Point>) -> Result<(), E>,
    stop: &AtomicBool,
) -> Result<(), E> {
    let pieces = indices.flat_map(|index| {
        let point = Arc::new(OpenPoint::new(sweep, index));
        (0..sweep.replications).map(move |number| (Arc::clone(&point), number))
    });
    let work = |(point, number): (Arc<OpenPoint>, u64)| point.replicate(sweep, number, begun, stop);
    pool.stream(pieces, work, take, TICK, stop)
}

/// A point some of whose replications are still to run.
struct OpenPoint {
    index: u64,
    assignments: Vec<Assignment>,
    /// Made by the first thread that needs it.
    scenario: OnceLock<Result<Scenario, Problems>>,
    /// What the replications gave, by their number.
    results: Mutex<Vec<Option<Result<Part, SimError>>>>,
    left: AtomicU64,
}

/// What is kept of a replication until its point is finished.
struct Part {
    replication: Replication,
    sections: Sections,
    /// Measured time, from and to.
    measured: (Nanos, Nanos),
    /// Requests that the server answered with an error.
    errors: Errors,
}

impl OpenPoint {
    fn new(sweep: &Sweep, index: u64) -> Self {
        OpenPoint {
            index,
            assignments: sweep.design.point(index),
            scenario: OnceLock::new(),
            results: Mutex::new((0..sweep.replications).map(|_| None).collect()),
            left: AtomicU64::new(sweep.replications),
        }
    }

    /// Runs one replication; the point, if it was the last.
    fn replicate(
        &self,
        sweep: &Sweep,
        number: u64,
        begun: &(dyn Fn(u64, &Scenario) + Sync),
        stop: &AtomicBool,
    ) -> Option<Point> {
        let scenario = self.scenario.get_or_init(|| sweep.template.with(&self.assignments));
        let result = scenario.as_ref().ok().map(|scenario| {
            begun(self.index, scenario);
            let sections = estimate::sections(sweep.replications);
            simulate(scenario, (number, sections), &sweep.metrics, stop)
        });
        let mut results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        results[number as usize] = result;
        (self.left.fetch_sub(1, Ordering::AcqRel) == 1)
            .then(|| self.finish(sweep, std::mem::take(&mut results)))?
    }

    /// The finished point; none if it was stopped.
    fn finish(&self, sweep: &Sweep, results: Vec<Option<Result<Part, SimError>>>) -> Option<Point> {
        let mut point = Point {
            index: self.index,
            axes: sweep.design.cells(self.index),
            status: Status::Ok,
            reason: String::new(),
            seed: None,
            replications: Vec::new(),
            estimates: Vec::new(),
            measured: (0, 0),
            sojourn: Vec::new(),
        };
        match self.scenario.get() {
            Some(Ok(scenario)) => point.seed = Some(scenario.run.seed),
            Some(Err(problems)) => {
                (point.status, point.reason) = (Status::Invalid, one_line(&problems.to_string()));
                return Some(point);
            }
            None => unreachable!("every replication looks at the scenario first"),
        }
        let parts: Result<Vec<Part>, SimError> = results.into_iter().flatten().collect();
        match parts {
            Ok(parts) => {
                let replications: Vec<Replication> =
                    parts.iter().map(|part| part.replication.clone()).collect();
                let sections: Vec<&Sections> = parts.iter().map(|part| &part.sections).collect();
                point.estimates = estimate::all(&sweep.metrics, &replications, &sections);
                point.reason = refusals(&parts);
                point.measured = parts.first().map_or((0, 0), |part| part.measured);
                let sojourns = sections.iter().flat_map(|sections| sections.sojourns("all"));
                point.sojourn = SparseHistogram::merged(sojourns).to_bytes();
                point.replications = replications;
            }
            Err(SimError::Stopped) => return None,
            Err(error @ SimError::Overload { capacity_per_s, .. }) => {
                let capacity = format_count(capacity_per_s);
                point.status = Status::Overload;
                point.reason = format!("{error}; the server carries {capacity}/s");
            }
        }
        Some(point)
    }
}

fn simulate(
    scenario: &Scenario,
    (replication, sections): (u64, u32),
    metrics: &[Metric],
    stop: &AtomicBool,
) -> Result<Part, SimError> {
    let options = RunOptions { replication, sections, random_phase: true, ..RunOptions::default() };
    let run = pilot::simulate(scenario, &options, &mut |_| !stop.load(Ordering::Relaxed))?;
    Ok(Part {
        replication: estimate::replication(&run, metrics),
        measured: (run.warmup, run.duration),
        errors: run.errors,
        sections: run.sections,
    })
}

/// What to know of a point that ran: that its server refused requests, whose sojourns are in no quantile. Otherwise nothing.
fn refusals(parts: &[Part]) -> String {
    let sum = |of: fn(&Errors) -> u64| parts.iter().map(|part| of(&part.errors)).sum::<u64>();
    let kinds = [
        ("OOM", sum(|errors| errors.oom)),
        ("MISCONF", sum(|errors| errors.misconf)),
        ("NOREPLICAS", sum(|errors| errors.noreplicas)),
        ("connection lost", sum(|errors| errors.connection_lost)),
    ];
    let all: u64 = parts.iter().map(|part| part.replication.requests).sum();
    let told: Vec<String> =
        kinds.iter().filter(|kind| kind.1 > 0).map(|(name, count)| format!("{name} {count}")).collect();
    if told.is_empty() { String::new() } else { format!("of {all} requests refused: {}", told.join(", ")) }
}

/// Text of several lines in a cell of a table.
fn one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join("; ")
}
