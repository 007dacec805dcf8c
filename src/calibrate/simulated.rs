//! The simulated server as a subject of measurement: prices that are known, so that what comes back can be compared.
//!
//! Clients are as tight as those that measure a real server: they spin, and their own time is small. There is no host
//! noise, which measurements of CPU time do not have either.

use std::path::Path;

use crate::cause::Cause;
use crate::cost_model::{Client, CostModel};
use crate::models;
use crate::observe::result::RunResult;
use crate::redis::version::Version;
use crate::scenario::resolve::{Overrides, resolve};
use crate::sim::{RunOptions, run};
use crate::units::{KIB, SECOND};

use super::subject::{
    CalibrateError, Expired, Forked, Moved, Moves, Paced, PacedSpent, Result, Rounds, Setting, Shared,
    SharedSpent, Spent, Subject, Writing,
};

/// Time of the main thread that is waiting, not CPU time.
const WAITS: [Cause; 6] = [
    Cause::AofWritePendingFsync,
    Cause::AofWriteThrottled,
    Cause::AofFsyncAlways,
    Cause::HostNoise,
    Cause::Freeze,
    Cause::CoreContention,
];
/// A disk that a child never waits for \[bytes/s\].
const FASTEST_DISK: f64 = 1e15;
/// CPU time of the client's write(2) and read(2) \[ns\].
const CLIENT_COST: u64 = 500;
/// Time for which the clients are measured \[s\].
const CLIENTS_S: f64 = 0.2;
/// Runs begin with so much that is not counted.
const WARMUP_S: f64 = 0.005;
/// Least time that is measured \[s\].
const LEAST_S: f64 = 0.02;
/// An overload in which the thread never sleeps: commands a second, in writes of so many on so many connections.
const FLOOD: (&str, u32, u32) = ("4M/s", 16, 8);
/// When a child is surely gone \[s\].
const CHILD_GONE_S: f64 = 20.0;

/// A server of a version on a machine with known prices.
#[derive(Clone, Debug)]
pub struct Simulated {
    machine: CostModel,
    /// The clients as they are, not as tight as those that measure.
    clients: Client,
    version: Version,
}

impl Simulated {
    /// A server of `version` on `machine`.
    pub fn new(machine: &CostModel, version: Version) -> Self {
        let mut machine = machine.clone();
        machine.noise.classes.clear();
        // Up to 6.2 a child waits for the disk after each piece: that is no CPU time.
        machine.disk.bandwidth = FASTEST_DISK;
        machine.client.wakeup.clear();
        let clients = machine.client.clone();
        machine.cpu.wake_client.clear();
        machine.client.per_reply = CLIENT_COST;
        machine.client.per_send = CLIENT_COST;
        machine.client.per_command = 0;
        machine.client.per_kib = 0.0;
        Simulated { machine, clients, version }
    }

    fn run(&self, redis: &str, setting: &Setting, rest: &str) -> Result<RunResult> {
        let Setting { aof, keys, value, .. } = setting;
        let replica = if setting.replica { "[[replica]]\nname = \"one\"\n" } else { "" };
        let text = format!(
            "[redis]\nversion = \"{}\"\nappendonly = {aof}\nappendfsync = \"no\"\nsave = \"\"\n\
             auto-aof-rewrite-percentage = 0\n{redis}\n\
             [dataset]\nkeys = \"{keys}\"\nvalue-size = \"{value}B\"\n{replica}{rest}",
            self.version
        );
        let refused = |error: String| CalibrateError::Simulation(format!("{error}\n{text}"));
        let mut scenario = resolve(&text, "calibrate.toml", Path::new("."), &Overrides::default())
            .map_err(|error| refused(error.to_string()))?;
        scenario.machine = self.machine.clone();
        run(&scenario, &RunOptions::default(), &mut |_| true).map_err(|error| refused(error.to_string()))
    }

    /// Open loop of a flood from `from` on for so long, nearly nothing before; `event` happens at that time.
    fn flood(&self, setting: &Setting, from: f64, span: f64, event: &str) -> Result<RunResult> {
        let (rate, pipeline, connections) = FLOOD;
        let rest = format!(
            "[[workload]]\nloop = \"open\"\nschedule = [[\"0s\", \"1/s\"], [\"{from}s\", \"{rate}\"]]\n\
             pipeline = {pipeline}\nconnections = {connections}\noperation = \"SET\"\n{event}\
             [run]\nduration = \"{}s\"\nwarmup = \"{from}s\"\nallow-overload = true\n",
            from + span
        );
        self.run("", setting, &rest)
    }
}

/// CPU time of the main thread but for what `except` names \[ns\].
fn cpu(result: &RunResult, except: &[Cause]) -> f64 {
    let counts = |cause: &&Cause| !WAITS.contains(cause) && !except.contains(cause);
    Cause::ALL.iter().filter(counts).map(|cause| result.busy[*cause as usize] as f64).sum()
}

fn spent(result: &RunResult, pipeline: u32, except: &[Cause]) -> Spent {
    Spent {
        cpu: cpu(result, except),
        passes: result.counters.eventloop_cycles as f64,
        clients: result.completed as f64 / f64::from(pipeline),
        commands: result.completed as f64,
        faults: result.counters.cow_faults as f64,
        found: 1.0,
    }
}

impl Subject for Simulated {
    fn version(&self) -> Version {
        self.version
    }

    fn name(&self) -> String {
        format!("simulated {}", self.version)
    }

    fn refuses(&self, _setting: &Setting) -> Option<String> {
        None
    }

    fn refuses_fork(&self) -> Option<String> {
        None
    }

    fn refuses_moves(&self) -> Option<String> {
        Some("MIGRATE is not measured on the simulator".to_owned())
    }

    fn moves(&mut self, _moves: &Moves) -> Result<Moved> {
        Err(CalibrateError::Simulation("MIGRATE is not measured on the simulator".to_owned()))
    }

    fn rounds_of_node(&mut self, _rounds: &Rounds) -> Result<Spent> {
        Err(CalibrateError::Simulation("a cluster is not measured on the simulator".to_owned()))
    }

    fn rounds(&mut self, rounds: &Rounds) -> Result<Spent> {
        let Rounds { command, clients, pipeline, value, .. } = rounds;
        // About 2 us a command: the length need not be exact, since what was done is counted.
        let span = (rounds.commands as f64 * 2e-6).max(LEAST_S);
        let keys = match rounds.among {
            Some(keys) => format!("keys = {{ dist = \"hot\", share = 1.0, keys = {keys} }}\n"),
            None => String::new(),
        };
        let rest = format!(
            "[[workload]]\nloop = \"closed\"\nconnections = {}\npipeline = {pipeline}\noperation = \"{command}\"\n\
             value-size = \"{value}B\"\n{keys}[run]\nduration = \"{}s\"\nwarmup = \"{WARMUP_S}s\"\n",
            2 * clients,
            WARMUP_S + span
        );
        let result = self.run("", &rounds.setting, &rest)?;
        let mut spent = spent(&result, *pipeline, &[Cause::WakeUp]);
        if *command == "DEL" {
            // Random keys: the more are gone, the fewer are met.
            let share = spent.commands / rounds.setting.keys as f64;
            spent.found = (1.0 - libm::exp(-share)) / share;
        }
        Ok(spent)
    }

    fn client_rounds(&mut self, rounds: &Rounds) -> Result<f64> {
        let Rounds { setting, command, clients, pipeline, value, .. } = rounds;
        // A server that costs nothing: the clients alone say how fast it goes.
        let mut free = self.clone();
        let nothing = models::blank("free");
        (free.machine.cpu, free.machine.network) = (nothing.cpu, nothing.network);
        free.machine.client = Client { threads: 1, ..self.clients.clone() };
        let rest = format!(
            "[[workload]]\nloop = \"closed\"\nconnections = {clients}\npipeline = {pipeline}\noperation = \"{command}\"\n\
             value-size = \"{value}B\"\n[run]\nduration = \"{}s\"\nwarmup = \"{WARMUP_S}s\"\n",
            WARMUP_S + CLIENTS_S
        );
        let result = free.run("", setting, &rest)?;
        Ok(CLIENTS_S * SECOND as f64 * f64::from(*pipeline) / result.completed as f64)
    }

    fn paced(&mut self, paced: &Paced) -> Result<PacedSpent> {
        let seconds = (paced.commands * paced.gap) as f64 / SECOND as f64;
        let rate = SECOND as f64 / paced.gap as f64;
        let rest = format!(
            "[[workload]]\nloop = \"open\"\nrate = \"{rate}/s\"\narrivals = \"uniform\"\nconnections = 1\n\
             operation = \"SET\"\n[run]\nduration = \"{}s\"\nwarmup = \"{WARMUP_S}s\"\n",
            WARMUP_S + seconds
        );
        let mut own = self.clone();
        own.machine.client.per_send = self.clients.per_send;
        let result = own.run("", &paced.setting, &rest)?;
        let commands = result.completed as f64;
        let sojourn = result.scopes.first().map_or(0, |scope| scope.sojourn.quantile(0.5));
        Ok(PacedSpent { cpu: cpu(&result, &[]) / commands, gap: paced.gap as f64, round: sojourn as f64 })
    }

    fn idle_tick(&mut self) -> Result<f64> {
        let setting = Setting { aof: false, replica: false, keys: 1000, value: 100 };
        let rest = "[[workload]]\nloop = \"open\"\nrate = \"1/s\"\noperation = \"PING\"\n\
                    [run]\nduration = \"21s\"\nwarmup = \"1s\"\n";
        let result = self.run("hz = 500\ndynamic-hz = false\n", &setting, rest)?;
        Ok(cpu(&result, &[]) / result.counters.crons as f64)
    }

    fn fork(&mut self, setting: &Setting, writing: Writing, wait: bool) -> Result<Forked> {
        let (command, compression, appendonly) = match writing {
            Writing::Rdb => ("BGSAVE", false, setting.aof),
            Writing::RdbCompressed => ("BGSAVE", true, setting.aof),
            Writing::Aof => ("BGREWRITEAOF", false, true),
        };
        let seconds = if wait { CHILD_GONE_S } else { 0.5 };
        let rest = format!(
            "[[workload]]\nloop = \"open\"\nrate = \"1/s\"\noperation = \"PING\"\n\
             [[event]]\nat = \"200ms\"\ndo = \"{command}\"\n[run]\nduration = \"{seconds}s\"\nwarmup = \"100ms\"\n"
        );
        let redis = format!(
            "hz = 500\ndynamic-hz = false\nrdbcompression = {compression}\naof-use-rdb-preamble = false\n"
        );
        let result = self.run(&redis, &Setting { aof: appendonly, ..*setting }, &rest)?;
        let child = result.children.first();
        Ok(Forked {
            fork: result.busy[Cause::Fork as usize] as f64,
            rss: result.memory.rss_bytes_max as f64,
            child: child.filter(|_| wait).map(|child| child.duration as f64),
        })
    }

    fn shared(&mut self, shared: &Shared) -> Result<SharedSpent> {
        let span = (shared.commands as f64 * 2e-6).max(LEAST_S);
        let event = |at: &str| format!("[[event]]\nat = \"{at}\"\ndo = \"BGSAVE\"\n");
        let part = |from: f64, event: &str| {
            let result = self.flood(&shared.setting, from, span, event)?;
            let pages = result.memory.rss_bytes_max as f64 / (4 * KIB) as f64;
            Ok::<_, CalibrateError>((
                spent(&result, FLOOD.1, &[Cause::Fork, Cause::WakeUp, Cause::Cron]),
                pages,
            ))
        };
        let (before, pages) = part(1.0, "")?;
        let (during, _) = part(1.0, &event("1s"))?;
        let (after, _) = part(CHILD_GONE_S, &event("1s"))?;
        Ok(SharedSpent { before, during, after, pages })
    }

    fn expire(&mut self, keys: u64) -> Result<Expired> {
        let setting = Setting { aof: false, replica: false, keys, value: 100 };
        let seconds = 10 + keys / 50_000;
        let rest = format!(
            "[[workload]]\nloop = \"open\"\nrate = \"1/s\"\noperation = \"PING\"\n\
             [run]\nduration = \"{seconds}s\"\nwarmup = \"500ms\"\n"
        );
        // The time to live stands in [dataset], which ends before the workload.
        let result =
            self.run("", &setting, &format!("[dataset.ttl]\ndist = \"fixed\"\nvalue = \"1s\"\n{rest}"))?;
        Ok(Expired {
            cpu: result.busy[Cause::ExpireCycle as usize] as f64,
            keys: result.counters.expired_keys as f64,
        })
    }
}
