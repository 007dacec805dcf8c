//! What people read about a cluster: what moving slots did, and what the article says of it beside that.

use anstyle::{AnsiColor, Style};

use super::cluster_tables::state;
use super::per_s;
use crate::observe::cluster::{ClusterResult, MigrationResult};
use crate::observe::histogram::Histogram;
use crate::observe::result::RunResult;
use crate::units::{format_bytes, format_count, format_span};

/// Columns of a row's name.
const LABEL: usize = 14;
/// Most rows of migrations, of nodes and of failovers.
const ROWS_MAX: usize = 5;
const HEADING: Style = AnsiColor::Cyan.on_default().bold();
const WRONG: Style = AnsiColor::Red.on_default().bold();
const FAINT: Style = Style::new().dimmed();

/// The section, line by line; empty without a cluster.
pub fn lines(result: &RunResult) -> Vec<String> {
    let Some(cluster) = &result.cluster else { return Vec::new() };
    let mut lines = vec![String::new(), heading("Cluster", &summary(cluster))];
    redirects(cluster, result, &mut lines);
    latencies(cluster, &mut lines);
    migrations(cluster, &mut lines);
    lines.extend(claim(cluster));
    nodes(cluster, &mut lines);
    troubles(cluster, &mut lines);
    lines
}

fn heading(name: &str, columns: &str) -> String {
    format!("{HEADING}{name:<width$}{HEADING:#}{columns}", width = LABEL + 2)
}

fn row(name: &str, rest: &str) -> String {
    format!("  {name:<LABEL$}{rest}")
}

fn summary(cluster: &ClusterResult) -> String {
    let view = &cluster.view;
    let state = if view.ok { "ok" } else { "down" };
    format!(
        "{} primaries, {} of them with slots, {state} at the end; {} refreshes of slot maps",
        cluster.nodes.len(),
        view.size,
        format_count(cluster.map_refreshes as f64)
    )
}

/// A row per kind of redirect or error there was.
fn redirects(cluster: &ClusterResult, result: &RunResult, lines: &mut Vec<String>) {
    let requests = result.requests.max(1) as f64;
    for (name, count) in [
        ("MOVED", cluster.moved),
        ("ASK", cluster.ask),
        ("TRYAGAIN", cluster.tryagain),
        ("CLUSTERDOWN", cluster.clusterdown),
        ("CROSSSLOT", cluster.crossslot),
    ] {
        if count > 0 {
            let (total, rate) = (format_count(count as f64), rate(per_s(count, result)));
            let share = percent(count as f64 / requests);
            lines.push(row(name, &format!("{total} replies, {rate}/s, {share} of the requests")));
        }
    }
}

/// A rate that may be far below one a second.
fn rate(per_s: f64) -> String {
    if per_s < 10.0 { format!("{per_s:.3}") } else { format_count(per_s) }
}

/// A share with the digits that small ones need.
fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    match percent {
        p if p >= 1.0 => format!("{p:.1} %"),
        p if p >= 0.001 => format!("{p:.3} %"),
        0.0 => "0 %".into(),
        p => format!("{p:.1e} %"),
    }
}

/// Quantiles of direct and redirected requests, and of those before, during and after migrations.
fn latencies(cluster: &ClusterResult, lines: &mut Vec<String>) {
    let columns = ["requests", "P50", "P99", "P99.9", "max"].map(|name| format!("{name:>11}")).concat();
    lines.push(heading("  sojourn", &columns));
    let moved = !cluster.migrations.is_empty();
    for (name, histogram, shown) in [
        ("direct", &cluster.direct, true),
        ("redirected", &cluster.redirected, true),
        ("before moves", &cluster.before, moved),
        ("during", &cluster.during, moved),
        ("after", &cluster.after, moved),
    ] {
        if shown && histogram.count() > 0 {
            lines.push(row(name, &quantiles(histogram)));
        }
    }
}

fn quantiles(histogram: &Histogram) -> String {
    let cells = [
        format_count(histogram.count() as f64),
        format_span(histogram.quantile(0.5)),
        format_span(histogram.quantile(0.99)),
        format_span(histogram.quantile(0.999)),
        format_span(histogram.max()),
    ];
    cells.map(|cell| format!("{cell:>11}")).concat()
}

fn migrations(cluster: &ClusterResult, lines: &mut Vec<String>) {
    for migration in cluster.migrations.iter().take(ROWS_MAX) {
        lines.push(row(migration.action, &moved(migration)));
        if migration.paused_ns > 0 {
            let paused = format_span(migration.paused_ns);
            lines.push(row("", &format!("writes of sources paused for {paused} in all")));
        }
        if migration.longest_block > 0 {
            let (span, node) = (format_span(migration.longest_block), &migration.longest_block_node);
            let text = format!("longest block {span} ({} on {node})", migration.longest_block_cause);
            lines.push(row("", &text));
        }
        if let Some(reason) = &migration.failed {
            let open = migration.open_slots_left;
            let text: String = reason.chars().take(60).collect();
            lines.push(format!("  {WRONG}failed: {text}; {open} slots left open{WRONG:#}"));
        }
    }
    more(cluster.migrations.len(), "migrations.csv", lines);
}

fn moved(migration: &MigrationResult) -> String {
    let batches = match migration.batches {
        0 => String::new(),
        _ => format!(", {} round trips", format_count(migration.round_trips as f64)),
    };
    format!(
        "{} at {}: {} slots, {} keys, {} in {}{batches}, {}",
        migration.kind,
        format_span(migration.start),
        migration.slots,
        format_count(migration.keys as f64),
        format_bytes(migration.bytes),
        format_span(migration.duration),
        state(migration)
    )
}

/// What the article says moving slots does to P99, beside what it did here.
fn claim(cluster: &ClusterResult) -> Vec<String> {
    let (Some(ratio), Some(share)) = (cluster.p99_ratio(), cluster.open_slot_share()) else {
        return Vec::new();
    };
    let verdict = match ratio {
        r if r < 1.1 => "P99 did not move",
        r if r < 2.0 => "less than it says",
        r if r <= 4.0 => "as it says",
        _ => "more than it says",
    };
    let (share, most) = (percent(share), cluster.open_slots_max);
    vec![
        row("the article", "P99 rises 2 to 4 times, by the share of the keys in migrating slots"),
        row("here", &format!("{ratio:.2} times ({verdict}); {share} of the requests met an open slot,")),
        row("", &format!("of which there were {most} at most")),
    ]
}

fn nodes(cluster: &ClusterResult, lines: &mut Vec<String>) {
    let names = ["slots", "keys", "requests", "busy", "longest block"];
    let columns = names.map(|name| format!("{name:>15}")).concat();
    lines.push(heading("  node", &columns));
    for node in cluster.nodes.iter().take(ROWS_MAX) {
        let slots = match node.slots_at_start == node.slots_at_end {
            true => node.slots_at_end.to_string(),
            false => format!("{} → {}", node.slots_at_start, node.slots_at_end),
        };
        let cells = [
            slots,
            format_count(node.keys as f64),
            format_count(node.requests as f64),
            format!("{:.1} %", 100.0 * node.busy_share),
            format_span(node.longest_block),
        ];
        let name: String = node.name.chars().take(LABEL - 1).collect();
        lines.push(row(&name, &cells.map(|cell| format!("{cell:>15}")).concat()));
    }
    more(cluster.nodes.len(), "nodes.csv", lines);
}

fn more(number: usize, file: &str, lines: &mut Vec<String>) {
    if number > ROWS_MAX {
        lines.push(format!("  {FAINT}and {} more in {file}{FAINT:#}", number - ROWS_MAX));
    }
}

/// What went wrong, a line each.
fn troubles(cluster: &ClusterResult, lines: &mut Vec<String>) {
    let mut wrong = |text: String| lines.push(format!("  {WRONG}{text}{WRONG:#}"));
    for failover in cluster.failovers.iter().take(ROWS_MAX) {
        wrong(format!(
            "{} failed over at {}: detected after {}, unavailable for {}, {} acknowledged writes lost",
            failover.node,
            format_span(failover.at),
            format_span(failover.detected_after),
            format_span(failover.unavailable),
            format_count(failover.lost as f64)
        ));
    }
    if cluster.down > 0 {
        wrong(format!("the cluster was down for {}", format_span(cluster.down)));
    }
    let failed = &cluster.failed;
    let kinds: Vec<String> = [
        ("too many redirects", failed.redirect_limit),
        ("unknown ASK", failed.ask),
        ("TRYAGAIN", failed.tryagain),
        ("CLUSTERDOWN", failed.clusterdown),
        ("CROSSSLOT", failed.crossslot),
    ]
    .into_iter()
    .filter(|(_, count)| *count > 0)
    .map(|(name, count)| format!("{name} {}", format_count(count as f64)))
    .collect();
    if !kinds.is_empty() {
        wrong(format!("requests that failed: {}", kinds.join(", ")));
    }
    if cluster.redirect_loops > 0 {
        let loops = format_count(cluster.redirect_loops as f64);
        wrong(format!("{loops} requests went back and forth between two nodes until the client gave up"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::cluster::NodeFailover;
    use crate::report::fixture;
    use crate::units::SECOND;

    fn text(result: &RunResult) -> String {
        anstream::adapter::strip_str(&lines(result).join("\n")).to_string()
    }

    #[test]
    fn the_section_says_what_moving_slots_did() {
        let text = text(&fixture::cluster());
        println!("{text}");
        for part in [
            "4 primaries, 4 of them with slots, ok at the end; 16 refreshes",
            "MOVED         400 replies, 0.019/s, 3.7e-4 % of the requests",
            "rebalance     legacy at 1 h: 4096 slots, 1.00 M keys, 143 MiB in 2 min, 213 k round trips, done",
            "longest block 7.00 ms (migrate on node-1)",
            "failed: IOERR error or timeout; 1 slots left open",
            "the article   P99 rises 2 to 4 times",
            "here          1.50 times (less than it says); 0.006 % of the requests met an open slot,",
            "5461 → 4095",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    }

    #[test]
    fn what_went_wrong_is_named() {
        let mut result = fixture::cluster();
        let cluster = result.cluster.as_mut().expect("a cluster");
        cluster.failed.redirect_limit = 12;
        cluster.redirect_loops = 12;
        cluster.down = 2 * SECOND;
        cluster.failovers = vec![NodeFailover {
            node: "node-1".into(),
            at: 60 * SECOND,
            detected_after: 16 * SECOND,
            unavailable: 17 * SECOND,
            lost: 900,
        }];
        let text = text(&result);
        for part in [
            "node-1 failed over at 60.0 s: detected after 16.0 s",
            "the cluster was down for 2.00 s",
            "requests that failed: too many redirects 12",
            "12 requests went back and forth",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
    }

    #[test]
    fn a_single_server_has_no_such_section() {
        assert!(lines(&fixture::forks()).is_empty());
    }
}
