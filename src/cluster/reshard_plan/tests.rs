use super::*;

/// Owners as `redis-cli --cluster create` of three nodes leaves them, among `nodes` nodes.
fn fresh() -> Vec<Option<usize>> {
    (0..SLOTS).map(|slot| Some(usize::from(slot > 5460) + usize::from(slot > 10_922))).collect()
}

fn steps(weights: &[f64], use_empty: bool) -> Vec<(usize, usize, u32)> {
    match rebalance(&fresh(), weights.len(), weights, use_empty, 2.0) {
        Ok(Rebalance::Moves { steps, .. }) => steps.iter().map(|s| (s.from, s.to, s.slots)).collect(),
        other => panic!("{other:?}"),
    }
}

/// Printed by redis-cli 7.0.15 with `--cluster-simulate` on four real nodes of which the fourth is empty.
#[test]
fn rebalance_is_what_redis_cli_prints() {
    assert_eq!(steps(&[1.0; 4], true), [(1, 3, 1366), (2, 3, 1365), (0, 3, 1365)]);
    assert_eq!(steps(&[2.0, 0.5, 1.0, 1.3], true), [(1, 3, 3756), (2, 3, 682), (2, 0, 1366)]);
    assert_eq!(steps(&[1.0, 0.0, 1.0, 1.0], false), [(1, 0, 2731), (1, 2, 2731)]);
    let even = rebalance(&fresh(), 4, &[1.0; 4], false, 2.0);
    assert_eq!(even, Ok(Rebalance::NotNeeded));
    // A threshold of 0 is never passed: "All nodes are within the 0.00% threshold."
    assert_eq!(rebalance(&fresh(), 4, &[1.0; 4], true, 0.0), Ok(Rebalance::NotNeeded));
}

/// The plan that redis-cli 7.0.15 prints for `--cluster-from all --cluster-slots 500`: 499 lines.
#[test]
fn reshard_is_what_redis_cli_prints() {
    let moves = reshard(&fresh(), 4, &[], 3, 500).expect("a plan");
    let expected: Vec<SlotMove> = (5461..=5627)
        .map(|slot| SlotMove { slot, from: 1, to: 3 })
        .chain((0..=165).map(|slot| SlotMove { slot, from: 0, to: 3 }))
        .chain((10_923..=11_088).map(|slot| SlotMove { slot, from: 2, to: 3 }))
        .collect();
    assert_eq!(moves.len(), 499);
    assert_eq!(moves, expected);
    let from_one = reshard(&fresh(), 4, &[2], 0, 5461).expect("a plan");
    assert_eq!(from_one.len(), 5461);
    assert_eq!((from_one[0].slot, from_one[5460].slot), (10_923, 16_383));
}

/// After its moves a cluster is balanced to a slot, and every slot has moved at most once, from its owner.
#[test]
fn rebalance_balances_and_moves_each_slot_once() {
    for nodes in [2, 3, 4, 7, 16, 100] {
        for emptied in [None, Some(0)] {
            let mut owners = fresh();
            let mut weights = vec![1.0; nodes];
            if nodes < 3 {
                owners.iter_mut().for_each(|o| *o = Some(0));
            }
            if let Some(node) = emptied {
                weights[node] = 0.0;
            }
            let Ok(Rebalance::Moves { moves, steps }) = rebalance(&owners, nodes, &weights, true, 2.0) else {
                assert_eq!((nodes, emptied), (3, None));
                continue;
            };
            assert_eq!(steps.iter().map(|s| s.slots as usize).sum::<usize>(), moves.len());
            let mut moved = vec![false; SLOTS];
            for m in &moves {
                assert!(!std::mem::replace(&mut moved[usize::from(m.slot)], true));
                assert_eq!(owners[usize::from(m.slot)], Some(m.from));
                owners[usize::from(m.slot)] = Some(m.to);
            }
            for (node, weight) in weights.iter().enumerate() {
                let has = owners.iter().filter(|o| **o == Some(node)).count() as f64;
                let share = SLOTS as f64 * weight / weights.iter().sum::<f64>();
                assert!((has - share).abs() < 2.0, "{nodes} nodes: {node} has {has} of {share}");
            }
        }
    }
}

#[test]
fn given_slots_come_from_their_owners_once() {
    let moves = given_slots(&fresh(), 3, &[5460..=5461, 5461..=5462], 0).expect("a plan");
    let slots: Vec<(u16, usize)> = moves.iter().map(|m| (m.slot, m.from)).collect();
    assert_eq!(slots, [(5461, 1), (5462, 1)]);
    assert_eq!(given_slots(&fresh(), 3, &[16_383..=16_384], 0), Err(PlanError::NoSuchSlot(16_384)));
}

#[test]
fn what_cannot_be_planned_is_named() {
    let mut holes = fresh();
    holes[7] = None;
    assert_eq!(reshard(&holes, 4, &[], 3, 5), Err(PlanError::Unassigned(7)));
    assert_eq!(reshard(&fresh(), 4, &[1, 3], 3, 5), Err(PlanError::TargetIsSource(3)));
    assert_eq!(reshard(&fresh(), 4, &[4], 3, 5), Err(PlanError::UnknownNode(4)));
    assert_eq!(reshard(&fresh(), 4, &[3], 0, 5), Err(PlanError::NothingToMove));
    assert_eq!(reshard(&fresh(), 4, &[1], 0, 5463), Err(PlanError::TooManySlots(5463, 5462)));
    assert_eq!(rebalance(&fresh(), 3, &[1.0, 1.0], false, 2.0), Err(PlanError::BadWeights));
    assert_eq!(rebalance(&fresh(), 3, &[0.0; 3], false, 2.0), Err(PlanError::NoWeight));
    assert_eq!(rebalance(&holes, 3, &[1.0; 3], false, 2.0), Err(PlanError::Unassigned(7)));
}
