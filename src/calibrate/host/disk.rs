//! The disk under the data folder and the page cache above it: bandwidths, write(2), free space.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::Instant;

use crate::models::unit::Value;
use crate::units::{KIB, MIB};

use super::super::book::{Book, Finding};
use super::super::fit::{Repeats, Row, least_squares, quantile};
use super::super::subject::{CalibrateError, Result};

/// Sizes of one write(2) into the page cache \[bytes\].
const WRITES: [usize; 4] = [128, 4 * KIB as usize, 32 * KIB as usize, 128 * KIB as usize];
/// Bytes written with each size; at least so many calls.
const OF_EACH: usize = 4 * MIB as usize;
const MOST_CALLS: usize = 4000;
/// One write of the sequential writer.
pub(super) const BLOCK: usize = MIB as usize;

/// Says which file could not be written.
pub(super) fn fault(doing: &str) -> impl Fn(io::Error) -> CalibrateError + '_ {
    move |error| CalibrateError::Host(format!("cannot {doing} the file of the disk's measurement"), error)
}

/// A file in `folder` that has no name: gone with its last user, however that ends.
pub(super) fn nameless(folder: &Path) -> Result<File> {
    tempfile::tempfile_in(folder).map_err(fault("make"))
}

/// Bytes that no disk shortens.
pub(super) fn noise_bytes(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes.extend_from_slice(&(state >> 16).to_le_bytes()[..4]);
    }
    bytes.truncate(length);
    bytes
}

/// Sequential bandwidth with `bytes` a repeat, the cost of write(2), and what is free.
///
/// # Errors
/// When the folder cannot be written; a disk that fills up.
pub fn measure(folder: &Path, bytes: usize, repeats: usize, book: &mut Book) -> Result<()> {
    let mut bandwidth = Vec::new();
    for _ in 0..repeats {
        bandwidth.push(sequential(folder, bytes)?);
    }
    let how = format!("{} MiB written in blocks of 1 MiB and synced", bytes / BLOCK);
    book.number_found("disk.bandwidth", Repeats::of(&bandwidth), &how, None);
    let (mut call, mut copy, mut residuals) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..repeats {
        if let Some(fit) = least_squares(&writes(folder)?) {
            call.push(fit.coefficients[0]);
            copy.push(1e9 / fit.coefficients[1]);
            residuals.push(fit.residual);
        }
    }
    let residual = Repeats::of(&residuals).map(|residual| residual.median);
    let how = "write(2) of 128 B to 128 KiB at the end of a new file, medians";
    book.number_found("disk.write", Repeats::of(&call), how, residual);
    book.number_found("disk.page-cache-bandwidth", Repeats::of(&copy).filter(|c| c.low > 0.0), how, residual);
    if let Ok(space) = rustix::fs::statvfs(folder) {
        let free = space.f_bavail as f64 * space.f_frsize as f64;
        let how = "free space of the data folder".to_owned();
        book.found(Finding {
            price: "disk.free",
            value: Value::Number(free),
            range: (0.0, free),
            how,
            residual: None,
        });
    }
    Ok(())
}

/// Bytes a second.
fn sequential(folder: &Path, bytes: usize) -> Result<f64> {
    let mut file = nameless(folder)?;
    let block = noise_bytes(BLOCK);
    let begun = Instant::now();
    for _ in 0..bytes / BLOCK {
        file.write_all(&block).map_err(fault("write"))?;
    }
    file.sync_data().map_err(fault("sync"))?;
    Ok((bytes / BLOCK * BLOCK) as f64 / begun.elapsed().as_secs_f64())
}

/// Median time of a write(2) by its size, as rows of (call, bytes).
fn writes(folder: &Path) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for size in WRITES {
        let mut file = nameless(folder)?;
        let bytes = noise_bytes(size);
        let mut times = Vec::new();
        for _ in 0..(OF_EACH / size).min(MOST_CALLS) {
            let begun = Instant::now();
            file.write_all(&bytes).map_err(fault("write"))?;
            times.push(begun.elapsed().as_nanos() as f64);
        }
        times.sort_by(f64::total_cmp);
        rows.push(Row::new(&[1.0, size as f64], quantile(&times, 0.5).max(1.0)));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_has_prices_and_nothing_is_left_in_its_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut book = Book::new(crate::models::load("two-core-vm").expect("built in"), "today".to_owned());
        measure(folder.path(), 8 * BLOCK, 1, &mut book).expect("it can be written");
        for name in ["disk.bandwidth", "disk.write", "disk.free"] {
            assert!(book.finding(name).is_some(), "{name}: {:?}", book.skipped());
        }
        assert_eq!(std::fs::read_dir(folder.path()).expect("it is there").count(), 0);
        let missing = measure(&folder.path().join("no"), BLOCK, 1, &mut book).expect_err("no such folder");
        assert!(missing.to_string().contains("cannot make the file"), "{missing}");
    }

    #[test]
    fn the_bytes_are_of_the_length_and_do_not_repeat() {
        let bytes = noise_bytes(4099);
        assert_eq!(bytes.len(), 4099);
        assert!(bytes.chunks(16).collect::<std::collections::BTreeSet<_>>().len() > 250);
    }
}
