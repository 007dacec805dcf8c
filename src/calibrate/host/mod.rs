//! What is measured of the machine without a server.

pub mod disk;
pub mod facts;
pub mod fsync;
pub mod memory;
pub mod noise;

pub use facts::Facts;
