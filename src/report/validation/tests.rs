use super::*;
use crate::validate::metric::Figure;
use crate::validate::outcome::Head;
use crate::validate::verdict::judge;

fn sample() -> Validation {
    let row = |workload: &str, mechanism: &str, figure: Figure, measured: &[f64], simulated: &[f64]| {
        let judged = judge(measured, simulated, figure.tolerance(), 0.0).expect("values");
        Row { repeats: 3, ..Row::blank(workload, mechanism, figure, figure.tolerance()) }.judged(&judged)
    };
    let rows = vec![
        row("pipeline-1", "pipeline", Figure::Throughput, &[90e3, 92e3, 94e3], &[91e3, 91.2e3]),
        row("pipeline-1", "pipeline", Figure::P50, &[2.7e5, 2.8e5, 2.9e5], &[4e5, 4.01e5]),
        row("fork-1", "fork", Figure::StallHeight, &[1e7, 2e7, 3e7], &[2.2e7, 2.21e7]),
        Row::blank("reshard", "reshard", Figure::Moved, Figure::Moved.tolerance()).skipped("needs --spawn"),
    ];
    let head = Head {
        writepath: "0.1.0".to_owned(),
        date: "2026-11-28".to_owned(),
        command: "writepath validate --spawn redis-server --model mine.toml".to_owned(),
        server: "redis 7.0.15".to_owned(),
        machine: "two cores".to_owned(),
        model: "mine".to_owned(),
        repeats: 3,
        seeds: 2,
        noise_share: 0.012,
        noise_ns_max: 4_000_000,
        ..Head::default()
    };
    Validation { verdicts: Tally::of(&rows), head, rows }
}

fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

#[test]
fn people_see_both_sides_the_tolerance_and_the_verdict() {
    let text = plain(&human(&sample()));
    assert!(text.starts_with("redis 7.0.15 beside the simulator with mine\n"), "{text}");
    assert!(
        text.contains("1 of 2 figures that could be judged are within tolerance. 1 cannot be told"),
        "{text}"
    );
    let line = |start: &str| {
        let found = text.lines().find(|line| line.trim_start().starts_with(start));
        found.unwrap_or_else(|| panic!("{start}: {text}")).split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        line("throughput"),
        "throughput 92.0 k/s (90.0 k/s to 94.0 k/s) 91.1 k/s (89.8 k/s to 92.4 k/s) 0.99 10 % pass"
    );
    assert!(line("p50").ends_with("1.43 20 % miss"), "{}", line("p50"));
    assert!(line("stall-height").ends_with("not distinguishable"), "{}", line("stall-height"));
    assert_eq!(line("moved"), "moved skipped: needs --spawn");
    assert!(
        text.contains("Largest misses\n  pipeline-1 p50: 280 us measured, 400 us simulated (x1.43)"),
        "{text}"
    );
}

#[test]
fn a_workload_that_cannot_be_run_is_one_line() {
    let mut validation = sample();
    let asked = Row::blank("reshard", "reshard", Figure::Asked, Figure::Asked.tolerance());
    validation.rows.push(asked.clone().skipped("needs --spawn"));
    assert!(plain(&human(&validation)).contains("\n\nreshard skipped: needs --spawn\n\n"));
    // For different reasons: a line each.
    validation.rows.pop();
    validation.rows.push(asked.skipped("another"));
    let text = plain(&human(&validation));
    assert!(text.contains("skipped: needs --spawn\n  asked") && text.contains("skipped: another"), "{text}");
}

#[test]
fn json_has_the_rows_of_the_contract_and_is_read_back() {
    let bytes = json(&sample());
    let value: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
    let row = &value["rows"][0];
    assert_eq!(row["measured"]["value"], 92e3);
    assert_eq!((row["workload"].as_str(), row["verdict"].as_str()), (Some("pipeline-1"), Some("pass")));
    assert_eq!(value["verdicts"]["not distinguishable"], 1);
    assert_eq!(value["rows"][3]["verdict"], "skipped");
    assert!(value["rows"][3]["measured"].is_null() && value["server"] == "redis 7.0.15");
    let mut read: Validation = serde_json::from_slice(&bytes).expect("it is read back");
    let mut wanted = sample();
    // Digits of an interval may differ in the last place.
    for row in read.rows.iter_mut().chain(&mut wanted.rows) {
        row.simulated =
            row.simulated.map(|one| Spread { low: one.low.round(), high: one.high.round(), ..one });
    }
    assert_eq!(read, wanted);
}

#[test]
fn csv_has_a_row_a_figure_and_empty_fields_for_what_is_missing() {
    let bytes = csv(&sample());
    let mut reader = ::csv::Reader::from_reader(bytes.as_slice());
    let header: Vec<String> = reader.headers().expect("a head").iter().map(str::to_owned).collect();
    assert_eq!(header, VALIDATION_COLUMNS.iter().map(|column| column.0).collect::<Vec<_>>());
    let rows: Vec<_> = reader.records().collect::<Result<_, _>>().expect("rows");
    assert_eq!(rows.len(), 4);
    let cell = |row: usize, name: &str| {
        rows[row]
            .get(header.iter().position(|column| column == name).expect("a column"))
            .expect("a cell")
            .to_owned()
    };
    assert_eq!((cell(0, "measured"), cell(0, "verdict")), ("92000".to_owned(), "pass".to_owned()));
    assert_eq!((cell(3, "measured"), cell(3, "reason")), (String::new(), "needs --spawn".to_owned()));
    assert_eq!(cell(1, "tolerance"), "0.2");
}

#[test]
fn servers_stand_side_by_side_with_date_machine_and_command() {
    let mut other = sample();
    other.head.server = "valkey 9.1.0".to_owned();
    other.rows.remove(1);
    other.verdicts = Tally::of(&other.rows);
    let text = markdown(&[sample(), other]);
    assert!(text.starts_with(
        "| mechanism | figure | within | redis 7.0.15 | valkey 9.1.0 |\n|---|---|---:|---:|---:|\n"
    ));
    assert!(text.contains("| pipeline | throughput | 10 % | 0.99; 1/1 | 0.99; 1/1 |"), "{text}");
    assert!(text.contains("| pipeline | p50 | 20 % | 1.43; 0/1 |  |"), "{text}");
    assert!(text.contains("| fork | stall-height | 25 % | 1.10; ~1 | 1.10; ~1 |"), "{text}");
    assert!(text.contains("| reshard | moved | 3 s.e. | skipped | skipped |"), "{text}");
    assert!(text.contains("| all | within tolerance | | 50 % (1 of 2) | 100 % (1 of 1) |"), "{text}");
    assert!(text.contains(
        "**redis 7.0.15**, 2026-11-28: `writepath validate --spawn redis-server --model mine.toml`"
    ));
    assert!(text.contains("- pipeline-1 p50: 280 us measured, 400 us simulated (x1.43)"), "{text}");
}
