//! Method: a healthy server, on which no rule fires. Each rule then has a server that differs from it by the fault, on which
//! it fires, and most have one just this side of the threshold, on which they are silent.

mod cases;
mod inputs;

use cases::CASES;
use inputs::others;

use super::*;
use crate::check::input;
use crate::check::report::{Inputs, facts};
use crate::redis::version::Version;
use crate::scenario::redis_conf::parse;

const HEALTHY_INFO: &str = "\
redis_version:7.2.5\nrole:master\nuptime_in_seconds:86400\nloading:0\nconnected_clients:100\nconnected_slaves:0\n\
used_memory:50000000\nused_memory_rss:60000000\nused_memory_dataset:40000000\ntotal_system_memory:16000000000\n\
mem_fragmentation_ratio:1.2\nmaxmemory:1000000000\nmaxmemory_policy:allkeys-lru\nmaxclients:10000\n\
rdb_changes_since_last_save:10\nrdb_bgsave_in_progress:0\nrdb_last_bgsave_status:ok\nrdb_last_bgsave_time_sec:1\n\
aof_enabled:1\naof_rewrite_in_progress:0\naof_rewrite_scheduled:0\naof_last_rewrite_time_sec:1\n\
aof_last_bgrewrite_status:ok\naof_last_write_status:ok\naof_rewrites_consecutive_failures:0\n\
aof_current_size:60000000\naof_base_size:50000000\naof_pending_rewrite:0\naof_delayed_fsync:0\n\
total_connections_received:500\ntotal_commands_processed:86400000\ninstantaneous_ops_per_sec:1000\n\
rejected_connections:0\nsync_full:0\nsync_partial_err:0\nevicted_keys:0\nexpired_time_cap_reached_count:0\n\
expired_stale_perc:1.0\nlatest_fork_usec:900\nmaster_repl_offset:1000000000\nrepl_backlog_size:104857600\n\
used_cpu_sys_main_thread:2000.0\nused_cpu_user_main_thread:2000.0\nused_cpu_sys:2000.0\nused_cpu_user:2000.0\n\
cmdstat_set:calls=500,usec=1000,usec_per_call=2.00\ncmdstat_get:calls=500,usec=1000,usec_per_call=2.00\n\
cluster_enabled:0\ndb0:keys=200000,expires=100000,avg_ttl=1000\n";

const HEALTHY_CONF: &str = "\
appendonly yes\nappendfsync everysec\nsave \"\"\nlatency-monitor-threshold 10\nmaxmemory 1000000000\nrepl-backlog-size 100mb\n\
maxmemory-policy allkeys-lru\nmin-replicas-to-write 1\n";

type Pairs = &'static [(&'static str, &'static str)];

/// A healthy server with other fields and directives.
fn server(info: Pairs, conf: Pairs) -> Facts {
    let mut text = HEALTHY_INFO.to_owned();
    // The last of a field counts; an empty value stands for a field that is not there.
    info.iter().for_each(|(field, value)| text += &format!("{field}:{value}\n"));
    let text: String = text
        .lines()
        .filter(|line| {
            !info.iter().any(|(field, value)| value.is_empty() && line.starts_with(&format!("{field}:")))
        })
        .map(|line| format!("{line}\n"))
        .collect();
    let given = |line: &&str| !conf.iter().any(|(name, _)| line.starts_with(&format!("{name} ")));
    let mut lines: Vec<String> = HEALTHY_CONF.lines().filter(given).map(str::to_owned).collect();
    lines.extend(conf.iter().map(|(name, value)| format!("{name} {value}")));
    let directives = parse(&lines.join("\n"), "redis.conf".as_ref()).expect("directives");
    let inputs = Inputs { info: Some(text.into_bytes()), redis_conf: Some(directives), ..Inputs::default() };
    facts(inputs).0
}

fn found(facts: &Facts, id: &str) -> Option<Finding> {
    look(facts).0.into_iter().find(|finding| finding.id == id)
}

const NONE: Pairs = &[];

#[test]
fn nothing_is_found_on_a_healthy_server() {
    let (findings, _) = look(&server(NONE, NONE));
    let shown: Vec<_> = findings.iter().map(|finding| (finding.id, &finding.evidence)).collect();
    assert!(shown.is_empty(), "{shown:?}");
}

#[test]
fn each_rule_fires_on_its_fault_and_is_silent_beside_it() {
    for (id, (info, conf), severity, (near_info, near_conf)) in CASES {
        let finding = found(&server(info, conf), id).unwrap_or_else(|| panic!("{id}: {info:?} {conf:?}"));
        assert_eq!(finding.severity, *severity, "{id}: {info:?} {conf:?}");
        assert!(
            !finding.evidence.0.is_empty() && !finding.consequence.is_empty() && !finding.remedy.is_empty(),
            "{id}"
        );
        let near = found(&server(near_info, near_conf), id);
        assert!(near.is_none(), "{id}: {near_info:?} {near_conf:?}");
    }
}

#[test]
fn rules_of_other_inputs_fire_and_are_silent() {
    for (id, severity, faulty, sound) in others() {
        let finding = found(&faulty, id).unwrap_or_else(|| panic!("{id} is silent"));
        assert_eq!(finding.severity, severity, "{id}: {finding:?}");
        assert!(found(&sound, id).is_none(), "{id}: {:?}", found(&sound, id));
    }
}

#[test]
fn every_rule_has_a_case_and_says_at_worst_what_it_promises() {
    let others = others();
    let seen = |rule: &Rule| {
        let first = CASES.iter().filter(|case| case.0 == rule.id).map(|case| case.2);
        first.chain(others.iter().filter(|case| case.0 == rule.id).map(|case| case.1)).min()
    };
    for rule in all() {
        assert_eq!(seen(rule), Some(rule.severity), "{}", rule.id);
        assert!(!rule.reads.is_empty() && !rule.fires.is_empty(), "{}", rule.id);
    }
    let names: std::collections::BTreeSet<_> = all().map(|rule| rule.id).collect();
    assert_eq!(names.len(), all().count(), "names are told apart");
}

#[test]
fn a_rule_that_lacks_something_is_named_and_not_found_fine() {
    let mut facts = Facts::new(Version::redis(7, 2));
    facts.info = Some(input::info::parse(b"role:master\nuptime_in_seconds:100\n"));
    let (findings, silent) = look(&facts);
    assert!(findings.is_empty(), "{findings:?}");
    for (what, id) in [
        ("INFO's evicted_keys", "evictions"),
        ("the setting appendonly", "persistence-none"),
        ("SLOWLOG", "slow-commands"),
        ("a MONITOR capture or source", "counter-get-set-incr"),
        ("a sample of TTLs (--server)", "expiry-together"),
    ] {
        assert!(silent.get(what).is_some_and(|rules| rules.contains(&id)), "{what}: {silent:?}");
    }
    // Nothing is lacking where a rule has no object: a primary without replicas.
    let (_, silent) = look(&server(NONE, NONE));
    assert!(!silent.values().flatten().any(|id| *id == "replica-lag" || *id == "cluster-down"), "{silent:?}");
}
