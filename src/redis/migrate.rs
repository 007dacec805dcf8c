//! What one MIGRATE of given keys costs its source and its target, and what both log.
//!
//! MIGRATE (cluster.c, `migrateCommand`) does everything in the source's main thread: it looks all keys up, serialises
//! each as DUMP does into one buffer of RESTORE-ASKING commands, writes the buffer in pieces, reads one reply a key
//! byte by byte (`syncReadLine`), deletes the key, and is then propagated as one DEL of all keys whose reply was no
//! error. The target executes a RESTORE as any command, and propagates it: with a time to live as ABSTTL from 5.0 on.
//!
//! | stretch | who is busy | price |
//! |---|---|---|
//! | [`build`](MigrateCost::build) | source | half of `migrate`; a GET, the KiB and the elements of each key |
//! | way to the target | link | bytes / bandwidth + delay |
//! | [`restore`](MigrateCost::restore) | target; the source waits | `restore-*`; its poll and read are the engine's |
//! | way back | link | delay |
//! | [`finish`](MigrateCost::finish) | source | half of `migrate`, the rest of `migrate-per-key`, freeing elements |
//!
//! Assumed: of `migrate-per-key` looking up and dumping take what GET takes, the rest is reading the reply and
//! deleting; the whole source waits for the whole target, so that replies of a batch of several reads are not read
//! while later keys are restored; a write(2) blocks only by the link's bandwidth. Left out: the sending side's socket
//! buffer (a target that is silent shows as a time-out of reading, where a batch of several MiB would show it as one
//! of writing), connecting (a cached socket is assumed), and AUTH.

use super::collection::{LIST_NODE_BYTES, is_compact, listpack_bytes, node_shape};
use super::memory::ValueShape;
use super::resp::{DEADLINE_DIGITS, bulk, digits};
use super::saved_size::rdb_bytes_per_key;
use super::version::Version;
use crate::cost_model::CostModel;
use crate::math::whole;
use crate::units::{KIB, MILLISECOND, Nanos};

/// Bytes of one read(2) of the target (`PROTO_IOBUF_LEN`); a larger argument is read whole (`PROTO_MBULK_BIG_ARG`).
const READ_PIECE: u64 = 16 * KIB;
/// Parts up to which lazyfree leaves a value to the main thread (`LAZYFREE_THRESHOLD`).
const LAZYFREE_THRESHOLD: u64 = 64;
/// RDB version and CRC64 at a dump's end (`createDumpPayload`).
const DUMP_FOOTER: u64 = 2 + 8;

/// What all keys of a MIGRATE have in common.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MigrateSetting {
    /// The source's version.
    pub version: Version,
    /// Size of a compressed value over its plain size with `rdbcompression yes`; none: not compressed.
    pub compressed_ratio: Option<f64>,
    /// With REPLACE.
    pub replace: bool,
    /// `lazyfree-lazy-server-del` of the source.
    pub lazy_delete: bool,
}

/// One key on its way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MovedKey {
    /// Bytes of its name.
    pub key_size: u32,
    /// Its value.
    pub value: ValueShape,
    /// Time it has left \[ns\]; none: it does not expire.
    pub ttl: Option<Nanos>,
}

impl MovedKey {
    /// Parts that are encoded, inserted and freed one by one: elements of a large set, hash or sorted set, nodes of a
    /// list or stream; 0 for a string and for a collection that is one listpack.
    pub fn parts(&self, version: Version) -> u64 {
        match self.value {
            value if is_compact(version, value) => 0,
            ValueShape::Text(_) | ValueShape::Counter => 0,
            ValueShape::Hash { elements, .. }
            | ValueShape::Set { elements, .. }
            | ValueShape::Zset { elements, .. } => elements,
            ValueShape::List { .. } => listpack_bytes(self.value).div_ceil(LIST_NODE_BYTES),
            ValueShape::Stream { elements, length } => {
                elements.div_ceil(node_shape(version, length).capacity)
            }
        }
    }

    /// RESP length of its RESTORE-ASKING with so many digits of TTL, and ABSTTL if asked.
    fn restore(&self, setting: &MigrateSetting, ttl_digits: u64, absttl: bool) -> u64 {
        let payload = dump_bytes(setting.version, self.value, setting.compressed_ratio);
        let options = if setting.replace { bulk(7) } else { 0 } + if absttl { bulk(6) } else { 0 };
        // `*4` to `*6`; the name of 14 bytes.
        4 + bulk(14) + bulk(u64::from(self.key_size)) + bulk(ttl_digits) + bulk(payload) + options
    }

    /// Bytes that go to the target: the TTL in milliseconds, at least 1, or 0 for none.
    fn sent(&self, setting: &MigrateSetting) -> u64 {
        let ttl = self.ttl.map_or(0, |left| (left / MILLISECOND).max(1));
        self.restore(setting, digits(ttl), false)
    }

    /// Bytes of the RESTORE in the target's AOF and stream.
    fn logged(&self, setting: &MigrateSetting) -> u64 {
        match self.ttl {
            Some(_) if setting.version.has(5, 0) => self.restore(setting, DEADLINE_DIGITS, true),
            _ => self.sent(setting),
        }
    }
}

/// Bytes of a value as DUMP serialises it: type, value as in an RDB, footer.
pub fn dump_bytes(version: Version, value: ValueShape, compressed_ratio: Option<f64>) -> u64 {
    // An RDB has the key between type and value: of an empty key its length byte alone.
    whole(rdb_bytes_per_key(version, 0, value, false, compressed_ratio)) - 1 + DUMP_FOOTER
}

/// RESP length of the DEL that a MIGRATE of keys of these sizes is propagated as; 0 without keys.
pub fn del_bytes(key_sizes: impl Iterator<Item = u32>) -> u64 {
    let (count, keys) = key_sizes.fold((0, 0), |(n, sum), size| (n + 1, sum + bulk(u64::from(size))));
    if count == 0 { 0 } else { 3 + digits(count + 1) + bulk(3) + keys }
}

/// Keys that the target restores in one turn of its event loop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RestoreTurn {
    /// RESTOREs that are complete with this read.
    pub keys: u32,
    /// Bytes read.
    pub bytes: u64,
    /// Main-thread time of their execution \[ns\], without poll, read(2) and write(2).
    pub execute: Nanos,
}

/// Costs of one MIGRATE that finds at least one key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MigrateCost {
    /// Keys.
    pub keys: u32,
    /// Bytes to the target.
    pub sent: u64,
    /// The source's time until its last write(2) \[ns\].
    pub build: Nanos,
    /// The target's turns.
    pub turns: Vec<RestoreTurn>,
    /// The target's execution in all of them \[ns\].
    pub restore: Nanos,
    /// The source's time from the first reply on \[ns\].
    pub finish: Nanos,
    /// Bytes of DEL in the source's AOF and stream.
    pub source_logged: u64,
    /// Bytes of RESTORE-ASKING in the target's AOF and stream; one command a key.
    pub target_logged: u64,
}

impl MigrateCost {
    /// Costs of moving `keys`, at the prices of the source's and the target's machine.
    pub fn of(setting: &MigrateSetting, keys: &[MovedKey], source: &CostModel, target: &CostModel) -> Self {
        let (at_source, at_target) = (&source.cluster, &target.cluster);
        let mut cost = MigrateCost { keys: keys.len() as u32, ..MigrateCost::default() };
        if keys.is_empty() {
            return cost;
        }
        cost.build = at_source.migrate / 2;
        cost.finish = at_source.migrate - at_source.migrate / 2;
        let dump = source.cpu.get.min(at_source.migrate_per_key);
        let mut turn = RestoreTurn::default();
        for key in keys {
            let (sent, parts) = (key.sent(setting), key.parts(setting.version));
            // What is around a short value is in the prices of a key.
            let payload = dump_bytes(setting.version, key.value, setting.compressed_ratio);
            let kib = payload as f64 / KIB as f64;
            cost.sent += sent;
            cost.target_logged += key.logged(setting);
            cost.build +=
                dump + whole(at_source.migrate_per_kib * kib) + at_source.migrate_per_element * parts;
            cost.finish += at_source.migrate_per_key - dump;
            // `dbAsyncDelete` leaves values above the threshold to a background thread.
            if !(setting.lazy_delete && parts > LAZYFREE_THRESHOLD) {
                cost.finish += source.memory.free_element * parts;
            }
            turn.keys += 1;
            turn.bytes += sent;
            turn.execute += at_target.restore_per_key
                + whole(at_target.restore_per_kib * kib)
                + at_target.restore_per_element * parts;
            if turn.bytes >= READ_PIECE {
                cost.turns.push(std::mem::take(&mut turn));
            }
        }
        if turn.keys > 0 {
            cost.turns.push(turn);
        }
        cost.restore = cost.turns.iter().map(|turn| turn.execute).sum();
        cost.source_logged = del_bytes(keys.iter().map(|key| key.key_size));
        cost
    }
}

#[cfg(test)]
mod tests;
