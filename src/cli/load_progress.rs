//! How far a real run is: a bar on standard error.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::terminal::Terminal;
use crate::live::drive::{Phase, Progress};
use crate::units::{format_count, format_span};

/// A run shorter than this shows nothing.
const SHOWN_AFTER: Duration = Duration::from_secs(1);
/// Steps of the bar.
const STEPS: u64 = 1000;

/// The bar, once it is shown.
pub struct LoadMeter {
    bar: Option<ProgressBar>,
    allowed: bool,
    started: Instant,
}

impl LoadMeter {
    /// Starts the clock.
    pub fn new(terminal: &Terminal) -> Self {
        LoadMeter { bar: None, allowed: terminal.progress, started: Instant::now() }
    }

    /// Shows how far the run is.
    pub fn update(&mut self, progress: Progress) {
        if !self.allowed || self.started.elapsed() < SHOWN_AFTER {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let style = ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}");
            let bar = ProgressBar::with_draw_target(Some(STEPS), ProgressDrawTarget::stderr());
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        bar.set_message(message(progress));
        bar.set_position((progress.done as f64 / progress.of.max(1) as f64 * STEPS as f64) as u64);
    }

    /// Takes the bar off the screen.
    pub fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

fn message(progress: Progress) -> String {
    let count = |number: u64| format_count(number as f64);
    match progress.phase {
        Phase::Filling => format!("{} of {} keys set", count(progress.done), count(progress.of)),
        Phase::Driving => format!(
            "{} of {}, {} requests answered",
            format_span(progress.done),
            format_span(progress.of),
            count(progress.requests)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::SECOND;

    #[test]
    fn the_message_tells_keys_then_time() {
        let filling = Progress { phase: Phase::Filling, done: 5000, of: 10_000_000, requests: 0 };
        assert_eq!(message(filling), "5000 of 10.0 M keys set");
        let driving = Progress { phase: Phase::Driving, done: 2 * SECOND, of: 60 * SECOND, requests: 10_000 };
        assert_eq!(message(driving), "2.00 s of 60.0 s, 10.0 k requests answered");
    }
}
