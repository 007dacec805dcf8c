//! Hash slots: which of the 16,384 a key belongs to. Servers and clients compute the same.
//!
//! Sources: crc16.c (CRC16/XMODEM: polynomial 0x1021, initial 0, nothing reflected), cluster.c `keyHashSlot`.

/// Number of a hash slot, 0 to [`SLOTS`] − 1.
pub type Slot = u16;

/// Number of hash slots (`CLUSTER_SLOTS`).
pub const SLOTS: usize = 16_384;

/// The bits of a checksum that are the slot.
pub const SLOT_MASK: u16 = SLOTS as u16 - 1;

/// Polynomial of CRC16/XMODEM, x^16 left out.
const POLYNOMIAL: u16 = 0x1021;

/// What a byte in the upper half of the checksum does to it (`crc16tab`).
const TABLE: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 != 0 { crc << 1 ^ POLYNOMIAL } else { crc << 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

/// Goes on with a checksum `crc` over `bytes`.
///
/// Linear over GF(2) in the checksum and the bytes together: where two texts differ, their checksums differ by
/// the checksum of the difference, whatever the rest is.
#[inline]
pub fn crc16_on(crc: u16, bytes: &[u8]) -> u16 {
    bytes.iter().fold(crc, |crc, &byte| crc << 8 ^ TABLE[((crc >> 8) as u8 ^ byte) as usize])
}

/// Checksum of `bytes` (`crc16`).
pub fn crc16(bytes: &[u8]) -> u16 {
    crc16_on(0, bytes)
}

/// Slot of a key: of what stands between its first `{` and the next `}` if that is at least a byte, else of the
/// whole key (`keyHashSlot`).
pub fn key_hash_slot(key: &[u8]) -> Slot {
    crc16(hashed_part(key)) & SLOT_MASK
}

/// The part of a key that is hashed.
fn hashed_part(key: &[u8]) -> &[u8] {
    let Some(open) = key.iter().position(|&byte| byte == b'{') else { return key };
    let behind = &key[open + 1..];
    match behind.iter().position(|&byte| byte == b'}') {
        None | Some(0) => key,
        Some(close) => &behind[..close],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_cluster_specification() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
    }

    #[test]
    fn hash_tags_are_those_of_the_cluster_specification() {
        assert_eq!(key_hash_slot(b"{user1000}.following"), key_hash_slot(b"{user1000}.followers"));
        assert_eq!(hashed_part(b"{user1000}.following"), b"user1000");
        assert_eq!(hashed_part(b"foo{}{bar}"), b"foo{}{bar}");
        assert_eq!(hashed_part(b"foo{{bar}}zap"), b"{bar");
        assert_eq!(hashed_part(b"foo{bar}{zap}"), b"bar");
    }

    /// `redis-cli CLUSTER KEYSLOT key`, Redis 7.0.15 with `cluster-enabled yes`, 2026-11-24.
    const RECORDED: &[(&str, Slot)] = &[
        ("123456789", 12739),
        ("foo", 12182),
        ("bar", 5061),
        ("hello", 866),
        ("", 0),
        ("a", 15495),
        ("{", 4092),
        ("}", 12090),
        ("{}", 15257),
        ("{}foo", 9500),
        ("foo{}{bar}", 8363),
        ("foo{{bar}}zap", 4015),
        ("foo{bar}{zap}", 5061),
        ("{user1000}.following", 3443),
        ("{user1000}.followers", 3443),
        ("user1000", 3443),
        ("foo{", 7673),
        ("foo}", 15679),
        ("foo}{bar}", 5061),
        ("foo{bar", 15278),
        ("{a}", 15495),
        ("{a}:1", 15495),
        ("a{b}c{d}", 3300),
        ("key:0000000000000042", 9514),
        ("key:0000000000000000", 2476),
        ("key:0000000999999999", 8060),
        ("{0}:000000000000042", 13907),
        ("{12}:00000000000042", 8373),
        ("{999999}:1", 7969),
        ("counter:{7}:x", 1716),
        ("order{}", 3987),
        ("}{", 12793),
        ("x{y}", 12222),
        ("x{ }z", 9314),
        ("somekey", 11058),
        ("SomeKey", 770),
        ("a very long key of more than sixty-four bytes, which is nothing unusual in practice", 2499),
        ("0", 13907),
        ("1", 9842),
        ("7", 1716),
        ("12345678901234567890", 11401),
        ("k:1", 10166),
        ("long{tag with spaces}end", 2878),
        ("{{}", 4092),
        ("{{}}", 4092),
    ];

    #[test]
    fn slots_are_those_of_a_real_server() {
        for &(key, slot) in RECORDED {
            assert_eq!(key_hash_slot(key.as_bytes()), slot, "{key:?}");
        }
        // The same, keys that are no text.
        assert_eq!(key_hash_slot(b"a\xff\xc3\xa9"), 1985);
        assert_eq!(key_hash_slot(b"\0\x01{\x80}\xfe"), 4488);
    }
}
