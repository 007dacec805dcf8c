//! What the main thread can be busy with: the closed list behind every "busy share by cause".

/// On whose account main-thread time was taken. Names are those of Redis's latency events where one exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Cause {
    /// Getting back onto a core, and running cold, after a sleep.
    WakeUp,
    /// A pass of the event loop itself: epoll_wait, beforeSleep.
    EventLoop,
    /// read(2) of clients' sockets.
    Read,
    /// Parsing and executing commands, their append to the AOF buffer included.
    Command,
    /// write(2) of replies.
    Reply,
    /// write(2) of the AOF buffer.
    AofWrite,
    /// The same, waiting for a running fdatasync of the file.
    AofWritePendingFsync,
    /// The same, waiting because too many pages are dirty.
    AofWriteThrottled,
    /// fdatasync in the main thread under `appendfsync always`.
    AofFsyncAlways,
    /// fork(2).
    Fork,
    /// Copy-on-write faults.
    Cow,
    /// Filling and draining the rewrite buffer before 7.0, its memmove included.
    AofRewriteBuffer,
    /// write(2) of the rewrite buffer's rest when the child has ended, before 7.0.
    AofRewriteDiffWrite,
    /// fdatasync of the rewritten file under `always`, before 7.0.
    AofRewriteDoneFsync,
    /// Syncs of the AOF manifest and its directory, 7.0 on.
    ManifestFsync,
    /// rename(2) of the rewritten file.
    AofRename,
    /// serverCron itself.
    Cron,
    /// Moving hash-table buckets.
    Rehash,
    /// Allocating a larger hash table.
    TableAllocation,
    /// Freeing the old hash table.
    TableFree,
    /// Evicting keys under maxmemory.
    EvictionCycle,
    /// The active expire cycle: looking for expired keys and deleting them.
    ExpireCycle,
    /// SAVE by command.
    Save,
    /// The server is down or loads its data.
    Restart,
    /// The host ran something else on the core.
    HostNoise,
    /// The host was frozen by an event.
    Freeze,
    /// Waiting for a core that a child or a local client used.
    CoreContention,
    /// write(2) of the replication stream to replicas.
    ReplicaWrite,
    /// Copying a diskless snapshot from the child's pipe to replicas' sockets.
    DisklessCopy,
    /// Sending a snapshot file to a replica.
    RdbSend,
    /// MIGRATE: dumping keys, sending them, waiting for the target, deleting them.
    Migrate,
    /// RESTORE of keys that come from another node.
    Restore,
    /// CLUSTER commands, and redirects instead of commands.
    ClusterCommand,
    /// Writing nodes.conf.
    ClusterConfigWrite,
    /// Syncing nodes.conf and its directory.
    ClusterConfigFsync,
}

impl Cause {
    /// All causes, in the order of columns and tables.
    pub const ALL: [Cause; 35] = [
        Cause::WakeUp,
        Cause::EventLoop,
        Cause::Read,
        Cause::Command,
        Cause::Reply,
        Cause::AofWrite,
        Cause::AofWritePendingFsync,
        Cause::AofWriteThrottled,
        Cause::AofFsyncAlways,
        Cause::Fork,
        Cause::Cow,
        Cause::AofRewriteBuffer,
        Cause::AofRewriteDiffWrite,
        Cause::AofRewriteDoneFsync,
        Cause::ManifestFsync,
        Cause::AofRename,
        Cause::Cron,
        Cause::Rehash,
        Cause::TableAllocation,
        Cause::TableFree,
        Cause::EvictionCycle,
        Cause::ExpireCycle,
        Cause::Save,
        Cause::Restart,
        Cause::HostNoise,
        Cause::Freeze,
        Cause::CoreContention,
        Cause::ReplicaWrite,
        Cause::DisklessCopy,
        Cause::RdbSend,
        Cause::Migrate,
        Cause::Restore,
        Cause::ClusterCommand,
        Cause::ClusterConfigWrite,
        Cause::ClusterConfigFsync,
    ];
    /// Number of causes.
    pub const COUNT: usize = Cause::ALL.len();

    /// Name in files, tables and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Cause::WakeUp => "wake-up",
            Cause::EventLoop => "event-loop",
            Cause::Read => "read",
            Cause::Command => "command",
            Cause::Reply => "reply",
            Cause::AofWrite => "aof-write",
            Cause::AofWritePendingFsync => "aof-write-pending-fsync",
            Cause::AofWriteThrottled => "aof-write-throttled",
            Cause::AofFsyncAlways => "aof-fsync-always",
            Cause::Fork => "fork",
            Cause::Cow => "cow",
            Cause::AofRewriteBuffer => "aof-rewrite-buffer",
            Cause::AofRewriteDiffWrite => "aof-rewrite-diff-write",
            Cause::AofRewriteDoneFsync => "aof-rewrite-done-fsync",
            Cause::ManifestFsync => "manifest-fsync",
            Cause::AofRename => "aof-rename",
            Cause::Cron => "cron",
            Cause::Rehash => "rehash",
            Cause::TableAllocation => "table-allocation",
            Cause::TableFree => "table-free",
            Cause::EvictionCycle => "eviction-cycle",
            Cause::ExpireCycle => "expire-cycle",
            Cause::Save => "save",
            Cause::Restart => "restart",
            Cause::HostNoise => "host-noise",
            Cause::Freeze => "freeze",
            Cause::CoreContention => "core-contention",
            Cause::ReplicaWrite => "replica-write",
            Cause::DisklessCopy => "diskless-copy",
            Cause::RdbSend => "rdb-send",
            Cause::Migrate => "migrate",
            Cause::Restore => "restore",
            Cause::ClusterCommand => "cluster-command",
            Cause::ClusterConfigWrite => "cluster-config-write",
            Cause::ClusterConfigFsync => "cluster-config-fsync",
        }
    }

    /// One line for people.
    pub fn describe(self) -> &'static str {
        match self {
            Cause::WakeUp => "waking a sleeping server: scheduler, idle exit, cold caches",
            Cause::EventLoop => "passes of the event loop: epoll_wait and beforeSleep",
            Cause::Read => "read(2) of clients' sockets",
            Cause::Command => "parsing and executing commands, appending them to the AOF buffer",
            Cause::Reply => "write(2) of replies",
            Cause::AofWrite => "write(2) of the AOF buffer into the page cache",
            Cause::AofWritePendingFsync => "write(2) that waits for a running fdatasync of the AOF",
            Cause::AofWriteThrottled => "write(2) that waits because too many pages are dirty",
            Cause::AofFsyncAlways => "fdatasync before the replies (appendfsync always)",
            Cause::Fork => "fork(2): copying page tables",
            Cause::Cow => "copy-on-write faults while, or after, a child lives",
            Cause::AofRewriteBuffer => "rewrite buffer and its pipe to the child (before 7.0)",
            Cause::AofRewriteDiffWrite => "writing the rest of the rewrite buffer at the end (before 7.0)",
            Cause::AofRewriteDoneFsync => "syncing the rewritten AOF at the end under always (before 7.0)",
            Cause::ManifestFsync => "syncing the AOF manifest and its directory (7.0 on)",
            Cause::AofRename => "renaming the rewritten AOF",
            Cause::Cron => "serverCron itself",
            Cause::Rehash => "moving hash-table buckets after the table grew",
            Cause::TableAllocation => "allocating a larger hash table",
            Cause::TableFree => "freeing the old hash table",
            Cause::EvictionCycle => "evicting keys at maxmemory",
            Cause::ExpireCycle => "the active expire cycle: sampling keys with a TTL, deleting expired ones",
            Cause::Save => "SAVE, which blocks until the file is written",
            Cause::Restart => "the server was down or loading its data",
            Cause::HostNoise => "the host ran something else on the core",
            Cause::Freeze => "the host was frozen",
            Cause::CoreContention => "waiting for a core used by a child or a local client",
            Cause::ReplicaWrite => "write(2) of the replication stream to replicas",
            Cause::DisklessCopy => "copying a diskless snapshot from the child's pipe to replicas",
            Cause::RdbSend => "sending a snapshot file to a replica",
            Cause::Migrate => "MIGRATE: dumping keys, sending them, waiting for the target, deleting them",
            Cause::Restore => "RESTORE of keys that come from another node",
            Cause::ClusterCommand => "CLUSTER commands, and redirects instead of commands",
            Cause::ClusterConfigWrite => "writing nodes.conf",
            Cause::ClusterConfigFsync => "syncing nodes.conf and its directory",
        }
    }
}

/// A set of causes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Causes(u64);

impl Causes {
    /// Puts `cause` into the set.
    pub fn insert(&mut self, cause: Cause) {
        self.0 |= 1 << cause as u32;
    }

    /// Whether `cause` is in the set.
    #[inline(always)]
    pub fn has(self, cause: Cause) -> bool {
        self.0 >> cause as u32 & 1 == 1
    }
}

const _: () = assert!(Cause::COUNT <= u64::BITS as usize);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_in_the_order_of_the_numbers() {
        for (index, cause) in Cause::ALL.iter().enumerate() {
            assert_eq!(*cause as usize, index);
        }
    }
}
