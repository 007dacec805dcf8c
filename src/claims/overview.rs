//! All claims in one table: for people, as Markdown for the README, as JSON and as CSV.

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use super::finding::fill;
use super::judge::verdict;
use super::lists::Fact;
use super::store::Book;
use super::table::Measured;
use super::verdict::Verdict;

const TITLE: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();

/// A claim and what became of it.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// Its number.
    pub claim: u64,
    /// In few words.
    pub words: String,
    /// In a sentence.
    pub says: String,
    /// `supported`, `refuted`, `depends on …`, `open`, `not run` or `not decided`.
    pub verdict: String,
    /// The figure to look at.
    pub figure: Option<String>,
    /// Its value.
    pub value: Option<f64>,
    /// Lower end of its 95 % interval.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// What these are measured in.
    pub unit: Option<&'static str>,
    /// The experiment's folder.
    pub experiment: Option<String>,
    /// What the simulator shows, or why it is not asked.
    pub shows: String,
    /// What real servers showed.
    pub real_servers: Vec<String>,
    #[serde(skip)]
    measured: Option<Measured>,
}

/// Every claim of `book` by number.
pub fn lines(book: &Book) -> Vec<Line> {
    let mut lines = Vec::new();
    for entry in &book.entries {
        for claim in &entry.experiment.claims {
            let results = entry.results.as_ref();
            let measured = results.and_then(|results| results.measured(&claim.key));
            let verdict = results.map(|results| verdict(&entry.experiment, claim, results));
            lines.push(Line {
                claim: claim.number,
                words: claim.words.clone(),
                says: claim.says.clone(),
                verdict: verdict.as_ref().map_or_else(|| "not run".to_owned(), Verdict::text),
                figure: Some(claim.key.to_string()),
                value: measured.map(|own| own.interval.value),
                low: measured.map(|own| own.interval.low),
                high: measured.map(|own| own.interval.high),
                unit: measured.map(|own| super::ask::unit_name(own.unit)),
                experiment: Some(entry.experiment.name.clone()),
                shows: results.map_or_else(String::new, |results| fill(&claim.shows, results)),
                real_servers: facts(&book.facts, claim.number),
                measured,
            });
        }
    }
    for claim in &book.undecided {
        lines.push(Line {
            claim: claim.number,
            words: claim.words.clone(),
            says: claim.says.clone(),
            verdict: "not decided".to_owned(),
            figure: None,
            value: None,
            low: None,
            high: None,
            unit: None,
            experiment: None,
            shows: claim.reason.clone(),
            real_servers: facts(&book.facts, claim.number),
            measured: None,
        });
    }
    lines.sort_by_key(|line| line.claim);
    lines
}

fn facts(facts: &[Fact], claim: u64) -> Vec<String> {
    facts.iter().filter(|fact| fact.claims.contains(&claim)).map(|fact| fact.shows.clone()).collect()
}

/// The first word or two of a verdict, and its colour.
fn colour(verdict: &str) -> Style {
    match verdict {
        "supported" => AnsiColor::Green.on_default(),
        "refuted" => AnsiColor::Red.on_default(),
        "not decided" => FAINT,
        _ => AnsiColor::Yellow.on_default(),
    }
}

/// The table for people.
pub fn human(lines: &[Line]) -> String {
    let paint = |style: Style, text: &str| format!("{style}{text}{style:#}");
    let pad = |text: &str, width: usize| " ".repeat(width.saturating_sub(text.chars().count()));
    let number = |line: &Line| match (&line.figure, line.measured) {
        (Some(figure), Some(measured)) => format!("{figure} = {}", measured.with_interval()),
        (Some(figure), None) => format!("{figure}: no value"),
        _ => line.shows.clone(),
    };
    let widest = |of: &dyn Fn(&Line) -> usize| lines.iter().map(of).max().unwrap_or(0);
    let words = widest(&|line| line.words.chars().count());
    let folder = widest(&|line| line.experiment.as_ref().map_or(0, |own| own.chars().count()));
    let mut text = String::new();
    for line in lines {
        let kind = if line.verdict.starts_with("depends") { "depends" } else { &line.verdict };
        let experiment = line.experiment.as_deref().unwrap_or("");
        text.push_str(&format!(
            "{:>2}  {}{}  {}{}  {}{}  {}\n",
            line.claim,
            line.words,
            pad(&line.words, words),
            paint(colour(kind), kind),
            pad(kind, "not decided".len()),
            experiment,
            pad(experiment, folder),
            paint(FAINT, &number(line)),
        ));
    }
    text + &format!("\n{}\n", paint(TITLE, &summary(lines)))
}

/// `12 supported, 14 refuted, …`.
pub fn summary(lines: &[Line]) -> String {
    let kinds = ["supported", "refuted", "depends", "open", "not run", "not decided"];
    let counts = kinds.iter().filter_map(|kind| {
        let count = lines.iter().filter(|line| line.verdict.starts_with(kind)).count();
        let name = if *kind == "depends" { "conditional" } else { kind };
        (count > 0).then(|| format!("{count} {name}"))
    });
    format!("{} claims: {}", lines.len(), counts.collect::<Vec<_>>().join(", "))
}

/// The table of the README.
pub fn markdown(lines: &[Line]) -> String {
    let cell = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|");
    let mut text = String::from(
        "| # | the article says | the simulator shows | real servers show |\n|---:|---|---|---|\n",
    );
    for line in lines {
        let end = if line.verdict.starts_with("depends") { ". " } else { ": " };
        let shows = format!("*{}*{end}{}", line.verdict, line.shows);
        let real = line.real_servers.join("; ");
        text.push_str(&format!(
            "| {} | {} | {} | {} |\n",
            line.claim,
            cell(&line.says),
            cell(&shows),
            cell(&real)
        ));
    }
    text
}

/// The table as JSON.
pub fn json(lines: &[Line]) -> Vec<u8> {
    #[derive(Serialize)]
    struct Output<'a> {
        writepath: &'static str,
        claims: &'a [Line],
    }
    let output = Output { writepath: env!("CARGO_PKG_VERSION"), claims: lines };
    let mut bytes = serde_json::to_vec_pretty(&output).expect("plain values are always JSON");
    bytes.push(b'\n');
    bytes
}

/// The table as CSV.
pub fn csv(lines: &[Line]) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let columns = ["claim", "words", "verdict", "experiment", "figure", "value", "low", "high", "unit"];
    writer.write_record(columns).expect("memory takes all");
    for line in lines {
        let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
        let record = [
            line.claim.to_string(),
            line.words.clone(),
            line.verdict.clone(),
            line.experiment.clone().unwrap_or_default(),
            line.figure.clone().unwrap_or_default(),
            number(line.value),
            number(line.low),
            number(line.high),
            line.unit.unwrap_or_default().to_owned(),
        ];
        writer.write_record(record).expect("memory takes all");
    }
    writer.into_inner().expect("memory takes all")
}
