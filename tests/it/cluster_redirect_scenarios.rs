//! The scenarios of redirects show what their comments promise.

use std::path::Path;

use writepath::cause::Cause;
use writepath::cluster::simulate;
use writepath::observe::cluster::ClusterResult;
use writepath::observe::result::RunResult;
use writepath::scenario::builtin;
use writepath::scenario::resolve::{Overrides, resolve};
use writepath::sim::RunOptions;

fn ran(name: &str, set: &[&str]) -> (RunResult, ClusterResult) {
    let text = builtin::get(name).expect("built in");
    let overrides =
        Overrides { set: set.iter().map(|set| set.to_string()).collect(), ..Overrides::default() };
    let scenario = resolve(text, name, Path::new(""), &overrides).expect("it resolves");
    let result = simulate(&scenario, &RunOptions::default(), &mut |_| true).expect("it runs");
    let cluster = result.cluster.clone().expect("of a cluster");
    assert!(cluster.migrations.iter().all(|migration| !migration.running && migration.failed.is_none()));
    (result, cluster)
}

/// Part of the requests while slots moved.
fn share(cluster: &ClusterResult, part: u64) -> f64 {
    part as f64 / cluster.during_requests as f64
}

#[test]
fn spread_writes_feel_migrate_and_hardly_meet_an_open_slot() {
    let (result, cluster) = ran("reshard-uniform", &[]);
    let most = cluster.during_requests as f64 / 16_384.0;
    assert!((cluster.on_open_slots as f64) < most + 4.0 * most.sqrt(), "{} of {most}", cluster.on_open_slots);
    assert!(cluster.ask <= cluster.on_open_slots);
    // The P99 of all requests is not that of the few redirected ones.
    assert!(share(&cluster, cluster.redirected.count()) < 0.005);
    assert!(cluster.p99_ratio() > Some(2.0), "{:?}", cluster.p99_ratio());
    assert!(result.busy[Cause::Migrate as usize] > 0);
    // Ten times fewer calls for the same keys: less waiting.
    let (_, fewer) = ran("reshard-uniform", &["event.1.pipeline=100"]);
    assert!(fewer.migrations[0].duration < cluster.migrations[0].duration);
    assert_eq!(fewer.migrations[0].keys, cluster.migrations[0].keys);
}

#[test]
fn half_of_the_writes_to_a_moving_slot_take_two_or_three_round_trips() {
    for (client, round_trips) in [("go-redis", 2.0), ("lettuce", 2.0), ("redis-py", 3.0), ("jedis", 3.0)] {
        let (_, cluster) = ran("reshard-hot-slot", &[&format!("cluster.client=\"{client}\"")]);
        let asked = share(&cluster, cluster.ask);
        assert!((0.45..0.55).contains(&asked), "{client}: {asked}");
        let once = cluster.before.quantile(0.5) as f64;
        let ratio = cluster.after_ask.quantile(0.5) as f64 / once;
        assert!((ratio / round_trips - 1.0).abs() < 0.1, "{client}: {ratio} times");
        assert!((cluster.after.quantile(0.5) as f64 / once - 1.0).abs() < 0.05 || client == "lettuce");
    }
}

#[test]
fn clients_that_do_not_know_ask_fail_or_loop() {
    let (_, cluster) = ran("client-without-ask", &[]);
    let failed = share(&cluster, cluster.failed.ask);
    assert!((0.45..0.55).contains(&failed), "{failed}");
    assert_eq!((cluster.failed.ask, cluster.failed.total()), (cluster.ask, cluster.ask));
    assert!(cluster.after.count() > 1000, "well again");

    let (_, cluster) = ran("client-ask-as-moved", &[]);
    assert_eq!(
        (cluster.redirect_loops, cluster.failed.total()),
        (cluster.failed.redirect_limit, cluster.redirect_loops)
    );
    let failed = share(&cluster, cluster.redirect_loops);
    assert!((0.4..0.6).contains(&failed), "{failed}");
    // Six commands for one error.
    assert!(cluster.ask + cluster.moved >= 6 * cluster.redirect_loops);
    // Of a key that is still there, when another's ASK has changed the map.
    assert!(cluster.after_moved.count() > 500, "{}", cluster.after_moved.count());
}
