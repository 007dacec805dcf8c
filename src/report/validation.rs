//! What `validate` prints and writes, and the table of several servers.

use anstyle::{AnsiColor, Style};

use super::csv::table;
use super::wrap::{paint, wrap};
use crate::units::format_span;
use crate::validate::outcome::{Row, Tally, Validation};
use crate::validate::trust::{Cell, lines, misses, show};
use crate::validate::verdict::{Spread, Verdict};

const TITLE: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
/// Columns of the text.
const WIDTH: usize = 100;
/// Misses that are named under a table.
const NAMED: usize = 3;
const GLOSS: &str = "Measured: median (lowest to highest of the repeats). Simulated: mean (95 % interval). Not \
                     distinguishable: the noise of the machine, the range of the repeats or the interval is wider than \
                     the tolerance, and the difference is smaller than that; it is no pass.";

/// Columns of `validation.csv` and what they hold.
pub const VALIDATION_COLUMNS: &[(&str, &str)] = &[
    ("workload", "name of the case"),
    ("mechanism", "what the case is about"),
    ("metric", "name of the figure"),
    ("unit", "ns, 1/s, share or count: of all values of the row"),
    ("measured", "median of the repeats on the server"),
    ("measured_low", "lowest"),
    ("measured_high", "highest"),
    ("simulated", "mean of the simulated runs"),
    ("simulated_low", "lower end of its 95 % interval"),
    ("simulated_high", "upper end"),
    ("ratio", "simulated over measured"),
    ("tolerance", "how far they may be apart"),
    ("tolerance_kind", "relative, factor or standard errors"),
    ("noise", "smaller differences mean nothing here"),
    ("verdict", "pass, miss, not distinguishable or skipped"),
    ("repeats", "runs on the server"),
    ("noisy", "of those, in a noisy spell"),
    ("reason", "why there is no verdict"),
    ("server", "the server as it names itself"),
    ("model", "whose prices were used"),
    ("date", "day of the measurement"),
];

/// One JSON object.
pub fn json(validation: &Validation) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(validation).expect("plain values are always JSON");
    bytes.push(b'\n');
    bytes
}

/// `validation.csv`: a row a figure of each case.
pub fn csv(validation: &Validation) -> Vec<u8> {
    let header = VALIDATION_COLUMNS.iter().map(|column| column.0.to_owned()).collect();
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    let spread = |spread: Option<Spread>| {
        [spread.map(|s| s.value), spread.map(|s| s.low), spread.map(|s| s.high)].map(number)
    };
    let head = &validation.head;
    table(
        header,
        validation.rows.iter().map(|row| {
            let names = [&row.workload, &row.mechanism, &row.metric, &row.unit];
            let mut cells: Vec<String> = names.into_iter().cloned().collect();
            cells.extend(spread(row.measured));
            cells.extend(spread(row.simulated));
            cells.extend([number(row.ratio), row.tolerance.to_string(), row.tolerance_kind.clone()]);
            cells.extend([number(row.noise), row.verdict.name().to_owned()]);
            cells.extend([row.repeats.to_string(), row.noisy.to_string()]);
            cells.push(row.reason.clone().unwrap_or_default());
            cells.extend([&head.server, &head.model, &head.date].into_iter().cloned());
            cells
        }),
    )
}

/// The answer in a sentence.
pub fn answer(validation: &Validation) -> String {
    let tally = validation.verdicts;
    let judged = tally.pass + tally.miss;
    let within = match tally.miss {
        0 if judged == 0 => "Nothing could be judged.".to_owned(),
        0 => format!("All {judged} figures that could be judged are within tolerance."),
        _ => format!("{} of {judged} figures that could be judged are within tolerance.", tally.pass),
    };
    let mut rest = Vec::new();
    if tally.not_distinguishable > 0 {
        rest.push(format!("{} cannot be told from the machine's noise", tally.not_distinguishable));
    }
    if tally.skipped > 0 {
        rest.push(format!("{} are skipped", tally.skipped));
    }
    match rest.is_empty() {
        true => within,
        false => format!("{within} {}.", rest.join("; ")),
    }
}

/// Which server, with whose prices, on what machine.
fn facts(validation: &Validation) -> Vec<String> {
    let head = &validation.head;
    let set = if head.quick { "quick set, " } else { "" };
    let doubled = if head.doubled { "; prices of another machine, tolerances doubled" } else { "" };
    vec![
        format!(
            "{set}{} repeats on the server, {} simulated runs, {}{doubled}",
            head.repeats, head.seeds, head.date
        ),
        format!(
            "machine: {}; noise {:.1} % of the time, longest gap {}",
            head.machine,
            100.0 * head.noise_share,
            format_span(head.noise_ns_max)
        ),
    ]
}

/// All of it for people, with colours as ANSI sequences.
pub fn human(validation: &Validation) -> String {
    let head = &validation.head;
    let mut text = vec![paint(TITLE, &format!("{} beside the simulator with {}", head.server, head.model))];
    text.extend(facts(validation).iter().flat_map(|line| wrap(line, WIDTH)).map(|line| paint(FAINT, &line)));
    text.push(String::new());
    text.extend(wrap(&answer(validation), WIDTH).iter().map(|line| paint(TITLE, line)));
    text.extend(validation.rows.chunk_by(|a, b| a.workload == b.workload).flat_map(workload));
    let largest = misses(validation);
    if !largest.is_empty() {
        text.push(String::new());
        text.push(paint(TITLE, "Largest misses"));
        text.extend(largest.iter().take(NAMED).map(|row| format!("  {}", miss(row))));
    }
    text.push(String::new());
    text.extend(wrap(GLOSS, WIDTH).iter().map(|line| paint(FAINT, line)));
    text.join("\n") + "\n"
}

/// The lines of one workload; one alone if nothing of it could be compared for the same reason.
fn workload(rows: &[Row]) -> Vec<String> {
    let name = rows.first().map_or("", |row| &row.workload);
    let same = |row: &Row| row.verdict == Verdict::Skipped && row.reason == rows[0].reason;
    if rows.len() > 1 && rows.iter().all(same) {
        let reason = rows[0].reason.as_deref().unwrap_or("not compared");
        return vec![
            String::new(),
            format!("{} {}", paint(TITLE, name), paint(FAINT, &format!("skipped: {reason}"))),
        ];
    }
    let head = columns(name, ["measured", "", "simulated", "", "ratio", "within"], "");
    [String::new(), paint(TITLE, &head)].into_iter().chain(rows.iter().map(line)).collect()
}

fn columns(name: &str, [a, a_range, b, b_range, ratio, within]: [&str; 6], verdict: &str) -> String {
    let cells =
        format!("{name:<17}{a:>9} {a_range:<24}{b:>9} {b_range:<24}{ratio:>6} {within:>7}  {verdict}");
    cells.trim_end().to_owned()
}

fn line(row: &Row) -> String {
    let name = format!("  {}", row.metric);
    let (Some(measured), Some(simulated)) = (row.measured, row.simulated) else {
        let reason = row.reason.as_deref().unwrap_or("not compared");
        return format!("{name:<17}{:>9} {}", "", paint(FAINT, &format!("skipped: {reason}")));
    };
    let range = |spread: Spread| {
        let is_one = show(row, spread.low) == show(row, spread.high);
        if is_one {
            String::new()
        } else {
            format!("({} to {})", show(row, spread.low), show(row, spread.high))
        }
    };
    let verdict = match row.noisy {
        0 => paint(style(row.verdict), row.verdict.name()),
        _ => format!("{}, noisy", paint(style(row.verdict), row.verdict.name())),
    };
    columns(
        &name,
        [
            &show(row, measured.value),
            &range(measured),
            &show(row, simulated.value),
            &range(simulated),
            &row.ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}")),
            &row.allowed().map_or_else(String::new, |allowed| allowed.show()),
        ],
        &verdict,
    )
}

fn style(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Pass => GOOD,
        Verdict::Miss => BAD,
        Verdict::NotDistinguishable | Verdict::Skipped => FAINT,
    }
}

/// `fork-1-gib child: 1.20 s measured, 0.80 s simulated (x0.67)`.
fn miss(row: &Row) -> String {
    let value =
        |spread: Option<Spread>| spread.map_or_else(|| "-".to_owned(), |spread| show(row, spread.value));
    let ratio = row.ratio.map_or_else(String::new, |ratio| format!(" (x{ratio:.2})"));
    let (measured, simulated) = (value(row.measured), value(row.simulated));
    format!("{} {}: {measured} measured, {simulated} simulated{ratio}", row.workload, row.metric)
}

/// The table of several servers as Markdown: a line a figure of each mechanism, a column a server.
pub fn markdown(validations: &[Validation]) -> String {
    let mut text = Vec::new();
    let servers = validations.iter().map(|validation| validation.head.server.as_str());
    text.push(format!("| mechanism | figure | within | {} |", servers.collect::<Vec<_>>().join(" | ")));
    text.push(format!("|---|---|---:|{}", "---:|".repeat(validations.len())));
    for line in lines(validations) {
        let cells: Vec<String> = line.cells.iter().map(markdown_cell).collect();
        let within = line.allowed.map_or_else(String::new, |allowed| allowed.show());
        text.push(format!("| {} | {} | {within} | {} |", line.mechanism, line.metric, cells.join(" | ")));
    }
    let share = |tally: Tally| match tally.share() {
        Some(share) => format!("{:.0} % ({} of {})", 100.0 * share, tally.pass, tally.pass + tally.miss),
        None => "-".to_owned(),
    };
    let shares: Vec<String> = validations.iter().map(|validation| share(validation.verdicts)).collect();
    text.push(format!("| all | within tolerance | | {} |", shares.join(" | ")));
    text.push(String::new());
    text.push(
        "Cells: simulated over measured, from the lowest to the highest of the workloads; how many of those that could \
         be judged are within tolerance; `~` that many cannot be told from the machine's noise."
            .to_owned(),
    );
    for validation in validations {
        text.push(String::new());
        text.extend(markdown_head(validation));
    }
    text.join("\n") + "\n"
}

fn markdown_cell(cell: &Cell) -> String {
    let judged = cell.tally.pass + cell.tally.miss;
    let unclear = cell.tally.not_distinguishable;
    let ratios = match cell.ratios {
        Some((low, high)) if format!("{low:.2}") == format!("{high:.2}") => format!("{low:.2}"),
        Some((low, high)) => format!("{low:.2} to {high:.2}"),
        None if judged + unclear > 0 => "0 on both sides".to_owned(),
        None => return if cell.tally.skipped > 0 { "skipped".to_owned() } else { String::new() },
    };
    let verdicts = [
        (judged > 0).then(|| format!("{}/{judged}", cell.tally.pass)),
        (unclear > 0).then(|| format!("~{unclear}")),
    ];
    format!("{ratios}; {}", verdicts.into_iter().flatten().collect::<Vec<_>>().join(", "))
}

fn markdown_head(validation: &Validation) -> Vec<String> {
    let head = &validation.head;
    let mut text = vec![format!("**{}**, {}: `{}`", head.server, head.date, head.command)];
    text.extend(facts(validation).into_iter().skip(1).map(|line| format!("({line}).")));
    let largest = misses(validation);
    if !largest.is_empty() {
        text.push("Largest misses:".to_owned());
        text.push(String::new());
        text.extend(largest.iter().take(NAMED).map(|row| format!("- {}", miss(row))));
    }
    text
}

#[cfg(test)]
mod tests;
