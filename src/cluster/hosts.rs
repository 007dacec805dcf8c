//! Nodes on one machine: what they take from one another.
//!
//! Ten times a second each node learns how many cores its neighbours have used since (main threads, living children,
//! clients on the machine), and how fast they write. The first slows its main thread once there are fewer cores than
//! that, as a child does; the second takes its part of the device's bandwidth, beside other programs of the scenario.
//!
//! Left out: page cache and memory bandwidth, which each node has as if it were alone, and the order in which the device
//! serves fdatasyncs of two nodes.

use super::router::Node;
use super::world::{Task, World};
use crate::cause::Cause;
use crate::units::{MILLISECOND, NEVER, Nanos, SECOND};

/// Between two looks.
const EVERY: Nanos = 100 * MILLISECOND;
/// What a main thread spends without a core: it waits, or does not exist.
const OFF_CPU: [Cause; 5] =
    [Cause::Freeze, Cause::Restart, Cause::HostNoise, Cause::AofFsyncAlways, Cause::ClusterConfigFsync];

/// A node as it was at the last look.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    now: Nanos,
    on_cpu: Nanos,
    written: u64,
}

/// What a node asks of its machine.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Use {
    cores: f64,
    children: f64,
    bytes_per_second: f64,
}

/// The machines of a cluster.
pub(super) struct Hosts {
    host_of: Vec<u32>,
    seen: Vec<Seen>,
    used: Vec<Use>,
}

impl Hosts {
    pub(super) fn new(host_of: Vec<u32>) -> Self {
        let nodes = host_of.len();
        Hosts { host_of, seen: vec![Seen::default(); nodes], used: vec![Use::default(); nodes] }
    }

    /// When the first look is due; [`NEVER`] if no two nodes share a machine.
    pub(super) fn first_at(&self) -> Nanos {
        let mut hosts = self.host_of.clone();
        hosts.sort_unstable();
        if hosts.windows(2).any(|pair| pair[0] == pair[1]) { EVERY } else { NEVER }
    }

    fn look(&mut self, nodes: &mut [Node]) {
        for (index, node) in nodes.iter_mut().enumerate() {
            let server = &node.server;
            let off: Nanos = OFF_CPU.iter().map(|&cause| server.main.busy[cause as usize]).sum();
            let busy: Nanos = server.main.busy.iter().sum();
            let seen = Seen { now: server.main.now, on_cpu: busy - off, written: server.disk.accepted() };
            let before = std::mem::replace(&mut self.seen[index], seen);
            let child = server.child.is_some() as u8 as f64;
            let elapsed = seen.now - before.now;
            if node.seat().is_parked() || elapsed == 0 {
                self.used[index] =
                    Use { cores: child, children: child, bytes_per_second: node.server.disk.child_rate() };
                continue;
            }
            let server = &node.server;
            let share = (seen.on_cpu - before.on_cpu) as f64 / elapsed as f64;
            let written = (seen.written - before.written) as f64;
            self.used[index] = Use {
                cores: share + child + server.client_load,
                children: child,
                bytes_per_second: written * SECOND as f64 / elapsed as f64 + server.disk.child_rate(),
            };
        }
        for (index, node) in nodes.iter_mut().enumerate() {
            let mut others = Use::default();
            for (other, used) in self.used.iter().enumerate() {
                if other != index && self.host_of[other] == self.host_of[index] {
                    others.cores += used.cores;
                    others.children += used.children;
                    others.bytes_per_second += used.bytes_per_second;
                }
            }
            let server = &mut node.server;
            server.disk.set_neighbours(server.main.now, others.bytes_per_second);
            server.neighbour_load = others.cores;
            server.neighbour_children = others.children;
            server.refresh_flags();
        }
    }
}

impl World<'_> {
    /// Nodes on one machine learn of one another.
    pub(super) fn look_at_hosts(&mut self, at: Nanos) {
        self.hosts.look(&mut self.nodes);
        self.at(at + EVERY, Task::Hosts);
    }
}
