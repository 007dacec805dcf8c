//! The exercise: replications of its runs give the answer with an interval, which the reader's answer is held against.

use super::Lesson;
use super::expression;
use super::run::{Results, RunError, simulate};
use super::value::Value;
use crate::experiment::Pool;
use crate::stats::interval::LEVEL;
use crate::stats::paired::Moments;

/// Replications of an exercise: few, for the interval need not be narrow.
const REPLICATIONS: u64 = 4;
/// An answer may be this share beyond the interval, since people round: 0.12 s for 122 ms, 3 for 2.8.
const ROUNDING: f64 = 0.1;

/// What became of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// It is within the interval, or near enough.
    pub right: bool,
    /// The answer.
    pub answer: Value,
    /// Mean over the replications.
    pub value: Value,
    /// Their 95 % interval.
    pub low: Value,
    /// Its upper end.
    pub high: Value,
    /// What helps, where it is wrong.
    pub hint: String,
}

/// What the exercise of `lesson` comes to: mean over replications, and the ends of its interval.
///
/// # Errors
/// That it was stopped, or what is wrong with the lesson.
pub fn solve(
    lesson: &Lesson,
    pool: &Pool,
    goes_on: &(dyn Fn() -> bool + Sync),
) -> Result<[Value; 3], RunError> {
    let exercise = &lesson.file.exercise;
    let done = simulate(&exercise.run, REPLICATIONS, pool, goes_on)?;
    let values: Result<Vec<Value>, String> =
        done.into_iter().map(|runs| Results::unnamed(runs).number(&exercise.value)).collect();
    let values = values.map_err(|error| RunError::Lesson(format!("lesson {}: {error}", lesson.name)))?;
    let numbers: Vec<f64> = values.iter().map(|value| value.number).collect();
    let interval = Moments::of(&numbers).interval(LEVEL);
    Ok([interval.value, interval.low, interval.high].map(|number| values[0].alike(number)))
}

/// Checks an answer as typed.
///
/// # Errors
/// An answer that is no quantity of the kind asked for: what is expected.
pub fn check(lesson: &Lesson, [value, low, high]: [Value; 3], typed: &str) -> Result<Checked, String> {
    let answer = value.parse_alike(typed)?;
    let room = ROUNDING * value.number.abs();
    let right = (low.number - room..=high.number + room).contains(&answer.number);
    let hint = if right { String::new() } else { hint(lesson, answer, value)? };
    Ok(Checked { right, answer, value, low, high, hint })
}

/// The first hint whose condition holds.
fn hint(lesson: &Lesson, answer: Value, value: Value) -> Result<String, String> {
    let named = |name: &str| match name {
        "answer" => Ok(vec![answer]),
        "value" => Ok(vec![value]),
        other => Err(format!("{other} is neither answer nor value")),
    };
    for hint in &lesson.file.exercise.hint {
        let holds = hint.when.as_ref().is_none_or(|when| expression::holds(when, &named) == Ok(true));
        if holds {
            return Ok(hint.text.split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }
    Err(format!("lesson {} has no hint for {}", lesson.name, answer.show()))
}

impl Checked {
    /// The verdict for people.
    pub fn text(&self, lesson: &Lesson) -> String {
        let [value, low, high] = [self.value, self.low, self.high].map(Value::show);
        let interval = if low == high { String::new() } else { format!(" ({low} to {high})") };
        match self.right {
            true => format!("Right: {REPLICATIONS} runs give {value}{interval}.\n"),
            false => {
                let side = if self.answer.number > self.value.number { "high" } else { "low" };
                let again = format!("writepath lesson {} --answer VALUE", lesson.name);
                format!("Not yet: {} is too {side}. {}\n  {again}\n", self.answer.show(), self.hint)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lesson::all;
    use crate::lesson::file::Hint;

    fn value(text: &str) -> Value {
        Value::parse(text).expect("a quantity")
    }

    fn lesson() -> Lesson {
        let mut lesson = all().remove(0);
        lesson.file.exercise.hint = vec![
            Hint { when: Some("answer > 5 * value".to_owned()), text: "Much\n less.".to_owned() },
            Hint { when: None, text: "Think again.".to_owned() },
        ];
        lesson
    }

    #[test]
    fn an_answer_is_right_within_the_interval_and_a_tenth_around_it() {
        let solved = ["100ms", "95ms", "105ms"].map(value);
        let checked = |typed: &str| check(&lesson(), solved, typed).expect("a length of time");
        for (typed, right) in
            [("100ms", true), ("0.114s", true), ("86ms", true), ("84ms", false), ("116ms", false)]
        {
            assert_eq!(checked(typed).right, right, "{typed}");
        }
        assert!(checked("100ms").text(&lesson()).contains("give 100 ms (95.0 ms to 105 ms)"));
        let wrong = checked("1s").text(&lesson());
        assert!(wrong.contains("1.00 s is too high. Much less."), "{wrong}");
        assert!(!wrong.contains("100 ms"), "the answer is not given away: {wrong}");
        assert_eq!(checked("10ms").hint, "Think again.");
    }

    #[test]
    fn another_kind_of_number_is_refused_with_an_example() {
        let solved = ["100ms", "95ms", "105ms"].map(value);
        assert!(check(&lesson(), solved, "100").is_err_and(|error| error.contains("for example 12ms")));
    }
}
