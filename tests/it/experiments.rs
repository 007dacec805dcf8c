//! The article's claims: every one of them is somewhere, what is recorded follows from the recorded results, and `check`
//! finds whatever is not so.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use writepath::claims::check::{check, coverage};
use writepath::claims::file::CLAIMS;
use writepath::claims::finding::{Manifest, inputs, markdown};
use writepath::claims::judge::faults;
use writepath::claims::overview;
use writepath::claims::run::{run, scenarios};
use writepath::claims::store::{Book, EXPERIMENT, FINDING, MANIFEST, RESULT, Store};
use writepath::experiment::Pool;
use writepath::experiment::replications::Watch;

struct Nobody;

impl Watch for Nobody {
    fn goes_on(&self) -> bool {
        true
    }
    fn finished(&self) {}
}

fn builtin() -> Book {
    let names = Store::Builtin.names().expect("built in");
    Store::Builtin.load(&names).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn every_claim_is_decided_once_or_said_not_to_be() {
    let book = builtin();
    assert_eq!(coverage(&book), Vec::<String>::new());
    let lines = overview::lines(&book);
    assert_eq!(lines.iter().map(|line| line.claim).collect::<Vec<_>>(), (1..=CLAIMS).collect::<Vec<_>>());
    assert!(lines.iter().all(|line| line.verdict != "open" && line.verdict != "not run"));
    assert!(lines.iter().all(|line| !line.shows.contains("no value")), "every figure has a value");
}

#[test]
fn a_claim_that_is_missing_or_decided_twice_is_named() {
    let mut book = builtin();
    let first = book.undecided[0].clone();
    book.undecided[1] = first.clone();
    let faults = coverage(&book);
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(
        faults.iter().any(|fault| fault.contains(&format!("claim {} is in several places", first.number)))
    );
    assert!(faults.iter().any(|fault| fault.starts_with("claims that are nowhere: ")));
}

#[test]
fn what_is_recorded_follows_from_the_recorded_results() {
    for entry in builtin().entries {
        let name = &entry.experiment.name;
        let results = entry.results.as_ref().unwrap_or_else(|| panic!("{name} has been run"));
        assert_eq!(faults(&entry.experiment, results), Vec::<String>::new(), "{name}");
        assert_eq!(entry.result.as_deref().map(str::as_bytes), Some(results.csv().as_slice()), "{name}");
        assert_eq!(entry.finding.as_deref(), Some(markdown(&entry.experiment, results).as_str()), "{name}");
        let scenarios =
            scenarios(&entry.experiment, &entry.file).unwrap_or_else(|problems| panic!("{problems}"));
        let now = Manifest::of(&entry.experiment, &scenarios, results);
        let recorded = entry.manifest.as_ref().unwrap_or_else(|| panic!("{name} has a manifest"));
        assert_eq!(recorded.result_sha256, now.result_sha256, "{name}");
        assert_eq!(recorded.inputs_sha256, inputs(&entry.experiment, &scenarios), "{name}: run it again");
        assert!(entry.experiment.expectations.len() >= 3, "{name} says little of what is believed");
    }
}

/// A folder with one experiment of a fraction of a second, run and recorded; its files.
fn recorded() -> TempDir {
    let folder = TempDir::new().expect("a folder");
    let own = folder.path().join("mini");
    fs::create_dir(&own).expect("it can be made");
    fs::write(own.join(EXPERIMENT), MINI).expect("it can be written");
    let store = Store::Folder(folder.path().to_owned());
    let book = store.load(&["mini".to_owned()]).unwrap_or_else(|problems| panic!("{problems}"));
    let entry = &book.entries[0];
    let scenarios = scenarios(&entry.experiment, &entry.file).expect("sound");
    let pool = Pool::new(2).expect("threads");
    let results = run(&entry.experiment, &scenarios, &pool, &Nobody).expect("it runs");
    let manifest = Manifest::of(&entry.experiment, &scenarios, &results);
    let files = [
        (RESULT, results.csv()),
        (FINDING, markdown(&entry.experiment, &results).into()),
        (MANIFEST, manifest.json()),
    ];
    files.iter().for_each(|(name, bytes)| fs::write(own.join(name), bytes).expect("it can be written"));
    folder
}

const MINI: &str = r#"
question = "Does a write with an AOF take longer?"
replications = 2
scenario = '''
[[workload]]
rate = "500/s"
[run]
duration = "300ms"
warmup   = "0s"
'''
[vary]
"redis.appendonly" = [false, true]
[metrics]
written = "counters.aof_bytes / completed"
[[claim]]
number = 7
words = "with an AOF a write is appended"
says = "With an AOF a write is appended to the file."
verdict = "depends on whether there is an AOF"
key = "written @ true"
shows = "{written @ true} bytes a write"
[[predict]]
claim = 7
metric = "written"
at-least = "100"
[[expect]]
metric = "written"
at = "true"
between = ["140", "160"]
[finding]
text = "{written @ true ±} bytes a write with it, {written @ false} without."
unseen = "the disk."
"#;

/// What `check` says of the experiment in `folder` after `change` of one of its files.
fn after(folder: &Path, file: &str, change: impl Fn(&str) -> String) -> Vec<String> {
    let path = folder.join("mini").join(file);
    let before = fs::read_to_string(&path).expect("text");
    let changed = change(&before);
    assert_ne!(before, changed, "the change changes something");
    fs::write(&path, changed).expect("it can be written");
    let found = checked(folder);
    fs::write(&path, before).expect("it can be written");
    found
}

fn checked(folder: &Path) -> Vec<String> {
    let store = Store::Folder(folder.to_owned());
    let book = match store.load(&["mini".to_owned()]) {
        Ok(book) => book,
        Err(problems) => return problems.0.iter().map(ToString::to_string).collect(),
    };
    let entry = &book.entries[0];
    let scenarios = match scenarios(&entry.experiment, &entry.file) {
        Ok(scenarios) => scenarios,
        Err(problems) => return problems.0.iter().map(ToString::to_string).collect(),
    };
    let results =
        run(&entry.experiment, &scenarios, &Pool::new(1).expect("a thread"), &Nobody).expect("it runs");
    check(entry, &scenarios, &results)
}

#[test]
fn check_is_content_with_what_was_recorded_and_finds_what_was_changed() {
    let folder = recorded();
    let folder = folder.path();
    assert_eq!(checked(folder), Vec::<String>::new(), "on another number of threads");

    let found = after(folder, RESULT, |text| text.replacen("148", "149", 1));
    assert!(found.iter().any(|fault| fault.starts_with("result.csv: ")), "{found:?}");
    let found = after(folder, FINDING, |text| text.replace("without", "within"));
    assert_eq!(found, ["finding.md is not what the results say"]);
    let found = after(folder, MANIFEST, |text| text.replace("\"seed\": 1", "\"seed\": 2"));
    assert_eq!(found, ["manifest.json: seed or replications are others"]);

    // A wrong expectation, a wrong verdict, another scenario: the inputs have changed, and what follows is named too.
    let found = after(folder, EXPERIMENT, |text| text.replace("\"140\"", "\"150\""));
    assert!(found.iter().any(|fault| fault.starts_with("not so: written @ true: 148")), "{found:?}");
    let found =
        after(folder, EXPERIMENT, |text| text.replace("depends on whether there is an AOF", "supported"));
    assert!(
        found.iter().any(|fault| fault == "claim 7: the runs say depends on the variant, not supported"),
        "{found:?}"
    );
    let found = after(folder, EXPERIMENT, |text| text.replace("500/s", "400/s"));
    assert!(found.iter().any(|fault| fault.contains("has changed since it was run")), "{found:?}");
}

#[test]
fn damaged_files_are_refused_with_positions_all_at_once() {
    let folder = recorded();
    let folder = folder.path();
    let has = |found: &[String], parts: &[&str]| {
        for part in parts {
            assert!(found.iter().any(|fault| fault.contains(part)), "{part}: {found:?}");
        }
    };
    let line = |text: &str| 1 + MINI.lines().position(|line| line.contains(text)).expect("it is there");

    let found = after(folder, EXPERIMENT, |text| {
        let text =
            text.replace("at-least = \"100\"", "at-leest = \"100\"").replace("number = 7", "number = 71");
        text.replace("key = \"written @ true\"", "key = \"written @ no\"").replace("±}", "@}")
    });
    has(
        &found,
        &[
            &format!("mini/experiment.toml:{}:1: predict: unknown key \"at-leest\"", line("at-least")),
            "did you mean at-least?",
            &format!("experiment.toml:{}:10: number: 71", line("number = 7")),
            "key: no variant is called \"no\"",
            &format!("experiment.toml:{}:", line("text = ")),
        ],
    );
    let found = after(folder, EXPERIMENT, |text| text.replace("\"500/s\"", "\"500\""));
    has(&found, &["experiment.toml:", "variant \"false\": own.toml:2:8: "]);
    let found = after(folder, EXPERIMENT, |text| text.replace("question = ", "question "));
    has(&found, &["mini/experiment.toml:2:", "this is not TOML"]);
    let found = after(folder, RESULT, |text| text.replacen(",count,", ",cuont,", 1));
    has(&found, &["mini/result.csv:2:", "\"cuont\" is no unit"]);
    let found = after(folder, MANIFEST, |text| text.replace("\"seed\": 1", "\"seed\": x"));
    has(&found, &["mini/manifest.json:9:"]);
}
