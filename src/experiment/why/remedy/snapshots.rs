//! Fewer forks, cheaper ones, or forks elsewhere.

use super::{Case, Effort, Remedy, Rule};
use crate::cause::Cause;
use crate::observe::result::ChildRow;
use crate::redis::config::SavePoint;

/// What comes of a child.
const OF_CHILDREN: &[Cause] = &[
    Cause::Fork,
    Cause::Cow,
    Cause::CoreContention,
    Cause::AofRewriteBuffer,
    Cause::AofRewriteDiffWrite,
    Cause::AofRewriteDoneFsync,
    Cause::ManifestFsync,
];
/// Growth before a rewrite, as many times what it is.
const GROWTH: u64 = 4;

pub(super) const RULES: &[Rule] =
    &[no_snapshots, replica_snapshots, rarer_snapshots, rarer_rewrites, preamble, no_huge_pages];

fn has_children(case: &Case, kind: &str) -> bool {
    let of_kind = |child: &ChildRow| child.kind == kind;
    case.run.children.iter().any(of_kind) && case.tail.has(OF_CHILDREN)
}

fn no_snapshots(case: &Case) -> Option<Remedy> {
    let redis = &case.scenario.redis;
    if redis.save.is_empty() || !has_children(case, "bgsave") {
        return None;
    }
    let remedy = Remedy::new("no-snapshots", "save \"\" (no snapshots)", Effort::Setting);
    Some(remedy.set("redis.save", "").but(match redis.appendonly {
        true => "no RDB file to copy away or to go back to; a restart reads the AOF",
        false => "nothing is on disk any more",
    }))
}

fn replica_snapshots(case: &Case) -> Option<Remedy> {
    let scenario = case.scenario;
    if scenario.redis.save.is_empty() || !has_children(case, "bgsave") || scenario.cluster.is_some() {
        return None;
    }
    if let Some(replica) = scenario.replicas.first() {
        let title = format!("save \"\" on the primary, let {} take the snapshots", replica.name);
        let remedy = Remedy::new("replica-snapshots", title, Effort::Setting).set("redis.save", "");
        return Some(remedy.but("the file is as old as the replica is behind"));
    }
    let title = "save \"\" on the primary, let a replica take the snapshots";
    let remedy = Remedy::new("replica-snapshots", title, Effort::Servers).set("redis.save", "");
    Some(Remedy {
        lines: "[[replica]]\nname = \"snapshots\"\n",
        ..remedy.but("a second server with as much memory; the file is as old as it is behind")
    })
}

fn rarer_snapshots(case: &Case) -> Option<Remedy> {
    let points = &case.scenario.redis.save;
    if points.len() < 2 || !has_children(case, "bgsave") {
        return None;
    }
    let most_often = points.iter().min_by_key(|point| point.seconds)?;
    let kept: Vec<&SavePoint> = points.iter().filter(|point| *point != most_often).collect();
    let text = |point: &&SavePoint| format!("{} {}", point.seconds, point.changes);
    let kept = kept.iter().map(text).collect::<Vec<_>>().join(" ");
    let title = format!("save {kept} (without {} {})", most_often.seconds, most_often.changes);
    Some(
        Remedy::new("rarer-snapshots", title, Effort::Setting).set("redis.save", kept).but("older snapshots"),
    )
}

fn rarer_rewrites(case: &Case) -> Option<Remedy> {
    let growth = case.scenario.redis.auto_aof_rewrite_percentage;
    let by_growth = |child: &ChildRow| child.kind == "aof-rewrite" && child.trigger.starts_with("growth");
    if growth == 0 || !case.run.children.iter().any(by_growth) || !case.tail.has(OF_CHILDREN) {
        return None;
    }
    let percentage = growth * GROWTH;
    let title = format!("auto-aof-rewrite-percentage {percentage} (fewer rewrites)");
    let remedy = Remedy::new("rarer-rewrites", title, Effort::Setting);
    let remedy = remedy.set("redis.auto-aof-rewrite-percentage", percentage.to_string());
    Some(remedy.but("a larger AOF: more disk, a longer restart"))
}

fn preamble(case: &Case) -> Option<Remedy> {
    let redis = &case.scenario.redis;
    let applies = redis.appendonly && redis.version.has(4, 0) && !redis.aof_use_rdb_preamble;
    if !applies || !has_children(case, "aof-rewrite") {
        return None;
    }
    let remedy = Remedy::new("rdb-preamble", "aof-use-rdb-preamble yes (shorter rewrites)", Effort::Setting);
    Some(remedy.set("redis.aof-use-rdb-preamble", "yes"))
}

fn no_huge_pages(case: &Case) -> Option<Remedy> {
    let scenario = case.scenario;
    let on = scenario.machine.machine.thp_always && !scenario.redis.disable_thp;
    if !on || !case.tail.has(OF_CHILDREN) {
        return None;
    }
    let title = "transparent_hugepage never (small pages)";
    Some(Remedy::new("no-huge-pages", title, Effort::Setting).set("machine.machine.thp-always", "false"))
}
