//! Points of a sweep: what they are made of, and that the same random world is behind all of them.
//!
//! Method: small sweeps through the library, point by point, beside runs of the same scenarios by themselves.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use writepath::cluster::simulate;
use writepath::experiment::design::DesignSpec;
use writepath::experiment::sweep::{Point, Status, Sweep, run};
use writepath::experiment::{Metric, Pool, Template};
use writepath::observe::sparse::SparseHistogram;
use writepath::scenario::resolve::Overrides;
use writepath::sim::RunOptions;

const SCENARIO: &str = r#"
[redis]
appendonly  = true
appendfsync = "everysec"
[dataset]
keys = "10k"
[[workload]]
loop      = "open"
rate      = "2000/s"
operation = "SET"
[run]
duration = "6s"
warmup   = "1s"
"#;

fn sweep(vary: &[&str], replications: u64) -> Sweep {
    let base = PathBuf::from(".");
    let template = Template::new(SCENARIO.to_owned(), "small.toml".to_owned(), base, Overrides::default());
    let vary = vary.iter().map(|text| (*text).to_owned()).collect();
    let design = DesignSpec { vary, ..DesignSpec::default() }.build(&template).expect("a sound design");
    let metrics = ["p50", "p99", "max", "throughput", "write:mean", "sync-full"];
    let metrics = metrics.map(|name| Metric::parse(name).expect("a metric")).to_vec();
    Sweep { template, design, metrics, replications }
}

/// The points in order, as `jobs` threads make them.
fn points(sweep: &Sweep, jobs: usize) -> Vec<Point> {
    let pool = Pool::new(jobs).expect("threads");
    let mut points = Vec::new();
    let indices = 0..sweep.design.len();
    let take = |point: Option<Point>| {
        points.extend(point);
        Ok::<(), ()>(())
    };
    run::run(sweep, indices, &pool, &|_, _| (), take, &AtomicBool::new(false)).expect("taken");
    points.sort_by_key(|point| point.index);
    points
}

#[test]
fn a_point_is_its_replications_run_by_themselves() {
    let sweep = sweep(&["redis.appendfsync=no,always", "rate=1000/s,3000/s"], 3);
    let points = points(&sweep, 2);
    assert_eq!(points.len(), 4);
    for point in &points {
        let scenario = sweep.template.with(&sweep.design.point(point.index)).expect("a sound scenario");
        let mut all = SparseHistogram::new();
        for (replication, found) in (0..).zip(&point.replications) {
            let options = RunOptions { replication, random_phase: true, ..RunOptions::default() };
            let alone = simulate(&scenario, &options, &mut |_| true).expect("not overloaded");
            let values: Vec<Option<f64>> = sweep.metrics.iter().map(|metric| metric.of(&alone)).collect();
            assert_eq!((found.requests, &found.values), (alone.requests, &values));
            all.merge(&SparseHistogram::from(&alone.scopes[0].sojourn));
        }
        assert_eq!(SparseHistogram::from_bytes(&point.sojourn), Ok(all));
        assert_eq!((point.status, point.seed, point.replications.len()), (Status::Ok, Some(1), 3));
        assert_eq!(point.axes, sweep.design.cells(point.index));
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let sweep = sweep(&["redis.appendfsync=no,everysec,always", "rate=100/s..4000/s:4"], 2);
    let alone = points(&sweep, 1);
    assert_eq!(alone.len(), 12);
    for jobs in [2, 5] {
        assert_eq!(points(&sweep, jobs), alone, "{jobs} threads");
    }
}

/// The same arrivals at every point: as many requests, and medians that hardly differ, whatever the policy. Another
/// replication is another world.
#[test]
fn every_point_has_the_same_random_world() {
    let points = points(&sweep(&["redis.appendfsync=no,everysec,always"], 2), 2);
    let requests = |replication: usize| -> Vec<u64> {
        points.iter().map(|point| point.replications[replication].requests).collect()
    };
    for replication in [0, 1] {
        let same = requests(replication);
        assert!(same.iter().all(|count| *count == same[0]), "{same:?}");
    }
    // 5 s at 2000/s: equal by chance in one case of 250.
    assert_ne!(requests(0), requests(1));
}

#[test]
fn points_that_cannot_run_say_why() {
    let sweep = sweep(&["rate=1000/s,50M/s", "redis.maxmemory=0,1kb"], 2);
    let points = points(&sweep, 2);
    let status: Vec<Status> = points.iter().map(|point| point.status).collect();
    assert_eq!(status[0], Status::Ok);
    assert!(status[2..].iter().all(|status| *status != Status::Ok), "{status:?}");
    let overloaded =
        points.iter().find(|point| point.status == Status::Overload).expect("50 M/s is too much");
    assert!(overloaded.reason.contains("offered load"), "{}", overloaded.reason);
    assert!(overloaded.replications.is_empty() && overloaded.sojourn.is_empty());
}

#[test]
fn estimates_have_intervals_or_reasons() {
    let sweep = sweep(&["rate=1000/s,3000/s"], 10);
    for point in points(&sweep, 2) {
        for (metric, estimate) in sweep.metrics.iter().zip(&point.estimates) {
            let name = metric.to_string();
            match (name.as_str(), estimate.value, estimate.low, estimate.high) {
                ("max", Some(_), None, None) | ("sync-full", None, None, None) => {
                    assert!(estimate.reason.is_some(), "{name}");
                }
                (_, Some(value), Some(low), Some(high)) => {
                    assert!(low <= value && value <= high && low < high, "{name}: {estimate:?}");
                    assert_eq!(estimate.reason, None);
                }
                _ => panic!("{name}: {estimate:?}"),
            }
        }
    }
}

#[test]
fn a_sweep_that_is_stopped_hands_over_whole_points_only() {
    let sweep = sweep(&["rate=1000/s..2000/s:200"], 2);
    let pool = Pool::new(2).expect("threads");
    let stop = AtomicBool::new(false);
    let begun = Mutex::new(0);
    let count = |_: u64, _: &_| *begun.lock().expect("not poisoned") += 1;
    let mut points = Vec::new();
    let take = |point: Option<Point>| {
        points.extend(point);
        if points.len() == 3 { Err("enough") } else { Ok(()) }
    };
    let ended = run::run(&sweep, 0..sweep.design.len(), &pool, &count, take, &stop);
    assert_eq!(ended, Err("enough"));
    assert!(points.iter().all(|point| point.replications.len() == 2));
    assert!(*begun.lock().expect("not poisoned") < 100, "it ended at once");
}

#[test]
fn a_point_whose_server_refuses_writes_ran_and_says_how_many() {
    let sweep = sweep(&["redis.maxmemory=0,1mb"], 2);
    let points = points(&sweep, 2);
    let [fine, full] = &points[..] else { panic!("two points: {points:?}") };
    assert_eq!((fine.status, fine.reason.as_str()), (Status::Ok, ""));
    let requests: u64 = full.replications.iter().map(|replication| replication.requests).sum();
    let refused = format!("of {requests} requests refused: OOM ");
    assert_eq!(full.status, Status::Ok);
    let count = full.reason.strip_prefix(&refused).and_then(|count| count.parse::<u64>().ok());
    assert!(count.is_some_and(|count| count > requests / 2), "{}", full.reason);
}
