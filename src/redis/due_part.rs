//! Due keys of one range of places, by class and deadline: a short list, in which what is alike stands together.
//!
//! There are a thousand such lists, and which one is asked next is random: a part takes 16 bytes, so that they stay in the
//! second cache.

use super::cohort::Span;

/// Parts of a range's keys, by class and deadline, above which neighbours of a class are joined.
pub(super) const PARTS: usize = 96;
/// Class of keys that are kept exactly and have a number.
pub const EXACT: u16 = u16::MAX;
/// Bits of a deadline: 8,900 years of milliseconds.
const DEADLINE_BITS: u32 = 48;
/// Parts of a block: a search passes whole blocks by their sums.
const BLOCK: usize = 8;

/// Keys of one range, class and stretch of deadlines.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// The class, above the earliest deadline: parts in this order are in order of both.
    key: u64,
    /// From the earliest deadline to the latest; of an exact key its number.
    rest: u32,
    /// A range has a share of at most 10^12 keys.
    keys: u32,
}

impl Part {
    /// `span` of a class.
    pub(super) fn new(class: u16, span: Span) -> Self {
        let key = (u64::from(class) << DEADLINE_BITS) | span.first;
        Part { key, rest: (span.last - span.first) as u32, keys: span.keys as u32 }
    }

    /// The exact key `id` with its deadline.
    pub(super) fn exact(id: u32, deadline: u64) -> Self {
        Part { rest: id, ..Part::new(EXACT, Span { first: deadline, last: deadline, keys: 1 }) }
    }

    /// The same with so many keys.
    #[inline(always)]
    pub(super) fn with(self, keys: u64) -> Self {
        Part { keys: keys as u32, ..self }
    }

    /// Its class.
    #[inline(always)]
    pub(super) fn class(&self) -> u16 {
        (self.key >> DEADLINE_BITS) as u16
    }

    /// Number of an exact key; 0 of others.
    #[inline(always)]
    pub(super) fn id(&self) -> u32 {
        if self.class() == EXACT { self.rest } else { 0 }
    }

    /// Its keys and their deadlines.
    #[inline(always)]
    pub(super) fn span(&self) -> Span {
        let first = self.key & ((1 << DEADLINE_BITS) - 1);
        let length = if self.class() == EXACT { 0 } else { u64::from(self.rest) };
        Span { first, last: first + length, keys: self.keys.into() }
    }

    /// Joined with a later one of its class, if that is possible.
    fn joined(&self, later: &Part) -> Option<Part> {
        let (mine, theirs) = (self.span(), later.span());
        let span =
            Span { first: mine.first, last: mine.last.max(theirs.last), keys: mine.keys + theirs.keys };
        // 49 days apart is too far.
        let joins = self.class() == later.class() && self.class() != EXACT;
        (joins && span.last - span.first <= u32::MAX.into()).then(|| Part::new(self.class(), span))
    }
}

/// The keys of one range.
#[derive(Clone, Debug, Default)]
pub(super) struct Parts {
    parts: Vec<Part>,
    /// Keys of each block of parts.
    blocks: Vec<u64>,
    keys: u64,
}

impl Parts {
    /// All keys.
    #[inline(always)]
    pub(super) fn keys(&self) -> u64 {
        self.keys
    }

    /// The parts.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter()
    }

    /// Adds keys.
    #[inline(always)]
    pub(super) fn push(&mut self, part: Part) {
        let keys = u64::from(part.keys);
        self.keys += keys;
        match (self.parts.last_mut(), self.blocks.last_mut()) {
            (Some(last), Some(block))
                if (last.key, last.rest) == (part.key, part.rest) && part.class() != EXACT =>
            {
                last.keys += part.keys;
                *block += keys;
            }
            (_, block) => {
                match block {
                    Some(block) if !self.parts.len().is_multiple_of(BLOCK) => *block += keys,
                    _ => self.blocks.push(keys),
                }
                self.parts.push(part);
                self.shorten();
            }
        }
    }

    /// Adds all keys of `others`, which keep their room for others.
    pub(super) fn append(&mut self, others: &mut Parts) {
        self.parts.append(&mut others.parts);
        others.blocks.clear();
        self.keys += std::mem::take(&mut others.keys);
        self.shorten();
        self.count_blocks();
    }

    fn count_blocks(&mut self) {
        self.blocks.clear();
        let keys = |block: &[Part]| block.iter().map(|part| u64::from(part.keys)).sum::<u64>();
        self.blocks.extend(self.parts.chunks(BLOCK).map(keys));
    }

    /// Takes out the key number `r` of those that count, all or those of a class: its part as it was. If they are fewer,
    /// how much `r` is beyond them.
    #[inline(always)]
    pub(super) fn take(&mut self, r: u64, class: Option<u16>) -> Result<Part, u64> {
        let at = match class {
            None => self.find(r)?,
            Some(class) => self.find_of(class, r)?,
        };
        Ok(self.take_at(at))
    }

    #[inline(always)]
    fn find(&self, mut r: u64) -> Result<usize, u64> {
        if r >= self.keys {
            return Err(r - self.keys);
        }
        let mut at = 0;
        for &keys in &self.blocks {
            if r < keys {
                break;
            }
            r -= keys;
            at += BLOCK;
        }
        for part in &self.parts[at..] {
            if r < part.keys.into() {
                return Ok(at);
            }
            r -= u64::from(part.keys);
            at += 1;
        }
        unreachable!("parts add up to their sum")
    }

    fn find_of(&self, class: u16, mut r: u64) -> Result<usize, u64> {
        for (at, part) in self.parts.iter().enumerate().filter(|(_, part)| part.class() == class) {
            if r < part.keys.into() {
                return Ok(at);
            }
            r -= u64::from(part.keys);
        }
        Err(r)
    }

    /// Takes out the exact key `id`; false if it is not here.
    pub(super) fn take_exact(&mut self, id: u32) -> bool {
        let at = self.parts.iter().position(|part| part.class() == EXACT && part.rest == id);
        at.map(|at| self.take_at(at)).is_some()
    }

    #[inline(always)]
    fn take_at(&mut self, at: usize) -> Part {
        let part = self.parts[at];
        self.keys -= 1;
        self.blocks[at / BLOCK] -= 1;
        if part.keys == 1 {
            let last = self.parts.len() - 1;
            if at < last {
                let moved = u64::from(self.parts[last].keys);
                self.blocks[last / BLOCK] -= moved;
                self.blocks[at / BLOCK] += moved;
            }
            self.parts.swap_remove(at);
            self.blocks.truncate(last.div_ceil(BLOCK));
        } else {
            self.parts[at].keys -= 1;
        }
        part
    }

    /// Joins neighbours of each class by deadline when the list has become long, so that half as many parts are left.
    #[inline(always)]
    fn shorten(&mut self) {
        if self.parts.len() > PARTS {
            self.join();
        }
    }

    #[inline(never)]
    fn join(&mut self) {
        self.parts.sort_by_key(|part| (part.class(), part.id(), part.key, part.rest));
        let mut may_join = false;
        let mut kept = 0;
        for at in 0..self.parts.len() {
            let part = self.parts[at];
            match if may_join { self.parts[kept - 1].joined(&part) } else { None } {
                Some(joined) => {
                    self.parts[kept - 1] = joined;
                    may_join = false;
                }
                None => {
                    self.parts[kept] = part;
                    kept += 1;
                    may_join = true;
                }
            }
        }
        self.parts.truncate(kept);
        self.count_blocks();
    }

    /// Panics unless the sums are those of the parts.
    pub(super) fn check(&self) {
        assert_eq!(self.keys, self.parts.iter().map(|part| u64::from(part.keys)).sum::<u64>(), "due keys");
        let mut counted = self.clone();
        counted.count_blocks();
        assert_eq!(self.blocks, counted.blocks, "due keys by block");
    }
}
