//! One calibration under way: subject, book, plan, and whoever watches.

use super::book::Book;
use super::fit::Repeats;
use super::host::noise;
use super::subject::{CalibrateError, Result, Rounds, Setting, Spent, Subject};

/// Bytes of keys and values beyond which a random key is in no cache, as a multiple of the last level.
const COLD: u64 = 3;
/// Bytes of a key of 20 B with a value of 100 B in memory.
pub const BYTES_PER_KEY: u64 = 188;
/// Keys that surely lie in the core's own cache.
pub const HOT_KEYS: u64 = 1000;
/// How often a measurement waits for a noisy spell to end, and for how long.
const PATIENCE: u32 = 3;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(30);

/// How much is measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Repeats of every design.
    pub repeats: usize,
    /// Commands of one design.
    pub commands: u64,
    /// Keys of a keyspace that no cache holds.
    pub cold_keys: u64,
    /// Sizes of a parent that forks \[GiB\].
    pub fork_gib: Vec<f64>,
    /// Forks of each size.
    pub forks: usize,
    /// Keys that expire at once.
    pub expiring: u64,
    /// Keys with values of 1000 B that children write.
    pub large_keys: u64,
}

impl Plan {
    /// A minute, or five, on a machine with a last-level cache of `l3` bytes and `available` bytes of free memory.
    pub fn new(quick: bool, l3: u64, available: u64) -> Self {
        let cold_keys = (COLD * l3 / BYTES_PER_KEY).max(500_000);
        let sizes: &[f64] = if quick { &[0.25, 0.75] } else { &[0.25, 0.75, 1.5] };
        // A forked parent may be copied: half of what is free at most.
        let most = available as f64 / (1u64 << 30) as f64 / 2.0;
        Plan {
            repeats: if quick { 3 } else { 7 },
            commands: if quick { 30_000 } else { 60_000 },
            cold_keys: cold_keys.min((available / 4 / BYTES_PER_KEY).max(100_000)),
            fork_gib: sizes.iter().copied().filter(|gib| *gib <= most).collect(),
            forks: if quick { 3 } else { 5 },
            expiring: if quick { 150_000 } else { 500_000 },
            large_keys: if quick { 60_000 } else { 150_000 },
        }
    }

    /// A server with a cold keyspace of values of 100 B.
    pub fn cold(&self) -> Setting {
        Setting { aof: false, replica: false, keys: self.cold_keys, value: 100 }
    }

    /// Rounds of a command over all keys of the cold keyspace.
    pub fn rounds(&self, command: &'static str, clients: u32, pipeline: u32) -> Rounds {
        Rounds {
            setting: self.cold(),
            command,
            value: 100,
            among: None,
            clients,
            pipeline,
            commands: self.commands,
        }
    }
}

/// What everything of one calibration works with.
pub struct Bench<'a> {
    /// What is measured.
    pub subject: &'a mut dyn Subject,
    /// What was found.
    pub book: &'a mut Book,
    /// How much is measured.
    pub plan: &'a Plan,
    /// Called between measurements with what is going on; false stops.
    pub watch: &'a mut dyn FnMut(&str) -> bool,
    /// Whether the machine's noise is looked at before a measurement.
    pub has_noise: bool,
    /// Measurements, and those taken in a noisy spell that did not end.
    pub measured: (u64, u64),
}

impl Bench<'_> {
    /// Between two measurements: the watcher is asked, and a noisy spell waited for.
    ///
    /// # Errors
    /// [`CalibrateError::Stopped`].
    pub fn next(&mut self, what: &str) -> Result<()> {
        let mut patience = PATIENCE;
        loop {
            if !(self.watch)(what) {
                return Err(CalibrateError::Stopped);
            }
            let is_noisy = self.has_noise && noise::is_noisy();
            if !is_noisy || patience == 0 {
                self.measured.0 += 1;
                self.measured.1 += u64::from(is_noisy);
                return Ok(());
            }
            patience -= 1;
            std::thread::sleep(PAUSE);
        }
    }

    /// Runs rounds.
    ///
    /// # Errors
    /// As the subject; [`CalibrateError::Stopped`].
    pub fn rounds(&mut self, rounds: &Rounds) -> Result<Spent> {
        self.next(rounds.command)?;
        self.subject.rounds(rounds)
    }

    /// Time of a command of these rounds \[ns\], without the passes and clients it came with.
    ///
    /// # Errors
    /// As [`Bench::rounds`].
    pub fn command(&mut self, rounds: &Rounds) -> Result<f64> {
        let spent = self.rounds(rounds)?;
        Ok(self.of_command(&spent))
    }

    /// The same of rounds that were run.
    pub fn of_command(&self, spent: &Spent) -> f64 {
        let client = self.book.number("cpu.read") + self.book.number("cpu.write");
        let around = spent.passes * self.book.number("cpu.turn") + spent.clients * client;
        (spent.cpu - around) / spent.commands.max(1.0)
    }

    /// `measure` as often as the plan says.
    ///
    /// # Errors
    /// The first of `measure`.
    pub fn repeat(&mut self, mut measure: impl FnMut(&mut Self) -> Result<f64>) -> Result<Option<Repeats>> {
        let values: Result<Vec<f64>> = (0..self.plan.repeats).map(|_| measure(self)).collect();
        Ok(Repeats::of(&values?))
    }
}
