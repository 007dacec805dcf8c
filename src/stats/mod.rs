//! Closed forms that results are compared with.

pub mod queueing;
