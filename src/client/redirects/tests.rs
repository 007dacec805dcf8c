//! Each library against the figures of its source.

use super::*;
use crate::client::libraries::Kind;
use crate::rng::{Stream, StreamId, Streams};
use crate::scenario::cluster::ClientProfile::{self, *};

const MS: Nanos = MILLISECOND;
const MOVED: Redirect = Redirect::Moved { slot: 7, node: 1 };
const ASK: Redirect = Redirect::Ask { slot: 7, node: 1 };

fn draws() -> Stream {
    Streams::new(3, 0).open(StreamId::Retry, 0)
}

/// A source of uniform numbers that must not be asked.
struct Never;

impl Uniform for Never {
    fn bits(&mut self) -> u64 {
        panic!("this library draws nothing here")
    }
}

/// Steps of a command to node 0 at 0 that gets `reply` 1 ms after every send, until it ends.
fn steps(client: ClientProfile, reply: Redirect, draws: &mut impl Uniform) -> Vec<Step> {
    let profile = Profile::of(client);
    let (mut attempt, mut memory, mut now) = (Attempt::new(0, 0), Memory::default(), MS);
    let mut steps = Vec::new();
    loop {
        let step = profile.next(&mut attempt, &mut memory, reply, now, draws);
        steps.push(step);
        let Then::Send { when: When::At(at), to, .. } = step.then else { return steps };
        if let To::Node(node) = to {
            attempt.sent_to(node);
        }
        assert!(at >= now);
        now = at + MS;
    }
}

/// Number of sends until a command ends, how, and when.
fn end(client: ClientProfile, reply: Redirect, draws: &mut impl Uniform) -> (usize, Failure, Nanos) {
    let steps = steps(client, reply, draws);
    match steps.last().map(|step| step.then) {
        Some(Then::Fail { failure, at }) => (steps.len(), failure, at),
        other => panic!("{other:?} is no end"),
    }
}

fn first(client: ClientProfile, reply: Redirect) -> Step {
    steps(client, reply, &mut draws())[0]
}

#[test]
fn redirects_end_at_the_limit_of_each_library() {
    let limits = [(RedisPy, 16), (GoRedis, 4), (Jedis, 5), (Lettuce, 6), (NoMap, 6)];
    for (client, sends) in limits {
        for reply in [MOVED, ASK] {
            let (count, failure, at) = end(client, reply, &mut Never);
            assert_eq!((count, failure), (sends, Failure::RedirectLimit), "{client:?}");
            assert_eq!(at, sends as u64 * MS);
        }
    }
    assert_eq!(end(NoAsk, ASK, &mut Never), (1, Failure::AskUnknown, MS));
    assert_eq!(end(NoAsk, MOVED, &mut Never).0, 6);
}

#[test]
fn asking_goes_ahead_alone_or_together() {
    let expected = [
        (RedisPy, Asking::First, 3),
        (GoRedis, Asking::Together, 2),
        (Jedis, Asking::First, 3),
        (Lettuce, Asking::Together, 2),
        (NoMap, Asking::Together, 2),
        (SlotBySlot, Asking::Together, 2),
    ];
    for (client, asking, round_trips) in expected {
        let step = first(client, ASK);
        assert_eq!(step.then, Then::Send { to: To::Node(1), asking, when: When::At(MS) }, "{client:?}");
        assert_eq!(step.learn, None);
        assert_eq!(Profile::of(client).round_trips(Kind::Ask, false), Some(round_trips));
    }
    assert_eq!(Profile::of(NoAsk).round_trips(Kind::Ask, false), None);
    assert_eq!(Profile::of(AskAsMoved).round_trips(Kind::Ask, false), None);
}

#[test]
fn moved_changes_the_map_as_each_library_does() {
    let fetch = |source, background| Some(Refresh { source, background });
    let expected = [
        (RedisPy, To::Mapped, Some((7, 1)), None, 2),
        (GoRedis, To::Node(1), None, fetch(Source::Any, true), 2),
        (Jedis, To::Node(1), None, fetch(Source::Sender, false), 3),
        (Lettuce, To::Node(1), None, None, 2),
        (NoMap, To::Node(1), None, None, 2),
        (SlotBySlot, To::Mapped, Some((7, 1)), None, 2),
    ];
    for (client, to, learn, refresh, round_trips) in expected {
        let then = Then::Send { to, asking: Asking::No, when: When::At(MS) };
        assert_eq!(first(client, MOVED), Step { then, learn, refresh }, "{client:?}");
        assert_eq!(Profile::of(client).round_trips(Kind::Moved, false), Some(round_trips));
    }
    assert_eq!(first(GoRedis, ASK).refresh, fetch(Source::Any, true));
    assert_eq!(first(Lettuce, ASK).refresh, None);
}

#[test]
fn redis_py_fetches_the_map_at_every_fifth_moved_of_a_process() {
    let profile = Profile::of(RedisPy);
    let mut memory = Memory::default();
    for n in 1..=20 {
        let mut attempt = Attempt::new(0, 0);
        let step = profile.next(&mut attempt, &mut memory, MOVED, 0, &mut Never);
        assert_eq!(step.refresh.is_some(), n % 5 == 0, "{n}");
        assert_ne!(step.learn.is_some(), step.refresh.is_some());
    }
}

#[test]
fn a_client_that_takes_ask_for_moved_goes_round_until_its_limit() {
    // Node 0 moves the slot to node 1, which sends whoever does not ask back.
    let profile = Profile::of(AskAsMoved);
    let (mut attempt, mut memory, mut at_node) = (Attempt::new(0, 0), Memory::default(), 0);
    let mut owner = 0;
    for send in 1.. {
        let reply = match at_node {
            0 => ASK,
            _ => Redirect::Moved { slot: 7, node: 0 },
        };
        let step = profile.next(&mut attempt, &mut memory, reply, 0, &mut Never);
        owner = step.learn.map_or(owner, |(_, node)| node);
        assert_eq!(owner, 1 - at_node);
        match step.then {
            Then::Send { to, asking, .. } => {
                assert_eq!(asking, Asking::No);
                at_node = if let To::Node(node) = to { node } else { owner };
            }
            Then::Fail { failure, .. } => {
                assert_eq!((send, failure, attempt.redirects), (6, Failure::RedirectLimit, 6));
                return;
            }
        }
    }
}

#[test]
fn redis_py_sleeps_once_half_of_its_sends_are_spent() {
    let steps = steps(RedisPy, Redirect::TryAgain, &mut Never);
    let mut expected = 0;
    for (n, step) in steps.iter().enumerate() {
        expected += MS + if n + 1 >= 9 { 50 * MS } else { 0 };
        match step.then {
            Then::Send { to, asking, when } => {
                assert_eq!((to, asking, when), (To::Node(0), Asking::No, When::At(expected)));
            }
            Then::Fail { failure, at } => {
                assert_eq!((n, failure, at), (15, Failure::RedirectLimit, expected));
            }
        }
    }
    assert_eq!(expected, 16 * MS + 8 * 50 * MS);
}

#[test]
fn redis_py_waits_fetches_and_begins_anew_three_times() {
    let down = steps(RedisPy, Redirect::ClusterDown, &mut Never);
    let fetch = Some(Refresh { source: Source::First, background: false });
    assert!(down.iter().all(|step| step.refresh == fetch));
    assert_eq!(end(RedisPy, Redirect::ClusterDown, &mut Never), (4, Failure::ClusterDown, 1004 * MS));
    assert_eq!(end(RedisPy, Redirect::Lost, &mut Never), (4, Failure::ConnectionLost, 4 * MS));
    // A new round has sixteen sends again.
    let profile = Profile::of(RedisPy);
    let (mut attempt, mut memory) = (Attempt::new(0, 0), Memory::default());
    for _ in 0..15 {
        profile.next(&mut attempt, &mut memory, MOVED, 0, &mut Never);
    }
    assert_eq!(attempt.sends, 16);
    profile.next(&mut attempt, &mut memory, Redirect::Lost, 0, &mut Never);
    assert_eq!((attempt.sends, attempt.rounds), (1, 2));
}

#[test]
fn go_redis_backs_off_within_its_bounds_and_asks_the_map_from_the_second_retry_on() {
    let mut draws = draws();
    let mut sums = [0; 3];
    for _ in 0..20_000 {
        let steps = steps(GoRedis, Redirect::TryAgain, &mut draws);
        let mut now = MS;
        for (n, step) in steps[..3].iter().enumerate() {
            let Then::Send { to, when: When::At(at), .. } = step.then else { panic!("{step:?}") };
            assert_eq!(to, if n == 0 { To::Node(0) } else { To::Mapped });
            let pause = at - now;
            assert!((8 * MS..8 * MS + ((8 * MS) << (n + 1))).contains(&pause), "{pause}");
            sums[n] += pause;
            now = at + MS;
        }
        assert_eq!(steps.len(), 4);
        assert!(matches!(steps[3].then, Then::Fail { failure: Failure::TryAgain, at } if at == now));
    }
    for (n, sum) in sums.iter().enumerate() {
        // Mean 8 + 4·2^(n+1) ms; the standard error of 20,000 is range / √12 / 141.
        let (mean, range) = (8.0 + 4.0 * f64::from(2 << n), 8.0 * f64::from(2 << n));
        let error = *sum as f64 / 20_000.0 / MS as f64 - mean;
        assert!(error.abs() < 4.0 * range / 12f64.sqrt() / 141.4, "{n}: {error}");
    }
    assert_eq!(back_off(8 * MS, 512 * MS, 200, &mut draws), 512 * MS);
}

#[test]
fn jedis_hands_down_what_it_does_not_retry_and_stops_when_its_time_is_over() {
    assert_eq!(end(Jedis, Redirect::TryAgain, &mut Never), (1, Failure::TryAgain, MS));
    assert_eq!(end(Jedis, Redirect::ClusterDown, &mut Never), (1, Failure::ClusterDown, MS));
    // Each connection breaks after its time-out of 2 s.
    let profile = Profile::of(Jedis);
    let mut draws = draws();
    for _ in 0..1000 {
        let (mut attempt, mut memory, mut now) = (Attempt::new(0, 0), Memory::default(), 0);
        let mut pauses = Vec::new();
        let failure = loop {
            now += 2000 * MS;
            let step = profile.next(&mut attempt, &mut memory, Redirect::Lost, now, &mut draws);
            match step.then {
                Then::Send { when: When::At(at), to, .. } => {
                    assert_eq!((to, step.refresh.is_some()), (To::Mapped, pauses.len() % 2 == 1));
                    pauses.push(at - now);
                    now = at;
                }
                Then::Fail { failure, .. } => break failure,
                other => panic!("{other:?}"),
            }
        };
        // At the second one 6 s and three sends are left: at most a ninth of it.
        assert!(pauses[0] == 0 && pauses[1] <= 6000 * MS / 9 && pauses[1] % MS == 0, "{pauses:?}");
        assert!(matches!(failure, Failure::Deadline | Failure::ConnectionLost));
        assert!(now <= 12_000 * MS);
    }
}

#[test]
fn lettuce_reconnects_with_doubling_delays_until_the_caller_gives_up() {
    let steps = steps(Lettuce, Redirect::Lost, &mut Never);
    let (mut now, mut sends) = (MS, 0);
    for (n, step) in steps.iter().enumerate() {
        match step.then {
            Then::Send { to, when: When::At(at), .. } => {
                assert_eq!((to, at - now), (To::Node(0), (MS << n).min(30_000 * MS)));
                (now, sends) = (at + MS, sends + 1);
            }
            Then::Fail { failure, at } => {
                assert_eq!((failure, at), (Failure::ConnectionLost, 60_000 * MS));
            }
            other => panic!("{other:?}"),
        }
    }
    // 1 + 2 + … + 16,384 ms are 32.8 s; the next pause, 30 s instead of 32.8, ends after the 60 s.
    assert_eq!(sends, 15);
    assert_eq!(end(Lettuce, Redirect::TryAgain, &mut Never).1, Failure::TryAgain);
    assert_eq!(end(Lettuce, Redirect::ClusterDown, &mut Never).1, Failure::ClusterDown);
}
