//! What was measured, in the shape of a simulated result.

use crate::cause::Cause;
use crate::live::info::Info;
use crate::observe::histogram::Histogram;
use crate::observe::patterns::PatternResult;
use crate::observe::result::{
    ChildRow, Counters, Errors, EventRow, InfoValue, Loss, MemoryUse, RunResult, Scope, TimelineRow,
};
use crate::observe::sections::Sections;
use crate::redis::version::Version;
use crate::units::{MICROSECOND, Nanos};

use super::sample::Sample;
use super::{Driven, Plan};

/// Name that stands where a simulation names its machine model.
pub const MODEL: &str = "measured";
/// Longest stalls that are listed apart.
const STALLS: usize = 10;

/// What the loop of the generator leaves behind.
pub struct Measured {
    pub version: Version,
    pub scopes: Vec<Scope>,
    pub closed_loop_view: Histogram,
    pub sections: Sections,
    pub patterns: Vec<PatternResult>,
    pub requests: u64,
    pub answered: u64,
    pub errors: Errors,
    pub events: Vec<EventRow>,
    pub events_dropped: u64,
    pub rows: Vec<TimelineRow>,
    pub samples: Vec<Sample>,
    pub lateness: Histogram,
    pub spin: bool,
    pub own: Option<(Nanos, u64)>,
    pub info: Info,
}

/// Puts it together.
pub fn assemble(plan: &Plan, measured: Measured) -> Driven {
    let Measured { samples, mut events, mut rows, .. } = measured;
    let server_cpu = between(&samples, |sample| sample.cpu_ns().map(|ns| ns as f64)).map(|ns| ns as Nanos);
    let children = children(&samples);
    for child in &children {
        let detail = child.trigger.clone();
        events.push(EventRow { at: child.start, span: child.fork, cause: "fork", detail });
    }
    events.sort_by_key(|event| event.at);
    fill_rows(&mut rows, &samples);
    let mut stalls: Vec<EventRow> = events.iter().filter(|event| event.span > 0).cloned().collect();
    stalls.sort_by_key(|stall| std::cmp::Reverse(stall.span));
    stalls.truncate(STALLS);
    let result = RunResult {
        scenario: plan.name.clone(),
        version: measured.version,
        model: MODEL.to_owned(),
        seed: plan.seed,
        duration: plan.duration,
        warmup: plan.warmup,
        requests: measured.requests,
        completed: measured.scopes.first().map_or(0, |all| all.sojourn.count()),
        errors: measured.errors,
        scopes: measured.scopes,
        closed_loop_view: measured.closed_loop_view,
        busy: [0; Cause::COUNT],
        busy_total: server_cpu.unwrap_or(0),
        stalls,
        events,
        events_dropped: measured.events_dropped,
        blocks: Vec::new(),
        timeline: rows,
        counters: counters(&samples),
        loss: Loss::default(),
        memory: memory(&samples, &measured.info),
        children,
        spent: Vec::new(),
        hot_key: None,
        streams: None,
        replication: None,
        expiry: None,
        info: info_values(&measured.info),
        patterns: measured.patterns,
        cluster: None,
        sections: measured.sections,
        blame: None,
    };
    Driven {
        result,
        lateness: measured.lateness,
        spin: measured.spin,
        own: measured.own,
        server_cpu,
        answered: measured.answered,
        samples,
        info: measured.info,
    }
}

/// What has been added from the first sample to the last.
fn between(samples: &[Sample], value: impl Fn(&Sample) -> Option<f64>) -> Option<f64> {
    let (first, last) = (samples.first()?, samples.last()?);
    Some((value(last)? - value(first)?).max(0.0))
}

fn counters(samples: &[Sample]) -> Counters {
    let count = |value: fn(&Sample) -> Option<f64>| between(samples, value).unwrap_or(0.0) as u64;
    Counters {
        forks: count(|s| s.total_forks),
        rdb_saves: count(|s| s.rdb_saves),
        aof_rewrites: count(|s| s.aof_rewrites),
        aof_delayed_fsync: count(|s| s.aof_delayed_fsync),
        expired_keys: count(|s| s.expired_keys),
        evicted_keys: count(|s| s.evicted_keys),
        keyspace_hits: count(|s| s.keyspace_hits),
        keyspace_misses: count(|s| s.keyspace_misses),
        eventloop_cycles: count(|s| s.eventloop_cycles),
        sync_full: count(|s| s.sync_full),
        net_input_bytes: count(|s| s.total_net_input_bytes),
        net_output_bytes: count(|s| s.total_net_output_bytes),
        ..Counters::default()
    }
}

fn memory(samples: &[Sample], info: &Info) -> MemoryUse {
    let most =
        |value: fn(&Sample) -> Option<f64>| samples.iter().filter_map(value).fold(0.0, f64::max) as u64;
    let used = info.number("used_memory").unwrap_or(0.0);
    let (overhead, keys) = (info.number("used_memory_overhead").unwrap_or(0.0), info.keys());
    let startup = info.number("used_memory_startup").unwrap_or(0.0).min(overhead);
    // As MEMORY STATS has it: what is used beyond the start, a key.
    let bytes_per_key = if keys > 0 { (used - startup) / keys as f64 } else { 0.0 };
    MemoryUse {
        used_bytes: used as u64,
        rss_bytes_max: most(|s| s.used_memory_rss),
        cow_bytes_max: most(|s| s.current_cow_size)
            .max(most(|s| s.rdb_last_cow_size))
            .max(most(|s| s.aof_last_cow_size)),
        rewrite_buffer_bytes_max: most(|s| s.aof_rewrite_buffer_length),
        bytes_per_key,
    }
}

/// Children as samples of INFO show them: times are known to the time between two samples.
fn children(samples: &[Sample]) -> Vec<ChildRow> {
    let mut children: Vec<ChildRow> = Vec::new();
    let mut running: Option<ChildRow> = None;
    for pair in samples.windows(2) {
        let (before, now) = (&pair[0], &pair[1]);
        let forked = now.total_forks > before.total_forks;
        if let Some(mut child) = running.take_if(|child| child.kind != now.child || forked) {
            child.duration = now.at.saturating_sub(child.start + child.fork);
            let cow = if child.kind == "bgsave" { now.rdb_last_cow_size } else { now.aof_last_cow_size };
            child.cow_bytes = cow.unwrap_or(0.0) as u64;
            children.push(child);
        }
        if now.child != "none" && running.is_none() && (forked || before.child == "none") {
            running = Some(ChildRow {
                kind: now.child,
                trigger: String::new(),
                start: before.at,
                fork: now.latest_fork_usec.unwrap_or(0.0) as Nanos * MICROSECOND,
                duration: 0,
                cow_bytes: 0,
                file_bytes: 0,
                end_stall: 0,
                residual_bytes: 0,
                written_meanwhile_bytes: 0,
                written_meanwhile_commands: 0,
                ok: true,
            });
        }
    }
    children
}

/// Gives each row the first sample that was taken at its end or later.
fn fill_rows(rows: &mut [TimelineRow], samples: &[Sample]) {
    let mut expired = samples.first().and_then(|sample| sample.expired_keys).unwrap_or(0.0);
    let mut cycles = samples.first().and_then(|sample| sample.eventloop_cycles).unwrap_or(0.0);
    let mut cpu = samples.first().and_then(Sample::cpu_ns).unwrap_or(0);
    for row in rows {
        let index = samples.partition_point(|sample| sample.at < row.at).min(samples.len().saturating_sub(1));
        let Some(sample) = samples.get(index) else { return };
        let whole = |value: Option<f64>| value.unwrap_or(0.0) as u64;
        let since = |value: Option<f64>, before: &mut f64| {
            let value = value.unwrap_or(0.0);
            (value - std::mem::replace(before, value)).max(0.0) as u64
        };
        row.eventloop_cycles = since(sample.eventloop_cycles, &mut cycles);
        row.expired_keys = since(sample.expired_keys, &mut expired);
        let now = sample.cpu_ns().unwrap_or(0);
        row.busy = vec![now.saturating_sub(std::mem::replace(&mut cpu, now))];
        row.aof_buffer_bytes = whole(sample.aof_buffer_length);
        row.aof_bytes = whole(sample.aof_current_size);
        row.used_bytes = whole(sample.used_memory);
        row.rss_bytes = whole(sample.used_memory_rss);
        row.cow_bytes = whole(sample.current_cow_size);
        row.rewrite_buffer_bytes = whole(sample.aof_rewrite_buffer_length);
        (row.keys, row.volatile_keys) = sample.keys;
        row.changes_since_save = whole(sample.rdb_changes_since_last_save);
        row.child = sample.child;
        row.repl_backlog_bytes = whole(sample.repl_backlog_histlen);
    }
}

/// Every field of INFO, numbers as numbers.
fn info_values(info: &Info) -> Vec<(String, InfoValue)> {
    let fields = info.raw().lines().filter_map(|line| line.trim_end().split_once(':'));
    let value = |text: &str| match text.parse::<u64>() {
        Ok(number) => InfoValue::Int(number),
        Err(_) => match text.parse::<f64>() {
            Ok(ratio) if ratio.is_finite() => InfoValue::Ratio(ratio),
            _ => InfoValue::Text(text.to_owned()),
        },
    };
    fields.map(|(name, text)| (name.to_owned(), value(text))).collect()
}
