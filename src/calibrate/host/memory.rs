//! Getting memory, giving it back, and moving it: a process that does nothing else.

use std::hint::black_box;
use std::time::Instant;

use crate::units::{GIB, KIB, MIB};

use super::super::book::Book;
use super::super::fit::Repeats;

/// Bytes of a page.
const PAGE: usize = 4 * KIB as usize;
/// Bytes that are moved at once: more than any cache holds.
const MOVED: usize = 128 * MIB as usize;

/// Touches, frees and moves `bytes`, `repeats` times.
pub fn measure(bytes: usize, repeats: usize, book: &mut Book) {
    let (mut touch, mut free, mut copy) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..repeats {
        // Zeroed memory comes as a mapping that nobody has touched.
        let mut memory = vec![0u8; bytes];
        let begun = Instant::now();
        for page in memory.chunks_mut(PAGE) {
            page[0] = 1;
        }
        touch.push(begun.elapsed().as_nanos() as f64 / (bytes / PAGE) as f64);
        black_box(&memory);
        if bytes >= 2 * MOVED {
            let begun = Instant::now();
            memory.copy_within(..MOVED, MOVED);
            copy.push(MOVED as f64 / begun.elapsed().as_secs_f64());
            black_box(&memory);
        }
        let begun = Instant::now();
        drop(memory);
        free.push(begun.elapsed().as_nanos() as f64 / (bytes as f64 / MIB as f64));
    }
    let gib = bytes as f64 / GIB as f64;
    let how = |what: &str| format!("{what} a fresh mapping of {gib:.2} GiB in a process of our own");
    book.number_found("memory.first-touch", Repeats::of(&touch), &how("touching each page of"), None);
    book.number_found("memory.free-per-mib", Repeats::of(&free), &how("giving back"), None);
    book.number_found("memory.memmove-bandwidth", Repeats::of(&copy), &how("moving 128 MiB within"), None);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_has_plausible_prices_on_any_machine() {
        let mut book = Book::new(crate::models::load("two-core-vm").expect("built in"), "today".to_owned());
        measure(2 * MOVED, 2, &mut book);
        assert_eq!(book.findings().len(), 3, "{:?}", book.skipped());
        // From a page that is at hand to one that a busy host has to find; memory of one channel and of a dozen.
        assert!((20.0..100_000.0).contains(&book.number("memory.first-touch")));
        assert!((50e6..100e9).contains(&book.number("memory.memmove-bandwidth")));
    }
}
