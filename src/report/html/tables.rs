//! Tables of a result as they are, to be searched and sorted; and the page of a result that has nothing else.

use serde_json::{Map, Value, json};

use super::files::{Files, Kind, MANIFEST, TABLES, Unreadable, table_fault, unreadable};
use super::manifest;
use super::view::{Page, Section, Tile};
use crate::report::plot::table::Table as Csv;

/// Most rows of a table on the page.
const ROWS: usize = 5000;
/// Columns that are the same in every row and stand in the head of the page.
const OWN: [&str; 2] = ["scenario", "seed"];

/// The tables that are there: file, title.
pub fn present(files: &Files) -> Vec<(&'static str, &'static str)> {
    TABLES.iter().copied().filter(|table| files.get(table.0).is_some()).collect()
}

/// The long table in `file`, its columns under their names.
///
/// # Errors
/// It is damaged.
pub fn list(files: &Files, file: &str, title: &str) -> Result<Value, Unreadable> {
    let fault = table_fault(file);
    let mut table = Csv::open(files.need(file)?).map_err(&fault)?;
    let shown: Vec<usize> =
        (0..table.header().len()).filter(|&column| !OWN.contains(&&table.header()[column])).collect();
    let columns: Vec<Value> = shown.iter().map(|&column| head(&table.header()[column])).collect();
    let mut rows: Vec<Value> = Vec::new();
    let mut of = 0;
    for row in table.rows() {
        let row = row.map_err(&fault)?;
        of += 1;
        if rows.len() < ROWS {
            rows.push(shown.iter().map(|&column| cell(&row[column])).collect());
        }
    }
    let caption = match of == rows.len() {
        true => title.to_owned(),
        false => format!("{title}: the first {ROWS} of {of} rows; {file} has all of them"),
    };
    Ok(json!({"caption": caption, "columns": columns, "rows": rows}))
}

/// A column's head: its name, and the unit that the name carries.
pub fn head(column: &str) -> Value {
    let has = |unit: &str| column.split('_').any(|word| word == unit);
    let unit = match () {
        () if column.ends_with("_reason") => "",
        () if column.ends_with("per_s") || column.contains("per_s_") => "/s",
        () if has("ns") => "ns",
        () if has("bytes") => "bytes",
        () if column.ends_with("_s") || column.ends_with("_s_max") => "s",
        () => "",
    };
    let name: Vec<&str> = column.split('_').filter(|word| !matches!(*word, "ns" | "bytes")).collect();
    json!({"name": name.join(" "), "unit": unit})
}

/// A number as one, anything else as text; nothing for an empty field.
fn cell(text: &str) -> Value {
    match text.parse::<f64>() {
        _ if text.is_empty() => Value::Null,
        Ok(number) if number.is_finite() => json!(number),
        _ => json!(text),
    }
}

/// A section of one table.
///
/// # Errors
/// It is damaged.
pub fn section(
    files: &Files,
    file: &'static str,
    title: &'static str,
    data: &mut Map<String, Value>,
) -> Result<Section, Unreadable> {
    let name = file.trim_end_matches(".csv");
    data.insert(name.to_owned(), list(files, file, title)?);
    Ok(Section { id: name, title: title.to_owned(), lists: vec![name], ..Section::default() })
}

/// The page of a result that is tables alone.
///
/// # Errors
/// A file is damaged.
pub fn page(files: &Files, kind: Kind) -> Result<Page, Unreadable> {
    let manifest = files.object(MANIFEST)?.unwrap_or_default();
    let labels = manifest.get("scenarios").and_then(Value::as_array);
    let names: Vec<&str> = labels.map_or_else(
        || manifest.get("scenario").and_then(Value::as_str).into_iter().collect(),
        |list| list.iter().filter_map(|own| own.get("label").and_then(Value::as_str)).collect(),
    );
    let mut page = Page {
        title: if names.is_empty() { "Result".to_owned() } else { names.join(", ") },
        kind: if kind == Kind::Validation { "simulated and measured" } else { "a result" },
        ..Page::default()
    };
    if kind == Kind::Validation {
        judged(&mut page, files)?;
    }
    for (file, title) in present(files) {
        page.sections.push(section(files, file, title, &mut page.data)?);
    }
    if let Some((section, list)) = manifest::settings(&manifest) {
        page.sections.push(section);
        page.data.insert("settings".to_owned(), list);
    }
    page.sections.push(manifest::reproduce(&manifest));
    Ok(page)
}

/// Verdicts of a comparison with a real server, counted.
fn judged(page: &mut Page, files: &Files) -> Result<(), Unreadable> {
    let file = "validation.csv";
    let fault = table_fault(file);
    let mut table = Csv::open(files.need(file)?).map_err(&fault)?;
    let verdict = table.column("verdict").map_err(&fault)?;
    let facts = ["server", "model", "date"].map(|name| table.column(name).ok());
    let (mut counts, mut rows) = ([0_u64; 4], 0_u64);
    for row in table.rows() {
        let row = row.map_err(&fault)?;
        rows += 1;
        let place = VERDICTS.iter().position(|name| *name == &row[verdict]);
        let place = place.ok_or_else(|| unreadable(file, format!(": {:?} is no verdict", &row[verdict])))?;
        counts[place] += 1;
        if page.facts.is_empty() {
            let known = facts.iter().flatten().map(|&column| row[column].to_owned());
            page.facts = known.filter(|fact| !fact.is_empty()).collect::<Vec<_>>().join(", ");
        }
    }
    let [pass, miss, unclear, skipped] = counts;
    page.title = "Validation".to_owned();
    page.verdict.push(match pass + miss {
        0 => "Nothing could be judged.".to_owned(),
        judged => format!("{pass} of {judged} figures that could be judged are within tolerance."),
    });
    if unclear + skipped > 0 {
        page.verdict
            .push(format!("{unclear} cannot be told from the machine's noise; {skipped} are skipped."));
    }
    for (label, count) in
        ["Within tolerance", "Missed", "Not distinguishable", "Skipped"].into_iter().zip(counts)
    {
        page.tiles.push(Tile { label, value: count.to_string(), note: format!("of {rows} figures") });
    }
    Ok(())
}

/// The verdicts of `validate`, in the order of their tiles.
const VERDICTS: [&str; 4] = ["pass", "miss", "not distinguishable", "skipped"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_carry_their_unit_and_cells_their_number() {
        assert_eq!(head("sojourn_ns_p99_low"), json!({"name": "sojourn p99 low", "unit": "ns"}));
        assert_eq!(head("throughput_per_s")["unit"], "/s");
        assert_eq!(head("window_s")["unit"], "s");
        assert_eq!(head("sojourn_ns_p99_reason")["unit"], "");
        assert_eq!(
            [cell(""), cell("1e3"), cell("NaN"), cell("x")],
            [Value::Null, json!(1e3), json!("NaN"), json!("x")]
        );
    }

    #[test]
    fn verdicts_are_counted() {
        let mut files = Files::default();
        files.add(MANIFEST, br#"{"scenarios": [{"label": "a", "writepath": "0.1.0"}]}"#.to_vec());
        let table = "workload,verdict,server\na,pass,redis 7.2\nb,miss,redis 7.2\nc,skipped,redis 7.2\n";
        files.add("validation.csv", table.as_bytes().to_vec());
        let read = page(&files, Kind::Validation).expect("a page");
        assert_eq!(read.verdict[0], "1 of 2 figures that could be judged are within tolerance.");
        assert_eq!((read.tiles[3].value.as_str(), read.facts.as_str()), ("1", "redis 7.2"));
        files.add("validation.csv", b"workload,verdict\na,perhaps\n".to_vec());
        let fault = page(&files, Kind::Validation).expect_err("no verdict").to_string();
        assert_eq!(fault, "validation.csv: \"perhaps\" is no verdict");
    }
}
