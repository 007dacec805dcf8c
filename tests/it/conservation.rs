//! Books balance: requests, times, the area under the number in the system, and busy time, all to the nanosecond.
//!
//! Method: exact integers over every reply of a run with prices of every kind. The area is swept over arrivals and
//! replies of a run whose arrival rate drops to 0, so that it ends empty.

use writepath::cause::Cause;
use writepath::cost_model::NoiseClass;
use writepath::dist::Dist;
use writepath::redis::config::{AppendFsync, SavePoint};
use writepath::scenario::{Arrivals, Scenario, Source};
use writepath::units::{MICROSECOND, Nanos, SECOND};

use super::support::{record, scenario, with_aof};

/// A server with persistence and noise, 70,000 commands in the first of its two seconds.
fn busy(schedule: Vec<(Nanos, f64)>) -> Scenario {
    let source = Source::Open { schedule, arrivals: Arrivals::Poisson };
    let service = Dist::Lognormal { mean: 4000.0, scv: 2.0 };
    let mut scenario = with_aof(scenario(source, 60, service, 2 * SECOND), AppendFsync::Everysec);
    scenario.workloads[0].pipeline = 2;
    scenario.redis.hz = 100;
    scenario.redis.save = vec![SavePoint { seconds: 0, changes: 10_000 }];
    let machine = &mut scenario.machine;
    machine.cpu.wakeup = vec![(20_000, 5000), (1_000_000, 30_000)];
    (machine.cpu.turn, machine.cpu.read, machine.cpu.write, machine.cpu.cron) = (1500, 800, 1200, 9000);
    (machine.network.one_way, machine.network.per_kib) = (50_000, 1000.0);
    machine.network.jitter = Dist::Exponential { mean: 20_000.0 };
    (machine.client.threads, machine.client.per_reply) = (3, 1000);
    machine.disk.write = 3000;
    machine.disk.fdatasync = Dist::Fixed(5e6);
    machine.fork.base = 700 * MICROSECOND;
    machine.child.rdb_per_key = 100_000;
    machine.cow.fault = 1500;
    machine.cow.pages_per_set = 1.5;
    machine.noise.classes = vec![NoiseClass { per_second: 50.0, shortest: 20_000, longest: 2_000_000 }];
    scenario
}

fn ends_empty() -> Scenario {
    busy(vec![(0, 70_000.0), (SECOND, 0.0)])
}

#[test]
fn what_arrived_was_answered_or_is_in_flight() {
    let commands =
        |replied: &[writepath::sim::Replied]| replied.iter().map(|seen| seen.commands as u64).sum::<u64>();
    let (replied, result) = record(&ends_empty());
    assert_eq!(result.requests, result.completed, "nothing is left");
    assert_eq!(commands(&replied), result.completed);
    assert_eq!(result.scopes[0].sojourn.count(), result.completed);
    // Arrivals do not depend on the server: a run of the same seed that ends in full swing was offered as many.
    let mut cut = busy(vec![(0, 70_000.0)]);
    cut.run.duration = SECOND;
    let (cut_replied, cut_result) = record(&cut);
    assert_eq!(cut_result.requests, result.requests);
    let in_flight = cut_result.requests - cut_result.completed;
    assert!(in_flight > 0);
    assert_eq!(commands(&cut_replied), cut_result.completed);
}

#[test]
fn the_times_of_a_request_are_in_order_and_its_parts_are_its_sojourn() {
    let (replied, result) = record(&ends_empty());
    let mut sum = 0;
    for seen in &replied {
        let times = [
            seen.arrived_at,
            seen.readable_at,
            seen.polled_at,
            seen.executed_at,
            seen.flushed_at,
            seen.sent_at,
            seen.read_at,
        ];
        assert!(times.is_sorted(), "{seen:?}");
        let network_out = seen.readable_at - seen.arrived_at;
        assert!(network_out >= 50_000);
        assert!(seen.read_at - seen.sent_at >= 50_000);
        assert!(seen.executed_at - seen.polled_at >= seen.service);
        let parts: Nanos = times.windows(2).map(|pair| pair[1] - pair[0]).sum();
        sum += parts as u128 * seen.commands as u128;
    }
    assert_eq!(sum, result.scopes[0].sojourn.sum(), "the sum of all sojourns that were reported");
}

#[test]
fn the_area_under_the_number_in_the_system_is_the_sum_of_sojourns() {
    let (replied, result) = record(&ends_empty());
    let mut changes: Vec<(Nanos, i64)> = replied
        .iter()
        .flat_map(|seen| [(seen.arrived_at, seen.commands as i64), (seen.read_at, -(seen.commands as i64))])
        .collect();
    changes.sort_unstable();
    let (mut at, mut number, mut area) = (0, 0i64, 0i128);
    for (time, change) in changes {
        area += number as i128 * (time - at) as i128;
        (at, number) = (time, number + change);
    }
    assert_eq!(number, 0, "the run ends empty");
    assert_eq!(area, result.scopes[0].sojourn.sum() as i128);
}

#[test]
fn busy_time_is_what_was_charged() {
    let (replied, result) = record(&ends_empty());
    let busy = |cause: Cause| result.busy[cause as usize];
    assert_eq!(result.busy_total, result.busy.iter().sum::<Nanos>());
    assert!(result.busy_total < result.duration);
    // A turn without commands answers nobody and is seen by no probe, so passes are counted by the server.
    assert_eq!(busy(Cause::EventLoop), result.counters.eventloop_cycles * 1500);
    assert_eq!(busy(Cause::Cron), result.counters.crons * 9000);
    let turns = replied.chunk_by(|a, b| a.polled_at == b.polled_at);
    let clients: u64 =
        turns.map(|turn| turn.chunk_by(|a, b| a.connection == b.connection).count() as u64).sum();
    assert_eq!(busy(Cause::Read), clients * 800);
    assert_eq!(busy(Cause::Reply), clients * 1200);
    let service: Nanos = replied.iter().map(|seen| seen.service).sum();
    assert_eq!(busy(Cause::Command) + busy(Cause::Cow) + busy(Cause::Rehash), service);
    assert!(result.counters.forks > 0 && result.counters.host_gaps > 0 && busy(Cause::Cow) > 0);
    assert_eq!(busy(Cause::Fork), result.children.iter().map(|child| child.fork).sum::<Nanos>());
}
