//! Blame by band, counterfactuals and remedies, from `why.json`; what is not there is said with the command that adds it.

use serde_json::{Map, Value, json};

use super::files::{Files, Unreadable, table_fault, unreadable};
use super::view::{Cell, Section, Table};
use crate::report::plot::table::{Table as Csv, number};
use crate::units::{format_bytes, format_count, format_span};

/// Parts below this share of every band are left out of the table.
const SHARE_SHOWN: f64 = 0.001;

/// The sections that `why.json` gives, and its sentence; without it blame from `blame.csv` if that is there, and the `command`
/// that gives the rest.
///
/// # Errors
/// A file is there and is no answer of `why`, or no table of blame.
pub fn sections(files: &Files, command: &str) -> Result<(Vec<Section>, Option<String>), Unreadable> {
    let Some(why) = files.object("why.json")? else {
        let bands = bands(files)?;
        let text = match bands.is_empty() {
            true => "Blame of the tail by cause, and what the removal of each cause would give, are added by",
            false => "What the removal of each cause would give is added by",
        };
        let mut section = blame_section(&bands)?;
        section.text.push(text.to_owned());
        section.commands = vec![command.to_owned()];
        return Ok((vec![section], None));
    };
    let list = |key: &str| match why.get(key) {
        None => Ok(&[][..]),
        Some(Value::Array(list)) => Ok(list.as_slice()),
        Some(_) => Err(unreadable("why.json", format!(": {key} is no list"))),
    };
    let mut sections = vec![blame_section(list("bands")?)?];
    let words = |key: &str, item: &str| -> Result<Vec<String>, Unreadable> {
        let one = |own: &Value| {
            let of = |name: &str| own.get(name).and_then(Value::as_str).unwrap_or_default();
            if item.is_empty() {
                own.as_str().unwrap_or_default().to_owned()
            } else {
                format!("{}: {}", of("cause"), of(item))
            }
        };
        Ok(list(key)?.iter().map(one).collect())
    };
    let without = list("without")?;
    if !without.is_empty() {
        let mut text = vec![
            "The same random world without the cause: change of each number and its 95 % interval; less is better. Numbers \
             that no change moves are left out; why.json has all of them."
                .to_owned(),
        ];
        text.extend(words("stays", "reason")?.into_iter().map(|line| format!("Stays: {line}.")));
        let not = words("not_tried", "")?;
        if !not.is_empty() {
            text.push(format!("Present, and not tried: {}.", not.join(", ")));
        }
        sections.push(Section {
            id: "without",
            title: "Without one cause".to_owned(),
            text,
            tables: vec![changes("Without one cause", &["cause", "what"], without)],
            ..Section::default()
        });
    }
    let remedies = list("remedies")?;
    if !remedies.is_empty() {
        sections.push(Section {
            id: "remedies",
            title: "Remedies".to_owned(),
            text: vec!["What one change that a user can make would give in the same random world, and what it costs.".to_owned()],
            tables: vec![changes("Remedies", &["title", "settings", "effort", "costs", "costs_beside"], remedies)],
            ..Section::default()
        });
    }
    let sentence = why.get("sentence").and_then(Value::as_str).map(str::to_owned);
    Ok((sections, sentence))
}

/// The section of blame; without bands it says nothing yet.
fn blame_section(bands: &[Value]) -> Result<Section, Unreadable> {
    let text = "How long the requests between two quantiles took, split by what the server, the network and the client did \
                meanwhile. Each column adds up to 100 %; waiting behind a stall is charged to the stall.";
    let table = blame(bands)?;
    Ok(Section {
        id: "blame",
        title: "Blame by band".to_owned(),
        text: table.iter().map(|_| text.to_owned()).collect(),
        tables: table.into_iter().collect(),
        ..Section::default()
    })
}

/// The bands of `blame.csv` in the form of `why.json`; none without the file.
fn bands(files: &Files) -> Result<Vec<Value>, Unreadable> {
    let file = "blame.csv";
    let Some(bytes) = files.get(file) else { return Ok(Vec::new()) };
    let fault = table_fault(file);
    let mut table = Csv::open(bytes).map_err(&fault)?;
    let mut columns = [0; 4];
    for (column, name) in columns.iter_mut().zip(["band", "requests", "part", "ns"]) {
        *column = table.column(name).map_err(&fault)?;
    }
    let [band, requests, part, ns] = columns;
    let mut bands: Vec<(String, f64, Map<String, Value>)> = Vec::new();
    for row in table.rows() {
        let row = row.map_err(&fault)?;
        let (of, ns) =
            (number(&row, requests).map_err(&fault)?, number(&row, ns).map_err(&fault)?.unwrap_or(0.0));
        if bands.last().is_none_or(|last| last.0 != row[band]) {
            bands.push((row[band].to_owned(), of.unwrap_or(0.0), Map::new()));
        }
        if let Some(last) = bands.last_mut() {
            last.2.insert(row[part].to_owned(), Value::from(ns));
        }
    }
    // "all" is the sum of the others.
    let bands = bands.into_iter().filter_map(|(name, requests, causes)| {
        let (from, to) = name.split_once('-')?;
        let sojourn: f64 = causes.values().filter_map(Value::as_f64).sum();
        Some(json!({"from": from, "to": to, "requests": requests, "sojourn_ns": sojourn, "causes": causes}))
    });
    Ok(bands.collect())
}

/// A quantile's name for people: `p999` is P99.9.
fn quantile(name: &str) -> String {
    let digits =
        name.strip_prefix('p').filter(|rest| rest.len() > 2 && rest.bytes().all(|b| b.is_ascii_digit()));
    match digits {
        Some(digits) => format!("P{}.{}", &digits[..2], &digits[2..]),
        None => name.replacen('p', "P", 1),
    }
}

/// A column for each band, a row for each cause, largest first.
fn blame(bands: &[Value]) -> Result<Option<Table>, Unreadable> {
    let wrong = |what: &str| unreadable("why.json", format!(": a band has no {what}"));
    let mut names: Vec<(String, f64)> = Vec::new();
    let mut shares: Vec<Map<String, Value>> = Vec::new();
    let mut table = Table::new("Shares of sojourn by cause and band", &["Cause"]);
    let mut sums = vec![Cell::from("requests")];
    let mut means = vec![Cell::from("mean sojourn")];
    for band in bands {
        let causes = band.get("causes").and_then(Value::as_object).ok_or_else(|| wrong("causes"))?;
        let total = band.get("sojourn_ns").and_then(Value::as_f64).ok_or_else(|| wrong("sojourn_ns"))?;
        let requests = band.get("requests").and_then(Value::as_f64).ok_or_else(|| wrong("requests"))?;
        let end = |key: &str| quantile(band.get(key).and_then(Value::as_str).unwrap_or("?"));
        table.columns.push(format!("{} to {}", end("from"), end("to")));
        sums.push(Cell::number(format_count(requests)));
        means.push(Cell::number(format_span((total / requests.max(1.0)).round() as u64)));
        for (name, ns) in causes {
            let share = ns.as_f64().unwrap_or(0.0) / total.max(1.0);
            match names.iter_mut().find(|known| known.0 == *name) {
                Some(known) => known.1 = known.1.max(share),
                None => names.push((name.clone(), share)),
            }
        }
        let share = |ns: &Value| Value::from(ns.as_f64().unwrap_or(0.0) / total.max(1.0));
        shares.push(causes.iter().map(|(name, ns)| (name.clone(), share(ns))).collect());
    }
    names.retain(|name| name.1 >= SHARE_SHOWN);
    names.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    for (name, _) in &names {
        let mut row = vec![Cell::from(name.clone())];
        for band in &shares {
            let share = band.get(name).and_then(Value::as_f64).unwrap_or(0.0);
            row.push(Cell::bar(format!("{:.1} %", 100.0 * share), share));
        }
        table.rows.push(row);
    }
    table.rows.extend([means, sums]);
    Ok((!bands.is_empty()).then_some(table))
}

/// A row a change: what it is, then each number that some change moves, P99 and P99.9 in any case.
fn changes(caption: &str, names: &[&str], list: &[Value]) -> Table {
    let has =
        |key: &str| list.iter().any(|object| object.get(key).is_some_and(|value| *value != Value::Null));
    let mut keys: Vec<&str> = names.iter().copied().filter(|name| has(name)).collect();
    let moved = |value: &Value| {
        !matches!(value.get("verdict").and_then(Value::as_str), Some("no difference seen" | "not comparable"))
    };
    let mut numbers: Vec<&str> = Vec::new();
    for (key, value) in
        list.iter().filter_map(Value::as_object).flatten().filter(|(key, _)| key.ends_with("_change"))
    {
        let is_main = matches!(key.as_str(), "p99_ns_change" | "p999_ns_change");
        if (is_main || moved(value)) && !numbers.contains(&key.as_str()) {
            numbers.push(key);
        }
    }
    // Quantiles first, by rising share, then the rest.
    numbers.sort_by_key(|key| {
        let place = ORDER.iter().position(|name| key.split_once('_').is_some_and(|(own, _)| own == *name));
        (place.unwrap_or(ORDER.len()), *key)
    });
    keys.append(&mut numbers);
    let mut table = Table::new(caption, &[]);
    table.columns = keys.iter().map(|key| heading(key)).collect();
    for object in list {
        let cell = |key: &&str| object.get(*key).map_or_else(Cell::default, |value| shown(key, value));
        table.rows.push(keys.iter().map(cell).collect());
    }
    table
}

/// The order of changes.
const ORDER: [&str; 8] = ["p50", "p90", "p99", "p999", "p9999", "max", "mean", "loss"];

/// `p999_ns_change` is `P99.9`.
fn heading(key: &str) -> String {
    let words: Vec<String> = key
        .split('_')
        .filter(|word| !matches!(*word, "ns" | "bytes" | "s" | "change"))
        .map(|word| if word.starts_with('p') && word.len() > 2 { quantile(word) } else { word.to_owned() })
        .collect();
    let mut text = words.join(" ");
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text
}

/// A value under its key: with the unit that the key names, and its interval if it has one.
fn shown(key: &str, value: &Value) -> Cell {
    match value {
        Value::Null => Cell::default(),
        Value::String(text) => Cell::from(text.clone()),
        Value::Bool(is) => Cell::from(if *is { "yes" } else { "no" }),
        Value::Number(number) => Cell::number(signed(key, number.as_f64().unwrap_or(0.0))),
        Value::Array(items) => {
            let words: Vec<String> = items.iter().map(|item| shown(key, item).text).collect();
            Cell::from(words.join(", "))
        }
        Value::Object(object) => {
            let end = |name: &str| object.get(name).and_then(Value::as_f64).map(|end| signed(key, end));
            match (end("value"), end("low"), end("high")) {
                _ if object.get("verdict").is_some_and(|verdict| verdict == "no difference seen") => {
                    Cell::number("no difference seen")
                }
                (Some(value), Some(low), Some(high)) => Cell::number(format!("{value} ({low} to {high})")),
                (Some(value), ..) => Cell::number(value),
                _ if object.contains_key("verdict") => {
                    let text = |name: &str| object.get(name).and_then(Value::as_str);
                    Cell::from(text("reason").or(text("verdict")).unwrap_or_default())
                }
                _ => {
                    let part = |(key, value): (&String, &Value)| {
                        format!("{} {}", heading(key), shown(key, value).text)
                    };
                    Cell::from(object.iter().map(part).collect::<Vec<_>>().join(", "))
                }
            }
        }
    }
}

fn signed(key: &str, value: f64) -> String {
    let has = |unit: &str| key.split('_').any(|word| word == unit);
    let size = value.abs();
    let text = match () {
        () if has("ns") => format_span(size.round() as u64),
        () if has("s") || has("seconds") => format_span((size * 1e9).round() as u64),
        () if has("bytes") => format_bytes(size.round() as u64),
        () if has("share") => format!("{:.1} %", 100.0 * size),
        () => format_count(size),
    };
    if value < 0.0 { format!("−{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(why: &Value) -> Files {
        let mut files = Files::default();
        files.add("why.json", why.to_string().into_bytes());
        files
    }

    #[test]
    fn blame_has_a_column_a_band_and_shares_of_it() {
        let why = json!({"sentence": "Forks make the tail.", "bands": [
            {"from": "p99", "to": "p999", "requests": 10, "sojourn_ns": 4000, "causes": {"fork": 1000, "command": 3000, "cow": 1}},
            {"from": "p999", "to": "max", "requests": 1, "sojourn_ns": 2000, "causes": {"fork": 2000}}],
            "without": [{"cause": "fork", "p99_ns_change": {"value": -1500, "low": -2000, "high": -1000}}],
            "remedies": []});
        let (sections, sentence) = sections(&files(&why), "article").expect("an answer");
        assert_eq!(sentence.as_deref(), Some("Forks make the tail."));
        assert_eq!(sections.iter().map(|section| section.id).collect::<Vec<_>>(), ["blame", "without"]);
        let table = &sections[0].tables[0];
        assert_eq!(table.columns, ["Cause", "P99 to P99.9", "P99.9 to max"]);
        let texts = |row: usize| table.rows[row].iter().map(|cell| cell.text.clone()).collect::<Vec<_>>();
        assert_eq!(texts(0), ["fork", "25.0 %", "100.0 %"]);
        assert_eq!(texts(1), ["command", "75.0 %", "0.0 %"]);
        assert_eq!(texts(2), ["mean sojourn", "400 ns", "2.00 us"]);
        assert_eq!(table.rows.len(), 4);
        let without = &sections[1].tables[0];
        assert_eq!(without.columns, ["Cause", "P99"]);
        assert_eq!(without.rows[0][1].text, "−1.50 us (−2.00 us to −1.00 us)");
    }

    #[test]
    fn a_table_of_blame_stands_in_for_bands() {
        let mut files = Files::default();
        let table = "band,requests,part,ns\nall,4,fork,9\np99-p999,3,fork,300\np99-p999,3,queue,100\np999-max,1,fork,5\n";
        files.add("blame.csv", table.as_bytes().to_vec());
        let (sections, _) = sections(&files, "article").expect("a section");
        let blame = &sections[0].tables[0];
        assert_eq!(blame.columns, ["Cause", "P99 to P99.9", "P99.9 to max"]);
        let texts: Vec<&str> = blame.rows[1].iter().map(|cell| cell.text.as_str()).collect();
        assert_eq!((texts, sections[0].commands.len()), (vec!["queue", "25.0 %", "0.0 %"], 1));
        files.add("blame.csv", b"band,requests,part,ns\np99-p999,3,fork,x\n".to_vec());
        let fault = super::sections(&files, "article").expect_err("a word").to_string();
        assert_eq!(fault, "blame.csv:2: \"x\" is not a number");
    }

    #[test]
    fn a_folder_without_it_names_the_command_and_a_damaged_one_is_refused() {
        let (sections, sentence) = sections(&Files::default(), "article").expect("a section");
        assert_eq!((sections[0].commands[0].as_str(), sentence), ("article", None));
        let fault = super::sections(&files(&json!({"bands": 3})), "article").expect_err("damaged");
        assert_eq!(fault.to_string(), "why.json: bands is no list");
        let fault = super::sections(&files(&json!({"bands": [{}]})), "article").expect_err("damaged");
        assert_eq!(fault.to_string(), "why.json: a band has no causes");
    }

    #[test]
    fn numbers_that_nothing_moves_are_left_out() {
        let change = |verdict: &str, value: f64| json!({"value": value, "low": value, "high": value, "verdict": verdict});
        let list = [
            json!({"title": "save \"\"", "settings": ["redis.save=\"\""], "p50_ns_change": change("no difference seen", 1.0),
                "p99_ns_change": change("no difference seen", 1.0), "loss_s_change": change("worse", 2.0)}),
            json!({"title": "more shards", "settings": [], "loss_s_change": {"value": null, "verdict": "not comparable", "reason": "too short"}}),
        ];
        let table = changes("Remedies", &["title", "settings", "costs"], &list);
        assert_eq!(table.columns, ["Title", "Settings", "P99", "Loss"]);
        let texts: Vec<&str> = table.rows.iter().flatten().map(|cell| cell.text.as_str()).collect();
        let first = ["save \"\"", "redis.save=\"\"", "no difference seen", "2.00 s (2.00 s to 2.00 s)"];
        assert_eq!(texts[..4], first);
        assert_eq!(texts[4..], ["more shards", "", "", "too short"]);
    }

    #[test]
    fn units_follow_from_keys() {
        assert_eq!(quantile("p999"), "P99.9");
        assert_eq!(quantile("p50"), "P50");
        assert_eq!(heading("memory_bytes_change"), "Memory");
        assert_eq!(shown("loss_seconds", &json!(1.5)).text, "1.50 s");
        assert_eq!(shown("cost", &json!({"memory_bytes": 2048})).text, "Memory 2.00 KiB");
    }
}
