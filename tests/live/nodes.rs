//! Several redis-servers as one cluster, put together by `redis-cli --cluster`.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::reply::{Reply, encode};
use crate::server::{Info, Server};
use crate::slots::{SLOTS, slot_of};

/// A node's bus listens on its port and so many more.
const BUS: u16 = 10_000;
/// Ports that are tried: theirs and those of their buses lie below what Linux gives to connections (32,768).
const PORTS: std::ops::Range<u16> = 10_000..22_000;
/// How long the nodes may take to agree.
const PATIENCE: Duration = Duration::from_secs(30);
/// Commands of one send when keys are made.
const BATCH: usize = 2000;

/// The nodes of a cluster.
pub struct Nodes {
    /// In the order of their start.
    pub servers: Vec<Server>,
    /// `redis-cli`.
    cli: PathBuf,
}

impl Nodes {
    /// Starts `with_slots` nodes that share the slots and `empty` ones without, with `options` for every server.
    pub fn start(program: &str, with_slots: usize, empty: usize, options: &[&str]) -> Result<Self, String> {
        let mut servers: Vec<Server> = Vec::new();
        let mut ports = free_ports();
        let options = [&["--cluster-enabled", "yes"], options].concat();
        for _ in 0..with_slots + empty {
            let port = ports.next().ok_or("no port is free, and its bus's as well")?;
            servers.push(Server::start_at(port, program, &options, None)?);
        }
        let mut nodes = Nodes { servers, cli: cli(program) };
        let mut create = vec!["create".to_owned()];
        create.extend((0..with_slots).map(|node| nodes.address(node)));
        create.push("--cluster-yes".to_owned());
        nodes.run_cli(&create)?;
        for node in with_slots..with_slots + empty {
            nodes.run_cli(&["add-node".to_owned(), nodes.address(node), nodes.address(0)])?;
        }
        nodes.wait_for_agreement()?;
        Ok(nodes)
    }

    /// `127.0.0.1:port` of a node.
    pub fn address(&self, node: usize) -> String {
        format!("127.0.0.1:{}", self.servers[node].port())
    }

    /// `redis-cli --cluster` with `words`, not yet started.
    pub fn cli(&self, words: &[String]) -> Command {
        let mut command = Command::new(&self.cli);
        command.arg("--cluster").args(words).stdin(Stdio::null()).stderr(Stdio::piped());
        command
    }

    /// Runs it to its end.
    pub fn run_cli(&self, words: &[String]) -> Result<String, String> {
        let done = self.cli(words).output().map_err(|error| format!("{}: {error}", self.cli.display()))?;
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        if done.status.success() {
            return Ok(text);
        }
        let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("").to_owned();
        Err(format!(
            "redis-cli --cluster {}: {last} {}",
            words.join(" "),
            String::from_utf8_lossy(&done.stderr)
        ))
    }

    /// Waits until every node is content, knows all others and says the same of the slots.
    pub fn wait_for_agreement(&mut self) -> Result<(), String> {
        let begun = Instant::now();
        loop {
            let mut agreed = true;
            let map = self.map(0)?;
            for node in 0..self.servers.len() {
                let info = self.ask_text(node, &["CLUSTER", "INFO"])?;
                let known = info.get("cluster_known_nodes") == Some(self.servers.len() as f64);
                agreed &= known && info.text("cluster_state").is_some_and(|state| state.trim() == "ok");
                agreed &= self.map(node)? == map;
            }
            if agreed {
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                return Err("the nodes do not agree".to_owned());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn ask_text(&mut self, node: usize, words: &[&str]) -> Result<Info, String> {
        match self.servers[node].ask(words)? {
            Reply::Bulk(text) => Ok(Info::from(&text)),
            other => Err(format!("{words:?} is answered {other:?}")),
        }
    }

    /// Identity of a node.
    pub fn id(&mut self, node: usize) -> Result<String, String> {
        match self.servers[node].ask(&["CLUSTER", "MYID"])? {
            Reply::Bulk(text) => Ok(String::from_utf8_lossy(&text).into_owned()),
            other => Err(format!("CLUSTER MYID is answered {other:?}")),
        }
    }

    /// The node that has each slot, as `node` sees it; none for a slot that nobody has.
    pub fn map(&mut self, node: usize) -> Result<Vec<Option<usize>>, String> {
        let Reply::Bulk(text) = self.servers[node].ask(&["CLUSTER", "NODES"])? else {
            return Err("CLUSTER NODES is no text".to_owned());
        };
        let mut map = vec![None; SLOTS];
        for line in String::from_utf8_lossy(&text).lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let port = words.get(1).and_then(|address| address.split('@').next()?.rsplit(':').next());
            let owner =
                self.servers.iter().position(|server| Some(server.port().to_string().as_str()) == port);
            // The ninth word on are ranges, and open slots in brackets.
            for range in words.iter().skip(8).filter(|word| !word.starts_with('[')) {
                let (first, last) = range.split_once('-').unwrap_or((range, range));
                let number =
                    |text: &str| text.parse::<usize>().map_err(|_| format!("a range of slots: {range}"));
                map[number(first)?..=number(last)?].fill(owner);
            }
        }
        Ok(map)
    }

    /// Number of keys of each node.
    pub fn keys(&mut self) -> Result<Vec<u64>, String> {
        let ask = |server: &mut Server| match server.ask(&["DBSIZE"])? {
            Reply::Integer(keys) => Ok(keys as u64),
            other => Err(format!("DBSIZE is answered {other:?}")),
        };
        self.servers.iter_mut().map(ask).collect()
    }

    /// Makes `keys` keys, each on its node.
    pub fn fill(&mut self, keys: u64, name: impl Fn(u64) -> String, value: &[u8]) -> Result<(), String> {
        let map = self.map(0)?;
        let mut batches = vec![(Vec::new(), 0); self.servers.len()];
        for key in 0..keys {
            let name = name(key);
            let node = map[slot_of(name.as_bytes())].ok_or("a slot that nobody has")?;
            let (bytes, commands) = &mut batches[node];
            encode(bytes, &[b"SET", name.as_bytes(), value]);
            *commands += 1;
            if *commands == BATCH {
                self.servers[node].send(bytes, BATCH)?;
                (*commands, *bytes) = (0, Vec::new());
            }
        }
        for (server, (bytes, commands)) in self.servers.iter_mut().zip(batches) {
            server.send(&bytes, commands)?;
        }
        Ok(())
    }
}

/// Ports that are free now, each with the one of its bus.
pub fn free_ports() -> impl Iterator<Item = u16> {
    let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let count = PORTS.end - PORTS.start;
    // Two runs at once begin at different ports.
    let first = (std::process::id() % u32::from(count)) as u16;
    (0..count)
        .map(move |step| PORTS.start + (first + step) % count)
        .filter(move |port| free(*port) && free(*port + BUS))
}

/// The redis-cli that belongs to `program`: `WRITEPATH_REDIS_CLI`, one beside it, or that of the PATH.
fn cli(program: &str) -> PathBuf {
    let named = std::env::var_os("WRITEPATH_REDIS_CLI").map(PathBuf::from);
    let beside = || {
        let path = Path::new(program).parent()?.join("redis-cli");
        path.is_file().then_some(path)
    };
    named.or_else(beside).unwrap_or_else(|| PathBuf::from("redis-cli"))
}

/// Calls of a command and the time in them \[us\], from INFO commandstats; none so far: zeros.
pub fn calls(stats: &Info, command: &str) -> (f64, f64) {
    let field = stats.text(&format!("cmdstat_{command}")).unwrap_or("");
    let number = |name: &str| {
        field.split(',').find_map(|part| part.strip_prefix(name)?.strip_prefix('=')?.trim().parse().ok())
    };
    (number("calls").unwrap_or(0.0), number("usec").unwrap_or(0.0))
}
