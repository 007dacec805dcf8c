//! Small random scenarios in which every mechanism has a chance to meet every other.
//!
//! Not generated: crashes and disks that fail, a warm-up, io threads; and replies that cost nothing on a network that
//! takes no time, where the order of sends at one instant is a matter of taste.

use writepath::cost_model::{CostModel, HugeCow, NoiseClass};
use writepath::dist::Dist;
use writepath::redis::command::{Command, CommandKind};
use writepath::redis::config::{AppendFsync, MaxmemoryPolicy, RedisConfig, SavePoint};
use writepath::redis::version::Version;
use writepath::rng::{Stream, StreamId, Streams, Uniform};
use writepath::scenario::{Action, Arrivals, KeyPopularity, Scenario, Source, TimedEvent, Workload};
use writepath::units::{MILLISECOND, Nanos, SECOND};

use crate::support;

/// Draws of one scenario.
struct Draw(Stream);

impl Draw {
    /// A whole number from `low` to `high`, both included.
    fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.0.below(high - low + 1)
    }

    /// One of `choices`.
    fn one<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.0.below(choices.len() as u64) as usize].clone()
    }

    /// True once in `n`.
    fn once_in(&mut self, n: u64) -> bool {
        self.0.below(n) == 0
    }

    /// 0, or from `low` to `high`.
    fn price(&mut self, low: u64, high: u64) -> Nanos {
        if self.once_in(4) { 0 } else { self.between(low, high) }
    }

    fn dist(&mut self, mean: f64) -> Dist {
        match self.0.below(4) {
            0 => Dist::Exponential { mean },
            1 => Dist::Lognormal { mean, scv: 2.0 },
            _ => Dist::Fixed(mean.round()),
        }
    }

    fn curve(&mut self) -> Vec<(Nanos, Nanos)> {
        if self.once_in(2) { Vec::new() } else { vec![(20_000, 4000), (1_000_000, 30_000)] }
    }
}

/// Scenario number `number`.
pub fn scenario(number: u64) -> Scenario {
    let mut draw = Draw(Streams::new(number, 0).open(StreamId::Keys, 77));
    // An fsync every second and save points in seconds want a run of seconds, at a lower rate.
    let long = draw.once_in(4);
    let duration = if long { draw.between(2, 5) * SECOND } else { draw.between(20, 300) * MILLISECOND };
    let mut scenario =
        support::scenario(Source::Closed { think: Dist::Fixed(0.0) }, 1, Dist::Fixed(1.0), duration);
    scenario.run.seed = number;
    scenario.run.allow_overload = true;
    scenario.workloads =
        (0..draw.one(&[1, 1, 1, 2, 3])).map(|group| workload(&mut draw, group, duration)).collect();
    scenario.dataset.keys = draw.between(1, 3000);
    scenario.dataset.prefilled = !draw.once_in(4);
    scenario.redis = config(&mut draw, long);
    machine(&mut draw, &mut scenario.machine);
    if long && draw.once_in(3) {
        // A disk so slow that a postponed write has to wait for the fsync.
        scenario.machine.disk.fdatasync = draw.dist(2e9);
    }
    scenario.start.changes_since_save = draw.one(&[0, 0, 500]);
    scenario.events = events(&mut draw, &scenario);
    scenario
}

fn workload(draw: &mut Draw, group: u64, duration: Nanos) -> Workload {
    let pipeline = draw.one(&[1, 1, 1, 2, 5, 16, 40]);
    // Some hundred commands a group.
    let commands = draw.between(50, 800) as f64;
    let rate = commands * SECOND as f64 / duration as f64;
    let connections = draw.between(1, 60) as u32;
    let source = if draw.once_in(2) {
        let arrivals = draw.one(&[Arrivals::Poisson, Arrivals::Uniform, Arrivals::Bursts { size: 7 }]);
        // Later a pause, then twice the rate.
        let schedule = vec![(0, rate), (duration / 3, 0.0), (duration / 2, 2.0 * rate)];
        let schedule = if draw.once_in(3) { schedule } else { vec![(0, rate)] };
        Source::Open { schedule, arrivals }
    } else {
        let think = connections as f64 * pipeline as f64 * SECOND as f64 / rate;
        let think = if draw.once_in(6) { 0.0 } else { think };
        Source::Closed { think: if think > 0.0 { draw.dist(think) } else { Dist::Fixed(0.0) } }
    };
    let kinds = [
        CommandKind::Set,
        CommandKind::Set,
        CommandKind::Get,
        CommandKind::Incr,
        CommandKind::Del,
        CommandKind::Mset,
        CommandKind::Lpush,
        CommandKind::Ping,
    ];
    let mix = match draw.between(1, 3) {
        1 => vec![(Command::plain(CommandKind::Set), 1.0)],
        2 => vec![(Command::plain(draw.one(&kinds)), 1.0)],
        _ => vec![(Command::plain(draw.one(&kinds)), 0.75), (Command::plain(draw.one(&kinds)), 0.25)],
    };
    let size = draw.one(&[10.0, 100.0, 900.0, 9000.0, 100_000.0]);
    Workload {
        name: format!("group-{group}"),
        source,
        connections,
        pipeline,
        mix,
        keys: draw.one(&[KeyPopularity::Uniform, KeyPopularity::Uniform, KeyPopularity::Zipf { s: 0.99 }]),
        key_size: draw.between(1, 40) as u32,
        value_size: draw.dist(size),
        wait: None,
        pattern: None,
        ttl: None,
    }
}

fn config(draw: &mut Draw, long: bool) -> RedisConfig {
    let version = draw.one(&[
        Version::redis(6, 2),
        Version::redis(7, 0),
        Version::redis(7, 2),
        Version::redis(7, 4),
        Version::valkey(8, 0),
    ]);
    let save = match draw.between(0, 2) {
        0 => Vec::new(),
        _ if long => vec![SavePoint { seconds: draw.between(0, 2), changes: draw.between(1, 300) }],
        _ => vec![SavePoint { seconds: 0, changes: draw.between(1, 300) }],
    };
    RedisConfig {
        appendonly: !draw.once_in(4),
        appendfsync: draw.one(&[AppendFsync::No, AppendFsync::Everysec, AppendFsync::Always]),
        no_appendfsync_on_rewrite: draw.once_in(3),
        auto_aof_rewrite_percentage: draw.one(&[0, 20, 100]),
        auto_aof_rewrite_min_size: draw.one(&[0, 10_000]),
        save,
        hz: draw.one(&[1, 10, 100, 500]),
        dynamic_hz: draw.once_in(2),
        maxmemory: draw.one(&[0, 0, 0, 2_000_000]),
        maxmemory_policy: draw.one(&[MaxmemoryPolicy::Noeviction, MaxmemoryPolicy::AllkeysRandom]),
        ..RedisConfig::defaults(version)
    }
}

fn machine(draw: &mut Draw, machine: &mut CostModel) {
    machine.machine.cores = draw.between(1, 3) as u32;
    machine.machine.thp_always = draw.once_in(3);
    let cpu = &mut machine.cpu;
    cpu.per_kib = draw.one(&[0.0, 100.0, 1024.0]);
    for price in [&mut cpu.get, &mut cpu.set, &mut cpu.incr, &mut cpu.del, &mut cpu.push, &mut cpu.ping] {
        *price = draw.between(500, 30_000);
    }
    (cpu.turn, cpu.read, cpu.write) = (draw.price(1, 5000), draw.price(1, 5000), draw.price(1, 5000));
    (cpu.cron, cpu.aof_append) = (draw.price(1000, 300_000), draw.price(10, 500));
    (cpu.rehash_step, cpu.evict_key) = (draw.price(10, 500), draw.price(100, 9000));
    cpu.wakeup = draw.curve();
    machine.network.one_way = draw.price(1000, 200_000);
    if machine.network.one_way == 0 {
        machine.cpu.write += 1;
    }
    machine.network.per_kib = draw.one(&[0.0, 8000.0]);
    machine.network.jitter = if draw.once_in(2) { Dist::Fixed(0.0) } else { draw.dist(20_000.0) };
    machine.client.local = draw.once_in(2);
    machine.client.threads = draw.between(1, 4) as u32;
    (machine.client.per_reply, machine.client.per_command) = (draw.price(100, 9000), draw.price(10, 900));
    machine.client.wakeup = draw.curve();
    machine.client.per_send = draw.price(100, 9000);
    machine.cpu.wake_client = draw.curve();
    let disk = &mut machine.disk;
    (disk.bandwidth, disk.page_cache_bandwidth) = (draw.one(&[1e6, 1e8]), draw.one(&[1e8, 1e9]));
    disk.write = draw.price(1000, 50_000);
    (disk.fdatasync, disk.fdatasync_busy) = (draw.dist(400_000.0), draw.dist(4e6));
    disk.fdatasync_per_kib = draw.one(&[0.0, 10_000.0]);
    (disk.dirty_background, disk.dirty_limit) = draw.one(&[(1 << 40, 1 << 41), (10_000, 50_000)]);
    (disk.dirty_expire, disk.dirty_writeback) = (300 * MILLISECOND, 50 * MILLISECOND);
    disk.write_waits_for_fdatasync = draw.once_in(2);
    (machine.fork.base, machine.fork.per_gib) = (draw.price(10_000, 3_000_000), 1e7);
    let cow = &mut machine.cow;
    (cow.fault, cow.fault_huge, cow.reprotect) = (draw.price(100, 3000), 100_000, draw.price(10, 500));
    cow.huge = if draw.once_in(2) { HugeCow::Split } else { HugeCow::Copy };
    (cow.pages_per_set, cow.pages_per_update) = (draw.one(&[0.0, 1.5]), 1.0);
    let child = &mut machine.child;
    (child.rdb_per_key, child.aof_per_key) = (draw.between(0, 100_000), draw.between(0, 100_000));
    (machine.memory.first_touch, machine.memory.free_per_mib) =
        (draw.price(10, 900), draw.price(100, 90_000));
    machine.memory.memmove_bandwidth = 1e9;
    if draw.once_in(2) {
        machine.noise.classes = vec![
            NoiseClass { per_second: 100.0, shortest: 5000, longest: 200_000 },
            NoiseClass { per_second: 5.0, shortest: 500_000, longest: 9_000_000 },
        ];
    }
}

fn events(draw: &mut Draw, scenario: &Scenario) -> Vec<TimedEvent> {
    if draw.once_in(2) {
        return Vec::new();
    }
    let end = scenario.run.duration;
    let mut events: Vec<TimedEvent> = (0..draw.between(1, 4))
        .map(|_| {
            let action = match draw.between(0, 5) {
                0 => Action::Bgsave,
                1 => Action::Bgrewriteaof,
                2 => Action::Save,
                3 => Action::Freeze { span: draw.between(1000, 20 * MILLISECOND) },
                4 => Action::ForeignWriter { bytes_per_second: 2e8, until: draw.between(0, end) },
                _ => {
                    let appendfsync =
                        draw.one(&[AppendFsync::No, AppendFsync::Everysec, AppendFsync::Always]);
                    let config = RedisConfig { appendfsync, ..scenario.redis.clone() };
                    Action::ConfigSet { text: "appendfsync".into(), config: Box::new(config) }
                }
            };
            TimedEvent { at: draw.between(0, end), node: None, action }
        })
        .collect();
    events.sort_by_key(|event| event.at);
    events
}
