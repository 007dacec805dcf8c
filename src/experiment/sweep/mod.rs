//! Sweeps: many points, each finished one safe on disk, on one machine or several.
//!
//! [`run`] simulates points on all threads; a [`journal`] keeps them while they come, as a [`part`] file a shard;
//! [`join`] reads part files back in the order of points, which is what tables are made from.

pub(super) mod estimate;
pub mod join;
pub mod journal;
pub mod part;
pub mod record;
pub mod replace;
pub mod run;
pub mod shard;

pub use join::Joined;
pub use record::{Identity, Point, Status};
pub use run::Sweep;
pub use shard::Shard;
