//! Slots that move and redirects. The article's third check.

use super::{Rule, count, field, ms};
use crate::check::facts::Facts;
use crate::check::finding::{Finding, Severity};
use crate::check::input::info::part;

pub(super) const RULES: &[Rule] = &[
    Rule::new(
        "cluster-down",
        Severity::Serious,
        "CLUSTER INFO, CLUSTER NODES",
        "the cluster's state is fail, slots are not served, or a node is failing",
        down,
    ),
    Rule::new(
        "slots-open",
        Severity::Warning,
        "CLUSTER NODES",
        "slots are marked as migrating or importing",
        open,
    ),
    Rule::new(
        "ask-redirects",
        Severity::Warning,
        "errorstat_ASK, errorstat_TRYAGAIN, cmdstat_asking",
        "clients were sent on by ASK, or had to try again; a note below one in a thousand commands",
        ask,
    ),
    Rule::new(
        "moved-redirects",
        Severity::Warning,
        "errorstat_MOVED, total_commands_processed",
        "one command in a hundred or more was answered with MOVED",
        moved,
    ),
    Rule::new(
        "migrate-blocks",
        Severity::Warning,
        "cmdstat_migrate",
        "a MIGRATE takes 10 ms or more on average",
        migrate,
    ),
    Rule::new(
        "migration-barrier-misread",
        Severity::Note,
        "cluster-migration-barrier",
        "it is set, as if it limited the migration of keys",
        barrier,
    ),
];

fn is_cluster(facts: &Facts) -> bool {
    facts.number_if_any("cluster_enabled").unwrap_or(0.0) > 0.0
        || facts.nodes.is_some()
        || facts.cluster.is_some()
}

fn down(facts: &Facts) -> Option<Finding> {
    if !is_cluster(facts) {
        return None;
    }
    facts.input(&facts.cluster.as_ref().map(|_| ()).or(facts.nodes.as_ref().map(|_| ())), "CLUSTER INFO")?;
    let mut evidence = Vec::new();
    if let Some(info) = &facts.cluster {
        let bad = |name: &str, value: &str| match name {
            "cluster_state" => value != "ok",
            "cluster_slots_fail" | "cluster_slots_pfail" => value != "0",
            "cluster_slots_ok" => value != "16384",
            _ => false,
        };
        let names = ["cluster_state", "cluster_slots_ok", "cluster_slots_pfail", "cluster_slots_fail"];
        let found = names.iter().filter_map(|name| Some((name, info.text(name)?)));
        evidence
            .extend(found.filter(|(name, value)| bad(name, value)).map(|(name, value)| field(name, value)));
    }
    let failing = facts.nodes.iter().flat_map(|nodes| &nodes.failing);
    evidence.extend(failing.map(|address| field(address, "fail")));
    (!evidence.is_empty()).then(|| {
        Finding::new(
            Severity::Serious,
            evidence,
            "A part of the slots is not served, or the cluster has stopped: commands get CLUSTERDOWN."
                .to_owned(),
            "redis-cli --cluster check; bring the node back or fail over to its replica",
        )
    })
}

fn open(facts: &Facts) -> Option<Finding> {
    if !is_cluster(facts) {
        return None;
    }
    let nodes = facts.input(&facts.nodes, "CLUSTER NODES")?;
    let (from, to) = (nodes.migrating.len(), nodes.importing.len());
    let list = |slots: &[(u16, String)]| {
        let slots: Vec<String> = slots.iter().take(5).map(|slot| slot.0.to_string()).collect();
        slots.join(" ")
    };
    (from + to > 0).then(|| {
        let both = [("migrating", &nodes.migrating), ("importing", &nodes.importing)];
        let evidence = both.iter().filter(|(_, slots)| !slots.is_empty()).map(|(name, slots)| field(name, list(slots)));
        Finding::new(
            Severity::Warning,
            evidence.collect(),
            "Slots are open: keys of them that have moved or are new answer ASK, commands on several keys TRYAGAIN. ASK \
             touches only the open slot; what everybody feels is MIGRATE, which blocks both nodes for each batch."
                .to_owned(),
            "if nobody moves slots now: redis-cli --cluster fix; else fewer keys a batch (--cluster-pipeline), smaller values, \
             or atomic migration (Valkey 9, Redis 8.4)",
        )
    })
}

/// Answers of an error's kind.
fn errors(facts: &Facts, kind: &str) -> f64 {
    let text = facts.info.as_ref().and_then(|info| info.text(&format!("errorstat_{kind}")));
    text.and_then(|text| part(text, "count")).unwrap_or(0.0)
}

fn ask(facts: &Facts) -> Option<Finding> {
    if !is_cluster(facts) {
        return None;
    }
    let total = facts.number("total_commands_processed")?.max(1.0);
    let asking =
        facts.info.as_ref()?.text("cmdstat_asking").and_then(|text| part(text, "calls")).unwrap_or(0.0);
    let (sent, again) = (errors(facts, "ASK"), errors(facts, "TRYAGAIN"));
    let share = (sent + asking + again) / total;
    (share > 0.0).then(|| {
        let counts = [("errorstat_ASK", sent), ("errorstat_TRYAGAIN", again), ("cmdstat_asking", asking)];
        let evidence = counts.iter().filter(|count| count.1 > 0.0).map(|(name, n)| field(name, *n as u64));
        let mut evidence: Vec<_> = evidence.collect();
        evidence.push(field("total_commands_processed", total as u64));
        Finding::new(
            if share >= 0.001 { Severity::Warning } else { Severity::Note },
            evidence,
            format!(
                "{} redirects by ASK since the start: each costs its command one round trip more, or two where the client \
                 waits for ASKING. They are the sign that slots move, not what makes P99 high: see migrate-blocks.",
                count(sent + asking + again)
            ),
            "move slots at quiet times; a client that knows only MOVED must be replaced: it loops or fails on ASK",
        )
    })
}

fn moved(facts: &Facts) -> Option<Finding> {
    if !is_cluster(facts) {
        return None;
    }
    let (moved, total) = (errors(facts, "MOVED"), facts.number("total_commands_processed")?.max(1.0));
    (moved >= 100.0 && moved / total >= 0.01).then(|| {
        Finding::new(
            Severity::Warning,
            vec![field("errorstat_MOVED", moved as u64), field("total_commands_processed", total as u64)],
            format!(
                "{:.1} % of the commands went to the wrong node and cost two round trips.",
                100.0 * moved / total
            ),
            "clients that keep a map of the slots, and renew it on MOVED",
        )
    })
}

fn migrate(facts: &Facts) -> Option<Finding> {
    let text = facts.info.as_ref()?.text("cmdstat_migrate")?;
    let (calls, mean) = (part(text, "calls")?, part(text, "usec_per_call")?);
    (mean >= 10_000.0).then(|| {
        Finding::new(
            Severity::Warning,
            vec![field("cmdstat_migrate", format!("calls={}, usec_per_call={mean:.0}", calls as u64))],
            format!("Each MIGRATE blocks this node for {} and its target for a part of it.", ms(mean / 1000.0)),
            "fewer keys a batch (redis-cli --cluster-pipeline 1), smaller values, pauses between slots, or atomic \
             migration (Valkey 9, Redis 8.4)",
        )
    })
}

fn barrier(facts: &Facts) -> Option<Finding> {
    let value = facts.settings.text("cluster-migration-barrier").filter(|value| value != "1")?;
    facts.settings.is_given("cluster-migration-barrier").then(|| {
        Finding::new(
            Severity::Note,
            vec![field("cluster-migration-barrier", value)],
            "It says how many replicas a primary must keep before one may go to a primary without any. It has nothing to \
             do with keys or slots that migrate, and redis-cli has no such option."
                .to_owned(),
            "what limits the blocking of a rebalance: --cluster-pipeline, smaller values, pauses between slots, atomic migration",
        )
    })
}
