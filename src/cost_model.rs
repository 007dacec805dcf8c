//! What a machine charges for each operation, as the simulator uses it.
//!
//! A model file (`models/*.toml`) has the same tables and, with `-` for `_`, the same keys; each value there
//! stands with its source and its range. Times are nanoseconds here, sizes bytes, rates bytes a second.

use crate::cause::Causes;
use crate::dist::Dist;
use crate::units::Nanos;

/// Prices of one machine.
#[derive(Clone, Debug, PartialEq)]
pub struct CostModel {
    /// Name of the model: the file's stem.
    pub name: String,
    /// Version of the server its prices were got with, as scenarios name it; empty: of several, or not told.
    pub server: String,
    /// The machine itself.
    pub machine: Machine,
    /// CPU time of the main thread.
    pub cpu: Cpu,
    /// The way between client and server.
    pub network: Network,
    /// CPU time of the clients.
    pub client: Client,
    /// The device under the data directory and the page cache above it.
    pub disk: Disk,
    /// fork(2) in the parent.
    pub fork: Fork,
    /// Copy-on-write faults in the parent.
    pub cow: Cow,
    /// Speed of snapshot and rewrite children.
    pub child: ChildSpeed,
    /// Getting memory from and giving it back to the kernel.
    pub memory: MemoryPrices,
    /// What being a node of a cluster costs.
    pub cluster: Cluster,
    /// Gaps in which the host runs something else on a core.
    pub noise: Noise,
    /// Causes whose blocks take no time of the main thread, although what they stand for is done. Of counterfactuals alone:
    /// no file and no setting fills it.
    pub free: Causes,
}

/// The machine itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    /// Cores that server, children and local clients share, ≥ 1.
    pub cores: u32,
    /// Between two ticks of the kernel's clock, which ends slices (CONFIG_HZ) \[ns\].
    pub tick: Nanos,
    /// Physical memory \[bytes\].
    pub memory: u64,
    /// `vm.overcommit_memory = 1`: fork never fails for lack of memory.
    pub overcommit: bool,
    /// `transparent_hugepage/enabled` is `always`.
    pub thp_always: bool,
    /// Last-level cache that the main thread can fill \[bytes\].
    pub l3: u64,
    /// Cache of the main thread's core, below the last level \[bytes\]; 0: the last level is as fast.
    pub l2: u64,
}

/// CPU time of the main thread.
#[derive(Clone, Debug, PartialEq)]
pub struct Cpu {
    /// One pass of the event loop without clients: epoll_wait, beforeSleep \[ns\].
    pub turn: Nanos,
    /// read(2) of one ready client and its handler \[ns\].
    pub read: Nanos,
    /// write(2) of one client's replies \[ns\].
    pub write: Nanos,
    /// Parse, look up, execute and reply, per command \[ns\], without value bytes.
    pub ping: Nanos,
    /// GET.
    pub get: Nanos,
    /// SET.
    pub set: Nanos,
    /// INCR, INCRBY, APPEND.
    pub incr: Nanos,
    /// DEL, UNLINK of one key with a small value.
    pub del: Nanos,
    /// HSET of one field.
    pub hset: Nanos,
    /// LPUSH, RPUSH of one element.
    pub push: Nanos,
    /// SADD of one member.
    pub sadd: Nanos,
    /// ZADD of one member.
    pub zadd: Nanos,
    /// XADD of one entry.
    pub xadd: Nanos,
    /// EXPIRE.
    pub expire: Nanos,
    /// XREADGROUP without the entries it delivers.
    pub xread: Nanos,
    /// Each entry it delivers: its pending entry, its part of the reply, its XCLAIM's arguments.
    pub xread_entry: Nanos,
    /// XACK or XDEL of one id, XTRIM without what it removes.
    pub xack: Nanos,
    /// Each entry that trimming walks over, each node it frees \[ns\].
    pub stream_trim_entry: Nanos,
    /// What a command saves on a key whose memory is in the CPU's cache, against a random key of a large
    /// keyspace, a key \[ns\].
    pub hot_key_saving: Nanos,
    /// EVALSHA without the commands its script calls.
    pub script: Nanos,
    /// Each command a script calls, beyond that command's own price.
    pub script_call: Nanos,
    /// MULTI and EXEC together, with queueing the commands between them.
    pub multi: Nanos,
    /// Each further key, field, element or member of one command.
    pub per_element: Nanos,
    /// Reading and copying value bytes \[ns/KiB\].
    pub per_kib: f64,
    /// Appending one command to the AOF buffer \[ns\].
    pub aof_append: Nanos,
    /// Appending bytes to the AOF buffer \[ns/KiB\].
    pub aof_append_per_kib: f64,
    /// One serverCron without children, expiry or rehashing \[ns\].
    pub cron: Nanos,
    /// What waking costs after sleeping so long: (slept, cost) rising; linear between, 0 → 0 before the first.
    pub wakeup: Vec<(Nanos, Nanos)>,
    /// What write(2) costs more when it wakes a client on the same machine, by how long that one has slept.
    pub wake_client: Vec<(Nanos, Nanos)>,
    /// Moving one hash-table bucket while rehashing \[ns\].
    pub rehash_step: Nanos,
    /// Sampling and deleting one key under maxmemory, without its DEL's append \[ns\].
    pub evict_key: Nanos,
    /// Feeding one command to the replication stream while one replica is attached \[ns\].
    pub replica_command: Nanos,
    /// write(2) of the replication stream to one replica, without its bytes \[ns\].
    pub replica_write: Nanos,
    /// Moving 16 KiB of a snapshot from the child's pipe (or its file) to a replica's socket \[ns\].
    pub pipe_copy: Nanos,
    /// Deleting one expired key and propagating its DEL, without copying the DEL's bytes \[ns\].
    pub expire_key: Nanos,
    /// The active expire cycle's look at one key that is not due \[ns\].
    pub expire_sample: Nanos,
}

/// The way between client and server.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// One way, client's system call to server's readable socket and back alike \[ns\].
    pub one_way: Nanos,
    /// How much later a server that has slept so long runs, as [`Cpu::wakeup`], but in nobody's CPU time of its own: the
    /// interrupt, in the client's write(2) or of a network card, and the core's return from idle.
    pub wake_server: Vec<(Nanos, Nanos)>,
    /// Random extra delay of a round trip \[ns\].
    pub jitter: Dist,
    /// Transmission \[ns/KiB\].
    pub per_kib: f64,
}

/// CPU time of the clients.
#[derive(Clone, Debug, PartialEq)]
pub struct Client {
    /// Clients run on the server's machine and share its cores.
    pub local: bool,
    /// Client threads (or processes) that share the connections of a closed-loop group, ≥ 1.
    pub threads: u32,
    /// One client thread's time per connection it reads replies of: its loop, read(2) \[ns\].
    pub per_reply: Nanos,
    /// One client thread's time per client write \[ns\].
    pub per_send: Nanos,
    /// One client thread's time per command it sends and reads \[ns\].
    pub per_command: Nanos,
    /// One client thread's time per KiB of a write beyond the first \[ns/KiB\].
    pub per_kib: f64,
    /// What waking a client costs after sleeping so long, as [`Cpu::wakeup`].
    pub wakeup: Vec<(Nanos, Nanos)>,
}

/// The device under the data directory and the page cache above it.
#[derive(Clone, Debug, PartialEq)]
pub struct Disk {
    /// Sequential write-back \[bytes/s\].
    pub bandwidth: f64,
    /// write(2) into the page cache, per call \[ns\].
    pub write: Nanos,
    /// write(2) into the page cache \[bytes/s\].
    pub page_cache_bandwidth: f64,
    /// fdatasync of a few KiB with the device idle \[ns\].
    pub fdatasync: Dist,
    /// The same beside a sequential writer \[ns\].
    pub fdatasync_busy: Dist,
    /// Bytes to flush, beyond the first page \[ns/KiB\].
    pub fdatasync_per_kib: f64,
    /// Of an fdatasync, what the thread that calls it is on a core \[ns\].
    pub fdatasync_cpu: Nanos,
    /// Dirty bytes at which the kernel starts writing back (`vm.dirty_background_bytes`).
    pub dirty_background: u64,
    /// Dirty bytes at which writers are made to wait (`vm.dirty_bytes`).
    pub dirty_limit: u64,
    /// Age at which dirty pages are written back (`vm.dirty_expire_centisecs`) \[ns\].
    pub dirty_expire: Nanos,
    /// How often the kernel looks for them (`vm.dirty_writeback_centisecs`) \[ns\].
    pub dirty_writeback: Nanos,
    /// write(2) waits for a running fdatasync of the same file.
    pub write_waits_for_fdatasync: bool,
    /// Free space at the start \[bytes\].
    pub free: u64,
}

/// fork(2) in the parent.
#[derive(Clone, Debug, PartialEq)]
pub struct Fork {
    /// Fixed part \[ns\].
    pub base: Nanos,
    /// Copying page tables of 4 KiB pages \[ns per GiB of RSS\].
    pub per_gib: f64,
    /// The same with huge pages.
    pub per_gib_huge: f64,
}

/// How the kernel handles the first write to a huge page after fork.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HugeCow {
    /// Copies the whole 2 MiB page.
    Copy,
    /// Splits it and copies one 4 KiB page (Linux 5.8 on).
    Split,
}

/// Copy-on-write faults in the parent.
#[derive(Clone, Debug, PartialEq)]
pub struct Cow {
    /// Fault that copies a 4 KiB page \[ns\].
    pub fault: Nanos,
    /// Fault that copies a 2 MiB page \[ns\].
    pub fault_huge: Nanos,
    /// What the kernel does with huge pages.
    pub huge: HugeCow,
    /// First write to a page that is still write-protected after the child has gone \[ns\].
    pub reprotect: Nanos,
    /// Pages that overwriting a string touches beyond the pages of its value.
    pub pages_per_set: f64,
    /// Pages that changing a value in place touches (INCR, HSET, XADD …).
    pub pages_per_update: f64,
}

/// Speed of snapshot and rewrite children.
#[derive(Clone, Debug, PartialEq)]
pub struct ChildSpeed {
    /// RDB format (BGSAVE, AOF preamble), per key \[ns\].
    pub rdb_per_key: Nanos,
    /// RDB format, value bytes without compression \[ns/KiB\].
    pub rdb_per_kib: f64,
    /// RDB format, value bytes with LZF \[ns/KiB\].
    pub rdb_per_kib_compressed: f64,
    /// AOF commands, per key \[ns\].
    pub aof_per_key: Nanos,
    /// AOF commands, value bytes \[ns/KiB\].
    pub aof_per_kib: f64,
    /// Size of a compressed value over its plain size, 0 to 1 (1: incompressible).
    pub compressed_ratio: f64,
}

/// Getting memory from and giving it back to the kernel.
#[derive(Clone, Debug, PartialEq)]
pub struct MemoryPrices {
    /// First touch of a fresh 4 KiB page \[ns\].
    pub first_touch: Nanos,
    /// Giving memory back \[ns/MiB\].
    pub free_per_mib: Nanos,
    /// Freeing one element of a collection in the main thread \[ns\].
    pub free_element: Nanos,
    /// Moving bytes in memory \[bytes/s\].
    pub memmove_bandwidth: f64,
}

/// What being a node of a cluster costs; CPU time of the main thread.
#[derive(Clone, Debug, PartialEq)]
pub struct Cluster {
    /// Slot of a command's key and the node that has it, for every command with a key \[ns\].
    pub slot_lookup: Nanos,
    /// A command that is answered with a redirect or an error instead of being executed \[ns\].
    pub redirect: Nanos,
    /// MIGRATE on the source without its keys: parsing, the cached socket, waiting for the target \[ns\].
    pub migrate: Nanos,
    /// MIGRATE on the source, a key: look up, dump, write, read the reply byte by byte, delete \[ns\].
    pub migrate_per_key: Nanos,
    /// The same, payload \[ns/KiB\].
    pub migrate_per_kib: f64,
    /// The same, an element of a collection \[ns\].
    pub migrate_per_element: Nanos,
    /// RESTORE on the target, a key \[ns\].
    pub restore_per_key: Nanos,
    /// The same, payload \[ns/KiB\].
    pub restore_per_kib: f64,
    /// The same, an element of a collection \[ns\].
    pub restore_per_element: Nanos,
    /// CLUSTER SETSLOT without writing nodes.conf \[ns\].
    pub setslot: Nanos,
    /// CLUSTER GETKEYSINSLOT or COUNTKEYSINSLOT, without its keys \[ns\].
    pub get_keys: Nanos,
    /// The same, a key \[ns\].
    pub get_keys_per_key: Nanos,
    /// The same, a range of slots in the reply \[ns\].
    pub slots_per_range: Nanos,
    /// The same, the walk over all slots \[ns\].
    pub slots_walk: Nanos,
    /// Writing nodes.conf (open, write, rename), without fsync \[ns\].
    pub config_write: Nanos,
    /// The same, a node in it \[ns\].
    pub config_write_per_node: Nanos,
}

/// Gaps in which the host runs something else on a core.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Noise {
    /// Classes of gaps by length.
    pub classes: Vec<NoiseClass>,
}

/// Gaps of one class of lengths.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NoiseClass {
    /// Mean number a second and core.
    pub per_second: f64,
    /// Shortest gap \[ns\], > 0.
    pub shortest: Nanos,
    /// Longest gap \[ns\]; lengths are log-uniform between the two.
    pub longest: Nanos,
}
