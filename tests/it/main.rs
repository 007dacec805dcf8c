//! Integration tests: one binary, one module a claim.
mod cluster_conservation;
mod cluster_oracle;
mod support;
mod world;
