//! The server that is driven: ours, started anew when its settings or keys have to be others, or one that is there.

use std::fs;
use std::path::Path;

use redis::Value;

use super::episode::Clock;
use crate::live::address::Address;
use crate::live::control::Control;
use crate::live::drive::names::Names;
use crate::live::drive::{Driven, Phase, Plan, Progress, Target, drive, fill};
use crate::live::error::{LiveError, Result};
use crate::live::guard::{Allowed, Guard, Needs};
use crate::live::settings;
use crate::live::spawned::{SpawnOptions, Spawned};
use crate::redis::version::Version;
use crate::scenario::{Dataset, Scenario, Workload};
use crate::validate::side::Stop;

/// Of the memory that is free, how much a dataset may take: a child's copies, replicas and the generator come on top.
const SHARE: f64 = 0.5;

/// Where cases run.
pub enum Server {
    /// A program that is started for them.
    Program {
        /// The program.
        program: String,
        /// The one that runs now.
        running: Option<Box<Running>>,
    },
    /// A server that is there. Each case enters it anew and leaves it as it was.
    There {
        /// Where.
        address: Address,
        /// What may be done to it.
        allowed: Allowed,
        /// The right to write to it, while a case has it.
        guard: Option<Box<Guard>>,
        /// Its process, if that is on this machine.
        pid: Option<u32>,
    },
}

/// A server of ours.
pub struct Running {
    spawned: Spawned,
    directives: Vec<(String, String)>,
    /// Its keys; none before they are set.
    dataset: Option<Dataset>,
}

impl Server {
    /// Servers of our own.
    pub fn of_program(program: &str) -> Self {
        Server::Program { program: program.to_owned(), running: None }
    }

    /// One that is there.
    pub fn there(address: Address, allowed: Allowed, pid: Option<u32>) -> Self {
        Server::There { address, allowed, guard: None, pid }
    }

    /// The program of which servers are started.
    pub fn program(&self) -> Option<&str> {
        match self {
            Server::Program { program, .. } => Some(program),
            Server::There { .. } => None,
        }
    }

    /// What every key begins with.
    pub fn prefix(&self) -> &str {
        match self {
            Server::There { guard: Some(guard), .. } => guard.prefix(),
            _ => "",
        }
    }

    fn running(&self) -> Result<&Running> {
        match self {
            Server::Program { running: Some(running), .. } => Ok(running),
            _ => Err(LiveError::cannot("no server of ours runs", "this is a bug")),
        }
    }

    /// Where it is.
    ///
    /// # Errors
    /// Before [`Server::ready`].
    pub fn target(&self) -> Result<Target> {
        match self {
            Server::Program { .. } => Ok(Target::of(&self.running()?.spawned)),
            Server::There { address, pid, .. } => Ok(Target { address: address.clone(), pid: *pid }),
        }
    }

    /// Its process, if that is on this machine.
    pub fn pid(&self) -> Option<u32> {
        self.target().ok()?.pid
    }

    /// The folder of its files, of a server of ours.
    pub fn folder(&self) -> Option<&Path> {
        Some(self.running().ok()?.spawned.folder())
    }

    /// Its port, of a server of ours.
    ///
    /// # Errors
    /// Before [`Server::ready`].
    pub fn port(&self) -> Result<u16> {
        Ok(self.running()?.spawned.port())
    }

    /// A further connection.
    ///
    /// # Errors
    /// As [`Control::connect`].
    pub fn connect(&self) -> Result<Control> {
        Control::connect(&self.target()?.address)
    }

    /// Makes it what a case needs, but for its keys; a `fresh` server of ours has none.
    ///
    /// # Errors
    /// Why the case cannot be run on it.
    pub fn ready(
        &mut self,
        scenario: &Scenario,
        version: Version,
        draft: &Plan,
        fresh: bool,
    ) -> std::result::Result<(), Stop> {
        let directives = settings::for_own(scenario, version);
        match self {
            Server::Program { program, running } => {
                let fits = |running: &Running| {
                    running.directives == directives
                        && running.dataset.as_ref().is_none_or(|dataset| *dataset == draft.dataset)
                };
                if fresh || !running.as_deref().is_some_and(fits) {
                    // The old one first: both together may be too large.
                    *running = None;
                    let own = directives.clone();
                    let options =
                        SpawnOptions { program: program.clone(), directives: own, ..SpawnOptions::default() };
                    let spawned = Spawned::start(&options)?;
                    *running = Some(Box::new(Running { spawned, directives, dataset: None }));
                }
            }
            Server::There { address, allowed, guard, .. } => {
                if !draft.actions.is_empty() && !allowed.config {
                    let what = "a server that is there is not told to save or rewrite";
                    return Err(Stop::Skipped(format!("{what}: --allow-config, or --spawn")));
                }
                if let Some(before) = guard.take() {
                    before.undo()?;
                }
                let needs = Needs {
                    memory: fill::memory(draft),
                    connections: draft.groups.iter().map(|group| u64::from(group.connections)).sum::<u64>()
                        + 4,
                    commands_it: !draft.actions.is_empty(),
                };
                let mut entered = Guard::enter(address, &needs, allowed)?;
                let agreed = agree(&mut entered, scenario);
                *guard = Some(Box::new(entered));
                agreed?;
            }
        }
        Ok(())
    }

    /// Sets the keys of `plan` without a time to live, unless they are there.
    ///
    /// # Errors
    /// What the server answers.
    pub fn fill(&mut self, plan: &Plan, goes_on: &dyn Fn() -> bool) -> std::result::Result<(), Stop> {
        let has_them = self.running().is_ok_and(|running| running.dataset.is_some());
        if !plan.fill || has_them || plan.dataset.ttl.is_some() {
            return Ok(());
        }
        fill::fill(&self.target()?.address, plan, &mut |_| goes_on())?;
        if let Server::Program { running: Some(running), .. } = self {
            running.dataset = Some(plan.dataset.clone());
        }
        Ok(())
    }

    /// Drives it; `clock` learns when the run began.
    ///
    /// # Errors
    /// As [`drive`].
    pub fn drive(&mut self, plan: &Plan, clock: &Clock, goes_on: &dyn Fn() -> bool) -> Result<Driven> {
        drive(&self.target()?, plan, &mut |progress: Progress| {
            if progress.phase == Phase::Driving {
                clock.shows(progress.done);
            }
            goes_on()
        })
    }

    /// How many keys of a group's pattern have no time to live, and what the names of all begin with.
    ///
    /// # Errors
    /// What the server answers.
    pub fn keys_without_ttl(&mut self, group: &Workload) -> Result<(u64, String)> {
        let keys = group.pattern.as_ref().map_or(0, |pattern| pattern.key_count);
        let names = Names::of_pattern(self.prefix(), 0, group.key_size, keys);
        let mut control = self.connect()?;
        let (mut without, mut name) = (0, Vec::new());
        for rank in 0..keys {
            names.write(rank, &mut name);
            let mut ttl = redis::cmd("TTL");
            ttl.arg(name.as_slice());
            without += u64::from(control.query(&ttl)? == Value::Int(-1));
        }
        Ok((without, format!("{}p0:", self.prefix())))
    }

    /// Lets it go: one of ours ends, one that is there is left as it was.
    ///
    /// # Errors
    /// What could not be undone.
    pub fn leave(self) -> Result<()> {
        match self {
            Server::There { guard: Some(guard), .. } => guard.undo().map(drop),
            _ => Ok(()),
        }
    }
}

/// Gives a server that is there the settings that the scenario names, where it has other ones and that is allowed.
fn agree(guard: &mut Guard, scenario: &Scenario) -> std::result::Result<(), Stop> {
    for (name, wanted) in settings::named(scenario) {
        let Some(has) = guard.control().config_get(&name)? else { continue };
        if settings::is_same(&name, &wanted, &has) {
            continue;
        }
        match guard.config_set(&name, &wanted) {
            Ok(_) => {}
            Err(LiveError::Cannot { .. } | LiveError::Refused { .. }) => {
                let differs = format!("the server has {name} {has:?}, the case needs {wanted:?}");
                return Err(Stop::Skipped(format!("{differs}: --allow-config, or --spawn")));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Whether the keys of a plan fit into the memory that is free now.
///
/// # Errors
/// That they do not.
pub fn check_memory(plan: &Plan) -> std::result::Result<(), Stop> {
    let needed = fill::memory(plan) as f64;
    let free = fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
        Some(line.trim().split(' ').next()?.parse::<f64>().ok()? * 1024.0)
    });
    let gib = |bytes: f64| bytes / (1_u64 << 30) as f64;
    match free {
        Some(free) if needed > SHARE * free => Err(Stop::Skipped(format!(
            "{:.1} GiB of keys need twice as much memory, {:.1} GiB are free",
            gib(needed),
            gib(free)
        ))),
        _ => Ok(()),
    }
}
