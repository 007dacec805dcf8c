//! Integration tests: one binary, one module a claim.

mod cmd;
mod files;
mod fuzz;
mod fuzz_input;
