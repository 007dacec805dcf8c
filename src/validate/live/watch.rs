//! Watches a server of this machine from outside while it is under load, by `/proc` alone: the server does nothing for it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::live::process::{MainThread, child_of};
use crate::units::Nanos;
use crate::validate::observed::{Child, Row};

/// Between two looks. Each takes a core some ten microseconds, which a server of two cores would feel if they were many.
const LOOK: Duration = Duration::from_millis(4);

/// How long a child may go on after the run.
const PATIENCE: Duration = Duration::from_secs(60);

/// A thread that looks on.
pub struct Watcher {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Seen>,
}

/// What it has seen.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Time on a core of the main thread so far, by when that was.
    pub cpu: Vec<(Instant, Nanos)>,
    /// Children: first seen, and gone: their parent had noticed their end.
    pub children: Vec<(Instant, Instant)>,
}

impl Watcher {
    /// Watches the server of process `pid` until told to stop.
    pub fn start(pid: u32) -> Watcher {
        let over = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&over);
        let thread = thread::spawn(move || watch(pid, &until));
        Watcher { over, thread }
    }

    /// Stops it, once the child that runs has ended.
    pub fn stop(self) -> Seen {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}

fn watch(pid: u32, over: &AtomicBool) -> Seen {
    let (mut seen, mut current) = (Seen::default(), None);
    let mut told_at = None;
    loop {
        let now = Instant::now();
        if over.load(Ordering::Relaxed) {
            let since = *told_at.get_or_insert(now);
            if current.is_none() || now - since > PATIENCE {
                break;
            }
        }
        if let Ok(cpu) = MainThread::of(pid).cpu_ns() {
            seen.cpu.push((now, cpu));
        }
        // One that has ended is there until its parent has noticed, which is when the parent does what is to be done then.
        let is_there = |child: &u32| Path::new(&format!("/proc/{child}")).exists();
        let child = current.filter(is_there).or_else(|| child_of(pid));
        if child != current {
            if current.is_some()
                && let Some(last) = seen.children.last_mut()
            {
                last.1 = now;
            }
            if child.is_some() {
                seen.children.push((now, now));
            }
            current = child;
        }
        thread::sleep(LOOK);
    }
    seen
}

impl Seen {
    /// Time on a core of the main thread up to `at`, by equal steps between two looks; none outside of them.
    pub fn cpu_at(&self, at: Instant) -> Option<f64> {
        let behind = self.cpu.partition_point(|look| look.0 <= at);
        let (before, after) = (self.cpu.get(behind.checked_sub(1)?)?, self.cpu.get(behind)?);
        let share = (at - before.0).as_secs_f64() / (after.0 - before.0).as_secs_f64();
        Some(before.1 as f64 + share * (after.1 - before.1) as f64)
    }

    /// Gives `rows`, whose times count from `start` and whose length is `length`, the main thread's time.
    pub fn lay_cpu(&self, rows: &mut [Row], start: Instant, length: Nanos) {
        for row in rows {
            let at = |nanos: Nanos| self.cpu_at(start + Duration::from_nanos(nanos));
            let both = at(row.at.saturating_sub(length)).zip(at(row.at));
            row.cpu = both.map(|(before, after)| (after - before) as Nanos);
        }
    }

    /// The children that ended, in the time that counts from `start`; `fork` is the length of the last fork(2) \[ns\].
    ///
    /// The first was forked at `told`, if it was told to be; otherwise, a child is there for others when fork(2) is
    /// nearly over.
    pub fn children_since(&self, start: Instant, fork: Nanos, told: Option<Nanos>) -> Vec<Child> {
        let ended = self.children.iter().filter(|child| child.1 > child.0);
        let mut told = told;
        let child = |child: &(Instant, Instant)| {
            let seen = (child.0 - start).as_nanos() as Nanos;
            let start = told.take().filter(|told| *told <= seen).unwrap_or(seen.saturating_sub(fork));
            let duration = (child.1 - child.0).as_nanos() as Nanos + seen - start;
            Child { start, fork, duration }
        };
        ended.filter(|child| child.0 >= start).map(child).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::MILLISECOND;

    #[test]
    fn time_on_a_core_is_shared_out_among_rows() {
        let start = Instant::now();
        let look = |ms, cpu| (start + Duration::from_millis(ms), cpu);
        let seen = Seen { cpu: vec![look(0, 0), look(10, 4000), look(30, 6000)], children: vec![] };
        let row = |ms| Row { at: ms * MILLISECOND, ..Row::default() };
        let mut rows = [row(5), row(10), row(15), row(40)];
        seen.lay_cpu(&mut rows, start, 5 * MILLISECOND);
        assert_eq!(rows.map(|row| row.cpu), [Some(2000), Some(2000), Some(500), None]);
    }

    #[test]
    fn a_child_begins_with_its_fork_and_counts_once_it_is_gone() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let seen = Seen { cpu: vec![], children: vec![(at(100), at(300)), (at(400), at(400))] };
        let children = |told| seen.children_since(start, 20 * MILLISECOND, told);
        let fork = 20 * MILLISECOND;
        let wanted = Child { start: 80 * MILLISECOND, fork, duration: 220 * MILLISECOND };
        assert_eq!(children(None), [wanted]);
        let told = Child { start: 75 * MILLISECOND, fork, duration: 225 * MILLISECOND };
        assert_eq!(children(Some(75 * MILLISECOND)), [told]);
    }
}
