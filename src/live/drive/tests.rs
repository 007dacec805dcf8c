//! The generator against a server with scripted delays.

use std::time::{Duration, Instant};

use super::*;
use crate::live::error::{LiveError, Result};
use crate::live::fake::{Fake, Turn};
use crate::scenario::resolve::{Overrides, resolve};
use crate::units::{MILLISECOND, SECOND};

/// A plan of one group for `millis` ms without a warm-up.
fn plan_of(group: &str, millis: u64) -> Plan {
    let text = format!(
        "[dataset]\nkeys = 100\nvalue-size = \"10B\"\n[[workload]]\n{group}\n[run]\nduration = \"{millis}ms\"\n\
         warmup = \"0s\"\nwindows = []\n"
    );
    let scenario = resolve(&text, "t.toml", ".".as_ref(), &Overrides::default()).expect("a sound scenario");
    // These tests share the machine: nobody spins.
    Plan { fill: false, spin: false, ..plan::of(&scenario, "").expect("it can be sent") }
}

fn run(fake: &Fake, plan: &Plan) -> Result<Driven> {
    drive(&Target { address: fake.address(), pid: None }, plan, &mut |_| true)
}

/// Does `turn` at command number `at` of that name.
fn once(name: &'static str, at: usize, turn: impl Fn() -> Turn + Send + 'static) -> Fake {
    let mut seen = 0;
    Fake::start("", move |words| {
        seen += usize::from(words[0] == name);
        if words[0] == name && seen == at { turn() } else { Turn::Usual }
    })
}

const STEADY: &str =
    "loop = \"open\"\nrate = \"500/s\"\narrivals = \"uniform\"\nconnections = 5\noperation = \"SET\"";

#[test]
fn a_stall_counts_for_everybody_who_was_meant_to_be_served_in_it() {
    let stall = Duration::from_millis(400);
    let fake = once("SET", 100, move || Turn::After(stall));
    let driven = run(&fake, &plan_of(STEADY, 1200)).expect("it is answered");
    let result = &driven.result;
    let sojourn = &result.scopes[0].sojourn;
    // 600 requests 2 ms apart; the stall begins with the 100th and holds 200 back, 300 ms and more 50 of them.
    assert_eq!(result.requests, 599);
    let long = |beyond: u64| sojourn.slots().filter(|slot| slot.0 > beyond).map(|slot| slot.1).sum::<u64>();
    assert!((49..110).contains(&long(300 * MILLISECOND)), "{}", long(300 * MILLISECOND));
    assert!(sojourn.max() >= 399 * MILLISECOND && sojourn.max() < 900 * MILLISECOND, "{}", sojourn.max());
    // A closed loop would have had one slow reply a connection.
    let view = &result.closed_loop_view;
    let slow: u64 = view.slots().filter(|slot| slot.0 > 200 * MILLISECOND).map(|slot| slot.1).sum();
    assert!((1..=5).contains(&slow), "{slow}");
    // Requests at other times wait for nobody.
    assert!(sojourn.quantile(0.3) < 50 * MILLISECOND, "{}", sojourn.quantile(0.3));
    let silence = result.stalls.iter().find(|stall| stall.cause == "silence").expect("it was noticed");
    assert!((300 * MILLISECOND..900 * MILLISECOND).contains(&silence.span), "{silence:?}");
    // The server was late, the generator was not: it sent meanwhile.
    assert!(driven.lateness.quantile(0.5) < 100 * MILLISECOND);
    assert!((550..=599).contains(&driven.lateness.count()), "{}", driven.lateness.count());
}

#[test]
fn a_spinning_generator_counts_the_time_in_which_it_does_something() {
    let plan = Plan { spin: true, ..plan_of(STEADY, 1200) };
    let driven = run(&Fake::usual(), &plan).expect("it is answered");
    let (own, writes) = driven.own.expect("it spins");
    // It looks millions of times, and sends and reads 599 times each.
    assert!((500..=599).contains(&writes), "{writes}");
    let share = driven.busy_share().expect("it spins");
    assert!(own > 599 * 1000 && share < 0.5, "{share}");
}

#[test]
fn equal_seeds_send_equal_keys_at_equal_times() {
    let keys = |seed| {
        let fake = Fake::usual();
        let group = "loop = \"open\"\nrate = \"2000/s\"\nconnections = 1\noperation = \"SET\"\nkeys = { dist = \"uniform\" }";
        run(&fake, &Plan { seed, ..plan_of(group, 300) }).expect("it is answered");
        fake.log("SET").into_iter().map(|words| words[1].clone()).collect::<Vec<_>>()
    };
    let (first, again, other) = (keys(7), keys(7), keys(8));
    // What is due in the last moment may come too late to be sent.
    let common = first.len().min(again.len());
    assert!(common > 400 && first[..common] == again[..common], "{} {}", first.len(), again.len());
    assert_ne!(first[..100], other[..100]);
    // The rank that the simulator draws for command 0, spelt as its clusters spell it.
    let streams = crate::rng::Streams::new(7, 0);
    let numbered = crate::rng::Numbered::new(&streams, crate::rng::StreamId::Keys, 0);
    let sampler = crate::client::keys::KeySampler::new(crate::scenario::KeyPopularity::Uniform, 100);
    let mut name = Vec::new();
    let size = plan_of(STEADY, 100).dataset.key_size;
    crate::client::key_names::KeyNames::new(size, 100, None)
        .write(sampler.draw(0, &mut numbered.of(0)), &mut name);
    assert_eq!(first[0].as_bytes(), name);
}

#[test]
fn a_closed_loop_thinks() {
    let fake = Fake::usual();
    let group = "loop = \"closed\"\nthink = \"50ms\"\nconnections = 3\npipeline = 2\noperation = \"GET\"";
    let driven = run(&fake, &plan_of(group, 1000)).expect("it is answered");
    // At most 20 rounds of 2 on each of 3, and one that begins them.
    let requests = driven.result.completed;
    assert!((30..=126).contains(&requests), "{requests}");
    assert_eq!((driven.lateness.count(), driven.is_late()), (0, None));
    assert_eq!(driven.result.scopes[1].name, "read");
}

#[test]
fn a_closed_loop_waits_for_all_replies_of_a_pipeline() {
    let fake = Fake::start("", |words| match words[0].as_str() {
        "GET" => Turn::After(Duration::from_millis(20)),
        _ => Turn::Usual,
    });
    let group = "loop = \"closed\"\nconnections = 2\npipeline = 4\noperation = \"GET\"";
    let driven = run(&fake, &plan_of(group, 1000)).expect("it is answered");
    // One at a time, 20 ms each; what was asked for at the end is 2 pipelines.
    let (asked, answered) = (fake.log("GET").len() as u64, driven.result.completed);
    assert!((10..=50).contains(&answered) && asked - answered <= 8, "{asked} {answered}");
    assert!(asked.is_multiple_of(4), "{asked}");
}

#[test]
fn a_generator_that_is_held_up_hides_nothing() {
    let fake = Fake::usual();
    let (target, mut held_up) = (Target { address: fake.address(), pid: None }, false);
    let driven = drive(&target, &plan_of(STEADY, 1000), &mut |progress| {
        if progress.phase == Phase::Driving && progress.done > 300 * MILLISECOND && !held_up {
            held_up = true;
            std::thread::sleep(Duration::from_millis(400));
        }
        true
    });
    let driven = driven.expect("it is answered");
    // 200 requests were due meanwhile; they count from their own times, and are the generator's fault.
    let long = |histogram: &Histogram| -> u64 {
        histogram.slots().filter(|slot| slot.0 > 200 * MILLISECOND).map(|slot| slot.1).sum()
    };
    assert!((99..250).contains(&long(&driven.result.scopes[0].sojourn)));
    assert!((99..250).contains(&long(&driven.lateness)));
    assert_eq!(driven.is_late(), Some(true));
    assert_eq!(driven.result.requests, 499);
}

#[test]
fn a_pipeline_is_one_write_and_every_reply_counts() {
    let fake = Fake::usual();
    let group = "loop = \"open\"\nrate = \"1600/s\"\narrivals = \"uniform\"\npipeline = 16\nconnections = 2\n\
                 mix = { SET = 0.5, GET = 0.5 }";
    let driven = run(&fake, &plan_of(group, 500)).expect("it is answered");
    // 100 writes a second, the first after 10 ms; the last may be under way at the end.
    assert_eq!(driven.result.requests, 49 * 16);
    assert!(driven.result.completed > 40 * 16, "{}", driven.result.completed);
    let of = |name: &str| {
        driven.result.scopes.iter().find(|scope| scope.name == name).map(|scope| scope.sojourn.count())
    };
    let (reads, writes) = (of("read").expect("it reads"), of("write").expect("it writes"));
    assert_eq!(reads + writes, driven.result.completed);
    let sets = fake.log("SET").len() as u64;
    assert!(writes <= sets && sets - writes <= 32, "{sets} {writes}");
}

#[test]
fn the_steps_of_an_operation_follow_from_replies() {
    let fake = Fake::usual();
    let group =
        "loop = \"open\"\nrate = \"200/s\"\nconnections = 4\npattern = \"get-set-incr\"\nwindow = \"60s\"";
    let driven = run(&fake, &plan_of(group, 500)).expect("it is answered");
    let pattern = &driven.result.patterns[0];
    let counted = fake.log("INCR").len() as u64;
    assert!(pattern.sums.operations > 40 && pattern.sums.failed == 0, "{:?}", pattern.sums);
    assert!(counted - pattern.sums.increments_acked <= 4, "{counted} {:?}", pattern.sums);
    // The key is nil for the first who look, and never again.
    let sets = fake.log("SET").len();
    assert!((1..=4).contains(&sets), "{sets}");
    assert!(fake.log("GET").len() as u64 >= counted);
}

#[test]
fn errors_that_scenarios_are_about_are_counted_and_others_end_the_run() {
    let oom = once("SET", 10, || Turn::Answer("-OOM command not allowed\r\n".to_owned()));
    let driven = run(&oom, &plan_of(STEADY, 200)).expect("it goes on");
    assert_eq!((driven.result.errors.oom, driven.result.requests), (1, 99));
    assert!(driven.result.completed <= 98);
    let readonly = once("SET", 10, || Turn::Answer("-READONLY You can't write\r\n".to_owned()));
    let error = run(&readonly, &plan_of(STEADY, 200)).expect_err("nothing can be written");
    assert!(error.code() == Some("READONLY") && error.to_string().contains("primary"), "{error}");
}

#[test]
fn a_server_that_dies_or_wants_a_password_is_told_of() {
    let dies = once("SET", 20, || Turn::Die);
    let error = run(&dies, &plan_of(STEADY, 5000)).expect_err("it is dead");
    assert!(
        matches!(error, LiveError::Lost { .. }) && error.to_string().contains("may have died"),
        "{error}"
    );
    let locked = Fake::start("", |_| Turn::Answer("-NOAUTH Authentication required.\r\n".to_owned()));
    let error = run(&locked, &plan_of(STEADY, 200)).expect_err("it is locked");
    assert!(error.code() == Some("NOAUTH") && error.to_string().contains("REDISCLI_AUTH"), "{error}");
    let loads = Fake::start("", |_| Turn::Answer("-LOADING Redis is loading\r\n".to_owned()));
    let error = run(&loads, &plan_of(STEADY, 200)).expect_err("it loads");
    assert!(error.to_string().contains("try again"), "{error}");
    let speaks_http = Fake::start("", |_| Turn::Answer("HTTP/1.1 400 Bad Request\r\n\r\n".to_owned()));
    let error = run(&speaks_http, &plan_of(STEADY, 200)).expect_err("it is no server");
    assert!(error.to_string().contains("is it a Redis"), "{error}");
}

#[test]
fn an_interrupt_ends_the_run_at_once() {
    let fake = Fake::usual();
    let (begun, mut calls) = (Instant::now(), 0);
    let target = Target { address: fake.address(), pid: None };
    let error = drive(&target, &plan_of(STEADY, 60_000), &mut |_| {
        calls += 1;
        calls < 3
    });
    assert!(matches!(error, Err(LiveError::Interrupted)));
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[test]
fn the_dataset_is_set_first_and_info_is_sampled() {
    let fake = Fake::usual();
    let driven = run(&fake, &Plan { fill: true, ..plan_of(STEADY, 1300) }).expect("it is answered");
    assert_eq!(fake.keys().len(), 100);
    let sets = fake.log("SET");
    let filled: std::collections::BTreeSet<_> = sets[..100].iter().map(|words| words[1].clone()).collect();
    assert_eq!(filled.len(), 100);
    assert!(sets[..100].iter().all(|words| words[2].len() == 10));
    // At the start, after a second, and at the end.
    assert_eq!(driven.samples.len(), 3);
    assert_eq!(driven.samples[2].at, 1300 * MILLISECOND);
    assert_eq!((driven.server_cpu, driven.result.timeline.len()), (Some(0), 1));
    let row = &driven.result.timeline[0];
    assert!(row.at == SECOND && row.keys == 100 && row.used_bytes == 1_000_000, "{row:?}");
    assert!((400..=500).contains(&row.completed), "{}", row.completed);
}

#[test]
fn a_generator_is_late_when_a_tenth_of_the_sojourn_is_its_own() {
    let fake = Fake::usual();
    let mut driven = run(&fake, &plan_of(STEADY, 200)).expect("it is answered");
    let histogram = |spans: &[(u64, u64)]| {
        let mut histogram = Histogram::new();
        spans.iter().for_each(|&(span, count)| histogram.record_n(span, count));
        histogram
    };
    driven.result.scopes[0].sojourn = histogram(&[(100_000, 980), (2_000_000, 20)]);
    for (late, verdict) in [
        (&[(9_000, 980), (190_000, 20)][..], Some(false)),
        (&[(11_000, 980), (190_000, 20)][..], Some(true)),
        (&[(9_000, 980), (210_000, 20)][..], Some(true)),
        (&[][..], None),
    ] {
        driven.lateness = histogram(late);
        assert_eq!(driven.is_late(), verdict, "{late:?}");
    }
}
