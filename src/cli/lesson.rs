//! `writepath lesson`: a failure mode taught, and the exercise checked.

use std::fs;
use std::io::{BufReader, IsTerminal};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::failure::Failure;
use super::flags::Format;
use super::interrupt::Interrupt;
use super::terminal::Terminal;
use crate::experiment::Pool;
use crate::lesson::page::{Page, letter};
use crate::lesson::run::RunError;
use crate::lesson::value::Value;
use crate::lesson::{self, Lesson, answer, ask, book, html, text};

const EXAMPLES: &str = "\
Examples:
  writepath lesson                        lists the lessons
  writepath lesson fork                   asks, runs, shows, and sets an exercise
  writepath lesson fork --answer 240ms    checks the answer of the exercise; exit code 1 if it is wrong
  writepath lesson fork --yes --html fork.html
      without the question, and as a page that needs nothing else
  writepath lesson --book docs/src        writes all of them as the source of an mdBook

The question is asked on a terminal only. Each lesson names the commands of its runs, so that what
it shows can be looked into.";

/// Learn a failure mode: a question, a run, a picture, what to notice, an exercise
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct LessonArgs {
    /// Name or number of a lesson; the list of them when left out
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Do not ask for a prediction
    #[arg(short, long)]
    yes: bool,
    /// Check the answer of the exercise: 12ms, 3.5M, 5000/s, 64MiB, 5%
    #[arg(long, value_name = "VALUE", requires = "name", conflicts_with_all = ["html", "yes"])]
    answer: Option<String>,
    /// Write all lessons into this folder, as the source of an mdBook
    #[arg(long, value_name = "DIR", conflicts_with_all = ["name", "html", "format"])]
    book: Option<PathBuf>,
    /// What goes to standard output
    #[arg(long, value_enum, default_value_t = Format::Human, help_heading = "Output")]
    format: Format,
    /// Write the lesson as a page into this file as well
    #[arg(long, value_name = "FILE", requires = "name", help_heading = "Output")]
    html: Option<PathBuf>,
}

/// Runs the subcommand.
pub fn lesson(args: &LessonArgs, terminal: &Terminal) -> Result<(), Failure> {
    let interrupt = Interrupt::watch();
    let pool =
        Pool::new(0).map_err(|error| Failure::Environment("cannot start threads".to_owned(), error))?;
    let goes_on = || !interrupt.requested();
    match (&args.name, &args.book) {
        (None, None) => list(args.format, terminal),
        (None, Some(dir)) => write_book(dir, &pool, &goes_on, terminal),
        (Some(name), _) => {
            let lesson = lesson::find(name).map_err(Failure::Usage)?;
            match &args.answer {
                Some(typed) => check(&lesson, typed, args.format, &pool, &goes_on, terminal),
                None => teach(&lesson, args, &pool, &goes_on, terminal),
            }
        }
    }
}

fn list(format: Format, terminal: &Terminal) -> Result<(), Failure> {
    let lessons = lesson::all();
    match format {
        Format::Human => terminal.print(&text::list(&lessons)),
        Format::Json => {
            let one = |lesson: &Lesson| {
                let file = &lesson.file;
                json!({"number": lesson.number, "name": lesson.name, "title": file.title, "about": file.about,
                       "claims": file.claims})
            };
            print_json(&lessons.iter().map(one).collect(), terminal)
        }
        Format::Csv => {
            let row = |lesson: &Lesson| {
                vec![lesson.number.to_string(), lesson.name.to_owned(), lesson.file.title.clone()]
            };
            print_csv(&["number", "lesson", "title"], lessons.iter().map(row), terminal)
        }
    }
}

fn teach(
    lesson: &Lesson,
    args: &LessonArgs,
    pool: &Pool,
    goes_on: &(dyn Fn() -> bool + Sync),
    terminal: &Terminal,
) -> Result<(), Failure> {
    let lessons = lesson::all().len();
    let is_human = args.format == Format::Human;
    let mut prediction = None;
    if is_human && !terminal.quiet {
        terminal.print(&text::question(lesson, lessons))?;
        if !args.yes && std::io::stdin().is_terminal() {
            let mut input = BufReader::new(std::io::stdin().lock());
            prediction = ask::ask(lesson, &mut input, &mut std::io::stdout()).map_err(Failure::stdout)?;
        }
    }
    let page = Page::make(lesson, lessons, pool, goes_on).map_err(failed)?;
    if let Some(file) = &args.html {
        write(file, &html::page(&page).map_err(Failure::Usage)?)?;
    }
    match args.format {
        Format::Human if terminal.quiet => terminal.print(&(page.answer() + "\n")),
        Format::Human => {
            let verdict = prediction.map(|prediction| ask::verdict(&page, &prediction));
            let verdict = verdict.map_or_else(String::new, |verdict| format!("\n{verdict}\n"));
            terminal.print(&(verdict + &text::result(&page)))
        }
        Format::Json => print_json(&of_page(&page), terminal),
        Format::Csv => {
            let row = |&(name, value): &(&str, Value)| {
                let number = value.number.to_string();
                vec![lesson.name.to_owned(), name.to_owned(), number, value.unit().to_owned()]
            };
            print_csv(&["lesson", "field", "value", "unit"], page.fields.iter().map(row), terminal)
        }
    }
}

/// The JSON object of a lesson.
fn of_page(page: &Page<'_>) -> serde_json::Value {
    let file = &page.lesson.file;
    let quantity = |value: Value| json!({"value": value.number, "unit": value.unit()});
    let fields: serde_json::Map<_, _> =
        page.fields.iter().map(|&(name, value)| (name.to_owned(), quantity(value))).collect();
    let runs = file.run.iter().zip(&page.results.runs);
    json!({
        "lesson": page.lesson.name, "number": page.lesson.number, "title": file.title, "claims": file.claims,
        "question": file.question,
        "choices": file.choice.iter().map(|choice| &choice.text).collect::<Vec<_>>(),
        "answer": match (page.right, page.guess) {
            (Some(right), _) => json!(letter(right).to_string()),
            (None, guess) => json!(guess.map(quantity)),
        },
        "fields": fields,
        "notice": page.notice,
        "runs": runs.map(|(run, done)| {
            json!({"name": run.name, "label": run.label, "command": run.command(), "result": done.json})
        }).collect::<Vec<_>>(),
        "exercise": file.exercise.text,
    })
}

fn check(
    lesson: &Lesson,
    typed: &str,
    format: Format,
    pool: &Pool,
    goes_on: &(dyn Fn() -> bool + Sync),
    terminal: &Terminal,
) -> Result<(), Failure> {
    let solved = answer::solve(lesson, pool, goes_on).map_err(failed)?;
    let checked =
        answer::check(lesson, solved, typed).map_err(|error| Failure::Usage(format!("--answer: {error}")))?;
    let unit = checked.value.unit();
    match format {
        Format::Human => terminal.print(&checked.text(lesson))?,
        Format::Json => {
            let object = json!({
                "lesson": lesson.name, "right": checked.right, "unit": unit, "answer": checked.answer.number,
                "value": checked.value.number, "low": checked.low.number, "high": checked.high.number,
                "hint": checked.hint,
            });
            print_json(&object, terminal)?;
        }
        Format::Csv => {
            let numbers = [checked.answer, checked.value, checked.low, checked.high];
            let mut row = vec![lesson.name.to_owned(), checked.right.to_string()];
            row.extend(numbers.map(|value| value.number.to_string()));
            row.push(unit.to_owned());
            let header = ["lesson", "right", "answer", "value", "low", "high", "unit"];
            print_csv(&header, std::iter::once(row), terminal)?;
        }
    }
    if checked.right { Ok(()) } else { Err(Failure::NotMet) }
}

/// Writes the source of the book over what is there.
fn write_book(
    dir: &Path,
    pool: &Pool,
    goes_on: &(dyn Fn() -> bool + Sync),
    terminal: &Terminal,
) -> Result<(), Failure> {
    let lessons = lesson::all();
    let mut files = vec![book::summary(&lessons), book::introduction(&lessons)];
    for lesson in &lessons {
        let page = Page::make(lesson, lessons.len(), pool, goes_on).map_err(failed)?;
        files.extend(book::chapter(&page).map_err(Failure::Usage)?);
    }
    for (name, text) in &files {
        write(&dir.join(name), text)?;
    }
    terminal.note(&format!("{} files of {} lessons in {}", files.len(), lessons.len(), dir.display()));
    Ok(())
}

fn failed(error: RunError) -> Failure {
    match error {
        RunError::Stopped => Failure::Interrupted,
        RunError::Lesson(error) => Failure::Usage(error),
    }
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent)
        .and_then(|()| fs::write(path, text))
        .map_err(|error| Failure::Environment(format!("cannot write {}", path.display()), error))
}

fn print_json(value: &serde_json::Value, terminal: &Terminal) -> Result<(), Failure> {
    terminal.print_bytes(format!("{value:#}\n").as_bytes())
}

fn print_csv(
    header: &[&str],
    rows: impl Iterator<Item = Vec<String>>,
    terminal: &Terminal,
) -> Result<(), Failure> {
    let mut table = csv::Writer::from_writer(Vec::new());
    let written = table
        .write_record(header)
        .and_then(|()| rows.into_iter().try_for_each(|row| table.write_record(&row)))
        .and_then(|()| table.into_inner().map_err(|error| error.into_error().into()));
    terminal.print_bytes(&written.map_err(|error| Failure::stdout(error.into()))?)
}

#[cfg(test)]
mod tests {
    use super::super::{Cli, compare, input, size};
    use super::*;
    use crate::cli::Command;
    use clap::Parser;

    #[test]
    fn every_command_of_a_lesson_can_be_given() {
        for lesson in lesson::all() {
            assert!(lesson.file.knob.len() >= 2, "{}: something to try", lesson.name);
            let runs = lesson.file.run.iter().chain(&lesson.file.exercise.run);
            let knobs = lesson.file.knob.iter().map(|knob| knob.command.clone());
            for command in runs.map(|run| run.command()).chain(knobs) {
                let words = shlex::split(&command).unwrap_or_else(|| panic!("{command}: quotes"));
                let cli = Cli::try_parse_from(&words).unwrap_or_else(|error| panic!("{command}\n{error}"));
                let terminal = Terminal::new(&cli.terminal);
                let resolved = match &cli.command {
                    Command::Run(args) => input::load(&args.scenario).map(|_| ()),
                    Command::Compare(args) => compare::plan(args, &terminal).map(|_| ()),
                    Command::Size(args) => size::plan(args).map(|_| ()),
                    other => panic!("{command}: {other:?} is not looked into here"),
                };
                resolved.unwrap_or_else(|failure| panic!("{command}\n{failure}"));
            }
        }
    }
}
