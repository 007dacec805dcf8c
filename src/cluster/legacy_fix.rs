//! How `redis-cli --cluster fix` closes the slots that a failed move has left open.
//!
//! Source: redis-cli.c of 7.0, `clusterManagerFixOpenSlot`. It counts the keys of the slot on all nodes, then takes
//! one of four ways; the numbers of the cases are redis-cli's. Here the counts are taken as they are when the plan is
//! made, and the counting commands are in the plan, so that its round trips are redis-cli's.
//!
//! Left out: `FixSlotsCoverage`, for slots without an owner whose state is not open, and nodes that cannot be
//! reached (redis-cli refuses).

use super::order::{Order, Step};
use super::reshard_plan::SlotMove;

/// What one primary says about an open slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// It says that the slot is its own.
    pub owns: bool,
    /// It has the slot as migrating, to that node.
    pub migrating_to: Option<usize>,
    /// It has the slot as importing.
    pub importing: bool,
    /// Keys of the slot that it has.
    pub keys: u64,
}

/// Why redis-cli gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfixable {
    /// "Sorry, redis-cli can't fix this slot yet (work in progress)".
    Unhandled,
    /// There is no primary.
    NoOwner,
}

impl std::fmt::Display for Unfixable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Unfixable::Unhandled => "redis-cli cannot fix this slot (work in progress)",
            Unfixable::NoOwner => "no primary is left to own the slot",
        })
    }
}

/// Steps that close `slot`, of which node i says `claims[i]`; for
/// [`LegacyMove::fix`](super::legacy_move::LegacyMove::fix).
///
/// # Errors
/// For the states in which redis-cli gives up.
pub fn fix_open_slot(slot: u16, claims: &[Claim]) -> Result<Vec<Step>, Unfixable> {
    let mut plan = Plan { slot, steps: Vec::new() };
    let nodes = || 0..claims.len();
    let mut owners = Vec::new();
    for node in nodes() {
        if !claims[node].owns {
            plan.ask(node, Order::CountKeysInSlot);
        }
        if claims[node].owns || claims[node].keys > 0 {
            owners.push(node);
        }
    }
    let mut owner = if let [only] = owners[..] { Some(only) } else { None };
    let (mut migrating, mut importing) = (Vec::new(), Vec::new());
    for node in nodes() {
        let claim = claims[node];
        if claim.migrating_to.is_some() {
            migrating.push(node);
        } else if claim.importing {
            importing.push(node);
        } else if Some(node) != owner {
            plan.ask(node, Order::CountKeysInSlot);
            if claim.keys > 0 {
                importing.push(node);
            }
        }
    }
    let owner = match owner.take() {
        Some(owner) => owner,
        None => plan.elect(claims, &mut migrating, &mut importing)?,
    };
    for &node in owners.iter().filter(|&&node| owners.len() > 1 && node != owner) {
        plan.ask(node, Order::DelSlots);
        plan.ask(node, Order::SetSlotNode { owner });
        plan.ask(node, Order::SetSlotImporting { from: owner });
        importing.retain(|&n| n != node);
        importing.push(node);
        migrating.retain(|&n| n != node);
    }
    match (&migrating[..], &importing[..]) {
        (&[from], &[to]) => plan.steps.push(Step::MoveToFix(SlotMove { slot, from, to })),
        (&[], [_, ..]) => plan.collect(claims.len(), owner, &importing),
        (&[from], [_, _, ..]) => plan.choose(claims, from, &importing)?,
        (&[node], &[]) => {
            if node != owner {
                plan.ask(node, Order::GetKeysInSlot { count: 10 });
            }
            if node != owner && claims[node].keys > 0 {
                return Err(Unfixable::Unhandled);
            }
            plan.ask(node, Order::SetSlotStable);
        }
        _ => return Err(Unfixable::Unhandled),
    }
    Ok(plan.steps)
}

/// Steps so far.
struct Plan {
    slot: u16,
    steps: Vec<Step>,
}

impl Plan {
    fn ask(&mut self, node: usize, order: Order) {
        self.steps.push(Step::Ask { node, slot: self.slot, order });
    }

    /// Without a single clear owner: the node with the most keys, the first of them, gets the slot.
    fn elect(
        &mut self,
        claims: &[Claim],
        migrating: &mut Vec<usize>,
        importing: &mut Vec<usize>,
    ) -> Result<usize, Unfixable> {
        for node in 0..claims.len() {
            self.ask(node, Order::CountKeysInSlot);
        }
        let most = claims.iter().map(|claim| claim.keys).max().ok_or(Unfixable::NoOwner)?;
        let owner = claims.iter().position(|claim| claim.keys == most).ok_or(Unfixable::NoOwner)?;
        self.ask(owner, Order::SetSlotStable);
        // `clusterManagerSetSlotOwner`.
        let orders =
            [Order::Transaction, Order::DelSlots, Order::AddSlots, Order::BumpEpoch, Order::Transaction];
        for order in orders {
            self.ask(owner, order);
        }
        migrating.retain(|&node| node != owner);
        importing.retain(|&node| node != owner);
        Ok(owner)
    }

    /// Case 2: importing nodes alone; their keys go to the owner, cold.
    fn collect(&mut self, nodes: usize, owner: usize, importing: &[usize]) {
        for &from in importing.iter().filter(|&&node| node != owner) {
            self.steps.push(Step::MoveCold(SlotMove { slot: self.slot, from, to: owner }));
            self.ask(from, Order::SetSlotStable);
        }
        for node in (0..nodes).filter(|&node| node != owner) {
            self.ask(node, Order::SetSlotNode { owner });
        }
    }

    /// Case 3: several importing nodes, none with keys; the one that the source names gets the slot. If none is
    /// named, the slot is closed everywhere.
    fn choose(&mut self, claims: &[Claim], from: usize, importing: &[usize]) -> Result<(), Unfixable> {
        let mut target = None;
        for &node in importing {
            self.ask(node, Order::CountKeysInSlot);
            if claims[node].keys > 0 {
                return Err(Unfixable::Unhandled);
            }
            if claims[from].migrating_to == Some(node) {
                target = Some(node);
            }
        }
        match target {
            Some(to) => self.steps.push(Step::MoveToFix(SlotMove { slot: self.slot, from, to })),
            None => self.ask(from, Order::SetSlotStable),
        }
        for &node in importing.iter().filter(|&&node| Some(node) != target) {
            self.ask(node, Order::SetSlotStable);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOT: u16 = 42;

    fn source(keys: u64) -> Claim {
        Claim { owns: true, migrating_to: Some(1), importing: false, keys }
    }

    fn target(keys: u64) -> Claim {
        Claim { importing: true, keys, ..Claim::default() }
    }

    fn asked(node: usize, order: Order) -> Step {
        Step::Ask { node, slot: SLOT, order }
    }

    #[test]
    fn a_move_that_failed_before_its_first_key_is_moved_on() {
        let steps = fix_open_slot(SLOT, &[source(9), target(0), Claim::default()]).expect("a way");
        let expected = [
            asked(1, Order::CountKeysInSlot),
            asked(2, Order::CountKeysInSlot),
            asked(2, Order::CountKeysInSlot),
            Step::MoveToFix(SlotMove { slot: SLOT, from: 0, to: 1 }),
        ];
        assert_eq!(steps, expected);
    }

    /// Keys on both nodes make two owners: the one with more keys becomes the owner, and the others' keys go there.
    /// The slot may so travel back to its source.
    #[test]
    fn a_move_that_failed_half_way_goes_to_the_node_with_more_keys() {
        for (at_source, at_target, owner) in [(9, 4, 0), (4, 9, 1), (5, 5, 0)] {
            let claims = [source(at_source), target(at_target), Claim::default()];
            let steps = fix_open_slot(SLOT, &claims).expect("a way");
            let cold = SlotMove { slot: SLOT, from: 1 - owner, to: owner };
            assert!(steps.contains(&Step::MoveCold(cold)), "{steps:?}");
            assert!(steps.contains(&asked(owner, Order::AddSlots)));
            let last =
                [asked(1 - owner, Order::SetSlotNode { owner }), asked(2, Order::SetSlotNode { owner })];
            assert_eq!(steps[steps.len() - 2..], last);
        }
    }

    #[test]
    fn a_lone_migrating_state_is_closed() {
        let steps = fix_open_slot(SLOT, &[source(9), Claim::default()]).expect("a way");
        assert_eq!(steps.last(), Some(&asked(0, Order::SetSlotStable)));
        let steps = fix_open_slot(SLOT, &[Claim { owns: true, ..source(3) }, target(0)]).expect("a way");
        assert_eq!(steps.len(), 2);
    }

    #[test]
    fn a_lone_importing_state_sends_its_keys_to_the_owner() {
        let owner = Claim { owns: true, keys: 20, ..Claim::default() };
        let steps = fix_open_slot(SLOT, &[owner, target(0), Claim::default()]).expect("a way");
        let expected = [
            Step::MoveCold(SlotMove { slot: SLOT, from: 1, to: 0 }),
            asked(1, Order::SetSlotStable),
            asked(1, Order::SetSlotNode { owner: 0 }),
            asked(2, Order::SetSlotNode { owner: 0 }),
        ];
        assert_eq!(steps[steps.len() - 4..], expected);
    }

    #[test]
    fn of_several_importing_nodes_the_named_one_gets_the_slot() {
        let steps = fix_open_slot(SLOT, &[source(9), target(0), target(0)]).expect("a way");
        let chosen =
            [Step::MoveToFix(SlotMove { slot: SLOT, from: 0, to: 1 }), asked(2, Order::SetSlotStable)];
        assert_eq!(steps[steps.len() - 2..], chosen);
        let elsewhere = Claim { migrating_to: Some(3), ..source(9) };
        let steps = fix_open_slot(SLOT, &[elsewhere, target(0), target(0), Claim::default()]).expect("a way");
        let closed: Vec<Step> = (0..3).map(|node| asked(node, Order::SetSlotStable)).collect();
        assert_eq!(steps[steps.len() - 3..], closed);
    }

    #[test]
    fn what_redis_cli_cannot_fix_is_said() {
        assert_eq!(fix_open_slot(SLOT, &[]), Err(Unfixable::NoOwner));
        let nothing_open = [Claim { owns: true, ..Claim::default() }, Claim::default()];
        assert_eq!(fix_open_slot(SLOT, &nothing_open), Err(Unfixable::Unhandled));
    }
}
