//! What the commands of each group took of the server: for comparing operations side by side.

use crate::units::Nanos;

/// What the commands of one group added up to over the measured time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GroupSpent {
    /// Commands executed or refused.
    pub commands: u64,
    /// Main-thread time of executing them \[ns\]: parsing, the command, its append to the AOF buffer, page faults,
    /// moved buckets and evictions; no system calls.
    pub cpu: Nanos,
    /// Bytes they added to the AOF.
    pub aof_bytes: u64,
    /// Copy-on-write faults they met, an expectation.
    pub cow_faults: f64,
}

impl GroupSpent {
    /// Main-thread time a command \[ns\]; none without commands.
    pub fn cpu_per_command(&self) -> Option<f64> {
        self.per_command(self.cpu as f64)
    }

    /// Bytes in the AOF a command.
    pub fn aof_bytes_per_command(&self) -> Option<f64> {
        self.per_command(self.aof_bytes as f64)
    }

    /// Copy-on-write faults a command.
    pub fn cow_faults_per_command(&self) -> Option<f64> {
        self.per_command(self.cow_faults)
    }

    fn per_command(&self, total: f64) -> Option<f64> {
        (self.commands > 0).then(|| total / self.commands as f64)
    }
}
