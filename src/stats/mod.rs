//! Closed forms that results are compared with, and statistics that know nothing of servers.

pub mod bisect;
pub mod cluster;
pub mod paired;
pub mod queueing;
pub mod student;
