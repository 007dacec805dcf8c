//! How sure a result is; and closed forms that results are compared with.

pub mod bisect;
pub mod cluster;
pub mod estimate;
pub mod interval;
pub mod paired;
pub mod queueing;
pub mod selection;
pub mod sequential;
pub mod student;
pub mod support;
pub mod warmup;
