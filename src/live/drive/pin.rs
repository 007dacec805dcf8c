//! A thread on a core of its own.
//!
//! The generator's takes the last core that it may use and leaves the server where it is: the system keeps a busy server off a core that
//! somebody spins on, and a server that is tied to one core would share it with its own children.

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
    pub fn to_core_before(number: usize) -> Self {
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
    pub fn to_core_before(_: usize) -> Self {
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
