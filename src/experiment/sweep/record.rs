//! What is kept of a point, and of the sweep it belongs to.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::stats::interval::Estimate;

/// Whether a point could run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It ran.
    Ok,
    /// An open loop asks for more than its server can do.
    Overload,
    /// The settings do not go together.
    Invalid,
}

impl Status {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Status::Ok => "ok",
            Status::Overload => "overload",
            Status::Invalid => "invalid",
        }
    }
}

/// One replication of a point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Replication {
    /// Requests that arrived in the measured time.
    pub requests: u64,
    /// A value for each metric, in their order; none where the run has no such thing.
    pub values: Vec<Option<f64>>,
}

/// A point that is finished: all its replications ran, or it cannot run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Its number in the design, from 0.
    pub index: u64,
    /// Its value of each axis, as its column has it.
    pub axes: Vec<String>,
    /// Whether it could run.
    pub status: Status,
    /// Why it could not run; of one that ran, how many requests its server refused, or nothing.
    pub reason: String,
    /// Seed under which its replications ran; none for an invalid point.
    pub seed: Option<u64>,
    /// Its replications; empty unless it could run.
    pub replications: Vec<Replication>,
    /// Each metric over all replications; empty unless it could run.
    pub estimates: Vec<Estimate>,
    /// Measured simulated time, from and to \[ns\]; 0 and 0 unless it could run.
    pub measured: (u64, u64),
    /// Sojourns of all requests of all replications, as bytes of a `SparseHistogram`; empty unless it could run.
    pub sojourn: Vec<u8>,
}

/// What must be the same for points to belong together: in every shard, and when a sweep goes on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// Version of the program.
    pub writepath: String,
    /// Digest of the program's source.
    pub source: String,
    /// Name of the scenario.
    pub scenario: String,
    /// The scenario as it was named on the command line.
    pub file: String,
    /// The scenario file itself.
    pub text: String,
    /// What the command line changes in it: flag and value.
    pub flags: Vec<(String, String)>,
    /// Flags about points, replications and metrics.
    pub design: Vec<(String, String)>,
    /// Columns of the settings that vary, in their order.
    pub axes: Vec<String>,
    /// Whether all values of each are numbers.
    pub numeric: Vec<bool>,
    /// Number of points in all shards.
    pub points: u64,
    /// Replications of each point.
    pub replications: u64,
    /// Metrics as named on the command line, in the order of their columns.
    pub metrics: Vec<String>,
}

impl Identity {
    /// What differs, one line each, for people; empty when nothing does.
    pub fn differences(&self, other: &Identity) -> Vec<String> {
        let fields = |identity: &Identity| match serde_json::to_value(identity) {
            Ok(Value::Object(fields)) => fields,
            _ => unreachable!("an identity is an object of plain values"),
        };
        let (mine, theirs) = (fields(self), fields(other));
        let differing = mine.iter().filter(|(name, value)| theirs.get(*name) != Some(value));
        differing.map(|(name, value)| difference(name, value, &theirs[name])).collect()
    }
}

/// Longest value that is shown in full.
const SHOWN_MAX: usize = 60;

fn difference(name: &str, now: &Value, then: &Value) -> String {
    let what = match name {
        "writepath" => "version of the program",
        "source" => "the program itself, under the same version",
        "text" => "text of the scenario",
        "flags" => "flags",
        other => other,
    };
    let (now, then) = (now.to_string(), then.to_string());
    match now.len().max(then.len()) <= SHOWN_MAX && name != "source" {
        true => format!("{what}: {then} became {now}"),
        false => what.to_owned(),
    }
}

/// First record of a part file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// The sweep.
    pub identity: Identity,
    /// Number of the shard, from 1, and number of shards.
    pub shard: (u64, u64),
}

/// A file that points depend on beside the scenario.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Input {
    /// Its path as named.
    pub path: String,
    /// SHA-256 of its content, in hexadecimal.
    pub sha256: String,
}

/// A record of a part file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Record {
    /// Which sweep and shard; always the first.
    Head(Box<Head>),
    /// A file that later points depend on.
    Input(Input),
    /// A finished point.
    Point(Box<Point>),
    /// Nothing follows: the number of points. Only in whole files.
    End(u64),
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A sweep of `points` points and two metrics.
    pub(in crate::experiment) fn identity(points: u64) -> Identity {
        Identity {
            writepath: "0.1.0".to_owned(),
            source: "0123".to_owned(),
            scenario: "tiny".to_owned(),
            file: "tiny.toml".to_owned(),
            text: "[run]\n".to_owned(),
            flags: vec![("--rate".to_owned(), "10/s".to_owned())],
            design: vec![("vary".to_owned(), "keys=1,2".to_owned())],
            axes: vec!["keys".to_owned()],
            numeric: vec![true],
            points,
            replications: 1,
            metrics: vec!["p99".to_owned(), "throughput".to_owned()],
        }
    }

    /// A finished point.
    pub(in crate::experiment) fn point(index: u64) -> Point {
        Point {
            index,
            axes: vec![format!("{index}k")],
            status: Status::Ok,
            reason: String::new(),
            seed: Some(1),
            replications: vec![Replication { requests: 7, values: vec![Some(index as f64 / 3.0), None] }],
            estimates: vec![Estimate::default(); 2],
            measured: (0, 60),
            sojourn: vec![1, 0, 0, 0],
        }
    }

    #[test]
    fn differences_are_named_and_short_values_shown() {
        let then = identity(4);
        assert!(then.differences(&then).is_empty());
        let mut now = identity(5);
        now.text = "[run]\nseed = 2\n".to_owned();
        now.source = "4567".to_owned();
        let mut told = now.differences(&then);
        told.sort();
        assert_eq!(
            told,
            [
                "points: 4 became 5",
                "text of the scenario: \"[run]\\n\" became \"[run]\\nseed = 2\\n\"",
                "the program itself, under the same version"
            ]
        );
    }
}
