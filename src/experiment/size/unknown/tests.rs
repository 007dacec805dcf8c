use super::*;
use crate::scenario::builtin;
use crate::scenario::resolve::Overrides;

fn template(name: &str) -> Template {
    let text = builtin::get(name).expect("built in").to_owned();
    Template::new(text, name.to_owned(), ".".into(), Overrides::default())
}

fn unknown(name: &str, scenario: &str, from: Option<&str>, to: Option<&str>) -> Result<Unknown, Problems> {
    let template = template(scenario);
    let resolved = template.resolve().unwrap_or_else(|problems| panic!("{problems}"));
    Unknown::new(name, (from, to), &template, &resolved)
}

fn resolved(name: &str, scenario: &str, value: f64) -> Scenario {
    let unknown = unknown(name, scenario, None, None).unwrap_or_else(|problems| panic!("{problems}"));
    let laid = template(scenario).with(&unknown.assignments(value));
    laid.unwrap_or_else(|problems| panic!("{problems}"))
}

fn rate(scenario: &Scenario) -> f64 {
    let Source::Open { schedule, .. } = &scenario.workloads[0].source else { panic!("an open loop") };
    schedule[0].1
}

#[test]
fn values_go_where_they_belong() {
    assert_eq!(rate(&resolved("rate", "article", 1234.5)), 1234.5);
    assert_eq!(resolved("connections", "article", 7.0).workloads[0].connections, 7);
    assert_eq!(resolved("pipeline", "article", 3.0).workloads[0].pipeline, 3);
    assert_eq!(resolved("keys", "article", 1e6).dataset.keys, 1_000_000);
    assert_eq!(resolved("hz", "article", 50.0).redis.hz, 50);
    assert_eq!(resolved("fork.per-gib", "article", 5e6).machine.fork.per_gib, 5e6);
    assert_eq!(resolved("machine.fork.per-gib", "article", 5e6).machine.fork.per_gib, 5e6);
    let (small, large) = (resolved("memory", "article", 1e8), resolved("memory", "article", 2e8));
    assert!((large.dataset.keys as f64 / small.dataset.keys as f64 - 2.0).abs() < 0.1);
    let jitter = resolved("ttl-jitter", "expiry-jitter", 30e9);
    let ttls =
        jitter.dataset.ttl.iter().chain(jitter.workloads.iter().filter_map(|group| group.ttl.as_ref()));
    assert!(ttls.clone().count() > 0 && ttls.into_iter().all(|ttl| ttl.jitter == 30_000_000_000));
}

#[test]
fn a_factor_is_of_every_time_of_an_fdatasync() {
    let whole = template("persistence-always").resolve().expect("sound").machine.disk;
    let half = resolved("fsync", "persistence-always", 0.5).machine.disk;
    for (whole, half) in [(&whole.fdatasync, &half.fdatasync), (&whole.fdatasync_busy, &half.fdatasync_busy)]
    {
        assert!((half.mean() / whole.mean() - 0.5).abs() < 1e-3, "{half:?}");
    }
    assert!((half.fdatasync_per_kib / whole.fdatasync_per_kib - 0.5).abs() < 0.01);
    let alone = resolved("disk.fdatasync", "persistence-always", 0.5).machine.disk;
    assert_eq!((alone.fdatasync, alone.fdatasync_busy), (half.fdatasync, whole.fdatasync_busy));
}

#[test]
fn shards_share_load_and_keys() {
    let (one, five) = (resolved("shards", "article", 1.0), resolved("shards", "article", 5.0));
    assert_eq!((rate(&one), rate(&five)), (5000.0, 1000.0));
    assert_eq!(five.dataset.keys, one.dataset.keys.div_ceil(5));
    assert_eq!(
        five.workloads[0].connections, one.workloads[0].connections,
        "every client talks to every shard"
    );
    assert_eq!(resolved("shards", "closed-loop-50", 4.0).workloads[0].connections, 13);
}

#[test]
fn the_highest_rate_is_the_edge_of_overload() {
    let unknown = unknown("rate", "persistence-none", None, None).expect("a rate");
    let offered = |value: f64| {
        let mut scenario = template("persistence-none").with(&unknown.assignments(value)).expect("sound");
        (scenario.run.duration, scenario.run.warmup) = (1000, 0);
        crate::sim::run(&scenario, &crate::sim::RunOptions::default(), &mut |_| true).is_err()
    };
    assert!(!offered(0.998 * unknown.range.1) && offered(unknown.range.1));
}

#[test]
fn ranges_come_from_the_setting_or_from_the_flags() {
    let hz = unknown("redis.hz", "article", Some("5"), Some("200")).expect("a range");
    assert_eq!(hz.range, (5.0, 200.0));
    let fork = unknown("fork.per-gib", "article", None, None).expect("a price");
    let price = template("article").resolve().expect("sound").machine.fork.per_gib;
    assert!(
        (fork.range.0 / price - 0.01).abs() < 1e-3 && (fork.range.1 / price - 100.0).abs() < 10.0,
        "{:?}",
        fork.range
    );
    let both = unknown("rate", "article", Some("9k/s"), Some("3k/s")).expect_err("the wrong way round");
    assert!(both.to_string().contains("from 9,000/s to 3,000/s is no range"), "{both}");
}

#[test]
fn what_cannot_be_solved_for_is_refused_with_what_can() {
    let refused =
        |name: &str, scenario: &str| unknown(name, scenario, None, None).expect_err(name).to_string();
    assert!(refused("rat", "article").contains("did you mean rate?"));
    assert!(refused("fork.per-gb", "article").contains("did you mean fork.per-gib?"));
    assert!(refused("redis.appendonly", "article").contains("nothing that has a value"));
    assert!(refused("redis.appendfsync", "article").contains("nothing that has a value"));
    assert!(refused("disk.write-waits-for-fdatasync", "article").contains("has no order"));
    assert!(refused("rate", "closed-loop-50").contains("solve for connections"));
    assert!(refused("ttl-jitter", "article").contains("time to live"));
    assert!(refused("shards", "shards-1-to-16").contains("cluster.primaries"));
    let problems = unknown("rate", "article", Some("5"), Some("x")).expect_err("neither is a rate");
    assert_eq!(problems.0.len(), 2, "all at once: {problems}");
}

#[test]
fn values_have_four_digits_or_are_whole() {
    let rate = unknown("rate", "article", None, None).expect("a rate");
    assert_eq!((rate.snap(13_427.3), rate.snap(0.123_456)), (13_430.0, 0.1235));
    let shards = unknown("shards", "article", None, None).expect("shards");
    assert_eq!((shards.snap(0.2), shards.snap(12_345.6)), (1.0, 12_346.0));
    assert_eq!(rate.text(13_430.0), "13,430/s");
    assert_eq!(rate.text(61.5), "61.5/s");
}
