//! Replicas that fall behind and begin anew.

use super::{Case, Effort, Remedy, Rule};
use crate::units::format_bytes;

/// Size of the backlog, as many times what it is.
const BACKLOG: u64 = 16;
/// Limits of output buffers, as many times what they are.
const LIMITS: u64 = 4;

pub(super) const RULES: &[Rule] = &[backlog, output_limit];

/// Some replica lost its connection and had to come back.
fn has_lost_replicas(case: &Case) -> bool {
    case.run.replication.as_ref().is_some_and(|run| run.replicas.iter().any(|own| !own.dropped_at.is_empty()))
}

fn backlog(case: &Case) -> Option<Remedy> {
    if case.run.counters.sync_full == 0 || !has_lost_replicas(case) {
        return None;
    }
    let size = case.scenario.redis.replication.repl_backlog_size * BACKLOG;
    let title = format!("repl-backlog-size {}", format_bytes(size));
    Some(Remedy::new("repl-backlog", title, Effort::Setting).set("redis.repl-backlog-size", size.to_string()))
}

fn output_limit(case: &Case) -> Option<Remedy> {
    let limit = case.scenario.redis.replication.output_limit;
    if limit.hard == 0 && limit.soft == 0 || !has_lost_replicas(case) {
        return None;
    }
    let (hard, soft) = (LIMITS * limit.hard, LIMITS * limit.soft);
    let title = format!(
        "client-output-buffer-limit replica {} {} {}",
        format_bytes(hard),
        format_bytes(soft),
        limit.soft_seconds
    );
    let value = format!("replica {hard} {soft} {}", limit.soft_seconds);
    let remedy = Remedy::new("output-buffer-limit", title, Effort::Setting);
    Some(remedy.set("redis.client-output-buffer-limit", value))
}
