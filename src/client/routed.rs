//! Requests that a cluster's clients have sent to one node, in the order in which it can read them.
//!
//! Which node a request goes to is decided elsewhere (`cluster/router.rs`); what has been decided lies here until
//! the node's poll takes it.

use crate::units::{NEVER, Nanos};

/// One command on its way to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// When the client meant to send it first.
    pub arrived_at: Nanos,
    /// When the node can read it.
    pub readable_at: Nanos,
    /// Its number within its group.
    pub number: u64,
    /// Connection within the group.
    pub connection: u32,
    /// What is known of it after a redirect; 0: nothing, it is sent for the first time.
    pub ticket: u32,
    /// Slot of its key.
    pub slot: u16,
}

/// The requests of one group for one node.
#[derive(Clone, Debug, Default)]
pub struct Routed {
    /// Those before `head` have been taken.
    queue: Vec<Sent>,
    head: usize,
    /// Somebody waits for replies.
    pub tells: bool,
    /// Replies read since then: connection, commands, when the client is done with them.
    pub replies: Vec<(u32, u32, Nanos)>,
}

impl Routed {
    /// Adds a request; what can be read at the same time stays in the order of adding.
    #[inline(always)]
    pub fn push(&mut self, sent: Sent) {
        match self.queue.last() {
            Some(last) if last.readable_at > sent.readable_at => self.insert(sent),
            _ => self.queue.push(sent),
        }
    }

    #[cold]
    fn insert(&mut self, sent: Sent) {
        let later = self.queue[self.head..].partition_point(|other| other.readable_at <= sent.readable_at);
        self.queue.insert(self.head + later, sent);
    }

    /// A batch has been added: places of those taken are used again when they are the larger part.
    #[inline(always)]
    pub fn reuse(&mut self) {
        if 2 * self.head >= self.queue.len() {
            self.queue.drain(..self.head);
            self.head = 0;
        }
    }

    /// When the first can be read; [`NEVER`] if there is none.
    #[inline(always)]
    pub fn next_readable_at(&self) -> Nanos {
        self.queue.get(self.head).map_or(NEVER, |sent| sent.readable_at)
    }

    /// Intended time of the first.
    #[inline(always)]
    pub fn next_arrival_at(&self) -> Nanos {
        self.queue.get(self.head).map_or(NEVER, |sent| sent.arrived_at)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Sent> {
        self.queue[self.head..].iter()
    }

    /// Takes the first.
    #[inline(always)]
    pub fn take(&mut self) -> Sent {
        self.head += 1;
        self.queue[self.head - 1]
    }

    /// One of the commands of the last reply has no result yet.
    pub fn unfinished(&mut self) {
        if let (true, Some((_, commands, _))) = (self.tells, self.replies.last_mut()) {
            *commands -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_in_order_of_time_and_then_of_adding() {
        let mut routed = Routed::default();
        let sent = |readable_at, number| Sent {
            arrived_at: 0,
            readable_at,
            number,
            connection: 0,
            ticket: 0,
            slot: 0,
        };
        for (at, number) in [(5, 0), (9, 1), (7, 2), (7, 3), (5, 4)] {
            routed.push(sent(at, number));
        }
        let mut order = Vec::new();
        while routed.next_readable_at() != NEVER {
            let first = routed.take();
            assert!(first.readable_at <= routed.next_readable_at());
            order.push(first.number);
            routed.reuse();
        }
        assert_eq!(order, [0, 4, 2, 3, 1]);
    }
}
