//! Where a picture's numbers come from, in one line under it.

use serde::Deserialize;

use super::points::Points;

/// What a manifest says that a picture mentions; what it does not have is left out.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Source {
    /// Version of the program.
    pub writepath: Option<String>,
    /// Name of the scenario.
    pub scenario: Option<String>,
    /// Version of the server.
    pub redis_version: Option<String>,
    /// The machine's prices.
    pub model: Option<Model>,
    /// Seed of all randomness.
    pub seed: Option<u64>,
    /// Replications of each point of a sweep.
    pub replications: Option<u64>,
}

/// A model by its name.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Model {
    /// The name alone.
    Name(String),
    /// The name, and more.
    Table {
        /// The name.
        name: String,
    },
}

impl Source {
    /// Reads a manifest.
    ///
    /// # Errors
    /// What is no manifest, and where.
    pub fn read(manifest: &[u8]) -> Result<Source, String> {
        // An object: a struct would be read from a list as well.
        let object: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(manifest).map_err(|error| error.to_string())?;
        Source::deserialize(serde_json::Value::Object(object)).map_err(|error| error.to_string())
    }

    /// What the manifest left out and the table of points knows.
    pub fn completed(mut self, points: &Points) -> Source {
        self.scenario =
            self.scenario.or_else(|| (!points.scenario.is_empty()).then(|| points.scenario.clone()));
        self.replications = self.replications.or_else(|| points.replications.parse().ok());
        self.seed = self.seed.or_else(|| points.seed.parse().ok());
        self
    }

    /// `redis 7.2, cloud-vm, 3 replications, seed 1`.
    pub fn facts(&self) -> String {
        let server = self.redis_version.as_ref().map(|version| match version.starts_with("valkey") {
            true => version.clone(),
            false => format!("redis {version}"),
        });
        let model = self.model.as_ref().map(|model| match model {
            Model::Name(name) | Model::Table { name } => name.clone(),
        });
        let replications = self.replications.map(|number| match number {
            1 => "1 replication".to_owned(),
            _ => format!("{number} replications"),
        });
        let seed = self.seed.map(|seed| format!("seed {seed}"));
        [server, model, replications, seed].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    /// The line under a figure: `article, redis 7.2, cloud-vm, seed 1; writepath 0.1.0`.
    pub fn line(&self) -> String {
        let known = self.scenario.iter().cloned().chain([self.facts()]);
        let known = known.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ");
        let program = self.writepath.as_ref().map(|version| format!("writepath {version}"));
        [known].into_iter().chain(program).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plot::sample::POINTS;

    #[test]
    fn what_a_manifest_knows_is_said_and_the_rest_is_left_out() {
        let manifest = br#"{"writepath": "0.1.0", "scenario": "article", "redis_version": "7.2", "seed": 1,
            "model": {"name": "cloud-vm", "text": null}, "wall_clock_s": 3.5}"#;
        let mut source = Source::read(manifest).expect("a manifest");
        assert_eq!(source.line(), "article, redis 7.2, cloud-vm, seed 1; writepath 0.1.0");
        source.replications = Some(3);
        assert_eq!(source.facts(), "redis 7.2, cloud-vm, 3 replications, seed 1");
        let sparse =
            Source::read(br#"{"model": "cloud-vm", "redis_version": "valkey-9.0"}"#).expect("a manifest");
        assert_eq!(sparse.line(), "valkey-9.0, cloud-vm");
        assert_eq!(Source::default().line(), "");
        let points = Points::read(POINTS.as_bytes(), None).expect("a table of points");
        assert_eq!(Source::default().completed(&points).line(), "article, 3 replications, seed 1");
        assert!(Source::read(b"[]").is_err());
    }
}
