//! The prediction: what the reader believes before the run.

use std::io::{BufRead, Write};

use super::Lesson;
use super::page::{Page, letter};
use super::value::Value;

/// What was predicted.
#[derive(Clone, Debug, PartialEq)]
pub enum Prediction {
    /// A choice, by its place.
    Choice(usize),
    /// A number.
    Number(Value),
}

/// Asks until the answer can be read; none when there is no more input, or the line is empty.
///
/// # Errors
/// When `output` takes nothing, or `input` gives an error.
pub fn ask(
    lesson: &Lesson,
    input: &mut dyn BufRead,
    output: &mut dyn Write,
) -> std::io::Result<Option<Prediction>> {
    let choices = lesson.file.choice.len();
    loop {
        match choices {
            0 => write!(output, "\nYour guess, with its unit (Enter: none): ")?,
            _ => write!(output, "\nYour answer, a to {} (Enter: none): ", letter(choices - 1))?,
        }
        output.flush()?;
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 || line.trim().is_empty() {
            return Ok(None);
        }
        match read(line.trim(), choices) {
            Ok(prediction) => return Ok(Some(prediction)),
            Err(error) => writeln!(output, "{error}")?,
        }
    }
}

fn read(line: &str, choices: usize) -> Result<Prediction, String> {
    if choices == 0 {
        return Value::parse(line).map(Prediction::Number);
    }
    let typed = line.to_ascii_lowercase();
    let place = (0..choices).find(|&place| typed.chars().eq([letter(place)]));
    place.map(Prediction::Choice).ok_or_else(|| format!("{line:?} is none of a to {}", letter(choices - 1)))
}

/// What the run makes of the prediction, a sentence.
pub fn verdict(page: &Page<'_>, prediction: &Prediction) -> String {
    match (prediction, page.right, page.guess) {
        (Prediction::Choice(place), Some(right), _) if *place == right => "As you predicted.".to_owned(),
        (Prediction::Choice(place), Some(right), _) => {
            format!("You said {}; the run says {}.", letter(*place), letter(right))
        }
        (Prediction::Number(guess), _, Some(value)) if guess.is_alike(value) && guess.number > 0.0 => {
            format!("You said {}; the run says {}.", guess.show(), value.show())
        }
        (Prediction::Number(guess), _, Some(value)) => {
            format!("You said {}, the run says {}: another kind of number.", guess.show(), value.show())
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lesson::all;

    fn asked(lesson: &Lesson, typed: &str) -> (Option<Prediction>, String) {
        let mut output = Vec::new();
        let prediction = ask(lesson, &mut typed.as_bytes(), &mut output).expect("memory takes everything");
        (prediction, String::from_utf8(output).expect("text"))
    }

    #[test]
    fn a_letter_is_taken_and_anything_else_is_asked_again() {
        let lesson = all().into_iter().find(|lesson| lesson.file.choice.len() >= 3).expect("a choice");
        assert_eq!(asked(&lesson, "B\n").0, Some(Prediction::Choice(1)));
        let (prediction, text) = asked(&lesson, "spoon\nc\n");
        assert_eq!(prediction, Some(Prediction::Choice(2)));
        assert!(
            text.contains("\"spoon\" is none of a to ") && text.matches("Your answer").count() == 2,
            "{text}"
        );
        assert_eq!((asked(&lesson, "\n").0, asked(&lesson, "").0), (None, None));
    }

    #[test]
    fn a_number_is_taken_with_its_unit() {
        let mut lesson = all().remove(0);
        lesson.file.choice.clear();
        let expected = Value::parse("12ms").expect("a length of time");
        assert_eq!(asked(&lesson, "much\n12ms\n").0, Some(Prediction::Number(expected)));
    }
}
