//! Simulates the write path of a Redis or Valkey server.

pub mod bench;
pub mod cause;
pub mod cli;
pub mod client;
pub mod cost_model;
pub mod curve;
pub mod dist;
pub mod math;
pub mod models;
pub mod noise;
pub mod observe;
pub mod redis;
pub mod report;
pub mod rng;
pub mod scenario;
pub mod sim;
pub mod stats;
pub mod units;
