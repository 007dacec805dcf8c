//! The books of blame while a run goes on; `blamed.rs` keeps them.

use std::collections::BTreeMap;

use crate::cause::Cause;
use crate::client::group::{ClientGroup, Unit};
use crate::client::replies::{Received, Reply};
use crate::observe::blame::debt::Debt;
use crate::observe::blame::log::Log;
use crate::observe::blame::rows::{Pending, Rows};
use crate::observe::blame::split::Split;
use crate::observe::blame::{Part, is_routine};
use crate::redis::main_thread::MainThread;
use crate::units::Nanos;

/// The main thread's time by cause.
pub(super) type Busy = [Nanos; Cause::COUNT];

/// Blame of a run as it goes on.
#[derive(Clone, Debug)]
pub(super) struct Blaming {
    pub(super) rows: Rows,
    pub(super) measured_from: Nanos,
    /// Replies that clients read later.
    pub(super) pending: Pending,
    /// What was owed when the poll of this turn returned.
    pub(super) debt: Debt,
    pub(super) split: Split,
    pub(super) polled_at: Nanos,
    pub(super) at_poll: Busy,
    /// Main-thread time of executing each unit of this turn, without faults.
    pub(super) cpu: Vec<Nanos>,
    /// Stalls of this turn up to its replies, without the lack of cores, and their sum.
    pub(super) stalls: Vec<(Cause, Nanos)>,
    pub(super) stalled: Nanos,
    /// Commands of this turn.
    pub(super) commands: u64,
    /// By the time at which they could be read and their connection: requests of earlier turns.
    pub(super) marks: BTreeMap<(Nanos, u32), Mark>,
    pub(super) turn: u64,
    /// Requests whose WAIT is not over.
    pub(super) parked: Vec<Parked>,
    /// When those that are released now were, and the sums then.
    pub(super) released: (Nanos, Busy),
    pub(super) watches: bool,
    /// A request may be sent that the poll before could have found: it was under way then, or woke up ([`Log`]).
    pub(super) late: bool,
}

/// The sums when a request could be read, moved on by what happened while it was held back.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    pub(super) routine: Nanos,
    pub(super) busy: Busy,
    /// How long it has been held back, and why.
    pub(super) held: Nanos,
    pub(super) part: Part,
    /// Since when it is held back, and the sums then.
    pub(super) since: Option<(Nanos, Busy)>,
    /// The turn that saw it last.
    pub(super) seen: u64,
}

/// A request whose WAIT is not over: its parts so far, and since when it waits.
#[derive(Clone, Debug)]
pub(super) struct Parked {
    pub(super) connection: u32,
    pub(super) first: u64,
    pub(super) split: Split,
    pub(super) since: Nanos,
}

/// A reply on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    /// What it cost the server.
    pub(super) cost: Nanos,
    pub(super) at: Nanos,
    pub(super) received: Received,
}

impl Blaming {
    pub(super) fn new(measured_from: Nanos, watches: bool, late: bool) -> Self {
        Blaming {
            rows: Rows::default(),
            measured_from,
            pending: Pending::default(),
            debt: Debt::default(),
            split: Split::default(),
            polled_at: 0,
            at_poll: [0; Cause::COUNT],
            cpu: Vec::new(),
            stalls: Vec::new(),
            stalled: 0,
            commands: 0,
            marks: BTreeMap::new(),
            turn: 0,
            parked: Vec::new(),
            released: (0, [0; Cause::COUNT]),
            watches,
            late,
        }
    }

    /// A request is looked for: every turn must be seen.
    pub(super) fn watches(&self) -> bool {
        self.watches
    }

    /// Clients read `replies`, whose parts wait in `pending`.
    pub(super) fn read_all(&mut self, group: &mut ClientGroup, replies: &mut [Reply], commands: u32) {
        let Blaming { rows, pending, measured_from, .. } = self;
        group.read_all(replies, commands, |reply, left_at, came_at| {
            let counts = reply.arrived_at >= *measured_from;
            let number = if counts { (reply.reads + reply.writes) as u64 } else { 0 };
            let back = (reply.at - came_at, came_at - left_at);
            rows.add_pending(pending, number, reply.at - reply.arrived_at, back);
        });
        self.pending.clear();
    }

    /// What a request waited for up to the poll: its routine work is returned.
    fn before(&mut self, log: &Log, unit: &Unit) -> Nanos {
        let split = &mut self.split;
        if let Some(mark) = self.marks.get(&(unit.readable_at, unit.connection)) {
            split.add(mark.part, mark.held);
            for cause in Cause::ALL.into_iter().filter(|&cause| !is_routine(cause)) {
                let span = self.at_poll[cause as usize].wrapping_sub(mark.busy[cause as usize]);
                split.add(Part::Main(cause), span);
            }
            return routine(&self.at_poll) - mark.routine;
        }
        let mut known = 0;
        let (work, asleep) = log.waited(unit.readable_at, |cause, span| {
            split.add(Part::Main(cause), span);
            known += span;
        });
        debug_assert_eq!(asleep, 0, "nobody sleeps over a request");
        let rest = self.polled_at - unit.readable_at - known - work;
        debug_assert!(rest == 0 || self.late, "the log knows what a request waited for");
        split.add(Part::Main(Cause::WakeUp), rest);
        work
    }

    /// Routine work for others goes to what is owed first.
    #[inline(always)]
    pub(super) fn queued(&mut self, work: Nanos) {
        let owed = work.min(self.debt.total());
        let split = &mut self.split;
        split.add(Part::Queue, work - owed);
        self.debt.share(owed, |cause, span| split.add(Part::Main(cause), span));
    }

    /// The parts of a request that this turn answers, from the moment it could be read to its reply.
    #[inline(always)]
    pub(super) fn answered(
        &mut self,
        log: &Log,
        main: &MainThread,
        (turn, read): (Nanos, Nanos),
        place: usize,
        unit: &Unit,
        sent: &Sent,
    ) {
        self.split.clear();
        let before = self.before(log, unit);
        let since = |cause: Cause| main.busy[cause as usize] - self.at_poll[cause as usize];
        let (aof, replicas) = (since(Cause::AofWrite), since(Cause::ReplicaWrite));
        let contention = since(Cause::CoreContention);
        let split = &mut self.split;
        split.add(Part::Main(Cause::CoreContention), contention);
        self.stalls.iter().for_each(|&(cause, span)| split.add(Part::Main(cause), span));
        let command = self.cpu[place];
        use Cause::{AofWrite, Command, EventLoop, Read, ReplicaWrite, Reply};
        let own = [
            (EventLoop, turn),
            (Read, read),
            (Command, command),
            (AofWrite, aof),
            (ReplicaWrite, replicas),
            (Reply, sent.cost),
        ];
        let mut work = before + (sent.at - self.polled_at) - self.stalled - contention;
        for (cause, span) in own {
            split.add(Part::Main(cause), span);
            work -= span;
        }
        self.queued(work);
    }

    /// The sums at the moment at which `unit`, which the last poll found, could be read.
    pub(super) fn mark(&mut self, log: &Log, unit: &Unit) -> &mut Mark {
        let (at_poll, turn) = (&self.at_poll, self.turn);
        let mark = self.marks.entry((unit.readable_at, unit.connection)).or_insert_with(|| {
            let mut busy = *at_poll;
            // Waking the server is in the log and only in part in its sums: what is left may be below zero.
            let (work, _) = log.waited(unit.readable_at, |cause, span| {
                busy[cause as usize] = busy[cause as usize].wrapping_sub(span);
            });
            Mark {
                routine: routine(at_poll) - work,
                busy,
                held: 0,
                part: Part::Queue,
                since: None,
                seen: turn,
            }
        });
        mark.seen = turn;
        mark
    }
}

/// Routine work in `busy`.
pub(super) fn routine(busy: &Busy) -> Nanos {
    let of = Cause::ALL.into_iter().filter(|&cause| is_routine(cause));
    of.map(|cause| busy[cause as usize]).sum()
}
