//! The scenarios of expiry show what their comments promise.

use std::path::Path;

use writepath::observe::expiry::ExpiryResult;
use writepath::observe::result::RunResult;
use writepath::scenario::builtin;
use writepath::scenario::resolve::{Overrides, resolve};
use writepath::sim::{RunOptions, run};
use writepath::units::{MILLISECOND, SECOND};

fn ran(name: &str) -> RunResult {
    let text = builtin::get(name).expect("built in");
    let scenario = resolve(text, name, Path::new(""), &Overrides::default()).expect("it resolves");
    let options = RunOptions { timeline: true, ..RunOptions::default() };
    run(&scenario, &options, &mut |_| true).expect("it runs")
}

fn expiry(result: &RunResult) -> &ExpiryResult {
    result.expiry.as_ref().expect("keys expire")
}

/// The worst P99 of a window of 10 s.
fn worst_p99(result: &RunResult) -> u64 {
    result.scopes[0].windows.iter().find(|window| window.window == 10 * SECOND).expect("a window").p99_worst
}

#[test]
fn a_jitter_does_away_with_the_storm_and_not_with_dead_keys() {
    let (storm, jitter) = (ran("expiry-storm"), ran("expiry-jitter"));
    for result in [&storm, &jitter] {
        assert_eq!(expiry(result).expired_keys, 1_000_000);
        // Nothing but DELs goes to the AOF: 40 bytes a key.
        assert_eq!(result.counters.aof_bytes, 40_000_000);
    }
    // 1 M keys of 1.2 us at 65 per cent of the thread.
    assert!((SECOND..3 * SECOND).contains(&expiry(&storm).storm), "{}", expiry(&storm).storm);
    assert!((0.55..0.75).contains(&expiry(&storm).busy_share_max));
    assert!((25 * MILLISECOND..26 * MILLISECOND).contains(&expiry(&storm).slice_max));
    assert!(worst_p99(&storm) > 15 * MILLISECOND, "{}", worst_p99(&storm));

    assert_eq!((expiry(&jitter).storm, expiry(&jitter).time_cap_reached), (0, 0));
    assert!(expiry(&jitter).busy_share_max < 0.05, "{}", expiry(&jitter).busy_share_max);
    assert!(worst_p99(&jitter) < worst_p99(&storm) / 10, "{}", worst_p99(&jitter));
    // A fifth of the keys is dead memory at the worst time, and half of them stay for 10 s or longer.
    assert!(expiry(&jitter).pending_max > 150_000, "{}", expiry(&jitter).pending_max);
    assert!(expiry(&jitter).lag.quantile(0.5) > 10 * SECOND);
}

#[test]
fn deadlines_aligned_to_the_minute_expire_at_the_minute() {
    let result = ran("ttl-aligned-to-minute");
    let slices = || result.events.iter().filter(|event| event.cause == "expire-cycle");
    assert!(slices().count() > 200);
    let mut minutes = std::collections::BTreeSet::new();
    for slice in slices() {
        // The wall clock is less than a second past a full minute when the run begins.
        let into_minute = (slice.at + SECOND) % (60 * SECOND);
        assert!(into_minute < 8 * SECOND, "{slice:?}");
        minutes.insert((slice.at + SECOND) / (60 * SECOND));
    }
    // The second minute to the last, the fifteenth.
    assert_eq!(minutes.len(), 14, "{minutes:?}");
    let row = |s: u64| result.timeline.iter().find(|row| row.at == s * SECOND).expect("a row");
    let p99 = |s: u64| row(s).sojourn.expect("answers")[2];
    assert!(p99(301) > 10 * MILLISECOND && p99(330) < MILLISECOND, "{} {}", p99(301), p99(330));
    assert!(expiry(&result).pending_max > 290_000 && expiry(&result).storm > SECOND / 2);
}
