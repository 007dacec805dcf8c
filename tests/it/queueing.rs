//! With nothing but the commands' own time, the server is the queue of the textbooks.
//!
//! Method: a Poisson process on so many connections that no turn meets one twice, with a million customers a
//! point. Commands are executed first come, first served, so the wait up to the start of a command is that of
//! M/G/1 (Pollaczek–Khinchine). Replies leave together at the end of a turn, which is longer; that mean is derived
//! below. Tolerance: four standard errors by batch means. A service time 3 % longer must fail each check.

use writepath::dist::Dist;
use writepath::sim::Replied;
use writepath::stats::queueing::{md1_wait, mg1_wait, mm1_sojourn_quantile, mm1_wait};
use writepath::units::SECOND;

use super::support::{
    Estimate, assert_agrees, assert_differs, in_order_of_execution, poisson, run_by_turns, scenario,
};

const CUSTOMERS: f64 = 1e6;
/// Mean service time \[s\].
const SERVICE: f64 = 1e-3;
const UTILISATIONS: [f64; 5] = [0.3, 0.5, 0.7, 0.9, 0.95];

/// The distribution of service times with a given mean \[ns\].
type Service = fn(f64) -> Dist;

fn fixed(mean: f64) -> Dist {
    Dist::Fixed(mean)
}

fn exponential(mean: f64) -> Dist {
    Dist::Exponential { mean }
}

fn lognormal(mean: f64) -> Dist {
    Dist::Lognormal { mean, scv: 2.0 }
}

/// Runs at arrival rate `utilisation` / [`SERVICE`] with services `factor` times as long, and calls `each` with every
/// turn.
fn simulate(service: Service, utilisation: f64, factor: f64, each: impl FnMut(&[Replied])) {
    let rate = utilisation / SERVICE;
    let duration = (CUSTOMERS / rate * SECOND as f64) as u64;
    let service = service(SERVICE * SECOND as f64 * factor);
    run_by_turns(&scenario(poisson(rate), 100_000, service, duration), each);
}

/// (Wait up to the start of its execution, sojourn up to the end of it) of every command \[s\], in order of execution.
fn executions(service: Service, utilisation: f64, factor: f64) -> (Vec<f64>, Vec<f64>) {
    let (mut waits, mut sojourns) = (Vec::new(), Vec::new());
    simulate(service, utilisation, factor, |turn| {
        let mut at = turn[0].polled_at;
        for seen in in_order_of_execution(turn) {
            waits.push((at - seen.arrived_at) as f64 / SECOND as f64);
            at += seen.service;
            sojourns.push((at - seen.arrived_at) as f64 / SECOND as f64);
        }
        assert_eq!(at, turn[0].executed_at, "services add up to the batch");
    });
    (waits, sojourns)
}

fn wait(service: Service, utilisation: f64, factor: f64) -> Estimate {
    Estimate::by_batches(&executions(service, utilisation, factor).0)
}

fn mg1(utilisation: f64, scv: f64) -> f64 {
    mg1_wait(utilisation / SERVICE, SERVICE, scv).expect("stable")
}

#[test]
fn waits_for_fixed_services_are_those_of_md1() {
    for utilisation in UTILISATIONS {
        let expected = md1_wait(utilisation / SERVICE, SERVICE).expect("stable");
        assert_agrees(&format!("at {utilisation}"), wait(fixed, utilisation, 1.0), expected);
    }
}

#[test]
fn waits_for_exponential_services_are_those_of_mm1() {
    for utilisation in UTILISATIONS {
        let expected = mm1_wait(utilisation / SERVICE, SERVICE).expect("stable");
        assert_agrees(&format!("at {utilisation}"), wait(exponential, utilisation, 1.0), expected);
    }
}

#[test]
fn waits_for_lognormal_services_are_those_of_mg1() {
    for utilisation in UTILISATIONS {
        assert_agrees(&format!("at {utilisation}"), wait(lognormal, utilisation, 1.0), mg1(utilisation, 2.0));
    }
}

#[test]
fn the_checks_of_waits_see_a_service_three_percent_longer() {
    let kinds: [(Service, f64); 3] = [(fixed, 0.0), (exponential, 1.0), (lognormal, 2.0)];
    for (service, scv) in kinds {
        for utilisation in [0.3, 0.7, 0.95] {
            let estimate = wait(service, utilisation, 1.03);
            assert_differs(&format!("scv {scv} at {utilisation}"), estimate, mg1(utilisation, scv));
        }
    }
}

/// Share of sojourns up to the end of execution that are at most the quantile `q` of M/M/1.
fn shares_below(utilisation: f64, factor: f64) -> Vec<(f64, Estimate)> {
    let sojourns = executions(exponential, utilisation, factor).1;
    let share = |q| {
        let quantile = mm1_sojourn_quantile(utilisation / SERVICE, SERVICE, q).expect("stable");
        let below: Vec<f64> = sojourns.iter().map(|&sojourn| (sojourn <= quantile) as u8 as f64).collect();
        (q, Estimate::by_batches(&below))
    };
    [0.5, 0.9, 0.99].map(share).to_vec()
}

#[test]
fn sojourns_with_exponential_services_have_the_quantiles_of_mm1() {
    for utilisation in [0.7, 0.9] {
        for (q, estimate) in shares_below(utilisation, 1.0) {
            assert_agrees(&format!("quantile {q} at {utilisation}"), estimate, q);
        }
    }
}

#[test]
fn the_check_of_quantiles_sees_a_service_three_percent_longer() {
    for (q, estimate) in shares_below(0.7, 1.03) {
        assert_differs(&format!("quantile {q}"), estimate, q);
    }
}

/// Mean time from arrival to reply when replies leave at the end of their turn \[s\].
///
/// A turn of length B serves the K commands that came during the turn before it, or the one that ended an idle time
/// (probability p of no arrival). In steady state E[K] = λ E[B] + p and E[B] = s E[K]; for the second moments,
/// E[K²] = λ E[B] + λ² E[B²] + p and E[B²] = E[K] Var S + s² E[K²], so E[B²] / E[B] = E[S²] / (s (1 − ρ²)) = m, whatever
/// p. A command that comes while the server is idle takes s. One that comes during a turn (probability ρ) meets a
/// turn of mean length m, has half of it left, and then shares its own turn with the λ m others that came: m / 2 + s +
/// ρ m. Hence s + ρ m (1 / 2 + ρ), which is s + W (1 + 2ρ) / (1 + ρ) with W the wait of M/G/1.
fn reply_sojourn(utilisation: f64, scv: f64) -> f64 {
    SERVICE + mg1(utilisation, scv) * (1.0 + 2.0 * utilisation) / (1.0 + utilisation)
}

fn replies(service: Service, utilisation: f64, factor: f64) -> Estimate {
    let mut sojourns = Vec::new();
    simulate(service, utilisation, factor, |turn| {
        sojourns.extend(turn.iter().map(|seen| (seen.read_at - seen.arrived_at) as f64 / SECOND as f64));
    });
    Estimate::by_batches(&sojourns)
}

#[test]
fn replies_wait_for_the_end_of_their_turn() {
    for utilisation in [0.3, 0.7, 0.95] {
        let what = format!("at {utilisation}");
        assert_agrees(&what, replies(fixed, utilisation, 1.0), reply_sojourn(utilisation, 0.0));
        assert_agrees(&what, replies(lognormal, utilisation, 1.0), reply_sojourn(utilisation, 2.0));
    }
}

#[test]
fn the_check_of_replies_sees_a_service_three_percent_longer() {
    for utilisation in [0.3, 0.7, 0.95] {
        assert_differs("fixed", replies(fixed, utilisation, 1.03), reply_sojourn(utilisation, 0.0));
        assert_differs("lognormal", replies(lognormal, utilisation, 1.03), reply_sojourn(utilisation, 2.0));
    }
}

#[test]
fn the_check_of_replies_tells_turns_from_a_server_that_replies_at_once() {
    assert_differs("at 0.7", replies(fixed, 0.7, 1.0), SERVICE + mg1(0.7, 0.0));
}
