//! The article, tested: what it claims, what would settle each claim, what the runs say.
//!
//! An experiment is a folder below `experiments/`. Its `experiment.toml` ([mod@file]) holds the question, the claims with
//! what each predicts ([`Test`](file::Test)), and what is believed now; the variants are scenarios ([`variants`]), and what
//! is asked of their runs are metrics ([`ask`]). [`run`](mod@run) answers, [`judge`] says what follows, [`finding`] writes it
//! down, [`check`] repeats it. A verdict is never written by hand: it follows from predictions and intervals.

pub mod ask;
pub mod bound;
pub mod builtin;
pub mod check;
pub mod figure;
pub mod file;
pub mod finding;
mod form;
pub mod judge;
pub mod lists;
pub mod overview;
pub mod run;
pub mod store;
pub mod table;
pub mod variants;
pub mod verdict;
