//! Many runs of one scenario: replications of it, variants of it, and what can be said of them together.
//!
//! A [`Template`] is a scenario before it is resolved, so that settings can be laid over it; a [`Metric`] is what is
//! asked of a run; [`Outcome`]s are its answers, one a replication; [`Pool`] runs them on several threads and gives
//! results by index, so that the number of threads changes nothing.
//!
//! A [`design`] says which variants there are; [`variants`] runs any of them. [`prices`] draws what is not known of
//! the machine, [`uncertainty`] and [`machine`] say what that makes of a metric; [`sensitivity`] says which settings
//! and prices it depends on.

pub mod amount;
pub mod compare;
pub mod design;
pub mod machine;
pub mod metric;
pub mod objective;
pub mod outcome;
pub mod pool;
pub mod precision;
pub mod prices;
pub mod replicated;
pub mod replications;
pub mod select;
pub mod sensitivity;
mod show;
pub mod size;
pub mod sweep;
pub mod template;
pub mod uncertainty;
pub mod variants;
pub mod why;

pub use metric::Metric;
pub use outcome::Outcome;
pub use pool::Pool;
pub use template::{Assignment, Template};
