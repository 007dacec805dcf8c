//! What the machine would have to charge for a cause to cost nothing: the counterfactual behind "without it".

use crate::cause::Cause;
use crate::experiment::Assignment;

/// Free, in each unit of a price.
const NO_TIME: &str = "0ns";
const ENDLESS_BANDWIDTH: &str = "1TiB/s";
const ENDLESS_MEMORY: &str = "64TiB";

/// Prices under which `cause` takes no time, or hardly any; none where no price stands for it (a frozen host, a restart),
/// and for the work of serving requests, without which there is nothing to size.
///
/// A price may stand for more than its cause: a disk whose fdatasync is free has none that a write could wait for.
pub fn without(cause: Cause) -> Option<Vec<Assignment>> {
    let prices: &[(&str, &str)] = match cause {
        Cause::WakeUp => &[("cpu.wakeup", "none"), ("network.wake-server", "none")],
        Cause::AofWrite | Cause::AofRewriteDiffWrite => {
            &[("disk.write", NO_TIME), ("disk.page-cache-bandwidth", ENDLESS_BANDWIDTH)]
        }
        Cause::AofWritePendingFsync => &[("disk.write-waits-for-fdatasync", "false")],
        Cause::AofWriteThrottled => &[("disk.dirty-limit", ENDLESS_MEMORY)],
        Cause::AofFsyncAlways
        | Cause::AofRewriteDoneFsync
        | Cause::ManifestFsync
        | Cause::ClusterConfigFsync => &[
            ("disk.fdatasync", NO_TIME),
            ("disk.fdatasync-busy", NO_TIME),
            ("disk.fdatasync-per-kib", NO_TIME),
        ],
        Cause::Fork => &[("fork.base", NO_TIME), ("fork.per-gib", NO_TIME), ("fork.per-gib-huge", NO_TIME)],
        Cause::Cow => &[("cow.fault", NO_TIME), ("cow.fault-huge", NO_TIME), ("cow.reprotect", NO_TIME)],
        Cause::AofRewriteBuffer => &[
            ("memory.memmove-bandwidth", ENDLESS_BANDWIDTH),
            ("cpu.aof-append", NO_TIME),
            ("cpu.aof-append-per-kib", NO_TIME),
        ],
        Cause::AofRename => &[("disk.write", NO_TIME)],
        Cause::Cron => &[("cpu.cron", NO_TIME)],
        Cause::Rehash => &[("cpu.rehash-step", NO_TIME)],
        Cause::TableAllocation => &[("memory.first-touch", NO_TIME)],
        Cause::TableFree => &[("memory.free-per-mib", NO_TIME)],
        Cause::EvictionCycle => &[("cpu.evict-key", NO_TIME)],
        Cause::ExpireCycle => &[("cpu.expire-key", NO_TIME), ("cpu.expire-sample", NO_TIME)],
        Cause::HostNoise => &[("noise.class", "none")],
        Cause::CoreContention => &[("machine.cores", "4096")],
        Cause::ReplicaWrite => &[("cpu.replica-write", NO_TIME)],
        Cause::DisklessCopy | Cause::RdbSend => &[("cpu.pipe-copy", NO_TIME)],
        Cause::Migrate => &[
            ("cluster.migrate", NO_TIME),
            ("cluster.migrate-per-key", NO_TIME),
            ("cluster.migrate-per-kib", NO_TIME),
            ("cluster.migrate-per-element", NO_TIME),
        ],
        Cause::Restore => &[
            ("cluster.restore-per-key", NO_TIME),
            ("cluster.restore-per-kib", NO_TIME),
            ("cluster.restore-per-element", NO_TIME),
        ],
        Cause::ClusterConfigWrite => {
            &[("cluster.config-write", NO_TIME), ("cluster.config-write-per-node", NO_TIME)]
        }
        Cause::EventLoop
        | Cause::Read
        | Cause::Command
        | Cause::Reply
        | Cause::ClusterCommand
        | Cause::Save
        | Cause::Restart
        | Cause::Freeze => return None,
    };
    let assign = |&(price, value): &(&str, &str)| Assignment {
        key: format!("machine.{price}"),
        value: value.to_owned(),
    };
    Some(prices.iter().map(assign).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Template;
    use crate::scenario::builtin;
    use crate::scenario::resolve::Overrides;
    use crate::sim::{RunOptions, run};

    fn template(scenario: &str, set: &[&str]) -> Template {
        let overrides =
            Overrides { set: set.iter().map(|set| set.to_string()).collect(), ..Overrides::default() };
        let text = builtin::get(scenario).expect("built in").to_owned();
        Template::new(text, scenario.to_owned(), ".".into(), overrides)
    }

    fn busy(set: &[&str], without: &[Assignment]) -> [u64; Cause::COUNT] {
        let laid = template("article", set).with(without);
        let scenario = laid.unwrap_or_else(|problems| panic!("{problems}"));
        run(&scenario, &RunOptions::default(), &mut |_| true).expect("it runs").busy
    }

    #[test]
    fn under_its_prices_a_cause_takes_no_time() {
        use Cause::*;
        let snapshots: &[&str] =
            &["run.duration=200s", "dataset.memory=1GiB", "workload.rate=20000/s", "redis.save=60 10000"];
        let rewrites: &[&str] = &["run.duration=200s", "dataset.memory=64MiB", "workload.rate=20000/s"];
        let slow_disk: &[&str] = &[
            "run.duration=60s",
            "run.warmup=0s",
            "dataset.memory=64MiB",
            "workload.rate=1000/s",
            "machine.disk.fdatasync=3s",
            "machine.disk.fdatasync-busy=3s",
        ];
        let cases: [(&[&str], &[Cause]); 3] = [
            (snapshots, &[WakeUp, AofWrite, Fork, Cow, Cron, HostNoise]),
            (rewrites, &[Fork, AofRename, ManifestFsync]),
            (slow_disk, &[AofWritePendingFsync]),
        ];
        for (set, causes) in cases {
            let before = busy(set, &[]);
            for &cause in causes {
                let free = without(cause).expect("it has prices");
                let after = busy(set, &free);
                let (had, has) = (before[cause as usize], after[cause as usize]);
                assert!(had > 0, "{cause:?} takes time in the scenario");
                assert!(has * 50 < had, "{cause:?}: {had} ns, and {has} ns without");
            }
        }
    }

    #[test]
    fn every_price_is_one_of_the_model() {
        for assignments in Cause::ALL.into_iter().filter_map(without) {
            template("article", &[]).with(&assignments).unwrap_or_else(|problems| panic!("{problems}"));
        }
    }
}
