//! One simulated server.

pub mod command;
pub mod config;
pub mod version;
