//! Where the time of the requests went, by band: a table for people, and `blame.csv`.

use super::csv::{own_columns, table};
use super::human::{FAINT, HEADING};
use super::wrap::paint;
use crate::observe::blame::{Band, Blame};
use crate::observe::result::RunResult;
use crate::units::{Nanos, format_count, format_span};

/// Columns of `blame.csv` and what they hold: a row per band and part.
pub const BLAME_COLUMNS: &[(&str, &str)] = &[
    ("scenario", "name of the scenario"),
    ("seed", "seed of all randomness"),
    (
        "band",
        "all, or the quantiles between which the requests lie: min-p50, p50-p90, p90-p99, p99-p999, p999-max",
    ),
    ("requests", "requests of the band"),
    ("part", "what the time was spent on: a cause of the main thread, queue, network, client …"),
    ("ns", "sum of it over the requests; the parts of a band add up to the sum of their sojourns"),
];

/// Width of the first column and of the others.
const LABEL: usize = 26;
const COLUMN: usize = 12;
/// Rows shown, and the share from which a part is shown where there is room.
const ROWS_MAX: usize = 14;
const SHARE_SHOWN: f64 = 0.001;

/// `blame.csv`.
pub fn csv(result: &RunResult) -> Vec<u8> {
    let header = BLAME_COLUMNS.iter().map(|column| column.0.to_owned()).collect();
    let blame = result.blame.as_ref();
    let named = blame.into_iter().flat_map(|blame| {
        let bands = blame.bands().into_iter().map(|band| (format!("{}-{}", band.from, band.to), band));
        std::iter::once(("all".to_owned(), blame.whole())).chain(bands)
    });
    let rows = named.flat_map(|(name, band)| {
        let own = own_columns(result);
        let row = move |(part, ns): (&str, u128)| {
            let cells = [name.clone(), band.requests.to_string(), part.to_owned(), ns.to_string()];
            own.iter().cloned().chain(cells).collect()
        };
        band.causes.into_iter().map(row)
    });
    table(header, rows)
}

/// The table for people, after an empty line: parts as shares of the sojourn, all requests and band by band.
pub fn human(blame: &Blame) -> String {
    let whole = blame.whole();
    if whole.requests == 0 {
        return String::new();
    }
    let bands: Vec<Band> = std::iter::once(whole).chain(blame.bands()).collect();
    let heads = ["all", "to P50", "to P90", "to P99", "to P99.9", "to max"];
    let mut text =
        format!("\n{}{}\n", paint(HEADING, "Blame"), pad(" ".repeat(LABEL - 5), heads.map(str::to_owned)));
    let mut row =
        |name: &str, cells: Vec<String>| text.push_str(&(pad(format!("  {name:<24}"), cells) + "\n"));
    row("up to", bands.iter().map(|band| some(band, format_span(band.to_ns))).collect());
    row("requests", bands.iter().map(|band| format_count(band.requests as f64)).collect());
    row("mean", bands.iter().map(|band| some(band, format_span(band.mean_ns().round() as Nanos))).collect());
    let (shown, rest) = parts(&bands);
    let percent = |share: f64| if share == 0.0 { String::new() } else { format!("{:.1} %", 100.0 * share) };
    for name in &shown {
        row(name, bands.iter().map(|band| percent(band.share(name))).collect());
    }
    if !rest.is_empty() {
        let others = |band: &Band| rest.iter().map(|name| band.share(name)).sum();
        row("other", bands.iter().map(|band| percent(others(band))).collect());
    }
    let note = "  What waits behind a stall is charged to the stall; queue is others' ordinary work.";
    text + &paint(FAINT, note) + "\n"
}

/// Names of the parts that are shown, largest share of any band first, and of those that are added up.
fn parts(bands: &[Band]) -> (Vec<&'static str>, Vec<&'static str>) {
    let mut parts: Vec<(&'static str, f64)> = Vec::new();
    for &(name, _) in bands.iter().flat_map(|band| &band.causes) {
        if parts.iter().all(|part| part.0 != name) {
            parts.push((name, bands.iter().map(|band| band.share(name)).fold(0.0, f64::max)));
        }
    }
    parts.sort_by(|a, b| b.1.total_cmp(&a.1));
    let large = parts.iter().take_while(|part| part.1 >= SHARE_SHOWN).count();
    let rest = parts.split_off(large.min(ROWS_MAX));
    (parts.into_iter().map(|part| part.0).collect(), rest.into_iter().map(|part| part.0).collect())
}

fn some(band: &Band, text: String) -> String {
    if band.requests == 0 { String::new() } else { text }
}

fn pad(label: String, cells: impl IntoIterator<Item = String>) -> String {
    let cells = cells.into_iter().map(|cell| format!("{cell:>COLUMN$}"));
    (label + &cells.collect::<String>()).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cause::Cause;
    use crate::observe::blame::Part;
    use crate::observe::blame::rows::Rows;
    use crate::observe::blame::split::Split;
    use crate::report::fixture;

    /// A thousand requests of 100 us, and ten that waited 50 ms for a fork.
    fn result() -> RunResult {
        let (mut rows, mut split) = (Rows::default(), Split::default());
        for (number, fork) in [(1000, 0), (10, 50_000_000)] {
            split.clear();
            split.add(Part::Network, 70_000);
            split.add(Part::Main(Cause::Command), 30_000);
            split.add(Part::Main(Cause::Fork), fork);
            rows.add(number, 100_000 + fork, &mut split);
        }
        RunResult { blame: Some(rows.finish()), ..fixture::nothing() }
    }

    #[test]
    fn the_table_has_a_row_per_band_and_part() {
        let text = String::from_utf8(csv(&result())).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "scenario,seed,band,requests,part,ns");
        assert!(lines.contains(&"article,1,all,1010,fork,500000000"), "{text}");
        assert!(lines.contains(&"article,1,min-p50,1000,network,70000000"), "{text}");
        assert!(lines.contains(&"article,1,p99-p999,10,fork,500000000"), "{text}");
        assert_eq!(lines.len(), 1 + 3 + 2 + 3);
    }

    #[test]
    fn people_read_shares() {
        let text = human(result().blame.as_ref().unwrap());
        let line = |name: &str| text.lines().find(|line| line.trim_start().starts_with(name)).unwrap();
        assert_eq!(line("fork").split_whitespace().collect::<Vec<_>>(), ["fork", "83.2", "%", "99.8", "%"]);
        assert!(line("requests").contains("1010        1000           0"), "{text}");
        assert!(
            text.lines().all(|line| anstream::adapter::strip_str(line).to_string().chars().count() <= 100)
        );
        assert_eq!(human(&Blame::default()), "");
    }
}
