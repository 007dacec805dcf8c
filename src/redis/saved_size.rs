//! Size of the keyspace in files: RDB snapshots, and rewritten AOFs with and without RDB preamble.
//!
//! Sources: rdb.c (`rdbSaveKeyValuePair`, `rdbSaveRawString`), aof.c (`rewriteAppendOnlyFileRio`). Headers,
//! checksum and database selectors, about 200 bytes a file, are not counted.

use super::collection::{is_compact, listpack_bytes, node_shape};
use super::memory::{ValueShape, mean_over_lengths};
use super::resp::{
    DEADLINE_DIGITS, HASH_FIELD_LENGTH, REPLY_DIGITS, SCORE_LENGTH, STREAM_FIELD_LENGTH, STREAM_ID_LENGTH,
    bulk, digits,
};
use super::version::Version;
use crate::dist::Dist;

/// Deadline of a key in an RDB: opcode and 8 bytes.
pub(super) const RDB_DEADLINE: u64 = 9;
/// Counter in an RDB: a 16-bit integer with its length byte (1 to 5 bytes for numbers up to 32 bits).
const RDB_COUNTER: u64 = 3;
/// Score of a sorted set member in an RDB.
const RDB_SCORE: u64 = 8;
/// Strings up to this length are never compressed.
const SHORTEST_COMPRESSED: u64 = 20;
/// Items of one command of an AOF in command form (`AOF_REWRITE_ITEMS_PER_CMD`).
const ITEMS_PER_COMMAND: u64 = 64;

/// Bytes of a length in an RDB.
fn rdb_length(n: u64) -> u64 {
    match n {
        0..64 => 1,
        64..16_384 => 2,
        _ => 5,
    }
}

/// Bytes of a string in an RDB; `compressed_ratio`: LZF-compressed over plain size, or none.
fn rdb_string(length: u64, compressed_ratio: Option<f64>) -> f64 {
    let plain = (rdb_length(length) + length) as f64;
    let compressed = compressed_ratio.filter(|_| length > SHORTEST_COMPRESSED).map(|r| r * length as f64);
    match compressed {
        // LZF gives up when it saves less than 4 bytes.
        Some(size) if size < length as f64 - 4.0 => {
            1.0 + (rdb_length(size as u64) + rdb_length(length)) as f64 + size
        }
        _ => plain,
    }
}

/// Bytes of one key in an RDB.
///
/// `compressed_ratio` is the size of a compressed value over its plain size when `rdbcompression` is on, else
/// none; keys themselves are taken as incompressible. Collections are approximate as in
/// [`super::collection`].
pub fn rdb_bytes_per_key(
    version: Version,
    key_size: u32,
    value: ValueShape,
    has_ttl: bool,
    compressed_ratio: Option<f64>,
) -> f64 {
    let head = 1.0 + rdb_string(u64::from(key_size), None) + if has_ttl { RDB_DEADLINE as f64 } else { 0.0 };
    let element = |length| rdb_string(length, compressed_ratio);
    let listpack = || element(listpack_bytes(value));
    let each = |elements: u64, bytes: f64| rdb_length(elements) as f64 + elements as f64 * bytes;
    head + match value {
        ValueShape::Text(length) => element(length),
        ValueShape::Counter => RDB_COUNTER as f64,
        _ if is_compact(version, value) => listpack(),
        ValueShape::List { .. } => listpack(),
        ValueShape::Stream { elements, length } => {
            let shape = node_shape(version, length);
            shape.rdb_bytes(elements, elements.div_ceil(shape.capacity)) as f64
        }
        ValueShape::Set { elements, length } => each(elements, element(length)),
        ValueShape::Zset { elements, length } => each(elements, element(length) + RDB_SCORE as f64),
        ValueShape::Hash { elements, length } => {
            each(elements, rdb_string(HASH_FIELD_LENGTH, None) + element(length))
        }
    }
}

/// Bytes of one key in an AOF rewritten as commands (`aof-use-rdb-preamble no`).
///
/// A time to live is a PEXPIREAT of its own. Items come 64 to a command (RPUSH, SADD, ZADD, HMSET); each
/// stream entry is an XADD.
pub fn aof_rewrite_bytes_per_key(key_size: u32, value: ValueShape, has_ttl: bool) -> f64 {
    let key = bulk(u64::from(key_size));
    let command = |name: &str, arguments: u64| 3 + digits(arguments) + bulk(name.len() as u64) + key;
    let ttl = if has_ttl { command("PEXPIREAT", 3) + bulk(DEADLINE_DIGITS) } else { 0 };
    // Commands of `strings` strings an item, `item` bytes together.
    let packed = |name: &str, elements: u64, strings: u64, item: u64| {
        let full = elements / ITEMS_PER_COMMAND * command(name, 2 + strings * ITEMS_PER_COMMAND);
        let last = match elements % ITEMS_PER_COMMAND {
            0 => 0,
            rest => command(name, 2 + strings * rest),
        };
        full + last + elements * item
    };
    let bytes = match value {
        ValueShape::Text(length) => command("SET", 3) + bulk(length),
        ValueShape::Counter => command("SET", 3) + bulk(REPLY_DIGITS),
        ValueShape::List { elements, length } => packed("RPUSH", elements, 1, bulk(length)),
        ValueShape::Set { elements, length } => packed("SADD", elements, 1, bulk(length)),
        ValueShape::Zset { elements, length } => {
            packed("ZADD", elements, 2, bulk(SCORE_LENGTH) + bulk(length))
        }
        ValueShape::Hash { elements, length } => {
            packed("HMSET", elements, 2, bulk(HASH_FIELD_LENGTH) + bulk(length))
        }
        ValueShape::Stream { elements, length } => {
            let entry = bulk(STREAM_ID_LENGTH) + bulk(STREAM_FIELD_LENGTH) + bulk(length);
            elements * (command("XADD", 5) + entry)
        }
    };
    (bytes + ttl) as f64
}

/// Bytes of the PEXPIREAT of a key in an AOF rewritten as commands.
pub(super) fn aof_ttl_bytes(key_size: u32) -> f64 {
    let value = ValueShape::Counter;
    aof_rewrite_bytes_per_key(key_size, value, true) - aof_rewrite_bytes_per_key(key_size, value, false)
}

/// Mean of [`rdb_bytes_per_key`] over string keys of which a share `ttl_share` (0 to 1) carries a time to
/// live.
pub fn mean_rdb_bytes_per_key(
    version: Version,
    key_size: u32,
    value_size: &Dist,
    ttl_share: f64,
    compressed_ratio: Option<f64>,
) -> f64 {
    let plain = mean_over_lengths(value_size, |length| {
        rdb_bytes_per_key(version, key_size, ValueShape::Text(length), false, compressed_ratio)
    });
    plain + ttl_share * RDB_DEADLINE as f64
}

/// Mean of [`aof_rewrite_bytes_per_key`] over string keys of which a share `ttl_share` (0 to 1) carries a
/// time to live.
pub fn mean_aof_rewrite_bytes_per_key(key_size: u32, value_size: &Dist, ttl_share: f64) -> f64 {
    let mean = |has_ttl| {
        mean_over_lengths(value_size, |length| {
            aof_rewrite_bytes_per_key(key_size, ValueShape::Text(length), has_ttl)
        })
    };
    mean(false) * (1.0 - ttl_share) + mean(true) * ttl_share
}

#[cfg(test)]
mod tests {
    use super::*;

    const V7: Version = Version::redis(7, 2);

    #[test]
    fn string_keys_in_an_rdb_have_type_lengths_and_deadline() {
        let bytes = |value, has_ttl, ratio| rdb_bytes_per_key(V7, 20, value, has_ttl, ratio);
        assert_eq!(bytes(ValueShape::Text(20), false, Some(0.5)), 1.0 + 21.0 + 21.0);
        assert_eq!(bytes(ValueShape::Text(100), false, None), 1.0 + 21.0 + 102.0);
        assert_eq!(bytes(ValueShape::Text(100), true, None), 133.0);
        assert_eq!(bytes(ValueShape::Text(100), false, Some(0.5)), 1.0 + 21.0 + 1.0 + 1.0 + 2.0 + 50.0);
        assert_eq!(bytes(ValueShape::Text(100), false, Some(1.0)), 124.0);
        assert_eq!(bytes(ValueShape::Text(20_000), false, None), 1.0 + 21.0 + 20_005.0);
        assert_eq!(bytes(ValueShape::Counter, false, None), 25.0);
    }

    #[test]
    fn rewritten_commands_have_their_wire_length() {
        assert_eq!(aof_rewrite_bytes_per_key(20, ValueShape::Text(100), false), 148.0);
        assert_eq!(aof_rewrite_bytes_per_key(20, ValueShape::Text(100), true), 148.0 + 66.0);
        assert_eq!(mean_aof_rewrite_bytes_per_key(20, &Dist::Fixed(100.0), 0.5), 181.0);
        assert_eq!(
            aof_rewrite_bytes_per_key(20, ValueShape::Stream { elements: 2, length: 20 }, false),
            202.0
        );
        let list = |elements| aof_rewrite_bytes_per_key(20, ValueShape::List { elements, length: 20 }, false);
        // `*66`, `$5 RPUSH`, the key; one element more is another command, of three arguments.
        assert_eq!(list(64), 5.0 + 11.0 + 27.0 + 64.0 * 27.0);
        assert_eq!(list(65) - list(64), 4.0 + 11.0 + 27.0 + 27.0);
    }

    #[test]
    fn means_and_collections_add_up() {
        let mean = mean_rdb_bytes_per_key(V7, 20, &Dist::Fixed(100.0), 0.5, None);
        assert_eq!(mean, 124.0 + 4.5);
        let large = rdb_bytes_per_key(V7, 20, ValueShape::Set { elements: 1000, length: 20 }, false, None);
        assert_eq!(large, 22.0 + 2.0 + 1000.0 * 21.0);
        let compact = rdb_bytes_per_key(V7, 20, ValueShape::Hash { elements: 2, length: 8 }, false, None);
        assert_eq!(compact, 22.0 + 1.0 + 7.0 + 2.0 * 22.0);
    }
}
