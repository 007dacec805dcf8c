//! A pipeline over several nodes: its parts by node, and when all of them are answered.
//!
//! redis-py writes to all nodes and then reads from each (`_send_cluster_commands`), go-redis and Jedis have a thread a
//! node (`processPipeline`, `MultiNodePipelineBase.sync`), Lettuce writes by node as well: all wait for every node.

use super::slab::{Slab, Ticket};
use crate::units::Nanos;

/// The part of a pipeline that goes to one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Node.
    pub node: u16,
    /// Number of its commands, ≥ 1.
    pub commands: u32,
    /// Place of the first of them in [`Splitter::commands`].
    first: u32,
}

/// Splits pipelines; what it needs is kept from one to the next.
#[derive(Clone, Debug, Default)]
pub struct Splitter {
    parts: Vec<Part>,
    /// Part of each command.
    part_of: Vec<u32>,
    /// Numbers of commands, by part, in their order.
    ordered: Vec<u32>,
    /// Part of each node, plus one; 0: none.
    of_node: Vec<u32>,
}

impl Splitter {
    /// Splits a pipeline whose commands have these slots by `map`, the node of each slot: parts in the order in which
    /// their nodes come up.
    pub fn split(&mut self, slots: &[u16], map: &[u16]) -> &[Part] {
        for part in self.parts.drain(..) {
            self.of_node[part.node as usize] = 0;
        }
        self.part_of.clear();
        for &slot in slots {
            let node = map[slot as usize];
            if node as usize >= self.of_node.len() {
                self.of_node.resize(node as usize + 1, 0);
            }
            let known = &mut self.of_node[node as usize];
            if *known == 0 {
                self.parts.push(Part { node, commands: 0, first: 0 });
                *known = self.parts.len() as u32;
            }
            self.parts[*known as usize - 1].commands += 1;
            self.part_of.push(*known - 1);
        }
        self.order();
        &self.parts
    }

    /// Sorts the numbers of commands by part.
    fn order(&mut self) {
        let mut next = 0;
        for part in &mut self.parts {
            part.first = next;
            next += part.commands;
        }
        self.ordered.clear();
        self.ordered.resize(self.part_of.len(), 0);
        for (number, &part) in self.part_of.iter().enumerate() {
            let part = &mut self.parts[part as usize];
            self.ordered[part.first as usize] = number as u32;
            part.first += 1;
        }
        for part in &mut self.parts {
            part.first -= part.commands;
        }
    }

    /// The parts of the last pipeline.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Numbers, in the last pipeline, of the commands of its `part`.
    pub fn commands(&self, part: &Part) -> &[u32] {
        &self.ordered[part.first as usize..][..part.commands as usize]
    }
}

/// Client writes whose commands are on their way to several nodes.
#[derive(Clone, Debug)]
pub struct Gather<T> {
    writes: Slab<Write<T>>,
}

/// One client write.
#[derive(Clone, Debug)]
struct Write<T> {
    write: T,
    /// Commands that are not answered, those that wait for the others left out.
    outstanding: u32,
    /// Commands that wait for the others.
    held: Vec<u32>,
    /// Passes so far.
    passes: u8,
    /// When its last reply came.
    answered_at: Nanos,
}

/// What the end of a command means to its write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answered<T> {
    /// Others are on their way.
    Pending,
    /// None is on its way; those that were held go now: their numbers, and the number of passes so far, ≥ 1.
    PassOver {
        /// Numbers of the held commands, ascending.
        held: Vec<u32>,
        /// Passes so far.
        passes: u8,
    },
    /// All are answered: the write, and when the last reply came.
    Done {
        /// The write.
        write: T,
        /// When its last reply came.
        at: Nanos,
    },
    /// The write is not here (any more).
    Unknown,
}

impl<T> Default for Gather<T> {
    fn default() -> Self {
        Gather { writes: Slab::default() }
    }
}

impl<T> Gather<T> {
    /// A write of `commands` commands, ≥ 1, leaves.
    pub fn begin(&mut self, write: T, commands: u32) -> Ticket {
        let outstanding = commands;
        self.writes.insert(Write { write, outstanding, held: Vec::new(), passes: 1, answered_at: 0 })
    }

    /// The write of a ticket.
    pub fn get(&mut self, ticket: Ticket) -> Option<&mut T> {
        self.writes.get_mut(ticket).map(|write| &mut write.write)
    }

    /// `commands` of its commands end at `at`, with a reply or an error.
    pub fn answer(&mut self, ticket: Ticket, commands: u32, at: Nanos) -> Answered<T> {
        let Some(write) = self.writes.get_mut(ticket) else { return Answered::Unknown };
        write.outstanding = write.outstanding.saturating_sub(commands);
        write.answered_at = write.answered_at.max(at);
        self.settle(ticket)
    }

    /// Its command `number` was redirected at `at` and waits until none is on its way.
    pub fn hold(&mut self, ticket: Ticket, number: u32, at: Nanos) -> Answered<T> {
        let Some(write) = self.writes.get_mut(ticket) else { return Answered::Unknown };
        write.outstanding = write.outstanding.saturating_sub(1);
        write.answered_at = write.answered_at.max(at);
        let place = write.held.partition_point(|held| *held < number);
        write.held.insert(place, number);
        self.settle(ticket)
    }

    fn settle(&mut self, ticket: Ticket) -> Answered<T> {
        let Some(write) = self.writes.get_mut(ticket) else { return Answered::Unknown };
        if write.outstanding > 0 {
            return Answered::Pending;
        }
        if !write.held.is_empty() {
            let held = std::mem::take(&mut write.held);
            write.outstanding = held.len() as u32;
            let passes = write.passes;
            write.passes = passes.saturating_add(1);
            return Answered::PassOver { held, passes };
        }
        match self.writes.remove(ticket.place) {
            Some((_, write)) => Answered::Done { write: write.write, at: write.answered_at },
            None => Answered::Unknown,
        }
    }

    /// Writes on their way.
    pub fn len(&self) -> usize {
        self.writes.len()
    }

    /// No write is on its way.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipeline_is_split_in_the_order_in_which_nodes_come_up() {
        let map: Vec<u16> = (0..16_384).map(|slot| (slot % 4) as u16).collect();
        let mut splitter = Splitter::default();
        for _ in 0..2 {
            let parts: Vec<_> = splitter
                .split(&[2, 6, 1, 10, 3, 5, 2], &map)
                .iter()
                .map(|part| (part.node, part.commands))
                .collect();
            assert_eq!(parts, [(2, 4), (1, 2), (3, 1)]);
            let numbers: Vec<_> =
                splitter.parts().iter().map(|part| splitter.commands(part).to_vec()).collect();
            assert_eq!(numbers, [vec![0, 1, 3, 6], vec![2, 5], vec![4]]);
        }
        assert_eq!(splitter.split(&[0, 4], &map).len(), 1);
        assert_eq!(splitter.split(&[], &map).len(), 0);
    }

    #[test]
    fn a_write_is_done_when_all_its_nodes_have_answered() {
        let mut gather = Gather::default();
        let (first, second) = (gather.begin('a', 10), gather.begin('b', 1));
        assert_eq!(gather.answer(first, 6, 50), Answered::Pending);
        assert_eq!(gather.answer(second, 1, 60), Answered::Done { write: 'b', at: 60 });
        assert_eq!(gather.answer(second, 1, 70), Answered::Unknown);
        // A reply that was read before another thread's.
        assert_eq!(gather.answer(first, 4, 40), Answered::Done { write: 'a', at: 50 });
        assert!(gather.is_empty());
    }

    #[test]
    fn held_commands_go_when_the_last_node_has_answered() {
        let mut gather = Gather::default();
        let write = gather.begin((), 4);
        assert_eq!(gather.hold(write, 3, 10), Answered::Pending);
        assert_eq!(gather.hold(write, 0, 20), Answered::Pending);
        assert_eq!(gather.answer(write, 1, 30), Answered::Pending);
        assert_eq!(gather.answer(write, 1, 90), Answered::PassOver { held: vec![0, 3], passes: 1 });
        assert_eq!(gather.answer(write, 1, 100), Answered::Pending);
        assert_eq!(gather.hold(write, 0, 110), Answered::PassOver { held: vec![0], passes: 2 });
        assert_eq!(gather.answer(write, 1, 120), Answered::Done { write: (), at: 120 });
    }
}
