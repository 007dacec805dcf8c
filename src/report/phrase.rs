//! How blocks of the main thread are called: their number and lengths, what started them, their cause.

use crate::cause::Cause;
use crate::observe::result::{BlockTotals, RunResult};
use crate::units::{Nanos, format_span};

/// Blocks whose lengths differ by less than this factor are given by their mean.
const ALIKE: f64 = 1.3;

/// Number of the blocks longer than `beyond`, and how long they are.
pub fn spans(blocks: &BlockTotals, beyond: Nanos) -> (u64, String) {
    let longer: Vec<(Nanos, u64)> = blocks
        .by_length
        .iter()
        .map(|&(length, count)| (length.min(blocks.longest), count))
        .filter(|&(length, _)| length > beyond)
        .collect();
    let count: u64 = longer.iter().map(|&(_, count)| count).sum();
    let shortest = longer.first().map_or(blocks.longest, |first| first.0);
    if count <= 1 {
        return (count.max(1), format_span(blocks.longest));
    }
    if blocks.longest as f64 > ALIKE * shortest as f64 {
        return (count, format!("{} to {}", format_span(shortest), format_span(blocks.longest)));
    }
    let mean = if count == blocks.count {
        blocks.sum / count
    } else {
        (longer.iter().map(|&(length, n)| length as u128 * n as u128).sum::<u128>() / count as u128) as Nanos
    };
    (count, format_span(mean))
}

/// What started them: the most common trigger of children for forks, else the most common detail of the events.
pub fn detail(result: &RunResult, cause: Cause) -> Option<String> {
    let details: Vec<String> = if cause == Cause::Fork {
        result.children.iter().map(|child| started_by(child.kind, &child.trigger)).collect()
    } else {
        let events = result.events.iter().filter(|event| event.cause == cause.name());
        events.map(|event| event.detail.clone()).filter(|detail| !detail.is_empty()).collect()
    };
    let number_of = |detail: &String| details.iter().filter(|other| *other == detail).count();
    let mut distinct = details.clone();
    distinct.sort_unstable();
    distinct.dedup();
    let most = distinct.iter().max_by_key(|detail| number_of(detail))?;
    match (number_of(most), details.len()) {
        (number, of) if number == of => Some(most.clone()),
        (number, of) if number * 2 > of => Some(format!("mostly {most}")),
        _ => None,
    }
}

/// `BGSAVE, save 60 10000`.
fn started_by(kind: &str, trigger: &str) -> String {
    let name = if kind == "bgsave" { "BGSAVE" } else { "AOF rewrite" };
    match trigger {
        "" => name.to_owned(),
        "BGSAVE" | "BGREWRITEAOF" => format!("{trigger} by command"),
        point if point.starts_with(|c: char| c.is_ascii_digit()) => format!("{name}, save {point}"),
        other => format!("{name}, {other}"),
    }
}

/// What a block on `cause` is called, one or several.
pub fn noun(cause: Cause, one: bool) -> &'static str {
    let (singular, plural) = match cause {
        Cause::WakeUp => ("wake-up", "wake-ups"),
        Cause::EventLoop => ("pass of the event loop", "passes of the event loop"),
        Cause::Read => ("read(2) of a socket", "read(2)s of sockets"),
        Cause::Command => ("slow command", "slow commands"),
        Cause::Reply => ("write(2) of replies", "write(2)s of replies"),
        Cause::AofWrite => ("write(2) of the AOF", "write(2)s of the AOF"),
        Cause::AofWritePendingFsync => (
            "AOF write that waited for the running fdatasync",
            "AOF writes that waited for the running fdatasync",
        ),
        Cause::AofWriteThrottled => {
            ("AOF write throttled for dirty pages", "AOF writes throttled for dirty pages")
        }
        Cause::AofFsyncAlways => ("fdatasync before the replies", "fdatasyncs before the replies"),
        Cause::Fork => ("fork", "forks"),
        Cause::Cow => ("run of copy-on-write faults", "runs of copy-on-write faults"),
        Cause::AofRewriteBuffer => ("move of the rewrite buffer", "moves of the rewrite buffer"),
        Cause::AofRewriteDiffWrite => ("flush of the rewrite buffer", "flushes of the rewrite buffer"),
        Cause::AofRewriteDoneFsync => ("fsync of a rewritten AOF", "fsyncs of rewritten AOFs"),
        Cause::ManifestFsync => ("sync of the AOF manifest", "syncs of the AOF manifest"),
        Cause::AofRename => ("rename of a rewritten AOF", "renames of rewritten AOFs"),
        Cause::Cron => ("serverCron", "serverCrons"),
        Cause::Rehash => ("rehash step", "rehash steps"),
        Cause::TableAllocation => ("allocation of a hash table", "allocations of hash tables"),
        Cause::TableFree => ("release of a hash table", "releases of hash tables"),
        Cause::EvictionCycle => ("eviction cycle", "eviction cycles"),
        Cause::ExpireCycle => ("expire cycle", "expire cycles"),
        Cause::Save => ("SAVE", "SAVEs"),
        Cause::Restart => ("restart", "restarts"),
        Cause::HostNoise => {
            ("gap in which the host ran something else", "gaps in which the host ran something else")
        }
        Cause::Freeze => ("freeze of the host", "freezes of the host"),
        Cause::CoreContention => ("wait for a core", "waits for a core"),
        Cause::ReplicaWrite => ("write(2) to a replica", "write(2)s to replicas"),
        Cause::DisklessCopy => ("copy of a snapshot to replicas", "copies of a snapshot to replicas"),
        Cause::RdbSend => ("piece of a snapshot sent", "pieces of a snapshot sent"),
        Cause::Migrate => ("a MIGRATE", "MIGRATEs"),
        Cause::Restore => ("a RESTORE of a moved key", "RESTOREs of moved keys"),
        Cause::ClusterCommand => ("a CLUSTER command", "CLUSTER commands"),
        Cause::ClusterConfigWrite => ("a write of nodes.conf", "writes of nodes.conf"),
        Cause::ClusterConfigFsync => ("an fsync of nodes.conf", "fsyncs of nodes.conf"),
    };
    if one { singular } else { plural }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;
    use crate::units::MILLISECOND;

    #[test]
    fn alike_blocks_have_a_mean_and_others_a_range() {
        let mut blocks = BlockTotals {
            cause: Cause::Fork,
            count: 4,
            sum: 44 * MILLISECOND,
            longest: 12 * MILLISECOND,
            by_length: vec![(10 * MILLISECOND, 2), (13 * MILLISECOND, 2)],
        };
        assert_eq!(spans(&blocks, 0), (4, "11.0 ms".to_owned()));
        assert_eq!(spans(&blocks, 11 * MILLISECOND), (2, "12.0 ms".to_owned()));
        blocks.by_length[0].0 = MILLISECOND;
        assert_eq!(spans(&blocks, 0), (4, "1.00 ms to 12.0 ms".to_owned()));
    }

    #[test]
    fn children_say_what_started_them() {
        assert_eq!(started_by("bgsave", "60 10000"), "BGSAVE, save 60 10000");
        assert_eq!(started_by("bgsave", "BGSAVE"), "BGSAVE by command");
        assert_eq!(started_by("aof-rewrite", "growth 100 %"), "AOF rewrite, growth 100 %");
        let mut result = fixture::forks();
        result.children[0].trigger = "3600 1".to_owned();
        assert_eq!(detail(&result, Cause::Fork), Some("mostly BGSAVE, save 60 10000".to_owned()));
    }
}
