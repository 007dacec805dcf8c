//! A server as a scenario begins with it.

use super::aof::Aof;
use super::cow::Cow;
use super::dict::{settled_buckets, table_bytes};
use super::disk::Disk;
use super::exact_keys::ExactKeys;
use super::expire_cycle::ExpireCycle;
use super::expires::Expires;
use super::keyspace::{ClassMap, KeyMemory, Keyspace};
use super::loss::LossTracker;
use super::main_thread::MainThread;
use super::memory;
use super::replication::Replication;
use super::rewrite::Rewrite;
use super::saved_size;
use super::server::{Rdb, Server};
use super::streams::Streams as StreamKeys;
use crate::client::keys::KeySampler;
use crate::dist::Dist;
use crate::observe::result::Counters;
use crate::redis::contention::Contention;
use crate::rng::{StreamId, Streams, Uniform};
use crate::scenario::{Scenario, ttl};
use crate::units::{KIB, Nanos, SECOND};

/// Bytes of a key's DEL in the AOF beyond the key: `*2 $3 DEL $nn` (`propagateDeletion`).
const DEL_OVERHEAD: u64 = 20;

impl Server {
    /// The server of `scenario`, and its view of each group's keys.
    pub fn new(scenario: &Scenario, streams: &Streams) -> (Self, Vec<ClassMap>) {
        Self::with_positions(scenario, streams, None)
    }

    /// The same as a node of a cluster, which has `positions` of each class of keys.
    pub fn with_positions(
        scenario: &Scenario,
        streams: &Streams,
        positions: Option<&[u64]>,
    ) -> (Self, Vec<ClassMap>) {
        let (config, machine, dataset) = (&scenario.redis, &scenario.machine, &scenario.dataset);
        let version = config.version;
        let ways = ttl::ways(scenario);
        // Where keys expire, their times to live are counted one by one and not as a share of all keys.
        let ttl_share = if ways.is_empty() { dataset.ttl_share } else { 0.0 };
        let phase = streams.open(StreamId::Fsync, 1).below(SECOND);
        let popularities: Vec<_> = scenario.workloads.iter().map(|group| group.keys).collect();
        let per_key = memory::mean_bytes_per_key(version, dataset.key_size, &dataset.value_size, ttl_share);
        let empty = memory::empty_server_bytes(version);
        let table = table_bytes(version, settled_buckets(version, dataset.keys)) as f64;
        let all = memory::dataset_bytes(version, dataset.keys, per_key, ttl_share);
        let mut memory = KeyMemory { per_key: (all - empty as f64 - table) / dataset.keys as f64, empty };
        let new_keyspace = |memory| {
            let (mut keyspace, maps) =
                Keyspace::new(version, dataset.keys, dataset.prefilled, &popularities, memory);
            positions.inspect(|positions| keyspace.restrict(positions));
            (keyspace, maps)
        };
        let keys = new_keyspace(memory).0;
        let entry_bytes = memory::ttl_entry_bytes(version, dataset.key_size, &dataset.value_size);
        let mut expires = Expires::new(version, keys.classes(), &ways, entry_bytes, phase, streams);
        if let Some(ttl) = ways.first() {
            expires.fill(version, ttl, dataset.ttl_share, keys.present(), streams);
        }
        if let (Some(used), true) = (scenario.start.used_memory, keys.keys() > 0) {
            let in_keys = used.saturating_sub(memory.empty + keys.dict.bytes() + expires.used_bytes());
            memory.per_key = in_keys as f64 / keys.keys() as f64;
        }
        let (keyspace, mut maps) = new_keyspace(memory);
        if positions.is_some() {
            // Which class a key is in must follow from the rank that its node follows from.
            let ranks = popularities.iter().map(|&keys| KeySampler::new(keys, dataset.keys));
            maps = ranks.map(|sampler| ClassMap::ByRank(Box::new(sampler))).collect();
        }
        let (rdb, aof) = (
            saved_size::mean_rdb_bytes_per_key(
                version,
                dataset.key_size,
                &dataset.value_size,
                ttl_share,
                None,
            ),
            saved_size::mean_aof_rewrite_bytes_per_key(dataset.key_size, &dataset.value_size, ttl_share),
        );
        let huge_pages = machine.machine.thp_always && !config.disable_thp;
        let start = &scenario.start;
        let mut server = Server {
            config: config.clone(),
            prices: machine.clone(),
            main: MainThread::new(scenario.run.stall_threshold, machine.free),
            disk: Disk::new(&machine.disk, streams.open(StreamId::Fsync, 0)),
            aof: Aof::new(version, 0, 0, phase),
            loss: LossTracker::new(
                streams.open(StreamId::Crash, 0),
                scenario.run.duration,
                if config.appendonly { 0 } else { start.changes_since_save },
            ),
            cow: Cow::new(machine, huge_pages),
            child: None,
            rewrite: Rewrite::default(),
            rdb: Rdb {
                dirty: start.changes_since_save,
                last_save: -((start.last_save_age / SECOND) as i64),
                last_ok: true,
                last_try_at: None,
                scheduled: false,
                file_bytes: 0,
            },
            keyspace,
            streams: StreamKeys::new(scenario, streams).map(Box::new),
            exact: exact_keys(scenario),
            expires,
            expire_cycle: ExpireCycle::default(),
            counters: Counters::default(),
            children: Vec::new(),
            cron_at: 0,
            hz: config.hz,
            clients: scenario.workloads.iter().map(|group| group.connections).sum(),
            changes: if config.appendonly { 0 } else { start.changes_since_save },
            client_load: 0.0,
            neighbour_load: 0.0,
            neighbour_children: 0.0,
            contention: Contention::new(machine.machine.cores, machine.machine.tick),
            all_alike: false,
            keys_matter: true,
            gated: false,
            rehash_step: machine.cpu.rehash_step
                + (16.0 / 4096.0 * machine.memory.first_touch as f64).round() as Nanos,
            replication: Replication::new(
                &scenario.replicas,
                config,
                machine,
                streams,
                if config.appendonly { 0 } else { start.changes_since_save },
            ),
            rss_max: 0,
            cow_max: 0,
            eviction_stream: streams.open(StreamId::Eviction, 0),
            next_write_back_at: machine.disk.dirty_writeback,
            huge_pages,
            value_mean: dataset.value_size.mean(),
            rdb_bytes_per_key: rdb,
            aof_bytes_per_key: aof,
            rdb_ttl_bytes: saved_size::RDB_DEADLINE as f64,
            aof_ttl_bytes: saved_size::aof_ttl_bytes(dataset.key_size),
            del_bytes: dataset.key_size as u64 + DEL_OVERHEAD,
            ttl_share: dataset.ttl_share,
            pages_per_key: machine.cow.pages_per_set + (dataset.value_size.mean() / (4 * KIB) as f64).floor(),
            fragmentation: dataset.fragmentation,
            rss_floor: start.used_memory_rss.unwrap_or(0),
            phase,
        };
        let base = start.aof_base_size.unwrap_or_else(|| server.rewritten_bytes());
        server.aof = Aof::new(version, base, start.aof_current_size.unwrap_or(base), phase);
        server.loss.follow_snapshots(!config.appendonly);
        server.cron_at = server.period();
        server.rss_max = server.rss();
        server.refresh_flags();
        (server, maps)
    }
}

/// The keys that are kept exactly: none of them exists at the start.
fn exact_keys(scenario: &Scenario) -> ExactKeys {
    let mut exact = ExactKeys::new();
    for group in &scenario.workloads {
        let bytes =
            memory::mean_bytes_per_key(scenario.redis.version, group.key_size, &Dist::Fixed(1.0), 1.0);
        exact.add_group(group.pattern.as_deref(), &group.name, group.key_size as u64, bytes.round() as u64);
    }
    exact
}
