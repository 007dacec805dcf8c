//! Where the keys of a node's open slots are while calls and commands are about them.

use super::member::{Call, Member, Told};
use super::run::Simulation;
use super::turn::Probe;
use crate::redis::server::Server;
use crate::redis::slot_keys::{Carried, LeavingSlot};

impl Member {
    /// A command about `slot` is executed next.
    #[inline]
    pub(super) fn begin_command(&mut self, slot: u16, server: &mut Server) {
        if !self.open.slots.is_empty() {
            self.open.scope(slot, self.view.migrating_to(slot).is_some(), server);
        }
    }

    /// It was executed.
    #[inline]
    pub(super) fn end_command(&mut self, slot: u16, server: &mut Server) {
        if self.open.slots.is_empty() {
            return;
        }
        let to = self.view.migrating_to(slot);
        if let Some(open) = self.open.get(slot) {
            let before = open.left();
            open.changed(&server.keyspace.scope);
            if let (Some(to), true) = (to, open.left() < before) {
                // What was deleted would come to be on the target.
                self.send_vacant(slot, to, server);
            }
        }
        server.keyspace.scope.clear();
        self.open.booked(server);
    }

    /// Keys that can exist in `slot`, by class.
    fn total(&self, server: &Server, slot: u16, class: usize) -> u64 {
        self.counts.in_slot(server.keyspace.ranks_of(class), slot)
    }

    /// All places of `slot` are here and counted with the others: from now on they are counted apart.
    pub(super) fn open_slot(&mut self, slot: u16, server: &Server) {
        self.open.look(server, &mut self.stream);
        if let Some(open) = self.open.get(slot) {
            open.imported = false;
            return;
        }
        let classes = 0..server.keyspace.classes();
        let positions: Vec<u64> = classes.map(|class| self.total(server, slot, class)).collect();
        let open = LeavingSlot::new(slot, &positions, &self.open.slots, server, &mut self.stream);
        self.open.slots.push(open);
        self.open.booked(server);
    }

    /// `slot` is this node's from now on; what of it has not come yet is with others, and all of it if nothing has.
    pub(super) fn expect_slot(&mut self, slot: u16, server: &Server) {
        if self.open.get(slot).is_none() {
            self.open.slots.push(LeavingSlot::imported(slot));
        }
        self.close_whole(server);
    }

    /// Places of `slot` without a key go to node `to`.
    pub(super) fn send_vacant(&mut self, slot: u16, to: u16, server: &mut Server) {
        let Some(open) = self.open.get(slot) else { return };
        let vacant = open.take_vacant();
        for &(class, positions) in &vacant {
            server.keyspace.take_positions(class, positions, 0);
        }
        server.refresh_flags();
        if !vacant.is_empty() {
            self.told.push(Told::Vacant(slot, to, vacant));
        }
    }

    /// Places of `slot` have come, and the server has them.
    fn arrive(&mut self, slot: u16, server: &Server, places: impl Iterator<Item = (usize, u64, u64)>) {
        self.open.look(server, &mut self.stream);
        if self.open.get(slot).is_none() {
            self.open.slots.push(LeavingSlot::imported(slot));
        }
        for (class, positions, present) in places {
            let total = self.total(server, slot, class);
            self.open.get(slot).expect("it is open").arrive(class, positions, present, total);
        }
        self.open.booked(server);
        self.close_whole(server);
    }

    /// Slots that are here as a whole, or not at all, need not be counted apart.
    pub(super) fn close_whole(&mut self, server: &Server) {
        let (view, me, counts) = (&self.view, self.index, &self.counts);
        let keys = server.keyspace.ranks();
        self.open.slots.retain(|open| {
            let moves = view.migrating_to(open.slot).is_some() || view.importing_from(open.slot).is_some();
            let here = open.positions();
            let rest =
                if view.owner(open.slot) == me { counts.in_slot(0..keys, open.slot) - here } else { here };
            moves || rest > 0
        });
    }
}

impl<P: Probe> Simulation<P> {
    /// Keys of MIGRATE that have been sent to this node and not been read, with their slot.
    pub(crate) fn on_the_way(&self) -> impl Iterator<Item = (u16, Carried)> + '_ {
        let calls = self.member.iter().flat_map(|member| &member.calls);
        let parcels =
            calls.filter_map(|call| if let Call::Restore(parcel) = &call.2 { Some(parcel) } else { None });
        parcels.flat_map(|parcel| parcel.keys.iter().map(|key| (parcel.slot, *key)))
    }

    /// Panics unless the open slots' books agree with the server's.
    pub(crate) fn check_open(&mut self) {
        let (server, member) = (&self.server, self.member.as_mut().expect("only of a node"));
        member.open.look(server, &mut member.stream);
        member.open.check(server);
        server.keyspace.check();
    }

    /// The keys of another node are here, or those that left are back.
    pub(super) fn take_in(&mut self, slot: u16, keys: &[Carried]) {
        let (server, member) = (&mut self.server, self.member.as_mut().expect("only of a node"));
        member.open.look(server, &mut member.stream);
        server.take_in(keys);
        member.open.booked(server);
        member.arrive(slot, server, keys.iter().map(|key| (key.class as usize, 1, 1)));
    }

    /// Places without a key come from another node.
    pub(crate) fn take_vacant(&mut self, slot: u16, vacant: &[(usize, u64)]) {
        let (server, member) = (&mut self.server, self.member.as_mut().expect("only of a node"));
        for &(class, positions) in vacant {
            server.keyspace.give_positions(class, positions, 0, false, |_| true);
        }
        server.refresh_flags();
        member.arrive(slot, server, vacant.iter().map(|&(class, positions)| (class, positions, 0)));
    }

    /// Places of `slot` without a key go to node `to`, which asks for them.
    pub(crate) fn give_vacant(&mut self, slot: u16, to: u16) {
        let (server, member) = (&mut self.server, self.member.as_mut().expect("only of a node"));
        member.open.look(server, &mut member.stream);
        member.send_vacant(slot, to, server);
        member.close_whole(server);
    }

    /// The slot is another's: its keys are deleted, if there are any, and what could have come to be in it will come
    /// to be there.
    pub(super) fn close(&mut self, slot: u16, owner: u16) {
        let (server, member) = (&mut self.server, self.member.as_mut().expect("only of a node"));
        member.open.look(server, &mut member.stream);
        if let Some(open) = member.open.get(slot) {
            server.delete_keys(open, &mut member.stream);
        }
        member.send_vacant(slot, owner, server);
        member.open.booked(server);
        member.close_whole(server);
    }
}
