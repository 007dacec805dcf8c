use super::*;
use crate::cluster::legacy_fix::{Claim, fix_open_slot};
use crate::scenario::cluster::MoveKind;
use crate::units::{MILLISECOND, Nanos, SECOND};

const OPTIONS: MoveOptions =
    MoveOptions { kind: MoveKind::Legacy, pipeline: 10, timeout: 60 * SECOND, pause: 0, replace: false };
const SEVEN: Version = Version::redis(7, 0);
const SIX: Version = Version::redis(6, 2);
const PLAN: [SlotMove; 2] = [SlotMove { slot: 7, from: 0, to: 2 }, SlotMove { slot: 9, from: 1, to: 2 }];

/// Nodes that do what they are asked: keys per slot and node, and every command in order.
struct Nodes {
    keys: Vec<Vec<u32>>,
    asked: Vec<(usize, u16, Order)>,
}

impl Nodes {
    fn new(nodes: usize) -> Self {
        Nodes { keys: vec![vec![0; 16]; nodes], asked: Vec::new() }
    }

    fn answer(&mut self, node: usize, slot: u16, order: Order) -> Answer {
        self.asked.push((node, slot, order));
        let slot = usize::from(slot);
        match order {
            Order::GetKeysInSlot { count } => Answer::Keys(self.keys[node][slot].min(count)),
            Order::Migrate { to, keys, .. } => {
                self.keys[node][slot] -= keys;
                self.keys[to][slot] += keys;
                Answer::Migrated { keys, bytes: 100 * u64::from(keys), error: None }
            }
            _ => Answer::Ok,
        }
    }

    /// Runs to the end; `broken` may answer instead of the nodes. Returns the end and the pauses.
    fn run(
        &mut self,
        program: &mut LegacyMove,
        broken: impl Fn(usize, Order) -> Option<Answer>,
    ) -> (Next, Nanos) {
        let (mut answer, mut pauses) = (Answer::Ok, 0);
        loop {
            match program.next(answer) {
                Next::Ask { node, slot, order } => {
                    let sound = self.answer(node, slot, order);
                    answer = broken(self.asked.len() - 1, order).unwrap_or(sound);
                }
                Next::Pause(span) => {
                    pauses += span;
                    answer = Answer::Ok;
                }
                end => return (end, pauses),
            }
        }
    }
}

#[test]
fn a_slot_is_moved_in_redis_clis_order() {
    let mut nodes = Nodes::new(4);
    nodes.keys[0][7] = 15;
    let mut program = LegacyMove::new(&PLAN[..1], OPTIONS, 4, SEVEN);
    assert_eq!(nodes.run(&mut program, |_, _| None), (Next::Done, 0));
    let (get, node) = (Order::GetKeysInSlot { count: 10 }, Order::SetSlotNode { owner: 2 });
    let migrate = |keys| Order::Migrate { to: 2, keys, replace: false, timeout: 60 * SECOND };
    let expected = [
        (2, Order::SetSlotImporting { from: 0 }),
        (0, Order::SetSlotMigrating { to: 2 }),
        (0, get),
        (0, migrate(10)),
        (0, get),
        (0, migrate(5)),
        (0, get),
        (2, node),
        (0, node),
        (1, node),
        (3, node),
    ];
    assert_eq!(nodes.asked, expected.map(|(n, order)| (n, 7, order)));
    assert_eq!(
        program.books(),
        MoveBooks { slots: 1, round_trips: 11, batches: 2, replaced: 0, keys: 15, bytes: 1500 }
    );
    // Before 7.0 the last four are in the list's order.
    let mut old = Nodes::new(4);
    assert_eq!(old.run(&mut LegacyMove::new(&PLAN[..1], OPTIONS, 4, SIX), |_, _| None).0, Next::Done);
    let order: Vec<usize> = old.asked[3..].iter().map(|a| a.0).collect();
    assert_eq!(order, [0, 1, 2, 3]);
}

/// Valkey's article: 4,096 slots of 160 keys in batches of 10; here 2 a batch and one at the end, not 3 a batch.
#[test]
fn round_trips_are_the_closed_form() {
    for (keys, pipeline, primaries) in
        [(0, 10, 3), (1, 10, 3), (10, 10, 4), (11, 10, 100), (160, 10, 4), (7, 1, 3)]
    {
        let mut nodes = Nodes::new(primaries);
        nodes.keys[0][7] = keys;
        nodes.keys[1][9] = keys;
        let options = MoveOptions { pipeline, pause: 5 * MILLISECOND, ..OPTIONS };
        let mut program = LegacyMove::new(&PLAN, options, primaries, SEVEN);
        assert_eq!(nodes.run(&mut program, |_, _| None), (Next::Done, 5 * MILLISECOND));
        let books = program.books();
        let expected = round_trips_per_slot(u64::from(keys), pipeline, primaries);
        assert_eq!(books.round_trips, 2 * expected);
        assert_eq!(books.round_trips, nodes.asked.len() as u64);
        assert_eq!((books.slots, books.keys), (2, 2 * u64::from(keys)));
        assert_eq!(nodes.keys[2][7] + nodes.keys[2][9], 2 * keys);
        assert_eq!(program.next(Answer::Ok), Next::Done);
    }
    assert_eq!(round_trips_per_slot(160, 10, 4), 39);
}

/// A MIGRATE that times out half way: redis-cli asks the source whether the slot is served, and ends.
#[test]
fn a_failed_migrate_leaves_the_slot_open() {
    let mut nodes = Nodes::new(3);
    nodes.keys[0][7] = 15;
    let mut program = LegacyMove::new(&PLAN, OPTIONS, 3, SEVEN);
    let broken = |at, order| match order {
        Order::Migrate { .. } if at == 5 => {
            Some(Answer::Migrated { keys: 2, bytes: 500, error: Some(ReplyError::IoError) })
        }
        Order::ClusterSlots => Some(Answer::Served(true)),
        _ => None,
    };
    assert_eq!(nodes.run(&mut program, broken).0, Next::Failed(Failure::Migrate(ReplyError::IoError)));
    assert_eq!(nodes.asked.last(), Some(&(0, 7, Order::ClusterSlots)));
    assert_eq!((program.books().slots, program.books().keys, program.moving()), (0, 12, None));
}

#[test]
fn busy_keys_are_replaced_only_if_asked_or_alike() {
    let busy = |at, order| match order {
        Order::Migrate { replace: false, .. } if at == 3 => {
            Some(Answer::Migrated { keys: 0, bytes: 10, error: Some(ReplyError::BusyKey) })
        }
        Order::DigestValue { .. } => Some(Answer::Differing(0)),
        _ => None,
    };
    // With --cluster-replace: at once again.
    let run = |replace: bool, broken: &dyn Fn(usize, Order) -> Option<Answer>| {
        let mut nodes = Nodes::new(3);
        // The fake has moved the keys at the refused MIGRATE; twice as many let the repeated one have its keys.
        nodes.keys[0][7] = 10;
        let mut program =
            LegacyMove::new(&PLAN[..1], MoveOptions { replace, pipeline: 5, ..OPTIONS }, 3, SEVEN);
        let end = nodes.run(&mut program, broken).0;
        (end, program.books(), nodes.asked.iter().map(|a| (a.0, a.2)).collect::<Vec<_>>())
    };
    let again = Order::Migrate { to: 2, keys: 5, replace: true, timeout: 60 * SECOND };
    let (end, books, asked) = run(true, &busy);
    assert_eq!((end, books.replaced, books.batches), (Next::Done, 1, 2));
    assert_eq!(asked[4], (0, again));
    // Without: the values are compared first, on both nodes.
    let (end, _, asked) = run(false, &busy);
    assert_eq!(end, Next::Done);
    let digest = Order::DigestValue { keys: 5 };
    assert_eq!(asked[4..7], [(0, digest), (2, digest), (0, again)]);
    let differ = |at, order| match (at, order) {
        (5, Order::DigestValue { .. }) => Some(Answer::Differing(3)),
        _ => busy(at, order),
    };
    assert_eq!(run(false, &differ).0, Next::Failed(Failure::DifferentValues(3)));
    let locked = |at, order| match order {
        Order::DigestValue { .. } => Some(Answer::Error(ReplyError::DebugNotAllowed)),
        _ => busy(at, order),
    };
    assert_eq!(run(false, &locked).0, Next::Failed(Failure::ValueCheck));
}

/// The source that loses its last slot may have become a replica already; another node's refusal ends the program.
#[test]
fn only_the_sources_refusal_to_close_is_overlooked() {
    for (place, error, end) in [
        (4, ReplyError::NotMaster, Next::Done),
        (4, ReplyError::Unblocked, Next::Done),
        (4, ReplyError::Other, Next::Failed(Failure::Refused(ReplyError::Other))),
        (3, ReplyError::NotMaster, Next::Failed(Failure::Refused(ReplyError::NotMaster))),
        (5, ReplyError::NotMaster, Next::Failed(Failure::Refused(ReplyError::NotMaster))),
        (0, ReplyError::Other, Next::Failed(Failure::Refused(ReplyError::Other))),
    ] {
        let mut program = LegacyMove::new(&PLAN[..1], OPTIONS, 3, SEVEN);
        let broken = |at, _| (at == place).then_some(Answer::Error(error));
        assert_eq!(Nodes::new(3).run(&mut program, broken).0, end, "{place}");
    }
    let mut program = LegacyMove::new(&PLAN[..1], OPTIONS, 3, SEVEN);
    let closed = |at, _| (at == 2).then_some(Answer::Closed);
    assert_eq!(Nodes::new(3).run(&mut program, closed).0, Next::Failed(Failure::Closed));
    let mut program = LegacyMove::new(&PLAN[..1], OPTIONS, 3, SEVEN);
    let odd = |at, _| (at == 2).then_some(Answer::Served(true));
    assert_eq!(Nodes::new(3).run(&mut program, odd).0, Next::Failed(Failure::OutOfStep));
}

/// Fix gathers all keys of a half-moved slot on one node, and its moves close what they opened.
#[test]
fn fix_gathers_the_keys_on_one_node() {
    for (at_source, at_target) in [(9, 0), (9, 4), (4, 9), (0, 9)] {
        let mut nodes = Nodes::new(3);
        nodes.keys[0][7] = at_source;
        nodes.keys[2][7] = at_target;
        let claim = |owns, migrating_to, importing, keys: u32| Claim {
            owns,
            migrating_to,
            importing,
            keys: u64::from(keys),
        };
        let claims =
            [claim(true, Some(2), false, at_source), Claim::default(), claim(false, None, true, at_target)];
        let steps = fix_open_slot(7, &claims).expect("a way");
        let mut program = LegacyMove::fix(steps, OPTIONS, 3, SEVEN);
        assert_eq!(nodes.run(&mut program, |_, _| None).0, Next::Done);
        let at: Vec<u32> = nodes.keys.iter().map(|of| of[7]).collect();
        assert_eq!(at.iter().max(), Some(&(at_source + at_target)), "{at:?}");
        assert_eq!(program.books().slots, 1);
    }
}
