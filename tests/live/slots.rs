//! Slots as the simulator computes them, and whether a real server agrees.

use writepath::client::key_names::KeyNames;
pub use writepath::slots::SLOTS;
use writepath::slots::key_hash_slot;

use crate::figures::Figures;
use crate::reply::{Reply, encode};
use crate::server::Server;
use crate::wire::Random;

/// Keys whose names and slots the simulator derives from their numbers, of each kind of names.
const NAMED_KEYS: u64 = 2000;
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

/// Slot of a key, as the simulator computes it.
pub fn slot_of(key: &[u8]) -> usize {
    usize::from(key_hash_slot(key))
}

/// A hash tag whose keys are in `slot`.
pub fn tag_in(slot: usize) -> String {
    (0_u32..)
        .map(|number| format!("tag{number}"))
        .find(|tag| slot_of(tag.as_bytes()) == slot)
        .expect("a tag for every slot")
}

/// Names of `keys` keys of `size` bytes without a hash tag, as the simulator spells them.
pub fn names(size: usize, keys: u64) -> impl Fn(u64) -> String + Sync {
    let names = KeyNames::new(size as u32, keys, None);
    move |key| spelt(&names, key)
}

fn spelt(names: &KeyNames, key: u64) -> String {
    let mut name = Vec::new();
    names.write(key, &mut name);
    String::from_utf8(name).expect("names are of ASCII letters")
}

/// Compares [`slot_of`] with `CLUSTER KEYSLOT` of a server. Returns a line for people.
pub fn compare(program: &str, figures: &mut Figures) -> Result<String, String> {
    let mut server = Server::start(program, &["--cluster-enabled", "yes", "--cluster-port", "0"])
        .or_else(|_| Server::start(program, &["--cluster-enabled", "yes"]))?;
    let mut random = Random(16_384);
    let mut keys: Vec<Vec<u8>> = BRACES.iter().map(|key| key.to_vec()).collect();
    for tags in [None, Some(1), Some(300)] {
        let names = KeyNames::new(20, 500_000, tags);
        for rank in (0..NAMED_KEYS).map(|number| number * 7919 % 500_000) {
            let name = spelt(&names, rank).into_bytes();
            if usize::from(names.slot_of(rank)) != slot_of(&name) {
                return Err(format!("slot of key {rank} of {tags:?} tags: {}", names.slot_of(rank)));
            }
            keys.push(name);
        }
    }
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
