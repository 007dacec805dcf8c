//! What `compare` prints and writes.

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::csv::table;
use super::wrap::{paint, wrap};
use crate::experiment::compare::{Pair, Row, Verdict};
use crate::experiment::precision::Reached;
use crate::stats::paired::Paired;
use crate::units::{Nanos, format_count, format_span};

const TITLE: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
/// Columns of the output.
const WIDTH: usize = 100;
const GLOSS: &str = "Intervals are of 95 % each, the verdicts hold together with 95 %. Pairing: unpaired runs would need so \
                     many times the replications for an interval as narrow.";

/// Two scenarios and what their replications say.
#[derive(Clone, Copy, Debug)]
pub struct Comparison<'a> {
    /// Name of A.
    pub a: &'a str,
    /// Name of B.
    pub b: &'a str,
    /// Seed of both.
    pub seed: u64,
    /// Simulated time of a run of A.
    pub duration: Nanos,
    /// Every replication.
    pub pairs: &'a [Pair],
    /// A row a metric.
    pub rows: &'a [Row],
    /// Precision that was asked for.
    pub goals: &'a [Reached],
}

/// Columns of `comparison.csv` and what they hold.
pub const COMPARISON_COLUMNS: &[(&str, &str)] = &[
    ("scenario", "A"),
    ("other", "B"),
    ("seed", "seed of both"),
    ("replications", "runs of each"),
    ("metric", "name of the metric"),
    ("column", "its column in other tables, with the unit"),
    ("a", "mean of A over the replications"),
    ("b", "mean of B"),
    ("difference", "B - A"),
    ("difference_low", "lower end of its 95 % interval"),
    ("difference_high", "upper end"),
    ("ratio", "B / A of the geometric means; empty unless all values are above 0"),
    ("ratio_low", "lower end of its 95 % interval"),
    ("ratio_high", "upper end"),
    ("verdict", "better, worse, differs, no difference seen or not comparable; all hold together with 95 %"),
    ("variance_reduction", "times as many replications independent streams would need"),
    ("ratio_variance_reduction", "the same for the ratio"),
    ("reason", "why there is no value"),
];

/// The JSON of a metric.
#[derive(Debug, Serialize)]
struct RowOutput<'a> {
    a: Option<f64>,
    b: Option<f64>,
    difference: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
    ratio: Option<f64>,
    ratio_low: Option<f64>,
    ratio_high: Option<f64>,
    verdict: &'static str,
    variance_reduction: Option<f64>,
    ratio_variance_reduction: Option<f64>,
    replications: usize,
    column: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

/// Rows by name of their metric, in their order.
struct ByMetric<'a>(Comparison<'a>);

impl Serialize for ByMetric<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.rows.len()))?;
        for row in self.0.rows {
            map.serialize_entry(&row.metric.to_string(), &output(row, self.0.pairs.len()))?;
        }
        map.end()
    }
}

fn output(row: &Row, replications: usize) -> RowOutput<'_> {
    let paired = row.compared.as_ref().ok();
    let of = |get: fn(&Paired) -> f64| paired.map(get);
    let ratio = paired.and_then(|paired| paired.ratio);
    RowOutput {
        a: of(|paired| paired.a),
        b: of(|paired| paired.b),
        difference: of(|paired| paired.difference.value),
        low: of(|paired| paired.difference.low),
        high: of(|paired| paired.difference.high),
        ratio: ratio.map(|ratio| ratio.value),
        ratio_low: ratio.map(|ratio| ratio.low),
        ratio_high: ratio.map(|ratio| ratio.high),
        verdict: row.verdict.name(),
        variance_reduction: paired.and_then(|paired| paired.variance_reduction),
        ratio_variance_reduction: paired.and_then(|paired| paired.ratio_variance_reduction),
        replications,
        column: row.metric.column(),
        reason: row.compared.as_ref().err().map(String::as_str),
    }
}

impl Comparison<'_> {
    /// One JSON object by name of the metric.
    pub fn json(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(&ByMetric(*self)).expect("plain values are always JSON");
        bytes.push(b'\n');
        bytes
    }

    /// `comparison.csv`: a row a metric.
    pub fn csv(&self) -> Vec<u8> {
        let header = COMPARISON_COLUMNS.iter().map(|column| column.0.to_owned()).collect();
        let cell = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
        table(
            header,
            self.rows.iter().map(|row| {
                let out = output(row, self.pairs.len());
                let mut cells = vec![self.a.to_owned(), self.b.to_owned(), self.seed.to_string()];
                cells.extend([out.replications.to_string(), row.metric.to_string(), out.column]);
                cells.extend([out.a, out.b, out.difference, out.low, out.high].map(cell));
                cells.extend([out.ratio, out.ratio_low, out.ratio_high].map(cell));
                cells.push(out.verdict.to_owned());
                cells.extend([out.variance_reduction, out.ratio_variance_reduction].map(cell));
                cells.push(out.reason.unwrap_or_default().to_owned());
                cells
            }),
        )
    }

    /// `replications.csv`: two rows a replication, A and B, with the value of each metric.
    pub fn replications(&self) -> Vec<u8> {
        let own = ["scenario", "seed", "replication", "requests"].map(str::to_owned);
        let header = own.into_iter().chain(self.rows.iter().map(|row| row.metric.column())).collect();
        let sides = self.pairs.iter().flat_map(|(a, b)| [(self.a, a), (self.b, b)]);
        table(
            header,
            sides.map(|(name, outcome)| {
                let numbers =
                    [self.seed, outcome.replication, outcome.requests].map(|number| number.to_string());
                let values =
                    outcome.values.iter().map(|value| value.map_or_else(String::new, |v| v.to_string()));
                std::iter::once(name.to_owned()).chain(numbers).chain(values).collect()
            }),
        )
    }

    /// The answer in a sentence.
    pub fn answer(&self) -> String {
        let of = |verdict: Verdict, words: &str| {
            let rows = self.rows.iter().filter(|row| row.verdict == verdict);
            let names: Vec<String> = rows.map(|row| row.metric.to_string()).collect();
            (!names.is_empty()).then(|| format!("{words} {}", names.join(", ")))
        };
        let parts = [
            of(Verdict::Worse, "worse in"),
            of(Verdict::Better, "better in"),
            of(Verdict::Differs, "different in"),
        ];
        match parts.into_iter().flatten().collect::<Vec<_>>() {
            parts if parts.is_empty() => "No difference seen.".to_owned(),
            parts => format!("B is {}.", parts.join("; ")),
        }
    }

    /// All of it for people, with colours as ANSI sequences.
    pub fn human(&self) -> String {
        let facts = format!(
            "{} replications of {} each, seed {}; the same arrivals, keys, sizes and noise in both",
            self.pairs.len(),
            format_span(self.duration),
            self.seed
        );
        let mut lines = vec![
            format!("{}  {}", paint(TITLE, "A"), self.a),
            format!("{}  {}", paint(TITLE, "B"), self.b),
            paint(FAINT, &facts),
            String::new(),
        ];
        lines.extend(wrap(&self.answer(), WIDTH).iter().map(|line| paint(TITLE, line)));
        lines.push(String::new());
        lines.extend(self.table());
        lines.push(String::new());
        lines.extend(self.left_out());
        lines.extend(goal_lines(self.goals, self.pairs.len() as u64));
        lines.extend(wrap(GLOSS, WIDTH).iter().map(|line| paint(FAINT, line)));
        lines.join("\n") + "\n"
    }

    /// A line a metric in which some replication differs.
    fn table(&self) -> Vec<String> {
        let line = |[name, a, b, difference, ratio, pairing]: [&str; 6], verdict: &str| {
            let cells =
                format!("{name:<17}{a:>10} {b:>10}   {difference:<24} {ratio:>6} {pairing:>8}  {verdict}");
            cells.trim_end().to_owned()
        };
        let mut lines = vec![line(["", "A", "B", "B - A", "B / A", "pairing"], "")];
        for row in self.rows {
            let Some(paired) = row.compared.as_ref().ok().filter(|paired| !is_alike(paired)) else {
                continue;
            };
            let unit = row.metric.quantity.unit;
            let signed = |end: f64| format!("{}{}", if end > 0.0 { "+" } else { "" }, unit.show(end));
            let difference =
                format!("{} to {}", signed(paired.difference.low), signed(paired.difference.high));
            let (a, b) = (unit.show(paired.a), unit.show(paired.b));
            let ratio = paired.ratio.map_or_else(dash, |ratio| format_count(ratio.value));
            let pairing =
                paired.variance_reduction.map_or_else(dash, |times| format!("{}x", format_count(times)));
            let verdict = paint(style(row.verdict), row.verdict.name());
            lines.push(line([&row.metric.to_string(), &a, &b, &difference, &ratio, &pairing], &verdict));
        }
        lines
    }

    /// Metrics that are the same in every replication, and those that cannot be compared.
    fn left_out(&self) -> Vec<String> {
        let alike = self.rows.iter().filter(|row| row.compared.as_ref().is_ok_and(is_alike));
        let alike: Vec<String> = alike.map(|row| row.metric.to_string()).collect();
        let mut lines = match alike.is_empty() {
            true => Vec::new(),
            false => wrap(&format!("The same in every replication: {}.", alike.join(", ")), WIDTH),
        };
        let reasons = self.rows.iter().filter_map(|row| row.compared.as_ref().err().map(|why| (row, why)));
        lines.extend(reasons.map(|(row, why)| format!("{}: {why}.", row.metric)));
        lines
    }
}

fn is_alike(paired: &Paired) -> bool {
    paired.difference.value == 0.0 && paired.variance_reduction.is_none()
}

fn dash() -> String {
    "-".to_owned()
}

fn style(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Better => GOOD,
        Verdict::Worse => BAD,
        Verdict::Differs | Verdict::NoDifferenceSeen | Verdict::NotComparable => Style::new(),
    }
}

/// How far each goal of precision is, a line each; `n` replications were run.
pub fn goal_lines(goals: &[Reached], n: u64) -> Vec<String> {
    let line = |reached: &Reached| {
        let unit = reached.goal.metric.quantity.unit;
        match (reached.met, reached.look, reached.projected) {
            (true, ..) => format!("{}: met after {n} replications.", reached.goal),
            (false, None, _) | (false, _, None) => {
                format!("{}: not met, since there is no value.", reached.goal)
            }
            (false, Some(look), Some(projected)) => {
                let so_far = unit.show(look.half_width);
                let takes = match projected {
                    u64::MAX => "no number of them would do for a value of 0".to_owned(),
                    projected => format!("about {} would do", format_count(projected as f64)),
                };
                format!("{}: not met, +-{so_far} after {n} replications; {takes}.", reached.goal)
            }
        }
    };
    goals.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::compare::compare;
    use crate::experiment::precision::Goal;
    use crate::experiment::{Metric, Outcome};
    use crate::stats::sequential::Look;

    fn pairs() -> Vec<Pair> {
        let outcome = |replication: u64, p99: f64| Outcome {
            replication,
            seed: 7,
            requests: 2000,
            values: vec![Some(p99), Some(4.0), None],
        };
        (0..4).map(|r| (outcome(r, 1e6 + 1e3 * r as f64), outcome(r, 2e6 + 1e3 * (r % 2) as f64))).collect()
    }

    fn with_comparison(check: impl FnOnce(Comparison)) {
        let metrics = ["p99", "forks", "sync-full"].map(|name| Metric::parse(name).expect("a metric"));
        let (pairs, goal) = (pairs(), Goal::parse("p99=1us").expect("a goal"));
        let look = Look { value: 1e6, half_width: 2e3 };
        let goals = [Reached { goal, look: Some(look), met: false, projected: Some(16) }];
        let rows = compare(&pairs, &metrics);
        check(Comparison {
            a: "article",
            b: "article, appendfsync=always",
            seed: 7,
            duration: 60_000_000_000,
            pairs: &pairs,
            rows: &rows,
            goals: &goals,
        });
    }

    #[test]
    fn the_json_has_the_promised_keys_by_metric() {
        with_comparison(|comparison| {
            let json: serde_json::Value = serde_json::from_slice(&comparison.json()).expect("JSON");
            let row = &json["p99"];
            for key in ["a", "b", "difference", "low", "high", "ratio", "variance_reduction"] {
                assert!(row[key].is_number(), "{key} of {row}");
            }
            assert_eq!((&row["verdict"], &row["a"]), (&"worse".into(), &1_001_500.0.into()));
            assert_eq!(
                (&json["forks"]["verdict"], &json["forks"]["difference"]),
                (&"no difference seen".into(), &0.0.into())
            );
            assert_eq!(json["sync-full"]["reason"], "neither has it");
        });
    }

    #[test]
    fn tables_have_their_columns_in_every_row() {
        with_comparison(|comparison| {
            for (bytes, rows) in [(comparison.csv(), 3), (comparison.replications(), 8)] {
                let mut reader = csv::Reader::from_reader(&bytes[..]);
                assert_eq!(
                    reader.records().filter(|record| record.as_ref().is_ok_and(|r| r.len() > 6)).count(),
                    rows
                );
            }
            let text = String::from_utf8(comparison.replications()).expect("text");
            assert!(text.starts_with("scenario,seed,replication,requests,sojourn_ns_p99,forks,sync_full\narticle,7,0,2000,1000000,4,\n"), "{text}");
        });
    }

    #[test]
    fn people_read_the_verdict_first_and_what_was_left_out_last() {
        with_comparison(|comparison| {
            let text = anstream::adapter::strip_str(&comparison.human()).to_string();
            let lines: Vec<&str> = text.lines().collect();
            assert_eq!(lines[4], "B is worse in p99.");
            assert!(
                lines[7].starts_with("p99                 1.00 ms    2.00 ms   +997 us to +1.00 ms "),
                "{text}"
            );
            assert!(lines[7].ends_with("worse"), "{text}");
            assert!(
                text.contains("The same in every replication: forks.\nsync-full: neither has it.\n"),
                "{text}"
            );
            assert!(
                text.contains("p99 to 1.00 us: not met, +-2.00 us after 4 replications; about 16 would do."),
                "{text}"
            );
            assert!(lines.iter().all(|line| line.chars().count() <= WIDTH), "{text}");
        });
    }
}
