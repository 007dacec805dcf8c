//! Sensitivity of simulated runs, where theory gives it.
//!
//! Method: an unhurried open loop on a machine in which nothing but the network takes long. Its one-way time is on
//! every request twice, so a run's mean sojourn rises by twice what the price rises, and a setting that does nothing
//! has no effect at all. All points have the same random streams.

use std::path::PathBuf;

use crate::world::assert_close;
use writepath::experiment::design::DesignSpec;
use writepath::experiment::replications::Watch;
use writepath::experiment::sensitivity::{Analysis, Dimensions, Finding, Method, analyse};
use writepath::experiment::variants::Variants;
use writepath::experiment::{Metric, Pool, Template};
use writepath::scenario::resolve::Overrides;

const SCENARIO: &str = "[redis]\nsave = \"\"\n[dataset]\nkeys = \"1k\"\n[[workload]]\nrate = \"500/s\"\n\
                        [run]\nduration = \"4s\"\nwarmup = \"0s\"\n";

struct Nobody;

impl Watch for Nobody {
    fn goes_on(&self) -> bool {
        true
    }
    fn finished(&self) {}
}

fn analysis(vary: &[&str], method: Method, samples: usize, jobs: usize) -> Analysis {
    let base = PathBuf::from(".");
    let template = Template::new(SCENARIO.to_owned(), "calm.toml".to_owned(), base, Overrides::default());
    let vary = vary.iter().map(|text| (*text).to_owned()).collect();
    let space = DesignSpec { vary, ..DesignSpec::default() }.space(&template).expect("sound axes");
    let metrics = [Metric::parse("mean").expect("a metric")];
    let pool = Pool::new(jobs).expect("threads");
    let variants =
        Variants { template: &template, metrics: &metrics, replications: 1, pool: &pool, watch: &Nobody };
    let dimensions = Dimensions::new(Some(space), None);
    analyse(&variants, &dimensions, method, samples, 3).expect("nobody stops it")
}

const NETWORK: &str = "machine.network.one-way=100us..300us";
const NOTHING: &str = "redis.slowlog-log-slower-than=1000..100000";

#[test]
fn an_effect_is_what_the_price_adds_and_nothing_has_none() {
    let found = analysis(&[NETWORK, NOTHING], Method::Morris, 6, 2);
    let Some([Finding::Effect(network), Finding::Effect(nothing)]) = found.metrics[0].findings.as_deref()
    else {
        panic!("two effects")
    };
    // Other turns than serverCron's hardly meet a request: what the shift of all arrivals changes is far below 1 %.
    assert_close(network.mu, 400_000.0, 0.01, "twice 200 us");
    assert_close(network.mu_star.value, 400_000.0, 0.01, "the same");
    assert!(network.sigma < 4_000.0, "{network:?}");
    assert_eq!((nothing.mu, nothing.mu_star.value, nothing.sigma), (0.0, 0.0, 0.0));
}

#[test]
fn the_whole_variance_is_of_what_alone_matters() {
    let found = analysis(&[NETWORK, NOTHING], Method::Sobol, 32, 2);
    let Some([Finding::Index(network), Finding::Index(nothing)]) = found.metrics[0].findings.as_deref()
    else {
        panic!("two indices")
    };
    assert_eq!((nothing.first.value, nothing.total.value), (0.0, 0.0));
    // Of 32 rows: within what resampling finds.
    for index in [network.first, network.total] {
        assert!((index.low..=index.high).contains(&1.0), "{index:?}");
    }
}

#[test]
fn points_that_cannot_run_take_their_samples_with_them() {
    // No server keeps up with the fourth.
    let found = analysis(&["rate=1000/s,2000/s,3000/s,100M/s", NOTHING], Method::Morris, 8, 2);
    let own = &found.metrics[0];
    assert!(
        found.failed > 0 && found.reason.as_deref().is_some_and(|reason| reason.contains("load")),
        "{found:?}"
    );
    assert_eq!(found.failed, own.results.iter().filter(|value| value.is_none()).count());
    let with_holes = own.results.chunks(3).filter(|own| own.contains(&None)).count();
    assert!(own.dropped == with_holes && (1..8).contains(&with_holes), "{with_holes}");
    assert!(own.findings.is_some());
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let vary = [NETWORK, "redis.appendonly=true,false"];
    for (method, samples) in [(Method::Morris, 3), (Method::Sobol, 8)] {
        let [one, two] = [1, 2].map(|jobs| format!("{:?}", analysis(&vary, method, samples, jobs)));
        assert_eq!(one, two);
    }
}
