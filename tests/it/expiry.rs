//! The active expire cycle against the storm model: slices, share of the thread, rate, tail, and what spreading does.

use writepath::cause::Cause;
use writepath::dist::Dist;
use writepath::observe::result::RunResult;
use writepath::redis::command::Command;
use writepath::scenario::Scenario;
use writepath::scenario::ttl::{Ttl, TtlAge};
use writepath::sim::{RunOptions, run};
use writepath::units::{MICROSECOND, SECOND};

use super::support::{poisson, scenario};

/// Deleting a key in these tests.
const EXPIRE_KEY: u64 = 2 * MICROSECOND;

/// `keys` keys with a time to live, beside `rate` PINGs a second, which keep the event loop turning and touch no key.
fn storm(keys: u64, ttl: Ttl, rate: f64, duration: u64) -> Scenario {
    let mut scenario = scenario(poisson(rate), 50, Dist::Fixed(1.0), duration);
    scenario.workloads[0].mix = vec![("PING".parse::<Command>().unwrap(), 1.0)];
    scenario.machine.cpu.expire_key = EXPIRE_KEY;
    scenario.machine.cpu.expire_sample = 60;
    scenario.dataset.keys = keys;
    scenario.dataset.ttl_share = 1.0;
    scenario.dataset.ttl = Some(ttl);
    scenario
}

fn seconds(seconds: u64) -> Ttl {
    Ttl::fixed_ms(seconds * 1000)
}

fn ran(scenario: &Scenario) -> RunResult {
    let options = RunOptions { timeline: true, ..RunOptions::default() };
    run(scenario, &options, &mut |_| true).expect("it runs")
}

/// Within so many per cent.
fn near(value: f64, expected: f64, percent: f64) -> bool {
    (value / expected - 1.0).abs() <= percent / 100.0
}

#[test]
fn slices_last_25_ms_at_hz_10_and_less_at_a_higher_hz() {
    for (hz, effort, slice_ms) in [(10, 1, 25.0_f64), (100, 1, 2.5), (500, 1, 0.5), (10, 10, 43.0)] {
        let mut scenario = storm(300_000, seconds(1), 20_000.0, 4 * SECOND);
        (scenario.redis.hz, scenario.redis.active_expire_effort) = (hz, effort);
        let expiry = ran(&scenario).expiry.expect("keys expire");
        // The clock is read after 16 loops of 20 keys, more with effort; a loop takes its last bucket whole, and
        // buckets hold a dozen when a table has shrunk and all that is left lies ahead of the cursor.
        let grain = 16.0 * (20.0 + 5.0 * (effort - 1) as f64 + 15.0) * EXPIRE_KEY as f64 / 1e6;
        let slice = expiry.slice_max as f64 / 1e6;
        // A fast cycle, 1 ms and more, is longer than a slow one at hz 500.
        let limit = slice_ms.max(1.0 + 0.25 * (effort - 1) as f64);
        assert!(slice >= limit && slice <= limit + grain, "hz {hz}, effort {effort}: {slice} ms");
        assert!(expiry.time_cap_reached > 5);
    }
}

#[test]
fn a_storm_takes_60_per_cent_or_more_and_reclaims_at_that_rate() {
    // 16 loops of 20.3 keys between two looks at the clock, the first of which comes after one loop (the other 15
    // databases): slices of 25 ms and 1 ms end at the first of these beyond the limit.
    for (cost, keys) in [(EXPIRE_KEY, 1_000_000), (EXPIRE_KEY / 10, 6_000_000)] {
        let mut scenario = storm(keys, seconds(1), 50_000.0, 8 * SECOND);
        scenario.machine.cpu.expire_key = cost;
        scenario.machine.cpu.expire_sample = 0;
        let result = ran(&scenario);
        let expiry = result.expiry.as_ref().expect("keys expire");
        let one = 20.3 * cost as f64 / 1e6;
        let slice = |limit: f64| one + ((limit - one) / (16.0 * one)).ceil() * 16.0 * one;
        let (slow, fast) = (slice(25.0), slice(1.0));
        // A turn comes every 20 us, so fast cycles start that much later than 2 ms apart.
        let share = slow / (100.0 + slow) + 100.0 / (100.0 + slow) * fast / 2.01;
        let seen = expiry.storm_rate_per_s * cost as f64 / 1e9;
        assert!(near(seen, share, 4.0), "{cost} ns: {seen} against {share}");
        let storm_s = expiry.storm as f64 / 1e9;
        assert!(near(storm_s, keys as f64 * cost as f64 / 1e9 / share, 8.0), "{storm_s}");
        assert!(expiry.busy_share_max > share * 0.95 && expiry.busy_share_max < share + 0.05);
        assert_eq!(expiry.pending_max, keys);
        assert_eq!(result.counters.expired_keys, expiry.expired_keys);
        assert_eq!(result.busy[Cause::ExpireCycle as usize], expiry.cycle_time);
        let longest = result.stalls.iter().find(|stall| stall.cause == "expire-cycle").expect("a stall");
        assert!(longest.detail.starts_with("slow: 1") && longest.detail.ends_with("limit"), "{longest:?}");
    }
}

#[test]
fn an_idle_server_has_no_fast_cycles_to_help() {
    // Without traffic the event loop turns for serverCron alone: 25 ms in 125, and one fast cycle behind each.
    let expiry = ran(&storm(1_000_000, seconds(1), 0.001, 20 * SECOND)).expiry.unwrap();
    let share = expiry.storm_rate_per_s * EXPIRE_KEY as f64 / 1e9;
    assert!((0.2..0.225).contains(&share), "{share}");
    assert!(expiry.fast_cycles <= expiry.slow_cycles);
}

#[test]
fn the_last_tenth_goes_at_twenty_keys_a_second() {
    // A twelfth of the keys is due at once, fewer than a loop puts up with: no storm, and no end of it.
    let mut scenario = storm(400_000, seconds(1), 20_000.0, 60 * SECOND);
    let few = Dist::Empirical(vec![(0.08, 1e9), (1.0, 3600e9)]);
    scenario.dataset.ttl = Some(Ttl { dist: few, jitter: 0, align: 0, age: TtlAge::New });
    let result = ran(&scenario);
    let at =
        |s: u64| result.timeline.iter().find(|row| row.at == s * SECOND).expect("a row").pending_expired_keys;
    let rate = (at(10) - at(60)) as f64 / 50.0;
    // A loop of 20 finds 1.6, and is repeated when it finds three: 2.1 keys a serverCron.
    assert!((18.0..=26.0).contains(&rate), "{rate} keys a second");
    let expiry = result.expiry.unwrap();
    assert_eq!((expiry.pending, expiry.time_cap_reached), (at(60), 0));
    assert!(expiry.stale > 0.06 && expiry.stale < 0.11, "{}", expiry.stale);
}

#[test]
fn a_sweep_leaves_nothing_of_a_large_storm() {
    // Half of the keys are due at once. The cursor meets every one of them before a loop finds few enough to stop.
    let mut scenario = storm(400_000, seconds(1), 20_000.0, 10 * SECOND);
    let half = Dist::Empirical(vec![(0.5, 1e9), (1.0, 3600e9)]);
    scenario.dataset.ttl = Some(Ttl { dist: half, jitter: 0, align: 0, age: TtlAge::New });
    let expiry = ran(&scenario).expiry.unwrap();
    assert!(expiry.pending < 100 && expiry.storm > SECOND / 2, "{expiry:?}");
}

#[test]
fn jitter_spreads_a_storm_but_dead_keys_gather() {
    let ttl = Ttl { jitter: 300 * SECOND, ..seconds(1) };
    let spread = ran(&storm(1_000_000, ttl, 1000.0, 320 * SECOND)).expiry.unwrap();
    let at_once = ran(&storm(1_000_000, seconds(1), 1000.0, 20 * SECOND)).expiry.unwrap();
    assert!(spread.busy_share_max < 0.2 * at_once.busy_share_max, "{}", spread.busy_share_max);
    assert!(spread.time_cap_reached < 10 && at_once.time_cap_reached > 100);
    assert!(spread.storm < SECOND && at_once.storm > 2 * SECOND);
    // A loop puts up with two in twenty, so a tenth of the keys, and more ahead of the cursor, is dead at times.
    assert!(spread.pending_max > 100_000 && spread.pending_max < 400_000, "{}", spread.pending_max);
    assert_eq!((spread.expired_keys, at_once.expired_keys), (1_000_000, 1_000_000));
}

#[test]
fn nothing_is_paid_where_no_key_has_a_time_to_live() {
    let mut scenario = storm(1000, seconds(1), 1000.0, 2 * SECOND);
    (scenario.dataset.ttl, scenario.dataset.ttl_share) = (None, 0.0);
    let result = ran(&scenario);
    assert!(result.expiry.is_none());
    assert_eq!(result.busy[Cause::ExpireCycle as usize], 0);
    assert!(result.info.iter().all(|(name, _)| !name.starts_with("expire") && name != "db0"));
}
