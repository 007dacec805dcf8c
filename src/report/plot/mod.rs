//! Pictures of results: tables with bars for the terminal, and figures as SVG.
//!
//! A sweep is read from its `points.csv` ([`points`]), what is to be shown is chosen ([`layout`]), and drawn as lines
//! along one axis ([`lines`]) or as a map of two ([`heat`]). A run is read from its tables ([`timeline`]). Each has its
//! text beside it; figures are in [`svg`]. Equal files give equal bytes.

pub mod heat;
pub mod layout;
pub mod lines;
pub mod measure;
pub mod points;
#[cfg(test)]
mod sample;
pub mod source;
pub mod svg;
pub mod table;
pub mod text;
pub mod timeline;
