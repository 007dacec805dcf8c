//! Blame within the turns: what each request waited for, from the books of the main thread (`observe/blame.rs` says what
//! goes where).
//!
//! Between the moment a request can be read and its reply the main thread's time is known by cause: from the log for the
//! turn before, from the difference of its sums for the turn that answers. A request that is left for a later turn, or held
//! back, has a mark: the sums as they stood when it could be read.

use super::blaming::{Blaming, Parked, Sent, routine};
use super::run::Simulation;
use super::turn::Probe;
use crate::cause::Cause;
use crate::client::group::Unit;
use crate::client::replies::Received;
use crate::observe::blame::life::{Detail, Life, Times, Watch};
use crate::observe::blame::log::Log;
use crate::observe::blame::rows::Alike;
use crate::observe::blame::{Part, is_routine, is_stall};
use crate::units::Nanos;

impl<P: Probe> Simulation<P> {
    /// From now on requests are blamed; the one that `watch` looks for is traced.
    pub(crate) fn begin_blame(&mut self, watch: Option<Watch>) {
        self.blame = Some(Box::new(Blaming::new(self.warmup, watch.is_some(), self.member.is_some())));
        if let (Some(blame), Some(group)) = (&mut self.blame, self.groups.first()) {
            let (way, cpu) = (group.way_in(), &self.server.prices.cpu);
            let client = group.client_in(way);
            blame.rows.set_alike(Alike {
                client,
                network: way - client,
                event_loop: cpu.turn,
                read: cpu.read,
                reply: cpu.write,
            });
        }
        let mut log = Log::default();
        log.detail = watch.map(|watch| Box::new(Detail::new(watch)));
        self.server.main.log = Some(Box::new(log));
    }

    /// The request that was looked for, once it has been answered.
    pub(crate) fn traced(&mut self) -> Option<Life> {
        self.server.main.log.as_mut()?.detail.as_mut()?.life.take()
    }

    /// The poll has returned what is in `units`.
    #[inline(always)]
    pub(super) fn blame_poll(&mut self, polled_at: Nanos) {
        if self.blame.is_some() {
            self.poll_blamed(polled_at);
        }
    }

    #[inline(never)]
    fn poll_blamed(&mut self, polled_at: Nanos) {
        let main = &mut self.server.main;
        let (Some(blame), Some(log)) = (&mut self.blame, &mut main.log) else { return };
        let held = |unit: &Unit| match blame.marks.get(&(unit.readable_at, unit.connection)) {
            Some(mark) => unit.readable_at + mark.held,
            None => unit.readable_at,
        };
        let first = match blame.marks.is_empty() {
            true => self.units.iter().map(|unit| unit.readable_at).min(),
            false => self.units.iter().map(held).min(),
        };
        log.poll(first.map_or(0, |first| polled_at - first), &mut blame.debt);
        (blame.polled_at, blame.at_poll) = (polled_at, main.busy);
        blame.turn += 1;
        blame.cpu.clear();
        blame.commands = self.units.iter().map(|unit| unit.commands as u64).sum();
        if !blame.marks.is_empty() {
            let (turn, units) = (blame.turn, &self.units);
            for unit in units {
                if let Some(mark) = blame.marks.get_mut(&(unit.readable_at, unit.connection)) {
                    mark.seen = turn;
                }
            }
            blame.marks.retain(|_, mark| mark.seen == turn || mark.since.is_some());
        }
    }

    /// What this turn found and leaves for the next.
    #[cold]
    pub(super) fn blame_left(&mut self) {
        let (Some(blame), Some(log)) = (&mut self.blame, &self.server.main.log) else { return };
        for unit in &self.backlog {
            blame.mark(log, unit);
        }
    }

    /// `unit`, which this turn found, is held back from now on; `part` says why.
    #[cold]
    pub(super) fn blame_held(&mut self, units: &[Unit], part: Part) {
        let main = &self.server.main;
        let (Some(blame), Some(log)) = (&mut self.blame, &main.log) else { return };
        for unit in units {
            let mark = blame.mark(log, unit);
            if mark.since.is_none() {
                (mark.part, mark.since) = (part, Some((main.now, main.busy)));
            }
        }
    }

    /// `units` are held back no longer.
    #[cold]
    pub(super) fn blame_released(&mut self, units: &[Unit]) {
        let main = &self.server.main;
        let Some(blame) = &mut self.blame else { return };
        for unit in units {
            let Some(mark) = blame.marks.get_mut(&(unit.readable_at, unit.connection)) else { continue };
            let Some((since, busy)) = mark.since.take() else { continue };
            mark.held += main.now - since;
            mark.routine += routine(&main.busy) - routine(&busy);
            let spent = main.busy.iter().zip(&busy).map(|(now, then)| now - then);
            mark.busy.iter_mut().zip(spent).for_each(|(sum, span)| *sum = sum.wrapping_add(span));
        }
    }

    /// The turn comes to its replies: there are no more stalls in it, but for a lack of cores.
    #[inline(always)]
    pub(super) fn blame_flushed(&mut self) {
        if self.blame.is_some() {
            self.flush_blamed();
        }
    }

    #[inline(never)]
    fn flush_blamed(&mut self) {
        let main = &self.server.main;
        let Some(blame) = &mut self.blame else { return };
        blame.stalls.clear();
        let others =
            Cause::ALL.into_iter().filter(|&cause| is_stall(cause) && cause != Cause::CoreContention);
        let spans = others.map(|cause| (cause, main.busy[cause as usize] - blame.at_poll[cause as usize]));
        blame.stalls.extend(spans.filter(|span| span.1 > 0));
        blame.stalled = blame.stalls.iter().map(|stall| stall.1).sum();
    }

    /// The commands of the unit at `place` have their reply.
    #[inline(always)]
    pub(super) fn blame_answered(&mut self, place: usize, sent: &Sent) {
        if self.blame.is_some() {
            self.answer_blamed(place, sent);
        }
    }

    #[inline(never)]
    fn answer_blamed(&mut self, place: usize, sent: &Sent) {
        let (main, unit) = (&self.server.main, &self.units[place]);
        let (Some(blame), Some(log)) = (&mut self.blame, &main.log) else { return };
        let prices = &self.server.prices.cpu;
        blame.answered(log, main, (prices.turn, prices.read), place, unit, sent);
        self.blame_ways(&self.units[place].clone(), sent);
    }

    /// The client's and the network's part of a request, which is complete then.
    #[inline(always)]
    fn blame_ways(&mut self, unit: &Unit, sent: &Sent) {
        let (Some(blame), Some(log)) = (&mut self.blame, &mut self.server.main.log) else { return };
        let Sent { at, received: Received { came_at, read_at }, .. } = *sent;
        let way = unit.readable_at - unit.arrived_at;
        let redirected = unit.ticket > 0;
        let client_in = if redirected { 0 } else { self.groups[unit.group as usize].client_in(way) };
        let (network, redirect) = if redirected { (0, way) } else { (way - client_in, 0) };
        blame.split.add(Part::Redirect, redirect);
        blame.split.add(Part::Network, network + came_at - at);
        blame.split.add(Part::Client, client_in + read_at - came_at);
        let number = (unit.reads + unit.writes) as u64;
        if unit.arrived_at < blame.measured_from || number == 0 {
            return;
        }
        blame.rows.add(number, read_at - unit.arrived_at, &mut blame.split);
        if let Some(detail) = &mut log.detail {
            let times = Times {
                of: (unit.group, unit.connection),
                commands: (unit.commands, blame.commands),
                arrived_at: unit.arrived_at,
                readable_at: unit.readable_at,
                polled_at: blame.polled_at,
                sent_at: at,
                came_at,
                read_at,
                client_in,
                redirected,
            };
            detail.answered(number, &times, &blame.split);
        }
    }

    /// The commands of the unit at `place` were executed, and its client is blocked in WAIT, which cost `ping` each.
    #[cold]
    pub(super) fn blame_parked(&mut self, place: usize, unit: &Unit, ping: Nanos) {
        self.blame_flushed();
        let main = &self.server.main;
        let (Some(blame), Some(log)) = (&mut self.blame, &main.log) else { return };
        let prices = &self.server.prices.cpu;
        blame.cpu[place] += ping;
        let received = Received { came_at: 0, read_at: 0 };
        let sent = Sent { cost: 0, at: main.now, received };
        blame.answered(log, main, (prices.turn, prices.read), place, unit, &sent);
        let split = blame.split.clone();
        blame.parked.push(Parked { connection: unit.connection, first: unit.first, split, since: main.now });
    }

    /// Those whose WAIT is over are known.
    #[cold]
    pub(super) fn blame_waited(&mut self) {
        if let Some(blame) = &mut self.blame {
            blame.released = (self.server.main.now, self.server.main.busy);
        }
    }

    /// The client of `unit`, blocked in WAIT until now, has its reply.
    #[cold]
    pub(super) fn blame_wait_over(&mut self, unit: &Unit, sent: &Sent) {
        let main = &self.server.main;
        let Some(blame) = &mut self.blame else { return };
        let is_it = |parked: &Parked| (parked.connection, parked.first) == (unit.connection, unit.first);
        let Some(place) = blame.parked.iter().position(is_it) else { return };
        let Parked { split, since, .. } = blame.parked.swap_remove(place);
        blame.split = split;
        let (released_at, then) = blame.released;
        blame.split.add(Part::WaitReplicas, released_at - since);
        let mut work = sent.at - released_at;
        for cause in Cause::ALL {
            let span = main.busy[cause as usize] - then[cause as usize];
            let own = match cause {
                Cause::Reply => sent.cost,
                Cause::AofWrite | Cause::ReplicaWrite => span,
                _ if is_routine(cause) => 0,
                _ => span,
            };
            blame.split.add(Part::Main(cause), own);
            work -= own;
        }
        blame.queued(work);
        self.blame_ways(unit, sent);
    }

    /// The units of this turn were executed, in main-thread times `cpu`.
    pub(super) fn blame_executed(&mut self, cpu: &[Nanos]) {
        if let Some(blame) = &mut self.blame {
            blame.cpu.extend_from_slice(cpu);
        }
    }

    /// Nobody waits any more.
    #[cold]
    pub(super) fn blame_lost(&mut self) {
        if let Some(blame) = &mut self.blame {
            blame.parked.clear();
            blame.marks.clear();
        }
    }
}
