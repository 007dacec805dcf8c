//! One stall of the main thread, and stalls that recur, delay what the arithmetic of stalls says.
//!
//! Method: fixed services s at utilisation ρ and freezes of length S. Of one freeze the number of commands until the
//! backlog is gone, λS / (1 − ρ), the time that takes, Sρ / (1 − ρ), and the worst reply, over replications; of
//! recurring ones the share of commands delayed by more than x. Expected values leave out the one or two commands
//! that are there when the freeze begins, less than 0.1 % of λS. Tolerance: four standard errors; a service 3 %
//! longer must fail each check.

use writepath::dist::Dist;
use writepath::scenario::{Action, Scenario, TimedEvent};
use writepath::sim::Replied;
use writepath::stats::queueing::{backlog_drain, stall_quantile};
use writepath::units::{MILLISECOND, Nanos, SECOND};

use super::support::{
    Estimate, assert_agrees, assert_differs, in_order_of_execution, poisson, record_replication,
    run_by_turns, scenario,
};

const RHO: f64 = 0.5;

/// Fixed services of `service` times `factor`, at the arrival rate that makes `service` a utilisation of ρ.
fn frozen(service: Nanos, factor: f64, duration: Nanos, freezes: &[Nanos], span: Nanos) -> Scenario {
    let rate = RHO * SECOND as f64 / service as f64;
    let service = Dist::Fixed((service as f64 * factor).round());
    let mut scenario = scenario(poisson(rate), 100_000, service, duration);
    // No serverCron wakes the server within a second, so that an idle one notices with the first command.
    scenario.redis.hz = 1;
    scenario.events =
        freezes.iter().map(|&at| TimedEvent { at, node: None, action: Action::Freeze { span } }).collect();
    scenario
}

/// What one freeze did.
struct Aftermath {
    /// Commands answered until the server was idle again.
    delayed: Estimate,
    /// From the end of the freeze until then \[ns\].
    drain: Estimate,
    /// Longest sojourn \[ns\].
    worst: Estimate,
}

/// One freeze of 100 ms with λS = 5000, 100 replications.
const SPAN: Nanos = 100 * MILLISECOND;
const SERVICE: Nanos = 10_000;

fn aftermath(factor: f64) -> Aftermath {
    let at = 50 * MILLISECOND;
    let scenario = frozen(SERVICE, factor, 500 * MILLISECOND, &[at], SPAN);
    let (mut delayed, mut drain, mut worst) = (Vec::new(), Vec::new(), Vec::new());
    for replication in 0..100 {
        let (replied, _) = record_replication(&scenario, replication);
        let turns: Vec<&[Replied]> = replied.chunk_by(|a, b| a.polled_at == b.polled_at).collect();
        let first = turns.partition_point(|turn| turn[0].polled_at < at + SPAN);
        let busy = 1 + turns[first..]
            .windows(2)
            .take_while(|pair| pair[1][0].polled_at == pair[0][0].sent_at)
            .count();
        let turns = &turns[first..first + busy];
        delayed.push(turns.iter().map(|turn| turn.len()).sum::<usize>() as f64);
        drain.push((turns[busy - 1][0].sent_at - turns[0][0].polled_at) as f64);
        worst.push(replied.iter().map(|seen| seen.read_at - seen.arrived_at).max().expect("some") as f64);
        // Up to its start nobody waits longer than the freeze, but for the turn that was running.
        let wait = turns[0].iter().map(|seen| seen.polled_at - seen.arrived_at).max().expect("some");
        // An idle thread freezes unnoticed until the first command.
        assert!(
            (SPAN - 100 * SERVICE..SPAN + 100 * SERVICE).contains(&wait),
            "longest wait for the poll: {wait}"
        );
    }
    Aftermath { delayed: Estimate::of(&delayed), drain: Estimate::of(&drain), worst: Estimate::of(&worst) }
}

/// λS / (1 − ρ).
fn expected_delayed() -> f64 {
    RHO * SPAN as f64 / SERVICE as f64 / (1.0 - RHO)
}

/// Sρ / (1 − ρ) \[ns\].
fn expected_drain() -> f64 {
    backlog_drain(SPAN as f64, RHO).expect("stable")
}

/// The first command waits for the freeze and for all that came during it, which share its turn: S (1 + ρ) \[ns\].
fn expected_worst() -> f64 {
    SPAN as f64 * (1.0 + RHO)
}

#[test]
fn one_freeze_delays_what_arrives_until_its_backlog_is_gone() {
    let aftermath = aftermath(1.0);
    assert_agrees("commands delayed", aftermath.delayed, expected_delayed());
    assert_agrees("time to drain", aftermath.drain, expected_drain());
    assert_agrees("worst sojourn", aftermath.worst, expected_worst());
}

#[test]
fn the_checks_of_one_freeze_see_a_service_three_percent_longer() {
    let aftermath = aftermath(1.03);
    assert_differs("commands delayed", aftermath.delayed, expected_delayed());
    assert_differs("time to drain", aftermath.drain, expected_drain());
    assert_differs("worst sojourn", aftermath.worst, expected_worst());
}

/// Freezes of 10 ms every 100 ms with λS = 2500, 200 of them.
const RECURRING: Nanos = 10 * MILLISECOND;
const PERIOD: Nanos = 100 * MILLISECOND;
const SHORT_SERVICE: Nanos = 2000;

/// Share of commands whose wait up to their start, and whose reply sojourn, exceed each of `spans` \[ns\].
fn shares_above(factor: f64, spans: &[f64]) -> Vec<(Estimate, Estimate)> {
    let freezes: Vec<Nanos> = (0..200).map(|n| n * PERIOD + PERIOD / 2).collect();
    let scenario = frozen(SHORT_SERVICE, factor, 200 * PERIOD, &freezes, RECURRING);
    let mut above = vec![vec![(0.0, 0.0); 200]; spans.len()];
    let per_period = RHO * PERIOD as f64 / SHORT_SERVICE as f64;
    run_by_turns(&scenario, |turn| {
        let mut at = turn[0].polled_at;
        for seen in in_order_of_execution(turn) {
            let (wait, sojourn) = ((at - seen.arrived_at) as f64, (seen.read_at - seen.arrived_at) as f64);
            at += seen.service;
            for (counts, &span) in above.iter_mut().zip(spans) {
                let count = &mut counts[(seen.arrived_at / PERIOD) as usize];
                count.0 += (wait > span) as u8 as f64 / per_period;
                count.1 += (sojourn > span) as u8 as f64 / per_period;
            }
        }
    });
    let estimates = above.iter().map(|counts| {
        let (waits, sojourns): (Vec<f64>, Vec<f64>) = counts.iter().copied().unzip();
        (Estimate::of(&waits), Estimate::of(&sojourns))
    });
    estimates.collect()
}

const QUANTILES: [f64; 4] = [0.85, 0.9, 0.95, 0.99];

fn quantile(q: f64) -> f64 {
    stall_quantile(q, RECURRING as f64, PERIOD as f64, RHO)
}

#[test]
fn waits_under_recurring_stalls_have_the_quantiles_of_the_formula() {
    for ((wait, _), q) in shares_above(1.0, &QUANTILES.map(quantile)).into_iter().zip(QUANTILES) {
        assert_agrees(&format!("quantile {q}"), wait, 1.0 - q);
    }
}

/// Share of commands whose reply comes more than `span` ns after their arrival.
///
/// The commands of the freeze, λS, share a turn of length ρS; what comes during that shares one of ρ²S, and so on. Of
/// those that come during the n-th of these spans, Sρⁿ long, sojourns are uniform between Sρⁿ⁺¹ and Sρⁿ (1 + ρ).
fn share_of_replies_above(span: f64) -> f64 {
    let generation = |n: i32| {
        let length = RECURRING as f64 * RHO.powi(n);
        (length * (1.0 + RHO) - span).clamp(0.0, length)
    };
    (0..60).map(generation).sum::<f64>() / PERIOD as f64
}

const REPLY_SPANS: [f64; 4] = [3e6, 6e6, 10e6, 14e6];

#[test]
fn replies_under_recurring_stalls_come_turn_by_turn() {
    for ((_, reply), span) in shares_above(1.0, &REPLY_SPANS).into_iter().zip(REPLY_SPANS) {
        assert_agrees(&format!("above {span} ns"), reply, share_of_replies_above(span));
    }
}

#[test]
fn the_checks_of_recurring_stalls_see_a_service_three_percent_longer() {
    for ((wait, _), q) in shares_above(1.03, &[quantile(0.85)]).into_iter().zip([0.85]) {
        assert_differs(&format!("quantile {q}"), wait, 1.0 - q);
    }
    let spans = [3e6, 6e6, 14e6];
    for ((_, reply), span) in shares_above(1.03, &spans).into_iter().zip(spans) {
        assert_differs(&format!("above {span} ns"), reply, share_of_replies_above(span));
    }
}
