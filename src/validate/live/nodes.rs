//! Several servers of our own as one cluster, put together without redis-cli.

use std::time::{Duration, Instant};

use redis::{Cmd, Value};

use crate::client::key_names::KeyNames;
use crate::live::control::Control;
use crate::live::error::{LiveError, Result};
use crate::live::spawned::{SpawnOptions, Spawned};
use crate::slots::SLOTS;

/// How long the nodes may take to agree.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks at them.
const LOOK: Duration = Duration::from_millis(20);
/// Commands of one send when keys are made.
const BATCH: usize = 1000;

/// The nodes of a cluster.
pub struct Nodes {
    servers: Vec<Spawned>,
    ids: Vec<String>,
}

impl Nodes {
    /// Starts a node for each of the numbers of `owners`, which has the node of each slot, and joins them.
    ///
    /// # Errors
    /// When a server does not start, or the nodes do not agree.
    pub fn start(program: &str, directives: &[(String, String)], owners: &[usize]) -> Result<Self> {
        let number = owners.iter().max().map_or(0, |last| last + 1);
        let mut own = directives.to_vec();
        own.push(("cluster-enabled".to_owned(), "yes".to_owned()));
        let options =
            SpawnOptions { program: program.to_owned(), directives: own, ..SpawnOptions::default() };
        let servers: Result<Vec<Spawned>> = (0..number).map(|_| Spawned::start(&options)).collect();
        let mut nodes = Nodes { servers: servers?, ids: Vec::new() };
        for node in 0..number {
            let id = nodes.text(node, &["CLUSTER", "MYID"])?;
            nodes.ids.push(id);
            nodes.control(node).ask(&["CLUSTER", "SET-CONFIG-EPOCH", &(node + 1).to_string()])?;
            let mut add = Cmd::new();
            add.arg("CLUSTER").arg("ADDSLOTS");
            let own = owners.iter().enumerate().filter(|(_, owner)| **owner == node);
            own.for_each(|(slot, _)| {
                add.arg(slot);
            });
            nodes.control(node).query(&add)?;
        }
        for node in 1..number {
            let port = nodes.port(node).to_string();
            nodes.control(0).ask(&["CLUSTER", "MEET", "127.0.0.1", &port])?;
        }
        nodes.wait_for_agreement()?;
        Ok(nodes)
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.servers.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.servers.is_empty()
    }

    /// Identity of a node.
    pub fn id(&self, node: usize) -> &str {
        &self.ids[node]
    }

    /// Port of a node.
    pub fn port(&self, node: usize) -> u16 {
        self.servers[node].port()
    }

    /// The connection to a node.
    pub fn control(&mut self, node: usize) -> &mut Control {
        self.servers[node].control()
    }

    /// Further connections, one to each node.
    ///
    /// # Errors
    /// As [`Control::connect`].
    pub fn connect(&self) -> Result<Vec<Control>> {
        self.servers.iter().map(|server| Control::connect(server.address())).collect()
    }

    fn text(&mut self, node: usize, words: &[&str]) -> Result<String> {
        match self.control(node).ask(words)? {
            Value::BulkString(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            other => Err(self.control(node).unexpected(words[0], &other)),
        }
    }

    /// Waits until every node is content, knows all others and counts all slots as served.
    fn wait_for_agreement(&mut self) -> Result<()> {
        let begun = Instant::now();
        let wanted = [
            "cluster_state:ok".to_owned(),
            format!("cluster_slots_ok:{SLOTS}"),
            format!("cluster_known_nodes:{}", self.len()),
        ];
        loop {
            let mut agreed = true;
            for node in 0..self.len() {
                let info = self.text(node, &["CLUSTER", "INFO"])?;
                agreed &= wanted.iter().all(|line| info.lines().any(|shown| shown == line));
            }
            if agreed {
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                let remedy = "is a firewall between ports of the loopback interface?";
                return Err(LiveError::cannot(format!("the nodes do not agree after {PATIENCE:?}"), remedy));
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Makes every key of `names`, each on its node, with values that `value` puts behind nothing.
    ///
    /// # Errors
    /// As [`Control::pipeline`].
    pub fn fill(
        &mut self,
        names: &KeyNames,
        owners: &[usize],
        mut value: impl FnMut(u64, &mut Vec<u8>),
    ) -> Result<()> {
        let mut batches: Vec<Vec<Cmd>> = vec![Vec::new(); self.len()];
        let (mut name, mut bytes) = (Vec::new(), Vec::new());
        for rank in 0..names.keys() {
            name.clear();
            bytes.clear();
            names.write(rank, &mut name);
            value(rank, &mut bytes);
            let mut set = Cmd::new();
            set.arg("SET").arg(name.as_slice()).arg(bytes.as_slice());
            let node = owners[usize::from(names.slot_of(rank))];
            batches[node].push(set);
            if batches[node].len() == BATCH {
                self.servers[node].control().pipeline(&batches[node])?;
                batches[node].clear();
            }
        }
        for (server, batch) in self.servers.iter_mut().zip(batches) {
            server.control().pipeline(&batch)?;
        }
        Ok(())
    }
}
