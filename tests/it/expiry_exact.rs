//! The table of deadlines by itself: keys that somebody else keeps exactly, and the bound on the simulator's memory.

use writepath::dist::Dist;
use writepath::redis::config::AppendFsync;
use writepath::redis::expire_cycle::CycleKind;
use writepath::redis::server::Server;
use writepath::rng::Streams;
use writepath::scenario::ttl::{Ttl, TtlAge};
use writepath::scenario::{KeyPopularity, Scenario};
use writepath::units::{MILLISECOND, SECOND};

use super::support::{poisson, scenario, with_aof};

fn server(scenario: &Scenario) -> Server {
    Server::new(scenario, &Streams::new(1, 0)).0
}

#[test]
fn exact_keys_are_swept_with_the_others_and_reported_by_number() {
    let mut scenario = with_aof(scenario(poisson(1.0), 1, Dist::Fixed(1.0), SECOND), AppendFsync::Everysec);
    scenario.machine.cpu.expire_key = 1000;
    for others in [0, 5000] {
        scenario.dataset.keys = 10_000;
        scenario.dataset.ttl = (others > 0).then(|| Ttl::fixed_ms(3_600_000));
        scenario.dataset.ttl_share = others as f64 / 10_000.0;
        let mut server = server(&scenario);
        for _ in 0..1000 {
            server.expires.exact_set(false, |_| true);
        }
        assert_eq!((server.expires.keys(), server.expires.exact_volatile()), (others + 1000, 1000));
        (0..400).for_each(|id| server.expires.exact_due(id, 0));
        // One is deleted by a command, one that is not due is renewed: gone, then set again.
        server.expires.exact_met(7);
        server.expires.exact_unset();
        server.expires.exact_met(900);
        server.expires.exact_unset();
        server.expires.exact_set(false, |_| true);
        server.check();
        let mut calls = 0;
        while server.expires.pending() > 0 {
            server.main.sleep(server.main.now + 100 * MILLISECOND);
            server.active_expire_cycle(CycleKind::Slow);
            server.check();
            calls += 1;
            assert!(calls < 10_000, "{} are left", server.expires.pending());
        }
        let mut deleted = std::mem::take(&mut server.expires.deleted_exact);
        deleted.sort_unstable();
        let expected: Vec<u32> = (0..400).filter(|&id| id != 7).collect();
        assert_eq!(deleted, expected);
        assert_eq!(server.expires.keys(), others + 1000 - 1 - 399);
        // One DEL each, and no write of a client.
        assert_eq!(server.aof.buffer, 399 * 36);
        assert_eq!((server.changes, server.rdb.dirty, server.counters.expired_keys), (0, 0, 399));
        assert_eq!(server.keyspace.keys(), 10_000);
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
