//! Recorders: they only add up what the server did.

pub mod histogram;
pub mod result;
