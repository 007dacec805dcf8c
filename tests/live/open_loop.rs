//! Operations that begin by a Poisson process, whatever the server does, sent by one spinning thread.
//!
//! An operation is meant to begin at a time that depends on the rate alone; its steps follow one another on one
//! connection, each when the reply to the one before has been read. Its sojourn counts from the time it was meant to
//! begin, so a stalled server or a late client cannot hide a queue. How late the client was is measured as well.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::reply::Reply;

/// How long the replies to the last operations may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Operations that begin in one go at most before replies are looked at again.
const BURST: usize = 16;
/// A reply that comes so long after both the one before and the sending ends a stall.
const STALL: Duration = Duration::from_millis(2);

/// What the clients do: the steps of an operation, and a question of their own now and then.
pub trait Program {
    /// Appends the first command of an operation to `out` and returns the number of its step.
    fn begin(&mut self, out: &mut Vec<u8>) -> u8;
    /// Takes the reply to `step`; appends the next command and returns its number, or none: the operation is done.
    fn next(&mut self, step: u8, reply: &Reply, out: &mut Vec<u8>) -> Option<u8>;
    /// Asked all the time: a command besides the operations that is due. Its replies come to `next` as well.
    fn aside(&mut self, _now: Instant, _out: &mut Vec<u8>) -> Option<u8> {
        None
    }
    /// Whether no further operation is to begin.
    fn is_over(&self) -> bool {
        false
    }
}

/// An operation, or a question aside, that waits for a reply.
struct Running {
    /// When it was meant to begin; none for a question aside.
    meant_at: Option<Instant>,
    sent_at: Instant,
    step: u8,
}

struct Connection {
    stream: TcpStream,
    running: VecDeque<Running>,
    unread: Vec<u8>,
    unsent: Vec<u8>,
}

/// What was measured; times in ns.
#[derive(Default)]
pub struct Measured {
    /// By operation: when it was meant to begin, and from then until its last reply was read.
    pub sojourn: Vec<(Instant, u64)>,
    /// Meant to begin until sent, by operation.
    pub late: Vec<u64>,
    /// Sending of a step until the sending of the one that depends on it.
    pub turnaround: Vec<u64>,
    /// Spells without any reply although one was due, beyond [`STALL`]: their ends and lengths.
    pub stalls: Vec<(Instant, u64)>,
}

/// Gaps of a Poisson process from a seed (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// An exponential time with a mean of one second.
    fn exponential(&mut self) -> f64 {
        let uniform = ((self.next() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        -uniform.ln()
    }
}

/// Runs `program` over `streams` at `rate` operations a second for `length` or until it is over, and waits for the
/// last replies.
pub fn run(
    streams: Vec<TcpStream>,
    rate: u32,
    length: Duration,
    program: &mut impl Program,
) -> Result<Measured, String> {
    let mut connections: Vec<Connection> = streams
        .into_iter()
        .map(|stream| Connection { stream, running: VecDeque::new(), unread: Vec::new(), unsent: Vec::new() })
        .collect();
    let (mut random, mut measured) = (Random(u64::from(rate)), Measured::default());
    let mut busy: Vec<usize> = Vec::new();
    let mut out = Vec::new();
    let mut last_reply = Instant::now();
    let mut due = Instant::now() + Duration::from_millis(1);
    let mut end = due + length;
    loop {
        let mut now = Instant::now();
        if program.is_over() {
            end = end.min(now);
        }
        let mut burst = 0;
        while due <= now && due < end && burst < BURST {
            let chosen = (random.next() % connections.len() as u64) as usize;
            let step = program.begin(&mut out);
            connections[chosen].send(&mut out, Some(due), step, chosen, &mut busy)?;
            measured.late.push(nanos(now - due));
            due += Duration::from_secs_f64(random.exponential() / f64::from(rate));
            burst += 1;
            now = Instant::now();
        }
        if due < end
            && let Some(step) = program.aside(now, &mut out)
        {
            connections[0].send(&mut out, None, step, 0, &mut busy)?;
        }
        let mut index = 0;
        while index < busy.len() {
            let connection = &mut connections[busy[index]];
            connection.poll(program, &mut measured, &mut last_reply)?;
            if connection.running.is_empty() {
                busy.swap_remove(index);
            } else {
                index += 1;
            }
        }
        if due >= end && busy.is_empty() {
            return Ok(measured);
        }
        if now > end + PATIENCE {
            return Err(format!("{} connections still wait for replies after {PATIENCE:?}", busy.len()));
        }
    }
}

fn nanos(span: Duration) -> u64 {
    span.as_nanos() as u64
}

impl Connection {
    fn send(
        &mut self,
        out: &mut Vec<u8>,
        meant_at: Option<Instant>,
        step: u8,
        own: usize,
        busy: &mut Vec<usize>,
    ) -> Result<(), String> {
        if self.running.is_empty() {
            busy.push(own);
        }
        self.running.push_back(Running { meant_at, sent_at: Instant::now(), step });
        self.unsent.append(out);
        self.flush()
    }

    fn flush(&mut self) -> Result<(), String> {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(written) => drop(self.unsent.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(format!("cannot send: {error}")),
            }
        }
        Ok(())
    }

    /// Reads what has come and lets `program` go on.
    fn poll(
        &mut self,
        program: &mut impl Program,
        measured: &mut Measured,
        last_reply: &mut Instant,
    ) -> Result<(), String> {
        self.flush()?;
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(0) => return Err("the server has closed a connection".to_owned()),
            Ok(read) => self.unread.extend_from_slice(&buffer[..read]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(format!("cannot read: {error}")),
        }
        let mut taken = 0;
        while taken < self.unread.len()
            && let Some((reply, length)) = Reply::first(&self.unread[taken..])
        {
            taken += length;
            let running = self.running.pop_front().ok_or("a reply to nothing")?;
            let now = Instant::now();
            let silence = now - running.sent_at.max(*last_reply);
            if silence > STALL {
                measured.stalls.push((now, nanos(silence)));
            }
            *last_reply = now;
            if let Reply::Error(error) = &reply {
                return Err(format!("the server refuses a step: {error}"));
            }
            if let Some(step) = program.next(running.step, &reply, &mut self.unsent) {
                let sent_at = Instant::now();
                if running.meant_at.is_some() {
                    measured.turnaround.push(nanos(sent_at - running.sent_at));
                }
                self.running.push_back(Running { sent_at, step, ..running });
                self.flush()?;
            } else if let Some(meant_at) = running.meant_at {
                measured.sojourn.push((meant_at, nanos(now - meant_at)));
            }
        }
        self.unread.drain(..taken);
        Ok(())
    }
}
