//! How many keys fill a given memory: `dataset.memory` turned into `dataset.keys`.

use crate::dist::Dist;
use crate::redis::memory::{dataset_bytes, empty_server_bytes, mean_bytes_per_key};
use crate::redis::version::Version;

/// used_memory of `keys` string keys \[bytes\], hash tables included, without the empty server.
pub fn of_keys(version: Version, keys: u64, key_size: u32, value_size: &Dist, ttl_share: f64) -> f64 {
    let per_key = mean_bytes_per_key(version, key_size, value_size, ttl_share);
    dataset_bytes(version, keys, per_key, ttl_share) - empty_server_bytes(version) as f64
}

/// The largest number of keys that takes at most `bytes`, at least 1.
pub fn keys_in(version: Version, bytes: u64, key_size: u32, value_size: &Dist, ttl_share: f64) -> u64 {
    let per_key = mean_bytes_per_key(version, key_size, value_size, ttl_share);
    let empty = empty_server_bytes(version) as f64;
    let (mut low, mut high) = (1, 1_u64 << 40);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if dataset_bytes(version, middle, per_key, ttl_share) - empty <= bytes as f64 {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_fill_a_memory_take_just_that_memory() {
        let version = Version::redis(7, 2);
        let value = Dist::Fixed(100.0);
        for bytes in [1_000_000, 2 << 30, 10_u64 << 30] {
            let keys = keys_in(version, bytes, 20, &value, 0.0);
            assert!(of_keys(version, keys, 20, &value, 0.0) <= bytes as f64);
            assert!(of_keys(version, keys + 1, 20, &value, 0.0) > bytes as f64);
        }
        assert_eq!(keys_in(version, 0, 20, &value, 0.0), 1);
    }
}
