//! How each cause is taken away: one table, with what exactly is changed in the resolved scenario, or why a cause stays.
//!
//! A price is set to nothing where it stands for the cause and hardly anything else. Where it does not (the fdatasync of a
//! manifest costs what every other does) the cause is made free: what it stands for is done, at the same times and with the
//! same draws, and takes no time of the main thread. Causes that come from an event of the scenario go with it.

use crate::cause::Cause;
use crate::cost_model::CostModel;
use crate::scenario::{Action, Scenario};

/// Cores among which nobody ever waits.
const PLENTY_OF_CORES: u32 = 1 << 20;
/// Dirty bytes that no run reaches, with room for the middle between two such limits.
const NO_DIRTY_LIMIT: u64 = u64::MAX / 4;

/// How a cause is taken away.
#[derive(Clone, Copy, Debug)]
enum How {
    /// By these prices, on every machine.
    Prices(fn(&mut CostModel)),
    /// By leaving out what brings it about.
    Events(fn(&mut Scenario)),
    /// Its blocks take no time of the main thread.
    Free,
    /// Not at all.
    Stays,
}

/// What becomes of a cause in the world without it.
#[derive(Clone, Copy, Debug)]
pub struct Without {
    /// The cause.
    pub cause: Cause,
    /// What is changed, or why nothing can be.
    pub what: &'static str,
    how: How,
}

impl Without {
    /// What can be done about `cause`.
    pub fn of(cause: Cause) -> Without {
        let (how, what) = entry(cause);
        Without { cause, what, how }
    }

    /// Whether there is a world without it.
    pub fn can_go(&self) -> bool {
        !matches!(self.how, How::Stays)
    }

    /// `scenario` without the cause; none where it stays.
    pub fn applied(&self, scenario: &Scenario) -> Option<Scenario> {
        let mut patched = scenario.clone();
        match self.how {
            How::Prices(set) => machines(&mut patched).for_each(set),
            How::Events(leave_out) => leave_out(&mut patched),
            How::Free => machines(&mut patched).for_each(|machine| machine.free.insert(self.cause)),
            How::Stays => return None,
        }
        Some(patched)
    }
}

/// The prices of the server's machine, or of every node's.
fn machines(scenario: &mut Scenario) -> impl Iterator<Item = &mut CostModel> {
    let nodes = scenario.cluster.iter_mut().flat_map(|cluster| &mut cluster.nodes);
    std::iter::once(&mut scenario.machine).chain(nodes.map(|node| &mut node.machine))
}

/// The table.
fn entry(cause: Cause) -> (How, &'static str) {
    use How::{Events, Free, Prices, Stays};
    match cause {
        Cause::WakeUp => (
            Prices(|m| {
                m.cpu.wakeup.clear();
                m.network.wake_server.clear();
            }),
            "the server never sleeps: cpu.wakeup and network.wake-server are nothing",
        ),
        Cause::EventLoop => (Stays, "every turn needs it; longer pipelines share one"),
        Cause::Read => (Stays, "commands have to be read"),
        Cause::Command => (Stays, "it is the work itself"),
        Cause::Reply => (Stays, "replies have to be written"),
        Cause::AofWrite => (
            Prices(|m| (m.disk.write, m.disk.page_cache_bandwidth) = (0, f64::INFINITY)),
            "write(2) into the page cache is free: disk.write, disk.page-cache-bandwidth, those of a rewrite's end too",
        ),
        Cause::AofWritePendingFsync => (
            Prices(|m| m.disk.write_waits_for_fdatasync = false),
            "write(2) does not wait for a running fdatasync: disk.write-waits-for-fdatasync",
        ),
        Cause::AofWriteThrottled => (
            Prices(|m| m.disk.dirty_limit = NO_DIRTY_LIMIT),
            "the page cache takes any number of dirty bytes: disk.dirty-limit",
        ),
        Cause::AofFsyncAlways => (Free, "the fdatasync before the replies is done in no time"),
        Cause::Fork => (
            Prices(|m| (m.fork.base, m.fork.per_gib, m.fork.per_gib_huge) = (0, 0.0, 0.0)),
            "fork(2) is free: fork.*; children live and copy as before",
        ),
        Cause::Cow => (
            Prices(|m| (m.cow.fault, m.cow.fault_huge, m.cow.reprotect) = (0, 0, 0)),
            "faults are free: cow.fault, cow.fault-huge, cow.reprotect; pages are copied as before",
        ),
        Cause::AofRewriteBuffer => (Free, "filling and draining the rewrite buffer takes no time"),
        Cause::AofRewriteDiffWrite => (Free, "the rest of the rewrite buffer is written in no time"),
        Cause::AofRewriteDoneFsync => (Free, "the fdatasync of the rewritten file takes no time"),
        Cause::ManifestFsync => (Free, "the syncs of the manifest and its directory take no time"),
        Cause::AofRename => (Free, "rename(2) takes no time"),
        Cause::Cron => (Prices(|m| m.cpu.cron = 0), "serverCron is free: cpu.cron"),
        Cause::Rehash => (
            Prices(|m| (m.cpu.rehash_step, m.memory.first_touch) = (0, 0)),
            "moving buckets is free: cpu.rehash-step, and the new table's pages (memory.first-touch)",
        ),
        Cause::TableAllocation => (Free, "a larger hash table is allocated in no time"),
        Cause::TableFree => (Free, "the old hash table is freed in no time"),
        Cause::EvictionCycle => (Free, "the same keys are evicted in no time"),
        Cause::ExpireCycle => (Free, "the same keys are looked at and deleted in no time"),
        Cause::Save => (
            Events(|s| s.events.retain(|event| event.action != Action::Save)),
            "nobody sends SAVE: its events are left out",
        ),
        Cause::Restart => (
            Events(|s| s.events.retain(|event| !matches!(event.action, Action::Crash { .. }))),
            "nothing crashes: its events are left out",
        ),
        Cause::HostNoise => {
            (Prices(|m| m.noise.classes.clear()), "the host runs nothing else: noise.* is nothing")
        }
        Cause::Freeze => (
            Events(|s| s.events.retain(|event| !matches!(event.action, Action::Freeze { .. }))),
            "the host is never frozen: its events are left out",
        ),
        Cause::CoreContention => (
            Prices(|m| m.machine.cores = PLENTY_OF_CORES),
            "a core for everyone: machine.cores; children are as fast as alone, too",
        ),
        Cause::ReplicaWrite => (
            Prices(|m| {
                m.cpu.replica_write = 0;
                m.free.insert(Cause::ReplicaWrite);
            }),
            "writing the stream to replicas is free: cpu.replica-write and its bytes; feeding it is not",
        ),
        Cause::DisklessCopy | Cause::RdbSend => {
            (Prices(|m| m.cpu.pipe_copy = 0), "moving a snapshot to replicas is free: cpu.pipe-copy")
        }
        Cause::Migrate => (
            Events(|s| {
                if let Some(cluster) = &mut s.cluster {
                    cluster.moves.clear();
                }
            }),
            "no slots move: neither MIGRATE nor what comes with it",
        ),
        Cause::Restore => (Free, "keys of other nodes are taken in in no time"),
        Cause::ClusterCommand => (Stays, "redirects and CLUSTER commands are work that was asked for"),
        Cause::ClusterConfigWrite => (Free, "nodes.conf is written in no time"),
        Cause::ClusterConfigFsync => (Free, "the syncs of nodes.conf take no time"),
    }
}
