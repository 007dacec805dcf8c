//! INFO at an instant, as numbers.

use crate::units::Nanos;

macro_rules! sample {
    ($($(#[$doc:meta])* $name:ident: $field:literal,)*) => {
        /// What INFO said at one time of the run. A field is missing where the server does not have it.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct Sample {
            /// When it was asked for, on the clock of the run \[ns\].
            pub at: Nanos,
            /// CPU time of the server's main thread so far, by the scheduler \[ns\]; only of a process of this machine.
            pub scheduled_ns: Option<u64>,
            /// `none`, `bgsave` or `aof-rewrite`.
            pub child: &'static str,
            /// Keys of all databases, and those of them with a time to live.
            pub keys: (u64, u64),
            $($(#[$doc])* pub $name: Option<f64>,)*
        }

        impl Sample {
            fn take(&mut self, field: &str, value: &str) {
                match field {
                    $($field => self.$name = value.parse().ok(),)*
                    _ => {}
                }
            }
        }
    };
}

sample! {
    /// `used_memory` \[bytes\].
    used_memory: "used_memory",
    /// `used_memory_rss` \[bytes\].
    used_memory_rss: "used_memory_rss",
    /// `current_cow_size` \[bytes\].
    current_cow_size: "current_cow_size",
    /// `aof_current_size` \[bytes\].
    aof_current_size: "aof_current_size",
    /// `aof_buffer_length` \[bytes\].
    aof_buffer_length: "aof_buffer_length",
    /// `aof_rewrite_buffer_length` \[bytes\], before 7.0.
    aof_rewrite_buffer_length: "aof_rewrite_buffer_length",
    /// `aof_delayed_fsync`.
    aof_delayed_fsync: "aof_delayed_fsync",
    /// `rdb_changes_since_last_save`.
    rdb_changes_since_last_save: "rdb_changes_since_last_save",
    /// `rdb_bgsave_in_progress`.
    rdb_bgsave_in_progress: "rdb_bgsave_in_progress",
    /// `rdb_last_bgsave_time_sec` \[s\].
    rdb_last_bgsave_time_sec: "rdb_last_bgsave_time_sec",
    /// `rdb_last_cow_size` \[bytes\].
    rdb_last_cow_size: "rdb_last_cow_size",
    /// `rdb_saves` (7.0 on).
    rdb_saves: "rdb_saves",
    /// `aof_rewrite_in_progress`.
    aof_rewrite_in_progress: "aof_rewrite_in_progress",
    /// `aof_last_rewrite_time_sec` \[s\].
    aof_last_rewrite_time_sec: "aof_last_rewrite_time_sec",
    /// `aof_last_cow_size` \[bytes\].
    aof_last_cow_size: "aof_last_cow_size",
    /// `aof_rewrites` (7.0 on).
    aof_rewrites: "aof_rewrites",
    /// `latest_fork_usec` \[us\].
    latest_fork_usec: "latest_fork_usec",
    /// `total_forks` (6.2 on).
    total_forks: "total_forks",
    /// `expired_keys`.
    expired_keys: "expired_keys",
    /// `evicted_keys`.
    evicted_keys: "evicted_keys",
    /// `keyspace_hits`.
    keyspace_hits: "keyspace_hits",
    /// `keyspace_misses`.
    keyspace_misses: "keyspace_misses",
    /// `eventloop_cycles` (7.2 on).
    eventloop_cycles: "eventloop_cycles",
    /// `total_net_input_bytes` \[bytes\].
    total_net_input_bytes: "total_net_input_bytes",
    /// `total_net_output_bytes` \[bytes\].
    total_net_output_bytes: "total_net_output_bytes",
    /// `total_commands_processed`.
    total_commands_processed: "total_commands_processed",
    /// `instantaneous_ops_per_sec` \[1/s\].
    instantaneous_ops_per_sec: "instantaneous_ops_per_sec",
    /// `sync_full`.
    sync_full: "sync_full",
    /// `repl_backlog_histlen` \[bytes\].
    repl_backlog_histlen: "repl_backlog_histlen",
    /// `used_cpu_user_main_thread` \[s\] (6.2 on).
    used_cpu_user_main_thread: "used_cpu_user_main_thread",
    /// `used_cpu_sys_main_thread` \[s\] (6.2 on).
    used_cpu_sys_main_thread: "used_cpu_sys_main_thread",
}

impl Sample {
    /// Reads the text of INFO.
    pub fn read(at: Nanos, scheduled_ns: Option<u64>, text: &str) -> Self {
        let mut sample = Sample { at, scheduled_ns, child: "none", ..Sample::default() };
        for line in text.lines() {
            let Some((field, value)) = line.trim_end().split_once(':') else { continue };
            if field.starts_with("db") && value.starts_with("keys=") {
                let mut parts =
                    value.split(',').filter_map(|part| part.split_once('=')?.1.parse::<u64>().ok());
                sample.keys.0 += parts.next().unwrap_or(0);
                sample.keys.1 += parts.next().unwrap_or(0);
            } else {
                sample.take(field, value);
            }
        }
        let runs = |field: Option<f64>| field.is_some_and(|running| running > 0.0);
        if runs(sample.rdb_bgsave_in_progress) {
            sample.child = "bgsave";
        } else if runs(sample.aof_rewrite_in_progress) {
            sample.child = "aof-rewrite";
        }
        sample
    }

    /// CPU time of the main thread so far \[ns\], by the scheduler where it tells, else by INFO.
    pub fn cpu_ns(&self) -> Option<u64> {
        let told = || Some(self.used_cpu_user_main_thread? + self.used_cpu_sys_main_thread?);
        self.scheduled_ns.or_else(|| told().map(|seconds| (seconds * 1e9) as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_and_what_is_missing_is_missing() {
        let text = "used_memory:1048576\r\nrdb_bgsave_in_progress:0\r\naof_rewrite_in_progress:1\r\n\
                    used_cpu_sys_main_thread:0.5\r\nused_cpu_user_main_thread:1.25\r\n\
                    db0:keys=10,expires=4,avg_ttl=7\r\ndb1:keys=1,expires=0,avg_ttl=0\r\n";
        let sample = Sample::read(5, None, text);
        assert_eq!((sample.at, sample.used_memory, sample.total_forks), (5, Some(1_048_576.0), None));
        assert_eq!(
            (sample.child, sample.keys, sample.cpu_ns()),
            ("aof-rewrite", (11, 4), Some(1_750_000_000))
        );
        assert_eq!(Sample { scheduled_ns: Some(7), ..sample }.cpu_ns(), Some(7));
    }
}
