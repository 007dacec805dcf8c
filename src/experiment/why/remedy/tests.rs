use std::path::PathBuf;

use super::*;
use crate::observe::blame::Band;
use crate::report::fixture;
use crate::scenario::builtin;
use crate::scenario::resolve::Overrides;

fn template(name: &str, set: &[&str]) -> Template {
    let overrides =
        Overrides { set: set.iter().map(|set| set.to_string()).collect(), ..Overrides::default() };
    let text = builtin::get(name).expect("built in").to_owned();
    Template::new(text, name.to_owned(), PathBuf::from("."), overrides)
}

/// Remedies for `name` under `set`, with a tail of `causes` and what `happened`.
fn remedies_of(
    (name, set): (&str, &[&str]),
    causes: &[&'static str],
    happened: impl FnOnce(&mut RunResult),
) -> Vec<Remedy> {
    let template = template(name, set);
    let scenario = template.resolve().unwrap_or_else(|problems| panic!("{problems}"));
    let mut run = fixture::forks();
    happened(&mut run);
    let causes: Vec<(&'static str, u128)> = causes.iter().map(|cause| (*cause, 10)).collect();
    let sojourn_ns = causes.iter().map(|cause| cause.1).sum();
    let band = Band { from: "p999", to: "max", to_ns: 1, requests: 1, sojourn_ns, causes };
    let tail = Tail::of(&[band], &run);
    let all = remedies(&Case { template: &template, scenario: &scenario, run: &run, tail: &tail });
    for remedy in &all {
        remedy.scenario(&template).unwrap_or_else(|problems| panic!("{}: {problems}", remedy.id));
    }
    all
}

fn ids(remedies: &[Remedy]) -> Vec<&'static str> {
    remedies.iter().map(|remedy| remedy.id).collect()
}

/// A child of that kind.
fn child(run: &mut RunResult, kind: &'static str, trigger: &str) {
    let mut row = run.children.first().cloned().expect("the fixture has snapshots");
    (row.kind, row.trigger) = (kind, trigger.to_owned());
    run.children = vec![row];
}

#[test]
fn snapshots_can_be_left_out_made_rarer_or_made_elsewhere() {
    let of = |set: &[&str]| {
        remedies_of(("article", set), &["fork", "cow"], |run| child(run, "bgsave", "60 10000"))
    };
    let all = of(&["redis.save=3600 1 300 100 60 10000"]);
    for id in ["no-snapshots", "replica-snapshots", "rarer-snapshots", "newest-version", "valkey", "shards"] {
        assert!(ids(&all).contains(&id), "{id} in {:?}", ids(&all));
    }
    assert!(all.is_sorted_by_key(|remedy| remedy.effort));
    let article = template("article", &[]);
    let find = |id: &str| all.iter().find(|remedy| remedy.id == id).expect("it applies");
    let scenario = |id: &str| find(id).scenario(&article).unwrap_or_else(|problems| panic!("{problems}"));
    assert!(scenario("no-snapshots").redis.save.is_empty());
    let elsewhere = scenario("replica-snapshots");
    assert!(elsewhere.redis.save.is_empty() && elsewhere.replicas.len() == 1);
    let rarer: Vec<u64> = scenario("rarer-snapshots").redis.save.iter().map(|point| point.seconds).collect();
    assert_eq!(rarer, [3600, 300]);
    let quarter = scenario("shards");
    let whole = article.resolve().unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(quarter.dataset.keys, whole.dataset.keys.div_ceil(4));
    assert!(!ids(&of(&["redis.save="])).contains(&"no-snapshots"), "there are none");
    assert!(!ids(&of(&["redis.save=60 10000"])).contains(&"rarer-snapshots"), "the only point");
}

#[test]
fn the_disk_is_changed_where_something_waits_for_it() {
    let slow = |set: &[&str]| {
        remedies_of(("slow-disk", set), &["aof-write-pending-fsync"], |run| {
            child(run, "aof-rewrite", "growth 100 %")
        })
    };
    let all = slow(&[]);
    for id in ["fsync-no", "no-fsync-on-rewrite", "faster-disk", "protected-disk"] {
        assert!(ids(&all).contains(&id), "{id} in {:?}", ids(&all));
    }
    assert!(!ids(&all).contains(&"everysec"), "it is everysec");
    let slow_disk = template("slow-disk", &[]);
    let before = slow_disk.resolve().unwrap_or_else(|problems| panic!("{problems}")).machine.disk;
    let disk = |id: &str| {
        let remedy = all.iter().find(|remedy| remedy.id == id).expect("it applies");
        remedy.scenario(&slow_disk).unwrap_or_else(|problems| panic!("{problems}")).machine.disk
    };
    let faster = disk("faster-disk");
    for q in [0.1, 0.5, 0.99] {
        // Half of the scenario's own prices, not of the model's.
        let (own, half) = (before.fdatasync_busy.quantile(q), faster.fdatasync_busy.quantile(q));
        assert!((half / own - 0.5).abs() < 1e-3, "{half} of {own}");
    }
    assert!((faster.bandwidth / before.bandwidth - 2.0).abs() < 1e-6);
    let (nvme, _) = models_load();
    assert_eq!(disk("protected-disk").fdatasync, nvme.disk.fdatasync);
    assert!(!ids(&slow(&["redis.appendfsync=no"])).contains(&"fsync-no"));
    assert!(ids(&slow(&["redis.appendfsync=always"])).contains(&"everysec"));
    let calm = remedies_of(("slow-disk", &[]), &["command"], |_| {});
    assert!(!ids(&calm).iter().any(|id| id.contains("disk") || id.contains("fsync")), "{:?}", ids(&calm));
}

fn models_load() -> (crate::cost_model::CostModel, crate::models::ModelSource) {
    crate::models::load("bare-metal-nvme").unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn deadlines_huge_pages_limits_and_backlogs_have_their_knobs() {
    let all = remedies_of(("expiry-storm", &[]), &["expire-cycle"], |_| {});
    assert!(ids(&all).contains(&"hz") && ids(&all).contains(&"ttl-jitter"), "{:?}", ids(&all));
    let storm = template("expiry-storm", &[]);
    let jitter = all.iter().find(|remedy| remedy.id == "ttl-jitter").expect("it applies");
    let ttl =
        jitter.scenario(&storm).unwrap_or_else(|problems| panic!("{problems}")).dataset.ttl.expect("a TTL");
    assert_eq!((ttl.jitter, ttl.dist.mean()), (60_000_000_000, 60e9));
    let with_jitter = remedies_of(("expiry-jitter", &[]), &["expire-cycle"], |_| {});
    assert!(!ids(&with_jitter).contains(&"ttl-jitter"));
    let huge = ["redis.disable-thp=no", "machine.machine.thp-always=true"];
    assert!(ids(&remedies_of(("article", &huge), &["cow"], |_| {})).contains(&"no-huge-pages"));
    assert!(!ids(&remedies_of(("article", &[]), &["cow"], |_| {})).contains(&"no-huge-pages"));
    let full =
        remedies_of(("article", &["redis.maxmemory=1gb"]), &["eviction-cycle"], |run| run.errors.oom = 7);
    assert!(ids(&full).contains(&"maxmemory"));
    let busy = remedies_of(("persistence-none", &[]), &["reply", "read"], |run| {
        run.busy_total = (run.duration - run.warmup) * 9 / 10;
    });
    assert!(ids(&busy).contains(&"pipelining"));
}
