//! Closed loops: exact small systems, bounds, and Little's law to the nanosecond.
//!
//! Method: exponential services and think times. A server that answers at the end of a turn is a Markov chain with few
//! states, solved here to machine precision; with one connection it is the textbook's closed queue, and with more that
//! is a bound. Throughput is counted over equal spans of one long run; tolerance four standard errors of their mean. A
//! service 3 % longer must fail the check where the server is the limit.

use writepath::dist::Dist;
use writepath::scenario::{Scenario, Source};
use writepath::sim::Replied;
use writepath::stats::queueing::closed_loop_mva;
use writepath::units::SECOND;

use super::support::{Estimate, assert_agrees, assert_differs, record, run_by_turns, scenario};

/// Mean service time \[ns\].
const SERVICE: f64 = 1e6;
const SPANS: u64 = 64;

fn closed(connections: u32, think: Dist, factor: f64, seconds: u64) -> Scenario {
    let service = Dist::Exponential { mean: SERVICE * factor };
    scenario(Source::Closed { think }, connections, service, seconds * SECOND)
}

/// Commands a service time, over equal spans of a run.
fn throughput(connections: u32, think: f64, factor: f64) -> Estimate {
    let seconds = 1280;
    let span = seconds * SECOND / SPANS;
    let mut counts = [0.0; SPANS as usize];
    let scenario = closed(connections, Dist::Exponential { mean: think * SERVICE }, factor, seconds);
    run_by_turns(&scenario, |turn| {
        // The last turn may end after the run.
        if let Some(count) = counts.get_mut((turn[0].sent_at / span) as usize) {
            *count += turn.len() as f64 * SERVICE / span as f64;
        }
    });
    Estimate::of(&counts[1..])
}

/// Throughput of a server with exponential services of mean 1 that answers at the end of each turn and then takes all
/// that came meanwhile, with `connections` customers and exponential think times of mean `think`.
///
/// The state is (commands of this turn, how many of them are left, commands that wait); (0, 0, 0) is idle. Solved by
/// the power method on the uniformised chain.
fn gated_throughput(connections: usize, think: f64) -> f64 {
    let mut states = vec![(0, 0, 0)];
    for turn in 1..=connections {
        for left in 1..=turn {
            states.extend((0..=connections - turn).map(|waiting| (turn, left, waiting)));
        }
    }
    let place = |state| states.iter().position(|other| *other == state).expect("a state");
    let rate = 1.0 + connections as f64 / think;
    // (from, to, probability).
    let mut moves = Vec::new();
    for &(turn, left, waiting) in &states {
        let from = place((turn, left, waiting));
        let arrival = (connections - turn - waiting) as f64 / think / rate;
        let after = if turn == 0 { (1, 1, 0) } else { (turn, left, waiting + 1) };
        if arrival > 0.0 {
            moves.push((from, place(after), arrival));
        }
        let service = if turn == 0 { 0.0 } else { 1.0 / rate };
        let after = if left > 1 { (turn, left - 1, waiting) } else { (waiting, waiting, 0) };
        if turn > 0 {
            moves.push((from, place(after), service));
        }
        moves.push((from, from, 1.0 - arrival - service));
    }
    let mut shares = vec![1.0 / states.len() as f64; states.len()];
    for _ in 0..20_000 {
        let mut next = vec![0.0; states.len()];
        moves.iter().for_each(|&(from, to, probability)| next[to] += shares[from] * probability);
        shares = next;
    }
    let busy: f64 = states.iter().zip(&shares).filter(|(state, _)| state.0 > 0).map(|(_, share)| share).sum();
    busy
}

#[test]
fn one_connection_is_the_closed_queue_of_the_textbook() {
    for think in [0.2, 1.0, 5.0] {
        let mva = closed_loop_mva(1, 1.0, think).throughput;
        assert_agrees(&format!("think {think}"), throughput(1, think, 1.0), mva);
        assert!((gated_throughput(1, think) - mva).abs() < 1e-9);
    }
}

#[test]
fn throughput_is_that_of_the_markov_chain() {
    for (connections, think) in [(2, 1.0), (4, 2.0), (6, 6.0), (8, 4.0), (8, 20.0)] {
        let what = format!("{connections} connections, think {think}");
        assert_agrees(
            &what,
            throughput(connections, think, 1.0),
            gated_throughput(connections as usize, think),
        );
    }
}

#[test]
fn the_check_of_throughput_sees_a_service_three_percent_longer() {
    for (connections, think) in [(1, 0.2), (4, 2.0), (8, 4.0)] {
        let what = format!("{connections} connections, think {think}");
        assert_differs(
            &what,
            throughput(connections, think, 1.03),
            gated_throughput(connections as usize, think),
        );
    }
}

#[test]
fn throughput_lies_between_its_bounds() {
    for (connections, think) in [(3, 1.0), (10, 10.0), (50, 30.0), (50, 200.0)] {
        let estimate = throughput(connections, think, 1.0);
        let (count, four) = (connections as f64, 4.0 * estimate.error);
        // Replies at the end of a turn come no earlier than those of the closed queue, itself below both asymptotes.
        let mva = closed_loop_mva(connections, 1.0, think).throughput;
        assert!(mva <= f64::min(1.0, count / (1.0 + think)));
        assert!(estimate.mean <= mva + four, "{connections}, {think}: {estimate:?} above {mva}");
        // A command shares its turn, and the one it waits for, with the other connections at most.
        let least = count / (count + think);
        assert!(estimate.mean >= least - four, "{connections}, {think}: {estimate:?} below {least}");
    }
    let saturated = throughput(200, 20.0, 1.0);
    assert!((saturated.mean - 1.0).abs() < 4.0 * saturated.error, "{saturated:?}");
}

#[test]
fn rounds_of_a_connection_leave_no_time_out() {
    // Between the first send of a connection and its last there are sojourns and think times and nothing else.
    let think = 2_500_000;
    let scenario = closed(7, Dist::Fixed(think as f64), 1.0, 60);
    let (replied, _) = record(&scenario);
    for connection in 0..7 {
        let rounds: Vec<&Replied> = replied.iter().filter(|seen| seen.connection == connection).collect();
        let (last, before) = rounds.split_last().expect("rounds");
        let spent: u64 = before.iter().map(|seen| seen.read_at - seen.arrived_at + think).sum();
        assert!(before.len() > 1000);
        assert_eq!(spent, last.arrived_at - rounds[0].arrived_at);
    }
}

#[test]
fn throughput_times_mean_round_is_the_number_of_connections() {
    // Little's law; over a finite run it is off by the rounds at both ends, at most one a connection.
    let (think, connections) = (2_500_000, 7);
    let scenario = closed(connections, Dist::Fixed(think as f64), 1.0, 600);
    let (replied, result) = record(&scenario);
    let rounds: Vec<u64> = replied.iter().map(|seen| seen.read_at - seen.arrived_at + think).collect();
    let longest = *rounds.iter().max().expect("rounds");
    let number = rounds.iter().sum::<u64>() as f64 / result.duration as f64;
    let off = (number - connections as f64).abs();
    assert!(off <= connections as f64 * longest as f64 / result.duration as f64, "{number} connections");
}
