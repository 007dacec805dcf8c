//! `sweep --dry-run`: how many points there are, and what they would take.

use std::time::{Duration, Instant};

use crate::experiment::sweep::{Shard, Sweep};
use crate::experiment::{Assignment, Pool};
use crate::pilot;
use crate::sim::{Progress, RunOptions, SimError};
use crate::units::{format_bytes, format_count, format_span};

/// Points that are tried.
const TRIED: u64 = 12;
/// A trial of one point ends after this.
const TRIAL: Duration = Duration::from_millis(250);
/// Points that are shown.
const SHOWN: u64 = 8;

/// What became of the trial of a point.
enum Trial {
    /// Seconds that a whole run would take.
    Runs(f64),
    /// It cannot run.
    Cannot,
}

/// What the sweep would do.
pub fn dry_run(sweep: &Sweep, shard: Shard, pool: &Pool) -> String {
    let points = shard.points(sweep.design.len());
    let runs = points.saturating_mul(sweep.replications);
    let count = |number: u64| format_count(number as f64);
    let mut text = format!("points       {}", count(points));
    if shard != Shard::WHOLE {
        text.push_str(&format!(" of {} (shard {shard})", count(sweep.design.len())));
    }
    text.push_str(&format!("\nruns         {}\n", count(runs)));
    let tried = TRIED.min(points);
    let rows: Vec<u64> = (0..tried).map(|number| tried_row(number, tried, points)).collect();
    let trials = pool.map(rows.len(), |number| try_point(sweep, shard.index(rows[number])));
    let seconds: Vec<f64> = trials
        .iter()
        .map(|trial| match trial {
            Trial::Runs(seconds) => *seconds,
            Trial::Cannot => 0.0,
        })
        .collect();
    let cannot = trials.iter().filter(|trial| matches!(trial, Trial::Cannot)).count();
    let mean = seconds.iter().sum::<f64>() / tried.max(1) as f64;
    let time = format_span((mean * runs as f64 / pool.jobs() as f64 * 1e9) as u64);
    let threads = if pool.jobs() == 1 { "thread" } else { "threads" };
    text.push_str(&format!(
        "time         about {time} on {} {threads} (from the speed of {tried} points, tried for {} each)\n",
        pool.jobs(),
        format_span(TRIAL.as_nanos() as u64)
    ));
    match peak_memory() {
        Some(bytes) => text.push_str(&format!(
            "memory       about {} (the trial's peak on as many threads)\n",
            format_bytes(bytes)
        )),
        None => text.push_str("memory       not known on this system\n"),
    }
    if cannot > 0 {
        text.push_str(&format!("cannot run   {cannot} of the {tried} points tried\n"));
    }
    text.push('\n');
    for index in shard.indices(sweep.design.len()).take(SHOWN as usize) {
        let show = |assignment: &Assignment| format!("{}={}", assignment.key, assignment.value);
        let settings: Vec<String> = sweep.design.point(index).iter().map(show).collect();
        text.push_str(&format!("{index:>11}  {}\n", settings.join("  ")));
    }
    if points > SHOWN {
        text.push_str("             …\n");
    }
    text
}

/// The point that is tried as number `number` of `tried`: one of each stretch of `points`, at places that keep no step
/// with the axes of a grid.
fn tried_row(number: u64, tried: u64, points: u64) -> u64 {
    let place = (number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let start = |number: u64| number * (points / tried) + number.min(points % tried);
    let width = start(number + 1) - start(number);
    start(number) + ((u128::from(place) * u128::from(width)) >> 64) as u64
}

/// Runs the beginning of a point, and from how far it comes reckons the whole.
fn try_point(sweep: &Sweep, index: u64) -> Trial {
    let Ok(scenario) = sweep.template.with(&sweep.design.point(index)) else { return Trial::Cannot };
    let started = Instant::now();
    let mut share = 1.0;
    let mut watch = |progress: Progress| {
        let go_on = started.elapsed() < TRIAL;
        if !go_on {
            share = progress.simulated as f64 / progress.duration.max(1) as f64;
        }
        go_on
    };
    match pilot::simulate(&scenario, &RunOptions::default(), &mut watch) {
        Err(SimError::Overload { .. }) => Trial::Cannot,
        Ok(_) | Err(SimError::Stopped) => {
            Trial::Runs(started.elapsed().as_secs_f64() / f64::max(share, 1e-9))
        }
    }
}

/// Largest resident size of this process so far, where the system tells it.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_points_tried_are_distinct_and_see_every_value_of_a_fast_axis() {
        for points in [1, 5, 12, 13, 1000, u64::MAX / 2] {
            let tried = TRIED.min(points);
            let rows: Vec<u64> = (0..tried).map(|number| tried_row(number, tried, points)).collect();
            assert!(
                rows.windows(2).all(|pair| pair[0] < pair[1]) && rows[rows.len() - 1] < points,
                "{rows:?}"
            );
        }
        let values = |axis: u64| {
            (0..12).map(|number| tried_row(number, 12, 1200) % axis).fold(0u64, |seen, at| seen | 1 << at)
        };
        assert_eq!((values(2), values(4)), (0b11, 0b1111));
    }
}
