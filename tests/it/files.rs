//! Every scenario in the tree resolves, and every broken file gives its recorded message.
//!
//! To record messages anew: `UPDATE_RECORDED=1 cargo test --test it files`, then read the difference.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use writepath::experiment::Template;
use writepath::experiment::design::DesignSpec;
use writepath::scenario::builtin;
use writepath::scenario::resolve::{Overrides, resolve};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn toml_files(folder: &Path) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(folder).expect("the folder exists").map(|entry| entry.expect("readable").path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|e| e == "toml")).collect();
    files.sort();
    files
}

#[test]
fn every_sweep_of_the_tree_makes_a_design() {
    let sweeps = toml_files(&folder("experiments/sweeps"));
    assert!(sweeps.len() >= 3);
    for path in sweeps {
        let text = fs::read_to_string(&path).expect("text");
        let name = path.display().to_string();
        let template = Template::new(text, name.clone(), folder("experiments/sweeps"), Overrides::default());
        let design =
            DesignSpec::default().build(&template).unwrap_or_else(|problems| panic!("{name}: {problems}"));
        assert!(design.len() > 1, "{name}");
    }
}

#[test]
fn every_broken_file_gives_its_recorded_message() {
    let bad = folder("tests/bad");
    let files = toml_files(&bad);
    assert!(files.len() >= 12);
    for path in files {
        let text = fs::read_to_string(&path).expect("text");
        let name = path.file_name().expect("named").to_string_lossy();
        let problems = resolve(&text, &name, &bad, &Overrides::default()).expect_err(&name);
        // The folder of the checkout is no part of the message.
        let message = format!("{problems}\n").replace(&format!("{}/", bad.display()), "");
        let recorded = path.with_extension("txt");
        if std::env::var_os("UPDATE_RECORDED").is_some() {
            fs::write(&recorded, &message).expect("writable");
        }
        assert_eq!(message, fs::read_to_string(&recorded).unwrap_or_default(), "{name}");
    }
}

#[test]
fn a_broken_file_is_never_half_reported() {
    // Each line of this file that holds a value is wrong.
    let text = fs::read_to_string(folder("tests/bad/many-problems.toml")).expect("text");
    let wrong = text.lines().filter(|line| line.contains('=')).count();
    let problems = resolve(&text, "x.toml", Path::new(""), &Overrides::default()).expect_err("broken");
    assert_eq!(problems.0.len(), wrong, "{problems}");
}

#[test]
fn the_folder_of_scenarios_is_what_is_built_in() {
    let files = toml_files(&folder("experiments/scenarios"));
    let stem = |path: &PathBuf| path.file_stem().expect("named").to_string_lossy().into_owned();
    let in_folder: BTreeSet<String> = files.iter().map(stem).collect();
    let built_in: BTreeSet<String> = builtin::all().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(in_folder, built_in);
}
