//! `run.warmup = "auto"`: a run of the first half says where the measured time is to begin.
//!
//! All that a run counts has one warm-up, so it is found before the run and not cut off behind it: half a run more, and
//! every table agrees with every other. The first half without a warm-up gives the medians of its sections to MSER-5 and
//! the starts of its children to the rule of whole cycles; the later of the two is the warm-up.

use crate::cluster;
use crate::observe::result::RunResult;
use crate::observe::sections::Sections;
use crate::scenario::Scenario;
use crate::sim::{Progress, RunOptions, SimError};
use crate::stats::warmup::{mser5, whole_cycle};
use crate::units::{Nanos, format_span};

/// Sections of the pilot: 64 batches of 5 for MSER-5.
const SECTIONS: u32 = 320;

/// Simulates `scenario`, with the warm-up found first where it asks for `auto`.
///
/// # Errors
/// As the simulation.
pub fn simulate(
    scenario: &Scenario,
    options: &RunOptions,
    progress: &mut dyn FnMut(Progress) -> bool,
) -> Result<RunResult, SimError> {
    if !scenario.run.warmup_auto {
        return cluster::simulate(scenario, options, progress);
    }
    let mut settled = scenario.clone();
    settle(&mut settled, progress)?;
    cluster::simulate(&settled, options, progress)
}

/// Gives `scenario` the warm-up that it asks for with `auto`, and a note that says which and why; otherwise does nothing.
pub fn settle(scenario: &mut Scenario, progress: &mut dyn FnMut(Progress) -> bool) -> Result<(), SimError> {
    if !scenario.run.warmup_auto {
        return Ok(());
    }
    let half = scenario.run.duration / 2;
    let mut pilot = scenario.clone();
    (pilot.run.duration, pilot.run.warmup) = (half, 0);
    pilot.run.windows.clear();
    pilot.events.retain(|event| event.at < half);
    let options = RunOptions { sections: SECTIONS, ..RunOptions::default() };
    let result = cluster::simulate(&pilot, &options, progress)?;
    let (warmup, why) = choose(&result.sections, half);
    scenario.run.warmup = warmup;
    scenario.run.warmup_auto = false;
    let shown = format_span(warmup);
    scenario.notes.push(format!("run.warmup = auto: {shown}, {why}"));
    if let Some(setting) = scenario.settings.iter_mut().find(|setting| setting.key == "run.warmup") {
        setting.value = format!("{shown:?}");
    }
    Ok(())
}

/// The warm-up that a first half of `half` \[ns\] suggests, and why.
fn choose(sections: &Sections, half: Nanos) -> (Nanos, String) {
    let medians: Vec<f64> = sections.sojourns("all").iter().map(|part| part.quantile(0.5) as f64).collect();
    let Some(cut) = mser5(&medians) else {
        return (half, "the first half: it had not settled by then".to_owned());
    };
    let settled = if cut == 0 { 0 } else { sections.list[cut - 1].end };
    let mut starts: Vec<(&str, Vec<Nanos>)> = Vec::new();
    for recurring in &sections.recurring {
        match starts.iter_mut().find(|kind| kind.0 == recurring.kind) {
            Some(kind) => kind.1.push(recurring.start),
            None => starts.push((recurring.kind, vec![recurring.start])),
        }
    }
    match whole_cycle(&starts, settled) {
        Some((kind, at, period)) => {
            (at, format!("up to the start of a cycle of {kind}, which takes {}", format_span(period)))
        }
        None => (settled, "where the median settles (MSER-5)".to_owned()),
    }
}
