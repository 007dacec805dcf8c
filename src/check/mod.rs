//! The diagnostic checklist on what people have of a server: redis.conf, INFO, CONFIG GET, SLOWLOG, LATENCY, CLUSTER NODES, a
//! MONITOR capture, source, or the server itself, which is asked by commands that only read.
//!
//! `input/` reads what is there, however broken; `facts.rs` answers questions about it and remembers those that it could
//! not answer; `rules/` is one rule a function; `simulate.rs` prices what they find.

pub mod facts;
pub mod finding;
pub mod input;
pub mod live;
pub mod monitor;
pub mod report;
pub mod rules;
pub mod settings;
pub mod simulate;
pub mod source;
pub mod ttl_sample;
