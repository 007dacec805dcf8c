//! Real servers as a subject of measurement.
//!
//! Of our own: a server for each setting, the two last ones kept, so that what is compared is asked in turns. Somebody's:
//! what needs no other settings, on keys of a prefix that are deleted in the end.

mod driven;
mod forks;
mod nodes;
mod server;
mod wire;
mod words;

use std::time::{Duration, Instant};

use crate::live::address::Address;
use crate::redis::version::Version;

use super::fit::quantile;
use super::subject::{
    CalibrateError, Expired, Forked, Moved, Moves, Paced, PacedSpent, Result, Rounds, Setting, Shared,
    SharedSpent, Spent, Subject, Writing,
};
use server::Server;
use wire::server as server_fault;

/// Servers of our own that are kept.
const KEPT: usize = 2;
/// Length of an idle spell whose ticks are counted, and the timer's period.
const IDLE: Duration = Duration::from_millis(400);
const HZ: f64 = 500.0;
/// Deadline of keys after the start of their filling, and a millisecond more for so many keys; how long their deletion
/// may take.
const DUE_AFTER_MS: u64 = 4000;
const KEYS_A_MS: u64 = 200;
const STORM: Duration = Duration::from_secs(60);
const ATTEMPTS: u32 = 3;

/// Where servers come from.
#[derive(Clone, Debug)]
enum Origin {
    /// A program that is started.
    Program(String),
    /// Somebody's server, and the prefix of keys there.
    Theirs(Box<Address>, String),
}

/// Real servers.
pub struct Live {
    origin: Origin,
    version: Version,
    name: String,
    clock: &'static str,
    servers: Vec<(Setting, Server)>,
    /// Source and target of MIGRATEs.
    pair: Option<Box<[Server; 2]>>,
    /// A cluster of one.
    node: Option<Box<Server>>,
}

impl Live {
    /// Servers of `program`, started as they are needed; one at once, to see that it runs.
    ///
    /// # Errors
    /// When it does not start, or its version is not known.
    pub fn spawn(program: &str) -> Result<Self> {
        let first = Server::start(program, &[])?;
        Live::of(Origin::Program(program.to_owned()), first)
    }

    /// Somebody's server, where keys begin with `prefix`. Whether it may be written to has been settled before.
    ///
    /// # Errors
    /// As the connection; a version that is not known.
    pub fn at(address: &Address, prefix: &str) -> Result<Self> {
        let first = Server::at(address, prefix)?;
        Live::of(Origin::Theirs(Box::new(address.clone()), prefix.to_owned()), first)
    }

    fn of(origin: Origin, mut first: Server) -> Result<Self> {
        let info = first.control().info("server").map_err(server_fault)?;
        let version = info.version().map_err(server_fault)?;
        let name = match info.text("valkey_version") {
            Some(full) => format!("Valkey {full}"),
            None => format!("Redis {}", info.text("redis_version").unwrap_or("?")),
        };
        Ok(Live {
            origin,
            version,
            name,
            clock: first.clock_name(),
            servers: Vec::new(),
            pair: None,
            node: None,
        })
    }

    /// How the server's CPU time is known, for people.
    pub fn clock(&self) -> &'static str {
        self.clock
    }

    /// The server of a setting, made and filled if it is not there.
    fn server(&mut self, setting: &Setting) -> Result<&mut Server> {
        if let Some(place) = self.servers.iter().position(|kept| kept.0 == *setting) {
            let kept = self.servers.remove(place);
            self.servers.push(kept);
        } else {
            if self.servers.len() >= KEPT {
                self.servers.remove(0);
            }
            let new = self.make(setting)?;
            self.servers.push((*setting, new));
        }
        let last = self.servers.len() - 1;
        Ok(&mut self.servers[last].1)
    }

    fn make(&self, setting: &Setting) -> Result<Server> {
        match &self.origin {
            Origin::Program(program) => {
                let mut server =
                    Server::start(program, &[("appendonly", if setting.aof { "yes" } else { "no" })])?;
                server.fill(setting.keys, setting.value as usize, None)?;
                if setting.replica {
                    server.attach_replica(program)?;
                }
                Ok(server)
            }
            Origin::Theirs(address, prefix) => {
                let mut server = Server::at(address, prefix)?;
                server.fill(setting.keys, setting.value as usize, None)?;
                Ok(server)
            }
        }
    }

    fn program(&self) -> Result<String> {
        match &self.origin {
            Origin::Program(program) => Ok(program.clone()),
            Origin::Theirs(..) => {
                Err(CalibrateError::Server("this needs a server of our own: --spawn".to_owned()))
            }
        }
    }
}

impl Subject for Live {
    fn version(&self) -> Version {
        self.version
    }

    fn name(&self) -> String {
        self.name.clone()
    }

    fn refuses(&self, setting: &Setting) -> Option<String> {
        let changes = setting.aof || setting.replica;
        (changes && matches!(self.origin, Origin::Theirs(..)))
            .then(|| "it needs another server beside this one: use --spawn".to_owned())
    }

    fn refuses_fork(&self) -> Option<String> {
        matches!(self.origin, Origin::Theirs(..))
            .then(|| "somebody's server is not made to fork: use --spawn".to_owned())
    }

    fn refuses_moves(&self) -> Option<String> {
        matches!(self.origin, Origin::Theirs(..))
            .then(|| "it needs servers of our own: use --spawn".to_owned())
    }

    fn moves(&mut self, moves: &Moves) -> Result<Moved> {
        let program = self.program()?;
        let pair = match self.pair.take() {
            Some(pair) => pair,
            None => Box::new([Server::start(&program, &[])?, Server::start(&program, &[])?]),
        };
        let [source, target] = &mut **self.pair.insert(pair);
        nodes::moves(source, target, moves)
    }

    fn rounds_of_node(&mut self, rounds: &Rounds) -> Result<Spent> {
        let program = self.program()?;
        let node = match self.node.take() {
            Some(node) => node,
            None => Box::new(nodes::alone(&program, &rounds.setting)?),
        };
        self.node.insert(node).rounds(rounds)
    }

    fn rounds(&mut self, rounds: &Rounds) -> Result<Spent> {
        self.server(&rounds.setting)?.rounds(rounds)
    }

    fn client_rounds(&mut self, rounds: &Rounds) -> Result<f64> {
        let program = self.program()?;
        let mut server = Server::start(&program, &[])?;
        driven::closed_loop(server.control().address(), rounds)
    }

    fn paced(&mut self, paced: &Paced) -> Result<PacedSpent> {
        let server = self.server(&paced.setting)?;
        let sets = server.sets(paced.setting.keys, paced.setting.value as usize, paced.commands);
        server.wire()?;
        std::thread::sleep(Duration::from_millis(2));
        let cpu = server.cpu()?;
        let wire = server.wire()?;
        let mut rounds = Vec::with_capacity(sets.len());
        let gap = Duration::from_nanos(paced.gap);
        let begun = Instant::now();
        let mut next = begun;
        for bytes in &sets {
            while Instant::now() < next {
                std::hint::spin_loop();
            }
            next += gap;
            let sent = Instant::now();
            wire.send(bytes, 1)?;
            wire.finish()?;
            rounds.push(sent.elapsed().as_nanos() as f64);
        }
        let elapsed = begun.elapsed();
        std::thread::sleep(Duration::from_millis(2));
        rounds.sort_by(f64::total_cmp);
        let commands = sets.len() as f64;
        Ok(PacedSpent {
            cpu: (server.cpu()? - cpu) / commands,
            gap: (elapsed.as_nanos() as f64 / commands).max(paced.gap as f64),
            round: quantile(&rounds, 0.5),
        })
    }

    fn idle_tick(&mut self) -> Result<f64> {
        let program = self.program()?;
        let mut server = Server::start(&program, &[("hz", "500"), ("dynamic-hz", "no")])?;
        std::thread::sleep(Duration::from_millis(50));
        let (begun, cpu) = (Instant::now(), server.cpu()?);
        std::thread::sleep(IDLE);
        let (elapsed, spent) = (begun.elapsed().as_secs_f64(), server.cpu()? - cpu);
        // The next tick is counted from the end of the last: its own time comes on top of its period.
        let ticks = (elapsed - spent / 1e9) * HZ;
        Ok(spent / ticks)
    }

    fn fork(&mut self, setting: &Setting, writing: Writing, wait: bool) -> Result<Forked> {
        self.program()?;
        forks::fork(self.server(setting)?, writing, wait)
    }

    fn shared(&mut self, shared: &Shared) -> Result<SharedSpent> {
        self.program()?;
        forks::shared(self.server(&shared.setting)?, shared)
    }

    fn expire(&mut self, keys: u64) -> Result<Expired> {
        let program = self.program()?;
        let mut lead = DUE_AFTER_MS + keys / KEYS_A_MS;
        for _ in 0..ATTEMPTS {
            if let Some(expired) = storm(&program, keys, lead)? {
                return Ok(expired);
            }
            lead *= 3;
        }
        Err(CalibrateError::Nothing("filling takes longer than the keys are to live".to_owned()))
    }
}

/// Fills a server with keys that are due after `lead` \[ms\], and waits until they are gone; none if filling took too long.
fn storm(program: &str, keys: u64, lead: u64) -> Result<Option<Expired>> {
    let mut server = Server::start(program, &[])?;
    let now = || {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.unwrap_or_default().as_millis() as u64
    };
    let due = now() + lead;
    server.fill(keys, 100, Some(due))?;
    let left = due.saturating_sub(now());
    if left < 200 {
        return Ok(None);
    }
    std::thread::sleep(Duration::from_millis(left - 100));
    let (cpu, begun) = (server.cpu()?, Instant::now());
    while server.control().number(&["DBSIZE"]).map_err(server_fault)? > 0 {
        if begun.elapsed() > STORM {
            let text = "keys that were due are still there after a minute";
            return Err(CalibrateError::Nothing(text.to_owned()));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(Some(Expired { cpu: server.cpu()? - cpu, keys: keys as f64 }))
}
