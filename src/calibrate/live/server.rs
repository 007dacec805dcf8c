//! One server under measurement: its connections, its keys, and the CPU time of its main thread.

use std::time::Duration;

use crate::live::address::Address;
use crate::live::control::Control;
use crate::live::process::MainThread;
use crate::live::spawned::{SpawnOptions, Spawned};

use super::super::subject::{CalibrateError, Result, Rounds, Spent};
use super::wire::{Wire, server};
use super::words::{Kind, Random, Words, encode};

/// Bytes sent at once when keys are made or deleted.
const CHUNK: usize = 256 * 1024;
/// After its last reply a thread goes to sleep, and its CPU time is up to date.
const SETTLE: Duration = Duration::from_millis(2);
/// Rounds are run again when the thread slept in more than this share of passes, so often.
const SLEEPY: f64 = 0.1;
const ATTEMPTS: usize = 3;

/// How the CPU time of a main thread is known.
#[derive(Clone, Copy, Debug)]
enum Clock {
    /// The scheduler's, to the nanosecond.
    Thread(MainThread),
    /// INFO's, to the microsecond, with its own questions in it.
    Info,
}

/// A server, ours or somebody's.
pub struct Server {
    // Ours is ended after the connections are closed.
    wires: Vec<Wire>,
    control: Control,
    clock: Clock,
    prefix: String,
    /// Strings that are there, and counters.
    keys: u64,
    counters: u64,
    random: Random,
    deleted: u64,
    own: Option<Box<Spawned>>,
    /// A replica of it.
    replica: Option<Box<Spawned>>,
}

fn pairs(directives: &[(&str, &str)]) -> Vec<(String, String)> {
    directives.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Directives of every server of ours: nothing forks by itself.
const QUIET: [(&str, &str); 2] = [("auto-aof-rewrite-percentage", "0"), ("appendfsync", "no")];

impl Server {
    /// Starts one of our own.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(program: &str, directives: &[(&str, &str)]) -> Result<Self> {
        let directives = pairs(&[&QUIET, directives].concat());
        let options = SpawnOptions { program: program.to_owned(), directives, ..SpawnOptions::default() };
        let spawned = Spawned::start(&options).map_err(server)?;
        let mut new = Server::at(spawned.address(), "")?;
        new.clock = Clock::Thread(spawned.main_thread());
        new.own = Some(Box::new(spawned));
        Ok(new)
    }

    /// Somebody's, where keys begin with `prefix`; whoever gave the right to them takes them away.
    ///
    /// # Errors
    /// As the connection.
    pub fn at(address: &Address, prefix: &str) -> Result<Self> {
        let mut control = Control::connect(address).map_err(server)?;
        let info = control.info("server").map_err(server)?;
        let pid =
            info.number("process_id").filter(|_| address.is_local()).map(|pid| MainThread::of(pid as u32));
        let clock = match pid.filter(|thread| thread.cpu_ns().is_ok()) {
            Some(thread) => Clock::Thread(thread),
            None => Clock::Info,
        };
        Ok(Server {
            wires: Vec::new(),
            control,
            clock,
            prefix: prefix.to_owned(),
            keys: 0,
            counters: 0,
            random: Random(0x5eed),
            deleted: 0,
            own: None,
            replica: None,
        })
    }

    /// A connection to ask it.
    pub fn control(&mut self) -> &mut Control {
        &mut self.control
    }

    /// Its process, where that is known.
    pub fn pid(&self) -> Option<u32> {
        match self.clock {
            Clock::Thread(thread) => Some(thread.pid()),
            Clock::Info => None,
        }
    }

    /// How its CPU time is known, for people.
    pub fn clock_name(&self) -> &'static str {
        match self.clock {
            Clock::Thread(_) => "the scheduler",
            Clock::Info => "INFO",
        }
    }

    /// CPU time of its main thread so far \[ns\].
    ///
    /// # Errors
    /// When the process is gone.
    pub fn cpu(&mut self) -> Result<f64> {
        match self.clock {
            Clock::Thread(thread) => thread.cpu_ns().map(|ns| ns as f64).map_err(server),
            Clock::Info => {
                let info = self.control.info("cpu").map_err(server)?;
                info.cpu_ns()
                    .map(|ns| ns as f64)
                    .ok_or_else(|| CalibrateError::Server("INFO has no CPU times".to_owned()))
            }
        }
    }

    /// Faults and voluntary sleeps of its main thread so far; 0 where that is not known.
    fn counts(&self) -> (f64, f64) {
        match self.clock {
            Clock::Thread(thread) => {
                let sleeps = thread.context_switches().map_or(0, |switches| switches.0);
                (thread.minor_faults().unwrap_or(0) as f64, sleeps as f64)
            }
            Clock::Info => (0.0, 0.0),
        }
    }

    /// Attaches a replica, a second server of `program`, and waits until it is in step.
    ///
    /// # Errors
    /// When it does not start, or does not come into step.
    pub fn attach_replica(&mut self, program: &str) -> Result<()> {
        let Some(own) = &self.own else {
            return Err(CalibrateError::Server("a replica needs a server of our own".to_owned()));
        };
        let primary = format!("127.0.0.1 {}", own.port());
        let directives = pairs(&[("appendfsync", "no"), ("replicaof", &primary)]);
        let options = SpawnOptions { program: program.to_owned(), directives, ..SpawnOptions::default() };
        self.replica = Some(Box::new(Spawned::start(&options).map_err(server)?));
        for _ in 0..600 {
            let info = self.control.info("replication").map_err(server)?;
            let state = info.text("slave0").unwrap_or_default().to_owned();
            if state.contains("state=online") {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err(CalibrateError::Server("the replica was not in step after 30 s\n  see its log".to_owned()))
    }

    fn wires(&mut self, count: usize) -> Result<()> {
        while self.wires.len() < count {
            self.wires.push(Wire::open(self.control.address())?);
        }
        // Idle connections would cost the server's timers.
        self.wires.truncate(count.max(1));
        Ok(())
    }

    fn words(&mut self, keys: u64, value: usize) -> Words {
        let random = Random(self.random.next());
        Words { prefix: self.prefix.clone(), keys, value, sha: String::new(), random }
    }

    /// Sends commands that `next` writes, replies of one line each, until it writes none.
    fn pour(&mut self, mut next: impl FnMut(&mut Vec<u8>) -> bool) -> Result<()> {
        self.wires(1)?;
        let wire = &mut self.wires[0];
        let mut bytes = Vec::with_capacity(2 * CHUNK);
        loop {
            bytes.clear();
            let mut commands = 0;
            while bytes.len() < CHUNK && next(&mut bytes) {
                commands += 1;
            }
            if commands == 0 {
                return wire.finish();
            }
            // Replies are read when the socket is full, and in the end.
            wire.send(&bytes, commands)?;
        }
    }

    /// Makes strings up to `keys`, of `value` bytes; with a deadline if one is given \[ms since 1970\].
    ///
    /// # Errors
    /// As the server.
    pub fn fill(&mut self, keys: u64, value: usize, deadline: Option<u64>) -> Result<()> {
        let mut words = self.words(keys, value);
        let (mut number, deadline) = (self.keys, deadline.map(|ms| ms.to_string()));
        let mut content = Vec::new();
        self.pour(|bytes| {
            if number >= keys {
                return false;
            }
            words.random.value(value, &mut content);
            let key = words.key(number);
            match &deadline {
                None => encode(bytes, &[b"SET", &key, &content]),
                Some(at) => encode(bytes, &[b"SET", &key, &content, b"PXAT", at.as_bytes()]),
            }
            number += 1;
            true
        })?;
        self.keys = self.keys.max(keys);
        Ok(())
    }

    fn fill_counters(&mut self, keys: u64) -> Result<()> {
        let words = self.words(keys, 0);
        let mut number = self.counters;
        self.pour(|bytes| {
            let more = number < keys;
            if more {
                encode(bytes, &[b"SET", &words.counter(number), b"10000000"]);
                number += 1;
            }
            more
        })?;
        self.counters = self.counters.max(keys);
        Ok(())
    }

    fn delete(&mut self, mut names: impl Iterator<Item = Vec<u8>>) -> Result<()> {
        self.pour(|bytes| names.next().inspect(|name| encode(bytes, &[b"DEL", name])).is_some())
    }

    /// Runs rounds; again when the thread slept in too many passes.
    ///
    /// # Errors
    /// As the server.
    pub fn rounds(&mut self, rounds: &Rounds) -> Result<Spent> {
        let kind = Kind::of(rounds.command)?;
        if kind.counts() {
            self.fill_counters(rounds.setting.keys)?;
        }
        let mut best: Option<(f64, Spent)> = None;
        for _ in 0..ATTEMPTS {
            let (sleepy, spent) = self.rounds_once(rounds, kind)?;
            if best.as_ref().is_none_or(|best| sleepy < best.0) {
                best = Some((sleepy, spent));
            }
            if kind == Kind::Del {
                self.fill_again(rounds)?;
            }
            if sleepy <= SLEEPY {
                break;
            }
        }
        if kind.collects() {
            let names = self.words(1, 0).collections(kind);
            self.delete(names)?;
        }
        best.map(|best| best.1).ok_or_else(|| CalibrateError::Server("no rounds were run".to_owned()))
    }

    /// Strings that DEL has deleted come back.
    fn fill_again(&mut self, rounds: &Rounds) -> Result<()> {
        let (keys, deleted) = (std::mem::replace(&mut self.keys, 0), std::mem::replace(&mut self.deleted, 0));
        let mut words = self.words(rounds.setting.keys, rounds.setting.value as usize);
        let (mut number, mut content, mut name) = (0, Vec::new(), Vec::new());
        self.pour(|bytes| {
            let more = number < deleted;
            if more {
                words.random.value(words.value, &mut content);
                name.clear();
                words.append(Kind::Del, number, &mut name);
                // The key is the last word of its DEL.
                let key = &name[name.len() - 2 - words.key(0).len()..name.len() - 2];
                encode(bytes, &[b"SET", key, &content]);
                number += 1;
            }
            more
        })?;
        self.keys = keys;
        Ok(())
    }

    /// Runs rounds, once: what they meet is gone afterwards.
    ///
    /// # Errors
    /// As the server.
    pub fn rounds_once_of(&mut self, rounds: &Rounds) -> Result<Spent> {
        Ok(self.rounds_once(rounds, Kind::of(rounds.command)?)?.1)
    }

    fn rounds_once(&mut self, rounds: &Rounds, kind: Kind) -> Result<(f64, Spent)> {
        let batch = rounds.clients as usize;
        let keys = rounds.among.unwrap_or(rounds.setting.keys);
        let mut words = self.words(keys, rounds.value as usize);
        if let Some(text) = kind.script() {
            words.sha = match self.control.ask(&["SCRIPT", "LOAD", &text]).map_err(server)? {
                redis::Value::BulkString(sha) => String::from_utf8_lossy(&sha).into_owned(),
                other => return Err(CalibrateError::Server(format!("SCRIPT LOAD answers {other:?}"))),
            };
        }
        self.wires(2 * batch)?;
        // An even number of batches, so that each connection sends as often as the others.
        let per_batch = u64::from(rounds.clients) * u64::from(rounds.pipeline);
        let batches = (rounds.commands / per_batch).max(4).next_multiple_of(2) as usize;
        let mut bytes = Vec::new();
        let mut ends = Vec::with_capacity(batches * batch);
        let mut number = self.deleted;
        for _ in 0..batches * batch {
            for _ in 0..rounds.pipeline {
                words.append(kind, number, &mut bytes);
                number += 1;
            }
            ends.push(bytes.len());
        }
        if kind == Kind::Del {
            self.deleted = number;
        }
        let lines = rounds.pipeline as usize * kind.lines();
        std::thread::sleep(SETTLE);
        let (cpu, (faults, sleeps)) = (self.cpu()?, self.counts());
        // The odd batch is on its way before the replies to the even one are read, and so on.
        let mut write = 0;
        for number in 0..batches + 1 {
            let half = number % 2 * batch;
            for wire in &mut self.wires[half..half + batch] {
                wire.finish()?;
            }
            if number < batches {
                for wire in &mut self.wires[half..half + batch] {
                    let from = if write == 0 { 0 } else { ends[write - 1] };
                    wire.send(&bytes[from..ends[write]], lines)?;
                    write += 1;
                }
            }
        }
        for wire in &mut self.wires {
            wire.finish()?;
        }
        std::thread::sleep(SETTLE);
        let (after, slept) = self.counts();
        let spent = Spent {
            cpu: self.cpu()? - cpu,
            passes: batches as f64,
            clients: (batches * batch) as f64,
            commands: (batches as u64 * per_batch) as f64,
            faults: after - faults,
            found: 1.0,
        };
        Ok(((slept - sleeps) / batches as f64, spent))
    }

    /// Makes strings anew that have been moved away.
    ///
    /// # Errors
    /// As the server.
    pub fn fill_again_from(&mut self, keys: u64, value: usize) -> Result<()> {
        self.keys = 0;
        self.fill(keys, value, None)
    }

    /// Name of a string.
    pub fn key(&mut self, number: u64) -> String {
        String::from_utf8_lossy(&self.words(1, 0).key(number)).into_owned()
    }

    /// Sends commands whose replies are one line each, all in one go.
    ///
    /// # Errors
    /// As the server.
    pub fn ask_all(&mut self, commands: &[Vec<String>]) -> Result<()> {
        let mut bytes = Vec::new();
        for words in commands {
            encode(&mut bytes, &words.iter().map(String::as_bytes).collect::<Vec<_>>());
        }
        let wire = self.wire()?;
        wire.send(&bytes, commands.len())?;
        wire.finish()
    }

    /// One connection, to be driven by hand.
    ///
    /// # Errors
    /// As the connection.
    pub fn wire(&mut self) -> Result<&mut Wire> {
        self.wires(1)?;
        Ok(&mut self.wires[0])
    }

    /// Encoded SETs on random keys.
    pub fn sets(&mut self, keys: u64, value: usize, count: u64) -> Vec<Vec<u8>> {
        let mut words = self.words(keys, value);
        (0..count)
            .map(|number| {
                let mut bytes = Vec::new();
                words.append(Kind::Set, number, &mut bytes);
                bytes
            })
            .collect()
    }
}
