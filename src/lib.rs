//! Simulates the write path of a Redis or Valkey server: given a `redis.conf`, a workload and the prices of a machine,
//! how long writes take, at the median and in the tail, and which mechanism of the server makes the tail.
//!
//! The engine is a library without I/O; the program `writepath` is a thin shell over it. A run goes
//! file → [`scenario::resolve`](scenario::resolve::resolve) → [`sim::run`] → [`report`]:
//!
//! ```
//! use std::path::Path;
//! use writepath::scenario::resolve::{Overrides, resolve};
//! use writepath::sim::{RunOptions, run};
//!
//! let text = r#"
//!     [redis]
//!     appendonly  = true
//!     appendfsync = "everysec"
//!
//!     [dataset]
//!     keys       = "10k"
//!     value-size = "100B"
//!
//!     [[workload]]
//!     loop      = "open"
//!     rate      = "2000/s"
//!     operation = "SET"
//!
//!     [run]
//!     duration = "5s"
//!     warmup   = "1s"
//! "#;
//! let scenario = resolve(text, "tiny.toml", Path::new("."), &Overrides::default()).expect("a sound file");
//! let result = run(&scenario, &RunOptions::default(), &mut |_progress| true).expect("not overloaded");
//!
//! let sojourn = &result.scopes[0].sojourn;
//! assert!((7_000..9_000).contains(&sojourn.count())); // 4 s at 2000/s
//! assert!(sojourn.quantile(0.5) <= sojourn.quantile(0.99));
//! assert_eq!(result.busy_total, result.busy.iter().sum::<u64>()); // busy time is the sum over its causes, exactly
//! ```
//!
//! # Modules in reading order
//!
//! | module | what it is |
//! |---|---|
//! | [`units`], [`rng`], [`math`], [`dist`], [`curve`] | quantities, random streams, elementary functions, distributions, prices over a length of time |
//! | [`slots`] | hash slots of a cluster: the checksum of a key |
//! | [`cause`] | what the main thread can be busy with: the closed list behind every "by cause" |
//! | [`sim`] | one turn of the event loop (`turn.rs`), what happens beside the turns (`special.rs`), a run as a whole |
//! | [`redis`] | the server: one mechanism a file, put together in `server.rs` |
//! | [`client`] | when requests come, which key they address, when a client reads its reply |
//! | [`noise`] | gaps in which the host runs something else |
//! | [`cluster`] | several servers as one cluster: plans and protocols of moving slots |
//! | [`cost_model`], [`models`] | what a machine charges, and the files that say so |
//! | [`scenario`] | what was typed, turned into what is meant |
//! | [`experiment`] | many runs of one scenario: variants, replications, what is asked of them |
//! | [`observe`] | histograms, windows, stalls: recorders only add up |
//! | [`report`] | results in, bytes out: text, JSON, CSV, HdrHistogram, INFO |
//! | [`stats`] | how sure a result is; closed forms that results are compared with |
//! | [`mod@bench`] | speed of the engine |
//! | [`pilot`] | a warm-up found by running the first half |
//! | [`coverage`] | how often intervals hold the truth |
//! | [`live`] | real servers: connections, servers of our own, a load generator |
//! | [`lesson`] | failure modes taught: a question, runs, a picture, an exercise |
//! | [`calibrate`] | measurements of a real machine and server, turned into prices |
//! | [`validate`] | predictions against measurements |
//! | [`check`] | the diagnostic checklist on INFO, redis.conf and their like |
//! | [`claims`] | what the article claims, tested |
//! | [`cli`] | the command line |
//!
//! `src/ARCHITECTURE.md` follows one SET through these files and says what holds everywhere.

pub mod bench;
pub mod calibrate;
pub mod cause;
pub mod check;
pub mod claims;
pub mod cli;
pub mod client;
pub mod cluster;
pub mod cost_model;
pub mod coverage;
pub mod curve;
pub mod dist;
pub mod experiment;
pub mod lesson;
pub mod live;
pub mod math;
pub mod models;
pub mod noise;
pub mod observe;
pub mod pilot;
pub mod redis;
pub mod report;
pub mod rng;
pub mod scenario;
pub mod sim;
pub mod slots;
pub mod stats;
pub mod trace;
pub mod units;
pub mod validate;
