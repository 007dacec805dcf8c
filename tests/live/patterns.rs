//! Rate limiters of several steps on one key that lives a second: what they lose, and how often it lives on for ever.

use std::time::{Duration, Instant};

use crate::figures::{Figures, Sorted, ms};
use crate::ledger::{Ending, Ledger};
use crate::open_loop::{Program, run};
use crate::reply::{Reply, encode};
use crate::server::Server;

const KEY: &[u8] = b"counter";
const TTL_S: u64 = 1;
const CONNECTIONS: usize = 50;
/// A counter that begins anew is looked at after this time: well beyond the race, well below the TTL.
const SETTLED: Duration = Duration::from_millis(20);
const SCRIPT: &str = "local n = redis.call('INCR', KEYS[1]) \
    if n == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end return n";

const GET: u8 = 0;
const SET: u8 = 1;
const INCR: u8 = 2;
const TTL: u8 = 3;
const UNLINK: u8 = 4;

/// The steps of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// GET; if nil SET key 0 EX 1; INCR.
    Racy,
    /// One script: INCR, and EXPIRE if it made the key.
    Lua,
    /// SET key 0 NX EX 1; INCR.
    Nx,
}

impl Kind {
    fn first_step(self) -> u8 {
        match self {
            Kind::Racy => GET,
            Kind::Nx => SET,
            Kind::Lua => INCR,
        }
    }
}

/// One run.
pub struct Pattern {
    pub kind: Kind,
    /// Operations a second.
    pub rate: u32,
    pub length: Duration,
}

/// The clients. One that sees a counter begin at 1 has it looked at a little later; a key without a deadline is
/// deleted, so that the next window can begin. (That end is a race like an expiry, and is counted apart.)
struct Clients {
    kind: Kind,
    script: String,
    increments: u64,
    look_at: Option<Instant>,
    /// What an operation sends first.
    first: Vec<u8>,
    commands: u64,
}

impl Clients {
    fn new(kind: Kind, script: String) -> Self {
        let mut clients =
            Clients { kind, script, increments: 0, look_at: None, first: Vec::new(), commands: 0 };
        let mut first = Vec::new();
        clients.command(kind.first_step(), &mut first);
        clients.first = first;
        clients
    }

    fn command(&self, step: u8, out: &mut Vec<u8>) {
        let seconds = TTL_S.to_string();
        let seconds = seconds.as_bytes();
        match (step, self.kind) {
            (GET, _) => encode(out, &[b"GET", KEY]),
            (SET, Kind::Nx) => encode(out, &[b"SET", KEY, b"0", b"NX", b"EX", seconds]),
            (SET, _) => encode(out, &[b"SET", KEY, b"0", b"EX", seconds]),
            (INCR, Kind::Lua) => encode(out, &[b"EVALSHA", self.script.as_bytes(), b"1", KEY, seconds]),
            (INCR, _) => encode(out, &[b"INCR", KEY]),
            (TTL, _) => encode(out, &[b"TTL", KEY]),
            _ => encode(out, &[b"UNLINK", KEY]),
        }
    }
}

impl Program for Clients {
    fn begin(&mut self, out: &mut Vec<u8>) -> u8 {
        out.extend_from_slice(&self.first);
        self.commands += 1;
        self.kind.first_step()
    }

    fn next(&mut self, step: u8, reply: &Reply, out: &mut Vec<u8>) -> Option<u8> {
        let next = match (step, reply) {
            (GET, Reply::Nil) => SET,
            (GET | SET, _) => INCR,
            (INCR, Reply::Integer(value)) => {
                self.increments += 1;
                if *value == 1 {
                    self.look_at = Some(Instant::now() + SETTLED);
                }
                return None;
            }
            (TTL, Reply::Integer(-1)) => UNLINK,
            _ => return None,
        };
        self.commands += u64::from(next != UNLINK);
        self.command(next, out);
        Some(next)
    }

    fn aside(&mut self, now: Instant, out: &mut Vec<u8>) -> Option<u8> {
        if self.look_at.is_none_or(|at| at > now) {
            return None;
        }
        self.look_at = None;
        self.command(TTL, out);
        Some(TTL)
    }
}

/// Share of `windows` that ended without a deadline, and its standard error.
fn without(windows: u64, without: u64) -> (f64, f64) {
    let share = without as f64 / windows as f64;
    (share, (share * (1.0 - share) / windows as f64).sqrt())
}

impl Pattern {
    /// Runs it; `figures` gets what was seen. Returns a line for people.
    pub fn run(&self, program: &str, figures: &mut Figures) -> Result<String, String> {
        let options = ["--appendonly", "yes", "--appendfsync", "no", "--auto-aof-rewrite-percentage", "0"];
        let mut server = Server::start(program, &options)?;
        let script = match server.ask(&["SCRIPT", "LOAD", SCRIPT])? {
            Reply::Bulk(hash) => String::from_utf8_lossy(&hash).into_owned(),
            other => return Err(format!("SCRIPT LOAD answers {other:?}")),
        };
        let streams = (0..CONNECTIONS).map(|_| server.connect()).collect::<Result<Vec<_>, _>>()?;
        let mut clients = Clients::new(self.kind, script);
        let cpu = server.cpu_s()?;
        let measured = run(streams, self.rate, self.length, &mut clients)?;
        let cpu = server.cpu_s()? - cpu;
        let stats = server.info("stats")?;
        // Everything executed has been written, for a reply leaves after the AOF's write.
        let ledger = Ledger::read(&server.aof()?, KEY, TTL_S * 1000)?;
        if ledger.increments != clients.increments {
            return Err(format!(
                "{} INCRs acknowledged, {} in the AOF",
                clients.increments, ledger.increments
            ));
        }

        let operations = measured.sojourn.len() as u64;
        let (sojourn, late) =
            (Sorted::from(measured.sojourn.iter().map(|one| one.1)), Sorted::from(measured.late));
        // An operation of one step has none.
        let turnaround = Sorted::from(measured.turnaround);
        let stalls = Sorted::from(measured.stalls.iter().map(|one| one.1));
        figures.text("redis_version", server.info("server")?.text("redis_version").unwrap_or("?"));
        figures.count("rate_per_s", u64::from(self.rate));
        figures.number("duration_s", self.length.as_secs_f64());
        figures.count("connections", CONNECTIONS as u64);
        figures.count("operations", operations);
        figures.number("commands_per_operation", clients.commands as f64 / operations as f64);
        figures.number("server_busy_share", cpu / self.length.as_secs_f64());
        figures.quantiles("sojourn_ns", &sojourn);
        figures.quantiles("late_ns", &late);
        figures.quantiles("turnaround_ns", &turnaround);
        figures.count("stalls", stalls.len() as u64);
        figures.count("stall_ns_max", stalls.at(1.0));
        figures.count("increments_acked", clients.increments);
        figures.count("increments_lost", ledger.lost);
        figures.count("expiries", stats.need("expired_keys")? as u64);
        let resets: u64 = ledger.windows.iter().map(|window| window.late_sets).sum();
        figures.count("resets_mid_window", resets);
        let (mut all, mut immortal, mut sets, mut most) = (0, 0, 0, 0);
        for (ending, name) in [(Ending::Expired, "expiry"), (Ending::Unlinked, "unlink")] {
            let windows = ledger.after(ending).count() as u64;
            let left = ledger.after(ending).filter(|window| !window.has_deadline).count() as u64;
            figures.count(&format!("windows_after_{name}"), windows);
            figures.count(&format!("windows_without_ttl_after_{name}"), left);
            (all, immortal) = (all + windows, immortal + left);
            sets += ledger.after(ending).map(|window| window.sets).sum::<u64>();
            most = most.max(ledger.after(ending).map(|window| window.sets).max().unwrap_or(0));
        }
        let (share, error) = without(all, immortal);
        figures.count("windows", all);
        figures.count("windows_without_ttl", immortal);
        figures.number("without_ttl_share", share);
        figures.number("without_ttl_standard_error", error);
        // ½·(1 − e^(−2λr)) with the median turnaround r: an INCR of a client that saw the key alive comes first.
        let race = f64::from(self.rate) * turnaround.at(0.5) as f64 / 1e9;
        let expected = if self.kind == Kind::Lua { 0.0 } else { 0.5 * (1.0 - (-2.0 * race).exp()) };
        figures.number("without_ttl_expected", expected);
        figures.number("sets_per_expiry_mean", sets as f64 / all as f64);
        figures.count("sets_per_expiry_max", most);
        figures.number("lost_per_window", ledger.lost as f64 / all as f64);
        let between = match turnaround.at(0.5) {
            0 => String::new(),
            nanos => format!("; r {:.0} us", nanos as f64 / 1e3),
        };
        Ok(format!(
            "{operations} operations, {all} windows: {immortal} without TTL ({share:.2} ± {error:.2}, expected \
             {expected:.2}), {:.2} SETs each (max {most}), {} increments lost; sojourn P50 {}, P99 {}{between}",
            sets as f64 / all as f64,
            ledger.lost,
            ms(sojourn.at(0.5)),
            ms(sojourn.at(0.99)),
        ))
    }
}
