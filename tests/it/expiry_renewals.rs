//! Keys whose times to live are renewed far from their deadline, which the engine counts first and settles later.
//!
//! Method: closed forms of renewals at a steady rate, for the mean and for the spread over runs; and the whole JSON
//! of watched and unwatched runs, which take different paths through the engine.

use writepath::dist::Dist;
use writepath::redis::command::Command;
use writepath::redis::config::AppendFsync;
use writepath::report::{About, json};
use writepath::scenario::ttl::{Ttl, TtlAge};
use writepath::scenario::{Arrivals, KeyPopularity, Scenario, Source};
use writepath::sim::{RunOptions, run};
use writepath::units::{MILLISECOND, SECOND};

use super::support::{Estimate, assert_agrees, poisson, record, scenario, with_aof};

const KEYS: u64 = 200_000;
const RATE: f64 = 40_000.0;
const LIFE: u64 = 5 * SECOND;

/// `commands` on keys all of which got a time to live at time 0.
fn renewed(command: &str, source: Source, duration: u64) -> Scenario {
    let mut scenario = scenario(source, 50, Dist::Fixed(16.0), duration);
    scenario.workloads[0].mix = vec![(command.parse::<Command>().unwrap(), 1.0)];
    scenario.dataset.keys = KEYS;
    (scenario.dataset.ttl_share, scenario.dataset.prefilled) = (1.0, true);
    scenario.dataset.ttl = Some(Ttl::fixed_ms(LIFE / MILLISECOND));
    scenario
}

/// Keys whose deadlines have come, at the end of each of several runs.
fn ended(scenario: &Scenario, runs: u64) -> Vec<f64> {
    let of = |replication| {
        let options = RunOptions { replication, ..RunOptions::default() };
        let expiry = run(scenario, &options, &mut |_| true).expect("it runs").expiry.expect("keys expire");
        (expiry.expired_keys + expiry.pending) as f64
    };
    (0..runs).map(of).collect()
}

#[test]
fn so_many_keys_are_not_renewed_in_time() {
    // Every key is renewed at rate λ/K by itself: a share e^(−λT/K) is not, and as many keys are a binomial number.
    let share = (-RATE * 5.0 / KEYS as f64).exp();
    for command in ["SET PX 5000", "EXPIRE 5", "SET PX 60000"] {
        let runs = 60;
        let counts = ended(&renewed(command, poisson(RATE), LIFE + MILLISECOND), runs);
        let (mean, variance) = (share * KEYS as f64, share * (1.0 - share) * KEYS as f64);
        assert_agrees(command, Estimate::of(&counts), mean);
        let spread = counts.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / runs as f64 / variance;
        let error = 4.0 * (2.0 / runs as f64).sqrt();
        assert!((spread - 1.0).abs() < error, "{command}: {spread} of the binomial variance");
    }
}

#[test]
fn renewed_deadlines_are_those_of_the_last_renewal() {
    // The commands stop at 4.9 s; at t a key is there if one came after t − T.
    let (rate, stop) = (RATE, 4_900 * MILLISECOND);
    let source = Source::Open { schedule: vec![(0, rate), (stop, 0.0)], arrivals: Arrivals::Poisson };
    for t in [5_500, 7_000, 9_000, 9_800] {
        let scenario = renewed("SET PX 5000", source.clone(), t * MILLISECOND);
        let since = (stop + LIFE - t * MILLISECOND) as f64 / SECOND as f64;
        let expected = KEYS as f64 * (-rate * since / KEYS as f64).exp();
        assert_agrees(&format!("at {t} ms"), Estimate::of(&ended(&scenario, 16)), expected);
    }
}

#[test]
fn watching_renewals_changes_nothing() {
    for (command, pipeline) in [("SET PX 700", 1), ("SET PX 3000", 1), ("SET PX 900", 20), ("GET", 1)] {
        for keys in [KeyPopularity::Uniform, KeyPopularity::Zipf { s: 0.99 }] {
            let mut scenario = renewed(command, poisson(20_000.0), 3 * SECOND);
            scenario.dataset.keys = 20_000;
            scenario.dataset.ttl.as_mut().unwrap().age = TtlAge::Spread;
            (scenario.workloads[0].keys, scenario.workloads[0].pipeline) = (keys, pipeline);
            let scenario = with_aof(scenario, AppendFsync::Everysec);
            let text = |result| serde_json::to_string(&json::run_output(&result, &About::of(&scenario)));
            let plain = run(&scenario, &RunOptions::default(), &mut |_| true).expect("it runs");
            let (seen, watched) = record(&scenario);
            assert!(!seen.is_empty());
            assert!(plain.expiry.as_ref().is_some_and(|expiry| expiry.expired_keys > 0), "{command}");
            assert_eq!(
                text(plain).unwrap(),
                text(watched).unwrap(),
                "{command}, {pipeline} a write, {keys:?}"
            );
        }
    }
}
