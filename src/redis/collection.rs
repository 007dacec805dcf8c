//! Memory of lists, hashes, sets, sorted sets and streams, without key and value header.
//!
//! Approximate: entries of a listpack are counted for text (numbers are shorter), ziplists as listpacks,
//! lists before 3.2 as later ones, a table's share as that midway between two doublings. Limits are the
//! compiled-in defaults of `hash-max-listpack-entries` and its like. Sources: listpack.c, quicklist.h,
//! t_zset.c, t_stream.c.

use super::memory::{ValueShape, sds, size_class};
use super::resp::HASH_FIELD_LENGTH;
use super::stream_nodes::NodeShape;
use super::version::Version;

/// Header and end of a listpack \[bytes\].
const LISTPACK: u64 = 7;
/// Longest element of a listpack of hash, set or sorted set \[bytes\].
const COMPACT_LENGTH: u64 = 64;
/// Most fields of a hash in a listpack (`hash-max-listpack-entries`).
const COMPACT_FIELDS: u64 = 512;
/// Most members of a set (7.2 on) or sorted set in a listpack.
const COMPACT_MEMBERS: u64 = 128;
/// Bytes of a list node's listpack (`list-max-listpack-size` −2).
pub(super) const LIST_NODE_BYTES: u64 = 8192;
/// Header of a quicklist, and of each of its nodes \[bytes\].
const QUICKLIST: (u64, u64) = (40, 32);
/// Header of a table and of what surrounds it \[bytes\].
const TABLE: u64 = 96;
/// Entry of dict.c with its share of the buckets \[bytes\].
const ENTRY: u64 = 24 + 12;
/// The same without a value, where a lone member needs no entry (sets, 7.2 on) \[bytes\].
const MEMBER_ENTRY: u64 = 5 + 12;
/// Skiplist node with its mean of 1.33 levels, without the member \[bytes\].
const SKIPLIST_NODE: u64 = 48;
/// `stream-node-max-bytes` and `stream-node-max-entries`.
const STREAM_NODE: (u64, u64) = (4096, 100);
/// Stream without nodes \[bytes\].
const STREAM: u64 = 128;

/// Bytes of one text element of a listpack.
pub(super) fn listpack_entry(length: u64) -> u64 {
    let encoded = length
        + match length {
            0..64 => 1,
            64..4096 => 2,
            _ => 5,
        };
    let back = match encoded {
        0..128 => 1,
        128..16_384 => 2,
        16_384..2_097_152 => 3,
        _ => 4,
    };
    encoded + back
}

/// Whether the collection is one listpack (or ziplist): small, and of short elements.
pub fn is_compact(version: Version, value: ValueShape) -> bool {
    let (elements, length, limit) = match value {
        ValueShape::Hash { elements, length } => (elements, length, COMPACT_FIELDS),
        ValueShape::Set { elements, length } if version.has(7, 2) => (elements, length, COMPACT_MEMBERS),
        ValueShape::Zset { elements, length } => (elements, length, COMPACT_MEMBERS),
        _ => return false,
    };
    elements <= limit && length <= COMPACT_LENGTH
}

/// Bytes of the elements of a collection in listpack form.
pub(super) fn listpack_bytes(value: ValueShape) -> u64 {
    let (elements, entry) = match value {
        ValueShape::Hash { elements, length } => {
            (elements, listpack_entry(HASH_FIELD_LENGTH) + listpack_entry(length))
        }
        // A small whole score takes two bytes.
        ValueShape::Zset { elements, length } => (elements, listpack_entry(length) + 2),
        ValueShape::List { elements, length } | ValueShape::Set { elements, length } => {
            (elements, listpack_entry(length))
        }
        // Strings have none; a stream's nodes are its own (`stream_nodes`).
        ValueShape::Text(_) | ValueShape::Counter | ValueShape::Stream { .. } => (0, 0),
    };
    LISTPACK + elements * entry
}

/// Bytes of a collection's allocations; 0 for strings.
pub fn collection_bytes(version: Version, value: ValueShape) -> u64 {
    if is_compact(version, value) {
        return size_class(listpack_bytes(value));
    }
    let text = |length| size_class(sds(version, length, false));
    match value {
        ValueShape::Text(_) | ValueShape::Counter => 0,
        ValueShape::List { .. } => {
            let bytes = listpack_bytes(value);
            let nodes = bytes.div_ceil(LIST_NODE_BYTES);
            QUICKLIST.0 + nodes * (QUICKLIST.1 + LISTPACK) + size_class(bytes / nodes) * nodes
        }
        ValueShape::Hash { elements, length } => {
            TABLE + elements * (ENTRY + text(HASH_FIELD_LENGTH) + text(length))
        }
        ValueShape::Set { elements, length } => {
            let entry = if version.has(7, 2) { MEMBER_ENTRY } else { ENTRY };
            TABLE + elements * (entry + text(length))
        }
        ValueShape::Zset { elements, length } => TABLE + elements * (ENTRY + SKIPLIST_NODE + text(length)),
        ValueShape::Stream { elements, length } => {
            STREAM + node_shape(version, length).stream_bytes(elements)
        }
    }
}

/// Nodes of a stream of entries of one field, `length` bytes long, with the default limits.
pub(super) fn node_shape(version: Version, length: u64) -> NodeShape {
    NodeShape::new(version, STREAM_NODE.0, STREAM_NODE.1, 1, length)
}

/// Mean bytes of one element of the collection at its present size; 0 for strings and empty collections.
pub fn bytes_per_element(version: Version, value: ValueShape) -> f64 {
    match value {
        ValueShape::Text(_) | ValueShape::Counter => 0.0,
        ValueShape::List { elements: 0, .. }
        | ValueShape::Hash { elements: 0, .. }
        | ValueShape::Set { elements: 0, .. }
        | ValueShape::Zset { elements: 0, .. }
        | ValueShape::Stream { elements: 0, .. } => 0.0,
        ValueShape::List { elements, .. }
        | ValueShape::Hash { elements, .. }
        | ValueShape::Set { elements, .. }
        | ValueShape::Zset { elements, .. }
        | ValueShape::Stream { elements, .. } => collection_bytes(version, value) as f64 / elements as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V7: Version = Version::redis(7, 2);

    #[test]
    fn listpack_elements_have_header_and_back_length() {
        assert_eq!(listpack_entry(10), 12);
        assert_eq!(listpack_entry(63), 65);
        assert_eq!(listpack_entry(64), 67);
        assert_eq!(listpack_entry(126), 130);
        assert_eq!(listpack_entry(5000), 5007);
    }

    #[test]
    fn large_or_long_collections_leave_the_listpack() {
        let hash = |elements, length| ValueShape::Hash { elements, length };
        assert!(is_compact(V7, hash(512, 64)));
        assert!(!is_compact(V7, hash(513, 64)) && !is_compact(V7, hash(1, 65)));
        assert!(!is_compact(Version::redis(7, 0), ValueShape::Set { elements: 1, length: 8 }));
        let compact = collection_bytes(V7, hash(512, 20));
        assert!(2 * collection_bytes(V7, hash(513, 20)) > 3 * compact);
        assert_eq!(compact, size_class(7 + 512 * (12 + 22)));
    }

    #[test]
    fn elements_of_large_collections_cost_a_plausible_number_of_bytes() {
        let cases = [
            (ValueShape::List { elements: 100_000, length: 20 }, 22.0..24.0),
            (ValueShape::Set { elements: 100_000, length: 20 }, 40.0..50.0),
            (ValueShape::Zset { elements: 100_000, length: 20 }, 100.0..125.0),
            (ValueShape::Hash { elements: 100_000, length: 20 }, 75.0..85.0),
            (ValueShape::Stream { elements: 100_000, length: 20 }, 30.0..40.0),
        ];
        for (value, expected) in cases {
            let bytes = bytes_per_element(V7, value);
            assert!(expected.contains(&bytes), "{value:?}: {bytes}");
        }
        assert_eq!(bytes_per_element(V7, ValueShape::List { elements: 0, length: 20 }), 0.0);
    }
}
