//! `finding.md` and `manifest.json`: what was found and how to find it again, written by the program from the results.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::bound::Kept;
use super::figure::Prose;
use super::file::{Experiment, Test};
use super::judge::{judge, verdict};
use super::table::Results;
use crate::models;
use crate::scenario::Scenario;

/// `manifest.json`: what a result was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Name of the experiment.
    pub experiment: String,
    /// Version of the program.
    pub writepath: String,
    /// What repeats it.
    pub command: String,
    /// Digest of `experiment.toml`, and of the scenarios and models that it names.
    pub inputs_sha256: String,
    /// Digest of `result.csv`.
    pub result_sha256: String,
    /// Variants.
    pub variants: usize,
    /// Runs of each.
    pub replications: u64,
    /// Seed of all.
    pub seed: u64,
}

impl Manifest {
    /// Of `results` of `experiment` and its `scenarios`.
    pub fn of(experiment: &Experiment, scenarios: &[Scenario], results: &Results) -> Manifest {
        Manifest {
            experiment: experiment.name.clone(),
            writepath: env!("CARGO_PKG_VERSION").to_owned(),
            command: format!("writepath experiments run {} --update", experiment.name),
            inputs_sha256: inputs(experiment, scenarios),
            result_sha256: digest(&[&results.csv()]),
            variants: scenarios.len(),
            replications: experiment.replications,
            seed: experiment.seed,
        }
    }

    /// The file's bytes.
    pub fn json(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("plain values are always JSON");
        bytes.push(b'\n');
        bytes
    }
}

/// The digest of everything a result depends on but the program: the experiment, scenarios and models it names.
pub fn inputs(experiment: &Experiment, scenarios: &[Scenario]) -> String {
    let texts = experiment.variants.iter().map(|variant| variant.text());
    let models = scenarios.iter().filter_map(|scenario| {
        models::builtin().find(|model| model.0 == scenario.machine.name).map(|model| model.1)
    });
    let parts = std::iter::once(experiment.text.as_str()).chain(texts).chain(models);
    digest(&parts.map(str::as_bytes).collect::<Vec<_>>())
}

/// SHA-256 of several texts, each with its length before it.
pub fn digest(parts: &[&[u8]]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    }
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A text with its figures, as measured.
pub fn fill(prose: &Prose, results: &Results) -> String {
    prose.fill(|figure, interval| match results.measured(figure) {
        Some(own) if interval => own.with_interval(),
        Some(own) => own.value(),
        None => "(no value)".to_owned(),
    })
}

/// A prediction and the variants in which it is so, as an item of a list.
fn prediction(test: &Test, results: &Results) -> String {
    let judged = judge(std::slice::from_ref(test), results);
    let answers =
        [(Kept::Yes, "so"), (Kept::No, "not so"), (Kept::Open, "not decided"), (Kept::Missing, "no answer")];
    let answer = |(kept, name): (Kept, &str)| {
        let places = judged.iter().filter(|own| own.kept == kept).map(|own| {
            let over = own.figure.over.as_ref();
            let over = over.map(|over| match over.metric == own.figure.of.metric {
                true => format!(" over {}", over.variant),
                false => format!(" over {} @ {}", over.metric, over.variant),
            });
            let value = own.measured.map_or_else(|| "no value".to_owned(), |own| own.value());
            format!("{}{} ({value})", own.figure.of.variant, over.unwrap_or_default())
        });
        let places: Vec<String> = places.collect();
        (!places.is_empty()).then(|| format!("**{name}**: {}", places.join("; ")))
    };
    let answers: Vec<String> = answers.into_iter().filter_map(answer).collect();
    let metric = test.figures.first().map_or("", |figure| figure.of.metric.as_str());
    format!("- claim {}: {metric} {}. {}\n", test.claim, test.bound.text, answers.join(". "))
}

/// The file's text.
pub fn markdown(experiment: &Experiment, results: &Results) -> String {
    let mut text = format!("# {}\n\n", experiment.question);
    text.push_str("| claim | says | verdict |\n|---:|---|---|\n");
    for claim in &experiment.claims {
        let verdict = verdict(experiment, claim, results).text();
        text.push_str(&format!("| {} | {} | *{verdict}* |\n", claim.number, claim.says));
    }
    text.push_str(&format!("\n{}\n", fill(&experiment.finding, results).trim()));
    text.push_str("\nWhat the claims predict, and where it is so:\n\n");
    experiment.predictions.iter().for_each(|test| text.push_str(&prediction(test, results)));
    text.push_str(&format!("\nNot seen here: {}\n", experiment.unseen.trim()));
    text.push_str(&format!(
        "\n{} variants, {} replications each, seed {}; intervals of 95 % over replications. Again: `writepath experiments \
         run {}`.\n",
        experiment.variants.len(),
        experiment.replications,
        experiment.seed,
        experiment.name
    ));
    text
}
