//! Simulates the write path of a Redis or Valkey server.

pub mod cause;
pub mod cost_model;
pub mod dist;
pub mod math;
pub mod observe;
pub mod redis;
pub mod rng;
pub mod scenario;
pub mod units;
