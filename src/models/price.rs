//! The one table of prices: name, unit, plausible range and place in [`CostModel`].
//!
//! Loading, the check for missing prices, `--set machine.…` and printing all walk this table.

use super::unit::{Unit, Value};
use crate::cost_model::{CostModel, HugeCow, NoiseClass};
use crate::dist::Dist;
use crate::units::{GIB, KIB, MIB, Nanos};

/// One price a model file must give.
pub struct Price {
    /// Dotted name as in files and flags, `fork.per-gib`.
    pub name: &'static str,
    /// What it is measured in.
    pub unit: Unit,
    /// Smallest plausible number, in the unit of the field (ns, bytes, bytes/s).
    pub min: f64,
    /// Largest plausible number.
    pub max: f64,
    slot: fn(&mut CostModel) -> Slot<'_>,
}

/// A field of the model.
enum Slot<'a> {
    Whole(&'a mut u64),
    Small(&'a mut u32),
    Real(&'a mut f64),
    Switch(&'a mut bool),
    HugeCow(&'a mut HugeCow),
    Spread(&'a mut Dist),
    Curve(&'a mut Vec<(Nanos, Nanos)>),
    Gaps(&'a mut Vec<NoiseClass>),
}

impl Price {
    /// The value in `model`. Takes it mutably only because one accessor serves reading and writing.
    pub fn get(&self, model: &mut CostModel) -> Value {
        match (self.slot)(model) {
            Slot::Whole(n) => Value::Number(*n as f64),
            Slot::Small(n) => Value::Number(f64::from(*n)),
            Slot::Real(x) => Value::Number(*x),
            Slot::Switch(on) => Value::Switch(*on),
            Slot::HugeCow(how) => Value::HugeCow(*how),
            Slot::Spread(dist) => Value::Spread(dist.clone()),
            Slot::Curve(points) => Value::Curve(points.clone()),
            Slot::Gaps(classes) => Value::Gaps(classes.clone()),
        }
    }

    /// Puts `value` into `model`, if it is plausible.
    pub fn set(&self, model: &mut CostModel, value: Value) -> Result<(), String> {
        if let Some(number) = value.numbers().into_iter().find(|n| !(self.min..=self.max).contains(n)) {
            let number = self.unit.number_text(number);
            return Err(format!("{number} is outside {}, the plausible range", self.allowed()));
        }
        match ((self.slot)(model), value) {
            (Slot::Whole(n), Value::Number(x)) => *n = x as u64,
            (Slot::Small(n), Value::Number(x)) => *n = x as u32,
            (Slot::Real(place), Value::Number(x)) => *place = x,
            (Slot::Switch(place), Value::Switch(on)) => *place = on,
            (Slot::HugeCow(place), Value::HugeCow(how)) => *place = how,
            (Slot::Spread(place), Value::Spread(dist)) => *place = dist,
            (Slot::Curve(place), Value::Curve(points)) => *place = points,
            (Slot::Gaps(place), Value::Gaps(classes)) => *place = classes,
            _ => return Err(format!("expected {}", self.unit.expected())),
        }
        Ok(())
    }

    /// The plausible range as text.
    pub fn allowed(&self) -> String {
        format!("{} to {}", self.unit.number_text(self.min), self.unit.number_text(self.max))
    }
}

const US: f64 = 1e3;
const MS: f64 = 1e6;
const S: f64 = 1e9;
const TIB: f64 = 1024.0 * GIB as f64;

const fn price(
    name: &'static str,
    unit: Unit,
    min: f64,
    max: f64,
    slot: fn(&mut CostModel) -> Slot<'_>,
) -> Price {
    Price { name, unit, min, max, slot }
}

/// CPU time of a few instructions up to a system call; zero removes the cost.
const fn cpu(name: &'static str, slot: fn(&mut CostModel) -> Slot<'_>) -> Price {
    price(name, Unit::Span, 0.0, 10.0 * MS, slot)
}

/// Copying, per KiB; zero removes the cost.
const fn per_kib(name: &'static str, slot: fn(&mut CostModel) -> Slot<'_>) -> Price {
    price(name, Unit::SpanPerKib, 0.0, MS, slot)
}

const fn bandwidth(name: &'static str, slot: fn(&mut CostModel) -> Slot<'_>) -> Price {
    price(name, Unit::Bandwidth, 100.0 * KIB as f64, TIB, slot)
}

const fn switch(name: &'static str, slot: fn(&mut CostModel) -> Slot<'_>) -> Price {
    price(name, Unit::Switch, 0.0, 1.0, slot)
}

/// Every price, in the order of the file format.
pub const PRICES: &[Price] = &[
    price("machine.cores", Unit::Count, 1.0, 4096.0, |m| Slot::Small(&mut m.machine.cores)),
    price("machine.tick", Unit::Span, 1e5, 1e8, |m| Slot::Whole(&mut m.machine.tick)),
    price("machine.memory", Unit::Bytes, 16.0 * MIB as f64, 64.0 * TIB, |m| {
        Slot::Whole(&mut m.machine.memory)
    }),
    switch("machine.overcommit", |m| Slot::Switch(&mut m.machine.overcommit)),
    switch("machine.thp-always", |m| Slot::Switch(&mut m.machine.thp_always)),
    price("machine.l3", Unit::Bytes, 0.0, 64.0 * GIB as f64, |m| Slot::Whole(&mut m.machine.l3)),
    price("machine.l2", Unit::Bytes, 0.0, 64.0 * GIB as f64, |m| Slot::Whole(&mut m.machine.l2)),
    cpu("cpu.turn", |m| Slot::Whole(&mut m.cpu.turn)),
    cpu("cpu.read", |m| Slot::Whole(&mut m.cpu.read)),
    cpu("cpu.write", |m| Slot::Whole(&mut m.cpu.write)),
    cpu("cpu.ping", |m| Slot::Whole(&mut m.cpu.ping)),
    cpu("cpu.get", |m| Slot::Whole(&mut m.cpu.get)),
    cpu("cpu.set", |m| Slot::Whole(&mut m.cpu.set)),
    cpu("cpu.incr", |m| Slot::Whole(&mut m.cpu.incr)),
    cpu("cpu.del", |m| Slot::Whole(&mut m.cpu.del)),
    cpu("cpu.hset", |m| Slot::Whole(&mut m.cpu.hset)),
    cpu("cpu.push", |m| Slot::Whole(&mut m.cpu.push)),
    cpu("cpu.sadd", |m| Slot::Whole(&mut m.cpu.sadd)),
    cpu("cpu.zadd", |m| Slot::Whole(&mut m.cpu.zadd)),
    cpu("cpu.xadd", |m| Slot::Whole(&mut m.cpu.xadd)),
    cpu("cpu.expire", |m| Slot::Whole(&mut m.cpu.expire)),
    cpu("cpu.xread", |m| Slot::Whole(&mut m.cpu.xread)),
    cpu("cpu.xread-entry", |m| Slot::Whole(&mut m.cpu.xread_entry)),
    cpu("cpu.xack", |m| Slot::Whole(&mut m.cpu.xack)),
    cpu("cpu.stream-trim-entry", |m| Slot::Whole(&mut m.cpu.stream_trim_entry)),
    cpu("cpu.hot-key-saving", |m| Slot::Whole(&mut m.cpu.hot_key_saving)),
    cpu("cpu.script", |m| Slot::Whole(&mut m.cpu.script)),
    cpu("cpu.script-call", |m| Slot::Whole(&mut m.cpu.script_call)),
    cpu("cpu.multi", |m| Slot::Whole(&mut m.cpu.multi)),
    cpu("cpu.per-element", |m| Slot::Whole(&mut m.cpu.per_element)),
    per_kib("cpu.per-kib", |m| Slot::Real(&mut m.cpu.per_kib)),
    cpu("cpu.aof-append", |m| Slot::Whole(&mut m.cpu.aof_append)),
    per_kib("cpu.aof-append-per-kib", |m| Slot::Real(&mut m.cpu.aof_append_per_kib)),
    cpu("cpu.cron", |m| Slot::Whole(&mut m.cpu.cron)),
    price("cpu.wakeup", Unit::Curve, 0.0, 3600.0 * S, |m| Slot::Curve(&mut m.cpu.wakeup)),
    price("cpu.wake-client", Unit::Curve, 0.0, 3600.0 * S, |m| Slot::Curve(&mut m.cpu.wake_client)),
    cpu("cpu.rehash-step", |m| Slot::Whole(&mut m.cpu.rehash_step)),
    cpu("cpu.evict-key", |m| Slot::Whole(&mut m.cpu.evict_key)),
    cpu("cpu.replica-command", |m| Slot::Whole(&mut m.cpu.replica_command)),
    cpu("cpu.replica-write", |m| Slot::Whole(&mut m.cpu.replica_write)),
    cpu("cpu.pipe-copy", |m| Slot::Whole(&mut m.cpu.pipe_copy)),
    cpu("cpu.expire-key", |m| Slot::Whole(&mut m.cpu.expire_key)),
    cpu("cpu.expire-sample", |m| Slot::Whole(&mut m.cpu.expire_sample)),
    price("network.one-way", Unit::Span, 0.0, 10.0 * S, |m| Slot::Whole(&mut m.network.one_way)),
    price("network.wake-server", Unit::Curve, 0.0, 3600.0 * S, |m| Slot::Curve(&mut m.network.wake_server)),
    price("network.jitter", Unit::Spread, 0.0, 60.0 * S, |m| Slot::Spread(&mut m.network.jitter)),
    per_kib("network.per-kib", |m| Slot::Real(&mut m.network.per_kib)),
    switch("client.local", |m| Slot::Switch(&mut m.client.local)),
    price("client.threads", Unit::Count, 1.0, 1e6, |m| Slot::Small(&mut m.client.threads)),
    cpu("client.per-reply", |m| Slot::Whole(&mut m.client.per_reply)),
    cpu("client.per-send", |m| Slot::Whole(&mut m.client.per_send)),
    cpu("client.per-command", |m| Slot::Whole(&mut m.client.per_command)),
    per_kib("client.per-kib", |m| Slot::Real(&mut m.client.per_kib)),
    price("client.wakeup", Unit::Curve, 0.0, 3600.0 * S, |m| Slot::Curve(&mut m.client.wakeup)),
    bandwidth("disk.bandwidth", |m| Slot::Real(&mut m.disk.bandwidth)),
    cpu("disk.write", |m| Slot::Whole(&mut m.disk.write)),
    bandwidth("disk.page-cache-bandwidth", |m| Slot::Real(&mut m.disk.page_cache_bandwidth)),
    price("disk.fdatasync", Unit::Spread, 0.0, 60.0 * S, |m| Slot::Spread(&mut m.disk.fdatasync)),
    price("disk.fdatasync-busy", Unit::Spread, 0.0, 60.0 * S, |m| Slot::Spread(&mut m.disk.fdatasync_busy)),
    per_kib("disk.fdatasync-per-kib", |m| Slot::Real(&mut m.disk.fdatasync_per_kib)),
    cpu("disk.fdatasync-cpu", |m| Slot::Whole(&mut m.disk.fdatasync_cpu)),
    price("disk.dirty-background", Unit::Bytes, 64.0 * KIB as f64, 64.0 * TIB, |m| {
        Slot::Whole(&mut m.disk.dirty_background)
    }),
    price("disk.dirty-limit", Unit::Bytes, 64.0 * KIB as f64, 64.0 * TIB, |m| {
        Slot::Whole(&mut m.disk.dirty_limit)
    }),
    price("disk.dirty-expire", Unit::Span, 10.0 * MS, 3600.0 * S, |m| Slot::Whole(&mut m.disk.dirty_expire)),
    price("disk.dirty-writeback", Unit::Span, 10.0 * MS, 3600.0 * S, |m| {
        Slot::Whole(&mut m.disk.dirty_writeback)
    }),
    switch("disk.write-waits-for-fdatasync", |m| Slot::Switch(&mut m.disk.write_waits_for_fdatasync)),
    price("disk.free", Unit::Bytes, 0.0, 1024.0 * TIB, |m| Slot::Whole(&mut m.disk.free)),
    price("fork.base", Unit::Span, 0.0, 10.0 * S, |m| Slot::Whole(&mut m.fork.base)),
    price("fork.per-gib", Unit::SpanPerGib, 0.0, 2.0 * S, |m| Slot::Real(&mut m.fork.per_gib)),
    price("fork.per-gib-huge", Unit::SpanPerGib, 0.0, 2.0 * S, |m| Slot::Real(&mut m.fork.per_gib_huge)),
    price("cow.fault", Unit::Span, 0.0, MS, |m| Slot::Whole(&mut m.cow.fault)),
    price("cow.fault-huge", Unit::Span, 0.0, 100.0 * MS, |m| Slot::Whole(&mut m.cow.fault_huge)),
    price("cow.huge", Unit::HugeCow, 0.0, 1.0, |m| Slot::HugeCow(&mut m.cow.huge)),
    price("cow.reprotect", Unit::Span, 0.0, MS, |m| Slot::Whole(&mut m.cow.reprotect)),
    price("cow.pages-per-set", Unit::Ratio, 0.0, 100.0, |m| Slot::Real(&mut m.cow.pages_per_set)),
    price("cow.pages-per-update", Unit::Ratio, 0.0, 100.0, |m| Slot::Real(&mut m.cow.pages_per_update)),
    price("child.rdb-per-key", Unit::Span, 0.0, 10.0 * MS, |m| Slot::Whole(&mut m.child.rdb_per_key)),
    per_kib("child.rdb-per-kib", |m| Slot::Real(&mut m.child.rdb_per_kib)),
    per_kib("child.rdb-per-kib-compressed", |m| Slot::Real(&mut m.child.rdb_per_kib_compressed)),
    price("child.aof-per-key", Unit::Span, 0.0, 10.0 * MS, |m| Slot::Whole(&mut m.child.aof_per_key)),
    per_kib("child.aof-per-kib", |m| Slot::Real(&mut m.child.aof_per_kib)),
    price("child.compressed-ratio", Unit::Ratio, 0.01, 1.0, |m| Slot::Real(&mut m.child.compressed_ratio)),
    price("memory.first-touch", Unit::Span, 0.0, 100.0 * US, |m| Slot::Whole(&mut m.memory.first_touch)),
    price("memory.free-per-mib", Unit::SpanPerMib, 0.0, 100.0 * MS, |m| {
        Slot::Whole(&mut m.memory.free_per_mib)
    }),
    cpu("memory.free-element", |m| Slot::Whole(&mut m.memory.free_element)),
    bandwidth("memory.memmove-bandwidth", |m| Slot::Real(&mut m.memory.memmove_bandwidth)),
    price("cluster.slot-lookup", Unit::Span, 0.0, 100.0 * MS, |m| Slot::Whole(&mut m.cluster.slot_lookup)),
    price("cluster.redirect", Unit::Span, 0.0, 100.0 * MS, |m| Slot::Whole(&mut m.cluster.redirect)),
    price("cluster.migrate", Unit::Span, 0.0, 100.0 * MS, |m| Slot::Whole(&mut m.cluster.migrate)),
    price("cluster.migrate-per-key", Unit::Span, 0.0, 100.0 * MS, |m| {
        Slot::Whole(&mut m.cluster.migrate_per_key)
    }),
    per_kib("cluster.migrate-per-kib", |m| Slot::Real(&mut m.cluster.migrate_per_kib)),
    price("cluster.migrate-per-element", Unit::Span, 0.0, 100.0 * MS, |m| {
        Slot::Whole(&mut m.cluster.migrate_per_element)
    }),
    price("cluster.restore-per-key", Unit::Span, 0.0, 100.0 * MS, |m| {
        Slot::Whole(&mut m.cluster.restore_per_key)
    }),
    per_kib("cluster.restore-per-kib", |m| Slot::Real(&mut m.cluster.restore_per_kib)),
    price("cluster.restore-per-element", Unit::Span, 0.0, 100.0 * MS, |m| {
        Slot::Whole(&mut m.cluster.restore_per_element)
    }),
    price("cluster.setslot", Unit::Span, 0.0, 100.0 * MS, |m| Slot::Whole(&mut m.cluster.setslot)),
    price("cluster.get-keys", Unit::Span, 0.0, 100.0 * MS, |m| Slot::Whole(&mut m.cluster.get_keys)),
    price("cluster.get-keys-per-key", Unit::Span, 0.0, 100.0 * MS, |m| {
        Slot::Whole(&mut m.cluster.get_keys_per_key)
    }),
    price("cluster.slots-per-range", Unit::Span, 0.0, 100.0 * MS, |m| {
        Slot::Whole(&mut m.cluster.slots_per_range)
    }),
    price("cluster.slots-walk", Unit::Span, 0.0, 100.0 * MS, |m| Slot::Whole(&mut m.cluster.slots_walk)),
    price("cluster.config-write", Unit::Span, 0.0, 100.0 * MS, |m| Slot::Whole(&mut m.cluster.config_write)),
    price("cluster.config-write-per-node", Unit::Span, 0.0, 100.0 * MS, |m| {
        Slot::Whole(&mut m.cluster.config_write_per_node)
    }),
    price("noise.class", Unit::Gaps, 0.0, 60.0 * S, |m| Slot::Gaps(&mut m.noise.classes)),
];

/// The price of that dotted name.
pub fn find(name: &str) -> Option<&'static Price> {
    PRICES.iter().find(|price| price.name == name)
}
