//! What holds of every lesson without running it.

use std::collections::BTreeSet;
use std::path::Path;

use super::file::Picture;
use super::*;

#[test]
fn the_list_and_the_folder_agree() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("lessons");
    let entries = std::fs::read_dir(folder).expect("a folder").flatten();
    let folders: BTreeSet<String> = entries
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    let listed: BTreeSet<String> = ALL.iter().map(|lesson| lesson.0.to_owned()).collect();
    assert_eq!(folders, listed);
    for lesson in all() {
        assert_eq!(lesson.folder, format!("{:02}-{}", lesson.number, lesson.name), "numbered in order");
    }
}

#[test]
fn every_lesson_asks_runs_and_rests_on_something() {
    for lesson in all() {
        let (name, file) = (lesson.name, &lesson.file);
        assert!(file.choice.len() >= 3 || file.guess.is_some(), "{name}: a question");
        assert!(!file.run.is_empty() && !file.picture.is_empty() && !file.notice.is_empty(), "{name}");
        assert!(file.expect.len() >= 3, "{name}: conditions that fail if the mechanism is wrong");
        assert!(file.claims.iter().all(|claim| (1..=70).contains(claim)), "{name}: claims of the article");
        let exercise = &file.exercise;
        assert!(
            exercise.hint.last().is_some_and(|hint| hint.when.is_none()),
            "{name}: a hint for any answer"
        );
        let runs: Vec<_> = file.run.iter().chain(&exercise.run).collect();
        for run in &runs {
            run.resolve().unwrap_or_else(|error| panic!("{name}: {}: {error}", run.name));
            assert!(run.set.iter().all(|set| set.contains('=')), "{name}: {}: KEY=VALUE", run.name);
        }
        for picture in &file.picture {
            let Picture::Time { runs, .. } = picture else { continue };
            for run in file.run.iter().filter(|run| runs.is_empty() || runs.contains(&run.name)) {
                assert!(run.label.chars().count() <= 32, "{name}: {:?} is cut in the figure", run.label);
            }
        }
        for runs in [&file.run, &exercise.run] {
            let names: BTreeSet<&str> = runs.iter().map(|run| run.name.as_str()).collect();
            assert_eq!(names.len(), runs.len(), "{name}: names of runs");
            let field = names.iter().find(|run| file.fields.contains_key(**run));
            assert_eq!(field, None, "{name}: a field hides a run");
        }
    }
}

#[test]
fn a_lesson_is_found_by_name_or_number_and_others_are_suggested() {
    let third = &all()[2];
    for name in [third.name, "3", third.folder] {
        assert_eq!(find(name).map(|lesson| lesson.number), Ok(3));
    }
    let typed = format!("{}x", third.name);
    assert!(find(&typed).is_err_and(|error| error.contains(&format!("did you mean {}?", third.name))));
    assert!(find("14").is_err_and(|error| error.contains("writepath lesson lists them")));
}
