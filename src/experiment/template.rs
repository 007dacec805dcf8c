//! A scenario that settings can still be laid over.

use std::path::{Path, PathBuf};

use crate::scenario::problem::{Problem, Problems, nearest};
use crate::scenario::reader::Reader;
use crate::scenario::resolve::{Overrides, resolve};
use crate::scenario::sweep::{self, SweepTable};
use crate::scenario::{Scenario, layers, tree};

/// A setting and the value to give it, each as typed: `workload.rate` and `5000/s`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// A dotted setting (`redis.appendfsync`, `machine.fork.per-gib`) or one of [`SHORT_KEYS`].
    pub key: String,
    /// Its value.
    pub value: String,
}

/// Names that a flag has too, and whole files: what an assignment may name beside `TABLE.KEY`.
pub const SHORT_KEYS: &[&str] = &[
    "redis-conf",
    "redis-version",
    "model",
    "info",
    "rate",
    "connections",
    "pipeline",
    "keys",
    "value-size",
    "duration",
    "warmup",
    "seed",
    "window",
];

/// The text of a scenario with what the command line lays over it.
#[derive(Clone, Debug)]
pub struct Template {
    text: String,
    file: String,
    base_dir: PathBuf,
    overrides: Overrides,
}

impl Template {
    /// The scenario `text`, named `file` in problems, whose relative paths count from `base_dir`.
    pub fn new(text: String, file: String, base_dir: PathBuf, overrides: Overrides) -> Self {
        Template { text, file, base_dir, overrides }
    }

    /// The text as it was read.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The scenario's file as the user named it.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The folder from which relative paths of the scenario count.
    pub fn base_dir(&self) -> &Path {
        &self.base_dir
    }

    /// What the command line lays over it.
    pub fn overrides(&self) -> &Overrides {
        &self.overrides
    }

    /// Its `[sweep]` table under the flags; none when it has none.
    ///
    /// # Errors
    /// When the text is no TOML; problems of the table itself are those of [`Template::resolve`].
    pub fn sweep_table(&self) -> Result<Option<SweepTable>, Problems> {
        let mut tree = tree::parse(&self.text, &self.file).map_err(Problems)?;
        let mut reader = Reader { file: self.file.clone(), ..Reader::default() };
        layers::apply(&mut tree, &self.overrides, &mut reader);
        Ok(sweep::read(&tree, &mut reader))
    }

    /// The scenario itself.
    ///
    /// # Errors
    /// Every problem of the file and the flags.
    pub fn resolve(&self) -> Result<Scenario, Problems> {
        self.with(&[])
    }

    /// The scenario under `assignments`, the last one of a key counting. They are laid over the flags.
    ///
    /// # Errors
    /// Every problem of the file, the flags and the assignments; a key that nothing has.
    pub fn with(&self, assignments: &[Assignment]) -> Result<Scenario, Problems> {
        let mut overrides = self.overrides.clone();
        let unknown: Vec<Problem> =
            assignments.iter().filter_map(|assignment| lay(&mut overrides, assignment).err()).collect();
        match unknown.is_empty() {
            true => resolve(&self.text, &self.file, &self.base_dir, &overrides),
            false => Err(Problems(unknown)),
        }
    }
}

/// Settings that a short key stands for: `--set` of one of them is laid over the flag of that name, and must not be over an
/// assignment, which comes later.
const STANDS_FOR: &[(&str, &[&str])] = &[
    ("redis-version", &["redis.version"]),
    ("model", &["machine.model"]),
    ("rate", &["workload.rate", "workload.schedule", "workload.schedule-csv"]),
    ("connections", &["workload.connections"]),
    ("pipeline", &["workload.pipeline"]),
    ("keys", &["dataset.keys", "dataset.memory"]),
    ("value-size", &["dataset.value-size", "workload.value-size"]),
    ("duration", &["run.duration"]),
    ("warmup", &["run.warmup"]),
    ("window", &["run.windows"]),
];

/// Whether `set`, the text of a `--set`, gives the setting `dotted`, of one workload group or of all.
fn gives(set: &str, dotted: &str) -> bool {
    let Some((key, _)) = set.split_once('=') else { return false };
    let (table, name) = dotted.split_once('.').unwrap_or((dotted, ""));
    let rest = key.trim().strip_prefix(table).and_then(|rest| rest.strip_prefix('.'));
    rest.is_some_and(|rest| rest == name || table == "workload" && rest.rsplit('.').next() == Some(name))
}

/// Lays one assignment over the flags.
fn lay(overrides: &mut Overrides, assignment: &Assignment) -> Result<(), Problem> {
    let Assignment { key, value } = assignment;
    let text = || Some(value.clone());
    let same = STANDS_FOR.iter().filter(|short| short.0 == key).flat_map(|short| short.1);
    same.for_each(|dotted| overrides.set.retain(|set| !gives(set, dotted)));
    match key.as_str() {
        "redis-conf" => overrides.redis_conf = Some(value.into()),
        "redis-version" => overrides.redis_version = text(),
        "model" => overrides.model = text(),
        "info" => overrides.info = Some(value.into()),
        "rate" => overrides.rate = text(),
        "connections" => overrides.connections = text(),
        "pipeline" => overrides.pipeline = text(),
        "keys" => overrides.keys = text(),
        "value-size" => overrides.value_size = text(),
        "duration" => overrides.duration = text(),
        "warmup" => overrides.warmup = text(),
        "window" => overrides.window = text(),
        "seed" => overrides.set.push(format!("run.seed={value}")),
        dotted if dotted.contains('.') => overrides.set.push(format!("{dotted}={value}")),
        other => return Err(unknown(other)),
    }
    Ok(())
}

fn unknown(key: &str) -> Problem {
    let meant = nearest(key, SHORT_KEYS.iter().copied()).map(|known| format!("did you mean {known}?"));
    let remedies =
        meant.into_iter().chain([format!("write TABLE.KEY, or one of: {}", SHORT_KEYS.join(", "))]);
    Problem {
        file: key.to_owned(),
        line: 0,
        column: 0,
        read: "no setting has this name".to_owned(),
        remedies: remedies.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn article() -> Template {
        let text = crate::scenario::builtin::get("article").expect("built in").to_owned();
        let overrides = Overrides { rate: Some("100/s".to_owned()), ..Overrides::default() };
        Template::new(text, "article".to_owned(), PathBuf::from("."), overrides)
    }

    fn assign(key: &str, value: &str) -> Assignment {
        Assignment { key: key.to_owned(), value: value.to_owned() }
    }

    fn shown(scenario: &Scenario, key: &str) -> String {
        let setting = scenario.settings.iter().find(|setting| setting.key == key);
        setting.unwrap_or_else(|| panic!("{key} is a setting")).value.clone()
    }

    #[test]
    fn assignments_win_over_flags_and_the_last_of_a_key_wins() {
        let both = [assign("rate", "200/s"), assign("run.duration", "5m"), assign("run.duration", "6m")];
        let scenario = article().with(&both).expect("a sound scenario");
        assert_eq!(shown(&scenario, "run.duration"), "\"6m\"");
        assert!(
            scenario.settings.iter().any(|setting| setting.value == "\"200/s\""),
            "{:?}",
            scenario.settings
        );
    }

    #[test]
    fn every_short_key_is_laid_and_changes_the_flags() {
        let untouched = format!("{:?}", Overrides::default());
        for key in SHORT_KEYS {
            let mut overrides = Overrides::default();
            lay(&mut overrides, &assign(key, "7")).unwrap_or_else(|problem| panic!("{problem}"));
            assert_ne!(format!("{overrides:?}"), untouched, "{key}");
            // What is no `--set` is the field of that name.
            let field = format!("{}: Some(\"7\")", key.replace('-', "_"));
            let is_set = overrides.set == [format!("run.{key}=7")];
            assert!(is_set || format!("{overrides:?}").contains(&field), "{key}: {overrides:?}");
        }
    }

    #[test]
    fn a_short_key_wins_over_a_set_of_what_it_stands_for() {
        let set = ["workload.rate=100/s", "workload.workload-1.connections=7", "dataset.memory=1GiB"];
        let set = set.map(str::to_owned).to_vec();
        let overrides = Overrides { set, ..Overrides::default() };
        let template = Template { overrides, ..article() };
        let of = |assignments: &[Assignment]| template.with(assignments).expect("a sound scenario");
        let before = of(&[]);
        let laid = [assign("rate", "200/s"), assign("connections", "9"), assign("keys", "5000")];
        let after = of(&laid);
        let rate = |scenario: &Scenario| match &scenario.workloads[0].source {
            crate::scenario::Source::Open { schedule, .. } => schedule[0].1,
            _ => 0.0,
        };
        assert_eq!((rate(&before), before.workloads[0].connections), (100.0, 7));
        assert_eq!((rate(&after), after.workloads[0].connections, after.dataset.keys), (200.0, 9, 5000));
    }

    #[test]
    fn all_unknown_keys_are_named_with_what_was_meant() {
        let Err(problems) = article().with(&[assign("modle", "x"), assign("rte", "1/s")]) else {
            panic!("neither is a setting")
        };
        let text = problems.to_string();
        assert!(text.contains("did you mean model?") && text.contains("did you mean rate?"), "{text}");
    }
}
