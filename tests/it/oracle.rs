//! The simulator, which runs ahead through a turn in one pass, does what a slow engine does that schedules everything.
//!
//! Method: thousands of small random scenarios, each run by both. Every reply with all its times, main-thread time by
//! cause, INFO's counters, children and losses must be equal to the nanosecond. What the two share are the server's
//! mechanisms and the draws; the order of turns, sockets, clients and the network is written twice.

mod besides;
mod calendar;
mod clients;
mod engine;
mod generator;

use std::collections::BTreeSet;

use engine::{Engine, Outcome};
use writepath::cause::Cause;
use writepath::redis::config::AppendFsync;
use writepath::scenario::{Scenario, Source};

use super::support::record;

const SCENARIOS: u64 = 3000;

fn simulated(scenario: &Scenario) -> Outcome {
    let (replied, result) = record(scenario);
    Outcome {
        replied,
        busy: result.busy,
        counters: result.counters,
        children: result.children,
        loss: result.loss,
    }
}

/// Where two outcomes first differ.
fn difference(simulated: &Outcome, expected: &Outcome) -> String {
    let replies = simulated.replied.iter().zip(&expected.replied).enumerate();
    if let Some((index, (one, other))) = replies.clone().find(|(_, (one, other))| one != other) {
        return format!("reply {index}:\n{one:?}\nexpected\n{other:?}");
    }
    let mut text = format!("{} replies, expected {}\n", simulated.replied.len(), expected.replied.len());
    for cause in Cause::ALL {
        let (one, other) = (simulated.busy[cause as usize], expected.busy[cause as usize]);
        if one != other {
            text += &format!("busy with {}: {one}, expected {other}\n", cause.name());
        }
    }
    let rest =
        |outcome: &Outcome| format!("{:?}\n{:?}\n{:?}", outcome.counters, outcome.children, outcome.loss);
    if rest(simulated) != rest(expected) {
        text += &format!("{}\nexpected\n{}", rest(simulated), rest(expected));
    }
    text
}

fn compare(numbers: impl Iterator<Item = u64>, change: impl Fn(u64, &mut Scenario)) {
    for number in numbers {
        let mut scenario = generator::scenario(number);
        change(number, &mut scenario);
        let (simulated, expected) = (simulated(&scenario), Engine::new(&scenario).run());
        assert!(
            simulated == expected,
            "scenario {number}: {}\n{scenario:#?}",
            difference(&simulated, &expected)
        );
    }
}

// Two tests, so that they run beside one another.

#[test]
fn both_engines_agree_on_even_scenarios() {
    compare((0..SCENARIOS).step_by(2), |_, _| ());
}

#[test]
fn both_engines_agree_on_odd_scenarios() {
    compare((1..SCENARIOS).step_by(2), |_, _| ());
}

/// The same scenarios with commands on a few small streams instead, and small nodes.
#[test]
fn both_engines_agree_on_streams() {
    const COMMANDS: [&str; 8] = [
        "XADD",
        "XADD MAXLEN ~ 5",
        "XADD MAXLEN 5 2",
        "XREADGROUP 3",
        "XACK 2",
        "XDEL",
        "XTRIM MAXLEN 3",
        "XTRIM MAXLEN ~ 9",
    ];
    compare(0..600, |number, scenario| {
        scenario.redis.stream_node_max_entries = 1 + number % 7;
        (scenario.dataset.streams, scenario.dataset.stream_entries) = (1 + number % 5, number % 20);
        scenario.machine.cpu.stream_trim_entry = 70;
        for (group, workload) in (0..).zip(&mut scenario.workloads) {
            for (place, (command, _)) in (0..).zip(&mut workload.mix) {
                let kind = COMMANDS[((number / 3 + group + 3 * place) % 8) as usize];
                *command = kind.parse().expect("a command");
            }
        }
    });
}

#[test]
fn the_scenarios_reach_every_mechanism() {
    let (mut causes, mut commands, mut split, mut shared) = (BTreeSet::new(), 0, 0, 0);
    let (mut closed, mut always) = (0, 0);
    for number in 0..600 {
        let scenario = generator::scenario(number);
        let outcome = simulated(&scenario);
        causes.extend(Cause::ALL.iter().filter(|cause| outcome.busy[**cause as usize] > 0).map(|c| c.name()));
        commands += outcome.replied.iter().map(|seen| seen.commands).sum::<u32>();
        split += outcome
            .replied
            .iter()
            .filter(|seen| seen.commands < scenario.workloads[seen.group as usize].pipeline)
            .count();
        let together = |pair: &[writepath::sim::Replied]| {
            pair[0].connection == pair[1].connection && pair[0].sent_at == pair[1].sent_at
        };
        shared += outcome.replied.windows(2).filter(|pair| together(pair)).count();
        closed += scenario.workloads.iter().all(|w| matches!(w.source, Source::Closed { .. })) as u32;
        always += (scenario.redis.appendonly && scenario.redis.appendfsync == AppendFsync::Always) as u32;
    }
    let missing: Vec<&str> =
        Cause::ALL.iter().map(|cause| cause.name()).filter(|name| !causes.contains(name)).collect();
    let replicas = ["replica-write", "diskless-copy", "rdb-send"];
    let nodes = ["migrate", "restore", "cluster-command", "cluster-config-write", "cluster-config-fsync"];
    let expected = [&["expire-cycle", "restart"][..], &replicas, &nodes].concat();
    assert_eq!(missing, expected, "causes that no scenario charges");
    assert!(commands > 200_000, "{commands} commands");
    assert!(split > 1000, "{split} writes that one read does not take");
    assert!(shared > 1000, "{shared} writes that share a reply");
    assert!(closed > 100 && always > 100, "{closed} closed loops, {always} under always");
}
