use super::*;

const V7: Version = Version::redis(7, 0);

/// Three nodes with a third each, a fourth one without slots; seen by `me`.
fn view(version: Version, me: u16) -> ClusterView {
    let owners: Vec<u16> = (0..SLOTS).map(|slot| (slot * 3 / SLOTS) as u16).collect();
    ClusterView::new(version, me, &owners, &[1, 2, 3, 0], true, 15_000 * MILLISECOND)
}

#[test]
fn a_slot_moves_as_redis_cli_moves_it() {
    let (mut source, mut target) = (view(V7, 0), view(V7, 3));
    assert!(source.is_calm() && source.is_up());
    let written = Changed { save: Save::WRITE, ..Changed::default() };
    assert_eq!(target.set_slot(7, SetSlot::Importing(0), 0), Ok(written.clone()));
    assert_eq!(source.set_slot(7, SetSlot::Migrating(3), 5), Ok(written));
    assert_eq!(
        (source.migrating_to(7), source.migrating_to(8), source.importing_from(7)),
        (Some(3), None, None)
    );
    assert_eq!((target.importing_from(7), target.open_slots(), target.is_calm()), (Some(0), 1, false));
    assert_eq!(source.set_slot(7, SetSlot::Node(3), 1), Err(SetSlotError::HoldsKeys(7)));

    let taken = target.set_slot(7, SetSlot::Node(3), 5).expect("accepted");
    assert_eq!((taken.save, taken.epoch, taken.broadcast), (Save::SYNC, Some(4), true));
    assert_eq!((target.owner(7), target.owned(3), target.owned(0)), (3, 1, 5461));
    assert!(target.is_calm());

    let given = source.set_slot(7, SetSlot::Node(3), 0).expect("accepted");
    assert_eq!((given.save, given.epoch, given.emptied_by), (Save::WRITE, None, None));
    assert!(source.is_calm());
    assert_eq!(source.owners(), target.owners());
}

#[test]
fn a_target_takes_a_new_epoch_for_its_first_slot_only() {
    let mut target = view(V7, 3);
    let mut epochs = Vec::new();
    for slot in 0..3 {
        target.set_slot(slot, SetSlot::Importing(0), 0).expect("accepted");
        let changed = target.set_slot(slot, SetSlot::Node(3), 0).expect("accepted");
        assert_eq!(changed.save.fsync, changed.epoch.is_some());
        epochs.push(changed.epoch);
    }
    assert_eq!(epochs, [Some(4), None, None]);
    // Somebody else has taken a greater one meanwhile.
    target.hear(1, 9, [], |_| 0);
    target.set_slot(3, SetSlot::Importing(0), 0).expect("accepted");
    assert_eq!(target.set_slot(3, SetSlot::Node(3), 0).expect("accepted").epoch, Some(10));
    // A node that does not import takes none, and the slot of another may be set without keys of it.
    let mut other = view(V7, 1);
    let changed = other.set_slot(7, SetSlot::Node(3), 0).expect("accepted");
    assert_eq!(changed, Changed { save: Save::WRITE, ..Changed::default() });
}

#[test]
fn what_the_cluster_command_refuses() {
    let mut view = view(V7, 1);
    let mine = SLOTS as Slot / 2;
    let not_owner = view.set_slot(0, SetSlot::Migrating(2), 0).unwrap_err();
    assert_eq!(not_owner.to_string(), "I'm not the owner of hash slot 0");
    assert_eq!(not_owner.reply_bytes(), "-ERR I'm not the owner of hash slot 0\r\n".len() as u64);
    let owner = view.set_slot(mine, SetSlot::Importing(2), 0).unwrap_err();
    assert_eq!(owner.to_string(), "I'm already the owner of hash slot 8192");
    assert_eq!(view.set_slot(mine, SetSlot::Node(2), 3), Err(SetSlotError::HoldsKeys(mine)));
    assert_eq!(view, super::tests::view(V7, 1));
}

#[test]
fn stable_closes_a_slot_and_migrating_stays_open_while_there_are_keys() {
    let mut source = view(V7, 0);
    source.set_slot(5, SetSlot::Migrating(1), 9).expect("accepted");
    source.set_slot(4, SetSlot::Migrating(1), 9).expect("accepted");
    source.set_slot(4, SetSlot::Migrating(2), 9).expect("changed");
    assert_eq!(source.migrating(), [(4, 2), (5, 1)]);
    source.set_slot(5, SetSlot::Node(0), 9).expect("its own");
    assert_eq!(source.migrating_to(5), Some(1));
    source.set_slot(5, SetSlot::Stable, 9).expect("accepted");
    source.set_slot(4, SetSlot::Stable, 9).expect("accepted");
    assert!(source.is_calm() && source.owner(5) == 0);
}

#[test]
fn who_gives_its_last_slot_away_becomes_a_replica_from_7_0_on_at_once() {
    for (version, at_once) in [(V7, Some(0)), (Version::redis(6, 2), None)] {
        let mut owners = vec![0; SLOTS];
        owners[100] = 1;
        let mut last = ClusterView::new(version, 1, &owners, &[1, 2], true, MILLISECOND);
        let changed = last.set_slot(100, SetSlot::Node(0), 0).expect("accepted");
        assert_eq!((changed.emptied_by, changed.save.fsync), (at_once, at_once.is_some()));
    }
}

#[test]
fn claims_count_by_epoch_and_keys_of_lost_slots_are_deleted() {
    let mut view = view(V7, 0);
    assert_eq!(view.hear(1, 1, [3], |_| 1), Changed::default());
    let changed = view.hear(1, 4, [3, 4, 6000], |slot| u64::from(slot == 3));
    assert_eq!((changed.save, changed.dirty, changed.emptied_by), (Save::SYNC, vec![3], None));
    assert_eq!((view.owner(3), view.owner(4), view.owned(1), view.current_epoch()), (1, 1, 5463, 4));
    // Its own claims say nothing new.
    assert_eq!(view.hear(1, 4, [3, 4], |_| 1), Changed::default());
    // Everything is lost.
    let changed = view.hear(2, 5, 0..6000, |_| 0);
    assert_eq!((view.owned(0), changed.emptied_by), (0, Some(2)));
}

#[test]
fn a_claim_leaves_open_slots_to_the_administrator_in_redis_and_closes_them_in_valkey() {
    for (version, closes) in [(V7, false), (Version::valkey(8, 0), true)] {
        let mut view = view(version, 0);
        view.set_slot(1, SetSlot::Migrating(3), 1).expect("accepted");
        view.set_slot(6000, SetSlot::Importing(1), 0).expect("accepted");
        view.hear(3, 4, [1, 6000], |_| 0);
        assert_eq!(view.owner(1), 3);
        assert_eq!(view.migrating_to(1).is_none(), closes);
        assert_eq!(view.owner(6000) == 3, closes);
        assert_eq!(view.importing_from(6000).is_none(), closes);
    }
}

#[test]
fn the_cluster_is_down_without_full_coverage_and_in_a_minority() {
    let mut view = view(V7, 0);
    let second = 1000 * MILLISECOND;
    view.set_health(1, Health::PossiblyFailed);
    assert!(!view.update_state(second) && view.is_up());
    view.set_health(1, Health::Failed);
    assert!(view.update_state(2 * second) && !view.is_up() && !view.is_calm());
    view.set_health(1, Health::Reachable);
    assert!(view.update_state(3 * second) && view.is_up());

    // Two of three are away: back only after five seconds, for a longer cluster-node-timeout.
    view.set_health(1, Health::PossiblyFailed);
    view.set_health(2, Health::PossiblyFailed);
    assert!(view.update_state(4 * second));
    view.set_health(1, Health::Reachable);
    assert!(!view.update_state(8 * second) && !view.is_up());
    assert!(view.update_state(9 * second) && view.is_up());

    view.delete_slot(9);
    assert!(view.update_state(10 * second) && !view.is_up());
    let mut lenient = ClusterView { full_coverage: false, ..view.clone() };
    assert!(lenient.update_state(11 * second) && lenient.is_up());
    let owners = vec![NONE; SLOTS];
    assert!(!ClusterView::new(V7, 0, &owners, &[0], true, 0).is_up());
}

#[test]
fn first_epochs_are_different_but_for_one_zero() {
    assert_eq!(first_epochs(&[5461, 5462, 5461]), [1, 2, 3]);
    assert_eq!(first_epochs(&[8192, 0, 8192, 0, 0]), [1, 3, 2, 4, 0]);
}
