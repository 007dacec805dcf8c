//! Which slots `redis-cli --cluster reshard` and `rebalance` move, and in which order.
//!
//! Sources: redis-cli.c of 7.0, `clusterManagerComputeReshardTable`, `clusterManagerCommandReshard`,
//! `clusterManagerCommandRebalance` (5.0 to 8.x and valkey-cli are alike). Its arithmetic is in `float`, and so is
//! this one: 500 slots from three nodes of a fresh cluster are 499.
//!
//! Nodes come in redis-cli's order: the node it was called with, then as that one's CLUSTER NODES lists them. Ties
//! keep that order, as glibc's `qsort`, which merges, does.

use std::fmt;
use std::ops::RangeInclusive;

use crate::scenario::cluster::SLOTS;

/// One slot's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotMove {
    /// The slot, < [`SLOTS`].
    pub slot: u16,
    /// The node that has it.
    pub from: usize,
    /// The node that gets it.
    pub to: usize,
}

/// A line of rebalance's output: "Moving n slots from … to …".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RebalanceStep {
    /// Giver.
    pub from: usize,
    /// Taker.
    pub to: usize,
    /// Number of slots, > 0.
    pub slots: u32,
}

/// What rebalance answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rebalance {
    /// "No rebalancing needed! All nodes are within the threshold." A threshold of 0 % always answers this.
    NotNeeded,
    /// Slots to move.
    Moves {
        /// What redis-cli prints.
        steps: Vec<RebalanceStep>,
        /// Slot by slot, in order.
        moves: Vec<SlotMove>,
    },
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlanError {
    /// A node's number is not below the number of nodes.
    UnknownNode(usize),
    /// The target is a source too ("Target node is the same as source").
    TargetIsSource(usize),
    /// All sources together have no slot.
    NothingToMove,
    /// More slots are asked for than the sources have: (asked, there).
    TooManySlots(u32, u32),
    /// A slot that nobody has: redis-cli refuses a cluster with such slots ("Please fix your cluster problems").
    Unassigned(u16),
    /// A slot that does not exist.
    NoSuchSlot(u16),
    /// A weight that is no number from 0 up, or too few or too many weights.
    BadWeights,
    /// All weights are 0: nobody may have slots.
    NoWeight,
    /// Rounding gives every node a slot too many, in which redis-cli turns for ever.
    Unbalanced,
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlanError::UnknownNode(node) => write!(f, "there is no node number {node}"),
            PlanError::TargetIsSource(_) => f.write_str("the target is one of the sources"),
            PlanError::NothingToMove => f.write_str("the sources have no slot"),
            PlanError::TooManySlots(asked, there) => {
                write!(f, "{asked} slots are asked for, but the sources have {there}")
            }
            PlanError::Unassigned(slot) => write!(f, "slot {slot} belongs to no node"),
            PlanError::NoSuchSlot(slot) => write!(f, "slot {slot} is above {}", SLOTS - 1),
            PlanError::BadWeights => f.write_str("weights must be numbers from 0 up, one a node"),
            PlanError::NoWeight => f.write_str("all weights are 0"),
            PlanError::Unbalanced => f.write_str("these weights leave every node with a slot too many"),
        }
    }
}

impl std::error::Error for PlanError {}

/// Slots of each node, ascending.
fn slots_by_node(owners: &[Option<usize>], nodes: usize) -> Result<Vec<Vec<u16>>, PlanError> {
    let mut slots = vec![Vec::new(); nodes];
    for (slot, owner) in owners.iter().enumerate() {
        let slot = slot_number(slot)?;
        match *owner {
            None => return Err(PlanError::Unassigned(slot)),
            Some(node) => slots.get_mut(node).ok_or(PlanError::UnknownNode(node))?.push(slot),
        }
    }
    Ok(slots)
}

/// A slot's number as it is stored.
fn slot_number(slot: usize) -> Result<u16, PlanError> {
    u16::try_from(slot)
        .ok()
        .filter(|&s| usize::from(s) < SLOTS)
        .ok_or(PlanError::NoSuchSlot(u16::try_from(slot).unwrap_or(u16::MAX)))
}

/// Slots to take from `sources`, whose slots are `held`: the largest source gives its share rounded up, the others
/// theirs rounded down, each its lowest slots (`clusterManagerComputeReshardTable`).
fn reshard_table(held: &[Vec<u16>], sources: &[usize], wanted: u32) -> Vec<(u16, usize)> {
    let total: usize = sources.iter().map(|&node| held[node].len()).sum();
    let mut sorted = sources.to_vec();
    sorted.sort_by_key(|&node| std::cmp::Reverse(held[node].len()));
    let mut table = Vec::new();
    for (place, &node) in sorted.iter().enumerate() {
        let share = wanted as f32 / total as f32 * held[node].len() as f32;
        let share = if place == 0 { share.ceil() } else { share.floor() } as usize;
        let left = (wanted as usize).saturating_sub(table.len());
        table.extend(held[node].iter().take(share.min(left)).map(|&slot| (slot, node)));
    }
    table
}

/// Plan of `--cluster reshard --cluster-from … --cluster-to … --cluster-slots …`.
///
/// `owners` has the node of each slot; `from` empty means all nodes but the target. The plan may have a few slots
/// fewer than asked for, since all sources but one round down.
///
/// # Errors
/// As [`PlanError`] says. Sources without a slot beside others are allowed, as redis-cli allows them; asking for
/// more slots than there are is refused here, where redis-cli moves all there are.
pub fn reshard(
    owners: &[Option<usize>],
    nodes: usize,
    from: &[usize],
    to: usize,
    slots: u32,
) -> Result<Vec<SlotMove>, PlanError> {
    let held = slots_by_node(owners, nodes)?;
    let sources: Vec<usize> =
        if from.is_empty() { (0..nodes).filter(|&node| node != to).collect() } else { from.to_vec() };
    if let Some(&node) = sources.iter().chain([&to]).find(|&&node| node >= nodes) {
        return Err(PlanError::UnknownNode(node));
    }
    if sources.contains(&to) {
        return Err(PlanError::TargetIsSource(to));
    }
    let there: usize = sources.iter().map(|&node| held[node].len()).sum();
    if there == 0 {
        return Err(PlanError::NothingToMove);
    }
    if slots as usize > there {
        return Err(PlanError::TooManySlots(slots, there as u32));
    }
    let table = reshard_table(&held, &sources, slots);
    Ok(table.into_iter().map(|(slot, from)| SlotMove { slot, from, to }).collect())
}

/// Plan of moving given slots, each from whoever has it; slots that the target has already are left out.
///
/// # Errors
/// For slots that nobody has or that do not exist, and an unknown target.
pub fn given_slots(
    owners: &[Option<usize>],
    nodes: usize,
    slots: &[RangeInclusive<u16>],
    to: usize,
) -> Result<Vec<SlotMove>, PlanError> {
    if to >= nodes {
        return Err(PlanError::UnknownNode(to));
    }
    let mut moves: Vec<SlotMove> = Vec::new();
    let mut planned = vec![false; SLOTS];
    for slot in slots.iter().cloned().flatten() {
        let owner = owners.get(usize::from(slot)).ok_or(PlanError::NoSuchSlot(slot))?;
        let from = owner.ok_or(PlanError::Unassigned(slot))?;
        if from != to && !std::mem::replace(&mut planned[usize::from(slot)], true) {
            moves.push(SlotMove { slot, from, to });
        }
    }
    Ok(moves)
}

/// Plan of `--cluster rebalance`: `weights` one a node, `use_empty` for `--cluster-use-empty-masters`, `threshold`
/// \[%\] for `--cluster-threshold`.
///
/// # Errors
/// As [`PlanError`] says.
pub fn rebalance(
    owners: &[Option<usize>],
    nodes: usize,
    weights: &[f64],
    use_empty: bool,
    threshold: f64,
) -> Result<Rebalance, PlanError> {
    let mut held = slots_by_node(owners, nodes)?;
    if weights.len() != nodes || weights.iter().any(|w| !w.is_finite() || *w < 0.0) {
        return Err(PlanError::BadWeights);
    }
    let involved: Vec<usize> = (0..nodes).filter(|&node| use_empty || !held[node].is_empty()).collect();
    let total_weight: f32 = involved.iter().fold(0.0, |sum, &node| sum + weights[node] as f32);
    if total_weight <= 0.0 {
        return Err(PlanError::NoWeight);
    }
    // Slots a node should lose (positive) or get (negative).
    let mut balance: Vec<(usize, i64)> = Vec::with_capacity(involved.len());
    let mut over_threshold = false;
    for &node in &involved {
        let expected = (SLOTS as f32 / total_weight * weights[node] as f32) as i64;
        let has = held[node].len() as i64;
        balance.push((node, has - expected));
        if threshold > 0.0 {
            over_threshold |= if has > 0 {
                let off = (100.0 - 100.0 * expected as f64 / has as f64).abs() as f32;
                off > threshold as f32
            } else {
                expected > 1
            };
        }
    }
    if !over_threshold {
        return Ok(Rebalance::NotNeeded);
    }
    // Rounded down, the expected numbers sum to less than all slots: takers take what is left, one each in turn.
    let mut surplus: i64 = balance.iter().map(|&(_, b)| b).sum();
    while surplus > 0 {
        let before = surplus;
        for (_, b) in &mut balance {
            if *b <= 0 && surplus > 0 {
                *b -= 1;
                surplus -= 1;
            }
        }
        if surplus == before {
            return Err(PlanError::Unbalanced);
        }
    }
    balance.sort_by_key(|&(_, b)| b);
    let (steps, moves) = walk(&mut balance, &mut held);
    Ok(Rebalance::Moves { steps, moves })
}

/// The two pointers of `clusterManagerCommandRebalance`: the emptiest taker against the fullest giver, until they meet.
fn walk(balance: &mut [(usize, i64)], held: &mut [Vec<u16>]) -> (Vec<RebalanceStep>, Vec<SlotMove>) {
    let (mut steps, mut moves) = (Vec::new(), Vec::new());
    let (mut taker, mut giver) = (0, balance.len() - 1);
    while taker < giver {
        let ((to, takes), (from, gives)) = (balance[taker], balance[giver]);
        if takes > 0 || gives < 0 {
            // Only if rounding has given away more slots than there are; there is nobody left to give.
            break;
        }
        let count = (-takes).min(gives);
        if count > 0 {
            // A single source gives its lowest slots; those it has already given are gone from its list.
            let given: Vec<u16> = held[from].drain(..count as usize).collect();
            steps.push(RebalanceStep { from, to, slots: count as u32 });
            moves.extend(given.iter().map(|&slot| SlotMove { slot, from, to }));
        }
        balance[taker].1 += count;
        balance[giver].1 -= count;
        taker += usize::from(balance[taker].1 == 0);
        giver -= usize::from(balance[giver].1 == 0);
    }
    (steps, moves)
}

#[cfg(test)]
mod tests;
