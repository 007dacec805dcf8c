//! The lessons as an mdBook: `SUMMARY.md` and a chapter a lesson, with figures beside them. Everything in it is made here
//! from runs, so that a test can make it again and compare.

use super::Lesson;
use super::page::{Drawn, Page, letter};
use super::text;

/// A file of the book: its path under `src`, and its text.
pub type BookFile = (String, String);

/// Line that begins every file, for whoever opens it to edit it.
const MADE: &str = "<!-- Made by `writepath lesson --book`; edit lessons/ instead. -->\n\n";

/// The table of contents.
pub fn summary(lessons: &[Lesson]) -> BookFile {
    let line = |lesson: &Lesson| format!("- [{}](lessons/{}.md)\n", lesson.file.title, lesson.folder);
    let chapters = lessons.iter().map(line).collect::<String>();
    let text =
        format!("# Summary\n\n{MADE}[How a write can wait](introduction.md)\n\n# Lessons\n\n{chapters}");
    ("SUMMARY.md".to_owned(), text)
}

/// The first page: what the book is, and the list of its chapters.
pub fn introduction(lessons: &[Lesson]) -> BookFile {
    let row = |lesson: &Lesson| {
        let claims = lesson.file.claims.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
        format!(
            "| [{}](lessons/{}.md) | {} | {claims} |\n",
            lesson.file.title, lesson.folder, lesson.file.about
        )
    };
    let text = format!(
        "# How a write can wait\n\n{MADE}A write to Redis or Valkey takes microseconds, until it does not. Each chapter \
         takes one reason why not, in the order in which the article on writes at scale names them. It begins with a \
         question: answer it before you read on. Then come runs of the simulator, a picture, what to notice in it, \
         commands to try, and an exercise whose answer the program checks.\n\nEverything here can be repeated:\n\n\
         ```sh\nwritepath lesson                 # the list\nwritepath lesson fork            # a chapter in the terminal, \
         the question first\nwritepath lesson fork --answer VALUE\n```\n\nNumbers come from seed 1 of the built-in \
         scenarios on the built-in machine models. Another machine has other prices; the mechanisms are the same.\n\n\
         | chapter | about | claims of the article |\n|---|---|---|\n{}",
        lessons.iter().map(row).collect::<String>()
    );
    ("introduction.md".to_owned(), text)
}

/// The chapter of a lesson, and its figures.
///
/// # Errors
/// When a picture has nothing to draw.
pub fn chapter(page: &Page<'_>) -> Result<Vec<BookFile>, String> {
    let (lesson, file) = (page.lesson, &page.lesson.file);
    let mut chapter = format!("# {}\n\n{MADE}{}\n", file.title, reflow(&file.question));
    for (place, choice) in file.choice.iter().enumerate() {
        chapter.push_str(&format!("- {}: {}\n", letter(place), choice.text));
    }
    let answer = page.answer();
    chapter.push_str(&format!("\n<details>\n<summary>Answer</summary>\n\n{answer}\n\n</details>\n"));
    let mut figures = Vec::new();
    for (index, drawn) in page.pictures.iter().enumerate() {
        chapter.push_str(&picture(drawn, lesson, index, &mut figures)?);
    }
    chapter.push_str(&format!(
        "\n## What to notice\n\n{}\n",
        page.notice.iter().map(|text| reflow(text)).collect::<Vec<_>>().join("\n")
    ));
    let runs = file.run.iter().map(|run| (run.command(), run.label.as_str()));
    chapter.push_str(&format!("\n## What was run\n\n{}", commands(runs)));
    let knobs = file.knob.iter().map(|knob| (knob.command.clone(), knob.shows.as_str()));
    chapter.push_str(&format!("\n## Try\n\n{}", commands(knobs)));
    chapter.push_str(&format!(
        "\n## Exercise\n\n{}\n```sh\nwritepath lesson {} --answer VALUE\n```\n",
        reflow(&file.exercise.text),
        lesson.name
    ));
    let mut files = vec![(format!("lessons/{}.md", lesson.folder), chapter)];
    files.append(&mut figures);
    Ok(files)
}

fn picture(
    drawn: &Drawn,
    lesson: &Lesson,
    index: usize,
    figures: &mut Vec<BookFile>,
) -> Result<String, String> {
    let heading = |title: &str| format!("\n## {title}\n\n");
    Ok(match drawn {
        Drawn::Bars { title, .. } => {
            let text = anstream::adapter::strip_str(&text::picture(drawn)).to_string();
            // The block has its title above it already.
            let rows = text.trim_start().split_once('\n').map_or("", |split| split.1);
            format!("{}```text\n{rows}```\n", heading(title))
        }
        Drawn::Time { title, .. } => {
            let name = format!("{}-{}.svg", lesson.folder, index + 1);
            figures.push((format!("figures/{name}"), drawn.svg()?.unwrap_or_default()));
            format!("{}![{title}: {}](../figures/{name})\n", heading(title), drawn.alt())
        }
    })
}

fn commands<'a>(commands: impl Iterator<Item = (String, &'a str)>) -> String {
    let block = |(command, about): (String, &str)| format!("{about}:\n\n```sh\n{command}\n```\n");
    commands.map(block).collect::<Vec<_>>().join("\n")
}

/// Paragraphs, each in one line: Markdown does not mind, and the file's own breaks do not matter.
fn reflow(text: &str) -> String {
    let paragraph = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    text.trim().split("\n\n").map(|text| paragraph(text) + "\n").collect::<Vec<_>>().join("\n")
}
