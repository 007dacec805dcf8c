//! Threads for runs that do not depend on one another.

use std::hint;
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rayon::prelude::*;

/// A pool of worker threads. Each run has one thread; what a run computes does not depend on which.
#[derive(Debug)]
pub struct Pool(rayon::ThreadPool);

impl Pool {
    /// A pool of `jobs` threads; 0 stands for one a core.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub fn new(jobs: usize) -> std::io::Result<Pool> {
        keep_freed_memory();
        let built = rayon::ThreadPoolBuilder::new().num_threads(jobs).build();
        built.map(Pool).map_err(std::io::Error::other)
    }

    /// Number of threads.
    pub fn jobs(&self) -> usize {
        self.0.current_num_threads()
    }

    /// `work(0)` to `work(n - 1)`, in this order whatever finishes first.
    pub fn map<T: Send>(&self, n: usize, work: impl Fn(usize) -> T + Sync + Send) -> Vec<T> {
        // One at a time: runs are long and of unequal length.
        self.0.install(|| (0..n).into_par_iter().with_max_len(1).map(work).collect())
    }

    /// Works through any number of pieces without holding them all. Each thread takes the next piece of `pieces` when it
    /// is free; what `work` makes of it (none: nothing yet) goes to `take` on the calling thread, in the order in which
    /// pieces are finished. `take` is called with none when nothing has come for `tick`.
    ///
    /// Ends early when `stop` is set, which an error of `take` and a panic of `work` do too.
    ///
    /// # Errors
    /// That of `take`.
    pub fn stream<P: Send, T: Send, E>(
        &self,
        pieces: impl Iterator<Item = P> + Send,
        work: impl Fn(P) -> Option<T> + Send + Sync,
        mut take: impl FnMut(Option<T>) -> Result<(), E>,
        tick: Duration,
        stop: &AtomicBool,
    ) -> Result<(), E> {
        let pieces = Mutex::new(pieces);
        let next = || pieces.lock().unwrap_or_else(PoisonError::into_inner).next();
        let (sender, receiver) = mpsc::sync_channel(16 * self.jobs());
        thread::scope(|scope| {
            let threads = scope.spawn(move || {
                self.0.broadcast(|_| {
                    let _guard = StopOnPanic(stop);
                    while !stop.load(Ordering::Relaxed)
                        && let Some(piece) = next()
                    {
                        if work(piece).is_some_and(|done| sender.send(done).is_err()) {
                            break;
                        }
                    }
                });
            });
            let taken = loop {
                let outcome = match receiver.recv_timeout(tick) {
                    Ok(done) => take(Some(done)),
                    Err(RecvTimeoutError::Timeout) => take(None),
                    Err(RecvTimeoutError::Disconnected) => break Ok(()),
                };
                if outcome.is_err() {
                    stop.store(true, Ordering::Relaxed);
                    break outcome;
                }
            };
            // Whoever waits to hand something over is let go.
            drop(receiver);
            if let Err(panic) = threads.join() {
                panic::resume_unwind(panic);
            }
            taken
        })
    }
}

/// Lets short runs reuse the memory of the runs before them.
///
/// Every run allocates some histograms of 300 kB and frees them at its end. glibc then gives the pages back to the system
/// and asks for them again, which takes longer than a short run itself. Its limits rise to twice the largest block that was
/// ever freed by itself (mallopt(3), M_MMAP_THRESHOLD); this block is never touched, so it takes no memory.
fn keep_freed_memory() {
    const LARGEST: usize = 24 << 20;
    drop(hint::black_box(vec![0u8; LARGEST]));
}

/// A broken invariant in one thread ends the others' work too.
struct StopOnPanic<'a>(&'a AtomicBool);

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_order_of_their_index() {
        for jobs in [1, 2, 5] {
            let pool = Pool::new(jobs).expect("threads");
            assert_eq!(pool.jobs(), jobs);
            let squares = pool.map(20, |index| {
                std::thread::sleep(Duration::from_micros(20 - index as u64));
                index * index
            });
            assert_eq!(squares, (0..20).map(|index| index * index).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_stream_hands_over_each_piece_once_and_ends_with_the_error_of_its_taker() {
        let pool = Pool::new(3).expect("threads");
        let tick = Duration::from_millis(5);
        let mut taken = Vec::new();
        let even = |piece: u64| piece.is_multiple_of(2).then_some(piece);
        let all = pool.stream(
            0..1000,
            even,
            |done| {
                taken.extend(done);
                Ok::<(), ()>(())
            },
            tick,
            &AtomicBool::new(false),
        );
        taken.sort_unstable();
        assert_eq!((all, taken), (Ok(()), (0..1000).step_by(2).collect()));

        let stop = AtomicBool::new(false);
        let mut left = 10;
        let take = |_| {
            left -= 1;
            if left == 0 { Err("full") } else { Ok(()) }
        };
        assert_eq!(
            pool.stream(0.., Some::<u64>, take, tick, &stop),
            Err("full"),
            "although pieces never end"
        );
        assert!(stop.into_inner());
    }

    #[test]
    fn a_panic_in_one_thread_ends_an_endless_stream() {
        let pool = Pool::new(2).expect("threads");
        let caught = panic::catch_unwind(panic::AssertUnwindSafe(|| {
            let work = |piece: u64| {
                assert!(piece != 20, "piece 20");
                Some(piece)
            };
            pool.stream(0.., work, |_| Ok::<(), ()>(()), Duration::from_millis(5), &AtomicBool::new(false))
        }));
        assert!(caught.is_err());
    }
}
