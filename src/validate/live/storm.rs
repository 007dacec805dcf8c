//! Keys that are due at one instant.

use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use redis::Cmd;

use super::server::Server;
use crate::live::control::Control;
use crate::live::drive::Plan;
use crate::live::drive::names::{Family, Names};
use crate::live::error::{LiveError, Result};
use crate::scenario::Scenario;
use crate::units::{MILLISECOND, Nanos};
use crate::validate::side::Stop;
use crate::validate::simulated::due_at;

/// Keys of one send.
const BATCH: u64 = 2000;
/// Keys that any machine sets a second, and the time it may take besides.
const KEYS_PER_S: u64 = 100_000;
const BESIDE: Duration = Duration::from_secs(2);
/// Between two questions for the number of keys.
const LOOK: Duration = Duration::from_millis(10);
/// No storm takes so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// When all are due.
#[derive(Clone, Copy, Debug)]
pub struct Due {
    /// The instant.
    pub at: Instant,
}

/// When nine tenths were gone.
#[derive(Clone, Copy, Debug)]
pub struct Gone {
    /// When.
    pub at: Instant,
    /// Time of the expire cycle until then \[ns\]; none where INFO does not tell.
    pub cycle: Option<Nanos>,
}

/// Sets the keys of `plan` so that all are due at one instant, and waits until a run that begins now is as long before it
/// as the scenario says.
///
/// # Errors
/// Why the case cannot be run; what the server answers.
pub fn prepare(
    server: &mut Server,
    scenario: &Scenario,
    plan: &Plan,
    goes_on: &dyn Fn() -> bool,
) -> std::result::Result<Due, Stop> {
    let lead = due_at(scenario);
    let lead = lead.ok_or_else(|| Stop::Skipped("its keys are not all due at one instant".to_owned()))?;
    let lead = Duration::from_nanos(lead);
    let dataset = &plan.dataset;
    let ahead = BESIDE + Duration::from_secs(dataset.keys / KEYS_PER_S) + lead;
    let (now, wall) = (Instant::now(), SystemTime::now());
    let wall = wall.duration_since(UNIX_EPOCH).unwrap_or_default() + ahead;
    // Deadlines are whole milliseconds.
    let at_ms = wall.as_millis() as u64;
    let at = now + ahead - (wall - Duration::from_millis(at_ms));
    let mut control = server.connect()?;
    let names = Names::new(&plan.prefix, Family::Text, dataset.key_size, dataset.keys);
    let value = vec![b'x'; dataset.value_size.mean() as usize];
    let mut name = Vec::new();
    for first in (0..dataset.keys).step_by(BATCH as usize) {
        let batch: Vec<Cmd> = (first..dataset.keys.min(first + BATCH))
            .map(|rank| {
                names.write(rank, &mut name);
                let mut set = redis::cmd("SET");
                set.arg(name.as_slice()).arg(value.as_slice()).arg("PXAT").arg(at_ms);
                set
            })
            .collect();
        control.pipeline(&batch)?;
        if !goes_on() {
            return Err(LiveError::Interrupted.into());
        }
    }
    match at.checked_duration_since(Instant::now() + lead) {
        Some(left) => thread::sleep(left),
        None => return Err(Stop::Skipped("the keys could not be set in time".to_owned())),
    }
    Ok(Due { at })
}

impl Due {
    /// Asks for the number of keys from the instant on, until a tenth of `keys` is left.
    ///
    /// # Errors
    /// What the server answers; that they do not go.
    pub fn watch(&self, control: &mut Control, keys: u64) -> Result<Gone> {
        thread::sleep(self.at.saturating_duration_since(Instant::now()));
        let before = cycle(control)?;
        loop {
            let left = control.number(&["DBSIZE"])? as u64;
            let at = Instant::now();
            if left <= keys / 10 {
                let after = cycle(control)?;
                return Ok(Gone { at, cycle: before.zip(after).map(|(before, after)| after - before) });
            }
            if at > self.at + PATIENCE {
                let what = format!("{left} of {keys} keys are there {PATIENCE:?} after they were due");
                return Err(LiveError::cannot(
                    what,
                    "is the expire cycle switched off (DEBUG SET-ACTIVE-EXPIRE)?",
                ));
            }
            thread::sleep(LOOK);
        }
    }
}

/// Time of the expire cycle so far \[ns\].
fn cycle(control: &mut Control) -> Result<Option<Nanos>> {
    let info = control.info("stats")?;
    Ok(info.number("expire_cycle_cpu_milliseconds").map(|ms| (ms * MILLISECOND as f64) as Nanos))
}
