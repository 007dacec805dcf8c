//! What is done and asked on a thread of its own while the generator drives a server.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::server::Server;
use super::storm::{Due, Gone};
use crate::live::error::{LiveError, Result};
use crate::scenario::Scenario;
use crate::units::Nanos;
use crate::validate::observed::{Resync, Storm};

/// Between two looks at a clock that does not run yet.
const LOOK: Duration = Duration::from_millis(1);
/// How long a run may take to begin.
const PATIENCE: Duration = Duration::from_secs(60);

/// Time 0 of a run, once it is known.
#[derive(Clone, Debug, Default)]
pub struct Clock(Arc<Mutex<Option<Instant>>>);

impl Clock {
    /// The run's own clock shows `nanos` now. The first time counts.
    pub fn shows(&self, nanos: Nanos) {
        let mut start = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        start.get_or_insert_with(|| Instant::now() - Duration::from_nanos(nanos));
    }

    /// Time 0; none before the run has begun.
    pub fn start(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the run's clock shows `nanos`.
    ///
    /// # Errors
    /// When the run does not begin.
    pub fn wait_until(&self, nanos: Nanos) -> Result<()> {
        let begun = Instant::now();
        let start = loop {
            match self.start() {
                Some(start) => break start,
                None if begun.elapsed() > PATIENCE => return Err(LiveError::Interrupted),
                None => thread::sleep(LOOK),
            }
        };
        let at = start + Duration::from_nanos(nanos);
        thread::sleep(at.saturating_duration_since(Instant::now()));
        Ok(())
    }
}

/// A thread beside a run.
pub struct Episode(Option<JoinHandle<Result<End>>>);

/// What came of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct End {
    /// A storm.
    pub gone: Option<(Due, Gone)>,
    /// A replica that attached, and when it was online.
    pub resync: Option<Resync>,
}

impl Episode {
    /// Nobody.
    pub fn nothing() -> Self {
        Episode(None)
    }

    /// Does `work` on a thread.
    pub fn of(work: impl FnOnce() -> Result<End> + Send + 'static) -> Self {
        Episode(Some(thread::spawn(work)))
    }

    /// Watches the keys of a storm go.
    ///
    /// # Errors
    /// As a connection to the server.
    pub fn storm(server: &Server, due: Due, scenario: &Scenario) -> Result<Self> {
        let mut control = server.connect()?;
        let keys = scenario.dataset.keys;
        Ok(Episode::of(move || {
            let gone = due.watch(&mut control, keys)?;
            Ok(End { gone: Some((due, gone)), resync: None })
        }))
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// Its own.
    pub fn end(self) -> Result<End> {
        match self.0 {
            None => Ok(End::default()),
            Some(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
        }
    }
}

impl End {
    /// The storm on the clock of a run that began at `start`.
    pub fn storm(&self, start: Option<Instant>) -> Option<Storm> {
        let ((due, gone), start) = self.gone.zip(start)?;
        let nanos = |from: Instant, to: Instant| to.saturating_duration_since(from).as_nanos() as Nanos;
        let duration = nanos(due.at, gone.at);
        let share = gone.cycle.map(|cycle| cycle as f64 / duration.max(1) as f64);
        Some(Storm { start: nanos(start, due.at), duration, thread_share: share })
    }

    /// The resynchronisation.
    pub fn resync(&self) -> Option<Resync> {
        self.resync
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::MILLISECOND;

    #[test]
    fn a_clock_runs_from_what_it_showed_first() {
        let clock = Clock::default();
        assert_eq!(clock.start(), None);
        let before = Instant::now();
        clock.shows(5 * MILLISECOND);
        let start = clock.start().expect("it runs");
        assert!(start >= before - Duration::from_millis(5));
        clock.shows(0);
        assert_eq!(clock.start(), Some(start));
        clock.wait_until(20 * MILLISECOND).expect("it runs");
        assert!(start.elapsed() >= Duration::from_millis(20));
    }

    #[test]
    fn an_episode_ends_with_what_came_of_it() {
        let resync = Resync { duration: 7 };
        let episode = Episode::of(move || Ok(End { gone: None, resync: Some(resync) }));
        assert_eq!(episode.end().expect("it ends").resync(), Some(resync));
        assert!(Episode::nothing().end().expect("nothing").resync().is_none());
    }
}
