//! Clients of a cluster: an open loop of SETs by one process with one slot map, which follows redirects.
//!
//! MOVED changes one slot of the map and the command goes to the node named; ASK leaves the map alone and sends
//! ASKING and the command together; TRYAGAIN sends the command to the same node again.

use std::collections::VecDeque;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::reply::{Reply, encode};
use crate::slots::slot_of;
use crate::wire::{Random, Wire};

/// How long the replies to the last commands may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Commands that begin in one go at most before replies are looked at again.
const BURST: usize = 16;
/// Redirects that one command follows.
const REDIRECTS: u8 = 16;

/// What is sent, and to whom.
pub struct Load<'a> {
    /// Commands a second.
    pub rate: u32,
    /// Number of keys; each command takes any.
    pub keys: u64,
    /// Key of a number.
    pub name: &'a dyn Fn(u64) -> String,
    /// The value.
    pub value: &'a [u8],
    /// Node of each slot at the start.
    pub map: Vec<Option<usize>>,
    /// Port of each node, as redirects name it.
    pub ports: Vec<u16>,
    /// Connections to each node.
    pub streams: Vec<Vec<TcpStream>>,
}

/// How a command came to its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// At once.
    Direct,
    /// By way of MOVED, and not of ASK.
    Moved,
    /// By way of ASK.
    Asked,
}

/// One command.
pub struct Done {
    /// When it was meant to be sent.
    pub meant_at: Instant,
    /// From then until its last reply was read \[ns\].
    pub sojourn: u64,
    /// Its way.
    pub way: Way,
}

/// What was seen.
#[derive(Default)]
pub struct Seen {
    /// All commands, in the order in which they ended.
    pub done: Vec<Done>,
    /// Meant to be sent until sent \[ns\].
    pub late: Vec<u64>,
    /// When each `MOVED` was read.
    pub moved: Vec<Instant>,
    /// When each `ASK` was read.
    pub asked: Vec<Instant>,
    /// Number of `TRYAGAIN`s.
    pub try_again: u64,
}

/// A command that waits for a reply.
struct Running {
    meant_at: Instant,
    key: u64,
    way: Way,
    redirects: u8,
}

/// What a reply answers.
enum Waiting {
    Asking,
    Set(Running),
}

struct Connection {
    wire: Wire,
    waiting: VecDeque<Waiting>,
}

struct Clients<'a> {
    load: &'a Load<'a>,
    /// The slot map; every slot has a node.
    map: Vec<usize>,
    /// By node.
    connections: Vec<Vec<Connection>>,
    /// Connections (node and place) that wait for replies.
    busy: Vec<(usize, usize)>,
    random: Random,
    seen: Seen,
}

/// Runs `load` until `over`, and waits for the last replies.
pub fn run(mut load: Load, over: &AtomicBool) -> Result<Seen, String> {
    let streams = std::mem::take(&mut load.streams);
    let own = |stream| Connection { wire: Wire::over(stream), waiting: VecDeque::new() };
    let map: Option<Vec<usize>> = load.map.iter().copied().collect();
    let mut clients = Clients {
        load: &load,
        map: map.ok_or("a slot that nobody has")?,
        connections: streams.into_iter().map(|streams| streams.into_iter().map(own).collect()).collect(),
        busy: Vec::new(),
        random: Random(u64::from(load.rate)),
        seen: Seen::default(),
    };
    let mut due = Instant::now() + Duration::from_millis(1);
    let mut end = None;
    loop {
        let mut now = Instant::now();
        if end.is_none() && over.load(Ordering::Relaxed) {
            end = Some(now);
        }
        let mut burst = 0;
        while end.is_none() && due <= now && burst < BURST {
            clients.begin(due)?;
            due += Duration::from_secs_f64(clients.random.exponential() / f64::from(load.rate));
            burst += 1;
            now = Instant::now();
        }
        clients.poll()?;
        match end {
            Some(_) if clients.busy.is_empty() => return Ok(clients.seen),
            Some(end) if now > end + PATIENCE => {
                return Err(format!("replies are still missing after {PATIENCE:?}"));
            }
            _ => {}
        }
    }
}

impl Clients<'_> {
    fn begin(&mut self, meant_at: Instant) -> Result<(), String> {
        let key = self.random.next() % self.load.keys;
        let node = self.map[slot_of((self.load.name)(key).as_bytes())];
        self.send(node, false, Running { meant_at, key, way: Way::Direct, redirects: 0 })?;
        self.seen.late.push((Instant::now() - meant_at).as_nanos() as u64);
        Ok(())
    }

    /// Sends the command over any connection to `node`.
    fn send(&mut self, node: usize, asking: bool, running: Running) -> Result<(), String> {
        let place = self.random.below(self.connections[node].len());
        let connection = &mut self.connections[node][place];
        if connection.waiting.is_empty() {
            self.busy.push((node, place));
        }
        if asking {
            encode(connection.wire.out(), &[b"ASKING"]);
            connection.waiting.push_back(Waiting::Asking);
        }
        let name = (self.load.name)(running.key);
        encode(connection.wire.out(), &[b"SET", name.as_bytes(), self.load.value]);
        connection.waiting.push_back(Waiting::Set(running));
        connection.wire.flush()
    }

    /// Takes what has come on any connection.
    fn poll(&mut self) -> Result<(), String> {
        let mut index = 0;
        while index < self.busy.len() {
            let (node, place) = self.busy[index];
            self.read(node, place)?;
            if self.connections[node][place].waiting.is_empty() {
                self.busy.swap_remove(index);
            } else {
                index += 1;
            }
        }
        Ok(())
    }

    fn read(&mut self, node: usize, place: usize) -> Result<(), String> {
        let wire = &mut self.connections[node][place].wire;
        wire.flush()?;
        if !wire.fill()? {
            return Ok(());
        }
        let mut answered = Vec::new();
        let connection = &mut self.connections[node][place];
        while let Some(reply) = connection.wire.reply() {
            answered.push((connection.waiting.pop_front().ok_or("a reply to nothing")?, reply));
        }
        // A redirect back to this connection must find it in the list of those that wait, once.
        let idle = connection.waiting.is_empty();
        for (waiting, reply) in answered {
            match (waiting, reply) {
                (Waiting::Asking, Reply::Status) => {}
                (Waiting::Set(running), reply) => self.answered(node, running, &reply)?,
                (Waiting::Asking, reply) => return Err(format!("ASKING is answered {reply:?}")),
            }
        }
        if idle && !self.connections[node][place].waiting.is_empty() {
            let twice = self.busy.iter().rposition(|busy| *busy == (node, place)).expect("it was pushed");
            self.busy.remove(twice);
        }
        Ok(())
    }

    fn answered(&mut self, node: usize, mut running: Running, reply: &Reply) -> Result<(), String> {
        let now = Instant::now();
        let error = match reply {
            Reply::Status => {
                let sojourn = (now - running.meant_at).as_nanos() as u64;
                self.seen.done.push(Done { meant_at: running.meant_at, sojourn, way: running.way });
                return Ok(());
            }
            Reply::Error(error) => error,
            other => return Err(format!("SET is answered {other:?}")),
        };
        running.redirects += 1;
        if running.redirects > REDIRECTS {
            return Err(format!("a command is sent on for ever: {error}"));
        }
        let words: Vec<&str> = error.split(' ').collect();
        match words.as_slice() {
            ["MOVED", slot, address] => {
                let to = self.node(address)?;
                let slot: usize = slot.parse().map_err(|_| format!("no slot: {error}"))?;
                *self.map.get_mut(slot).ok_or(format!("no slot: {error}"))? = to;
                self.seen.moved.push(now);
                if running.way == Way::Direct {
                    running.way = Way::Moved;
                }
                self.send(to, false, running)
            }
            ["ASK", _, address] => {
                let to = self.node(address)?;
                self.seen.asked.push(now);
                running.way = Way::Asked;
                self.send(to, true, running)
            }
            ["TRYAGAIN", ..] => {
                self.seen.try_again += 1;
                self.send(node, false, running)
            }
            _ => Err(format!("the cluster refuses a SET: {error}")),
        }
    }

    fn node(&self, address: &str) -> Result<usize, String> {
        let port = address.rsplit(':').next().and_then(|port| port.parse().ok());
        let known = self.load.ports.iter().position(|known| Some(*known) == port);
        known.ok_or(format!("a redirect to {address}, which is no node of these"))
    }
}
