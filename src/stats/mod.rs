//! Closed forms that results are compared with.

pub mod cluster;
pub mod queueing;
