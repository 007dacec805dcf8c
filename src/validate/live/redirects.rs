//! Clients of a cluster: an open loop of SETs from one spinning thread with one slot map, which follows redirects.
//!
//! They are the simulator's `slot-by-slot` client: MOVED changes one slot of the map and the command goes to the node that
//! it names; ASK leaves the map alone and sends ASKING and the command together; TRYAGAIN sends the command to the same
//! node again.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use redis::Cmd;

use crate::client::key_names::KeyNames;
use crate::client::keys::KeySampler;
use crate::live::error::{LiveError, Result};
use crate::observe::histogram::Histogram;
use crate::rng::{Numbered, Stream, StreamId, Streams, Uniform};
use crate::scenario::KeyPopularity;
use crate::units::Nanos;

/// How long the replies to the last commands may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Commands that begin in one go at most before replies are looked at again.
const BURST: usize = 16;
/// Redirects that one command follows.
const REDIRECTS: u8 = 16;

/// What is sent, and to whom.
pub struct Load<'a> {
    /// Commands a second.
    pub rate: f64,
    /// The keys; each command takes any.
    pub names: &'a KeyNames,
    /// Length of the values \[bytes\].
    pub value: usize,
    /// Node of each slot at the start.
    pub owners: Vec<usize>,
    /// Port of each node.
    pub ports: Vec<u16>,
    /// Connections to each node.
    pub connections: u32,
    /// Length of the load \[ns\].
    pub duration: Nanos,
    /// Seed of arrivals and keys.
    pub seed: u64,
    /// Number of the run under that seed.
    pub run: u64,
}

/// What was seen.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// From the time a command was meant to be sent to its last reply \[ns\].
    pub sojourn: Histogram,
    /// MOVED that were read.
    pub moved: u64,
    /// ASK that were read.
    pub asked: u64,
}

/// A command that waits for a reply.
struct Running {
    meant_at: Instant,
    rank: u64,
    redirects: u8,
}

/// What a reply answers.
enum Waiting {
    Asking,
    Set(Running),
}

struct Connection {
    stream: TcpStream,
    unsent: Vec<u8>,
    unread: Vec<u8>,
    waiting: VecDeque<Waiting>,
}

/// Text for values that LZF does not shorten.
pub fn value(rank: u64, length: usize, value: &mut Vec<u8>) {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let draws = Numbered::new(&Streams::new(rank, 0), StreamId::ValueSizes, 0);
    let letter = |place| LETTERS[(draws.of(place as u64).unit() * LETTERS.len() as f64) as usize];
    value.extend((0..length).map(letter));
}

struct Clients<'a> {
    load: &'a Load<'a>,
    map: Vec<usize>,
    /// By node.
    connections: Vec<Vec<Connection>>,
    /// Which connection a command takes.
    places: Stream,
    keys: (KeySampler, Numbered),
    sent: u64,
    seen: Seen,
    name: Vec<u8>,
    value: Vec<u8>,
}

/// Runs `load`, and waits for the last replies. Times count from `start`.
///
/// # Errors
/// When a connection breaks, a node refuses a SET for good, or replies stay away.
pub fn run(load: &Load, start: Instant) -> Result<Seen> {
    let streams = Streams::new(load.seed, load.run);
    let mut clients = Clients {
        load,
        map: load.owners.clone(),
        connections: load.ports.iter().map(|port| connect(*port, load.connections)).collect::<Result<_>>()?,
        places: streams.open(StreamId::Connections, 0),
        keys: (
            KeySampler::new(KeyPopularity::Uniform, load.names.keys()),
            Numbered::new(&streams, StreamId::Keys, 0),
        ),
        sent: 0,
        seen: Seen::default(),
        name: Vec::new(),
        value: Vec::new(),
    };
    let mut arrivals = streams.open(StreamId::Arrivals, 0);
    let mut next_gap = || Duration::from_secs_f64(arrivals.exponential() / load.rate);
    let end = start + Duration::from_nanos(load.duration);
    let mut due = start + next_gap();
    loop {
        let mut now = Instant::now();
        let mut burst = 0;
        while due <= now && due < end && burst < BURST {
            clients.begin(due)?;
            due += next_gap();
            burst += 1;
            now = Instant::now();
        }
        let busy = clients.poll()?;
        if due >= end && !busy {
            return Ok(clients.seen);
        }
        if now > end + PATIENCE {
            let remedy = "see the servers' logs";
            return Err(LiveError::cannot(
                format!("replies are missing {PATIENCE:?} after the load"),
                remedy,
            ));
        }
    }
}

fn connect(port: u16, number: u32) -> Result<Vec<Connection>> {
    let open = || {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Connection { stream, unsent: Vec::new(), unread: Vec::new(), waiting: VecDeque::new() })
    };
    let cannot = |source| LiveError::Connect { address: format!("127.0.0.1:{port}"), source };
    (0..number).map(|_| open().map_err(cannot)).collect()
}

impl Clients<'_> {
    fn begin(&mut self, meant_at: Instant) -> Result<()> {
        let rank = self.keys.0.draw(self.sent, &mut self.keys.1.of(self.sent));
        self.sent += 1;
        let node = self.map[usize::from(self.load.names.slot_of(rank))];
        self.send(node, false, Running { meant_at, rank, redirects: 0 })
    }

    /// Sends the command over any connection to `node`.
    fn send(&mut self, node: usize, asking: bool, running: Running) -> Result<()> {
        let place = (self.places.unit() * self.connections[node].len() as f64) as usize;
        self.name.clear();
        self.value.clear();
        self.load.names.write(running.rank, &mut self.name);
        value(running.rank, self.load.value, &mut self.value);
        let connection = &mut self.connections[node][place];
        if asking {
            redis::cmd("ASKING").write_packed_command(&mut connection.unsent);
            connection.waiting.push_back(Waiting::Asking);
        }
        let mut set = Cmd::new();
        set.arg("SET").arg(self.name.as_slice()).arg(self.value.as_slice());
        set.write_packed_command(&mut connection.unsent);
        connection.waiting.push_back(Waiting::Set(running));
        connection.flush()
    }

    /// Takes what has come on any connection; false if nothing is under way.
    fn poll(&mut self) -> Result<bool> {
        let mut busy = false;
        for node in 0..self.connections.len() {
            for place in 0..self.connections[node].len() {
                let connection = &mut self.connections[node][place];
                if connection.waiting.is_empty() {
                    continue;
                }
                busy = true;
                connection.flush()?;
                if connection.fill()? {
                    self.read(node, place)?;
                }
            }
        }
        Ok(busy)
    }

    fn read(&mut self, node: usize, place: usize) -> Result<()> {
        while let Some(line) = self.connections[node][place].line() {
            let waiting = self.connections[node][place].waiting.pop_front();
            match waiting {
                Some(Waiting::Asking) if line == "+OK" => {}
                Some(Waiting::Set(running)) => self.answered(node, running, &line)?,
                _ => return Err(unfit(self.load.ports[node], &line)),
            }
        }
        Ok(())
    }

    fn answered(&mut self, node: usize, mut running: Running, line: &str) -> Result<()> {
        if line == "+OK" {
            let now = Instant::now();
            self.seen.sojourn.record((now - running.meant_at).as_nanos() as Nanos);
            return Ok(());
        }
        running.redirects += 1;
        let words: Vec<&str> = line.split(' ').collect();
        let port = |address: &str| address.rsplit(':').next().and_then(|port| port.parse::<u16>().ok());
        let named = |address: &str| self.load.ports.iter().position(|known| Some(*known) == port(address));
        let fault = || unfit(self.load.ports[node], line);
        match words.as_slice() {
            _ if running.redirects > REDIRECTS => Err(fault()),
            ["-MOVED", slot, address] => {
                let to = named(address).ok_or_else(fault)?;
                let slot: usize = slot.parse().map_err(|_| fault())?;
                *self.map.get_mut(slot).ok_or_else(fault)? = to;
                self.seen.moved += 1;
                self.send(to, false, running)
            }
            ["-ASK", _, address] => {
                let to = named(address).ok_or_else(fault)?;
                self.seen.asked += 1;
                self.send(to, true, running)
            }
            ["-TRYAGAIN", ..] => self.send(node, false, running),
            _ => Err(fault()),
        }
    }
}

fn unfit(port: u16, line: &str) -> LiveError {
    LiveError::Unexpected {
        address: format!("127.0.0.1:{port}"),
        command: "SET".to_owned(),
        answer: line.to_owned(),
    }
}

impl Connection {
    fn lost(&self, doing: &str, source: std::io::Error) -> LiveError {
        let address =
            self.stream.peer_addr().map_or_else(|_| "a node".to_owned(), |address| address.to_string());
        LiveError::Lost { address, doing: doing.to_owned(), source }
    }

    /// Sends as much as the socket takes.
    fn flush(&mut self) -> Result<()> {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(written) => drop(self.unsent.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(self.lost("SET", error)),
            }
        }
        Ok(())
    }

    /// Reads once what has come; false if nothing has.
    fn fill(&mut self) -> Result<bool> {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(0) => Err(self.lost("SET", ErrorKind::UnexpectedEof.into())),
            Ok(read) => {
                self.unread.extend_from_slice(&buffer[..read]);
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(self.lost("SET", error)),
        }
    }

    /// The next whole reply: all of SET and ASKING are one line.
    fn line(&mut self) -> Option<String> {
        let end = self.unread.windows(2).position(|pair| pair == b"\r\n")?;
        let line = String::from_utf8_lossy(&self.unread[..end]).into_owned();
        self.unread.drain(..end + 2);
        Some(line)
    }
}
