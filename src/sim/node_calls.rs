//! What redis-cli, other nodes and clients that want a map ask of a node, in its main thread.

use super::member::{Asker, Call, Parcel, Parked, Told};
use super::run::Simulation;
use super::turn::Probe;
use crate::cause::Cause;
use crate::redis::cluster_call::{Answer, Order, ReplyError};
use crate::redis::memory::ValueShape;
use crate::redis::migrate::{MigrateCost, MigrateSetting, MovedKey};
use crate::redis::nodes_conf::ConfigEvent;
use crate::redis::slot_view::{NONE, SetSlot};
use crate::units::{MILLISECOND, NEVER, Nanos};

/// `127.0.0.1:17701@27701` in nodes.conf \[bytes\].
const BUS_ADDRESS: u64 = 21;

impl<P: Probe> Simulation<P> {
    /// Executes the calls that can be read by now; one that waits for another node parks this one.
    #[cold]
    pub(super) fn take_calls(&mut self) {
        while self.control_at <= self.server.main.now && !self.seat().is_parked() {
            let now = self.server.main.now;
            let due = self.seat().calls.front().is_some_and(|call| call.0 <= now);
            let call = if due { self.seat().calls.pop_front() } else { None };
            self.look_at_calls();
            // Without a call the node is back from waiting, and the turn goes on with its reply.
            let Some((_, asker, call)) = call else { break };
            let read = self.server.prices.cpu.read;
            self.server.main.charge(Cause::Read, read);
            match call {
                Call::Order(slot, order) => self.obey(asker, slot, order),
                Call::Restore(parcel) => self.restore(asker, parcel),
                Call::Slots(ticket, call) => self.part_of_migration(ticket, call),
                Call::Map(command) => self.give_map(asker, command),
                Call::Vote(of, round) => {
                    // The vote is saved before it is given.
                    self.seat().config.note(ConfigEvent::Vote);
                    self.seat().replies.push(Told::Voted(of, round, NEVER));
                }
            }
        }
    }

    fn restore(&mut self, asker: Asker, parcel: Parcel) {
        let Asker::Node(source) = asker else { return };
        let reads = (parcel.cost.turns.len() as u64).saturating_sub(1) * self.server.prices.cpu.read;
        self.server.main.block(Cause::Restore, parcel.cost.restore + reads, || {
            format!("{} keys of slot {}", parcel.cost.keys, parcel.slot)
        });
        let keys = u64::from(parcel.cost.keys);
        self.server.note_slow(parcel.cost.restore / keys.max(1), keys);
        self.take_in(parcel.slot, &parcel.keys);
        self.server.propagate(parcel.cost.target_logged, parcel.cost.keys.into());
        self.server.rdb.dirty += u64::from(parcel.cost.keys);
        self.seat().replies.push(Told::Restored(source, NEVER));
    }

    /// Executes an order of redis-cli.
    fn obey(&mut self, asker: Asker, slot: u16, order: Order) {
        let prices = self.server.prices.cluster.clone();
        let (cost, answer) = match order {
            Order::SetSlotImporting { from } => {
                (prices.setslot, self.set_slot(slot, SetSlot::Importing(from as u16)))
            }
            Order::SetSlotMigrating { to } => {
                (prices.setslot, self.set_slot(slot, SetSlot::Migrating(to as u16)))
            }
            Order::SetSlotNode { owner } => {
                (prices.setslot, self.set_slot(slot, SetSlot::Node(owner as u16)))
            }
            Order::SetSlotStable => (prices.setslot, self.set_slot(slot, SetSlot::Stable)),
            Order::GetKeysInSlot { count } => {
                let keys = self.keys_in(slot).min(count.into());
                (prices.get_keys + keys * prices.get_keys_per_key, Answer::Keys(keys as u32))
            }
            Order::CountKeysInSlot => (prices.get_keys, Answer::Keys(self.keys_in(slot) as u32)),
            Order::Migrate { to, keys, replace, timeout } => {
                return self.migrate(asker, slot, to as u16, (keys, replace, timeout));
            }
            Order::ClusterSlots => {
                let served = self.seat().view.owner(slot) != NONE;
                (prices.slots_per_range * self.seat().ranges(), Answer::Served(served))
            }
            Order::DigestValue { .. } if self.server.config.version.has(7, 0) => {
                (self.server.prices.cpu.ping, Answer::Error(ReplyError::DebugNotAllowed))
            }
            Order::DigestValue { keys } => {
                (self.server.prices.cpu.get * u64::from(keys), Answer::Differing(0))
            }
            Order::Transaction => (self.server.prices.cpu.ping, Answer::Ok),
            Order::DelSlots => {
                self.seat().view.delete_slot(slot);
                self.seat().config.note(ConfigEvent::SlotCommand);
                (prices.setslot, Answer::Ok)
            }
            Order::AddSlots => {
                let me = self.seat().index;
                (prices.setslot, self.set_slot(slot, SetSlot::Node(me)))
            }
            Order::BumpEpoch => {
                self.seat().config.note(ConfigEvent::OwnEpoch);
                (prices.setslot, Answer::Ok)
            }
        };
        self.server.main.charge(Cause::ClusterCommand, cost);
        self.seat().replies.push(Told::Answer(asker, answer, NEVER));
    }

    /// Keys of a slot that is open here or was; of another nobody asks.
    pub(crate) fn keys_in(&mut self, slot: u16) -> u64 {
        let (server, member) = (&self.server, self.member.as_mut().expect("only of a node"));
        member.open.look(server, &mut member.stream);
        member.open.get(slot).map_or(0, |open| open.left())
    }

    fn set_slot(&mut self, slot: u16, to: SetSlot) -> Answer {
        let member = self.member.as_mut().expect("only of a node");
        let mine = member.view.owner(slot) == member.index;
        let leaves = matches!(to, SetSlot::Node(owner) if mine && owner != member.index);
        if leaves && member.open.get(slot).is_none() {
            // It was never told to migrate (a mover whose call was lost, another mover): its keys are here all the same.
            member.open_slot(slot, &self.server);
        }
        let keys = self.keys_in(slot);
        let member = self.member.as_mut().expect("only of a node");
        let Ok(changed) = member.view.set_slot(slot, to, keys) else {
            member.close_whole(&self.server);
            return Answer::Error(ReplyError::Other);
        };
        member.config.note(ConfigEvent::SlotCommand);
        if changed.epoch.is_some() {
            member.config.note(ConfigEvent::OwnEpoch);
        }
        if changed.broadcast {
            member.replies.push(Told::Claims(NEVER));
        }
        let me = member.index;
        match to {
            SetSlot::Migrating(target) => {
                member.open_slot(slot, &self.server);
                member.send_vacant(slot, target, &mut self.server);
            }
            SetSlot::Node(owner) if mine && owner != me => self.close(slot, owner),
            SetSlot::Node(owner) if owner == me => {
                if !mine {
                    member.expect_slot(slot, &self.server);
                }
                member.told.push(Told::Gathers(slot));
            }
            SetSlot::Stable if mine => member.told.push(Told::Gathers(slot)),
            _ => member.close_whole(&self.server),
        }
        Answer::Ok
    }

    /// Another node claims `slots` with its epoch.
    pub(crate) fn hear(&mut self, sender: u16, epoch: u64, slots: &[u16]) {
        let member = self.member.as_mut().expect("only of a node");
        // A slot that is taken away without having been open has its keys all the same, unless an atomic migration has
        // handed them over.
        let handed = |slot| member.export.as_deref().is_some_and(|(_, export)| export.has(slot));
        let mine = |slot| member.view.owner(slot) == member.index;
        let taken: Vec<u16> = slots.iter().copied().filter(|&slot| mine(slot) && !handed(slot)).collect();
        for &slot in &taken {
            member.open_slot(slot, &self.server);
        }
        let open = &member.open.slots;
        let keys: Vec<(u16, u64)> = open.iter().map(|open| (open.slot, open.left())).collect();
        let before = member.view.epoch(sender);
        let changed = member.view.hear(sender, epoch, slots.iter().copied(), |slot| {
            keys.iter().find(|leaving| leaving.0 == slot).map_or(0, |leaving| leaving.1)
        });
        if epoch > before {
            member.config.note(ConfigEvent::OthersEpoch);
        }
        if changed.save.write {
            member.config.note(ConfigEvent::SlotsTaken);
        }
        for slot in taken {
            if self.seat().view.owner(slot) == sender {
                self.close(slot, sender);
            }
        }
        let member = self.member.as_mut().expect("only of a node");
        member.close_whole(&self.server);
    }

    fn migrate(&mut self, asker: Asker, slot: u16, to: u16, call: (u32, bool, Nanos)) {
        let (keys, replace, timeout) = call;
        let since = self.server.main.now;
        let (server, member) = (&mut self.server, self.member.as_mut().expect("only of a node"));
        let setting = MigrateSetting {
            version: server.config.version,
            compressed_ratio: server.config.rdbcompression.then_some(server.prices.child.compressed_ratio),
            replace,
            lazy_delete: server.config.lazyfree_lazy_server_del,
        };
        member.open.look(server, &mut member.stream);
        let open = member.open.get(slot);
        // Borrowed apart from the stream that draws.
        let mut draws = member.stream.clone();
        let carried = open.map_or(Vec::new(), |open| server.give_away(open, keys, &mut draws));
        member.stream = draws;
        member.open.booked(server);
        member.send_vacant(slot, to, server);
        member.close_whole(server);
        let moved: Vec<MovedKey> = carried
            .iter()
            .map(|key| MovedKey {
                key_size: member.key_size,
                value: ValueShape::Text(member.values.sample(&mut member.stream)),
                ttl: key.ttl.map(|left| left * MILLISECOND),
            })
            .collect();
        let cost = MigrateCost::of(&setting, &moved, &server.prices, &member.machines[to as usize]);
        let looked_up = server.prices.cpu.get * (u64::from(keys) - moved.len() as u64);
        server.main.charge(Cause::Migrate, cost.build + looked_up);
        let left_at = server.main.now;
        if carried.is_empty() {
            // NOKEY.
            let none = Answer::Migrated { keys: 0, bytes: 0, error: None };
            member.replies.push(Told::Answer(asker, none, NEVER));
            return;
        }
        let transfer = (cost.sent as f64 / member.link_speed).round() as Nanos;
        let parcel = Parcel { slot, keys: carried, cost };
        member.told.push(Told::Sent {
            to,
            parcel: parcel.clone(),
            at: left_at + transfer + member.link_delay,
            gives_up_at: left_at + transfer + timeout,
        });
        member.parked = Some(Parked { asker, parcel, since, left_at });
    }

    /// The node that waits in MIGRATE goes on at `at`: the keys are on the target, or it has waited too long.
    pub(crate) fn resume(&mut self, at: Nanos, arrived: bool) {
        let (server, member) = (&mut self.server, self.member.as_mut().expect("only of a node"));
        let Some(Parked { asker, parcel, since, left_at }) = member.parked.take() else { return };
        server.main.charge(Cause::Migrate, at.saturating_sub(left_at));
        let (keys, bytes) = (parcel.cost.keys, parcel.cost.sent);
        let answer = if arrived {
            server.main.charge(Cause::Migrate, parcel.cost.finish);
            server.propagate(parcel.cost.source_logged, 1);
            server.rdb.dirty += u64::from(keys);
            Answer::Migrated { keys, bytes, error: None }
        } else {
            // Their deadlines have not changed: what they have left has.
            let waited = at.saturating_sub(left_at) / MILLISECOND;
            let mut keys = parcel.keys.clone();
            keys.iter_mut().for_each(|key| key.ttl = key.ttl.map(|ttl| ttl.saturating_sub(waited).max(1)));
            self.take_in(parcel.slot, &keys);
            Answer::Migrated { keys: 0, bytes, error: Some(ReplyError::IoError) }
        };
        let server = &mut self.server;
        let span = server.main.now - since;
        server.note_slow(span, 1);
        server
            .main
            .blocks
            .add(since, span, Cause::Migrate, || format!("{keys} keys of slot {}", parcel.slot));
        self.seat().replies.push(Told::Answer(asker, answer, NEVER));
        self.control_at = self.server.main.now;
        self.update_special();
    }

    /// clusterBeforeSleep: nodes.conf, if something has asked for it.
    #[cold]
    pub(super) fn save_nodes_conf(&mut self) {
        let (server, member) = (&mut self.server, self.member.as_mut().expect("only of a node"));
        if !member.config.is_wanted() {
            return;
        }
        let (version, nodes) = (server.config.version, member.machines.len() as u64);
        let bytes = member.content().bytes(version, BUS_ADDRESS);
        let Some(save) = member.config.save(version, nodes, bytes, &server.prices.cluster) else { return };
        server.main.block(Cause::ClusterConfigWrite, save.cpu, String::new);
        for _ in 0..save.file_fsyncs + save.directory_fsyncs {
            let span = server.disk.fdatasync(server.main.now, save.bytes);
            server.main.block(Cause::ClusterConfigFsync, span, String::new);
        }
    }

    /// Replies to calls, behind those to clients. Messages of the cluster bus wait for the next pass, which finds their
    /// links writable (`clusterSendMessage`), one write(2) a node.
    #[cold]
    pub(super) fn reply_to_calls(&mut self) {
        let mut replies = std::mem::take(&mut self.seat().replies);
        let (write, delay) = (self.server.prices.cpu.write, self.seat().link_delay);
        let claims = replies.iter().filter(|told| matches!(told, Told::Claims(_))).count();
        replies.retain(|told| !matches!(told, Told::Claims(_)));
        for mut told in replies.drain(..) {
            self.server.main.charge(Cause::Reply, write);
            let there_at = self.server.main.now + delay;
            match &mut told {
                Told::Answer(_, _, at) | Told::Restored(_, at) | Told::Voted(_, _, at) => *at = there_at,
                Told::Map(_, _, at) => *at = self.map_read_at(),
                _ => {}
            }
            self.seat().told.push(told);
        }
        for _ in 0..claims {
            let others = self.seat().machines.len() as u64 - 1;
            let turn = self.server.prices.cpu.turn;
            self.server.main.charge(Cause::EventLoop, turn);
            self.server.main.charge(Cause::Reply, write * others);
            let there_at = self.server.main.now + delay;
            self.seat().told.push(Told::Claims(there_at));
        }
        self.seat().replies = replies;
        self.send_exported();
    }
}
