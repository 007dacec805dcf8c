//! A progress bar on standard error for runs that take over a second.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::terminal::Terminal;
use crate::sim::Progress;
use crate::units::{format_count, format_span};

/// A run shorter than this shows nothing.
const SHOWN_AFTER: Duration = Duration::from_secs(1);
/// Steps of the bar.
const STEPS: u64 = 1000;

/// The bar, once it is shown.
pub struct Meter {
    bar: Option<ProgressBar>,
    allowed: bool,
    started: Instant,
}

impl Meter {
    /// Starts the clock.
    pub fn new(terminal: &Terminal) -> Self {
        Meter { bar: None, allowed: terminal.progress, started: Instant::now() }
    }

    /// Shows how far the run is.
    pub fn update(&mut self, progress: Progress) {
        let elapsed = self.started.elapsed();
        if !self.allowed || elapsed < SHOWN_AFTER {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let style = ProgressStyle::with_template("{bar:16} {percent:>3} %  {wide_msg}");
            let bar = ProgressBar::with_draw_target(Some(STEPS), ProgressDrawTarget::stderr());
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        bar.set_message(message(progress, elapsed));
        bar.set_position((progress.simulated as f64 / progress.duration.max(1) as f64 * STEPS as f64) as u64);
    }

    /// Takes the bar off the screen.
    pub fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

/// `2 h 10 min of 6 h simulated, 12.1 M commands/s, 5.40 s left`.
fn message(progress: Progress, elapsed: Duration) -> String {
    let done = progress.simulated as f64 / progress.duration.max(1) as f64;
    let speed = progress.requests as f64 / elapsed.as_secs_f64().max(1e-9);
    let left = elapsed.as_nanos() as f64 * (1.0 - done) / done.max(1e-9);
    format!(
        "{} of {} simulated, {} commands/s, {} left",
        format_span(progress.simulated),
        format_span(progress.duration),
        format_count(speed),
        format_span(left as u64)
    )
}

/// Runs that have ended, of those planned so far; shown once there is a second of them.
pub struct Bar {
    bar: ProgressBar,
    started: Instant,
    allowed: bool,
}

impl Bar {
    /// Nothing is planned.
    pub fn new(terminal: &Terminal) -> Self {
        let style = ProgressStyle::with_template("{bar:30} {pos} of {len} runs, {eta} left");
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden())
            .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Bar { bar, started: Instant::now(), allowed: terminal.progress }
    }

    /// So many more runs are planned.
    pub fn plan(&self, runs: u64) {
        self.bar.inc_length(runs);
    }

    /// A run has ended.
    pub fn finished_one(&self) {
        if self.allowed && self.bar.is_hidden() && self.started.elapsed() >= SHOWN_AFTER {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.inc(1);
    }

    /// Takes the bar off the screen.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::SECOND;

    #[test]
    fn the_message_tells_speed_and_time_left() {
        let progress = Progress { simulated: 7200 * SECOND, duration: 21_600 * SECOND, requests: 36_000_000 };
        assert_eq!(
            message(progress, Duration::from_secs(3)),
            "2 h of 6 h simulated, 12.0 M commands/s, 6.00 s left"
        );
        let nothing = Progress { simulated: 0, duration: 0, requests: 0 };
        assert!(message(nothing, Duration::ZERO).starts_with("0 ns of 0 ns simulated"));
    }
}
