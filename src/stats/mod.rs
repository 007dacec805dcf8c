//! Closed forms that results are compared with.

pub mod cluster;
pub mod paired;
pub mod queueing;
pub mod selection;
pub mod sequential;
pub mod student;
