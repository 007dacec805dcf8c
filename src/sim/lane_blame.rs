//! Blame in the common turns at low load: what `blamed.rs` does, from the local variables of `alone.rs`.
//!
//! In such turns nothing stalls but copy-on-write faults and the lack of a core. A request that came while the thread slept
//! has waited for it to wake up, one that came before for the turn before; the log is told of that turn only where it
//! matters.

use super::alone::FEW;
use super::blaming::Blaming;
use super::lane::{Lane, Sums, Turned};
use crate::cause::Cause;
use crate::client::group::{ClientGroup, Unit};
use crate::client::replies::Received;
use crate::observe::blame::Part;
use crate::observe::blame::log::{Log, QuietTurn};
use crate::observe::blame::rows::Lean;
use crate::units::{NEVER, Nanos};

/// Where the books of a run are.
type Books<'a> = (&'a mut Option<Box<Log>>, &'a mut Option<Box<Blaming>>);

/// Blame of a run of turns at low load.
#[derive(Default)]
pub(super) struct LaneBlame {
    /// The client's part of the way in, where that is as long as it always is, and where it is not.
    client_in: (Nanos, Nanos),
    way: Nanos,
    /// The last turn.
    last: Option<QuietTurn>,
    /// How long the thread slept before this turn, and when it was woken.
    pub(super) slept: Nanos,
    pub(super) woken_at: Nanos,
    polled_at: Nanos,
    /// What waited for the turn before is in the log.
    in_log: bool,
    /// Time of executing each unit of this turn.
    cpu: [Nanos; FEW],
    pub(super) executed: usize,
    /// Of this turn: faults, the write to the AOF, and its time up to the end of its commands without faults.
    cow: Nanos,
    aof_write: Nanos,
    first: Nanos,
    /// Writes to replicas of the turns before.
    replicas: Nanos,
    /// Of the request that was answered last: what it does not have in common with others, if that is all.
    lean: Option<Lean>,
}

impl LaneBlame {
    /// Of the clients of `group`.
    pub(super) fn new(group: &ClientGroup) -> Self {
        let way = group.way_in();
        LaneBlame { client_in: (group.client_in(way), group.client_in(NEVER)), way, ..LaneBlame::default() }
    }

    /// A unit of this turn was executed.
    #[inline(always)]
    pub(super) fn took(&mut self, cpu: Nanos) {
        self.cpu[self.executed] = cpu;
        self.executed += 1;
    }

    /// Times of executing the units of this turn.
    pub(super) fn cpu(&self) -> &[Nanos] {
        &self.cpu[..self.executed]
    }

    /// The poll has returned at `polled_at`; the first request that it found could be read at `first`. Its turn is one of
    /// those that end here.
    #[inline(always)]
    pub(super) fn begin_turn(&mut self, (log, blame): Books, polled_at: Nanos, first: Nanos, sums: &Sums) {
        (self.polled_at, self.replicas) = (polled_at, sums.replicas);
        let (Some(log), Some(blame)) = (log, blame) else { return };
        self.in_log = false;
        if self.slept > 0 {
            log.debt.clear();
            return blame.debt.clear();
        }
        let lag = polled_at - first;
        match &self.last {
            Some(last) if last.is_plain() => log.owe(lag, &mut blame.debt),
            last => {
                last.iter().for_each(|last| log.set_turn(last));
                log.poll(lag, &mut blame.debt);
                self.in_log = true;
            }
        }
    }

    /// Its commands have been executed, in `span` without faults.
    #[inline(always)]
    pub(super) fn executed(&mut self, turn: &Turned, span: Nanos, aof_write: Nanos) {
        (self.first, self.cow, self.aof_write) = (span, turn.cow, aof_write);
    }

    /// The replies to the unit at `place` were handed to the socket at `sent_at`, which cost `reply`, and have left at `at`.
    #[inline(always)]
    pub(super) fn answered(
        &mut self,
        blame: &mut Option<Box<Blaming>>,
        log: &Option<Box<Log>>,
        (place, unit): (usize, &Unit),
        (sent_at, reply, at): (Nanos, Nanos, Nanos),
        (lane, sums): (&Lane, &Sums),
    ) {
        let (Some(blame), Some(log)) = (blame, log) else { return };
        let replicas = sums.replicas - self.replicas;
        let (command, aof_write, cow) = (self.cpu[place], self.aof_write, self.cow);
        let own = lane.turn + lane.read + command + reply + aof_write + replicas;
        let work = sent_at - self.polled_at - cow - own;
        let queue = self.woken_at.saturating_sub(unit.readable_at) + work;
        let owed = if queue == 0 { 0 } else { blame.debt.total() };
        let late = self.last.is_some_and(|last| unit.readable_at < last.at);
        let way = unit.readable_at - unit.arrived_at;
        let unlike = way != self.way || reply != blame.rows.alike().reply || self.in_log || late;
        if replicas + owed == 0 && !unlike {
            let network = at - sent_at;
            let wake_up = self.polled_at - self.woken_at.max(unit.readable_at);
            let lean = Lean { client: 0, network, wake_up, command, aof_write, cow, queue };
            return match lane.reads_later {
                true => blame.pending.push(lean),
                false => self.lean = Some(lean),
            };
        }
        self.lean = None;
        self.answered_full(blame, log, (place, unit), (work, reply, at - sent_at), replicas, lane);
        if lane.reads_later {
            blame.pending.push_full(&blame.split);
        }
    }

    /// The same with all parts, where there are more than most requests have.
    #[inline(never)]
    fn answered_full(
        &self,
        blame: &mut Blaming,
        log: &Log,
        (place, unit): (usize, &Unit),
        (mut work, reply, transmission): (Nanos, Nanos, Nanos),
        replicas: Nanos,
        lane: &Lane,
    ) {
        let split = &mut blame.split;
        split.clear();
        work += self.woken_at.saturating_sub(unit.readable_at);
        if self.in_log {
            log.waited(unit.readable_at, |cause, span| {
                split.add(Part::Main(cause), span);
                work -= span;
            });
        }
        use Cause::{AofWrite, Command, Cow, EventLoop, Read, ReplicaWrite, Reply, WakeUp};
        if let Some(last) = self.last.filter(|last| unit.readable_at < last.at) {
            // A node's request that was sent when the poll before had returned: the node was waking up.
            split.add(Part::Main(WakeUp), last.at - unit.readable_at);
            work -= last.at - unit.readable_at;
        }
        let way = unit.readable_at - unit.arrived_at;
        let client = if way == self.way { self.client_in.0 } else { self.client_in.1.min(way) };
        split.add(Part::Client, client);
        split.add(Part::Network, way - client + transmission);
        for (cause, span) in [
            (WakeUp, self.polled_at - self.woken_at.max(unit.readable_at)),
            (EventLoop, lane.turn),
            (Read, lane.read),
            (Command, self.cpu[place]),
            (Reply, reply),
            (AofWrite, self.aof_write),
            (ReplicaWrite, replicas),
            (Cow, self.cow),
        ] {
            split.add(Part::Main(cause), span);
        }
        blame.queued(work);
    }

    /// The client reads the replies to `unit`, which left at `at`.
    #[inline(always)]
    pub(super) fn read(&self, blame: &mut Option<Box<Blaming>>, unit: &Unit, at: Nanos, received: Received) {
        let Some(blame) = blame else { return };
        let Received { came_at, read_at } = received;
        let (number, sojourn) = ((unit.reads + unit.writes) as u64, read_at - unit.arrived_at);
        if unit.arrived_at < blame.measured_from || number == 0 {
            return;
        }
        let (client, network) = (read_at - came_at, came_at - at);
        match self.lean {
            Some(lean) => {
                let lean = Lean { client, network: lean.network + network, ..lean };
                blame.rows.add_lean(number, sojourn, &lean);
            }
            None => {
                blame.split.add(Part::Network, network);
                blame.split.add(Part::Client, client);
                blame.rows.add(number, sojourn, &mut blame.split);
            }
        }
    }

    /// The turn ends at `now`.
    #[inline(always)]
    pub(super) fn end_turn(&mut self, now: Nanos) {
        let (at, first) = (self.polled_at, self.first);
        let rest = now - at - first - self.cow;
        self.last = Some(QuietTurn { at, first, cow: self.cow, rest });
    }

    /// The run of turns is over; the poll of one that `goes_on` elsewhere has returned at `now`.
    pub(super) fn leave(&self, log: &mut Option<Box<Log>>, goes_on: bool, now: Nanos) {
        let Some(log) = log else { return };
        self.last.iter().for_each(|last| log.set_turn(last));
        if goes_on {
            log.sleep(self.woken_at - self.slept, self.slept);
            log.add(self.woken_at, Cause::WakeUp, now - self.woken_at);
        }
    }
}
