use super::*;
use crate::observe::histogram::Histogram;
use crate::observe::result::WindowQuantiles;
use crate::report::fixture;
use crate::units::MILLISECOND;

fn objective(text: &str) -> Objective {
    Objective::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn objectives_are_read_with_the_unit_of_their_metric() {
    for (text, bound) in [
        ("p99<5ms", 5e6),
        ("loss <= 2s", 2.0),
        ("busy<70%", 0.7),
        ("busy<0.7", 0.7),
        ("rss<12GiB", 12.0 * 1073741824.0),
        ("throughput>20k/s", 20_000.0),
        ("forks<3", 3.0),
    ] {
        assert_eq!(objective(text).bound, bound, "{text}");
    }
    let windowed = objective("write:p99.9 < 20ms / 60s @ 95%");
    assert_eq!(windowed.window, Some(Window { length: 60 * SECOND, share: 0.95 }));
    assert_eq!(windowed.to_string(), "write:p99.9<20ms/60s@95%");
    assert_eq!(objective("p99<5ms/1m").window.map(|window| window.share), Some(WINDOW_SHARE));
}

#[test]
fn what_is_no_objective_says_what_is_expected() {
    for (text, expected) in [
        ("p99", "METRIC<VALUE"),
        ("p98<5ms", "did you mean p9"),
        ("p99<5", "measured in time"),
        ("p99<70%", "measured in time"),
        ("busy<150%", "0% to 100%"),
        ("rss<12", "measured in bytes"),
        ("mean<5ms/60s", "not kept by window"),
        ("p99<5ms/1500ms", "whole seconds"),
        ("p99<5ms/60s@0%", "no windows"),
        ("write:loss<1s", "whole run"),
    ] {
        let error = Objective::parse(text).expect_err(text);
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn contradictions_and_what_follows_are_seen() {
    let of = |texts: &[&str]| contradictions(&texts.iter().map(|text| objective(text)).collect::<Vec<_>>());
    assert_eq!(of(&["p99<5ms", "p99>10ms"]).0, ["p99<5ms and p99>10ms cannot both hold"]);
    assert_eq!(of(&["p50>10ms", "p99<5ms"]).0.len(), 1, "P50 is never above P99");
    assert_eq!(of(&["busy<50%", "busy>=50%"]).0.len(), 1);
    assert_eq!(of(&["p99<5ms", "p99<10ms"]).1, ["p99<10ms follows from p99<5ms"]);
    let fine = of(&["p50<1ms", "p99>2ms", "p99<5ms/60s", "write:p99>10ms", "busy<=50%", "loss<2s"]);
    assert_eq!(fine, (Vec::new(), Vec::new()));
}

#[test]
fn a_quantile_is_judged_by_the_share_of_requests_beyond_its_bound() {
    let mut run = fixture::quiet(5000);
    let mut sojourn = Histogram::new();
    sojourn.record_n(MILLISECOND, 980);
    sojourn.record_n(9 * MILLISECOND, 20);
    run.scopes[0].sojourn = sojourn;
    let margin = |text: &str| objective(text).margin(&run).expect("requests");
    assert!((margin("p99<5ms") - 0.01).abs() < 1e-12, "two per cent where one may be");
    assert!((margin("p90<5ms") + 0.08).abs() < 1e-12);
    assert!((margin("p99>5ms") + 0.01).abs() < 1e-12);
    assert!((margin("mean<1ms") - 0.16).abs() < 1e-3, "relative to the bound");
    assert_eq!(objective("nobody:p99<5ms").margin(&run), None);
}

#[test]
fn windows_are_counted() {
    let mut run = fixture::quiet(5000);
    let row = |p99: u64| WindowRow { p99: p99 * MILLISECOND, requests: 1, ..WindowRow::default() };
    let rows: Vec<WindowRow> = (1..=20).map(row).collect();
    run.scopes[0].windows = vec![WindowQuantiles { window: 10 * SECOND, rows, ..WindowQuantiles::default() }];
    let margin = |text: &str| objective(text).margin(&run).expect("windows");
    assert!((margin("p99<20ms/10s@95%") - 0.0).abs() < 1e-12, "19 of 20");
    assert!((margin("p99<20ms/10s@99%") - 0.04).abs() < 1e-12);
    assert!((margin("p99<=20ms/10s@100%") - 0.0).abs() < 1e-12);
    assert_eq!(objective("p99<5ms/10s@95%").value(&run), Some(19.0 * MILLISECOND as f64));
    assert_eq!(objective("p99<5ms/60s").margin(&run), None, "no such windows");
    let strict = objective("p99<5ms/10s@95%");
    assert_eq!(Pooled::of(&strict, &run).windows(&strict), (16, 20), "those of 5 to 20 ms do not keep it");
}

#[test]
fn largest_values_and_counts_must_hold_in_every_run() {
    for (text, criterion) in [
        ("max<1s", Criterion::Every),
        ("loss<2s", Criterion::Every),
        ("rss<1GiB", Criterion::Every),
        ("forks<1", Criterion::Every),
        ("max<1s/10s", Criterion::Mean),
        ("p99<1s", Criterion::Mean),
        ("busy<1", Criterion::Mean),
        ("loss-writes-mean<10", Criterion::Mean),
    ] {
        assert_eq!(objective(text).criterion(), criterion, "{text}");
    }
    let run = fixture::forks();
    let forks = run.counters.forks;
    let margin = |text: String| objective(&text).margin(&run).expect("a count");
    assert!(margin(format!("forks<{forks}")) > 0.0 && margin(format!("forks<={forks}")) <= 0.0);
}

#[test]
fn runs_are_pooled_before_a_quantile_is_taken() {
    let mut runs = [fixture::quiet(5000), fixture::quiet(5000)];
    for (run, slow) in runs.iter_mut().zip([0, 40]) {
        let mut sojourn = Histogram::new();
        sojourn.record_n(MILLISECOND, 1000 - slow);
        sojourn.record_n(9 * MILLISECOND, slow);
        run.scopes[0].sojourn = sojourn;
    }
    let p99 = objective("p99<5ms");
    let mut pooled = Pooled::default();
    runs.iter().for_each(|run| pooled.merge(&Pooled::of(&p99, run)));
    // None and 4 % make 2 %: P99 of both together is slow; the mean of their P99 would be 5 ms.
    let value = pooled.value(&p99).expect("requests");
    assert!((value / 9e6 - 1.0).abs() < 2e-3, "{value}");
}
