//! A lesson for the terminal, within 100 columns.

use super::Lesson;
use super::file::Knob;
use super::page::{Drawn, Page, letter};
use super::value::Value;
use crate::report::human::{BARS, FAINT, HEADING, SPARK, TITLE, WIDTH};
use crate::report::plot::text::Spacing;
use crate::report::sparkline::{bar, linear_sparkline, sparkline};
use crate::report::wrap::{paint, wrap};

/// Cells of the longest bar.
const BAR: usize = 40;
/// Columns of a bar's value.
const SHOWN: usize = 10;
/// Columns before a paragraph.
const INDENT: usize = 2;

/// The list of lessons.
pub fn list(lessons: &[Lesson]) -> String {
    let width = lessons.iter().map(|lesson| lesson.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for lesson in lessons {
        let about = wrap(&lesson.file.about, WIDTH - width - 6);
        text.push_str(&format!("{:>2}  {:<width$}  {}\n", lesson.number, lesson.name, about[0]));
        for line in &about[1..] {
            text.push_str(&format!("{:width$}      {line}\n", ""));
        }
    }
    let first = lessons.first().map_or("", |lesson| lesson.name);
    text + &format!("\nwritepath lesson {first} begins the first; each takes a few seconds of computing.\n")
}

/// Title and question, before anything runs.
pub fn question(lesson: &Lesson, lessons: usize) -> String {
    let mut text = paint(TITLE, &format!("{} of {lessons}  {}", lesson.number, lesson.file.title)) + "\n\n";
    text.push_str(&paragraphs(&lesson.file.question));
    if !lesson.file.choice.is_empty() {
        text.push('\n');
    }
    for (place, choice) in lesson.file.choice.iter().enumerate() {
        let lines = wrap(&choice.text, WIDTH - 5);
        text.push_str(&format!("  {}  {}\n", letter(place), lines.join("\n     ")));
    }
    text
}

/// What is printed when the runs are over.
pub fn result(page: &Page<'_>) -> String {
    let mut text = section("Answer") + &format!("  {}\n", page.answer());
    for drawn in &page.pictures {
        text.push_str(&picture(drawn));
    }
    text.push_str(&section("What to notice"));
    text.push_str(&paragraphs(&page.notice.join("\n\n")));
    let file = &page.lesson.file;
    text.push_str(&section("What was run"));
    for run in &file.run {
        text.push_str(&command(&run.command(), &run.label));
    }
    text.push_str(&section("Try"));
    for Knob { command: line, shows } in &file.knob {
        text.push_str(&command(line, shows));
    }
    text.push_str(&section("Exercise"));
    text.push_str(&paragraphs(&file.exercise.text));
    text + &format!("\n  writepath lesson {} --answer VALUE\n", page.lesson.name)
}

fn section(name: &str) -> String {
    format!("\n{}\n", paint(HEADING, name))
}

/// A command that can be pasted, and what it is for.
fn command(command: &str, about: &str) -> String {
    let about = wrap(about, WIDTH - 6).join("\n      ");
    format!("  {command}\n      {}\n", paint(FAINT, &about))
}

/// Paragraphs with an empty line between them; their own line breaks do not count.
pub fn paragraphs(text: &str) -> String {
    let paragraph = |text: &str| {
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let lines = wrap(&words, WIDTH - INDENT);
        lines.iter().map(|line| format!("{:INDENT$}{line}\n", "")).collect::<String>()
    };
    text.trim().split("\n\n").map(paragraph).collect::<Vec<_>>().join("\n")
}

/// A picture as rows of text.
pub fn picture(drawn: &Drawn) -> String {
    match drawn {
        Drawn::Bars { title, bars, logarithmic } => {
            let mut text = section(title);
            let width = bars.iter().map(|bar| bar.label.chars().count()).max().unwrap_or(0);
            for own in bars {
                let drawn = paint(BARS, &bar(own.share, BAR));
                text.push_str(&format!("  {:<width$}  {:>SHOWN$}  {drawn}\n", own.label, own.shown));
            }
            let note =
                if *logarithmic { paint(FAINT, "  bars are logarithmic") + "\n" } else { String::new() };
            text + &note
        }
        Drawn::Time { title, column, lines } => {
            let mut text = section(title);
            for line in lines {
                let values: Vec<f64> = line.points.iter().filter_map(|point| point.1).collect();
                let show = |number: f64| Value::under(column, number).show();
                let low = values.iter().copied().fold(f64::INFINITY, f64::min);
                let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let range = match values.is_empty() {
                    true => "nothing was answered".to_owned(),
                    false => format!("{} to {}", show(low), show(high)),
                };
                // A sparkline is of whole numbers: thousandths, so that shares and rates have steps too.
                let whole = |point: &(f64, Option<f64>)| point.1.map(|value| (value * 1e3) as u64);
                let points: Vec<Option<u64>> = line.points.iter().map(whole).collect();
                let spark = match Spacing::Auto.is_logarithmic((low, high)) {
                    true => sparkline(&points, SPARK),
                    false => linear_sparkline(&points, SPARK),
                };
                text.push_str(&format!("  {}  {}\n", line.label, paint(FAINT, &range)));
                text.push_str(&format!("  {}\n", paint(BARS, &spark)));
            }
            text
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lesson::page::Bar;
    use crate::report::plot::svg::series::Series;

    fn plain(drawn: &Drawn) -> String {
        anstream::adapter::strip_str(&picture(drawn)).to_string()
    }

    #[test]
    fn pictures_have_labels_values_and_their_range() {
        let own =
            |label: &str, shown: &str, share| Bar { label: label.to_owned(), shown: shown.to_owned(), share };
        let bars = vec![own("small", "12.0 ms", 0.1), own("ten times", "120 ms", 1.0)];
        let drawn = Drawn::Bars { title: "Forks".to_owned(), bars, logarithmic: true };
        let full = "█".repeat(40);
        let expected = format!(
            "\nForks\n  small         12.0 ms  ████\n  ten times      120 ms  {full}\n  bars are logarithmic\n"
        );
        assert_eq!(plain(&drawn), expected);
        let points = vec![(1.0, Some(1e6)), (2.0, None), (3.0, Some(8e6)), (4.0, Some(4e6))];
        let lines = vec![Series { label: "run".to_owned(), points }];
        let drawn = Drawn::Time { title: "P99".to_owned(), column: "sojourn_ns_p99".to_owned(), lines };
        assert_eq!(plain(&drawn), "\nP99\n  run  1.00 ms to 8.00 ms\n  ▁ █▄\n");
    }

    #[test]
    fn paragraphs_are_wrapped_apart() {
        let text = format!("{}\n\nend\n of it\n", "word ".repeat(25));
        let lines: Vec<String> = paragraphs(&text).lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), 4, "{lines:?}");
        assert!(lines[0].len() <= WIDTH && lines[2].is_empty());
        assert_eq!(lines[3], "  end of it");
    }
}
