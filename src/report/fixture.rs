//! Hand-made results for tests of reports.

use crate::cause::Cause;
use crate::observe::cluster::{ClusterResult, ClusterView, MigrationResult, NodeResult};
use crate::observe::histogram::Histogram;
use crate::observe::result::*;
use crate::observe::sections::Sections;
use crate::redis::version::Version;
use crate::report::{About, LoopKind};
use crate::units::{MICROSECOND, MILLISECOND, Nanos, SECOND};

/// An open loop over 50 connections with the AOF on.
pub fn about() -> About {
    About { loop_kind: LoopKind::Open, connections: 50, appendonly: true, notes: Vec::new() }
}

/// A run in which nothing was asked.
pub fn nothing() -> RunResult {
    RunResult {
        scenario: "article".to_owned(),
        version: Version::redis(7, 2),
        model: "two-core-vm".to_owned(),
        seed: 1,
        duration: 21_600 * SECOND,
        warmup: 60 * SECOND,
        requests: 0,
        completed: 0,
        errors: Errors::default(),
        scopes: vec![Scope {
            name: "all".to_owned(),
            operation: String::new(),
            sojourn: Histogram::new(),
            windows: Vec::new(),
        }],
        closed_loop_view: Histogram::new(),
        busy: [0; Cause::COUNT],
        busy_total: 0,
        stalls: Vec::new(),
        events: Vec::new(),
        events_dropped: 0,
        blocks: Vec::new(),
        timeline: Vec::new(),
        counters: Counters::default(),
        loss: Loss::default(),
        children: Vec::new(),
        memory: MemoryUse::default(),
        spent: Vec::new(),
        hot_key: None,
        streams: None,
        replication: None,
        expiry: None,
        info: Vec::new(),
        patterns: Vec::new(),
        cluster: None,
        sections: Sections::default(),
        blame: None,
    }
}

/// Six hours at `rate` requests a second that take 80 to 120 us, and a busy share of 10 % for commands.
pub fn quiet(rate: u64) -> RunResult {
    let mut result = nothing();
    let requests = rate * 21_540;
    let mut sojourn = Histogram::new();
    for step in 0..100 {
        sojourn.record_n(80 * MICROSECOND + step * 400, requests / 100);
    }
    result.requests = sojourn.count();
    result.completed = sojourn.count();
    result.closed_loop_view = sojourn.clone();
    result.scopes[0].sojourn = sojourn.clone();
    result.scopes.push(Scope {
        name: "workload-1".to_owned(),
        operation: "SET".to_owned(),
        sojourn,
        windows: Vec::new(),
    });
    busy(&mut result, Cause::Command, 2_154 * SECOND);
    result.counters.eventloop_cycles = requests;
    result.info = vec![
        ("latest_fork_usec".to_owned(), InfoValue::Int(225_000)),
        ("aof_current_size".to_owned(), InfoValue::Int(1 << 30)),
        ("rdb_last_bgsave_status".to_owned(), InfoValue::Text("ok".to_owned())),
        ("mem_fragmentation_ratio".to_owned(), InfoValue::Ratio(1.04)),
    ];
    result
}

/// Takes main-thread time.
pub fn busy(result: &mut RunResult, cause: Cause, span: Nanos) {
    result.busy[cause as usize] += span;
    result.busy_total += span;
}

/// Adds `count` blocks of `span` on `cause`, and the requests they delay: λ·S/(1 − ρ) each, spread evenly over (0, S].
pub fn block(result: &mut RunResult, cause: Cause, span: Nanos, count: u64, detail: &str) {
    let measured = (result.duration - result.warmup) as f64;
    let rate = result.requests as f64 / measured;
    let delayed = (count as f64 * rate * span as f64 / 0.9) as u64;
    for step in 0..1000 {
        let sojourn = span * (step + 1) / 1000 + 100 * MICROSECOND;
        for scope in &mut result.scopes {
            scope.sojourn.record_n(sojourn, delayed * (step + 1) / 1000 - delayed * step / 1000);
        }
    }
    busy(result, cause, span * count);
    result.blocks.push(BlockTotals {
        cause,
        count,
        sum: span * count,
        longest: span,
        by_length: vec![(span, count)],
    });
    let gap = (result.duration - result.warmup) / (count + 1);
    for index in 1..=count.min(1000) {
        let at = result.warmup + index * gap;
        result.events.push(EventRow { at, span, cause: cause.name(), detail: detail.to_owned() });
    }
    result.stalls.extend(result.events.iter().rev().take(10).cloned());
    result.stalls.sort_by(|a, b| b.span.cmp(&a.span).then(a.at.cmp(&b.at)));
    result.stalls.truncate(10);
}

/// 107 forks of 225 ms at 5000 requests a second.
pub fn forks() -> RunResult {
    let mut result = quiet(5000);
    block(&mut result, Cause::Fork, 225 * MILLISECOND, 107, "BGSAVE (60 10000)");
    result.counters.forks = 107;
    result.children = (1..=107)
        .map(|index| ChildRow {
            kind: "bgsave",
            trigger: "60 10000".to_owned(),
            start: index * 200 * SECOND,
            fork: 225 * MILLISECOND,
            duration: 100 * SECOND,
            cow_bytes: 1 << 30,
            file_bytes: 1 << 31,
            end_stall: 0,
            residual_bytes: 0,
            written_meanwhile_bytes: 1 << 20,
            written_meanwhile_commands: 500_000,
            ok: true,
        })
        .collect();
    result.scopes[0].windows = [(10, 2154), (60, 359)]
        .map(|(window, count)| WindowQuantiles {
            window: window * SECOND,
            count,
            p99_median: 119 * MICROSECOND,
            p99_worst: if window == 10 { 134 * MILLISECOND } else { 125 * MICROSECOND },
            p999_worst: 220 * MILLISECOND,
            p99_worst_at: 3720 * SECOND,
            rows: Vec::new(),
        })
        .to_vec();
    result
}

/// Three primaries rebalanced to four, which takes P99 to one and a half times; and a migration that failed.
pub fn cluster() -> RunResult {
    let mut result = quiet(5000);
    let alike = |value: Nanos, count: u64| {
        let mut histogram = Histogram::new();
        histogram.record_n(value, count);
        histogram
    };
    let node = |index: u32, slots_at_start: u32, slots_at_end: u32| NodeResult {
        name: format!("node-{index}"),
        slots_at_start,
        slots_at_end,
        keys: 1_000_000,
        requests: 2_000_000,
        busy_share: 0.25,
        used_memory: 1 << 30,
        longest_block: 7 * MILLISECOND,
        longest_block_cause: "migrate",
        moved: 100,
        ask: 20,
        forks: 1,
        fork_max: 9 * MILLISECOND,
        config_writes: 300,
        config_fsyncs: 300,
        ..NodeResult::default()
    };
    result.cluster = Some(ClusterResult {
        nodes: vec![node(1, 5461, 4095), node(2, 5462, 4097), node(3, 5461, 4096), node(4, 0, 4096)],
        moved: 400,
        ask: 80,
        map_refreshes: 16,
        migrations: vec![
            MigrationResult {
                kind: "legacy",
                action: "rebalance",
                slots: 4096,
                keys: 1_000_000,
                batches: 102_400,
                round_trips: 212_992,
                bytes: 150_000_000,
                start: 3600 * SECOND,
                duration: 120 * SECOND,
                longest_block: 7 * MILLISECOND,
                longest_block_cause: "migrate",
                longest_block_node: "node-1".to_owned(),
                ..MigrationResult::default()
            },
            MigrationResult {
                kind: "legacy",
                action: "reshard",
                start: 7200 * SECOND,
                duration: 60 * SECOND,
                round_trips: 3,
                failed: Some("IOERR error or timeout".to_owned()),
                open_slots_left: 1,
                ..MigrationResult::default()
            },
        ],
        direct: alike(100 * MICROSECOND, 107_699_520),
        redirected: alike(300 * MICROSECOND, 480),
        after_moved: alike(300 * MICROSECOND, 400),
        after_ask: alike(300 * MICROSECOND, 80),
        before: alike(128 * MICROSECOND, 17_700_000),
        during: alike(192 * MICROSECOND, 900_000),
        after: alike(128 * MICROSECOND, 89_100_000),
        on_open_slots: 55,
        open_slots_max: 1,
        view: ClusterView {
            ok: true,
            slots_assigned: 16_384,
            known_nodes: 4,
            size: 4,
            current_epoch: 4_100,
            my_epoch: 1,
            ..ClusterView::default()
        },
        ..ClusterResult::default()
    });
    result
}
