//! What `writepath check` says: text, JSON, CSV.

use anstyle::{AnsiColor, Style};

use super::human::{FAINT, TITLE, WRONG};
use super::wrap::{paint, wrap};
use crate::check::finding::{Finding, Severity};
use crate::check::report::{Report, headline};
use crate::check::rules::Rule;
use crate::units::{format_count, format_span};

/// Width of the text, and columns by which all but heads is moved in.
const WIDTH: usize = 100;
const INDENT: usize = 2;

const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const NOTE: Style = AnsiColor::Cyan.on_default();

/// Text for people.
pub fn human(report: &Report) -> String {
    let mut text = String::new();
    let mut paragraph = |style: Option<Style>, head: &str, body: &str, first: usize| {
        let lines = wrap(&format!("{head}{body}"), WIDTH - first);
        for (index, line) in lines.iter().enumerate() {
            let indent = " ".repeat(if index == 0 { first } else { first + INDENT });
            let line = style.map_or_else(|| line.clone(), |style| paint(style, line));
            text.push_str(&format!("{indent}{line}\n"));
        }
    };
    paragraph(Some(TITLE), "", &headline(&report.server), 0);
    if let Some(persistence) = &report.server.persistence {
        paragraph(None, "Persistence: ", &format!("{persistence}."), 0);
    }
    for finding in &report.findings {
        paragraph(None, "\n", &head(finding), 0);
        let evidence: Vec<String> =
            finding.evidence.0.iter().map(|(field, value)| format!("{field} = {}", shown(value))).collect();
        paragraph(Some(FAINT), "", &evidence.join(", "), INDENT);
        paragraph(None, "", &finding.consequence, INDENT);
        if let Some(simulated) = &finding.simulated {
            paragraph(None, "Simulated: ", &simulated.text, INDENT);
        }
        paragraph(None, "Remedy: ", &format!("{}.", finding.remedy.trim_end_matches('.')), INDENT);
    }
    if report.findings.is_empty() {
        paragraph(None, "\n", "Nothing was found in what was given.", 0);
    }
    if let Some(simulation) = &report.simulation {
        let runs = format!(
            "{} runs of {} each, model {}, seed {}; {}.",
            simulation.runs,
            format_span((simulation.duration_s * 1e9) as u64),
            simulation.model,
            simulation.seed,
            simulation.assumptions.join("; ")
        );
        paragraph(None, "\nSimulated by ", &runs, 0);
    }
    if !report.unknown.is_empty() {
        paragraph(Some(TITLE), "", "\nNot known from this input", 0);
        report.unknown.iter().for_each(|line| paragraph(None, "- ", line, INDENT));
    }
    text.push_str(&format!("\n{}\n", answer(report)));
    text
}

/// The one line that `--quiet` prints.
pub fn answer(report: &Report) -> String {
    let number =
        |severity: Severity| report.findings.iter().filter(|finding| finding.severity == severity).count();
    let (serious, warnings, notes) =
        (number(Severity::Serious), number(Severity::Warning), number(Severity::Note));
    let plural =
        |n: usize, one: &str| format!("{} {one}{}", format_count(n as f64), if n == 1 { "" } else { "s" });
    format!("{serious} serious, {}, {}.", plural(warnings, "warning"), plural(notes, "note"))
}

fn head(finding: &Finding) -> String {
    let style = match finding.severity {
        Severity::Serious => WRONG,
        Severity::Warning => WARNING,
        Severity::Note => NOTE,
    };
    format!("{} {}", paint(style, finding.severity.name()), paint(TITLE, finding.id))
}

/// A value that would be invisible is quoted.
fn shown(value: &str) -> String {
    if value.is_empty() { "\"\"".to_owned() } else { value.to_owned() }
}

/// One JSON object.
pub fn json(report: &Report) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(report).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// A row a finding.
pub fn csv(report: &Report) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let columns = [
        "id",
        "severity",
        "evidence",
        "consequence",
        "remedy",
        "sojourn_ns_p99",
        "sojourn_ns_p99_worst_10s",
        "sojourn_ns_max",
        "remedy_sojourn_ns_p99",
        "remedy_sojourn_ns_p99_worst_10s",
        "remedy_sojourn_ns_max",
    ];
    let mut rows = vec![columns.map(str::to_owned).to_vec()];
    for finding in &report.findings {
        let evidence: Vec<String> =
            finding.evidence.0.iter().map(|(field, value)| format!("{field}={value}")).collect();
        let mut row = vec![
            finding.id.to_owned(),
            finding.severity.name().to_owned(),
            evidence.join("; "),
            finding.consequence.clone(),
            finding.remedy.clone(),
        ];
        let simulated = finding.simulated.as_ref();
        for figures in [simulated.map(|s| s.as_it_is), simulated.and_then(|s| s.with_remedy)] {
            let values = figures.map(|f| [f.p99_ns, f.p99_ns_worst_10s, f.max_ns].map(|ns| ns.to_string()));
            row.extend(values.unwrap_or_default());
        }
        rows.push(row);
    }
    // Writing into memory does not fail.
    rows.iter().for_each(|row| drop(writer.write_record(row)));
    writer.into_inner().unwrap_or_default()
}

/// The rules, one a paragraph.
pub fn rules<'a>(rules: impl Iterator<Item = &'a Rule>) -> String {
    let one = |rule: &Rule| {
        let fires = wrap(&format!("fires: {}", rule.fires), WIDTH - INDENT).join("\n    ");
        let reads = wrap(&format!("reads: {}", rule.reads), WIDTH - INDENT).join("\n    ");
        format!("{} ({})\n  {reads}\n  {fires}\n", rule.id, rule.severity.name())
    };
    rules.map(one).collect()
}
