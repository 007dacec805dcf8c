//! Every key is in one place: on one node, or on its way between two.
//!
//! Places, keys that can exist, are neither made nor lost: those of all nodes and of MIGRATE's parcels on their way are
//! as many as at the start, class by class, at every moment at which something happens outside the nodes; now and
//! then those of each open slot are counted too.

use std::collections::BTreeMap;

use super::router::Node;
use super::world::World;

/// Tasks after which all is counted slot by slot; beyond, one in so many.
const EACH_SLOT_UNTIL: u64 = 1 << 10;
const EACH_SLOT_EVERY: u64 = 1 << 8;

/// What must be everywhere together.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    /// Places by class.
    places: Vec<u64>,
    checks: u64,
}

impl Ledger {
    /// As the nodes are now.
    pub(super) fn new(nodes: &[Node]) -> Self {
        let classes = nodes.first().map_or(0, |node| node.server.keyspace.classes());
        let places =
            (0..classes).map(|class| nodes.iter().map(|node| node.server.keyspace.size(class)).sum());
        Ledger { places: places.collect(), checks: 0 }
    }
}

impl World<'_> {
    /// Panics unless every place is in one place.
    pub(super) fn check_places(&mut self) {
        let mut on_the_way: BTreeMap<(u16, usize), u64> = BTreeMap::new();
        for node in &self.nodes {
            for (slot, key) in node.on_the_way() {
                *on_the_way.entry((slot, usize::from(key.class))).or_default() += 1;
            }
        }
        for (class, &places) in self.ledger.places.iter().enumerate() {
            let here: u64 = self.nodes.iter().map(|node| node.server.keyspace.size(class)).sum();
            let moving: u64 =
                on_the_way.iter().filter(|((_, of), _)| *of == class).map(|(_, keys)| keys).sum();
            assert_eq!(here + moving, places, "places of class {class}");
        }
        let checks = self.ledger.checks;
        self.ledger.checks += 1;
        if checks < EACH_SLOT_UNTIL || checks.is_multiple_of(EACH_SLOT_EVERY) {
            self.check_slots(&on_the_way);
        }
    }

    /// The places of every slot that is open somewhere are the slot's, wherever they are.
    fn check_slots(&mut self, on_the_way: &BTreeMap<(u16, usize), u64>) {
        let mut open: BTreeMap<(u16, usize), u64> = on_the_way.clone();
        for node in &mut self.nodes {
            node.check_open();
            for slot in &node.seat().open.slots {
                for places in slot.places() {
                    *open.entry((slot.slot, places.class)).or_default() += places.size;
                }
            }
        }
        let mut slots: Vec<u16> = open.keys().map(|key| key.0).collect();
        slots.dedup();
        for slot in slots {
            // A node for which the slot is not open has all of it or nothing, as its owner or not.
            let whole = self.nodes.iter_mut().enumerate().any(|(index, node)| {
                let member = node.seat();
                member.view.owner(slot) == index as u16 && member.open.get(slot).is_none()
            });
            for class in 0..self.ledger.places.len() {
                let total = self.counts.in_slot(self.nodes[0].server.keyspace.ranks_of(class), slot);
                let counted = open.get(&(slot, class)).copied().unwrap_or(0);
                let expected = if whole { 0 } else { total };
                assert_eq!(
                    counted,
                    expected,
                    "places of class {class} of slot {slot}: {}",
                    self.whereabouts(slot)
                );
            }
        }
    }

    /// What each node has of a slot, for whoever reads why a run has panicked.
    fn whereabouts(&mut self, slot: u16) -> String {
        let nodes = self.nodes.iter_mut().enumerate().map(|(index, node)| {
            let now = node.server.main.now;
            let member = node.seat();
            let view = &member.view;
            let (owner, to, from) = (view.owner(slot), view.migrating_to(slot), view.importing_from(slot));
            let places = member.open.get(slot).map(|open| (open.positions(), open.left()));
            format!("node {index} at {now}: owner {owner}, to {to:?}, from {from:?}, {places:?}")
        });
        nodes.collect::<Vec<_>>().join("; ")
    }
}
