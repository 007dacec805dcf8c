//! Due keys of one range of places, by class and deadline: a short list, in which what is alike stands together.

/// Parts of a range's keys, by class and deadline, above which neighbours of a class are joined.
pub(super) const PARTS: usize = 96;
/// Class of keys that are kept exactly and have a number.
pub const EXACT: u16 = u16::MAX;

/// Keys of one range, class and stretch of deadlines.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) keys: u64,
    pub(super) class: u16,
    /// Number of an exact key; its class is [`EXACT`].
    pub(super) id: u32,
}

/// Adds keys to a list.
pub(super) fn push(parts: &mut Vec<Part>, part: Part) {
    match parts.last_mut() {
        Some(last)
            if last.class == part.class
                && part.class != EXACT
                && (last.first, last.last) == (part.first, part.last) =>
        {
            last.keys += part.keys;
        }
        _ => {
            parts.push(part);
            shorten(parts);
        }
    }
}

/// Joins neighbours when a list has become long.
pub(super) fn shorten(parts: &mut Vec<Part>) {
    if parts.len() > PARTS {
        join(parts);
    }
}

/// Joins neighbours of each class by deadline, so that half as many parts are left.
fn join(parts: &mut Vec<Part>) {
    parts.sort_by_key(|part| (part.class, part.id, part.first, part.last));
    let mut joined: Vec<Part> = Vec::with_capacity(parts.len() / 2 + 8);
    let mut may_join = false;
    for part in parts.drain(..) {
        match joined.last_mut() {
            Some(last) if may_join && last.class == part.class && part.class != EXACT => {
                last.last = last.last.max(part.last);
                last.keys += part.keys;
                may_join = false;
            }
            _ => {
                joined.push(part);
                may_join = true;
            }
        }
    }
    *parts = joined;
}
