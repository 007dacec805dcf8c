//! One simulated server: one mechanism a file, put together by `server.rs`.

pub mod aof;
pub mod child;
pub mod collection;
pub mod command;
pub mod config;
pub mod cow;
pub mod cron;
pub mod dict;
pub mod disk;
pub mod eviction;
pub mod execute;
pub mod keyspace;
pub mod loss;
pub mod main_thread;
pub mod memory;
pub mod persist;
pub mod plan;
pub mod profile;
pub mod resp;
pub mod rewrite;
pub mod saved_size;
pub mod server;
pub mod version;
pub mod work;
