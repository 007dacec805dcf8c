//! fdatasync: how long it takes alone, beside a writer, by size, and whether write(2) of the same file waits for it.

use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::dist::Dist;
use crate::models::unit::{QUANTILES, Value};
use crate::units::{KIB, MIB};

use super::super::book::{Book, Finding};
use super::super::fit::{Repeats, Row, least_squares, quantile};
use super::super::subject::Result;
use super::disk::{BLOCK, fault, nameless, noise_bytes};

/// Bytes that are appended before an fdatasync of the distribution.
const APPENDED: usize = 4 * KIB as usize;
/// Sizes whose medians give the price of a KiB \[bytes\].
const SIZES: [usize; 4] = [4 * KIB as usize, 64 * KIB as usize, 512 * KIB as usize, 2 * MIB as usize];
/// Samples of each of them.
const OF_EACH: usize = 12;
/// Blocks between two syncs of the competing writer.
const BLOCKS_A_SYNC: usize = 8;
/// Trials of a write(2) during an fdatasync, and the bytes of that.
const TRIALS: usize = 7;
const TRIAL_BYTES: usize = 32 * MIB as usize;
/// A sync shorter than this proves nothing.
const LONG_ENOUGH: Duration = Duration::from_millis(4);
/// Quantiles of a file, and the samples that each needs.
const KEPT: [(f64, usize); 6] = [(0.0, 1), (0.1, 20), (0.5, 3), (0.9, 30), (0.99, 200), (0.999, 3000)];

/// CPU time of this thread so far \[ns\].
fn cpu() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// Samples \[ns\] of appending and syncing, one after the other.
fn samples(folder: &Path, bytes: usize, count: usize, go_on: &mut dyn FnMut() -> bool) -> Result<Vec<f64>> {
    let mut file = nameless(folder)?;
    let bytes = noise_bytes(bytes);
    let mut times = Vec::with_capacity(count);
    while times.len() < count && go_on() {
        file.write_all(&bytes).map_err(fault("write"))?;
        let begun = Instant::now();
        file.sync_data().map_err(fault("sync"))?;
        times.push(begun.elapsed().as_nanos() as f64);
    }
    Ok(times)
}

/// Quantiles that so many samples know, the largest of them in place of the first that they do not.
pub fn spread(mut samples: Vec<f64>) -> Option<Dist> {
    samples.sort_by(f64::total_cmp);
    let most = *samples.last()?;
    let known = KEPT.iter().filter(|kept| samples.len() >= kept.1);
    let mut points: Vec<(f64, f64)> =
        known.map(|kept| (kept.0, quantile(&samples, kept.0).round())).collect();
    points[0].1 = samples[0].round();
    // The largest of n samples stands near the quantile 1 − 1/n.
    let rare = QUANTILES
        .iter()
        .map(|known| known.1)
        .find(|q| *q > points[points.len() - 1].0 && *q >= 1.0 - 2.0 / samples.len() as f64);
    points.extend(rare.map(|q| (q, most.round())));
    (points.len() >= 2).then_some(Dist::Quantiles(points))
}

/// Ratio of the medians of two halves, as factors around the whole.
fn halves(samples: &[f64]) -> (f64, f64) {
    let median = |part: &[f64]| Repeats::of(part).map_or(1.0, |repeats| repeats.median);
    let all = median(samples).max(1.0);
    let parts = samples.chunks(samples.len().div_ceil(4).max(1)).map(|part| median(part) / all);
    let (low, high) = parts.fold((1.0, 1.0), |(low, high), part| (f64::min(low, part), f64::max(high, part)));
    ((low * 1e3).floor() / 1e3, (high * 1e3).ceil() / 1e3)
}

fn tell(price: &'static str, samples: Vec<f64>, how: &str, book: &mut Book) {
    let (range, count) = (halves(&samples), samples.len());
    match spread(samples) {
        Some(dist) => {
            let how = format!("{count} samples, {how}; the last quantile is the longest");
            book.found(Finding { price, value: Value::Spread(dist), range, how, residual: None });
        }
        None => book.skip(price, "too few samples"),
    }
}

/// Runs all, `alone` samples without and `beside` samples beside a writer.
///
/// # Errors
/// When the folder cannot be written.
pub fn measure(
    folder: &Path,
    (alone, beside): (usize, usize),
    go_on: &mut dyn FnMut() -> bool,
    book: &mut Book,
) -> Result<()> {
    let how = "4 KiB appended and synced, back to back";
    let begun = cpu();
    let times = samples(folder, APPENDED, alone, go_on)?;
    let write = book.number("disk.write");
    let each = Repeats::of(&[(cpu() - begun) / times.len().max(1) as f64]).map(|each| each.less(write));
    tell("disk.fdatasync", times, how, book);
    let how = "CPU of the thread that appends 4 KiB and syncs, less disk.write";
    book.number_found("disk.fdatasync-cpu", each, how, None);
    let mut rows = Vec::new();
    for size in SIZES {
        if let Some(median) = Repeats::of(&samples(folder, size, OF_EACH, go_on)?) {
            let kib = (size - SIZES[0]) as f64 / KIB as f64;
            rows.push(Row::new(&[1.0, kib], median.median));
        }
    }
    let fit = least_squares(&rows);
    let slope = fit.as_ref().and_then(|fit| Repeats::of(&[fit.coefficients[1]]));
    let how = "medians of 12 fdatasyncs of 4 KiB to 2 MiB";
    book.number_found("disk.fdatasync-per-kib", slope, how, fit.map(|fit| fit.residual));
    let busy = beside_writer(folder, beside, go_on)?;
    tell("disk.fdatasync-busy", busy, "the same beside a writer at full speed", book);
    waits(folder, go_on, book)
}

/// Samples while another thread writes another file as fast as it can.
fn beside_writer(folder: &Path, count: usize, go_on: &mut dyn FnMut() -> bool) -> Result<Vec<f64>> {
    let stop = AtomicBool::new(false);
    let mut other = nameless(folder)?;
    std::thread::scope(|threads| {
        let writer = threads.spawn(|| -> std::io::Result<()> {
            use std::io::Seek;
            let block = noise_bytes(BLOCK);
            let mut blocks = 0;
            while !stop.load(Ordering::Relaxed) {
                other.write_all(&block)?;
                blocks += 1;
                if blocks % BLOCKS_A_SYNC == 0 {
                    other.sync_data()?;
                }
                // The same 256 MiB again: the disk must not fill up.
                if blocks % 256 == 0 {
                    other.rewind()?;
                }
            }
            Ok(())
        });
        let times = samples(folder, APPENDED, count, go_on);
        stop.store(true, Ordering::Relaxed);
        match writer.join() {
            Ok(written) => written.map_err(fault("write"))?,
            Err(panic) => std::panic::resume_unwind(panic),
        }
        times
    })
}

/// Whether a write(2) that comes during an fdatasync of its file returns only when that is done.
fn waits(folder: &Path, go_on: &mut dyn FnMut() -> bool, book: &mut Book) -> Result<()> {
    const PRICE: &str = "disk.write-waits-for-fdatasync";
    let (mut waited, mut trials) = (0, 0);
    let bytes = noise_bytes(TRIAL_BYTES);
    for _ in 0..TRIALS {
        if !go_on() {
            break;
        }
        let mut file = nameless(folder)?;
        file.write_all(&bytes).map_err(fault("write"))?;
        let syncing = file.try_clone().map_err(fault("open"))?;
        let (write, sync) = std::thread::scope(|threads| {
            let begun = Instant::now();
            let sync = threads.spawn(move || syncing.sync_data().map(|()| begun.elapsed()));
            std::thread::sleep(LONG_ENOUGH / 4);
            let (started, written) = (begun.elapsed(), file.write_all(&bytes[..128]));
            let ended = begun.elapsed();
            let sync = sync.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            (written.map(|()| (started, ended)), sync)
        });
        let ((started, ended), sync) = (write.map_err(fault("write"))?, sync.map_err(fault("sync"))?);
        if sync < LONG_ENOUGH || started * 2 > sync {
            continue;
        }
        trials += 1;
        // Most of what was left of the sync.
        waited += usize::from(ended - started > (sync - started) * 3 / 4);
    }
    if trials < 3 {
        book.skip(PRICE, "fdatasyncs of 32 MiB are too short here to tell");
        return Ok(());
    }
    let how = format!(
        "{waited} of {trials} write(2)s during an fdatasync of 32 MiB of the same file waited for it"
    );
    let value = Value::Switch(2 * waited > trials);
    book.found(Finding { price: PRICE, value, range: (1.0, 1.0), how, residual: None });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_has_the_quantiles_that_its_samples_know() {
        let ramp = |count: usize| spread((1..=count).map(|n| n as f64).collect());
        let points = |count| match ramp(count) {
            Some(Dist::Quantiles(points)) => points,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            points(1000),
            [(0.0, 1.0), (0.1, 100.0), (0.5, 500.0), (0.9, 900.0), (0.99, 990.0), (0.999, 1000.0)]
        );
        assert_eq!(points(10_000).last(), Some(&(0.9999, 10_000.0)));
        assert_eq!(points(4), [(0.0, 1.0), (0.5, 2.0), (0.75, 4.0)]);
        assert_eq!(spread(Vec::new()), None);
    }

    #[test]
    fn syncs_are_measured_and_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut book = Book::new(crate::models::load("two-core-vm").expect("built in"), "today".to_owned());
        measure(folder.path(), (25, 10), &mut || true, &mut book).expect("it can be written");
        for name in ["disk.fdatasync", "disk.fdatasync-busy"] {
            assert!(book.finding(name).is_some(), "{name}: {:?}", book.skipped());
        }
        let stopped = samples(folder.path(), APPENDED, 1000, &mut || false).expect("it can be written");
        assert!(stopped.is_empty());
    }
}
