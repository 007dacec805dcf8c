//! Recorders: they only add up what the server did.

pub mod blame;
pub mod blocks;
pub mod cluster;
pub mod expiry;
pub mod histogram;
pub mod hot_key;
pub mod journal;
pub mod patterns;
pub mod recorder;
pub mod replicas;
pub mod result;
pub mod sections;
pub mod sparse;
pub mod spent;
pub mod streams;
pub mod tail;
