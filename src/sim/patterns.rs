//! Operations of several steps within the turns: where the program of the clients and the server meet.

use super::run::Simulation;
use super::turn::Probe;
use crate::client::group::{ClientGroup, Unit};
use crate::client::operation::End;
use crate::observe::patterns::PatternResult;
use crate::redis::exact_keys::gone_at;
use crate::redis::server::Server;
use crate::redis::step_plan::PatternPlan;
use crate::redis::work::{Answered, Work};
use crate::units::{NEVER, Nanos};

/// Executes the step that `unit` is, after `reads` reads of this turn; its outcome is on its way to the client.
///
/// Its time is that of the main thread when the commands before it in the turn have run. Stretching by a lack of
/// cores is charged at the end of the turn and not part of it.
pub(super) fn run_step(
    server: &mut Server,
    group: &mut ClientGroup,
    plan: &PatternPlan,
    unit: &Unit,
    reads: u64,
    work: &mut Work,
) -> Answered {
    let program = group.program().expect("a group with steps has a program");
    let request = unit.first as u32;
    let (step, rank) = (program.step_of(request), program.key_of(request));
    let cpu = &server.prices.cpu;
    let now = server.main.now + cpu.turn + reads * cpu.read + work.cpu + work.cow + work.rehash;
    let index = unit.group as usize;
    let done = server.execute_step(plan, (index, rank), step, now, work);
    program.executed(request, done.outcome, done.increments);
    if program.is_released() {
        let id = server.exact.id(index, rank);
        let at = server.exact.deadline_ms(id).map_or(NEVER, |deadline| gone_at(deadline, server.phase()));
        group.with_program(|program| program.release_at(at));
    }
    done.answered
}

impl<P: Probe> Simulation<P> {
    /// Before the thread sleeps: with nothing in the server every reply is known, so timers that come before the next
    /// request can go off.
    #[cold]
    pub(super) fn timers_before_sleep(&mut self) {
        if self.backlog.is_empty() {
            self.groups.iter_mut().for_each(|group| {
                group.with_program(|program| program.timers_before_next());
            });
            self.count_operations();
        }
    }

    /// What the poll returns, as `gather`; timers up to `polled_at` go off, and what is sent again is read as well if it
    /// has come by then. All replies that could have come in time are known.
    pub(super) fn gather_steps(&mut self, polled_at: Nanos) {
        let old = self.units.len();
        for group in &mut self.groups {
            loop {
                while group.next_readable_at() <= polled_at {
                    self.units.push(group.take());
                }
                group.with_program(|program| program.time_passes(polled_at));
                if group.next_readable_at() > polled_at {
                    break;
                }
            }
        }
        self.units[old..].sort_by_key(|unit| (unit.readable_at, unit.group));
        self.count_operations();
    }

    /// A step whose connection died with the server.
    #[cold]
    pub(super) fn refuse_step(&mut self, unit: &Unit, read_at: Nanos) {
        let group = &mut self.groups[unit.group as usize];
        let request = unit.first as u32;
        if group.with_program(|program| program.refused(request)).is_some() {
            group.step_answered(unit.connection, request, read_at);
            self.count_operations();
        }
    }

    /// Counts the operations that have ended.
    pub(super) fn count_operations(&mut self) {
        for (index, group) in self.groups.iter_mut().enumerate() {
            let Some(program) = group.program() else { continue };
            if program.finished.is_empty() && program.mishaps == Default::default() {
                continue;
            }
            let books = self.server.exact.books(index);
            let mishaps = std::mem::take(&mut program.mishaps);
            books.sums.timeouts += mishaps.timeouts;
            books.sums.retries += mishaps.retries;
            books.sums.increments_unseen += mishaps.unseen_increments;
            for operation in program.finished.drain(..) {
                let sums = &mut books.sums;
                sums.operations += 1;
                sums.failed += (operation.end != End::Done) as u64;
                sums.refused += (operation.end == End::Refused) as u64;
                sums.timed_out += (operation.end == End::TimedOut) as u64;
                sums.died += (operation.end == End::ClientDied) as u64;
                sums.retried += (operation.retries > 0) as u64;
                sums.increments_acked += operation.increments as u64;
                if operation.end == End::Done && operation.started_at >= self.warmup {
                    books.sojourn.record(operation.ended_at - operation.started_at);
                }
            }
        }
    }

    /// The results of all groups that run operations of several steps.
    pub(super) fn finish_patterns(&mut self) -> Vec<PatternResult> {
        self.count_operations();
        for (index, group) in self.groups.iter_mut().enumerate() {
            let Some(program) = group.program() else { continue };
            let (begun, running) = program.operations();
            let ended = self.server.exact.books(index).sums.operations;
            assert_eq!(begun, ended + running, "operations begun = ended + running");
        }
        let end = self.server.main.now;
        let end_ms = self.server.unix_ms(end);
        self.server.exact.finish(end, end_ms)
    }
}
