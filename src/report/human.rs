//! What `run` prints for people: the answer first, then the numbers behind it, within 100 columns.

use anstyle::{AnsiColor, Style};

use super::intervals::{self, Intervals};
use super::quantiles::Quantiles;
use super::sparkline::{bar, sparkline};
use super::wrap::{paint, wrap};
use super::{About, busy_share, per_s};
use super::{stall_letters, window_rows, words};
use crate::cause::Cause;
use crate::observe::histogram::Histogram;
use crate::observe::result::{EventRow, RunResult, Scope};
use crate::units::{Nanos, format_count, format_span};

/// Columns of the whole output.
pub(crate) const WIDTH: usize = 100;
/// Columns of a row's name.
const LABEL: usize = 16;
/// Cells of the longest bar.
const BAR: usize = 24;
/// Cells of the sparkline.
pub(crate) const SPARK: usize = 72;
/// Most rows of stalls, of groups, of causes and of notes.
const ROWS_MAX: usize = 5;
/// Share of the requests that may be without an answer at the end of any run.
const UNDER_WAY: f64 = 0.001;
/// Causes below this share of the busy time are left out.
const SHARE_SHOWN: f64 = 0.002;

pub(crate) const TITLE: Style = Style::new().bold();
pub(crate) const HEADING: Style = AnsiColor::Cyan.on_default().bold();
const ANSWER: Style = Style::new().bold();
pub(crate) const FAINT: Style = Style::new().dimmed();
pub(crate) const BARS: Style = AnsiColor::Cyan.on_default();
pub(crate) const WRONG: Style = AnsiColor::Red.on_default().bold();

/// The whole output, with colours as ANSI sequences.
pub fn render(result: &RunResult, about: &About) -> String {
    let mut out = Output::default();
    title(&mut out, result, about);
    out.wrapped(&words::answer(result, about).join(" "));
    throughput(&mut out, result);
    sojourns(&mut out, result);
    windows(&mut out, result);
    over_time(&mut out, result);
    stalls(&mut out, result);
    busy(&mut out, result);
    out.text.push_str(&result.blame.as_ref().map_or_else(String::new, super::blame::human));
    per_command(&mut out, result);
    hot_key(&mut out, result);
    expiry(&mut out, result);
    loss(&mut out, result);
    super::cluster::lines(result).iter().for_each(|line| out.line(line));
    super::replicas::lines(result).iter().for_each(|line| out.line(line));
    patterns(&mut out, result);
    notes(&mut out, about);
    out.text
}

/// Only the answer in words.
pub fn answer(result: &RunResult, about: &About) -> String {
    words::answer(result, about).join(" ") + "\n"
}

/// Lines of text so far.
#[derive(Default)]
struct Output {
    text: String,
}

impl Output {
    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    /// A section's heading after an empty line: `name`, then columns in its style.
    fn heading(&mut self, name: &str, columns: &str) {
        self.line("");
        let gap = if columns.is_empty() { 0 } else { LABEL.saturating_sub(name.len()) };
        self.line(&format!("{}{:gap$}{columns}", paint(HEADING, name), ""));
    }

    fn row(&mut self, name: &str, rest: &str) {
        self.line(&format!("  {name:<width$}{rest}", width = LABEL - 2));
    }

    /// The sentences of the answer, broken between words and indented.
    fn wrapped(&mut self, sentences: &str) {
        for line in wrap(sentences, WIDTH - 2) {
            self.line(&format!("  {}", paint(ANSWER, &line)));
        }
    }
}

fn title(out: &mut Output, result: &RunResult, about: &About) {
    let flavour = if result.version.to_string().starts_with("valkey") { "" } else { "redis " };
    let facts = format!(
        "{flavour}{}, {}, {} loop, {} simulated, seed {}",
        result.version,
        result.model,
        about.loop_kind.name(),
        format_span(result.duration),
        result.seed
    );
    out.line(&format!("{}  {}", paint(TITLE, &result.scenario), paint(FAINT, &facts)));
    out.line("");
}

fn patterns(out: &mut Output, result: &RunResult) {
    if result.patterns.is_empty() {
        return;
    }
    out.heading("Patterns", "");
    for pattern in result.patterns.iter().take(ROWS_MAX) {
        out.wrapped(&super::patterns::verdict(pattern).join(" "));
    }
}

fn throughput(out: &mut Output, result: &RunResult) {
    let rate = format_count(per_s(result.completed, result));
    let requests = format_count(result.completed as f64);
    let busy = 100.0 * busy_share(result);
    out.heading("Throughput", &format!("{rate}/s, {requests} requests answered, server busy {busy:.1} %"));
    // A few are always under way at the end.
    let unanswered = result.requests.saturating_sub(result.completed);
    let unanswered = if unanswered as f64 > UNDER_WAY * result.requests as f64 { unanswered } else { 0 };
    let errors = [
        ("OOM", result.errors.oom),
        ("MISCONF", result.errors.misconf),
        ("NOREPLICAS", result.errors.noreplicas),
        ("connection lost", result.errors.connection_lost),
        ("not answered by the end", unanswered),
    ];
    let shown: Vec<String> = errors
        .iter()
        .filter(|error| error.1 > 0)
        .map(|(name, count)| format!("{} {name}", format_count(*count as f64)))
        .collect();
    if !shown.is_empty() {
        out.row("errors", &paint(WRONG, &shown.join(", ")));
    }
}

fn sojourns(out: &mut Output, result: &RunResult) {
    let names = ["mean", "P50", "P90", "P99", "P99.9", "P99.99", "max"];
    out.heading("Sojourn", &names.map(|name| format!("{name:>11}")).concat());
    for scope in result.scopes.iter().filter(|scope| is_shown(result, scope)).take(ROWS_MAX) {
        let name = if scope.name == "all" { "all requests" } else { &scope.name };
        out.row(name, &quantile_cells(&scope.sojourn).concat());
        if let Some(intervals) = Intervals::of(result, scope).filter(|_| scope.name == "all") {
            let (sure, reasons) = intervals::lines(&intervals);
            if !sure.is_empty() {
                out.row("95 % sure", &sure);
            }
            reasons.iter().for_each(|reason| out.row("", &paint(FAINT, reason)));
        }
    }
    let mut closed = quantile_cells(&result.closed_loop_view);
    for hidden in [0, 1, 2, 5] {
        closed[hidden] = " ".repeat(11);
    }
    if result.closed_loop_view.count() > 0 {
        out.row("closed loop", &closed.concat());
        let gloss = "closed loop: what a benchmark that waits for each reply would have shown";
        out.line(&format!("  {}", paint(FAINT, gloss)));
    }
}

/// A scope is shown unless it repeats all requests.
fn is_shown(result: &RunResult, scope: &Scope) -> bool {
    scope.name == "all" || (scope.sojourn.count() > 0 && scope.sojourn.count() < result.completed)
}

fn quantile_cells(histogram: &Histogram) -> [String; 7] {
    Quantiles::of(histogram).columns().map(|value| match value {
        Some(value) => format!("{:>11}", format_span(value)),
        None => format!("{:>11}", "-"),
    })
}

fn windows(out: &mut Output, result: &RunResult) {
    let Some(all) = result.scopes.iter().find(|scope| scope.name == "all" && !scope.windows.is_empty())
    else {
        return;
    };
    out.heading("Windows", &window_rows::heads());
    for window in all.windows.iter().filter(|window| window.count > 0).take(ROWS_MAX) {
        out.row(&format!("of {}", words::plain_span(window.window)), &window_rows::cells(window));
    }
}

fn over_time(out: &mut Output, result: &RunResult) {
    let p99: Vec<Option<Nanos>> =
        result.timeline.iter().map(|row| row.sojourn.map(|sojourn| sojourn[2])).collect();
    let (Some(low), Some(high)) = (p99.iter().flatten().min(), p99.iter().flatten().max()) else { return };
    let range = format!("{} to {} by interval", format_span(*low), format_span(*high));
    out.heading("P99 over time", &paint(FAINT, &range));
    out.line(&format!("  {}", paint(BARS, &sparkline(&p99, SPARK))));
    if let Some((letters, legend)) = stall_letters::lines(result, SPARK) {
        out.line(&format!("  {letters}"));
        out.line(&format!("  {}", paint(FAINT, &legend)));
    }
}

fn stalls(out: &mut Output, result: &RunResult) {
    if result.stalls.is_empty() {
        return;
    }
    out.heading("Longest stalls", "");
    let mut kinds: Vec<(&EventRow, Vec<&EventRow>)> = Vec::new();
    for stall in &result.stalls {
        match kinds.iter_mut().find(|(kind, _)| kind.cause == stall.cause && kind.detail == stall.detail) {
            Some((_, alike)) => alike.push(stall),
            None => kinds.push((stall, vec![stall])),
        }
    }
    for (longest, alike) in kinds.iter().take(ROWS_MAX) {
        let shortest = alike.iter().map(|stall| stall.span).min().unwrap_or(longest.span);
        let (low, high) = (format_span(shortest), format_span(longest.span));
        let spans = if low == high { high } else { format!("{low} to {high}") };
        let number = if alike.len() > 1 { format!("{} x ", alike.len()) } else { String::new() };
        let at = format!("at {}", format_span(longest.at));
        let name = format!("{number}{spans}");
        let detail = if longest.detail.is_empty() { String::new() } else { format!("  {}", longest.detail) };
        out.line(
            &format!("  {name:<26}{:<26}{at}{detail}", longest.cause).chars().take(WIDTH).collect::<String>(),
        );
    }
    if kinds.len() > ROWS_MAX {
        out.line(&paint(FAINT, &format!("  and {} more kinds in events.csv", kinds.len() - ROWS_MAX)));
    }
}

fn busy(out: &mut Output, result: &RunResult) {
    if result.busy_total == 0 {
        return;
    }
    out.heading("Busy with", "");
    let mut causes = Cause::ALL;
    causes.sort_by_key(|&cause| std::cmp::Reverse(result.busy[cause as usize]));
    let of_busy = |cause: Cause| result.busy[cause as usize] as f64 / result.busy_total as f64;
    for cause in causes.into_iter().filter(|&cause| of_busy(cause) >= SHARE_SHOWN).take(ROWS_MAX + 1) {
        let bar = format!("{:<BAR$}", bar(of_busy(cause) / of_busy(causes[0]), BAR));
        let share = 100.0 * of_busy(cause) * busy_share(result);
        out.line(&format!("  {:<24}{} {share:6.2} %", cause.name(), paint(BARS, &bar)));
    }
}

/// What a command of each group takes of the server, where groups do different things.
fn per_command(out: &mut Output, result: &RunResult) {
    let operation = |name: &str| result.scopes.iter().find(|s| s.name == name).map(|s| s.operation.as_str());
    let mut operations: Vec<_> = result.spent.iter().map(|(name, _)| operation(name)).collect();
    operations.sort_unstable();
    operations.dedup();
    if operations.len() < 2 {
        return;
    }
    out.heading(
        "Per command",
        &["AOF bytes", "COW faults", "CPU time"].map(|name| format!("{name:>13}")).concat(),
    );
    for (name, spent) in result.spent.iter().take(ROWS_MAX) {
        let cells = [
            spent.aof_bytes_per_command().map(|bytes| format!("{bytes:.1}")),
            spent.cow_faults_per_command().map(|faults| format!("{faults:.4}")),
            spent.cpu_per_command().map(|cpu| format_span(cpu.round() as Nanos)),
        ];
        let cells = cells.map(|cell| format!("{:>13}", cell.unwrap_or_else(|| "-".into()))).concat();
        out.row(name, &cells);
    }
}

fn hot_key(out: &mut Output, result: &RunResult) {
    let Some(used) = &result.hot_key else { return };
    out.heading("Hot key", &format!("{} of group {}", used.operation, used.group));
    for (name, text) in super::hot_key::lines(used) {
        out.row(name, &text);
    }
}

fn expiry(out: &mut Output, result: &RunResult) {
    let lines = result.expiry.as_ref().map(super::expiry::lines).unwrap_or_default();
    if !lines.is_empty() {
        out.heading("Expiry", "");
    }
    for (name, text) in lines {
        out.row(name, &text);
    }
}

fn loss(out: &mut Output, result: &RunResult) {
    let loss = &result.loss;
    if loss.samples == 0 {
        return;
    }
    let names = ["mean", "P99", "max", "oldest"];
    out.heading("Lost in a crash", &names.map(|name| format!("{name:>13}")).concat());
    let count = |count: f64| format!("{:>13}", format_count(count));
    let process = [
        count(loss.process_death_writes_mean),
        format!("{:>13}", ""),
        count(loss.process_death_writes_max as f64),
        format!("{:>13}", ""),
    ];
    out.row("process dies", &(process.concat() + "  writes"));
    let machine = [
        count(loss.machine_death_writes_mean),
        count(loss.machine_death_writes_p99 as f64),
        count(loss.machine_death_writes_max as f64),
        format!("{:>13}", format!("{:.2} s", loss.machine_death_seconds_max)),
    ];
    out.row("machine dies", &(machine.concat() + "  writes"));
}

fn notes(out: &mut Output, about: &About) {
    if about.notes.is_empty() {
        return;
    }
    out.heading("Notes", "");
    for note in about.notes.iter().take(ROWS_MAX / 2) {
        let cut = note.char_indices().nth(WIDTH - 2).is_some();
        let shown: String = note.chars().take(if cut { WIDTH - 4 } else { WIDTH - 2 }).collect();
        out.line(&format!("  {shown}{}", if cut { " …" } else { "" }));
    }
    if about.notes.len() > ROWS_MAX / 2 {
        let more = about.notes.len() - ROWS_MAX / 2;
        out.line(&paint(FAINT, &format!("  and {more} more; writepath show --resolved lists them")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::result::{Loss, TimelineRow};
    use crate::report::fixture;
    use crate::units::{MILLISECOND, SECOND};

    fn plain(result: &RunResult, about: &About) -> String {
        anstream::adapter::strip_str(&render(result, about)).to_string()
    }

    /// A result with every section, some of them full.
    fn full() -> RunResult {
        let mut result = fixture::forks();
        for (index, cause) in Cause::ALL.iter().enumerate() {
            fixture::busy(&mut result, *cause, SECOND * (index as u64 + 1));
        }
        for (index, stall) in result.stalls.iter_mut().enumerate().skip(2) {
            stall.span -= index as u64 * 10 * MILLISECOND;
            stall.detail = format!("BGSAVE number {index} {}", "x".repeat(80));
        }
        for index in 0..300 {
            let sojourn = Some([100, 200, 1000 * (index % 50 + 1), 400, 500]);
            result.timeline.push(TimelineRow { at: SECOND * index, sojourn, ..TimelineRow::default() });
        }
        result.loss = Loss { samples: 1000, machine_death_writes_max: 9000, ..Loss::default() };
        (result.errors.oom, result.errors.misconf) = (12, 10_000_000);
        result
    }

    #[test]
    fn the_output_fits_a_screen() {
        let about = About { notes: vec!["x".repeat(200); 9], ..fixture::about() };
        let text = plain(&full(), &about);
        println!("{text}");
        assert!(text.lines().count() <= 45, "{}", text.lines().count());
        for line in text.lines() {
            assert!(line.chars().count() <= WIDTH && line.trim_end() == line, "{line:?}");
        }
    }

    #[test]
    fn the_answer_comes_first() {
        let text = plain(&fixture::forks(), &fixture::about());
        println!("{}", render(&fixture::forks(), &fixture::about()));
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("article  redis 7.2, two-core-vm, open loop, 6 h simulated, seed 1"));
        assert!(lines.nth(1).unwrap().starts_with("  P99 of the whole run, 120 us, is untouched"));
        assert!(text.contains("10 x 225 ms               fork"), "{text}");
    }

    #[test]
    fn sections_without_content_are_left_out() {
        let text = plain(&fixture::nothing(), &fixture::about());
        for heading in ["Longest stalls", "Busy with", "Lost in a crash", "Notes", "P99 over time"] {
            assert!(!text.contains(heading), "{text}");
        }
        assert!(text.contains("No request was answered"));
    }
}
