//! What a key costs in the snapshot of an atomic migration: the source's child, the way, the target's main thread.
//!
//! Valkey's child writes every key as commands, as an AOF rewrite does (`rewriteSlotToAppendOnlyFileRio`). Redis' child
//! writes strings and collections above 512 items so too, smaller collections as RESTORE with ABSTTL, uncompressed
//! (cluster_asm.c, `slotSnapshotSaveKeyValuePair`). The bytes go through a pipe and the source's main thread, which
//! writes them to the target; that is the engine's.

use crate::cost_model::CostModel;
use crate::math::whole;
use crate::redis::memory::ValueShape;
use crate::redis::migrate::{MovedKey, dump_bytes};
use crate::redis::resp::{DEADLINE_DIGITS, bulk};
use crate::redis::saved_size::aof_rewrite_bytes_per_key;
use crate::redis::version::{Flavour, Version};
use crate::units::{KIB, Nanos};

/// Collections above so many items go as commands (`ASM_AOF_MIN_ITEMS_PER_KEY`).
const RESTORE_ITEMS: u64 = 512;
/// Items of one command (`AOF_REWRITE_ITEMS_PER_CMD`).
const ITEMS_PER_COMMAND: u64 = 64;

/// One key in the snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SnapshotKey {
    /// The child's time \[ns\].
    pub child: Nanos,
    /// Bytes to the target.
    pub bytes: u64,
    /// Commands that the target executes, and propagates to its AOF and replicas as they are.
    pub commands: u64,
    /// The target's execution \[ns\].
    pub apply: Nanos,
}

impl SnapshotKey {
    /// Costs of `key` from a source of `version`.
    pub fn of(version: Version, key: &MovedKey, source: &CostModel, target: &CostModel) -> Self {
        let items = items(key.value);
        let restores = version.flavour == Flavour::Redis && (1..=RESTORE_ITEMS).contains(&items);
        let (child, cpu, cluster) = (&source.child, &target.cpu, &target.cluster);
        if restores {
            let payload = dump_bytes(version, key.value, None);
            let ttl = if key.ttl.is_some() { DEADLINE_DIGITS } else { 1 };
            let bytes = 4 + bulk(7) + bulk(u64::from(key.key_size)) + bulk(ttl) + bulk(payload) + bulk(6);
            let kib = bytes as f64 / KIB as f64;
            return SnapshotKey {
                child: child.rdb_per_key + whole(child.rdb_per_kib * kib),
                bytes,
                commands: 1,
                apply: cluster.restore_per_key
                    + whole(cluster.restore_per_kib * kib)
                    + cluster.restore_per_element * key.parts(version),
            };
        }
        let bytes = whole(aof_rewrite_bytes_per_key(key.key_size, key.value, key.ttl.is_some()));
        let kib = bytes as f64 / KIB as f64;
        let first = match key.value {
            ValueShape::Text(_) | ValueShape::Counter => cpu.set,
            ValueShape::List { .. } => cpu.push,
            ValueShape::Hash { .. } => cpu.hset,
            ValueShape::Set { .. } => cpu.sadd,
            ValueShape::Zset { .. } => cpu.zadd,
            ValueShape::Stream { .. } => cpu.xadd,
        };
        let commands = match key.value {
            ValueShape::Stream { .. } => items,
            _ => items.div_ceil(ITEMS_PER_COMMAND).max(1),
        };
        let further = items.saturating_sub(commands);
        let expire = if key.ttl.is_some() { cpu.expire } else { 0 };
        SnapshotKey {
            child: child.aof_per_key * commands + whole(child.aof_per_kib * kib),
            bytes,
            commands: commands + u64::from(key.ttl.is_some()),
            apply: first * commands + cpu.per_element * further + expire + whole(cpu.per_kib * kib),
        }
    }
}

/// Items of a collection (`getObjectLength`); 0 for strings.
fn items(value: ValueShape) -> u64 {
    match value {
        ValueShape::Text(_) | ValueShape::Counter => 0,
        ValueShape::List { elements, .. }
        | ValueShape::Hash { elements, .. }
        | ValueShape::Set { elements, .. }
        | ValueShape::Zset { elements, .. }
        | ValueShape::Stream { elements, .. } => elements,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::SECOND;

    const VALKEY: Version = Version::valkey(9, 0);
    const REDIS: Version = Version::redis(8, 4);

    fn cost(version: Version, value: ValueShape, ttl: Option<Nanos>) -> SnapshotKey {
        let prices = crate::models::load("two-core-vm").expect("a built-in model").0;
        SnapshotKey::of(version, &MovedKey { key_size: 20, value, ttl }, &prices, &prices)
    }

    #[test]
    fn strings_go_as_set() {
        let sent = cost(VALKEY, ValueShape::Text(100), None);
        assert_eq!((sent.bytes, sent.commands), (148, 1));
        assert_eq!(sent, cost(REDIS, ValueShape::Text(100), None));
        let expiring = cost(REDIS, ValueShape::Text(100), Some(SECOND));
        assert_eq!((expiring.bytes, expiring.commands), (148 + 66, 2));
        assert!(expiring.apply > sent.apply);
    }

    #[test]
    fn redis_sends_collections_of_up_to_512_items_as_restore() {
        let set = |elements| ValueShape::Set { elements, length: 20 };
        assert_eq!(cost(REDIS, set(512), None).commands, 1);
        assert_eq!(cost(REDIS, set(513), None).commands, 9);
        assert_eq!(cost(VALKEY, set(512), None).commands, 8);
        let restore = cost(REDIS, set(512), None);
        // Type, count, 512 strings of 21 bytes, footer; `*5 RESTORE key 0 payload ABSTTL`.
        let payload = 1 + 2 + 512 * 21 + 10;
        assert_eq!(restore.bytes, 4 + 13 + 27 + 7 + (payload + 10) + 12);
        assert_eq!(cost(VALKEY, ValueShape::Stream { elements: 7, length: 20 }, None).commands, 7);
    }
}
