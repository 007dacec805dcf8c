//! The results of nodes as one: counts are added, stalls and events named after their node.

use crate::cause::Cause;
use crate::observe::cluster::NodeResult;
use crate::observe::result::{BlockTotals, Errors, EventRow, Loss, RunResult, TimelineRow};

/// Stalls that are listed, as of a single server.
const STALLS: usize = 10;

/// What a node's own result says of it.
pub(super) fn fill(row: &mut NodeResult, part: &RunResult) {
    row.requests = part.completed;
    row.busy_share = part.busy_total as f64 / (part.duration - part.warmup).max(1) as f64;
    if let Some(longest) = part.blocks.iter().max_by_key(|block| block.longest) {
        row.longest_block = longest.longest;
        row.longest_block_cause = longest.cause.name();
    }
    row.forks = part.counters.forks;
    // Of children that still live too.
    let fork = part.blocks.iter().find(|block| block.cause == Cause::Fork);
    row.fork_max = fork.map_or(0, |block| block.longest);
}

/// All parts, of which there is at least one, as one result. Requests, scopes and the cluster are left to the caller;
/// INFO is that of the first node.
pub(super) fn merge(parts: Vec<RunResult>, nodes: &[NodeResult]) -> RunResult {
    let number = parts.len() as f64;
    let mut parts = parts.into_iter().zip(nodes);
    let (mut all, first) = parts.next().expect("a cluster has a node");
    name_rows(&mut all, &first.name);
    for (mut part, node) in parts {
        name_rows(&mut part, &node.name);
        all.closed_loop_view.merge(&part.closed_loop_view);
        all.busy.iter_mut().zip(part.busy).for_each(|(sum, busy)| *sum += busy);
        all.busy_total += part.busy_total;
        all.stalls.append(&mut part.stalls);
        all.events.append(&mut part.events);
        all.events_dropped += part.events_dropped;
        part.blocks.into_iter().for_each(|block| add_block(&mut all.blocks, block));
        add_errors(&mut all.errors, &part.errors);
        all.counters = all.counters.plus(&part.counters);
        all.sections.add_node(&part.sections);
        add_loss(&mut all.loss, &part.loss);
        all.children.append(&mut part.children);
        all.memory.used_bytes += part.memory.used_bytes;
        all.memory.rss_bytes_max += part.memory.rss_bytes_max;
        all.memory.cow_bytes_max += part.memory.cow_bytes_max;
        all.memory.rewrite_buffer_bytes_max += part.memory.rewrite_buffer_bytes_max;
        for ((_, sum), (_, spent)) in all.spent.iter_mut().zip(part.spent) {
            sum.commands += spent.commands;
            sum.cpu += spent.cpu;
            sum.aof_bytes += spent.aof_bytes;
            sum.cow_faults += spent.cow_faults;
        }
        all.timeline.iter_mut().zip(&part.timeline).for_each(|(sum, row)| add_row(sum, row));
        match (&mut all.replication, part.replication) {
            (Some(all), Some(part)) => all.replicas.extend(part.replicas),
            (all, part) => *all = all.take().or(part),
        }
        match (&mut all.blame, &part.blame) {
            (Some(all), Some(part)) => all.merge(part),
            (all, part) => *all = all.take().or_else(|| part.clone()),
        }
        match (&mut all.expiry, part.expiry) {
            (Some(all), Some(part)) => all.add(&part),
            (all, part) => *all = all.take().or(part),
        }
    }
    all.stalls.sort_by_key(|row| (std::cmp::Reverse(row.span), row.at));
    all.stalls.truncate(STALLS);
    all.events.sort_by_key(|row| (row.at, std::cmp::Reverse(row.span)));
    all.children.sort_by_key(|child| child.start);
    all.loss.process_death_writes_mean /= number;
    all.loss.machine_death_writes_mean /= number;
    all.loss.machine_death_seconds_mean /= number;
    // What limits one key is a question to the server that has it.
    all.hot_key = None;
    all
}

/// Rows that people read next to those of other nodes.
fn name_rows(part: &mut RunResult, name: &str) {
    let named = |row: &mut EventRow| {
        row.detail = if row.detail.is_empty() { name.to_owned() } else { format!("{name}: {}", row.detail) };
    };
    part.stalls.iter_mut().for_each(named);
    part.events.iter_mut().for_each(named);
    if let Some(replication) = &mut part.replication {
        replication.replicas.iter_mut().for_each(|replica| replica.name = format!("{name}/{}", replica.name));
    }
}

fn add_block(all: &mut Vec<BlockTotals>, block: BlockTotals) {
    let Some(sum) = all.iter_mut().find(|sum| sum.cause == block.cause) else {
        let place = all.partition_point(|sum| sum.cause < block.cause);
        return all.insert(place, block);
    };
    sum.count += block.count;
    sum.sum += block.sum;
    sum.longest = sum.longest.max(block.longest);
    for (length, count) in block.by_length {
        match sum.by_length.binary_search_by_key(&length, |entry| entry.0) {
            Ok(at) => sum.by_length[at].1 += count,
            Err(at) => sum.by_length.insert(at, (length, count)),
        }
    }
}

fn add_errors(sum: &mut Errors, part: &Errors) {
    // Every field by name: a new one has to find its place here.
    let Errors { oom, misconf, connection_lost, noreplicas } = *part;
    sum.oom += oom;
    sum.misconf += misconf;
    sum.connection_lost += connection_lost;
    sum.noreplicas += noreplicas;
}

/// A crash hits one node, any of them: means are added here and divided by the number of nodes, the worst is the worst.
fn add_loss(sum: &mut Loss, part: &Loss) {
    // Every field by name: a new one has to find its place here.
    let Loss {
        samples,
        process_death_writes_mean,
        process_death_writes_max,
        machine_death_writes_mean,
        machine_death_writes_p99,
        machine_death_writes_max,
        machine_death_seconds_mean,
        machine_death_seconds_max,
    } = *part;
    sum.samples += samples;
    sum.process_death_writes_mean += process_death_writes_mean;
    sum.process_death_writes_max = sum.process_death_writes_max.max(process_death_writes_max);
    sum.machine_death_writes_mean += machine_death_writes_mean;
    sum.machine_death_writes_p99 = sum.machine_death_writes_p99.max(machine_death_writes_p99);
    sum.machine_death_writes_max = sum.machine_death_writes_max.max(machine_death_writes_max);
    sum.machine_death_seconds_mean += machine_death_seconds_mean;
    sum.machine_death_seconds_max = sum.machine_death_seconds_max.max(machine_death_seconds_max);
}

fn add_row(sum: &mut TimelineRow, row: &TimelineRow) {
    // Every field by name: a new one has to find its place here.
    let TimelineRow {
        busy,
        eventloop_cycles,
        aof_buffer_bytes,
        aof_bytes,
        dirty_bytes,
        used_bytes,
        rss_bytes,
        cow_bytes,
        rewrite_buffer_bytes,
        keys,
        expired_keys,
        volatile_keys,
        pending_expired_keys,
        changes_since_save,
        unsynced_writes,
        child,
        repl_backlog_bytes,
        replica_buffer_bytes_max,
        replica_lag_bytes_max,
        at: _,
        completed: _,
        sojourn: _,
    } = row;
    sum.busy.iter_mut().zip(busy).for_each(|(sum, busy)| *sum += busy);
    sum.eventloop_cycles += *eventloop_cycles;
    sum.aof_buffer_bytes += *aof_buffer_bytes;
    sum.aof_bytes += *aof_bytes;
    sum.dirty_bytes += *dirty_bytes;
    sum.used_bytes += *used_bytes;
    sum.rss_bytes += *rss_bytes;
    sum.cow_bytes += *cow_bytes;
    sum.rewrite_buffer_bytes += *rewrite_buffer_bytes;
    sum.keys += *keys;
    sum.expired_keys += *expired_keys;
    sum.volatile_keys += *volatile_keys;
    sum.pending_expired_keys += *pending_expired_keys;
    sum.changes_since_save += *changes_since_save;
    sum.unsynced_writes += *unsynced_writes;
    if sum.child == "none" {
        sum.child = *child;
    }
    sum.repl_backlog_bytes += *repl_backlog_bytes;
    sum.replica_buffer_bytes_max = sum.replica_buffer_bytes_max.max(*replica_buffer_bytes_max);
    sum.replica_lag_bytes_max = sum.replica_lag_bytes_max.max(*replica_lag_bytes_max);
}
