//! Threads on cores of their own.
//!
//! The generator's takes the last core that it may use and leaves the server where it is: the system keeps a busy server off
//! a core that somebody spins on, and a server that is tied to one core would share it with its own children.

use std::thread;

/// Threads that are at work when a server is: its own, and one for its clients.
const THREADS: usize = 2;

/// Does `work` on as many threads as a server and its clients keep busy, each on a core of its own, as far as there are so
/// many.
pub fn on_busy_cores<T: Send>(work: impl Fn() -> T + Sync) -> Vec<T> {
    let threads = thread::available_parallelism().map_or(1, |cores| cores.get().min(THREADS));
    let on_core = |core| {
        let _pinned = Pinned::to_core_before(core);
        work()
    };
    thread::scope(|scope| {
        let on_core = &on_core;
        let others: Vec<_> = (1..threads).map(|core| scope.spawn(move || on_core(core))).collect();
        let own = on_core(0);
        // A thread that cannot tell has seen nothing.
        std::iter::once(own).chain(others.into_iter().filter_map(|other| other.join().ok())).collect()
    })
}

/// The thread is on one core until this is dropped.
pub struct Pinned {
    #[cfg(target_os = "linux")]
    before: Option<rustix::thread::CpuSet>,
}

impl Pinned {
    /// Ties this thread to the last of its cores, if it has several.
    pub fn to_last_core() -> Self {
        Self::to_core_before(0)
    }

    /// The same to the one `number` before that, if there is one.
    #[cfg(target_os = "linux")]
    fn to_core_before(number: usize) -> Self {
        use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
        let pin = || {
            let before = sched_getaffinity(None).ok().filter(|all| all.count() >= 2)?;
            let core = (0..CpuSet::MAX_CPU).rev().filter(|core| before.is_set(*core)).nth(number)?;
            let mut one = CpuSet::new();
            one.set(core);
            sched_setaffinity(None, &one).ok().map(|()| before)
        };
        Pinned { before: pin() }
    }

    /// Other systems are not asked.
    #[cfg(not(target_os = "linux"))]
    fn to_core_before(_: usize) -> Self {
        Pinned {}
    }
}

#[cfg(target_os = "linux")]
impl Drop for Pinned {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = rustix::thread::sched_setaffinity(None, before);
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use rustix::thread::sched_getaffinity;

    #[test]
    fn the_thread_gets_its_cores_back() {
        let before = sched_getaffinity(None).expect("the system tells");
        let pinned = Pinned::to_last_core();
        assert_eq!(sched_getaffinity(None).expect("the system tells").count(), 1);
        drop(pinned);
        assert_eq!(sched_getaffinity(None).expect("the system tells"), before);
    }
}
