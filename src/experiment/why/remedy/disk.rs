//! When the AOF is synced, and on what.

use super::{Case, Effort, Remedy, Rule};
use crate::cause::Cause;
use crate::cost_model::CostModel;
use crate::models::{self, price};
use crate::redis::config::AppendFsync;

/// What waits for the disk.
const OF_DISK: &[Cause] = &[
    Cause::AofWritePendingFsync,
    Cause::AofWriteThrottled,
    Cause::AofFsyncAlways,
    Cause::AofRewriteDoneFsync,
    Cause::ManifestFsync,
    Cause::ClusterConfigFsync,
    Cause::Save,
];
/// The model whose drive has power-loss protection.
const PROTECTED: &str = "bare-metal-nvme";
/// Prices of the drive's syncs.
const SYNCS: &[&str] = &["disk.fdatasync", "disk.fdatasync-busy", "disk.fdatasync-per-kib"];

pub(super) const RULES: &[Rule] = &[everysec, leave_it, not_beside_a_child, twice_as_fast, protected];

fn everysec(case: &Case) -> Option<Remedy> {
    let redis = &case.scenario.redis;
    if !redis.appendonly || redis.appendfsync != AppendFsync::Always {
        return None;
    }
    let remedy = Remedy::new("everysec", "appendfsync everysec", Effort::Setting);
    Some(remedy.set("redis.appendfsync", "everysec"))
}

fn leave_it(case: &Case) -> Option<Remedy> {
    let redis = &case.scenario.redis;
    let waits = case.tail.has(&[Cause::AofWritePendingFsync, Cause::AofFsyncAlways]);
    if !redis.appendonly || redis.appendfsync == AppendFsync::No || !waits {
        return None;
    }
    let remedy = Remedy::new("fsync-no", "appendfsync no (the kernel decides)", Effort::Setting);
    Some(remedy.set("redis.appendfsync", "no"))
}

fn not_beside_a_child(case: &Case) -> Option<Remedy> {
    let redis = &case.scenario.redis;
    let syncs = redis.appendonly && redis.appendfsync != AppendFsync::No && !redis.no_appendfsync_on_rewrite;
    let waits = case.tail.has(&[Cause::AofWritePendingFsync, Cause::AofFsyncAlways]);
    if !syncs || !waits || case.run.children.is_empty() {
        return None;
    }
    let title = "no-appendfsync-on-rewrite yes (no fsync while a child lives)";
    let remedy = Remedy::new("no-fsync-on-rewrite", title, Effort::Setting);
    Some(remedy.set("redis.no-appendfsync-on-rewrite", "yes"))
}

/// A price of `machine` times `factor`, as a setting takes it.
fn scaled(machine: &CostModel, name: &str, factor: f64) -> Option<String> {
    let price = price::find(name)?;
    let value = price.get(&mut machine.clone()).scaled(price.unit, factor).ok()?;
    Some(value.text(price.unit))
}

fn twice_as_fast(case: &Case) -> Option<Remedy> {
    if !case.tail.has(OF_DISK) {
        return None;
    }
    let machine = &case.scenario.machine;
    let times = SYNCS.iter().map(|&name| (name, 0.5)).chain([("disk.bandwidth", 2.0)]);
    let remedy = Remedy::new("faster-disk", "a disk twice as fast", Effort::Machine).but("another disk");
    times.into_iter().try_fold(remedy, |remedy, (name, factor)| {
        Some(remedy.set(&format!("machine.{name}"), scaled(machine, name, factor)?))
    })
}

fn protected(case: &Case) -> Option<Remedy> {
    let own = &case.scenario.machine.disk;
    let (model, _) = models::load(PROTECTED).ok()?;
    if !case.tail.has(OF_DISK) || model.disk.fdatasync.quantile(0.5) >= own.fdatasync.quantile(0.5) {
        return None;
    }
    let remedy = Remedy::new("protected-disk", "an NVMe drive with power-loss protection", Effort::Machine);
    SYNCS.iter().try_fold(remedy.but("another disk"), |remedy, name| {
        Some(remedy.set(&format!("machine.{name}"), scaled(&model, name, 1.0)?))
    })
}
