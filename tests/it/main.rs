//! Integration tests: one binary, one module a claim.

mod claims_modes;
mod claims_rewrite;
mod claims_rewrite_when;
mod closed_loop;
mod cmd;
mod conservation;
mod determinism;
mod faults;
mod files;
mod fuzz;
mod fuzz_input;
mod group_commit;
mod memory_and_tables;
mod oracle;
mod postponed_fsync;
mod queueing;
mod replication;
mod replication_scenarios;
mod replication_waits;
mod scenarios;
mod snapshots;
mod stall;
mod support;
mod tidy;
mod value_stability;
mod world;
