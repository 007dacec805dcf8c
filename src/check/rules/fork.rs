//! fork(2) and what comes after it: its price, huge pages, room for copied pages, swap.

use super::{Rule, bytes, field, ms};
use crate::check::facts::Facts;
use crate::check::finding::{Finding, Price, Severity};

pub(super) const RULES: &[Rule] = &[
    Rule::new(
        "fork-slow",
        Severity::Serious,
        "latest_fork_usec, used_memory_rss",
        "the latest fork took over 40 ms a GiB, or over 250 ms in all; serious from 1 s",
        slow,
    ),
    Rule::new(
        "huge-pages",
        Severity::Warning,
        "disable-thp, appendonly, save",
        "the server is told not to switch transparent huge pages off for itself, and forks",
        huge_pages,
    ),
    Rule::new(
        "memory-headroom",
        Severity::Serious,
        "used_memory_rss, total_system_memory, appendonly, save, connected_slaves",
        "the server forks and fills over 60 % of the machine; serious from 85 %",
        headroom,
    ),
    Rule::new(
        "swapped",
        Severity::Serious,
        "used_memory, used_memory_rss",
        "a tenth of its memory or more is not resident",
        swapped,
    ),
];

/// Milliseconds a GiB from which a fork is slow: physical machines and current VMs take 9 to 23.
const SLOW_PER_GIB: f64 = 40.0;

fn slow(facts: &Facts) -> Option<Finding> {
    let took = facts.number("latest_fork_usec")? / 1000.0;
    let per_gib = facts.fork_ms_per_gib().unwrap_or(0.0);
    if per_gib < SLOW_PER_GIB && took < 250.0 || took < 10.0 {
        return None;
    }
    let why = match per_gib >= SLOW_PER_GIB {
        true => format!(" That is {} a GiB; 9 to 23 ms are usual.", ms(per_gib)),
        false => String::new(),
    };
    let finding = Finding::new(
        if took >= 1000.0 { Severity::Serious } else { Severity::Warning },
        facts.show(&["latest_fork_usec", "used_memory_rss", "total_forks"]),
        format!("The latest fork took {}: nothing ran for so long.{why}", ms(took)),
        "several smaller servers; snapshots on a replica; where a GiB takes over 40 ms a virtual machine with hardware \
         page tables (no Xen PV), and no over-committed memory",
    );
    Some(finding.priced(Price::Tail, &[]))
}

/// Whether the server ever forks.
fn forks(facts: &Facts) -> Option<bool> {
    let replicas = facts.number_if_any("connected_slaves").unwrap_or(0.0);
    Some(replicas > 0.0 || facts.aof_on()? || facts.saves()?)
}

fn huge_pages(facts: &Facts) -> Option<Finding> {
    if !facts.version.has(6, 2) {
        return None;
    }
    let config = facts.config("disable-thp")?;
    (!config.disable_thp && forks(facts)?).then(|| {
        let finding = Finding::new(
            Severity::Warning,
            facts.show(&["disable-thp", "used_memory_rss"]),
            "Where the system has transparent huge pages on always, each first write after a fork copies 2 MiB instead \
             of 4 KiB: hundreds of milliseconds a GiB."
                .to_owned(),
            "disable-thp yes (the default), or echo madvise > /sys/kernel/mm/transparent_hugepage/enabled",
        );
        finding.priced(Price::Tail, &[("redis.disable-thp", "true")])
    })
}

fn headroom(facts: &Facts) -> Option<Finding> {
    let (rss, all) = (facts.rss()?, facts.number("total_system_memory")?);
    let share = rss / all.max(1.0);
    if share < 0.6 || !forks(facts)? {
        return None;
    }
    let severity = if share >= 0.85 { Severity::Serious } else { Severity::Warning };
    let cow = facts.number_if_any("rdb_last_cow_size").unwrap_or(0.0);
    let cow = cow.max(facts.number_if_any("aof_last_cow_size").unwrap_or(0.0));
    Some(Finding::new(
        severity,
        facts.show(&[
            "used_memory_rss",
            "total_system_memory",
            "rdb_last_cow_size",
            "aof_last_cow_size",
            "maxmemory",
        ]),
        format!(
            "{:.0} % of the machine's memory is the server's, and {} are left. While a child lives every page that is \
             written is there twice: under writes up to all of it, {} at the last child. Then the OOM killer or swap comes; with \
             vm.overcommit_memory 0 fork may be refused.",
            100.0 * share,
            bytes(all - rss),
            bytes(cow)
        ),
        "maxmemory at about half of the machine where writes are spread over all keys; vm.overcommit_memory = 1",
    ))
}

fn swapped(facts: &Facts) -> Option<Finding> {
    let (used, rss) = (facts.number("used_memory")?, facts.rss()?);
    (used >= 64e6 && rss < 0.9 * used).then(|| {
        let mut evidence = facts.show(&["used_memory", "used_memory_rss", "mem_fragmentation_ratio"]);
        evidence.push(field("not resident", bytes(used - rss)));
        Finding::new(
            Severity::Serious,
            evidence,
            "A part of the data is swapped out: a command that meets it waits for the disk, and everybody behind it. A \
             fork or a snapshot reads all of it back."
                .to_owned(),
            "more memory or less data (maxmemory); swapoff for the server, or vm.swappiness 1",
        )
    })
}
