//! What the main thread did since the poll before the last, and the one before that: enough to say what a request waited for.
//!
//! Whatever could be read at a poll is taken by it, so a request has waited for that turn and the one before only. Routine
//! work in a row is one segment, so that a turn leaves a few of them, however many requests it answered.

use super::debt::Debt;
use super::life::Detail;
use super::{is_routine, is_stall};
use crate::cause::Cause;
use crate::units::Nanos;

/// Work of the main thread as requests see it.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// Up to the last poll, from the one before; and the same of that one. A node of a cluster may have polled just before
    /// a request was sent that it could have read then.
    before: Vec<Segment>,
    older: Vec<Segment>,
    /// Since the last poll.
    now: Vec<Segment>,
    /// What stalls owe.
    pub debt: Debt,
    /// Every span by itself, where somebody wants to see them.
    pub detail: Option<Box<Detail>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Segment {
    from: Nanos,
    until: Nanos,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Routine work.
    Work,
    /// Anything else.
    Of(Cause),
    /// The thread slept.
    Asleep,
}

/// A turn of routine work, as the fast path knows it: its segments from the poll at `at` on.
#[derive(Clone, Copy, Debug, Default)]
pub struct QuietTurn {
    /// Its poll.
    pub at: Nanos,
    /// Up to the end of the commands.
    pub first: Nanos,
    /// Copy-on-write faults.
    pub cow: Nanos,
    /// From there to the end.
    pub rest: Nanos,
}

impl QuietTurn {
    /// It holds no stall.
    #[inline(always)]
    pub fn is_plain(&self) -> bool {
        self.cow == 0
    }
}

impl Log {
    /// The thread takes `span` on account of `cause` at `at`.
    #[inline(never)]
    pub fn add(&mut self, at: Nanos, cause: Cause, span: Nanos) {
        if span == 0 {
            return;
        }
        if is_stall(cause) {
            self.debt.add(cause, span);
        }
        self.push(at, span, if is_routine(cause) { Kind::Work } else { Kind::Of(cause) });
        if let Some(detail) = &mut self.detail {
            detail.add(at, Some(cause), span);
        }
    }

    /// The thread sleeps for `span` at `at`.
    #[inline(never)]
    pub fn sleep(&mut self, at: Nanos, span: Nanos) {
        if span > 0 {
            self.debt.clear();
            self.push(at, span, Kind::Asleep);
            if let Some(detail) = &mut self.detail {
                detail.add(at, None, span);
            }
        }
    }

    fn push(&mut self, at: Nanos, span: Nanos, kind: Kind) {
        match self.now.last_mut() {
            Some(last) if last.kind == kind => last.until += span,
            _ => self.now.push(Segment { from: at, until: at + span, kind }),
        }
    }

    /// A poll has returned; the oldest request that it found has waited for `lag` \[ns\]. `owed` becomes the debt up to
    /// then, which its requests are charged with.
    #[inline(always)]
    pub fn poll(&mut self, lag: Nanos, owed: &mut Debt) {
        std::mem::swap(&mut self.older, &mut self.before);
        std::mem::swap(&mut self.before, &mut self.now);
        self.now.clear();
        self.owe(lag, owed);
    }

    /// The part of [`poll`](Self::poll) that concerns the debt.
    #[inline(always)]
    pub fn owe(&mut self, lag: Nanos, owed: &mut Debt) {
        if self.debt.total() == 0 {
            return owed.clear();
        }
        owed.clone_from(&self.debt);
        self.debt.cap(lag);
    }

    /// The last turn was `turn`, which [`add`](Self::add) was not told of. It counts as what happened since the last poll.
    #[inline(always)]
    pub fn set_turn(&mut self, turn: &QuietTurn) {
        self.now.clear();
        self.push(turn.at, turn.first, Kind::Work);
        if turn.cow > 0 {
            self.push(turn.at + turn.first, turn.cow, Kind::Of(Cause::Cow));
            self.debt.add(Cause::Cow, turn.cow);
        }
        if turn.rest > 0 {
            self.push(turn.at + turn.first + turn.cow, turn.rest, Kind::Work);
        }
    }

    /// What the thread did from `from` to the last poll: routine work is returned, and so is time asleep; `each` is told of
    /// everything else.
    #[inline(always)]
    pub fn waited(&self, from: Nanos, mut each: impl FnMut(Cause, Nanos)) -> (Nanos, Nanos) {
        let (mut work, mut asleep) = (0, 0);
        let segments = self.before.iter().rev().chain(self.older.iter().rev());
        for segment in segments.take_while(|segment| segment.until > from) {
            let span = segment.until - segment.from.max(from);
            match segment.kind {
                Kind::Of(cause) => each(cause, span),
                Kind::Asleep => asleep += span,
                Kind::Work => work += span,
            }
        }
        (work, asleep)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Work of 80 with a wait of 20 for a core in it, a fork of 50, work of 10, asleep for 5, waking for 7.
    fn log() -> Log {
        let mut log = Log::default();
        log.add(1000, Cause::EventLoop, 30);
        log.add(1030, Cause::CoreContention, 20);
        log.add(1050, Cause::Command, 50);
        log.add(1100, Cause::Fork, 50);
        log.add(1150, Cause::Reply, 10);
        log.sleep(1160, 5);
        log.add(1165, Cause::WakeUp, 7);
        log
    }

    /// What the requests of a poll are charged with.
    fn poll(log: &mut Log, lag: Nanos) -> Nanos {
        let mut owed = Debt::default();
        log.poll(lag, &mut owed);
        owed.total()
    }

    fn waited(log: &Log, from: Nanos) -> (Nanos, Nanos, Vec<(Cause, Nanos)>) {
        let mut others = Vec::new();
        let (work, asleep) = log.waited(from, |cause, span| others.push((cause, span)));
        (work, asleep, others)
    }

    #[test]
    fn what_was_waited_for_adds_up_to_the_time() {
        let mut log = log();
        poll(&mut log, 0);
        use Cause::{CoreContention, Fork, WakeUp};
        let all = vec![(WakeUp, 7), (Fork, 50), (CoreContention, 20)];
        assert_eq!(waited(&log, 1000), (90, 5, all));
        assert_eq!(waited(&log, 1166), (0, 0, vec![(WakeUp, 6)]));
        assert_eq!(waited(&log, 1120), (10, 5, vec![(WakeUp, 7), (Fork, 30)]));
        assert_eq!(waited(&log, 1040), (60, 5, vec![(WakeUp, 7), (Fork, 50), (CoreContention, 10)]));
        for from in 1000..1172 {
            let (work, asleep, others) = waited(&log, from);
            assert_eq!(work + asleep + others.iter().map(|other| other.1).sum::<Nanos>(), 1172 - from);
        }
        log.add(1172, Cause::Read, 3);
        poll(&mut log, 0);
        assert_eq!(waited(&log, 1120), (13, 5, vec![(WakeUp, 7), (Fork, 30)]));
        poll(&mut log, 0);
        assert_eq!(waited(&log, 1172), (3, 0, vec![]));
    }

    #[test]
    fn stalls_owe_until_the_thread_sleeps_or_has_caught_up() {
        let mut log = Log::default();
        log.add(0, Cause::Fork, 100);
        log.add(100, Cause::Command, 30);
        assert_eq!((poll(&mut log, 60), log.debt.total()), (100, 60));
        log.add(130, Cause::HostNoise, 5);
        assert_eq!((poll(&mut log, 65), log.debt.of(Cause::HostNoise)), (65, 5));
        log.add(135, Cause::WakeUp, 9);
        assert_eq!(poll(&mut log, 0), 65);
        assert_eq!(log.debt.total(), 0);
        log.add(144, Cause::Fork, 4);
        log.sleep(148, 1);
        assert_eq!(log.debt.total(), 0);
    }

    #[test]
    fn a_quiet_turn_is_what_its_charges_are() {
        let mut charged = Log::default();
        let (mut at, mut of) = (500, [0; Cause::COUNT]);
        for (cause, span) in [
            (Cause::EventLoop, 3),
            (Cause::Read, 4),
            (Cause::Command, 9),
            (Cause::Cow, 6),
            (Cause::AofWrite, 8),
            (Cause::Reply, 5),
        ] {
            charged.add(at, cause, span);
            (at, of[cause as usize]) = (at + span, span);
        }
        let mut quiet = Log::default();
        let turn = QuietTurn { at: 500, first: 16, cow: 6, rest: 13 };
        quiet.set_turn(&turn);
        assert!(!turn.is_plain());
        assert_eq!(quiet.now, charged.now);
        assert_eq!(quiet.debt.of(Cause::Cow), charged.debt.of(Cause::Cow));
        assert_eq!(quiet.debt.total(), charged.debt.total());
    }
}
