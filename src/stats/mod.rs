//! Closed forms that results are compared with.

pub mod predict;
pub mod queueing;
