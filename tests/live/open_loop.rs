//! Operations that begin by a Poisson process, whatever the server does, sent by one spinning thread.
//!
//! An operation is meant to begin at a time that depends on the rate alone; its steps follow one another on one
//! connection, each when the reply to the one before has been read. Its sojourn counts from the time it was meant to
//! begin, so a stalled server or a late client cannot hide a queue. How late the client was is measured as well.

use std::collections::VecDeque;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::reply::Reply;
use crate::wire::{Random, Wire};

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
    wire: Wire,
    running: VecDeque<Running>,
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
        .map(|stream| Connection { wire: Wire::over(stream), running: VecDeque::new() })
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
            let chosen = random.below(connections.len());
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
        self.wire.out().append(out);
        self.wire.flush()
    }

    /// Reads what has come and lets `program` go on.
    fn poll(
        &mut self,
        program: &mut impl Program,
        measured: &mut Measured,
        last_reply: &mut Instant,
    ) -> Result<(), String> {
        self.wire.flush()?;
        if !self.wire.fill()? {
            return Ok(());
        }
        while let Some(reply) = self.wire.reply() {
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
            if let Some(step) = program.next(running.step, &reply, self.wire.out()) {
                let sent_at = Instant::now();
                if running.meant_at.is_some() {
                    measured.turnaround.push(nanos(sent_at - running.sent_at));
                }
                self.running.push_back(Running { sent_at, step, ..running });
                self.wire.flush()?;
            } else if let Some(meant_at) = running.meant_at {
                measured.sojourn.push((meant_at, nanos(now - meant_at)));
            }
        }
        Ok(())
    }
}
