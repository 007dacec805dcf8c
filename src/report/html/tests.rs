use super::*;
use crate::report::{fixture, hdr};
use serde_json::json;

/// The files of a run of six hours with forks.
fn run() -> Files {
    let result = fixture::forks();
    let mut files = Files::default();
    files.add("manifest.json", json!({"writepath": "0.1.0", "scenario": "article", "seed": 1, "redis_version": "7.2",
        "duration_s": 21600.0, "command_line": ["writepath", "run"], "model": {"name": "cloud-vm"}, "notes": [],
        "settings": [{"key": "redis.hz", "value": "</script><b>", "origin": "default"}]}).to_string().into_bytes());
    let about = fixture::about();
    files.add(
        "result.json",
        crate::report::json::with_answer(
            &crate::report::json::run_output(&result, &about),
            &["An answer.".to_owned()],
        ),
    );
    files.add("summary.csv", crate::report::csv::summary(&result));
    files.add("events.csv", crate::report::csv::events(&result));
    files.add("histogram.hlog", hdr::log(&result));
    let mut timeline =
        "time_s,completed,sojourn_ns_p50,sojourn_ns_p99,sojourn_ns_p999,sojourn_ns_max,child\n".to_owned();
    (61..=21_600)
        .for_each(|end| timeline.push_str(&format!("{end},5000,100000,120000,130000,225000000,none\n")));
    files.add("timeline.csv", timeline.into_bytes());
    files
}

/// The ids of the sections of a page.
fn sections(page: &str) -> Vec<&str> {
    page.split("<section id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

fn data(page: &str) -> serde_json::Value {
    let start = page.split("id=\"data\">").nth(1).expect("the data");
    serde_json::from_str(start.split("</script>").next().expect("its end")).expect("JSON")
}

#[test]
fn a_run_has_its_sections_and_stays_small() {
    let files = run();
    let page = page(&files, files.kind().expect("a run")).expect("a page");
    assert_eq!(
        sections(&page),
        [
            "verdict",
            "latency",
            "quantiles",
            "windows",
            "blame",
            "busy",
            "loss",
            "children",
            "counts",
            "events",
            "settings",
            "reproduce"
        ]
    );
    assert!(page.starts_with(MARK) && page.ends_with("</html>\n"));
    assert!(page.contains("<p class=\"verdict\">An answer.</p>"));
    assert!(page.contains("writepath why --out DIR"));
    assert!(page.len() < 500_000, "{}", page.len());
    assert_eq!(page, super::page(&files, Kind::Run).expect("a page"), "equal files give equal bytes");
    assert_eq!(data(&page)["latency"]["time_s"].as_array().map(Vec::len), Some(3590));
}

#[test]
fn sections_come_with_their_files() {
    let mut files = run();
    let why = json!({"sentence": "Forks.", "bands": [{"from": "p99", "to": "p999", "requests": 1, "sojourn_ns": 2, "causes": {"fork": 2}}],
        "without": [{"cause": "fork", "p99_ns_change": {"value": -1, "low": -2, "high": 0}}], "remedies": [{"remedy": "save \"\"", "gain": "all"}]});
    files.add("why.json", why.to_string().into_bytes());
    let result = fixture::forks();
    files.add("intervals.hlog", hdr::log(&result));
    files.add("replicas.csv", b"scenario,seed,replica,lag_bytes_max\na,1,r,5\n".to_vec());
    let with = page(&files, Kind::Run).expect("a page");
    for id in ["map", "blame", "without", "remedies", "replicas"] {
        assert!(sections(&with).contains(&id), "{id}");
    }
    assert!(with.contains("<p class=\"verdict\">Forks.</p>") && !with.contains("are added by"));
    let mut bare = run();
    bare.remove("result.json");
    bare.remove("events.csv");
    bare.remove("histogram.hlog");
    let without = page(&bare, Kind::Run).expect("a page");
    assert_eq!(
        sections(&without),
        ["verdict", "latency", "quantiles", "windows", "blame", "settings", "reproduce"]
    );
    assert!(without.contains("no result.json"));
    assert!(!without.contains("data-chart=\"ladder\""));
}

#[test]
fn a_real_server_has_neither_model_nor_blame() {
    let mut files = run();
    let measured = json!({"redis_version": "7.4", "model": "measured", "loop": "open", "answer": ["In time."],
        "load": {"lateness_ns": {"p50": 1000, "p99": 20_000}}, "busy_ns": {"fork": null},
        "loss": {"machine_death_writes_max": null}, "counters": {"forks": 2, "crons": null}});
    files.add("result.json", measured.to_string().into_bytes());
    let page = page(&files, files.kind().expect("a load")).expect("a page");
    assert!(
        page.contains("redis 7.4, seed 1, open loop, 6 h long") && !page.contains("cloud-vm"),
        "its own version"
    );
    assert_eq!(
        sections(&page),
        ["verdict", "latency", "quantiles", "windows", "counts", "events", "settings", "reproduce"]
    );
    assert!(
        page.contains("<dt>Generator late, P99</dt><dd>20.0 us<small>1.00 us at the median</small></dd>")
    );
    let rows = &data(&page)["counts"]["rows"];
    assert_eq!(rows[0], json!(["counters", "forks", 2]));
    assert_eq!(rows.as_array().map(Vec::len), Some(3), "what nobody knows is left out");
}

#[test]
fn nothing_in_a_file_becomes_markup() {
    let mut files = run();
    files.add(
        "events.csv",
        b"start_s,span_ns,cause,detail\n1,5,<img src=x>,</script><script>alert(1)</script>\n".to_vec(),
    );
    files.add(
        "manifest.json",
        br#"{"scenario": "<b>bold</b>", "command_line": ["writepath", "<i>"]}"#.to_vec(),
    );
    let page = page(&files, Kind::Run).expect("a page");
    for markup in ["<img src=x>", "<b>bold</b>", "alert(1)</script>", "<i>"] {
        assert!(!page.contains(markup), "{markup}");
    }
    assert_eq!(page.matches("<script").count(), 3);
    assert_eq!(data(&page)["events"]["rows"][0][3], "</script><script>alert(1)</script>");
    let nasty = json!({"text": "<!-- </SCRIPT> \u{2028}"});
    let text = embedded(nasty.as_object().expect("an object"));
    assert!(!text.contains('<') && !text.contains('\u{2028}'));
    assert_eq!(serde_json::from_str::<serde_json::Value>(&text).expect("JSON"), nasty);
}

#[test]
fn a_page_fetches_nothing() {
    let page = page(&run(), Kind::Run).expect("a page");
    let outside = ["src=", "@import", "url(", "fetch(", "XMLHttpRequest", "import("];
    let own = page.replace("<img src=x>", "");
    assert!(
        outside.iter().all(|way| !own.contains(way)),
        "{:?}",
        outside.iter().find(|way| own.contains(**way))
    );
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn what_is_missing_or_damaged_is_named() {
    let mut files = run();
    files.add("timeline.csv", b"time_s,completed\n1,2\n".to_vec());
    assert_eq!(
        page(&files, Kind::Run).expect_err("damaged").to_string(),
        "timeline.csv:1: has no column sojourn_ns_p99"
    );
    files.remove("timeline.csv");
    assert_eq!(page(&files, Kind::Run).expect_err("missing").to_string(), "timeline.csv is missing");
    let mut files = run();
    files.add("manifest.json", b"{oops".to_vec());
    assert!(page(&files, Kind::Run).expect_err("damaged").to_string().starts_with("manifest.json:1:2: "));
    let mut files = run();
    files.add("histogram.hlog", b"0,1,2,HIST!\n".to_vec());
    assert!(page(&files, Kind::Run).expect_err("damaged").to_string().starts_with("histogram.hlog: entry 1"));
}

#[test]
fn the_chart_library_is_the_one_that_its_readme_names() {
    use sha2::{Digest, Sha256};
    let readme = include_str!("assets/README.md");
    let files = [
        ("uPlot.iife.min.js", CHART_LIBRARY),
        ("uPlot.min.css", CHART_STYLE),
        ("uPlot-LICENSE.txt", include_str!("assets/uPlot-LICENSE.txt")),
    ];
    for (name, text) in files {
        let digest: String =
            Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(readme.contains(&format!("{digest}  {name}")), "{name} has {digest}");
    }
    assert!(CHART_LIBRARY.contains("(v1.6.32)") && readme.contains("1.6.32"));
    assert!(!CHART_LIBRARY.contains("</script"), "it stands inside a script element");
}
