//! How far a sweep is: a bar on a terminal, a line now and then elsewhere.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::terminal::Terminal;
use crate::experiment::metric::{Better, Quantity};
use crate::experiment::sweep::{Point, Sweep};
use crate::units::{Nanos, format_count, format_span};

/// A sweep shorter than this shows no bar.
const SHOWN_AFTER: Duration = Duration::from_secs(1);
/// Time between two lines where there is no bar.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Tells how far a sweep is.
pub struct PointMeter<'a> {
    terminal: &'a Terminal,
    axes: Vec<String>,
    bar: Option<ProgressBar>,
    started: Instant,
    line_at: Instant,
    /// Points that were there at the start, are there now, and will be.
    before: u64,
    done: u64,
    total: u64,
    worst: Worst,
}

/// The point with the worst value of one metric.
struct Worst {
    /// The metric and its column; none: all metrics are neither good nor bad.
    metric: Option<(usize, &'static Quantity)>,
    /// Its value and the point.
    seen: Option<(f64, String)>,
}

impl<'a> PointMeter<'a> {
    /// Starts the clock; `done` points of `total` are there already.
    pub fn new(terminal: &'a Terminal, sweep: &Sweep, done: u64, total: u64) -> Self {
        let now = Instant::now();
        PointMeter {
            terminal,
            axes: sweep.design.columns(),
            bar: None,
            started: now,
            line_at: now + LINE_EVERY,
            before: done,
            done,
            total,
            worst: Worst { metric: judged(sweep), seen: None },
        }
    }

    /// A point is finished.
    pub fn add(&mut self, point: &Point) {
        self.done += 1;
        if self.terminal.progress || self.terminal.progress_lines {
            self.worst.see(point, &self.axes);
            self.tick();
        }
    }

    /// Time has passed.
    pub fn tick(&mut self) {
        let elapsed = self.started.elapsed();
        if self.terminal.progress && elapsed >= SHOWN_AFTER {
            let total = self.total;
            let bar = self.bar.get_or_insert_with(|| {
                let style = ProgressStyle::with_template("{bar:30} {percent:>3} %  {wide_msg}");
                let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
                bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
            });
            bar.set_message(message(self.before, self.done, total, elapsed, &self.worst.text()));
            bar.set_position(self.done);
        } else if self.terminal.progress_lines && Instant::now() >= self.line_at {
            self.line_at = Instant::now() + LINE_EVERY;
            self.terminal.note(&message(self.before, self.done, self.total, elapsed, &self.worst.text()));
        }
    }

    /// Takes the bar off the screen.
    pub fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

/// The metric by which a point is the worst: P99 if it is asked for, else the first that can be better or worse.
fn judged(sweep: &Sweep) -> Option<(usize, &'static Quantity)> {
    let judged = || {
        let numbered = sweep.metrics.iter().map(|metric| metric.quantity).enumerate();
        numbered.filter(|(_, quantity)| quantity.better != Better::Neither)
    };
    judged().find(|(_, quantity)| quantity.name == "p99").or_else(|| judged().next())
}

impl Worst {
    fn see(&mut self, point: &Point, axes: &[String]) {
        let Some((column, quantity)) = self.metric else { return };
        let Some(value) = point.estimates.get(column).and_then(|estimate| estimate.value) else { return };
        let worse = |than: f64| if quantity.better == Better::Higher { value < than } else { value > than };
        if self.seen.as_ref().is_none_or(|(worst, _)| worse(*worst)) {
            let pairs = axes.iter().zip(&point.axes).map(|(axis, value)| format!("{axis}={value}"));
            self.seen = Some((value, pairs.collect::<Vec<_>>().join(" ")));
        }
    }

    fn text(&self) -> String {
        match (self.metric, &self.seen) {
            (Some((_, quantity)), Some((value, point))) => {
                format!("; worst {} {} at {point}", quantity.name, quantity.unit.show(*value))
            }
            _ => String::new(),
        }
    }
}

/// `120 of 1000 points, 42.0/s, 21.0 s left; worst p99 12.1 ms at redis_appendfsync=always`.
fn message(before: u64, done: u64, total: u64, elapsed: Duration, worst: &str) -> String {
    let rate = (done - before) as f64 / elapsed.as_secs_f64().max(1e-9);
    let left = match done > before {
        true => format!("{} left", format_span(((total - done) as f64 / rate * 1e9) as Nanos)),
        false => "time left not known yet".to_owned(),
    };
    format!(
        "{} of {} points, {}/s, {left}{worst}",
        format_count(done as f64),
        format_count(total as f64),
        format_count(rate)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_tells_points_speed_and_time_left_of_this_start() {
        let told = message(100, 220, 1000, Duration::from_secs(10), "; worst p99 5.00 ms at keys=3");
        assert_eq!(told, "220 of 1000 points, 12/s, 65.0 s left; worst p99 5.00 ms at keys=3");
        assert!(message(5, 5, 10, Duration::ZERO, "").contains("not known yet"));
    }
}
