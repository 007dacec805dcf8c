//! One M/M/1 queue (utilisation 0.8, the sojourn of every customer recorded) in writepath, in a plain event loop, in
//! nexosim and in SimPy: customers a second of one core, and the speed of writepath over that of each.
//!
//! Machines are noisy, so the peers take turns within a round, and what counts is the median over rounds of the
//! ratio of two speeds. A peer whose mean or P99 is more than four standard errors from theory has simulated
//! something else: the exit code is then 1.

mod actors;
mod engine;
mod heap;
mod interpreter;
mod queue;

use std::process::ExitCode;

use queue::{Replication, Theory, estimates};
use writepath::units::format_count;

/// Somebody who simulates the queue.
struct Peer {
    name: &'static str,
    theory: Theory,
    /// Customers of a replication: about a second's work at most.
    customers: u64,
    simulate: fn(u64, u64) -> Result<Replication, String>,
}

/// The first is what the others are compared with.
fn peers() -> [Peer; 5] {
    let (mm1, turns) = (queue::mm1(), queue::replies_by_turns());
    let fast = 2_000_000;
    [
        Peer {
            name: "writepath",
            theory: mm1,
            customers: fast,
            simulate: |seed, n| Ok(Replication::timed(|| engine::simulate(seed, n))),
        },
        Peer {
            name: "writepath, replies by turns",
            theory: turns,
            customers: fast,
            simulate: |seed, n| Ok(Replication::timed(|| engine::simulate_replies(seed, n))),
        },
        Peer {
            name: "binary heap",
            theory: mm1,
            customers: fast,
            simulate: |seed, n| Ok(Replication::timed(|| heap::simulate(seed, n))),
        },
        Peer {
            name: "nexosim 1.0",
            theory: mm1,
            customers: 400_000,
            simulate: |seed, n| Ok(Replication::timed(|| actors::simulate(seed, n))),
        },
        Peer { name: "SimPy 4", theory: mm1, customers: 50_000, simulate: interpreter::replication },
    ]
}

/// Rounds, and replications of each peer in a round.
const ROUNDS: (usize, usize) = (5, 8);
/// The same in a hurry.
const QUICK: (usize, usize) = (3, 3);

/// Runs all replications; by peer, in order of the rounds.
fn measure(peers: &[Peer], (rounds, per_round): (usize, usize)) -> Result<Vec<Vec<Replication>>, String> {
    let mut done: Vec<Vec<Replication>> = peers.iter().map(|_| Vec::new()).collect();
    for number in 0..rounds * per_round {
        if number % per_round == 0 {
            eprintln!("round {} of {rounds}", number / per_round + 1);
        }
        // Another one begins each time.
        for place in 0..peers.len() {
            let index = (place + number) % peers.len();
            let peer = &peers[index];
            let replication = (peer.simulate)(number as u64 + 1, peer.customers)?;
            done[index].push(replication);
        }
    }
    Ok(done)
}

/// Customers a second.
fn speed(replications: &[Replication]) -> f64 {
    let customers: u64 = replications.iter().map(|replication| replication.customers).sum();
    customers as f64 / replications.iter().map(|replication| replication.cpu).sum::<f64>()
}

/// Speed of the first peer over that of `other`, by round, rising.
fn ratios(first: &[Replication], other: &[Replication], per_round: usize) -> Vec<f64> {
    let rounds = first.chunks(per_round).zip(other.chunks(per_round));
    let mut ratios: Vec<f64> = rounds.map(|(first, other)| speed(first) / speed(other)).collect();
    ratios.sort_by(f64::total_cmp);
    ratios
}

fn three_digits(ratio: f64) -> String {
    let decimals = if ratio < 10.0 {
        2
    } else if ratio < 100.0 {
        1
    } else {
        0
    };
    format!("{ratio:.decimals$}")
}

fn row(peer: &Peer, replications: &[Replication], ratios: &[f64]) -> String {
    let (mean, p99) = estimates(replications);
    let per_s = speed(replications);
    let beside = |value: f64, expected: Option<f64>| match expected {
        Some(expected) => format!("{:.2} ({:.2})", value * 1e3, expected * 1e3),
        None => format!("{:.2} (-)", value * 1e3),
    };
    let [low, median, high] =
        [0, (ratios.len() - 1) / 2, ratios.len() - 1].map(|place| three_digits(ratios[place]));
    format!(
        "{:<27}  {:>11}  {:>7.0}  {:>11}  {:>13}  {median:>5} ({low} to {high})",
        peer.name,
        format_count(per_s),
        1e9 / per_s,
        beside(mean.value, Some(peer.theory.mean)),
        beside(p99.value, peer.theory.p99),
    )
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let size = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => ROUNDS,
        ["--quick"] => QUICK,
        _ => {
            eprintln!("peers [--quick]: unexpected {arguments:?}");
            return ExitCode::from(2);
        }
    };
    let peers = peers();
    let done = match measure(&peers, size) {
        Ok(done) => done,
        Err(fault) => {
            eprintln!("{fault}");
            return ExitCode::from(3);
        }
    };
    println!(
        "{:<27}  {:>11}  {:>7}  {:>11}  {:>13}  speed of writepath over it",
        "M/M/1, utilisation 0.8", "customers/s", "ns each", "mean [ms]", "P99 [ms]"
    );
    let mut wrong = false;
    for (peer, replications) in peers.iter().zip(&done) {
        println!("{}", row(peer, replications, &ratios(&done[0], replications, size.1)));
        if let Some(fault) = peer.theory.refutes(replications) {
            eprintln!("{}: not the queue of the theory: {fault}", peer.name);
            wrong = true;
        }
    }
    println!("CPU time of one core. In brackets: what theory says; the range over {} rounds.", size.0);
    if wrong { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
