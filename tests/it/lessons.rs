//! Method: every lesson is run as `writepath lesson` runs it, at seed 1. What it rests on must hold, its page must be sound
//! HTML, its chapter must be the one in `docs/`, and its exercise must accept its own answer and refuse others.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use writepath::experiment::Pool;
use writepath::lesson::answer::{check, solve};
use writepath::lesson::page::Page;
use writepath::lesson::{Lesson, all, book, find, html};

fn book_src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/src")
}

fn pool() -> Pool {
    Pool::new(1).expect("a thread")
}

/// The chapter of the book, what the lesson rests on, its page.
fn holds(name: &str) {
    let lesson = find(name).expect("a lesson");
    let page = Page::make(&lesson, all().len(), &pool(), &|| true).unwrap_or_else(|error| panic!("{error}"));
    let unmet = page.unmet().expect("sound conditions");
    let reasons: Vec<String> =
        unmet.iter().map(|expect| format!("{}\n  ({})", expect.that, expect.why)).collect();
    let fields: Vec<String> =
        page.fields.iter().map(|(name, value)| format!("{name} = {}", value.show())).collect();
    assert!(reasons.is_empty(), "{name}: not so: {}\n  {}", reasons.join("\n"), fields.join("\n  "));
    for (file, text) in book::chapter(&page).expect("something to draw") {
        let kept = fs::read_to_string(book_src().join(&file)).unwrap_or_default();
        assert!(
            kept == text,
            "docs/src/{file} is not what the lesson gives: writepath lesson --book docs/src"
        );
    }
    well_formed(name, &html::page(&page).expect("something to draw"));
}

/// The exercise accepts what it comes to, as people would type it, and refuses and helps otherwise.
fn exercise(name: &str) {
    let lesson = find(name).expect("a lesson");
    let solved = solve(&lesson, &pool(), &|| true).unwrap_or_else(|error| panic!("{error}"));
    let [value, low, high] = solved;
    assert!(low.number <= value.number && value.number <= high.number);
    let room = (high.number - low.number) / value.number;
    assert!(room < 0.6, "{name}: {} to {} accepts too much", low.show(), high.show());
    let own = check(&lesson, solved, &value.show()).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(own.right, "{name}: {}", value.show());
    for factor in [0.4, 2.5] {
        let typed = value.alike(factor * value.number).show();
        let wrong = check(&lesson, solved, &typed).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(!wrong.right && !wrong.hint.is_empty(), "{name}: {typed}");
        assert!(!wrong.text(&lesson).contains(&value.show()), "{name}: the answer is given away");
    }
}

/// Elements are closed in the order in which they were opened, and nothing is fetched.
fn well_formed(name: &str, page: &str) {
    let mut open: Vec<&str> = Vec::new();
    for tag in page.split('<').skip(1).filter_map(|rest| rest.split_once('>')).map(|split| split.0) {
        let element = tag.trim_start_matches('/').split([' ', '\n', '/']).next().unwrap_or_default();
        match (tag.starts_with('/'), tag.ends_with('/') || element.starts_with('!') || element == "meta") {
            (true, _) => assert_eq!(open.pop(), Some(element), "{name}: {tag}"),
            (false, true) => {}
            (false, false) => open.push(element),
        }
    }
    assert!(open.is_empty(), "{name}: {open:?} are left open");
    for fetches in ["<script", "<link", "src=", "@import", "url("] {
        assert!(!page.contains(fetches), "{name}: {fetches}");
    }
}

macro_rules! lessons {
    ($($test:ident: $name:literal,)*) => {
        const TESTED: &[&str] = &[$($name),*];
        mod what_a_lesson_rests_on_holds {
            $(#[test] fn $test() { super::holds($name); })*
        }
        mod an_exercise_knows_its_answer {
            $(#[test] fn $test() { super::exercise($name); })*
        }
    };
}

lessons! {
    write: "write",
    crash: "crash",
    fork: "fork",
    rewrite: "rewrite",
    slow_disk: "slow-disk",
    group_commit: "group-commit",
    windows: "windows",
    counter_race: "counter-race",
    expiry: "expiry",
    replica: "replica",
    slots: "slots",
    hot_key: "hot-key",
    sizing: "sizing",
}

/// What the program prints, which must be JSON.
fn printed(arguments: &[String]) -> serde_json::Value {
    let output = Command::new(env!("CARGO_BIN_EXE_writepath")).args(arguments).output().expect("it starts");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn a_run_of_a_lesson_is_what_its_command_prints() {
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let lesson = printed(&words("lesson group-commit --format json"));
    let runs = lesson["runs"].as_array().expect("runs");
    assert_eq!(runs.len(), 3);
    for run in runs {
        let command =
            run["command"].as_str().and_then(|text| text.strip_prefix("writepath ")).expect("a command");
        assert_eq!(run["result"], printed(&words(&format!("{command} --format json"))), "{command}");
    }
}

#[test]
fn no_lesson_is_left_out() {
    let names: Vec<&str> = all().iter().map(|lesson| lesson.name).collect();
    assert_eq!(names, TESTED);
}

/// Files under `docs/src`, by their path from there.
fn files_of_the_book() -> BTreeSet<String> {
    let (mut open, mut files) = (vec![book_src()], BTreeSet::new());
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).expect("docs/src").flatten() {
            let path = entry.path();
            match path.is_dir() {
                true => open.push(path),
                false => {
                    let inside = path.strip_prefix(book_src()).expect("inside");
                    files.insert(inside.to_string_lossy().replace('\\', "/"));
                }
            }
        }
    }
    files
}

#[test]
fn the_book_is_whole() {
    let lessons: Vec<Lesson> = all();
    for (file, text) in [book::summary(&lessons), book::introduction(&lessons)] {
        let kept = fs::read_to_string(book_src().join(&file)).unwrap_or_default();
        assert!(
            kept == text,
            "docs/src/{file} is not what the lessons give: writepath lesson --book docs/src"
        );
    }
    let files = files_of_the_book();
    let mut linked: BTreeSet<String> = ["SUMMARY.md".to_owned()].into();
    for file in files.iter().filter(|file| file.ends_with(".md")) {
        let text = fs::read_to_string(book_src().join(file)).expect("text");
        let folder = file.rsplit_once('/').map_or("", |split| split.0);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|split| split.0) {
            let target = match (folder, link.strip_prefix("../")) {
                (_, Some(up)) => up.to_owned(),
                ("", None) => link.to_owned(),
                (folder, None) => format!("{folder}/{link}"),
            };
            assert!(files.contains(&target), "{file}: {link} leads nowhere");
            linked.insert(target);
        }
    }
    assert_eq!(linked, files, "every file is linked");
    let settings = fs::read_to_string(book_src().join("../book.toml")).expect("docs/book.toml");
    let settings: toml::Table = settings.parse().expect("TOML");
    assert_eq!(settings["book"]["src"].as_str(), Some("src"));
}
