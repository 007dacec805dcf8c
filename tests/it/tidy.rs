//! Rules of the source tree that the compiler does not keep: direction of imports, what the core may not touch, length
//! of files, leftovers.
//!
//! Method: the text of every file, without its comments and without the tests at its foot.

use std::fs;
use std::path::{Path, PathBuf};

/// Modules from the ground up. One may name those of its own level and below.
///
/// The one that begins with `scenario` is a knot: what a scenario means, the server that has it, and what is seen of it name one
/// another's types. [`APART`] says what must stay apart even there.
const LEVELS: &[&[&str]] = &[
    &["units"],
    &["math"],
    &["rng"],
    &["dist"],
    &["curve"],
    &["slots"],
    &["cause"],
    &["cost_model"],
    &["noise"],
    &["scenario", "models", "redis", "client", "observe", "stats"],
    &["sim"],
    &["cluster"],
    &["pilot", "trace"],
    &["experiment"],
    &["live"],
    &["calibrate", "check", "validate"],
    &["report"],
    &["bench", "claims", "coverage", "lesson"],
    &["cli"],
];

/// (module, those it must not name although they share its level).
const APART: &[(&str, &[&str])] = &[
    // Clients know no server: the two meet in `sim`.
    ("client", &["redis", "observe", "models", "stats"]),
    ("redis", &["models", "stats"]),
    ("observe", &["scenario", "models", "stats"]),
    ("stats", &["scenario", "models", "client"]),
    ("models", &["redis", "client", "observe", "stats"]),
];

/// Folders and files that simulate: no input or output, no clock, no order that depends on a hash, no global state.
const CORE: &[&str] = &[
    "redis", "client", "sim", "cluster", "trace", "observe", "stats", "noise", "rng", "dist", "math",
    "curve", "slots",
];

const BANNED_IN_CORE: &[&str] = &[
    "std::time",
    "std::fs",
    "std::env",
    "std::net",
    "std::process",
    "print!(",
    "println!(",
    "eprint!(",
    "eprintln!(",
    "HashMap",
    "HashSet",
    "static mut",
    "thread_local!",
    "OnceLock",
    "LazyLock",
];

/// Modules that the core must not name: what reads and writes people's files.
const BEYOND_THE_CORE: &[&str] = &["models", "report", "bench", "cli"];

const LONGEST_FILE: usize = 450;

/// Files that are longer, with the length they must not pass. Shorten one, then lower or remove its number.
const LONGER: &[(&str, usize)] = &[("src/redis/execute.rs", 500)];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &str) -> Vec<PathBuf> {
    let (mut open, mut files) = (vec![root().join(folder)], Vec::new());
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    assert!(files.len() > 10, "{folder} has been read");
    files
}

fn name(path: &Path) -> String {
    path.strip_prefix(root()).expect("inside").to_string_lossy().replace('\\', "/")
}

/// The top module that a file of `src/` belongs to; none for the roots of the crate.
fn module(path: &Path) -> Option<String> {
    let name = name(path);
    let first = name.strip_prefix("src/")?.split('/').next()?.trim_end_matches(".rs").to_owned();
    (first != "lib" && first != "main").then_some(first)
}

/// Text without comments, and without the tests at the foot of the file.
fn code(text: &str) -> String {
    let body = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let lines = body.lines().map(|line| match line.find("//") {
        // A slash pair inside a string (an address) is cut too, which hides nothing these rules look for.
        Some(start) => &line[..start],
        None => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn is_test(path: &Path) -> bool {
    ["tests.rs", "fixture.rs"].iter().any(|file| path.ends_with(file))
}

/// Modules that `code` names by `crate::`.
fn named(code: &str) -> Vec<String> {
    let word = |rest: &str| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    code.split("crate::").skip(1).map(word).collect()
}

fn level(module: &str) -> usize {
    let place = LEVELS.iter().position(|level| level.contains(&module));
    place.unwrap_or_else(|| panic!("{module} has no level: give it one in LEVELS"))
}

/// Why `module` must not name `other`, if so.
fn forbidden(module: &str, other: &str) -> Option<&'static str> {
    if level(other) > level(module) {
        return Some("is further up");
    }
    let apart = APART.iter().any(|(from, to)| *from == module && to.contains(&other));
    apart.then_some("must stay apart")
}

#[test]
fn imports_point_downwards() {
    let mut faults = Vec::new();
    for path in rust_files("src").iter().filter(|path| !is_test(path)) {
        let Some(module) = module(path) else { continue };
        let text = fs::read_to_string(path).expect("text");
        for other in named(&code(&text)) {
            if let Some(why) = forbidden(&module, &other) {
                faults.push(format!("{} names {other}, which {why}", name(path)));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_core_touches_nothing_outside_itself() {
    let mut faults = Vec::new();
    for path in rust_files("src").iter().filter(|path| !is_test(path)) {
        if module(path).is_none_or(|module| !CORE.contains(&module.as_str())) {
            continue;
        }
        let code = code(&fs::read_to_string(path).expect("text"));
        let found = BANNED_IN_CORE.iter().filter(|word| code.contains(**word));
        faults.extend(found.map(|word| format!("{}: {word}", name(path))));
        let beyond = named(&code).into_iter().filter(|other| BEYOND_THE_CORE.contains(&other.as_str()));
        faults.extend(beyond.map(|other| format!("{}: {other}", name(path))));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn no_file_is_too_long() {
    for path in rust_files("src").into_iter().chain(rust_files("tests")) {
        let lines = fs::read_to_string(&path).expect("text").lines().count();
        let name = name(&path);
        let allowed = LONGER.iter().find(|longer| longer.0 == name).map_or(LONGEST_FILE, |longer| longer.1);
        assert!(lines <= allowed, "{name} has {lines} lines, more than {allowed}: does it hold two things?");
    }
}

#[test]
fn nothing_is_left_over() {
    // In two parts, so that this file does not hold them itself.
    let leftovers = [["to", "do!("], ["unimple", "mented!("], ["d", "bg!("]].map(|parts| parts.concat());
    for path in rust_files("src").into_iter().chain(rust_files("tests")) {
        let code = code(&fs::read_to_string(&path).expect("text"));
        for leftover in &leftovers {
            assert!(!code.contains(leftover.as_str()), "{}: {leftover}", name(&path));
        }
    }
}

#[test]
fn the_rules_see_a_breach() {
    assert_eq!(named("use crate::sim::run; let x = crate::cli::y();"), ["sim", "cli"]);
    assert!(forbidden("sim", "cli").is_some() && forbidden("client", "redis").is_some());
    assert!(forbidden("cli", "sim").is_none() && forbidden("redis", "client").is_none());
    assert_eq!(code("a // HashMap\nb\n#[cfg(test)]\nmod tests {\nHashMap"), "a \nb");
}
