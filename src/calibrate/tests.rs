//! A closed loop of the toolchain: prices that are known, measured on the simulator by the same designs and fits.

use crate::curve::Curve;
use crate::models;
use crate::models::unit::Value;
use crate::redis::version::Version;

use super::bench::{Bench, Plan};
use super::book::Book;
use super::simulated::Simulated;
use super::{clients, event_loop, forking, stream, waking};

/// Prices that the designs tell apart by themselves.
const FITTED: &[&str] = &[
    "cpu.turn",
    "cpu.ping",
    "cpu.get",
    "cpu.set",
    "cpu.incr",
    "cpu.del",
    "cpu.hset",
    "cpu.push",
    "cpu.sadd",
    "cpu.zadd",
    "cpu.xadd",
    "cpu.expire",
    "cpu.hot-key-saving",
    "cpu.script",
    "cpu.script-call",
    "cpu.per-element",
    "cpu.per-kib",
    "cpu.aof-append",
    "cpu.aof-append-per-kib",
    "cpu.cron",
    "cpu.replica-command",
    "cpu.replica-write",
    "cpu.expire-key",
    "network.one-way",
    "disk.write",
    "fork.base",
    "fork.per-gib",
    "cow.fault",
    "cow.reprotect",
    "cow.pages-per-set",
    "child.rdb-per-key",
    "child.rdb-per-kib",
    "child.rdb-per-kib-compressed",
    "child.aof-per-key",
    "child.aof-per-kib",
];

/// Prices of which the fits know sums, curves, or what clients take.
const OTHERS: &[&str] = &[
    "cpu.read",
    "cpu.write",
    "cpu.wakeup",
    "client.per-reply",
    "client.per-send",
    "client.per-command",
    "client.per-kib",
];

/// A machine that is not the prior: every price that is fitted is off by its own factor.
fn machine() -> crate::cost_model::CostModel {
    let (mut model, _) = models::load("two-core-vm").expect("built in");
    let factors = [0.7, 1.4, 0.85, 1.2, 1.55];
    for (index, name) in FITTED.iter().chain(OTHERS).enumerate() {
        // Their sum is split as in the prior.
        let index = if *name == "client.per-send" { index - 1 } else { index };
        let factor = format!("x{}", factors[index % factors.len()]);
        models::override_price(&mut model, name, &factor).expect("a price");
    }
    model.network.wake_server = vec![(20_000, 0), (50_000, 4000), (1_000_000, 8000)];
    model
}

fn calibrated(version: Version) -> (crate::cost_model::CostModel, Book) {
    let machine = machine();
    let mut subject = Simulated::new(&machine, version);
    let mut prior = models::load("two-core-vm").expect("built in");
    // What the machine's own process measures without a server.
    prior.0.disk.page_cache_bandwidth = machine.disk.page_cache_bandwidth;
    let mut book = Book::new(prior, "today".to_owned());
    let plan = Plan {
        repeats: 1,
        commands: 40_000,
        cold_keys: 1_000_000,
        fork_gib: vec![0.25, 0.75],
        forks: 1,
        expiring: 200_000,
        large_keys: 200_000,
    };
    let mut bench = Bench {
        subject: &mut subject,
        book: &mut book,
        plan: &plan,
        watch: &mut |_| true,
        has_noise: false,
        measured: (0, 0),
    };
    for stage in [
        event_loop::measure,
        clients::measure,
        waking::measure,
        stream::aof,
        stream::replica,
        forking::fork,
        forking::children,
        forking::shared_pages,
        forking::expiry,
    ] {
        stage(&mut bench).expect("the simulator answers");
    }
    (machine, book)
}

#[test]
fn every_fitted_price_comes_back_from_the_simulator_within_three_per_cent() {
    for version in [Version::redis(7, 0), Version::redis(6, 2), Version::valkey(9, 1)] {
        let (machine, book) = calibrated(version);
        let known = Book::new((machine.clone(), models::ModelSource::default()), String::new());
        let mut off = Vec::new();
        let mut compare = |name: &str, found: f64, known: f64| {
            if !(0.97..=1.03).contains(&(found / known)) {
                off.push(format!("{name}: {found:.1} for {known:.1}"));
            }
        };
        for name in FITTED.iter().chain(&OTHERS[5..]) {
            compare(name, book.number(name), known.number(name));
            assert!(book.finding(name).is_some(), "{name} was not measured: {:?}", book.skipped());
        }
        let client = |book: &Book| book.number("cpu.read") + book.number("cpu.write");
        compare("cpu.read + cpu.write", client(&book), client(&known));
        let clients = |book: &Book| book.number("client.per-reply") + book.number("client.per-send");
        compare("client.per-reply + client.per-send", clients(&book), clients(&known));
        for (name, points) in
            [("cpu.wakeup", &machine.cpu.wakeup), ("network.wake-server", &machine.network.wake_server)]
        {
            let Some(Value::Curve(found)) = book.finding(name).map(|finding| finding.value.clone()) else {
                panic!("no curve of {name}: {:?}", book.skipped());
            };
            assert!(found.len() > 3, "{name}: {found:?}");
            let curve = Curve::new(points);
            for (slept, cost) in found.into_iter().filter(|point| point.1 > 0) {
                compare(&format!("{name} after {slept} ns"), cost as f64, curve.at(slept) as f64);
            }
        }
        assert!(off.is_empty(), "{version}:\n{}", off.join("\n"));
    }
}
