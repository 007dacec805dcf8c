//! One node's view of the cluster: who owns each slot, which slots are open, and whether the cluster is up.
//!
//! Sources: cluster.c, cluster_legacy.c: `clusterCommand` (SETSLOT), `clusterBumpConfigEpochWithoutConsensus`,
//! `clusterUpdateSlotsConfigWith`, `clusterUpdateState`. A node is a primary with its replicas, so a failover changes
//! none of the owners.
//!
//! Left out: slots that their owner no longer claims (`owner_not_claiming_slot`, which matters only when a claim comes
//! without a new epoch), unknown nodes and replicas as targets, since a scenario names primaries, and the two seconds
//! after a start during which a primary stays down (`CLUSTER_WRITABLE_DELAY`).

use super::version::Version;
use crate::slots::{SLOTS, Slot};
use crate::units::{MILLISECOND, Nanos};

/// Owner of a slot that is not assigned.
pub const NONE: u16 = u16::MAX;
/// Longest time in which a primary that comes back from a minority refuses queries (`CLUSTER_MAX_REJOIN_DELAY`).
const MAX_REJOIN_DELAY: Nanos = 5000 * MILLISECOND;
/// The shortest (`CLUSTER_MIN_REJOIN_DELAY`).
const MIN_REJOIN_DELAY: Nanos = 500 * MILLISECOND;

/// What a node thinks of another (`CLUSTER_NODE_PFAIL`, `CLUSTER_NODE_FAIL`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It answers.
    Reachable,
    /// It has not answered this node for cluster-node-timeout.
    PossiblyFailed,
    /// A majority of primaries says so.
    Failed,
}

/// What of nodes.conf has to be saved ahead of the next poll (`clusterBeforeSleep`); those of one turn add up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Save {
    /// The file is written (`CLUSTER_TODO_SAVE_CONFIG`).
    pub write: bool,
    /// And synced (`CLUSTER_TODO_FSYNC_CONFIG`).
    pub fsync: bool,
}

impl Save {
    const WRITE: Save = Save { write: true, fsync: false };
    const SYNC: Save = Save { write: true, fsync: true };

    /// This and what `other` asks for.
    pub fn and(self, other: Save) -> Save {
        Save { write: self.write || other.write, fsync: self.fsync || other.fsync }
    }
}

/// What CLUSTER SETSLOT sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetSlot {
    /// MIGRATING: its keys leave for that node.
    Migrating(u16),
    /// IMPORTING: its keys come from that node.
    Importing(u16),
    /// STABLE: neither.
    Stable,
    /// NODE: it belongs to that node.
    Node(u16),
}

/// What an accepted change of the view leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// What is saved.
    pub save: Save,
    /// The node's new configuration epoch, if it took one without asking anybody.
    pub epoch: Option<u64>,
    /// The node tells all others at once (`clusterBroadcastPong`, 6.2 on); else they hear with its next ping.
    pub broadcast: bool,
    /// The node has lost its last slot to that one: it becomes its replica unless
    /// `cluster-allow-replica-migration` is off.
    pub emptied_by: Option<u16>,
    /// Slots that the node lost while it holds keys of them: it deletes those (`delKeysInSlot`), unless it becomes a
    /// replica and is synchronised instead.
    pub dirty: Vec<Slot>,
}

/// The view of one node.
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterView {
    version: Version,
    me: u16,
    owners: Vec<u16>,
    /// Slots of each node.
    owned: Vec<u32>,
    /// Own slots whose keys leave, with the target, by slot.
    migrating: Vec<(Slot, u16)>,
    /// Slots whose keys come, with the source, by slot.
    importing: Vec<(Slot, u16)>,
    /// configEpoch of each node.
    epochs: Vec<u64>,
    current_epoch: u64,
    health: Vec<Health>,
    full_coverage: bool,
    rejoin_delay: Nanos,
    up: bool,
    /// When the node was last in a minority (`among_minority_time`).
    minority_at: Option<Nanos>,
}

/// Configuration epochs as `redis-cli --cluster create` leaves them: 1, 2, … for the nodes with slots, in order.
/// Empty ones (`add-node`) begin with 0; where two have the same, all but one take the next ones
/// (`clusterHandleConfigEpochCollision`; here the last one keeps its 0).
pub fn first_epochs(slots_of_nodes: &[u32]) -> Vec<u64> {
    let last_empty = slots_of_nodes.iter().rposition(|&slots| slots == 0);
    let mut next = slots_of_nodes.iter().filter(|&&slots| slots > 0).count() as u64;
    let mut full = 0;
    let epoch = |(node, &slots): (usize, &u32)| {
        if slots > 0 {
            full += 1;
            full
        } else if Some(node) == last_empty {
            0
        } else {
            next += 1;
            next
        }
    };
    slots_of_nodes.iter().enumerate().map(epoch).collect()
}

impl ClusterView {
    /// The view of node `me` of a settled cluster: `owners` has a node or [`NONE`] for each slot, `epochs` an entry for
    /// each node that is named. `full_coverage`: cluster-require-full-coverage; `node_timeout`: cluster-node-timeout.
    pub fn new(
        version: Version,
        me: u16,
        owners: &[u16],
        epochs: &[u64],
        full_coverage: bool,
        node_timeout: Nanos,
    ) -> Self {
        let mut view = ClusterView {
            version,
            me,
            owners: owners.iter().copied().chain(std::iter::repeat(NONE)).take(SLOTS).collect(),
            owned: vec![0; epochs.len()],
            migrating: Vec::new(),
            importing: Vec::new(),
            epochs: epochs.to_vec(),
            current_epoch: epochs.iter().copied().max().unwrap_or(0),
            health: vec![Health::Reachable; epochs.len()],
            full_coverage,
            rejoin_delay: node_timeout.clamp(MIN_REJOIN_DELAY, MAX_REJOIN_DELAY),
            up: true,
            minority_at: None,
        };
        for &owner in view.owners.iter().filter(|&&owner| owner != NONE) {
            view.owned[owner as usize] += 1;
        }
        view.up = view.should_be_up();
        view
    }

    /// The node whose view it is.
    pub fn me(&self) -> u16 {
        self.me
    }

    /// Owner of a slot, or [`NONE`].
    #[inline(always)]
    pub fn owner(&self, slot: Slot) -> u16 {
        self.owners[slot as usize]
    }

    /// Owners of all slots.
    pub fn owners(&self) -> &[u16] {
        &self.owners
    }

    /// Slots of a node.
    pub fn owned(&self, node: u16) -> u32 {
        self.owned[node as usize]
    }

    /// configEpoch of a node.
    pub fn epoch(&self, node: u16) -> u64 {
        self.epochs[node as usize]
    }

    /// The greatest epoch the node has heard of (`cluster_current_epoch`).
    pub fn current_epoch(&self) -> u64 {
        self.current_epoch
    }

    /// No slot is open and the cluster is up: a query is served or gets MOVED, nothing else but CLUSTERDOWN for a
    /// slot nobody has.
    #[inline(always)]
    pub fn is_calm(&self) -> bool {
        self.up && self.migrating.is_empty() && self.importing.is_empty()
    }

    /// Where the keys of an own slot go.
    #[inline]
    pub fn migrating_to(&self, slot: Slot) -> Option<u16> {
        find(&self.migrating, slot)
    }

    /// Where the keys of a slot come from.
    #[inline]
    pub fn importing_from(&self, slot: Slot) -> Option<u16> {
        find(&self.importing, slot)
    }

    /// Migrating slots with their targets, by slot.
    pub fn migrating(&self) -> &[(Slot, u16)] {
        &self.migrating
    }

    /// Importing slots with their sources, by slot.
    pub fn importing(&self) -> &[(Slot, u16)] {
        &self.importing
    }

    /// Open slots, migrating and importing ones.
    pub fn open_slots(&self) -> usize {
        self.migrating.len() + self.importing.len()
    }

    /// The cluster is up (`cluster_state:ok`).
    pub fn is_up(&self) -> bool {
        self.up
    }

    /// `CLUSTER SETSLOT slot …` on this node, which holds `keys` keys of the slot.
    pub fn set_slot(&mut self, slot: Slot, to: SetSlot, keys: u64) -> Result<Changed, SetSlotError> {
        let mine = self.owner(slot) == self.me;
        let mut changed = Changed { save: Save::WRITE, ..Changed::default() };
        match to {
            SetSlot::Migrating(_) if !mine => return Err(SetSlotError::NotOwner(slot)),
            SetSlot::Migrating(node) => put(&mut self.migrating, slot, node),
            SetSlot::Importing(_) if mine => return Err(SetSlotError::AlreadyOwner(slot)),
            SetSlot::Importing(node) => put(&mut self.importing, slot, node),
            SetSlot::Stable => {
                take(&mut self.migrating, slot);
                take(&mut self.importing, slot);
            }
            SetSlot::Node(node) => {
                if mine && node != self.me && keys > 0 {
                    return Err(SetSlotError::HoldsKeys(slot));
                }
                if keys == 0 {
                    take(&mut self.migrating, slot);
                }
                self.assign(slot, node);
                // Before 7.0 the node finds out when it hears the new owner's claim.
                if mine && node != self.me && self.owned(self.me) == 0 && self.version.has(7, 0) {
                    changed.emptied_by = Some(node);
                    changed.save = Save::SYNC;
                }
                if node == self.me && take(&mut self.importing, slot) {
                    changed.epoch = self.bump_epoch();
                    changed.broadcast = self.version.has(6, 2);
                    if changed.epoch.is_some() {
                        changed.save = Save::SYNC;
                    }
                }
            }
        }
        Ok(changed)
    }

    /// The node's own epoch becomes the greatest, unless it is (`clusterBumpConfigEpochWithoutConsensus`): one that
    /// imports slot after slot does this once.
    fn bump_epoch(&mut self) -> Option<u64> {
        let greatest = self.epochs.iter().copied().fold(self.current_epoch, u64::max);
        let own = self.epochs[self.me as usize];
        if own != 0 && own == greatest {
            return None;
        }
        // The current epoch is never below a node's.
        self.current_epoch = greatest + 1;
        self.epochs[self.me as usize] = self.current_epoch;
        Some(self.current_epoch)
    }

    /// `sender` says that it has `slots` with its configuration `epoch` (a ping, pong or UPDATE of the cluster bus).
    /// `keys`: keys that this node holds of a slot.
    pub fn hear(
        &mut self,
        sender: u16,
        epoch: u64,
        slots: impl IntoIterator<Item = Slot>,
        mut keys: impl FnMut(Slot) -> u64,
    ) -> Changed {
        self.current_epoch = self.current_epoch.max(epoch);
        self.epochs[sender as usize] = self.epochs[sender as usize].max(epoch);
        let had_slots = self.owned(self.me) > 0;
        let mut changed = Changed::default();
        for slot in slots {
            let owner = self.owner(slot);
            let newer = owner == NONE || self.epoch(owner) < epoch;
            if owner == sender || sender == self.me || !newer || !self.lets_go(slot, sender) {
                continue;
            }
            if owner == self.me && keys(slot) > 0 {
                changed.dirty.push(slot);
            }
            self.assign(slot, sender);
            changed.save = Save::SYNC;
        }
        if had_slots && self.owned(self.me) == 0 {
            changed.emptied_by = Some(sender);
        }
        changed
    }

    /// Whether a claim of `sender` may change an open slot, which Valkey closes then (8.0 on). Redis leaves the owner of
    /// an importing slot to the administrator, and a migrating slot open.
    fn lets_go(&mut self, slot: Slot, sender: u16) -> bool {
        let closes = self.version.valkey_at_least(8, 0);
        match self.importing_from(slot) {
            None => {}
            Some(source) if closes && source != sender => {
                take(&mut self.importing, slot);
            }
            Some(_) => return false,
        }
        if closes {
            take(&mut self.migrating, slot);
        }
        true
    }

    fn assign(&mut self, slot: Slot, node: u16) {
        let before = std::mem::replace(&mut self.owners[slot as usize], node);
        if before != NONE {
            self.owned[before as usize] -= 1;
        }
        if node != NONE {
            self.owned[node as usize] += 1;
        }
    }

    /// The slot belongs to nobody (`CLUSTER DELSLOTS`); the state follows with [`ClusterView::update_state`].
    pub fn delete_slot(&mut self, slot: Slot) -> Save {
        self.assign(slot, NONE);
        Save::WRITE
    }

    /// The node has been elected in `epoch` (`clusterFailoverReplaceYourMaster`).
    pub fn win(&mut self, epoch: u64) {
        self.epochs[self.me as usize] = epoch;
        self.current_epoch = self.current_epoch.max(epoch);
    }

    /// What the node thinks of another from now on; the state follows with [`ClusterView::update_state`].
    pub fn set_health(&mut self, node: u16, health: Health) {
        self.health[node as usize] = health;
    }

    /// What the node thinks of another.
    pub fn health(&self, node: u16) -> Health {
        self.health[node as usize]
    }

    /// Whether every slot has an owner that has not failed.
    fn covered(&self) -> bool {
        let alive = self.owned.iter().zip(&self.health).filter(|(_, health)| **health != Health::Failed);
        alive.map(|(owned, _)| *owned as usize).sum::<usize>() == SLOTS
    }

    /// Whether more than half of the primaries with slots answer.
    fn in_majority(&self) -> bool {
        let owners = || self.owned.iter().zip(&self.health).filter(|(owned, _)| **owned > 0);
        let reachable = owners().filter(|(_, health)| **health == Health::Reachable).count();
        reachable > owners().count() / 2
    }

    fn should_be_up(&self) -> bool {
        self.in_majority() && (!self.full_coverage || self.covered())
    }

    /// Looks at slots and nodes at `now` (`clusterUpdateState`, called by clusterCron ten times a second and ahead of a
    /// poll after a change); whether the state has changed. A node that was in a minority comes back only after
    /// cluster-node-timeout, at least half a second and at most five.
    pub fn update_state(&mut self, now: Nanos) -> bool {
        if !self.in_majority() {
            self.minority_at = Some(now);
        }
        let up = self.should_be_up();
        let waits = |at: Nanos| now.saturating_sub(at) < self.rejoin_delay;
        if up == self.up || (up && self.minority_at.is_some_and(waits)) {
            return false;
        }
        self.up = up;
        true
    }
}

fn find(open: &[(Slot, u16)], slot: Slot) -> Option<u16> {
    open.binary_search_by_key(&slot, |&(slot, _)| slot).ok().map(|at| open[at].1)
}

fn put(open: &mut Vec<(Slot, u16)>, slot: Slot, node: u16) {
    match open.binary_search_by_key(&slot, |&(slot, _)| slot) {
        Ok(at) => open[at].1 = node,
        Err(at) => open.insert(at, (slot, node)),
    }
}

/// Whether there was something to take.
fn take(open: &mut Vec<(Slot, u16)>, slot: Slot) -> bool {
    let found = open.binary_search_by_key(&slot, |&(slot, _)| slot);
    found.is_ok_and(|at| {
        open.remove(at);
        true
    })
}

mod refusal;
mod takeover;

pub use refusal::SetSlotError;

#[cfg(test)]
mod tests;
