//! How sure a result is; and closed forms that results are compared with.

pub mod cluster;
pub mod estimate;
pub mod interval;
pub mod queueing;
pub mod student;
pub mod support;
pub mod warmup;
