//! `appendfsync always`: one fdatasync a turn for all its commands, and no reply before it.
//!
//! Method: fixed prices, so that turns repeat exactly and throughput has a closed form to the command; an open loop
//! with serverCron at 500 Hz for the order of what happens in a turn.

use writepath::dist::Dist;
use writepath::redis::config::AppendFsync;
use writepath::scenario::{Scenario, Source};
use writepath::sim::Replied;
use writepath::stats::queueing::group_commit_throughput;
use writepath::units::{MICROSECOND, MILLISECOND, Nanos, SECOND};

use super::support::{in_order_of_execution, poisson, record, scenario, with_aof};

const FSYNC: Nanos = MILLISECOND;
const SERVICE: Nanos = 5 * MICROSECOND;

fn always(source: Source, connections: u32, service: Nanos, fsync: Nanos) -> Scenario {
    let scenario = scenario(source, connections, Dist::Fixed(service as f64), 10 * SECOND);
    let mut scenario = with_aof(scenario, AppendFsync::Always);
    scenario.machine.disk.fdatasync = Dist::Fixed(fsync as f64);
    scenario
}

fn closed(connections: u32, service: Nanos, fsync: Nanos) -> Scenario {
    always(Source::Closed { think: Dist::Fixed(0.0) }, connections, service, fsync)
}

/// Whole turns of `turn` ns until the end of a run, with `connections` commands each.
fn commands(scenario: &Scenario, connections: u32, turn: Nanos) -> u64 {
    scenario.run.duration.div_ceil(turn) * connections as u64
}

#[test]
fn all_connections_share_each_fsync() {
    for connections in [1, 7, 50, 200] {
        let scenario = closed(connections, SERVICE, FSYNC);
        let turn = FSYNC + connections as u64 * SERVICE;
        let completed = record(&scenario).1.completed;
        assert_eq!(completed, commands(&scenario, connections, turn), "{connections} connections");
        let formula = group_commit_throughput(connections, 1e-3, 5e-6, 0.0) * 10.0;
        assert!((completed as f64 - formula).abs() <= connections as f64, "{completed} against {formula}");
    }
}

#[test]
fn a_turn_costs_its_pass_reads_writes_append_and_one_write_of_the_aof() {
    let mut scenario = closed(50, SERVICE, FSYNC);
    let cpu = &mut scenario.machine.cpu;
    (cpu.turn, cpu.read, cpu.write, cpu.aof_append) = (3000, 700, 1100, 200);
    scenario.machine.disk.write = 9000;
    let turn = 3000 + 50 * (700 + SERVICE + 200 + 1100) + 9000 + FSYNC;
    assert_eq!(record(&scenario).1.completed, commands(&scenario, 50, turn));
}

#[test]
fn the_round_trip_comes_on_top() {
    let mut scenario = closed(50, SERVICE, FSYNC);
    scenario.machine.network.one_way = 100 * MICROSECOND;
    let completed = record(&scenario).1.completed as f64;
    let formula = group_commit_throughput(50, 1e-3, 5e-6, 200e-6) * 10.0;
    assert!((completed - formula).abs() <= 50.0, "{completed} against {formula}");
}

#[test]
fn the_check_of_throughput_sees_a_service_or_an_fsync_three_percent_longer() {
    let formula = group_commit_throughput(50, 1e-3, 5e-6, 0.0) * 10.0;
    for (service, fsync) in [(SERVICE * 103 / 100, FSYNC), (SERVICE, FSYNC * 103 / 100)] {
        let completed = record(&closed(50, service, fsync)).1.completed as f64;
        assert!((completed - formula).abs() > 50.0, "{completed} against {formula}");
    }
}

/// An open loop at 60 % of one CPU with reads, writes and serverCron at 500 Hz, 400 µs each.
fn busy() -> Scenario {
    let mut scenario = always(poisson(60_000.0), 2000, SERVICE, FSYNC);
    scenario.run.duration = SECOND;
    scenario.redis.hz = 500;
    let cpu = &mut scenario.machine.cpu;
    (cpu.turn, cpu.read, cpu.write, cpu.cron) = (2000, 500, 1000, CRON);
    scenario
}

const CRON: Nanos = 400_000;

fn turns(replied: &[Replied]) -> impl Iterator<Item = &[Replied]> {
    replied.chunk_by(|a, b| a.polled_at == b.polled_at)
}

#[test]
fn no_reply_leaves_before_the_fsync_of_its_turn_ends() {
    let (replied, _) = record(&busy());
    assert!(replied.len() > 50_000);
    for seen in &replied {
        assert!(seen.executed_at + FSYNC <= seen.flushed_at, "{seen:?}");
        assert!(seen.flushed_at < seen.sent_at, "{seen:?}");
    }
}

#[test]
fn replies_of_a_turn_leave_in_reverse_order_of_execution() {
    let (replied, _) = record(&busy());
    let mut largest = 0;
    for turn in turns(&replied) {
        let connections: Vec<&[Replied]> = turn.chunk_by(|a, b| a.connection == b.connection).collect();
        largest = largest.max(connections.len());
        for pair in connections.windows(2) {
            // Connections are served in the order in which they became readable.
            assert!(pair[0][0].readable_at >= pair[1][0].readable_at, "{pair:?}");
            assert_eq!(pair[0][0].sent_at + 1000, pair[1][0].sent_at, "one write each");
        }
    }
    assert!(largest > 20);
}

#[test]
fn server_cron_runs_between_the_batch_and_its_flush_and_nowhere_else() {
    let (replied, result) = record(&busy());
    let mut crons = 0;
    for turn in turns(&replied) {
        let first = turn[0];
        let connections = turn.chunk_by(|a, b| a.connection == b.connection).count() as u64;
        let service: Nanos = in_order_of_execution(turn).map(|seen| seen.service).sum();
        assert_eq!(first.executed_at - first.polled_at, 2000 + 500 * connections + service);
        assert_eq!(turn[turn.len() - 1].sent_at - first.flushed_at, 1000 * connections);
        let beyond = first.flushed_at - first.executed_at - FSYNC;
        assert!(beyond == 0 || beyond == CRON, "{beyond} ns beside the fsync");
        crons += (beyond == CRON) as u64;
    }
    // Most crons find commands to hold back, the others found none and slept.
    assert!(crons > 100 && crons <= result.counters.crons, "{crons} of {}", result.counters.crons);
}
