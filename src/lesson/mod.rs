//! Lessons: a failure mode taught by a question, a run of the engine, a picture, and an exercise whose answer is checked.
//!
//! A lesson is data: a folder of `lessons/` with a `lesson.toml` ([`mod@file`]) that names runs of built-in scenarios and
//! computes numbers from the JSON of those runs ([`expression`]). [`page`] fills its text with the numbers; [`text`], [`html`]
//! and [`book`] show the page. Nothing here reads or writes files, and the same program gives the same bytes.

pub mod answer;
pub mod ask;
pub mod book;
pub mod expression;
pub mod file;
pub mod html;
pub mod page;
pub mod run;
pub mod text;
pub mod value;

use file::File;

use crate::scenario::problem::nearest;

/// Folder and text of each lesson, in their order.
const ALL: &[(&str, &str)] = &[
    ("01-write", include_str!("../../lessons/01-write/lesson.toml")),
    ("02-crash", include_str!("../../lessons/02-crash/lesson.toml")),
    ("03-fork", include_str!("../../lessons/03-fork/lesson.toml")),
    ("04-rewrite", include_str!("../../lessons/04-rewrite/lesson.toml")),
    ("05-slow-disk", include_str!("../../lessons/05-slow-disk/lesson.toml")),
    ("06-group-commit", include_str!("../../lessons/06-group-commit/lesson.toml")),
    ("07-windows", include_str!("../../lessons/07-windows/lesson.toml")),
    ("08-counter-race", include_str!("../../lessons/08-counter-race/lesson.toml")),
    ("09-expiry", include_str!("../../lessons/09-expiry/lesson.toml")),
    ("10-replica", include_str!("../../lessons/10-replica/lesson.toml")),
    ("11-slots", include_str!("../../lessons/11-slots/lesson.toml")),
    ("12-hot-key", include_str!("../../lessons/12-hot-key/lesson.toml")),
    ("13-sizing", include_str!("../../lessons/13-sizing/lesson.toml")),
];

/// A lesson with its place among the others.
#[derive(Clone, Debug)]
pub struct Lesson {
    /// Its number, from 1.
    pub number: usize,
    /// Its name on the command line: that of its folder without the number.
    pub name: &'static str,
    /// Its folder.
    pub folder: &'static str,
    /// What its file says.
    pub file: File,
}

/// Every lesson in the order of the article.
///
/// # Panics
/// When a lesson of this program cannot be read, which a test rules out.
pub fn all() -> Vec<Lesson> {
    let lessons = ALL.iter().enumerate().map(|(index, &(folder, text))| Lesson {
        number: index + 1,
        name: folder.split_once('-').map_or(folder, |split| split.1),
        folder,
        file: File::parse(text).unwrap_or_else(|error| panic!("lessons/{folder}/lesson.toml: {error}")),
    });
    lessons.collect()
}

/// The lesson of this name or number.
///
/// # Errors
/// What is there instead.
pub fn find(name: &str) -> Result<Lesson, String> {
    let lessons = all();
    let number = name.parse::<usize>().ok();
    let is_it =
        |lesson: &Lesson| lesson.name == name || lesson.folder == name || Some(lesson.number) == number;
    match lessons.iter().position(is_it) {
        Some(place) => Ok(lessons[place].clone()),
        None => {
            let meant = nearest(name, lessons.iter().map(|lesson| lesson.name));
            let meant = meant.map_or_else(String::new, |meant| format!("\n  did you mean {meant}?"));
            Err(format!("no lesson is named {name:?}{meant}\n  writepath lesson lists them"))
        }
    }
}

#[cfg(test)]
mod tests;
