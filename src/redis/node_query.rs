//! Whether a node of a cluster serves a command, or says where to go: `getNodeByQuery`, in its order.
//!
//! Sources: cluster.c `getNodeByQuery` and `clusterRedirectClient`; server.c `processCommand` (3.0 asks for the state of
//! the cluster first). Patch levels are folded into their last release, so TRYAGAIN of a migrating slot (7.0.3) is in
//! 7.0.
//!
//! Left out: transactions, publish and subscribe, modules that switch redirection off, slots that are being trimmed
//! (Redis 8.8), and MOVE and COPY between databases (Valkey 9).

use super::resp::digits;
use super::slot_view::{ClusterView, NONE};
use super::version::Version;
use crate::slots::Slot;

/// Slots of a command's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeySlots {
    /// It has no key.
    None,
    /// All its keys are in one.
    One(Slot),
    /// They are in several; that of the first key.
    Several(Slot),
}

/// What `getNodeByQuery` looks at of a command and its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query {
    /// Slots of its keys.
    pub slots: KeySlots,
    /// Keys it names, each counted as often as it is named.
    pub keys: u32,
    /// It names different keys.
    pub multiple_keys: bool,
    /// It may write (`CMD_WRITE`).
    pub is_write: bool,
    /// It is MIGRATE.
    pub is_migrate: bool,
    /// The client has sent ASKING just before, or the command carries it (`CMD_ASKING`, RESTORE-ASKING).
    pub asking: bool,
    /// The client has sent READONLY.
    pub readonly: bool,
}

impl Query {
    /// A command with one key.
    pub fn one_key(slot: Slot, is_write: bool) -> Self {
        Query {
            slots: KeySlots::One(slot),
            keys: 1,
            multiple_keys: false,
            is_write,
            is_migrate: false,
            asking: false,
            readonly: false,
        }
    }
}

/// How many of a command's keys this node holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Present {
    /// Every one.
    All,
    /// Some, and some not.
    Some,
    /// None.
    None,
}

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Version of the server.
    pub version: Version,
    /// A replica of the node whose view it is, not the primary.
    pub is_replica: bool,
    /// cluster-allow-reads-when-down (6.0 on).
    pub reads_when_down: bool,
}

/// What becomes of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is executed here.
    Serve,
    /// `-MOVED`: the slot belongs to that node.
    Moved {
        /// The slot.
        slot: Slot,
        /// Its owner.
        node: u16,
    },
    /// `-ASK`: the keys may be at that node already.
    Ask {
        /// The slot.
        slot: Slot,
        /// The target of its migration.
        node: u16,
    },
    /// `-TRYAGAIN`: some of its keys are here and some are not.
    TryAgain,
    /// `-CROSSSLOT`: its keys are in different slots.
    CrossSlot,
    /// `-CLUSTERDOWN Hash slot not served`: nobody has the slot.
    Unbound,
    /// `-CLUSTERDOWN The cluster is down`.
    Down,
    /// `-CLUSTERDOWN The cluster is down and only accepts read commands`.
    DownForWrites,
}

impl Verdict {
    /// Length of the error reply, where redirects name an address (`127.0.0.1:6379`) of so many bytes; 0 if the command
    /// is executed \[bytes\].
    pub fn reply_bytes(self, address: u64) -> u64 {
        let error = |text: &str| (text.len() + "-\r\n".len()) as u64;
        match self {
            Verdict::Serve => 0,
            Verdict::Moved { slot, .. } => error("MOVED  ") + digits(slot.into()) + address,
            Verdict::Ask { slot, .. } => error("ASK  ") + digits(slot.into()) + address,
            Verdict::TryAgain => error("TRYAGAIN Multiple keys request during rehashing of slot"),
            Verdict::CrossSlot => error("CROSSSLOT Keys in request don't hash to the same slot"),
            Verdict::Unbound => error("CLUSTERDOWN Hash slot not served"),
            Verdict::Down => error("CLUSTERDOWN The cluster is down"),
            Verdict::DownForWrites => error("CLUSTERDOWN The cluster is down and only accepts read commands"),
        }
    }
}

/// The verdict and what finding it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What becomes of the command.
    pub verdict: Verdict,
    /// Look-ups in the keyspace beside those of the command itself: one for each key while the slot is open here.
    pub lookups: u32,
}

impl Answer {
    fn at_once(verdict: Verdict) -> Self {
        Answer { verdict, lookups: 0 }
    }
}

/// Why a slot is open here, as `getNodeByQuery` sees it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    No,
    Migrating(u16),
    Importing,
}

impl Asked {
    /// What becomes of `query` at a node with `view`. `present` says which of the keys the node holds, an expired key
    /// that is still there from 7.0 on among them (`LOOKUP_NOEXPIRE`); it is asked only when the answer depends on it.
    pub fn node_by_query(
        &self,
        view: &ClusterView,
        query: &Query,
        present: impl FnOnce() -> Present,
    ) -> Answer {
        let (slot, several) = match query.slots {
            KeySlots::None => return Answer::at_once(Verdict::Serve),
            KeySlots::One(slot) => (slot, false),
            KeySlots::Several(slot) => (slot, true),
        };
        let owner = view.owner(slot);
        if !self.version.has(3, 2) && !view.is_up() {
            return Answer::at_once(Verdict::Down);
        }
        if several && self.looks_at_all_keys_first() {
            return Answer::at_once(Verdict::CrossSlot);
        }
        if owner == NONE {
            return Answer::at_once(Verdict::Unbound);
        }
        if several {
            return Answer::at_once(Verdict::CrossSlot);
        }
        let open = self.open(view, slot, owner, query);
        let lookups = if open == Open::No { 0 } else { query.keys };
        Answer { verdict: self.of_one_slot(view, slot, owner, open, query, present), lookups }
    }

    /// Redis 8.4 and Valkey 9 compute a command's slot when they parse it, and so find different ones first. The
    /// releases are inferred from the dates of the changes (valkey-io/valkey #2165 for Valkey).
    fn looks_at_all_keys_first(&self) -> bool {
        self.version.redis_at_least(8, 4) || self.version.valkey_at_least(9, 0)
    }

    fn open(&self, view: &ClusterView, slot: Slot, owner: u16, query: &Query) -> Open {
        if view.open_slots() == 0 {
            return Open::No;
        }
        // A replica has heard of open slots since Valkey 8.0, which replicates SETSLOT, and looks at them for clients
        // that read from it.
        if self.is_replica && !(self.version.valkey_at_least(8, 0) && query.readonly) {
            return Open::No;
        }
        match (view.migrating_to(slot), view.importing_from(slot)) {
            (Some(target), _) if owner == view.me() => Open::Migrating(target),
            (_, Some(_)) => Open::Importing,
            _ => Open::No,
        }
    }

    fn of_one_slot(
        &self,
        view: &ClusterView,
        slot: Slot,
        owner: u16,
        open: Open,
        query: &Query,
        present: impl FnOnce() -> Present,
    ) -> Verdict {
        if !view.is_up() {
            if !(self.reads_when_down && self.version.has(6, 0)) {
                return Verdict::Down;
            }
            if query.is_write {
                return Verdict::DownForWrites;
            }
        }
        match open {
            Open::No => {}
            _ if query.is_migrate && !self.is_replica => return Verdict::Serve,
            Open::Migrating(node) => match present() {
                Present::All => {}
                Present::Some if self.version.has(7, 0) => return Verdict::TryAgain,
                Present::Some | Present::None => return Verdict::Ask { slot, node },
            },
            Open::Importing if query.asking => {
                let missing = query.multiple_keys && present() != Present::All;
                return if missing { Verdict::TryAgain } else { Verdict::Serve };
            }
            Open::Importing => {}
        }
        let mine = owner == view.me();
        let here = if self.is_replica { mine && query.readonly && !query.is_write } else { mine };
        if here { Verdict::Serve } else { Verdict::Moved { slot, node: owner } }
    }
}

#[cfg(test)]
mod tests {
    use super::super::slot_view::{Health, SetSlot};
    use super::*;
    use crate::slots::SLOTS;

    const V7: Version = Version::redis(7, 0);
    const VERSIONS: [Version; 7] = [
        Version::redis(3, 0),
        Version::redis(6, 2),
        V7,
        Version::redis(8, 0),
        Version::redis(8, 4),
        Version::valkey(8, 0),
        Version::valkey(9, 0),
    ];
    /// Slots of node 0, whose view it is, and node 1; one that nobody has.
    const MINE: Slot = 10;
    const MIGRATING: Slot = 11;
    const OTHER: Slot = 9000;
    const IMPORTING: Slot = 9001;
    const UNBOUND: Slot = 12;

    fn view(version: Version, up: bool) -> ClusterView {
        let mut owners: Vec<u16> = (0..SLOTS).map(|slot| (slot * 2 / SLOTS) as u16).collect();
        owners[UNBOUND as usize] = NONE;
        let mut view = ClusterView::new(version, 0, &owners, &[1, 2], false, 0);
        view.set_slot(MIGRATING, SetSlot::Migrating(1), 1).expect("its own");
        view.set_slot(IMPORTING, SetSlot::Importing(1), 0).expect("not its own");
        if !up {
            view.set_health(1, Health::Failed);
            view.update_state(0);
        }
        view
    }

    fn server(version: Version) -> Asked {
        Asked { version, is_replica: false, reads_when_down: false }
    }

    /// The verdict when the keys are `present`; none: nobody may ask.
    fn ask(asked: Asked, up: bool, query: Query, present: Option<Present>) -> Verdict {
        let view = view(asked.version, up);
        asked.node_by_query(&view, &query, || present.expect("not needed")).verdict
    }

    fn set(slot: Slot) -> Query {
        Query::one_key(slot, true)
    }

    fn mset(slot: Slot) -> Query {
        Query { keys: 2, multiple_keys: true, ..set(slot) }
    }

    fn across(first: Slot) -> Query {
        Query { slots: KeySlots::Several(first), ..mset(first) }
    }

    #[test]
    fn commands_without_keys_are_served_even_when_the_cluster_is_down() {
        let ping = Query { slots: KeySlots::None, keys: 0, ..set(0) };
        for version in VERSIONS {
            assert_eq!(ask(server(version), false, ping, None), Verdict::Serve);
        }
    }

    #[test]
    fn a_slot_of_nobody_comes_before_different_slots_until_these_are_seen_at_parsing() {
        for version in VERSIONS {
            assert_eq!(ask(server(version), true, set(UNBOUND), None), Verdict::Unbound);
            let parsed = [Version::redis(8, 4), Version::valkey(9, 0)].contains(&version);
            let expected = if parsed { Verdict::CrossSlot } else { Verdict::Unbound };
            assert_eq!(ask(server(version), true, across(UNBOUND), None), expected, "{version}");
        }
    }

    #[test]
    fn both_come_before_the_state_of_the_cluster_from_3_2_on() {
        for version in VERSIONS {
            let old = version == Version::redis(3, 0);
            let or_down = |verdict| if old { Verdict::Down } else { verdict };
            assert_eq!(ask(server(version), true, across(OTHER), None), Verdict::CrossSlot);
            assert_eq!(ask(server(version), false, across(MINE), None), or_down(Verdict::CrossSlot));
            assert_eq!(ask(server(version), false, set(UNBOUND), None), or_down(Verdict::Unbound));
        }
    }

    #[test]
    fn a_cluster_that_is_down_refuses_all_or_writes() {
        let get = Query::one_key(MINE, false);
        for version in VERSIONS {
            assert_eq!(ask(server(version), false, get, None), Verdict::Down);
            let lenient = Asked { reads_when_down: true, ..server(version) };
            let old = version == Version::redis(3, 0);
            let expected = if old { [Verdict::Down; 2] } else { [Verdict::Serve, Verdict::DownForWrites] };
            assert_eq!([get, set(MINE)].map(|query| ask(lenient, false, query, None)), expected);
        }
        // It comes before MIGRATE's exception, and before MOVED.
        let migrate = Query { is_migrate: true, ..mset(MIGRATING) };
        assert_eq!(ask(server(V7), false, migrate, None), Verdict::Down);
        assert_eq!(ask(server(V7), false, set(OTHER), None), Verdict::Down);
    }

    #[test]
    fn migrate_is_served_while_the_slot_is_open_whatever_keys_there_are() {
        for slot in [MIGRATING, IMPORTING] {
            let migrate = Query { is_migrate: true, ..mset(slot) };
            assert_eq!(ask(server(V7), true, migrate, None), Verdict::Serve);
        }
        let migrate = Query { is_migrate: true, ..mset(OTHER) };
        assert_eq!(ask(server(V7), true, migrate, None), Verdict::Moved { slot: OTHER, node: 1 });
    }

    #[test]
    fn a_migrating_slot_serves_keys_that_are_there_and_asks_for_those_that_are_not() {
        let away = Verdict::Ask { slot: MIGRATING, node: 1 };
        for version in VERSIONS {
            let asked = server(version);
            for query in [set(MIGRATING), mset(MIGRATING)] {
                assert_eq!(ask(asked, true, query, Some(Present::All)), Verdict::Serve);
                assert_eq!(ask(asked, true, query, Some(Present::None)), away);
            }
            let some = if version.has(7, 0) { Verdict::TryAgain } else { away };
            assert_eq!(ask(asked, true, mset(MIGRATING), Some(Present::Some)), some, "{version}");
            // ASKING does not help at the source.
            let asking = Query { asking: true, ..set(MIGRATING) };
            assert_eq!(ask(asked, true, asking, Some(Present::None)), away);
        }
    }

    #[test]
    fn an_importing_slot_serves_who_asks() {
        let asking = |query| Query { asking: true, ..query };
        for version in VERSIONS {
            let asked = server(version);
            assert_eq!(ask(asked, true, asking(set(IMPORTING)), None), Verdict::Serve);
            assert_eq!(ask(asked, true, asking(mset(IMPORTING)), Some(Present::All)), Verdict::Serve);
            for missing in [Present::Some, Present::None] {
                let verdict = ask(asked, true, asking(mset(IMPORTING)), Some(missing));
                assert_eq!(verdict, Verdict::TryAgain);
            }
            let moved = Verdict::Moved { slot: IMPORTING, node: 1 };
            assert_eq!(ask(asked, true, set(IMPORTING), None), moved);
            // ASKING is for importing slots only.
            assert_eq!(ask(asked, true, asking(set(OTHER)), None), Verdict::Moved { slot: OTHER, node: 1 });
        }
    }

    #[test]
    fn a_replica_serves_reads_of_its_primary_s_slots_to_readonly_clients() {
        let replica = Asked { is_replica: true, ..server(V7) };
        let read = |slot| Query { readonly: true, ..Query::one_key(slot, false) };
        assert_eq!(ask(replica, true, read(MINE), None), Verdict::Serve);
        assert_eq!(ask(replica, true, read(OTHER), None), Verdict::Moved { slot: OTHER, node: 1 });
        let here = Verdict::Moved { slot: MINE, node: 0 };
        assert_eq!(ask(replica, true, Query { is_write: true, ..read(MINE) }, None), here);
        assert_eq!(ask(replica, true, Query { readonly: false, ..read(MINE) }, None), here);
        // Redis does not replicate SETSLOT, Valkey does.
        assert_eq!(ask(replica, true, read(MIGRATING), None), Verdict::Serve);
        let replica = Asked { version: Version::valkey(8, 0), ..replica };
        let away = Verdict::Ask { slot: MIGRATING, node: 1 };
        assert_eq!(ask(replica, true, read(MIGRATING), Some(Present::None)), away);
        assert_eq!(ask(replica, true, read(MIGRATING), Some(Present::All)), Verdict::Serve);
    }

    #[test]
    fn what_is_left_is_served_or_moved() {
        for version in VERSIONS {
            for query in [set(MINE), mset(MINE)] {
                assert_eq!(ask(server(version), true, query, None), Verdict::Serve);
            }
            assert_eq!(ask(server(version), true, set(OTHER), None), Verdict::Moved { slot: OTHER, node: 1 });
        }
    }

    #[test]
    fn open_slots_cost_a_lookup_a_key() {
        let lookups =
            |query: Query| server(V7).node_by_query(&view(V7, true), &query, || Present::All).lookups;
        assert_eq!([MINE, OTHER, UNBOUND].map(|slot| lookups(mset(slot))), [0; 3]);
        assert_eq!([MIGRATING, IMPORTING].map(|slot| lookups(mset(slot))), [2; 2]);
        assert_eq!(lookups(Query { is_migrate: true, keys: 10, ..mset(MIGRATING) }), 10);
    }

    #[test]
    fn replies_have_the_length_of_the_server_s() {
        let address = "127.0.0.1:6381".len() as u64;
        for (verdict, text) in [
            (Verdict::Moved { slot: 3999, node: 1 }, "-MOVED 3999 127.0.0.1:6381\r\n"),
            (Verdict::Ask { slot: 7, node: 1 }, "-ASK 7 127.0.0.1:6381\r\n"),
            (Verdict::TryAgain, "-TRYAGAIN Multiple keys request during rehashing of slot\r\n"),
            (Verdict::CrossSlot, "-CROSSSLOT Keys in request don't hash to the same slot\r\n"),
            (Verdict::Unbound, "-CLUSTERDOWN Hash slot not served\r\n"),
            (Verdict::Down, "-CLUSTERDOWN The cluster is down\r\n"),
            (Verdict::DownForWrites, "-CLUSTERDOWN The cluster is down and only accepts read commands\r\n"),
            (Verdict::Serve, ""),
        ] {
            assert_eq!(verdict.reply_bytes(address), text.len() as u64, "{text}");
        }
    }
}
