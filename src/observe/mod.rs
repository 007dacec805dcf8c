//! Recorders: they only add up what the server did.

pub mod blocks;
pub mod expiry;
pub mod histogram;
pub mod recorder;
pub mod result;
