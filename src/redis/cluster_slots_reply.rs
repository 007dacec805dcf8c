//! CLUSTER SLOTS, SHARDS and NODES: bytes on the wire, and what the main thread takes for them.
//!
//! Sources: cluster.c `clusterReplyMultiBulkSlots`, `addNodeReplyForClusterSlot`, `addNodeToNodeReply`,
//! `clusterReplyShards`, `addNodeDetailsToShardReply`, `clusterGenNodesDescription`; compared to the byte with
//! redis-server 7.0.15. All three walk the 16,384 slots. Valkey 8.0 on keeps the reply of SLOTS until the cluster changes
//! (valkey-io/valkey #53) and then only copies it; Redis builds it anew each time.
//!
//! All nodes are healthy and have addresses of one length. Config epochs are those of `redis-cli --cluster create`,
//! the node's place plus one: a slot that moves raises one, which is a digit more at most. Open slots, host names and TLS
//! ports are not shown.

use super::resp::{bulk, digits, integer};
use super::version::{Flavour, Version};
use crate::cost_model;
use crate::units::Nanos;

/// Length of a node's id \[bytes\] (`CLUSTER_NAMELEN`).
const NODE_ID_LENGTH: u64 = 40;
/// Digits of the time of the last pong in milliseconds (until the year 2286).
const PONG_DIGITS: u64 = 13;
/// Distance of the cluster bus from the port clients use (`CLUSTER_PORT_INCR`).
const BUS_DISTANCE: u64 = 10_000;
/// A range of SLOTS takes so many times as long as one of SHARDS or NODES, which write a node's details once and not
/// with each range. Measured with redis-server 7.0.15, 8,192 ranges of one node: 164 ns against 46 and 24 ns.
const SLOTS_TO_OTHERS: u64 = 4;

/// How a client asks for the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapCommand {
    /// `CLUSTER SLOTS` (redis-py, go-redis, Jedis).
    Slots,
    /// `CLUSTER SHARDS`, Redis 7.0 on.
    Shards,
    /// `CLUSTER NODES` (Lettuce, `redis-cli --cluster`).
    Nodes,
}

/// Lengths of a node's address; port below 55,536.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// Characters of its IP address.
    pub ip: u64,
    /// Its port.
    pub port: u64,
}

/// An address such as 10.0.0.12, port 6379.
pub const ADDRESS: Address = Address { ip: 9, port: 6379 };

/// What a node knows of the cluster.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Owner of each slot; a number that is no place in `replicas`: none.
    pub owners: &'a [u16],
    /// Number of replicas of each primary.
    pub replicas: &'a [u32],
    /// The primary that is asked.
    pub myself: u16,
    /// Address of every node.
    pub address: Address,
    /// Replication offset of every node, for SHARDS.
    pub offset: u64,
}

/// A request for the map, and its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapReply {
    /// Request \[bytes\].
    pub request: u64,
    /// Reply \[bytes\].
    pub reply: u64,
    /// Ranges of slots in it.
    pub ranges: u32,
}

impl MapCommand {
    /// Request and reply at a node of `version` that has `known`, in RESP3 or RESP2; none if that version does not have
    /// the command. Walks all slots: keep the result until the owners change.
    pub fn reply(self, known: &Known, version: Version, resp3: bool) -> Option<MapReply> {
        let (name, first) = match self {
            MapCommand::Slots => ("SLOTS", (3, 0)),
            MapCommand::Shards => ("SHARDS", (7, 0)),
            MapCommand::Nodes => ("NODES", (3, 0)),
        };
        if !version.has(first.0, first.1) {
            return None;
        }
        let mut ranges = 0;
        let bytes = match self {
            MapCommand::Slots => {
                let mut bytes = 0;
                for (start, end, owner) in known.ranges() {
                    ranges += 1;
                    bytes += known.slots_range(start, end, owner, version);
                }
                bytes + header(u64::from(ranges))
            }
            MapCommand::Shards => {
                let mut own = vec![(0u64, 0u64); known.replicas.len()];
                for (start, end, owner) in known.ranges() {
                    ranges += 1;
                    let shard = &mut own[owner as usize];
                    shard.0 += 1;
                    shard.1 += integer(digits(start)) + integer(digits(end));
                }
                let shards = own.iter().zip(known.replicas);
                let shards = shards.map(|(own, replicas)| known.shard(*own, u64::from(*replicas), resp3));
                shards.sum::<u64>() + header(own.len() as u64)
            }
            MapCommand::Nodes => {
                let mut text = 0;
                for (node, replicas) in known.replicas.iter().enumerate() {
                    text += known.lines(node as u64, u64::from(*replicas), version);
                }
                for (start, end, _) in known.ranges() {
                    ranges += 1;
                    let last = if start == end { 0 } else { 1 + digits(end) };
                    text += 1 + digits(start) + last;
                }
                // RESP3 marks it as text: a verbatim string, `txt:` ahead.
                bulk(if resp3 && version.has(6, 0) { text + 4 } else { text })
            }
        };
        let request = header(2) + bulk("CLUSTER".len() as u64) + bulk(name.len() as u64);
        Some(MapReply { request, reply: bytes, ranges })
    }

    /// Time of the main thread for a reply with `ranges` ranges \[ns\]; `unchanged`: the cluster has not changed since
    /// this node built the same reply last.
    ///
    /// Sending the reply's bytes is not in it. Up to Redis 6.0 SLOTS walks the slots once for each primary, which is left
    /// out.
    pub fn cost(self, ranges: u32, unchanged: bool, version: Version, prices: &cost_model::Cluster) -> Nanos {
        let kept = version.flavour == Flavour::Valkey && version.valkey_at_least(8, 0);
        let ranges = u64::from(ranges);
        match self {
            MapCommand::Slots if kept && unchanged => 0,
            MapCommand::Slots => prices.slots_walk + ranges * prices.slots_per_range,
            _ => prices.slots_walk + ranges * prices.slots_per_range / SLOTS_TO_OTHERS,
        }
    }
}

/// Bytes of the head of an array or a map.
fn header(elements: u64) -> u64 {
    integer(digits(elements))
}

impl Known<'_> {
    /// First and last slot of each range, and its owner.
    fn ranges(&self) -> impl Iterator<Item = (u64, u64, u16)> {
        let mut start = 0;
        let runs = self.owners.chunk_by(|a, b| a == b).map(move |run| {
            let first = start;
            start += run.len() as u64;
            (first, start - 1, run[0])
        });
        runs.filter(|(_, _, owner)| (*owner as usize) < self.replicas.len())
    }

    fn slots_range(&self, start: u64, end: u64, owner: u16, version: Version) -> u64 {
        let nodes = 1 + u64::from(self.replicas[owner as usize]);
        let address = bulk(self.address.ip) + integer(digits(self.address.port));
        let node = if version.has(7, 0) {
            // Id, and a map of further addresses, which is empty.
            header(4) + address + bulk(NODE_ID_LENGTH) + header(0)
        } else if version.has(4, 0) {
            header(3) + address + bulk(NODE_ID_LENGTH)
        } else {
            header(2) + address
        };
        header(2 + nodes) + integer(digits(start)) + integer(digits(end)) + nodes * node
    }

    /// A shard with so many ranges, whose slots have so many bytes.
    fn shard(&self, (ranges, slots): (u64, u64), replicas: u64, resp3: bool) -> u64 {
        let text = |text: &str| bulk(text.len() as u64);
        let map = |entries: u64| header(if resp3 { entries } else { 2 * entries });
        let details = map(7)
            + text("id")
            + bulk(NODE_ID_LENGTH)
            + text("port")
            + integer(digits(self.address.port))
            + text("ip")
            + text("endpoint")
            + 2 * bulk(self.address.ip)
            + text("role")
            + text("replication-offset")
            + integer(digits(self.offset))
            + text("health")
            + text("online");
        let roles = text("master") + replicas * text("replica");
        let nodes = header(1 + replicas) + (1 + replicas) * details + roles;
        map(2) + text("slots") + header(2 * ranges) + slots + text("nodes") + nodes
    }

    /// Lines of CLUSTER NODES of a primary and its replicas, without slots.
    fn lines(&self, node: u64, replicas: u64, version: Version) -> u64 {
        let Address { ip, port } = self.address;
        // Since 4.0 the port of the cluster bus, `@16379`.
        let bus = if version.has(4, 0) { 1 + digits(port + BUS_DISTANCE) } else { 0 };
        let epoch = digits(node + 1);
        let common = NODE_ID_LENGTH + ip + ":".len() as u64 + digits(port) + bus + epoch;
        // Of itself a node has heard nothing.
        let (myself, pong) =
            if node == u64::from(self.myself) { ("myself,".len() as u64, 1) } else { (0, PONG_DIGITS) };
        let blanks = " ".len() as u64 * 7 + "\n".len() as u64;
        let rest = "0".len() as u64 + "connected".len() as u64 + blanks;
        let primary = common + rest + myself + "master".len() as u64 + "-".len() as u64 + pong;
        let replica = common + rest + "slave".len() as u64 + NODE_ID_LENGTH + PONG_DIGITS;
        primary + replicas * replica
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V7: Version = Version::redis(7, 0);

    fn reply(command: MapCommand, known: &Known, version: Version, resp3: bool) -> (u64, u64, u32) {
        let reply = command.reply(known, version, resp3).expect("a command of this version");
        (reply.request, reply.reply, reply.ranges)
    }

    #[test]
    fn sizes_are_those_of_a_real_server() {
        // redis-server 7.0.15 on port 27913, slots 0-99, 200-299 and 1000-16383, alone: counted on the socket.
        let mut owners = vec![u16::MAX; 16_384];
        owners[..100].fill(0);
        owners[200..300].fill(0);
        owners[1000..].fill(0);
        let address = Address { ip: "127.0.0.1".len() as u64, port: 27_913 };
        let known = Known { owners: &owners, replicas: &[0], myself: 0, address, offset: 0 };
        assert_eq!(reply(MapCommand::Slots, &known, V7, false), (28, 286, 3));
        assert_eq!(reply(MapCommand::Slots, &known, V7, true), (28, 286, 3));
        assert_eq!(reply(MapCommand::Shards, &known, V7, false), (29, 279, 3));
        assert_eq!(reply(MapCommand::Shards, &known, V7, true), (29, 278, 3));
        // Its epoch was 0, as many digits as 1.
        assert_eq!(reply(MapCommand::Nodes, &known, V7, false), (28, 127, 3));
        assert_eq!(reply(MapCommand::Nodes, &known, V7, true), (28, 131, 3));
    }

    #[test]
    fn sizes_are_those_of_the_text_with_replicas() {
        let owners: Vec<u16> = (0..16_384).map(|slot| if slot == 7 { 1 } else { 0 }).collect();
        let known = Known { owners: &owners, replicas: &[1, 0], myself: 1, address: ADDRESS, offset: 12_345 };
        let id = "0123456789012345678901234567890123456789";
        let node = format!("*4\r\n$9\r\n10.0.0.12\r\n:6379\r\n$40\r\n{id}\r\n*0\r\n");
        let text = format!(
            "*3\r\n*4\r\n:0\r\n:6\r\n{node}{node}*3\r\n:7\r\n:7\r\n{node}*4\r\n:8\r\n:16383\r\n{node}{node}"
        );
        assert_eq!(reply(MapCommand::Slots, &known, V7, false).1, text.len() as u64);
        let old = text.replace("*0\r\n", "");
        assert_eq!(reply(MapCommand::Slots, &known, Version::redis(6, 2), false).1, old.len() as u64);
        let older = old.replace(&format!("$40\r\n{id}\r\n"), "");
        assert_eq!(reply(MapCommand::Slots, &known, Version::redis(3, 2), false).1, older.len() as u64);
        let text = format!(
            "{id} 10.0.0.12:6379@16379 master - 0 1700000000000 1 connected 0-6 8-16383\n\
             {id} 10.0.0.12:6379@16379 slave {id} 0 1700000000000 1 connected\n\
             {id} 10.0.0.12:6379@16379 myself,master - 0 0 2 connected 7\n"
        );
        assert_eq!(reply(MapCommand::Nodes, &known, V7, false).1, bulk(text.len() as u64));
        let details = |role: &str| {
            format!(
                "%7\r\n$2\r\nid\r\n$40\r\n{id}\r\n$4\r\nport\r\n:6379\r\n$2\r\nip\r\n$9\r\n10.0.0.12\r\n\
                 $8\r\nendpoint\r\n$9\r\n10.0.0.12\r\n$4\r\nrole\r\n${}\r\n{role}\r\n\
                 $18\r\nreplication-offset\r\n:12345\r\n$6\r\nhealth\r\n$6\r\nonline\r\n",
                role.len()
            )
        };
        let text = format!(
            "*2\r\n%2\r\n$5\r\nslots\r\n*4\r\n:0\r\n:6\r\n:8\r\n:16383\r\n$5\r\nnodes\r\n*2\r\n{}{}\
             %2\r\n$5\r\nslots\r\n*2\r\n:7\r\n:7\r\n$5\r\nnodes\r\n*1\r\n{}",
            details("master"),
            details("replica"),
            details("master")
        );
        assert_eq!(reply(MapCommand::Shards, &known, V7, true).1, text.len() as u64);
        assert_eq!(MapCommand::Shards.reply(&known, Version::redis(6, 2), true), None);
    }

    #[test]
    fn a_reply_costs_its_ranges_and_valkey_keeps_it() {
        let mut prices = crate::models::blank("test").cluster;
        (prices.slots_walk, prices.slots_per_range) = (14_000, 160);
        let cost = |command: MapCommand, version, unchanged| command.cost(100, unchanged, version, &prices);
        assert_eq!(cost(MapCommand::Slots, V7, true), 30_000);
        assert_eq!(cost(MapCommand::Shards, V7, true), 18_000);
        let valkey = Version::valkey(8, 0);
        assert_eq!(
            (cost(MapCommand::Slots, valkey, true), cost(MapCommand::Slots, valkey, false)),
            (0, 30_000)
        );
        assert_eq!(cost(MapCommand::Nodes, valkey, true), 18_000);
        assert_eq!(cost(MapCommand::Slots, Version::valkey(7, 2), true), 30_000);
    }
}
