//! Several servers as one cluster: who moves which slots, and how.

pub mod atomic_move;
pub mod legacy_fix;
pub mod legacy_move;
pub mod order;
pub mod reshard_plan;
pub mod snapshot_cost;
