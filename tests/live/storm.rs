//! A million keys that expire at one instant, under a steady load of writes to other keys.

use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::figures::{Figures, Sorted, ms};
use crate::open_loop::{Measured, Program, run};
use crate::reply::{Reply, encode};
use crate::server::{Info, Server};

const CONNECTIONS: usize = 50;
const VALUE: &[u8] = &[b'x'; 100];
/// Keys that are written during the storm and do not expire.
const OTHERS: u64 = 10_000;
/// Load before the instant, to compare with.
const BEFORE: Duration = Duration::from_secs(3);
/// How long the last tenth is watched.
const TAIL: Duration = Duration::from_secs(10);
/// No storm takes so long.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two questions for the number of keys.
const POLL: Duration = Duration::from_millis(10);
/// Commands of one send when keys are made.
const BATCH: u64 = 5000;

const SET: u8 = 0;
const DBSIZE: u8 = 1;
const INFO: u8 = 2;

/// One run.
pub struct Storm {
    pub keys: u64,
    pub hz: u32,
    /// SETs a second.
    pub rate: u32,
}

/// What the observer asks next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The INFO of the instant.
    Instant,
    /// DBSIZE until a tenth is left.
    Storm,
    /// The INFO of that moment.
    StormEnd,
    /// DBSIZE until none is left or the patience for it ends.
    Tail,
    /// The INFO of that moment.
    TailEnd,
    Over,
}

/// Writers of the keys that stay, and an observer among them.
struct Clients {
    key: u64,
    /// DBSIZE at which a tenth of the keys is left.
    few: u64,
    /// The latest DBSIZE.
    keys: u64,
    stage: Stage,
    /// When the observer asks again; it has no question open.
    ask_at: Option<Instant>,
    /// INFO of the instant, of the end of the storm and of the tail, and when they were read.
    seen: Vec<(Instant, Info)>,
}

impl Program for Clients {
    fn begin(&mut self, out: &mut Vec<u8>) -> u8 {
        // Any order that touches all in turn serves: what is asked is how long a write waits.
        self.key = (self.key + 7919) % OTHERS;
        encode(out, &[b"SET", format!("other:{:010}", self.key).as_bytes(), VALUE]);
        SET
    }

    fn next(&mut self, _: u8, reply: &Reply, _: &mut Vec<u8>) -> Option<u8> {
        let now = Instant::now();
        let (stage, wait) = match (reply, self.stage) {
            (Reply::Integer(keys), stage) => {
                self.keys = *keys as u64;
                let tail_over = || self.keys == OTHERS || now > self.seen[1].0 + TAIL;
                match stage {
                    Stage::Storm if self.keys <= self.few => (Stage::StormEnd, Duration::ZERO),
                    Stage::Tail if tail_over() => (Stage::TailEnd, Duration::ZERO),
                    same => (same, POLL),
                }
            }
            (Reply::Bulk(text), stage) => {
                self.seen.push((now, Info::from(text)));
                match stage {
                    Stage::Instant => (Stage::Storm, Duration::ZERO),
                    Stage::StormEnd => (Stage::Tail, POLL),
                    _ => (Stage::Over, Duration::ZERO),
                }
            }
            _ => return None,
        };
        (self.stage, self.ask_at) = (stage, Some(now + wait));
        None
    }

    fn aside(&mut self, now: Instant, out: &mut Vec<u8>) -> Option<u8> {
        self.ask_at.take_if(|at| *at <= now)?;
        match self.stage {
            Stage::Over => None,
            Stage::Storm | Stage::Tail => {
                encode(out, &[b"DBSIZE"]);
                Some(DBSIZE)
            }
            Stage::Instant | Stage::StormEnd | Stage::TailEnd => {
                encode(out, &[b"INFO"]);
                Some(INFO)
            }
        }
    }

    fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }
}

fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is after 1970")
}

impl Storm {
    /// Runs it; `figures` gets what was seen. Returns a line for people.
    pub fn run(&self, program: &str, figures: &mut Figures) -> Result<String, String> {
        let mut server = Server::start(program, &["--appendonly", "no", "--hz", &self.hz.to_string()])?;
        let at = wall() + Duration::from_secs(8 + self.keys / 100_000);
        self.fill(&mut server, at.as_millis())?;
        let left = at.checked_sub(wall() + BEFORE).ok_or("setting the keys took too long")?;
        thread::sleep(left);
        let streams = (0..CONNECTIONS).map(|_| server.connect()).collect::<Result<Vec<_>, _>>()?;
        let instant = Instant::now() + at.saturating_sub(wall());
        let mut clients = Clients {
            key: 0,
            few: OTHERS + self.keys / 10,
            keys: OTHERS + self.keys,
            stage: Stage::Instant,
            ask_at: Some(instant),
            seen: Vec::new(),
        };
        let measured = run(streams, self.rate, BEFORE + PATIENCE + TAIL, &mut clients)?;
        if clients.stage != Stage::Over {
            return Err(format!("a tenth of the keys was still there after {PATIENCE:?}"));
        }
        figures.text("redis_version", server.info("server")?.text("redis_version").unwrap_or("?"));
        self.tell(figures, instant, &measured, &clients)
    }

    fn fill(&self, server: &mut Server, at_ms: u128) -> Result<(), String> {
        let at = at_ms.to_string();
        let mut bytes = Vec::new();
        for first in (0..self.keys).step_by(BATCH as usize) {
            let count = BATCH.min(self.keys - first);
            bytes.clear();
            for key in first..first + count {
                let key = format!("key:{key:012}");
                encode(&mut bytes, &[b"SET", key.as_bytes(), VALUE, b"PXAT", at.as_bytes()]);
            }
            server.send(&bytes, count as usize)?;
        }
        bytes.clear();
        for key in 0..OTHERS {
            encode(&mut bytes, &[b"SET", format!("other:{key:010}").as_bytes(), VALUE]);
        }
        server.send(&bytes, OTHERS as usize)?;
        Ok(())
    }

    fn tell(
        &self,
        figures: &mut Figures,
        instant: Instant,
        measured: &Measured,
        clients: &Clients,
    ) -> Result<String, String> {
        let [(_, first), (storm_end, storm), (tail_end, tail)] = clients.seen.as_slice() else {
            return Err("the observer has not seen all".to_owned());
        };
        let between = |field: &str| Ok::<_, String>(storm.need(field)? - first.need(field)?);
        let cpu = |info: &Info| {
            Ok::<_, String>(info.need("used_cpu_user_main_thread")? + info.need("used_cpu_sys_main_thread")?)
        };
        let storm_s = (*storm_end - instant).as_secs_f64();
        let expired = between("expired_keys")?;
        let caps = between("expired_time_cap_reached_count")?;
        let cycle_ms = between("expire_cycle_cpu_milliseconds")?;
        let tail_s = (*tail_end - *storm_end).as_secs_f64();
        let left = clients.keys - OTHERS;
        let tail_keys = tail.need("expired_keys")? - storm.need("expired_keys")?;
        let tail_per_s = tail_keys / tail_s;
        let part = |from: Option<Instant>, to: Option<Instant>| {
            let inside = |at: &Instant| from.is_none_or(|from| *at >= from) && to.is_none_or(|to| *at < to);
            Sorted::from(measured.sojourn.iter().filter(|(at, _)| inside(at)).map(|one| one.1))
        };
        let during = part(Some(instant), Some(*storm_end));
        let inside = |at: &Instant| (instant..*storm_end).contains(at);
        let stalls = Sorted::from(measured.stalls.iter().filter(|(at, _)| inside(at)).map(|one| one.1));

        figures.count("hz", u64::from(self.hz));
        figures.count("keys", self.keys);
        figures.count("rate_per_s", u64::from(self.rate));
        figures.number("storm_s", storm_s);
        figures.number("expired_keys", expired);
        figures.number("reclaimed_per_s", expired / storm_s);
        figures.number("expired_time_cap_reached_count", caps);
        figures.number("expire_cycle_cpu_milliseconds", cycle_ms);
        figures.number("cycle_us_per_key", cycle_ms * 1000.0 / expired);
        figures.number("cycle_share", cycle_ms / 1000.0 / storm_s);
        figures.number("server_busy_share", (cpu(storm)? - cpu(first)?) / storm_s);
        figures.number("expired_stale_perc", storm.need("expired_stale_perc")?);
        figures.number("tail_per_s", tail_per_s);
        figures.number("tail_s", tail_s);
        figures.count("left_after_tail", left);
        figures.quantiles("sojourn_ns_before", &part(None, Some(instant)));
        figures.quantiles("sojourn_ns_storm", &during);
        figures.quantiles("sojourn_ns_after", &part(Some(*storm_end), None));
        figures.count("stalls", stalls.len() as u64);
        figures.quantiles("stall_ns", &stalls);
        figures.quantiles("late_ns", &Sorted::from(measured.late.iter().copied()));
        Ok(format!(
            "{storm_s:.2} s until a tenth is left ({:.0} keys/s, cycle {:.0} % of the time, {:.2} us a key), time cap \
             {caps} times; SET during it P50 {}, P99 {}, max {}; the last tenth in \
             {tail_s:.2} s ({tail_per_s:.0} keys/s), {left} left",
            expired / storm_s,
            cycle_ms / storm_s / 10.0,
            cycle_ms * 1000.0 / expired,
            ms(during.at(0.5)),
            ms(during.at(0.99)),
            ms(during.at(1.0)),
        ))
    }
}
