//! Slots as a client computes them, and whether a real server agrees.

use crate::figures::Figures;
use crate::reply::{Reply, encode};
use crate::server::Server;
use crate::wire::Random;

/// Number of hash slots.
pub const SLOTS: usize = 16_384;
/// Random keys that are compared with the server's answer.
const RANDOM_KEYS: usize = 5000;
/// Keys in which the braces matter.
const BRACES: [&[u8]; 20] = [
    b"",
    b"{",
    b"}",
    b"{}",
    b"}{",
    b"{}{}",
    b"{a}",
    b"a{b}c",
    b"{a",
    b"a}",
    b"}a{b}",
    b"foo{}{bar}",
    b"foo{{bar}}zap",
    b"foo{bar}{zap}",
    b"{user1000}.following",
    b"{user1000}.followers",
    b"{ }",
    b"{\r\n}x",
    b"\x00{\xff}\x00",
    b"key:0000000000000042",
];

/// Slot of a key: CRC16 (XMODEM) of it, or of what its first pair of braces holds if that is something.
pub fn slot_of(key: &[u8]) -> usize {
    let tag = key.iter().position(|byte| *byte == b'{').and_then(|open| {
        let inside = &key[open + 1..];
        let close = inside.iter().position(|byte| *byte == b'}').filter(|length| *length > 0)?;
        Some(&inside[..close])
    });
    usize::from(crc16(tag.unwrap_or(key))) % SLOTS
}

/// Polynomial 0x1021, a bit at a time: nothing here is worth a table.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc: u16, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    })
}

/// A hash tag whose keys are in `slot`.
pub fn tag_in(slot: usize) -> String {
    (0_u32..)
        .map(|number| format!("tag{number}"))
        .find(|tag| slot_of(tag.as_bytes()) == slot)
        .expect("a tag for every slot")
}

/// Compares [`slot_of`] with `CLUSTER KEYSLOT` of a server. Returns a line for people.
pub fn compare(program: &str, figures: &mut Figures) -> Result<String, String> {
    let mut server = Server::start(program, &["--cluster-enabled", "yes", "--cluster-port", "0"])
        .or_else(|_| Server::start(program, &["--cluster-enabled", "yes"]))?;
    let mut random = Random(16_384);
    let mut keys: Vec<Vec<u8>> = BRACES.iter().map(|key| key.to_vec()).collect();
    for _ in 0..RANDOM_KEYS {
        // Half of the bytes from a small alphabet, so that braces are frequent.
        let byte = |random: &mut Random| match random.below(4) {
            0 => b'{',
            1 => b'}',
            _ => random.next() as u8,
        };
        let length = random.below(32);
        keys.push((0..length).map(|_| byte(&mut random)).collect());
    }
    let mut bytes = Vec::new();
    for key in &keys {
        bytes.clear();
        encode(&mut bytes, &[b"CLUSTER", b"KEYSLOT", key]);
        let answer = server.send(&bytes, 1)?;
        if answer != Reply::Integer(slot_of(key) as i64) {
            return Err(format!("slot of {key:?}: {} here, {answer:?} there", slot_of(key)));
        }
    }
    figures.count("keys_compared", keys.len() as u64);
    Ok(format!("{} keys have the slot that the server says", keys.len()))
}
