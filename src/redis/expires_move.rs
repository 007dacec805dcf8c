//! Deadlines of keys that leave for another node of a cluster, and of those that come.

use super::dict::Growth;
use super::expires::{Expires, Held};
use crate::rng::Uniform;

impl Expires {
    /// The key number `r` of the `present` ones of a class leaves this server: whether it had expired, and the deadline
    /// that it takes along.
    pub(super) fn leave(
        &mut self,
        class: usize,
        r: u64,
        present: u64,
        draws: &mut impl Uniform,
    ) -> (bool, Option<u64>) {
        if !self.is_on() {
            return (false, None);
        }
        let (held, deadline) = match r < self.of_class(class) {
            true => self.look_with_deadline(class, r, draws),
            false => (self.look(class, r, present, draws), 0),
        };
        match held {
            Held::Absent | Held::Lasting => (false, None),
            Held::Overdue(..) | Held::Due(_) => {
                self.expire_met(class, held);
                (true, None)
            }
            Held::Ahead(_) | Held::Waiting(..) => {
                self.take(class, held);
                self.dict.remove();
                self.fates.left += 1;
                (false, Some(deadline))
            }
        }
    }

    /// The key number `r` of the `present` ones of a class is deleted, whatever its deadline.
    pub(super) fn drop_one(&mut self, class: usize, r: u64, present: u64, draws: &mut impl Uniform) {
        if self.is_on() {
            let held = self.look(class, r, present, draws);
            self.forget(class, held);
        }
    }

    /// A key of a class comes from another server with its deadline. Returns the growth of the table.
    pub(super) fn arrive(&mut self, class: usize, deadline: u64, child_alive: bool) -> Growth {
        let way = (0..self.ways.len()).max_by_key(|&way| self.ways[way].1).unwrap_or(0);
        let growth = self.dict.insert(child_alive, true);
        self.add(class, way, deadline);
        self.fates.given += 1;
        growth
    }
}
