//! Threads for runs that do not depend on one another.

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
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

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
}
