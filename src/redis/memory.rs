//! Memory of the keyspace: allocator size classes and bytes per key.
//!
//! Counts what `used_memory` counts. Sources: jemalloc's size classes with the quantum of 8 that the servers
//! build it with; sds.h, object.c, dict.h of each version; the published savings of Valkey 8.0, 8.1, 9 and
//! Redis 8.2. Not counted: client, replication and AOF buffers, copy-on-write, fragmentation.

use super::collection::collection_bytes;
use super::dict::{has_line_buckets, settled_buckets, table_bytes};
use super::version::Version;
use crate::dist::Dist;

/// Points at which a distribution of value lengths is evaluated: the middles of as many equal shares.
const GRID: u32 = 4096;
/// Value header (`robj`) \[bytes\].
const OBJECT: u64 = 16;
/// Entry of dict.c with key and value pointers \[bytes\].
const ENTRY: u64 = 24;
/// Largest allocation that Redis 8.2 and Valkey 8.1 put a short value into along with its key \[bytes\].
const CACHE_LINE: u64 = 64;
/// Absolute deadline inside a key's allocation (Redis 8.2, Valkey 8.1) \[bytes\].
const DEADLINE: u64 = 8;
/// Mean share of dict.c's table: 8 to 16 bytes a key between two doublings.
const TABLE_SHARE: f64 = 12.0;
/// The same for cache-line buckets: 64 / 7 bytes a key at full, twice that at half.
const LINE_TABLE_SHARE: f64 = 13.7;
/// Mean share of the buckets that overflow a cache line and get a second one (approximate).
const LINE_OVERFLOW_SHARE: f64 = 2.3;
/// Mean share of chain nodes where dict.c keeps a lone key in the bucket itself (Redis 8.2): 16 bytes for
/// 1 − (1 − e^−α) / α of the keys at load α = 0.75.
const CHAIN_SHARE: f64 = 4.7;
/// Overhead left in Valkey 9 of what Valkey 8.1 has (published as 20 to 30 % less; approximate).
const VALKEY_9_OVERHEAD: f64 = 0.75;

/// The type of a key's value and its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueShape {
    /// A string that is no number, of so many bytes.
    Text(u64),
    /// A whole number, as INCR keeps it.
    ///
    /// Numbers below 10,000 are shared objects unless maxmemory uses LRU or LFU, which saves their 16 bytes;
    /// not counted.
    Counter,
    /// A list of so many elements of so many bytes each.
    List {
        /// Elements.
        elements: u64,
        /// Bytes of each.
        length: u64,
    },
    /// A hash of so many fields, names as HSET of the workload has them.
    Hash {
        /// Fields.
        elements: u64,
        /// Bytes of each field's value.
        length: u64,
    },
    /// A set of so many members.
    Set {
        /// Members.
        elements: u64,
        /// Bytes of each.
        length: u64,
    },
    /// A sorted set of so many members.
    Zset {
        /// Members.
        elements: u64,
        /// Bytes of each.
        length: u64,
    },
    /// A stream of so many entries of one field.
    Stream {
        /// Entries.
        elements: u64,
        /// Bytes of each entry's value.
        length: u64,
    },
}

/// Bytes that jemalloc takes for a request of `bytes`: multiples of 8 up to 64, then four classes to each
/// doubling.
pub fn size_class(bytes: u64) -> u64 {
    if bytes <= 64 {
        return bytes.next_multiple_of(8);
    }
    let spacing = 1 << (bytes - 1).ilog2().saturating_sub(2);
    bytes.next_multiple_of(spacing)
}

/// Bytes that a string of `length` asks for as an sds (header, text, terminator); `key`: the smallest header
/// is that of a key, which is never appended to.
pub(super) fn sds(version: Version, length: u64, key: bool) -> u64 {
    let header = match length {
        _ if !version.has(3, 2) => 8,
        0..32 if key => 1,
        0..256 => 3,
        256..65_536 => 5,
        _ => 9,
    };
    header + length + 1
}

/// Bytes of a value in allocations of its own, header included.
fn separate_value(version: Version, value: ValueShape) -> u64 {
    match value {
        ValueShape::Counter => OBJECT,
        ValueShape::Text(length) => {
            let embedded = OBJECT + sds(version, length, false);
            if version.has(3, 0) && embedded <= CACHE_LINE {
                size_class(embedded)
            } else {
                OBJECT + size_class(sds(version, length, false))
            }
        }
        _ => OBJECT + collection_bytes(version, value),
    }
}

/// Bytes of key and value where both share one allocation (Redis 8.2, Valkey 8.1 on), without table.
fn joined_object(version: Version, key_size: u64, value: ValueShape, has_ttl: bool) -> u64 {
    let deadline = if has_ttl { DEADLINE } else { 0 };
    let object = OBJECT + deadline + 1 + sds(version, key_size, true);
    match value {
        ValueShape::Counter => size_class(object),
        ValueShape::Text(length) => {
            let text = sds(version, length, false);
            match object + text <= CACHE_LINE {
                true => size_class(object + text),
                false => size_class(object) + size_class(text),
            }
        }
        _ => size_class(object) + collection_bytes(version, value),
    }
}

/// Bytes of one key with its value, its time to live and its share of the tables, which is that of a table
/// midway between two doublings.
///
/// Exact up to Redis 8.0 and Valkey 8.0 for strings but for that share; later versions within a few bytes.
/// Lists, hashes, sets and streams are approximate.
pub fn bytes_per_key(version: Version, key_size: u32, value: ValueShape, has_ttl: bool) -> f64 {
    let key = u64::from(key_size);
    let tables = if has_ttl { 2.0 } else { 1.0 };
    if has_line_buckets(version) {
        let bytes = joined_object(version, key, value, has_ttl) as f64
            + tables * (LINE_TABLE_SHARE + LINE_OVERFLOW_SHARE);
        let payload = (key + payload(value)) as f64;
        return match version.valkey_at_least(9, 0) && bytes > payload {
            true => payload + (bytes - payload) * VALKEY_9_OVERHEAD,
            false => bytes,
        };
    }
    if version.redis_at_least(8, 2) {
        return joined_object(version, key, value, has_ttl) as f64 + tables * (TABLE_SHARE + CHAIN_SHARE);
    }
    let entry_and_key = if version.valkey_at_least(8, 0) {
        size_class(16 + 1 + sds(version, key, true))
    } else {
        ENTRY + size_class(sds(version, key, true))
    };
    let ttl_entry = if has_ttl { ENTRY } else { 0 };
    (entry_and_key + separate_value(version, value) + ttl_entry) as f64 + tables * TABLE_SHARE
}

/// Bytes of a value that the user put there.
fn payload(value: ValueShape) -> u64 {
    match value {
        ValueShape::Text(length) => length,
        ValueShape::Counter => 0,
        ValueShape::List { elements, length }
        | ValueShape::Hash { elements, length }
        | ValueShape::Set { elements, length }
        | ValueShape::Zset { elements, length }
        | ValueShape::Stream { elements, length } => elements * length,
    }
}

/// Mean of `f` over value lengths \[bytes\]; a tail beyond the 8192nd part counts with the length it begins
/// at.
pub fn mean_over_lengths(lengths: &Dist, f: impl Fn(u64) -> f64) -> f64 {
    let whole = |length: f64| length.max(0.0).round() as u64;
    if let Some(length) = lengths.fixed() {
        return f(whole(length));
    }
    let at = |point| f(whole(lengths.quantile((f64::from(point) + 0.5) / f64::from(GRID))));
    (0..GRID).map(at).sum::<f64>() / f64::from(GRID)
}

/// Mean of [`bytes_per_key`] over string keys of which a share `ttl_share` (0 to 1) carries a time to live.
pub fn mean_bytes_per_key(version: Version, key_size: u32, value_size: &Dist, ttl_share: f64) -> f64 {
    let mean = |has_ttl| {
        mean_over_lengths(value_size, |length| {
            bytes_per_key(version, key_size, ValueShape::Text(length), has_ttl)
        })
    };
    let plain = if ttl_share < 1.0 { (1.0 - ttl_share) * mean(false) } else { 0.0 };
    let with_ttl = if ttl_share > 0.0 { ttl_share * mean(true) } else { 0.0 };
    plain + with_ttl
}

/// Bytes that a time to live adds to a key \[bytes\], its share of the table of deadlines apart.
pub fn ttl_entry_bytes(version: Version, key_size: u32, value_size: &Dist) -> f64 {
    let share = if has_line_buckets(version) { LINE_TABLE_SHARE } else { TABLE_SHARE };
    mean_bytes_per_key(version, key_size, value_size, 1.0)
        - mean_bytes_per_key(version, key_size, value_size, 0.0)
        - share
}

/// `used_memory` of a server with `keys` keys of [`mean_bytes_per_key`] `per_key` each, with tables of the
/// sizes that so many keys have led to \[bytes\].
pub fn dataset_bytes(version: Version, keys: u64, per_key: f64, ttl_share: f64) -> f64 {
    let share = if has_line_buckets(version) { LINE_TABLE_SHARE } else { TABLE_SHARE };
    let table = |keys: u64| match keys {
        0 => 0.0,
        _ => table_bytes(version, settled_buckets(version, keys)) as f64,
    };
    let ttl_keys = (keys as f64 * ttl_share).round();
    let without_tables = keys as f64 * per_key - (keys as f64 + ttl_keys) * share;
    empty_server_bytes(version) as f64 + without_tables + table(keys) + table(ttl_keys as u64)
}

/// `used_memory` of a server without keys or clients \[bytes\], from INFO of released builds (approximate: ±
/// 20 %).
///
/// Its resident set is larger, about 3 MB and up with the program's own pages.
pub fn empty_server_bytes(version: Version) -> u64 {
    if version.has(6, 2) { 1_000_000 } else { 800_000 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::version::KNOWN;

    #[test]
    fn size_classes_are_jemallocs() {
        let classes = [
            8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640, 768,
        ];
        for pair in classes.windows(2) {
            assert_eq!(size_class(pair[0]), pair[0]);
            assert_eq!(size_class(pair[0] + 1), pair[1]);
        }
        assert_eq!((size_class(0), size_class(1)), (0, 8));
        assert_eq!(
            (size_class(4097), size_class(1 << 20), size_class((1 << 20) + 1)),
            (5120, 1 << 20, 5 << 18)
        );
    }

    #[test]
    fn string_keys_have_the_bytes_of_the_reference() {
        for version in
            [Version::redis(6, 2), Version::redis(7, 2), Version::redis(8, 0), Version::valkey(7, 2)]
        {
            assert_eq!(bytes_per_key(version, 20, ValueShape::Text(100), false), 188.0);
            assert_eq!(bytes_per_key(version, 20, ValueShape::Text(100), true), 224.0);
            assert_eq!(bytes_per_key(version, 20, ValueShape::Counter, false), 76.0);
            // 44 bytes are the last to fit into the header's allocation.
            assert_eq!(bytes_per_key(version, 20, ValueShape::Text(44), false), 60.0 + 64.0);
            assert_eq!(bytes_per_key(version, 20, ValueShape::Text(45), false), 60.0 + 16.0 + 56.0);
        }
        let keys = 10e9 / bytes_per_key(Version::redis(7, 2), 20, ValueShape::Text(100), false);
        assert_eq!((keys / 1e6).round(), 53.0);
    }

    #[test]
    fn later_versions_save_what_was_published() {
        let bytes = |version, has_ttl| bytes_per_key(version, 20, ValueShape::Text(100), has_ttl);
        let saving = |version, has_ttl| bytes(Version::redis(7, 2), has_ttl) - bytes(version, has_ttl);
        assert_eq!(saving(Version::valkey(8, 0), false), 8.0);
        assert_eq!(saving(Version::valkey(8, 1), false), 20.0);
        assert!((28.0..=33.0).contains(&saving(Version::valkey(8, 1), true)));
        assert!(saving(Version::valkey(9, 0), false) > 30.0);
        assert!((15.0..=25.0).contains(&saving(Version::redis(8, 2), false)));
        for &version in KNOWN {
            let short = bytes_per_key(version, 20, ValueShape::Text(10), false);
            assert!((60.0..130.0).contains(&short) || version.valkey_at_least(9, 0), "{version}: {short}");
        }
    }

    #[test]
    fn means_follow_the_distribution() {
        let version = Version::redis(7, 2);
        let fixed = mean_bytes_per_key(version, 20, &Dist::Fixed(100.0), 0.5);
        assert_eq!(fixed, 206.0);
        let two = Dist::Empirical(vec![(0.5, 100.0), (1.0, 1000.0)]);
        let large = bytes_per_key(version, 20, ValueShape::Text(1000), false);
        assert_eq!(mean_bytes_per_key(version, 20, &two, 0.0), (188.0 + large) / 2.0);
        let exponential = mean_over_lengths(&Dist::Exponential { mean: 1000.0 }, |length| length as f64);
        assert!((exponential / 1000.0 - 1.0).abs() < 1e-3, "{exponential}");
    }

    #[test]
    fn tables_of_a_dataset_have_their_actual_size() {
        let version = Version::redis(7, 2);
        let bytes = dataset_bytes(version, 1 << 20, 188.0, 0.0) - empty_server_bytes(version) as f64;
        assert_eq!(bytes, (1u64 << 20) as f64 * (188.0 - 12.0 + 8.0));
        let with_ttl = dataset_bytes(version, 1 << 20, 224.0, 1.0) - empty_server_bytes(version) as f64;
        assert_eq!(with_ttl, (1u64 << 20) as f64 * (224.0 - 24.0 + 16.0));
    }
}
