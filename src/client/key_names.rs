//! How keys are spelt, so that the slot of key number `rank` follows from the rank, without a table of keys.
//!
//! A name is a fixed text with decimal digits in fixed places. The checksum is linear in the bytes, so a slot is that
//! of the name with zeros, XORed with one table entry for every three digits: a few nanoseconds, exactly.

use std::array;

use crate::slots::{SLOT_MASK, Slot, crc16, crc16_on, key_hash_slot};

/// The fixed part of a name without a hash tag.
const PREFIX: &[u8] = b"key:";
/// Digits that one table covers.
const GROUP: usize = 3;
/// Numbers that they can show.
const GROUP_SIZE: usize = 1000;

/// Names of the keys of ranks 0 to `keys` − 1, all of the same length.
///
/// Without hash tags `key:` and the rank, padded with zeros to the size of a key: `key:0000000000000042`. A size too
/// small for that shortens the `key:` from its end, and then gives way to the digits that tell the keys apart.
///
/// With tags `{tag}:` and the rank: `{17}:000000000000042`. Tags are numbers of equal length. Consecutive ranks share a
/// tag, as many to each as possible: keys of similar popularity then lie in one slot, and the most popular keys make
/// that of tag 0 the hottest.
#[derive(Clone, Debug)]
pub struct KeyNames {
    /// Number of keys, ≥ 1.
    keys: u64,
    /// What stands before the rank, without a tag.
    prefix: &'static [u8],
    /// Digits of the rank.
    digits: usize,
    /// The number that is hashed: the tag, else the rank.
    hashed: NumberSlots,
    tags: Option<Tags>,
}

/// How ranks are dealt out to hash tags: the first `longer` tags have a key more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tags {
    /// Keys of each tag, ≥ 1, one more for the first `longer` tags.
    pub(super) keys: u64,
    /// Tags that have one more.
    pub(super) longer: u64,
    digits: usize,
}

impl Tags {
    fn new(keys: u64, tags: u64) -> Self {
        let tags = tags.clamp(1, keys);
        Tags { keys: keys / tags, longer: keys % tags, digits: decimal_digits(tags - 1) }
    }

    /// The tag of a rank, and how many ranks before this one have it too.
    #[inline]
    pub(super) fn of(&self, rank: u64) -> (u64, u64) {
        let in_longer = self.longer * (self.keys + 1);
        if rank < in_longer {
            (rank / (self.keys + 1), rank % (self.keys + 1))
        } else {
            let rest = rank - in_longer;
            (self.longer + rest / self.keys, rest % self.keys)
        }
    }
}

impl KeyNames {
    /// Names of `keys` keys, 1 to 10^12, of `key_size` bytes where that suffices, with `tags` hash tags or none; more
    /// tags than keys are as many as keys.
    pub fn new(key_size: u32, keys: u64, tags: Option<u64>) -> Self {
        let (keys, size) = (keys.max(1), key_size as usize);
        let needed = decimal_digits(keys - 1);
        match tags.map(|tags| Tags::new(keys, tags)) {
            Some(tags) => {
                let around = "{}:".len() + tags.digits;
                KeyNames {
                    keys,
                    prefix: b"",
                    digits: size.saturating_sub(around).max(needed),
                    hashed: NumberSlots::new(b"", tags.digits, tags.digits),
                    tags: Some(tags),
                }
            }
            None => {
                let prefix = &PREFIX[..PREFIX.len().min(size.saturating_sub(needed))];
                let digits = size.saturating_sub(prefix.len()).max(needed);
                let hashed = NumberSlots::new(prefix, digits, needed);
                KeyNames { keys, prefix, digits, hashed, tags: None }
            }
        }
    }

    /// Number of keys.
    pub fn keys(&self) -> u64 {
        self.keys
    }

    /// Length of every name \[bytes\]: the size of a key, or more if that is too short for the digits.
    pub fn bytes(&self) -> usize {
        let tag = self.tags.map_or(0, |tags| "{}:".len() + tags.digits);
        tag + self.prefix.len() + self.digits
    }

    /// Slot of the key of `rank`, below the number of keys.
    #[inline]
    pub fn slot_of(&self, rank: u64) -> Slot {
        match &self.tags {
            None => self.hashed.slot_of(rank),
            Some(tags) => self.hashed.slot_of(tags.of(rank).0),
        }
    }

    /// Puts the name of the key of `rank`, below the number of keys, behind what `name` holds.
    pub fn write(&self, rank: u64, name: &mut Vec<u8>) {
        match &self.tags {
            None => name.extend_from_slice(self.prefix),
            Some(tags) => {
                name.push(b'{');
                push_padded(tags.of(rank).0, tags.digits, name);
                name.extend_from_slice(b"}:");
            }
        }
        push_padded(rank, self.digits, name);
    }

    /// The hashed number, and how ranks lead to it.
    pub(super) fn parts(&self) -> (&NumberSlots, Option<Tags>) {
        (&self.hashed, self.tags)
    }
}

/// Slots of a text that ends in a number of fixed length.
#[derive(Clone, Debug)]
pub(super) struct NumberSlots {
    /// Slot of the text with the number 0.
    pub(super) zero: Slot,
    /// What a digit adds to it by XOR, from the last digit on.
    pub(super) digits: Vec<[Slot; 10]>,
    /// The same for three digits at once.
    groups: Box<[[Slot; GROUP_SIZE]]>,
}

impl NumberSlots {
    /// The text `prefix` and a number of `digits` digits, of which the last `used` are not always zero.
    fn new(prefix: &[u8], digits: usize, used: usize) -> Self {
        let mut text = prefix.to_vec();
        text.resize(prefix.len() + digits, b'0');
        let mut behind = Vec::with_capacity(used);
        let table = (0..used).map(|_| {
            // The bits of a digit are those that tell it from '0'; after it come bytes that differ in nothing.
            let digit = array::from_fn(|digit| crc16_on(crc16(&[digit as u8]), &behind) & SLOT_MASK);
            behind.push(0);
            digit
        });
        let digits: Vec<[Slot; 10]> = table.collect();
        let group = |group: &[[Slot; 10]]| {
            array::from_fn(|number| {
                let shown = [number % 10, number / 10 % 10, number / 100];
                group.iter().zip(shown).fold(0, |slot, (digit, shown)| slot ^ digit[shown])
            })
        };
        let groups = digits.chunks(GROUP).map(group).collect();
        NumberSlots { zero: key_hash_slot(&text), digits, groups }
    }

    /// Slot with the number `number`.
    #[inline]
    pub(super) fn slot_of(&self, number: u64) -> Slot {
        let (mut slot, mut rest) = (self.zero, number);
        for group in &self.groups {
            slot ^= group[(rest % GROUP_SIZE as u64) as usize];
            rest /= GROUP_SIZE as u64;
        }
        slot
    }
}

fn decimal_digits(number: u64) -> usize {
    number.checked_ilog10().unwrap_or(0) as usize + 1
}

fn push_padded(number: u64, digits: usize, text: &mut Vec<u8>) {
    let end = text.len() + digits;
    text.resize(end, b'0');
    let mut rest = number;
    for digit in text[end - digits..].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(names: &KeyNames, rank: u64) -> String {
        let mut text = Vec::new();
        names.write(rank, &mut text);
        assert_eq!(text.len(), names.bytes());
        String::from_utf8(text).expect("digits")
    }

    #[test]
    fn names_fill_the_size_of_a_key() {
        let names = KeyNames::new(20, 1_000_000, None);
        assert_eq!(name(&names, 42), "key:0000000000000042");
        assert_eq!(names.slot_of(42), 9514); // CLUSTER KEYSLOT of Redis 7.0.15.
        assert_eq!(name(&KeyNames::new(10, 1_000_000, None), 42), "key:000042");
        assert_eq!(name(&KeyNames::new(8, 1_000_000, None), 42), "ke000042");
        assert_eq!(name(&KeyNames::new(1, 1_000_000, None), 42), "000042");
        assert_eq!(name(&KeyNames::new(16, 1, None), 0), "key:000000000000");
        assert_eq!(name(&KeyNames::new(20, 1_000_000, Some(100)), 170_042), "{17}:000000000170042");
        assert_eq!(name(&KeyNames::new(4, 1_000, Some(10)), 42), "{0}:042");
    }

    #[test]
    fn consecutive_ranks_share_a_tag_and_tags_have_as_many_keys_as_possible() {
        for (keys, tags) in [(10, 3), (10, 10), (10, 11), (9, 1), (1000, 7), (1, 1), (12, 0)] {
            let dealt = Tags::new(keys, tags);
            let mut of_tag = vec![0u64; tags.clamp(1, keys) as usize];
            let mut last = 0;
            for rank in 0..keys {
                let (tag, before) = dealt.of(rank);
                assert!(tag == last || tag == last + 1);
                assert_eq!(before, of_tag[tag as usize]);
                of_tag[tag as usize] += 1;
                last = tag;
            }
            let (least, most) = (of_tag.iter().min().unwrap(), of_tag.iter().max().unwrap());
            assert!(*least >= 1 && most - least <= 1, "{keys} keys, {tags} tags: {of_tag:?}");
        }
    }

    #[test]
    fn all_of_many_keys_are_in_the_slot_of_their_name() {
        let mut text = Vec::new();
        for names in [KeyNames::new(20, 100_000, None), KeyNames::new(16, 100_000, Some(1_234))] {
            for rank in 0..100_000 {
                text.clear();
                names.write(rank, &mut text);
                assert_eq!(names.slot_of(rank), key_hash_slot(&text));
            }
        }
    }

    proptest! {
        #[test]
        fn slots_are_those_of_the_spelt_names(
            size in 0u32..80,
            keys in 1u64..=1_000_000_000_000,
            tags in proptest::option::of(0u64..2_000_000_000_000),
            at in 0.0..1.0,
        ) {
            let names = KeyNames::new(size, keys, tags);
            let rank = ((keys as f64 * at) as u64).min(keys - 1);
            for rank in [rank, 0, keys - 1] {
                let mut text = Vec::new();
                names.write(rank, &mut text);
                prop_assert_eq!(names.slot_of(rank), key_hash_slot(&text));
                prop_assert_eq!(text.len(), names.bytes());
            }
        }
    }
}
