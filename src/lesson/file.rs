//! A lesson as its file says it. `lessons/README.md` describes the format to those who write one.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;

use crate::experiment::Assignment;

/// A lesson.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct File {
    /// What it is about, in a few words.
    pub title: String,
    /// One sentence for the list of lessons.
    pub about: String,
    /// Claims of the article that it looks at, by number.
    pub claims: Vec<u32>,
    /// What is asked before the run, paragraphs with an empty line between them.
    pub question: String,
    /// Answers to choose from; none when a number is asked for.
    #[serde(default)]
    pub choice: Vec<Choice>,
    /// The number that is asked for: an expression.
    pub guess: Option<String>,
    /// What is run.
    pub run: Vec<Run>,
    /// Numbers by name: expressions.
    pub fields: BTreeMap<String, String>,
    /// What is drawn.
    pub picture: Vec<Picture>,
    /// What to notice, paragraphs with `{fields}` in them.
    pub notice: Vec<Notice>,
    /// Conditions that hold unless the mechanism is wrong.
    pub expect: Vec<Expect>,
    /// What to try next.
    pub knob: Vec<Knob>,
    /// What the reader works out.
    pub exercise: Exercise,
}

/// An answer to choose from.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// The answer.
    pub text: String,
    /// A condition on the fields; it holds for exactly one of the answers.
    pub when: String,
}

/// A run of a built-in scenario.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Its name in expressions.
    pub name: String,
    /// What it is called in tables and pictures.
    pub label: String,
    /// The scenario.
    pub scenario: String,
    /// What is different from it, `KEY=VALUE`, a key as for `--set` or a flag's name.
    #[serde(default)]
    pub set: Vec<String>,
}

/// A picture.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, tag = "kind", rename_all = "kebab-case")]
pub enum Picture {
    /// A bar for each of some numbers.
    Bars {
        /// What they are.
        title: String,
        /// Label and field of each.
        rows: Vec<(String, String)>,
        /// Lengths by the logarithm.
        #[serde(default)]
        logarithmic: bool,
    },
    /// A column of the timeline of some runs.
    Time {
        /// What is drawn.
        title: String,
        /// A column of `timeline.csv`.
        column: String,
        /// Names of the runs; all when left out.
        #[serde(default)]
        runs: Vec<String>,
    },
}

/// A paragraph.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notice {
    /// With `{fields}` in it.
    pub text: String,
}

/// What the lesson rests on.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// A condition on the fields.
    pub that: String,
    /// The mechanism that makes it so.
    pub why: String,
}

/// A command to try.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Knob {
    /// The whole command.
    pub command: String,
    /// What it shows.
    pub shows: String,
}

/// What the reader works out.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exercise {
    /// The task.
    pub text: String,
    /// What is run for its answer.
    pub run: Vec<Run>,
    /// The answer: an expression on those runs.
    pub value: String,
    /// What is said of a wrong answer, by conditions on `answer` and `value`; the first that holds.
    pub hint: Vec<Hint>,
}

/// What is said of a wrong answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hint {
    /// A condition on `answer` and `value`.
    pub when: Option<String>,
    /// What helps.
    pub text: String,
}

impl File {
    /// Reads a lesson.
    ///
    /// # Errors
    /// What is wrong, with its place.
    pub fn parse(text: &str) -> Result<File, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }
}

impl Run {
    /// What is laid over the scenario.
    pub fn assignments(&self) -> Vec<Assignment> {
        let split = |set: &String| match set.split_once('=') {
            Some((key, value)) => Assignment { key: key.to_owned(), value: value.to_owned() },
            None => Assignment { key: set.clone(), value: String::new() },
        };
        self.set.iter().map(split).collect()
    }

    /// The command that does the same run.
    pub fn command(&self) -> String {
        let mut words = vec!["writepath".to_owned(), "run".to_owned(), self.scenario.clone()];
        for Assignment { key, value } in self.assignments() {
            match key.contains('.') {
                true => words.extend(["--set".to_owned(), format!("{key}={value}")]),
                false => words.extend([format!("--{key}"), value]),
            }
        }
        words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
    }
}

/// A word as a shell reads it back, with quotes only where people would put them.
fn quoted(word: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./=:,+@%".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => Cow::Borrowed(word),
        // A NUL is all that cannot be quoted, and no TOML string holds one.
        false => shlex::try_quote(word).unwrap_or_default(),
    }
}

impl Picture {
    /// What it shows.
    pub fn title(&self) -> &str {
        match self {
            Picture::Bars { title, .. } | Picture::Time { title, .. } => title,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_a_command() {
        let run = Run {
            name: "a".to_owned(),
            label: "A".to_owned(),
            scenario: "article".to_owned(),
            set: ["duration=2m", "redis.save=", "run.interval=\"100ms\""].map(str::to_owned).to_vec(),
        };
        assert_eq!(
            run.command(),
            "writepath run article --duration 2m --set redis.save= --set 'run.interval=\"100ms\"'"
        );
    }

    #[test]
    fn unknown_keys_are_refused_with_their_place() {
        let error = File::parse("titel = \"x\"").expect_err("no such key");
        assert!(error.contains("titel") && error.contains("line 1"), "{error}");
    }
}
