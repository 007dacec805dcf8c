//! The table of deadlines by itself: keys that somebody else keeps exactly, and the bound on the simulator's memory.

use writepath::dist::Dist;
use writepath::redis::expire_cycle::CycleKind;
use writepath::redis::server::Server;
use writepath::rng::Streams;
use writepath::scenario::ttl::{Ttl, TtlAge};
use writepath::scenario::{KeyPopularity, Scenario};
use writepath::units::{MILLISECOND, SECOND};

use super::support::{poisson, scenario};
use super::world::{read, simulate};

fn server(scenario: &Scenario) -> Server {
    Server::new(scenario, &Streams::new(1, 0)).0
}

/// Counters of a pattern that nobody visits again are found by the cycle, among keys that are not due.
#[test]
fn exact_keys_are_swept_with_the_others() {
    for others in [0u64, 5000] {
        let ttl = if others > 0 { "ttl = \"1h\"\nttl-share = 0.5" } else { "" };
        let text = format!(
            "[redis]\nversion = \"7.2\"\nsave = \"\"\nappendonly = true\n[dataset]\nkeys = 10_000\n{ttl}\n\
             [[workload]]\nschedule = [[\"0s\", \"2k/s\"], [\"1s\", \"0/s\"]]\npattern = \"multi-incr-expire-nx\"\n\
             pattern-keys = 1000\nwindow = \"2s\"\n[run]\nduration = \"300s\"\nwarmup = \"0s\"\nwindows = []"
        );
        let result = simulate(&read(&text));
        let (expiry, pattern) = (result.expiry.expect("keys have deadlines"), &result.patterns[0]);
        let visited = pattern.sums.expiries;
        // About 1000 (1 - e^-2) keys of 1000 were met.
        assert!((800..930).contains(&visited), "{visited}");
        assert_eq!((expiry.expired_keys, expiry.expired_on_access), (visited, 0));
        assert_eq!((expiry.volatile_keys, expiry.pending), (others, 0));
        assert_eq!(expiry.lag.count(), visited);
        // Alone they all go at once; among many keys that are not due the cursor has to come by.
        let lag = expiry.lag.quantiles([0.5])[0];
        assert!(if others == 0 { lag < SECOND } else { lag > 2 * SECOND }, "{lag} ns with {others} others");
    }
}

#[test]
fn a_thousand_million_keys_take_no_more_memory_than_a_thousand() {
    let mut bytes = Vec::new();
    for keys in [1000, 1_000_000_000] {
        let mut scenario = scenario(poisson(1.0), 1, Dist::Fixed(1.0), SECOND);
        scenario.workloads[0].keys = KeyPopularity::Zipf { s: 0.99 };
        // With a price, so that a cycle ends by time.
        (scenario.machine.cpu.expire_key, scenario.machine.cpu.expire_sample) = (1000, 60);
        scenario.dataset.keys = keys;
        scenario.dataset.ttl_share = 1.0;
        let dist = Dist::Exponential { mean: 60e9 };
        scenario.dataset.ttl = Some(Ttl { dist, jitter: 10 * SECOND, align: 0, age: TtlAge::Spread });
        let mut server = server(&scenario);
        assert_eq!(server.expires.keys(), keys);
        // A minute passes without a cycle, then there are some.
        server.main.sleep(60 * SECOND);
        (0..20).for_each(|_| {
            server.active_expire_cycle(CycleKind::Slow);
            server.main.sleep(server.main.now + 100 * MILLISECOND);
        });
        server.check();
        let result = server.expiry_result().expect("keys have deadlines");
        let due = result.pending_max as f64 / keys as f64;
        assert!((0.5..0.95).contains(&due), "{keys} keys: {due} are due after the mean life");
        bytes.push(server.expires.state_bytes());
    }
    assert!(bytes.iter().all(|&bytes| bytes < 32 << 20), "{bytes:?}");
}
