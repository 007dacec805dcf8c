//! What `redis-cli --cluster reshard`, `rebalance` and `fix` ask of whom, one command after the other.
//!
//! redis-cli is one process that waits for every reply, without a time-out. It moves one slot at a time
//! (redis-cli.c 7.0, `clusterManagerMoveSlot`, `clusterManagerMigrateKeysInSlot`):
//!
//! 1. SETSLOT IMPORTING to the target, SETSLOT MIGRATING to the source.
//! 2. GETKEYSINSLOT and MIGRATE to the source, until GETKEYSINSLOT has no key.
//! 3. SETSLOT NODE to the target, the source, then the other primaries. Before 7.0, to all primaries in the order of
//!    the list (redis-trib.rb the same).
//!
//! The first MIGRATE of a batch never has REPLACE. On BUSYKEY the batch is sent again with it: at once with
//! `--cluster-replace`, else after DEBUG DIGEST-VALUE of its keys on both nodes, which servers from 7.0 on refuse
//! unless `enable-debug-command` allows it. Any other error is followed by CLUSTER SLOTS to the source (is the slot
//! served at all?) and ends the program; the slot stays open until `--cluster fix`.
//!
//! Valkey 8 differs in that the source's SETSLOT NODE may also fail with UNBLOCKED or NOREPLICAS. redis-cli 8.10,
//! which uses atomic migration, is `atomic_move.rs`.
//!
//! Left out: the commands that redis-cli opens with (INFO and CLUSTER NODES to every node, twice). This is a state
//! machine without a clock and without nodes: who drives it executes orders and answers them.

use std::collections::VecDeque;

use super::order::{Answer, Failure, Next, Order, ReplyError, Step};
use super::reshard_plan::SlotMove;
use crate::redis::version::Version;
use crate::scenario::cluster::MoveOptions;

/// What has been done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MoveBooks {
    /// Slots moved to their end.
    pub slots: u32,
    /// Commands with their replies.
    pub round_trips: u64,
    /// MIGRATE commands, repeated ones too.
    pub batches: u64,
    /// Of them repeated with REPLACE after BUSYKEY.
    pub replaced: u64,
    /// Keys moved.
    pub keys: u64,
    /// Bytes that sources have sent to targets.
    pub bytes: u64,
}

/// Where in a slot's move the program is: which reply it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Between steps; the first call has no reply.
    Between,
    /// A step's own command.
    Plain,
    /// SETSLOT IMPORTING.
    Importing,
    /// SETSLOT MIGRATING.
    Migrating,
    /// GETKEYSINSLOT.
    Keys,
    /// MIGRATE of so many keys.
    Batch { keys: u32, again: bool },
    /// CLUSTER SLOTS after an error of MIGRATE.
    Served { keys: u32, error: ReplyError },
    /// SETSLOT NODE for a slot that nobody serves, to the source, in fix.
    GiveOwner { keys: u32 },
    /// DEBUG DIGEST-VALUE on the source.
    SourceDigest { keys: u32 },
    /// DEBUG DIGEST-VALUE on the target.
    TargetDigest { keys: u32 },
    /// SETSLOT NODE to the primary of that place in the order of closing.
    Closing(usize),
    /// Ended.
    Over(Next),
}

/// One run of redis-cli.
#[derive(Clone, Debug)]
pub struct LegacyMove {
    steps: VecDeque<Step>,
    options: MoveOptions,
    /// Order of SETSLOT NODE: target and source first.
    target_first: bool,
    primaries: usize,
    fixing: bool,
    current: Option<Step>,
    at: At,
    books: MoveBooks,
}

impl LegacyMove {
    /// Moves the slots of a plan, among `primaries` nodes, as the redis-cli of `version` does.
    pub fn new(plan: &[SlotMove], options: MoveOptions, primaries: usize, version: Version) -> Self {
        let mut steps = VecDeque::with_capacity(plan.len());
        for (place, &slot_move) in plan.iter().enumerate() {
            if place > 0 && options.pause > 0 {
                steps.push_back(Step::Pause(options.pause));
            }
            steps.push_back(Step::Move(slot_move));
        }
        Self::of(steps, options, primaries, version, false)
    }

    /// Executes the steps that [`legacy_fix`](super::legacy_fix) has planned.
    pub fn fix(steps: Vec<Step>, options: MoveOptions, primaries: usize, version: Version) -> Self {
        Self::of(steps.into(), options, primaries, version, true)
    }

    fn of(
        steps: VecDeque<Step>,
        options: MoveOptions,
        primaries: usize,
        version: Version,
        fixing: bool,
    ) -> Self {
        LegacyMove {
            steps,
            options,
            target_first: version.has(7, 0),
            primaries,
            fixing,
            current: None,
            at: At::Between,
            books: MoveBooks::default(),
        }
    }

    /// What has been done so far.
    pub fn books(&self) -> MoveBooks {
        self.books
    }

    /// The slot whose keys are on their way; none between slots and at the end.
    pub fn moving(&self) -> Option<SlotMove> {
        match self.current {
            Some(Step::Move(m) | Step::MoveToFix(m) | Step::MoveCold(m)) => Some(m),
            _ => None,
        }
    }

    /// The next thing to do, given the reply to the last one ([`Answer::Ok`] at the start and after a pause).
    pub fn next(&mut self, answer: Answer) -> Next {
        if let At::Over(end) = self.at {
            return end;
        }
        if self.at == At::Between {
            return self.next_step();
        }
        self.books.round_trips += 1;
        if answer == Answer::Closed {
            return self.fail(Failure::Closed);
        }
        let Some(m) = self.moving() else {
            return match answer {
                Answer::Error(error) => self.fail(Failure::Refused(error)),
                _ => self.next_step(),
            };
        };
        match (self.at, answer) {
            (At::Batch { keys, again }, Answer::Migrated { keys: moved, bytes, error }) => {
                self.books.batches += 1;
                self.books.keys += u64::from(moved);
                self.books.bytes += bytes;
                self.after_batch(m, keys, again, error)
            }
            (At::Served { keys, error }, Answer::Served(served)) => match (served, self.fixing) {
                (true, _) => self.fail(Failure::Migrate(error)),
                (false, true) => {
                    let order = Order::SetSlotNode { owner: m.to };
                    self.ask(At::GiveOwner { keys }, m.from, m.slot, order)
                }
                (false, false) => self.migrate(m, keys, false, true),
            },
            // Whatever the reply, the batch is sent again.
            (At::GiveOwner { keys }, _) => self.migrate(m, keys, false, true),
            (At::SourceDigest { .. } | At::TargetDigest { .. }, Answer::Error(_)) => {
                self.fail(Failure::ValueCheck)
            }
            (At::SourceDigest { keys }, Answer::Differing(_)) => {
                self.ask(At::TargetDigest { keys }, m.to, m.slot, Order::DigestValue { keys })
            }
            (At::TargetDigest { keys }, Answer::Differing(0)) => self.migrate(m, keys, true, true),
            (At::TargetDigest { .. }, Answer::Differing(n)) => self.fail(Failure::DifferentValues(n)),
            (At::Closing(place), Answer::Error(error)) if !self.overlooks(m, place, error) => {
                self.fail(Failure::Refused(error))
            }
            (At::Closing(place), Answer::Ok | Answer::Error(_)) => self.close(m, place + 1),
            (At::Importing | At::Migrating | At::Keys, Answer::Error(error)) => {
                self.fail(Failure::Refused(error))
            }
            (At::Importing, Answer::Ok) => {
                self.ask(At::Migrating, m.from, m.slot, Order::SetSlotMigrating { to: m.to })
            }
            (At::Migrating, Answer::Ok) => self.get_keys(m),
            (At::Keys, Answer::Keys(0)) if matches!(self.current, Some(Step::MoveCold(_))) => {
                self.slot_done()
            }
            (At::Keys, Answer::Keys(0)) => self.close(m, 0),
            (At::Keys, Answer::Keys(keys)) => self.migrate(m, keys, false, false),
            _ => self.fail(Failure::OutOfStep),
        }
    }

    /// Takes the next step.
    fn next_step(&mut self) -> Next {
        self.current = self.steps.pop_front();
        match self.current {
            None => self.end(Next::Done),
            Some(Step::Pause(span)) => {
                self.at = At::Between;
                Next::Pause(span)
            }
            Some(Step::Ask { node, slot, order }) => self.ask(At::Plain, node, slot, order),
            Some(Step::MoveCold(m)) => self.get_keys(m),
            Some(Step::Move(m) | Step::MoveToFix(m)) => {
                self.ask(At::Importing, m.to, m.slot, Order::SetSlotImporting { from: m.from })
            }
        }
    }

    fn ask(&mut self, at: At, node: usize, slot: u16, order: Order) -> Next {
        self.at = at;
        Next::Ask { node, slot, order }
    }

    fn get_keys(&mut self, m: SlotMove) -> Next {
        let count = self.options.pipeline;
        self.ask(At::Keys, m.from, m.slot, Order::GetKeysInSlot { count })
    }

    fn migrate(&mut self, m: SlotMove, keys: u32, replace: bool, again: bool) -> Next {
        self.books.replaced += u64::from(replace);
        let order = Order::Migrate { to: m.to, keys, replace, timeout: self.options.timeout };
        self.ask(At::Batch { keys, again }, m.from, m.slot, order)
    }

    /// The error branch of `clusterManagerMigrateKeysInSlot`, which tries a batch twice at most.
    fn after_batch(&mut self, m: SlotMove, keys: u32, again: bool, error: Option<ReplyError>) -> Next {
        match error {
            None => self.get_keys(m),
            Some(error) if again => self.fail(Failure::Migrate(error)),
            Some(ReplyError::BusyKey) if self.options.replace => self.migrate(m, keys, true, true),
            Some(ReplyError::BusyKey) => {
                self.ask(At::SourceDigest { keys }, m.from, m.slot, Order::DigestValue { keys })
            }
            Some(error) => self.ask(At::Served { keys, error }, m.from, m.slot, Order::ClusterSlots),
        }
    }

    /// SETSLOT NODE to the primary of that place, or the slot's end after the last.
    fn close(&mut self, m: SlotMove, place: usize) -> Next {
        match self.closing_node(m, place) {
            None => self.slot_done(),
            Some(node) => self.ask(At::Closing(place), node, m.slot, Order::SetSlotNode { owner: m.to }),
        }
    }

    /// The primary that gets SETSLOT NODE as number `place`.
    fn closing_node(&self, m: SlotMove, place: usize) -> Option<usize> {
        if !self.target_first {
            return (place < self.primaries).then_some(place);
        }
        match place {
            0 => Some(m.to),
            1 => Some(m.from),
            _ => (0..self.primaries).filter(|&node| node != m.to && node != m.from).nth(place - 2),
        }
    }

    /// Whether an error of SETSLOT NODE is overlooked: the source's, if it has become a replica with its last slot.
    fn overlooks(&self, m: SlotMove, place: usize, error: ReplyError) -> bool {
        let from_source = self.target_first && self.closing_node(m, place) == Some(m.from);
        let acceptable = matches!(error, ReplyError::NotMaster | ReplyError::Unblocked);
        from_source && (acceptable || matches!(self.current, Some(Step::MoveToFix(_))))
    }

    fn slot_done(&mut self) -> Next {
        self.books.slots += 1;
        self.next_step()
    }

    fn fail(&mut self, failure: Failure) -> Next {
        self.end(Next::Failed(failure))
    }

    fn end(&mut self, end: Next) -> Next {
        self.current = None;
        self.at = At::Over(end);
        end
    }
}

/// Round trips of moving one slot without errors: opening 2, a GETKEYSINSLOT and a MIGRATE a batch, the last
/// GETKEYSINSLOT, one SETSLOT NODE a primary.
pub fn round_trips_per_slot(keys: u64, pipeline: u32, primaries: usize) -> u64 {
    2 + 2 * keys.div_ceil(u64::from(pipeline.max(1))) + 1 + primaries as u64
}

#[cfg(test)]
mod tests;
