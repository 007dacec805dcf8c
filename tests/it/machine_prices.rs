//! What the unknown prices of the machine make of a metric, where it can be worked out.
//!
//! Method: the longest stall of a run with one BGSAVE is its fork, whose length is the price of a GiB times the
//! memory. Its distribution over the draws is that of the price.

use std::path::PathBuf;

use crate::world::assert_close;
use writepath::experiment::machine::{Machine, differences, machine};
use writepath::experiment::prices::Prices;
use writepath::experiment::replications::Watch;
use writepath::experiment::variants::Variants;
use writepath::experiment::{Metric, Pool, Template};
use writepath::scenario::resolve::Overrides;

const SCENARIO: &str = "[redis]\nsave = \"\"\n[dataset]\nmemory = \"2GiB\"\n[[workload]]\nrate = \"500/s\"\n\
                        [[event]]\nat = \"1s\"\ndo = \"BGSAVE\"\n[machine]\nfork.base = \"0us\"\n\
                        [run]\nduration = \"3s\"\nwarmup = \"0s\"\n";

struct Nobody;

impl Watch for Nobody {
    fn goes_on(&self) -> bool {
        true
    }
    fn finished(&self) {}
}

fn template(set: &[&str]) -> Template {
    let set = set.iter().map(|text| (*text).to_owned()).collect();
    let overrides = Overrides { set, ..Overrides::default() };
    Template::new(SCENARIO.to_owned(), "fork.toml".to_owned(), PathBuf::from("."), overrides)
}

/// The longest stall over draws of these prices.
fn longest_stall(names: &[&str], draws: u64) -> (Prices, Machine) {
    let template = template(&[]);
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let prices = Prices::of(&template).and_then(|prices| prices.choose(&names)).expect("prices");
    let metrics = [Metric::parse("longest-stall").expect("a metric")];
    let pool = Pool::new(2).expect("threads");
    let variants =
        Variants { template: &template, metrics: &metrics, replications: 1, pool: &pool, watch: &Nobody };
    let found = machine(&variants, &prices, draws, 5).expect("nobody stops it");
    (prices, found)
}

#[test]
fn the_fork_is_as_uncertain_as_its_price() {
    let (prices, found) = longest_stall(&["fork.per-gib"], 60);
    let own = &found.metrics[0];
    let spread = own.machine.as_ref().expect("enough draws");
    let range = &prices.ranges()[0];
    // A Latin hypercube has one draw in each sixtieth: an end is off by what two of them hold.
    for (end, share) in [(spread.low, 0.05), (spread.high, 0.95)] {
        let at = |share: f64| own.sampling.value * range.quantile(share) / range.value;
        let (low, high) = (at(share - 2.0 / 60.0), at(share + 2.0 / 60.0));
        assert!((0.999 * low..=1.001 * high).contains(&end), "{end}: {low} to {high}");
    }
    assert!(spread.noise_share < 1e-6, "{spread:?}");
    assert_eq!((spread.carriers.len(), spread.draws, found.failed), (1, 60, 0));
    assert!(spread.carriers[0].correlation > 0.999);
    // Sampling does not touch a fork.
    assert_close(own.sampling.high, own.sampling.low, 1e-6, "no sampling");
}

#[test]
fn the_price_behind_it_is_named_among_all() {
    let (_, found) = longest_stall(&["all"], 30);
    let spread = found.metrics[0].machine.as_ref().expect("enough draws");
    assert!(found.prices.len() > 30, "{}", found.prices.len());
    assert_eq!(found.prices[spread.carriers[0].price], "fork.per-gib");
}

#[test]
fn a_conclusion_that_every_machine_shares_does_not_flip() {
    // More memory makes a longer fork at any price; a setting that does nothing makes none.
    for (set, same) in [("dataset.memory=3GiB", 12), ("redis.slowlog-log-slower-than=1", 0)] {
        let templates = [template(&[]), template(&[set])];
        let prices = Prices::of(&templates[0]).expect("prices");
        let metrics = [Metric::parse("longest-stall").expect("a metric")];
        let pool = Pool::new(2).expect("threads");
        let [a, b] = [0, 1].map(|side| Variants {
            template: &templates[side],
            metrics: &metrics,
            replications: 2,
            pool: &pool,
            watch: &Nobody,
        });
        let found = differences(&a, &b, &prices, 12, 1).expect("nobody stops it");
        let flips = found[0].as_ref().expect("every run has it");
        assert_eq!((flips.same, flips.opposite, flips.flips), (same, 0, false), "{set}");
    }
}
