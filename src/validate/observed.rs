//! What was seen of one run, on a real server or in the simulator: the same fields, so that every figure is worked out by
//! the same code on both sides.

use crate::observe::histogram::Histogram;
use crate::units::{MILLISECOND, Nanos, SECOND};

/// One run of a case. Times count from the start of the load, warm-up included.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Time that was measured: without the warm-up \[ns\].
    pub measured: Nanos,
    /// Commands (of patterns: operations) answered in it.
    pub commands: u64,
    /// Time on a core that the server's main thread took for them \[ns\]; none where nobody can tell.
    pub cpu: Option<Nanos>,
    /// Sojourn of those commands from the time they were meant to be sent \[ns\].
    pub sojourn: Histogram,
    /// Intended time of a request to its being sent, at the median and at P99 \[ns\]: lateness of the generator itself.
    pub lateness: (Nanos, Nanos),
    /// So much of it that quantiles of sojourn are the generator's as well.
    pub is_late: bool,
    /// The run in intervals, warm-up included; empty unless the case looks at an episode.
    pub rows: Vec<Row>,
    /// Children that the server forked, in order.
    pub children: Vec<Child>,
    /// A storm of expiring keys.
    pub storm: Option<Storm>,
    /// Operations of several steps.
    pub pattern: Option<Pattern>,
    /// A replica that attached while the load ran.
    pub resync: Option<Resync>,
    /// Slots that moved.
    pub reshard: Option<Reshard>,
}

/// One interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Its end \[ns\].
    pub at: Nanos,
    /// Commands answered in it.
    pub completed: u64,
    /// Median sojourn of those, and the longest \[ns\]; none when nothing was answered.
    pub sojourn: Option<(Nanos, Nanos)>,
    /// Time on a core of the main thread \[ns\]; none where it was not sampled.
    pub cpu: Option<Nanos>,
}

/// A forked child.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Child {
    /// Start of fork(2) \[ns\].
    pub start: Nanos,
    /// Length of fork(2) as the server tells it \[ns\].
    pub fork: Nanos,
    /// From its start until its parent has noticed its end \[ns\].
    pub duration: Nanos,
}

impl Child {
    /// When its parent had noticed its end \[ns\].
    pub fn end(&self) -> Nanos {
        self.start + self.duration
    }
}

/// Keys that are due at once.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Storm {
    /// The instant at which they are due \[ns\].
    pub start: Nanos,
    /// From then until a tenth of them is left \[ns\].
    pub duration: Nanos,
    /// Share of that time that the main thread spent in the expire cycle, 0 to 1; none where the server does not tell.
    pub thread_share: Option<f64>,
}

/// What operations of several steps did to their keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pattern {
    /// Keys without a time to live at the end.
    pub without_ttl: u64,
    /// Increments that a SET wiped out; none where there is no AOF to tell.
    pub increments_lost: Option<u64>,
}

/// A full resynchronisation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resync {
    /// From the replica's request until it has loaded the snapshot \[ns\].
    pub duration: Nanos,
}

/// Slots that moved between nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reshard {
    /// First slot begun until last one done \[ns\].
    pub duration: Nanos,
    /// Keys that moved.
    pub keys: u64,
    /// `MIGRATE`s.
    pub migrates: u64,
    /// Time in them on the source, all together \[ns\].
    pub migrate_time: Nanos,
    /// `MOVED` that clients met.
    pub moved: u64,
    /// `ASK` that clients met.
    pub asked: u64,
}

/// How far around the end of a child its stall is looked for.
const END_BEFORE: Nanos = SECOND / 10;
const END_AFTER: Nanos = SECOND / 2;
/// How far behind a fork the longest sojourn is looked for: requests that came during it are answered by then.
const FORK_AFTER: Nanos = SECOND;
/// How long before and behind a fork the main thread's time per command is compared.
const BESIDE_FORK: Nanos = SECOND / 2;
/// A request that takes longer than this was delayed by something \[ns\].
pub const DELAYED: Nanos = 2 * MILLISECOND;
/// A backlog has drained when the median is back below so many times what it was before.
const DRAINED: u64 = 2;

impl Observed {
    /// Commands a second; none if nothing was measured.
    pub fn throughput(&self) -> Option<f64> {
        (self.measured > 0).then(|| self.commands as f64 * SECOND as f64 / self.measured as f64)
    }

    /// Main thread's time a command \[ns\].
    pub fn cpu_per_command(&self) -> Option<f64> {
        let commands = (self.commands > 0).then_some(self.commands)?;
        self.cpu.map(|cpu| cpu as f64 / commands as f64)
    }

    /// Share of the measured requests that took longer than 2 ms.
    pub fn share_delayed(&self) -> Option<f64> {
        let longer: u64 =
            self.sojourn.slots().filter(|&(value, _)| value > DELAYED).map(|(_, count)| count).sum();
        (self.sojourn.count() > 0).then(|| longer as f64 / self.sojourn.count() as f64)
    }

    /// Longest sojourn of what was answered during the storm \[ns\].
    pub fn slice(&self) -> Option<Nanos> {
        let storm = self.storm?;
        self.longest_between(storm.start, storm.start + storm.duration)
    }

    fn longest_between(&self, from: Nanos, to: Nanos) -> Option<Nanos> {
        let inside = self.rows.iter().filter(|row| row.at > from && row.at <= to);
        inside.filter_map(|row| row.sojourn).map(|(_, longest)| longest).max()
    }

    /// Longest sojourn of what the first fork delayed \[ns\].
    pub fn stall_height(&self) -> Option<Nanos> {
        let child = self.children.first()?;
        self.longest_between(child.start, child.start + child.fork + FORK_AFTER)
    }

    /// From the first fork until the median is back at about what it was before \[ns\], by whole rows.
    pub fn stall_drain(&self) -> Option<Nanos> {
        let start = self.children.first()?.start;
        let before = self.rows.iter().take_while(|row| row.at <= start).filter_map(|row| row.sojourn);
        let mut medians: Vec<Nanos> = before.map(|(median, _)| median).collect();
        medians.sort_unstable();
        let usual = *medians.get(medians.len() / 2)?;
        let is_slow = |row: &&Row| row.sojourn.is_none_or(|(median, _)| median > DRAINED * usual);
        let behind = || self.rows.iter().skip_while(|row| row.at <= start);
        // The row in which the fork begins may still hold requests answered before it.
        let lead = behind().take(2).position(|row| is_slow(&row))?;
        behind().skip(lead).take_while(is_slow).last().map(|row| row.at - start)
    }

    /// Longest sojourn around the end of the first child \[ns\].
    pub fn end_stall(&self) -> Option<Nanos> {
        let end = self.children.first()?.end();
        self.longest_between(end.saturating_sub(END_BEFORE), end + END_AFTER)
    }

    /// How much more the main thread spends on a command just after the first fork than just before \[ns\].
    ///
    /// The time of the fork itself is left out.
    pub fn cow_slowdown(&self) -> Option<f64> {
        let child = self.children.first()?;
        let forked = child.start + child.fork;
        let before = self.cpu_between(child.start.saturating_sub(BESIDE_FORK), child.start)?;
        let row = self.rows.get(1)?.at - self.rows.first()?.at;
        // The row in which fork(2) returns holds a part of it.
        let after = self.cpu_between(forked + row, forked + row + BESIDE_FORK)?;
        Some(after - before)
    }

    fn cpu_between(&self, from: Nanos, to: Nanos) -> Option<f64> {
        let inside = self.rows.iter().filter(|row| row.at > from && row.at <= to);
        let (mut cpu, mut commands) = (0, 0);
        for row in inside {
            cpu += row.cpu?;
            commands += row.completed;
        }
        (commands > 0).then(|| cpu as f64 / commands as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of a millisecond: 1 ms of sojourn, then a fork at 1 s of 20 ms whose backlog takes 30 ms more.
    fn forked() -> Observed {
        let row = |index: u64| {
            let at = (index + 1) * MILLISECOND;
            let sojourn = match index {
                1000..1020 => None,
                1020..1050 => Some(((1050 - index) * MILLISECOND, (1051 - index) * MILLISECOND)),
                _ => Some((MILLISECOND / 10, MILLISECOND / 5)),
            };
            let (completed, cpu) = match index {
                0..1000 => (10, 100_000),
                1000..1020 => (0, 1_000_000),
                _ => (10, 150_000),
            };
            Row { at, completed, sojourn, cpu: Some(cpu) }
        };
        let child = Child { start: SECOND, fork: 20 * MILLISECOND, duration: 400 * MILLISECOND };
        Observed { rows: (0..2000).map(row).collect(), children: vec![child], ..Observed::default() }
    }

    #[test]
    fn a_stall_has_a_height_a_drain_and_a_slower_time_behind_it() {
        let run = forked();
        assert_eq!(run.stall_height(), Some(31 * MILLISECOND));
        assert_eq!(run.stall_drain(), Some(50 * MILLISECOND), "until the median is below twice what it was");
        assert_eq!(run.cow_slowdown(), Some(5000.0));
        // The end of the child is quiet.
        assert_eq!(run.end_stall(), Some(MILLISECOND / 5));
    }

    #[test]
    fn a_backlog_has_drained_below_twice_the_usual_median() {
        let mut run = forked();
        run.rows[1050].sojourn = Some((MILLISECOND / 4, MILLISECOND / 2));
        assert_eq!(run.stall_drain(), Some(51 * MILLISECOND), "2.5 times is not yet drained");
        run.rows[1050].sojourn = Some((MILLISECOND / 5, MILLISECOND / 2));
        assert_eq!(run.stall_drain(), Some(50 * MILLISECOND));
    }

    #[test]
    fn the_stall_of_the_end_is_looked_for_there_alone() {
        let mut run = forked();
        run.rows[1450].sojourn = Some((MILLISECOND, 7 * MILLISECOND));
        assert_eq!(run.end_stall(), Some(7 * MILLISECOND));
        run.rows[1450].sojourn = None;
        run.rows[1950].sojourn = Some((MILLISECOND, 7 * MILLISECOND));
        assert_eq!(run.end_stall(), Some(MILLISECOND / 5), "too long behind it");
    }

    #[test]
    fn without_a_fork_or_a_measured_command_there_is_no_figure() {
        let run = Observed::default();
        assert_eq!((run.throughput(), run.cpu_per_command(), run.share_delayed()), (None, None, None));
        assert_eq!((run.stall_height(), run.stall_drain(), run.end_stall()), (None, None, None));
    }

    #[test]
    fn a_share_counts_requests_that_took_longer() {
        let mut run =
            Observed { measured: SECOND / 2, commands: 100, cpu: Some(1000), ..Observed::default() };
        run.sojourn.record_n(1_900_000, 75);
        run.sojourn.record_n(2_100_000, 25);
        assert_eq!(run.share_delayed(), Some(0.25));
        assert_eq!((run.throughput(), run.cpu_per_command()), (Some(200.0), Some(10.0)));
    }
}
