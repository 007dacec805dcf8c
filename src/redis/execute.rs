//! Executing commands: what the commands of one client write cost, add and answer.
//!
//! Attributes of command number n (which command, value size, key, whether it exists) are functions of n, drawn
//! only when something depends on them. When nothing does (one command, one size, every key there, no page
//! shared with a child by popularity) all commands of a write are alike and cost one multiplication.

use super::dict::Growth;
use super::keyspace::ClassMap;
use super::profile::{Effect, Profile};
use super::resp::bulk;
use super::server::Server;
use crate::cost_model::CostModel;
use crate::dist::Sampler;
use crate::math::Factor;
use crate::rng::{Numbered, StreamId, Streams, Uniform};
use crate::scenario::Workload;
use crate::units::{KIB, Nanos};

/// Reply of a command that is refused (`-OOM …`, `-MISCONF …`), about.
const ERROR_REPLY: u64 = 100;
/// Bytes of a collection's element beyond its own, in a listpack (length, back-length, header share).
const ELEMENT_OVERHEAD: f64 = 8.0;

/// What the commands executed in a turn add up to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Work {
    /// CPU time of parsing and executing \[ns\], AOF append included.
    pub cpu: Nanos,
    /// Copy-on-write faults \[ns\].
    pub cow: Nanos,
    /// Eviction \[ns\].
    pub eviction: Nanos,
    /// Moving buckets \[ns\].
    pub rehash: Nanos,
    /// Bytes for the AOF.
    pub aof_bytes: u64,
    /// CPU time of appending them, part of `cpu` \[ns\].
    pub append: Nanos,
    /// Commands that changed the keyspace.
    pub changed: u64,
    /// `dirty` they added.
    pub dirty: u64,
    /// Commands, whatever they did.
    pub commands: u64,
    /// Bytes received.
    pub input_bytes: u64,
    /// Keys that reads found …
    pub hits: u64,
    /// … and missed.
    pub misses: u64,
    /// Bytes to send.
    pub reply_bytes: u64,
    /// Commands refused with OOM.
    pub oom: u64,
    /// Commands refused with MISCONF.
    pub misconf: u64,
}

/// Answered commands of one client write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answered {
    /// Commands of the read scope.
    pub reads: u32,
    /// Commands of the write scope.
    pub writes: u32,
    /// Commands answered with an error, in neither.
    pub errors: u32,
}

/// One command of a group's mix.
#[derive(Clone, Debug)]
struct Entry {
    /// Shares of this and the commands before it.
    cumulative: f64,
    profile: Profile,
    /// Reading and copying the values, a byte of their length.
    per_byte: Factor,
    is_write: bool,
}

/// A command all of whose runs are alike.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Alike {
    is_write: bool,
    changes: bool,
    /// CPU time without the AOF append.
    cpu: Nanos,
    append: Nanos,
    input: u64,
    reply: u64,
    aof: u64,
    dirty: u64,
    hits: u64,
    /// Pages a run touches.
    pages: f64,
}

/// What a server knows about the commands of one group.
#[derive(Clone, Debug)]
pub struct GroupPlan {
    entries: Vec<Entry>,
    alike: Option<Alike>,
    deletes: bool,
    mix: Numbered,
    sizes: Numbered,
    keys: Numbered,
    presence: Numbered,
    size: Sampler,
    classes: ClassMap,
    per_byte: f64,
    append: Nanos,
    append_per_byte: Factor,
    pages_per_set: f64,
    pages_per_update: f64,
    element_bytes: f64,
}

impl GroupPlan {
    /// The plan of `workload`, the group number `index`.
    pub fn new(
        workload: &Workload,
        index: u64,
        classes: ClassMap,
        server_version: super::version::Version,
        machine: &CostModel,
        streams: &Streams,
    ) -> Self {
        let mut cumulative = 0.0;
        let entries: Vec<Entry> = workload
            .mix
            .iter()
            .map(|(command, share)| {
                cumulative += share;
                let profile = command.profile(server_version, workload.key_size, &machine.cpu);
                let is_write = !matches!(profile.effect, Effect::None | Effect::Read);
                let per_byte = machine.cpu.per_kib / KIB as f64 * profile.values as f64;
                Entry { cumulative, profile, per_byte: Factor::new(per_byte), is_write }
            })
            .collect();
        let mut plan = GroupPlan {
            entries,
            alike: None,
            deletes: workload.mix.iter().any(|(command, _)| command.effect() == Effect::Delete),
            mix: Numbered::new(streams, StreamId::Mix, index),
            sizes: Numbered::new(streams, StreamId::ValueSizes, index),
            keys: Numbered::new(streams, StreamId::Keys, index),
            presence: Numbered::new(streams, StreamId::Keyspace, index),
            size: Sampler::new(&workload.value_size),
            classes,
            per_byte: machine.cpu.per_kib / KIB as f64,
            append: machine.cpu.aof_append,
            append_per_byte: Factor::new(machine.cpu.aof_append_per_kib / KIB as f64),
            pages_per_set: machine.cow.pages_per_set,
            pages_per_update: machine.cow.pages_per_update,
            element_bytes: workload.value_size.mean() + ELEMENT_OVERHEAD,
        };
        plan.alike = plan.make_alike();
        plan
    }

    /// The one command, if every run of it is the same while all keys exist.
    #[inline(always)]
    pub(crate) fn alike(&self) -> Option<&Alike> {
        self.alike.as_ref()
    }

    /// Whether some command removes keys.
    #[inline(always)]
    pub fn deletes(&self) -> bool {
        self.deletes
    }

    /// Mean bytes of a request, over mix and sizes.
    pub fn mean_request_bytes(&self) -> f64 {
        self.mean(|entry, value| {
            entry.profile.request_fixed as f64 + entry.profile.request_values as f64 * value
        })
    }

    /// Mean main-thread time of a command without its AOF append \[ns\].
    pub fn mean_cpu(&self) -> f64 {
        self.mean(|entry, _| {
            entry.profile.cpu as f64 + entry.profile.values as f64 * self.size.mean() * self.per_byte
        })
    }

    /// Mean bytes a command adds to the AOF when every key exists.
    pub fn mean_aof_bytes(&self) -> f64 {
        self.mean(|entry, value| match entry.profile.effect {
            Effect::Create => 0.0,
            _ => entry.profile.aof_fixed as f64 + entry.profile.aof_values as f64 * value,
        })
    }

    /// Mean main-thread time of appending a command to the AOF buffer \[ns\].
    pub fn mean_append(&self) -> f64 {
        let commands = self.mean(|entry, _| entry.profile.aof_commands as f64);
        commands * self.append as f64 + self.append_per_byte.of(self.mean_aof_bytes() as u64) as f64
    }

    /// Share of commands that change the keyspace when every key exists, and the mean `dirty` of a command.
    pub fn change_rates(&self) -> (f64, f64) {
        let changes =
            |entry: &Entry| matches!(entry.profile.effect, Effect::Upsert | Effect::Touch | Effect::Delete);
        (
            self.mean(|entry, _| changes(entry) as u64 as f64),
            self.mean(|entry, _| if changes(entry) { entry.profile.dirty as f64 } else { 0.0 }),
        )
    }

    fn mean(&self, of: impl Fn(&Entry, f64) -> f64) -> f64 {
        let value = bulk(self.size.mean().round() as u64) as f64;
        let mut before = 0.0;
        self.entries
            .iter()
            .map(|entry| {
                (entry.cumulative - std::mem::replace(&mut before, entry.cumulative)) * of(entry, value)
            })
            .sum()
    }

    /// The one command, if every run of it is the same while all keys exist.
    fn make_alike(&self) -> Option<Alike> {
        let ([entry], Some(size)) = (&self.entries[..], self.size.fixed()) else { return None };
        let profile = &entry.profile;
        if profile.effect == Effect::Delete || profile.adds_elements > 0 {
            return None;
        }
        let changes = matches!(profile.effect, Effect::Upsert | Effect::Touch);
        let value = bulk(size);
        let aof = if changes { profile.aof_fixed + profile.aof_values as u64 * value } else { 0 };
        Some(Alike {
            is_write: entry.is_write,
            changes,
            cpu: profile.cpu + entry.per_byte.of(size),
            append: if changes { self.append_cost(profile.aof_commands, aof) } else { 0 },
            input: profile.request_fixed + profile.request_values as u64 * value,
            reply: match profile.effect {
                Effect::Create => profile.miss_reply,
                _ => profile.reply_fixed + profile.reply_values as u64 * value,
            },
            aof,
            dirty: if changes { profile.dirty as u64 } else { 0 },
            hits: if profile.effect == Effect::Read { profile.keys as u64 } else { 0 },
            pages: if changes { self.pages(profile, size) } else { 0.0 },
        })
    }

    fn append_cost(&self, commands: u32, bytes: u64) -> Nanos {
        commands as u64 * self.append + self.append_per_byte.of(bytes)
    }

    /// Pages that one run touches.
    fn pages(&self, profile: &Profile, size: u64) -> f64 {
        if profile.replaces_value {
            profile.keys as f64 * (self.pages_per_set + (size / (4 * KIB)) as f64)
        } else {
            self.pages_per_update
        }
    }
}

impl Alike {
    /// What `commands` commands add up to, faults apart.
    #[inline(always)]
    pub(crate) fn work(&self, commands: u32, appendonly: bool) -> Work {
        let n = commands as u64;
        let appended = if appendonly { n } else { 0 };
        Work {
            cpu: n * self.cpu + appended * self.append,
            append: appended * self.append,
            aof_bytes: appended * self.aof,
            changed: n * self.changes as u64,
            dirty: n * self.dirty,
            commands: n,
            input_bytes: n * self.input,
            reply_bytes: n * self.reply,
            hits: n * self.hits,
            ..Work::default()
        }
    }

    /// How `commands` commands are counted.
    #[inline(always)]
    pub(crate) fn answered(&self, commands: u32) -> Answered {
        let (reads, writes) = if self.is_write { (0, commands) } else { (commands, 0) };
        Answered { reads, writes, errors: 0 }
    }
}

impl Work {
    /// That of `turns` turns like this.
    pub fn times(&self, turns: u64) -> Work {
        Work {
            cpu: self.cpu * turns,
            cow: self.cow * turns,
            eviction: self.eviction * turns,
            rehash: self.rehash * turns,
            aof_bytes: self.aof_bytes * turns,
            append: self.append * turns,
            changed: self.changed * turns,
            dirty: self.dirty * turns,
            commands: self.commands * turns,
            input_bytes: self.input_bytes * turns,
            reply_bytes: self.reply_bytes * turns,
            hits: self.hits * turns,
            misses: self.misses * turns,
            oom: self.oom * turns,
            misconf: self.misconf * turns,
        }
    }

    /// Adds another turn's.
    #[inline(always)]
    pub fn add(&mut self, other: &Work) {
        self.cpu += other.cpu;
        self.cow += other.cow;
        self.eviction += other.eviction;
        self.rehash += other.rehash;
        self.aof_bytes += other.aof_bytes;
        self.append += other.append;
        self.changed += other.changed;
        self.dirty += other.dirty;
        self.commands += other.commands;
        self.input_bytes += other.input_bytes;
        self.hits += other.hits;
        self.misses += other.misses;
        self.reply_bytes += other.reply_bytes;
        self.oom += other.oom;
        self.misconf += other.misconf;
    }
}

impl Server {
    /// Executes `commands` commands, the first of which is number `first` of its group.
    #[inline]
    pub fn execute(&mut self, plan: &GroupPlan, first: u64, commands: u32, work: &mut Work) -> Answered {
        match &plan.alike {
            Some(alike) if self.all_alike => self.execute_alike(alike, commands, work),
            _ => self.execute_each(plan, first, commands, work),
        }
    }

    /// The same for commands all of whose runs are alike.
    #[inline]
    fn execute_alike(&mut self, alike: &Alike, commands: u32, work: &mut Work) -> Answered {
        work.add(&alike.work(commands, self.config.appendonly));
        work.cow += self.touch_alike(alike, commands);
        alike.answered(commands)
    }

    /// Faults of `commands` alike commands.
    #[inline(always)]
    pub(crate) fn touch_alike(&mut self, alike: &Alike, commands: u32) -> Nanos {
        if self.cow.is_active() && alike.pages > 0.0 {
            self.cow.touch(0, commands as f64 * alike.pages)
        } else {
            0
        }
    }

    /// The same for commands that have to be looked at one by one.
    pub(crate) fn execute_each(
        &mut self,
        plan: &GroupPlan,
        first: u64,
        commands: u32,
        work: &mut Work,
    ) -> Answered {
        let mut answered = Answered::default();
        for n in first..first + commands as u64 {
            let entry = match &plan.entries[..] {
                [only] => only,
                entries => {
                    let u = plan.mix.of(n).unit();
                    entries.iter().find(|entry| u < entry.cumulative).unwrap_or(&entries[entries.len() - 1])
                }
            };
            let size = match plan.size.fixed() {
                Some(size) => size,
                None => plan.size.sample(&mut plan.sizes.of(n)),
            };
            let value = bulk(size);
            work.commands += 1;
            work.input_bytes += entry.profile.request_fixed + entry.profile.request_values as u64 * value;
            if self.gated && self.refuse(entry, work) {
                answered.errors += 1;
                continue;
            }
            self.execute_one(plan, entry, n, (size, value), work);
            if entry.is_write {
                answered.writes += 1;
            } else {
                answered.reads += 1;
            }
        }
        answered
    }

    /// The gates of processCommand that this server may close: eviction and OOM, then MISCONF.
    #[cold]
    fn refuse(&mut self, entry: &Entry, work: &mut Work) -> bool {
        let (oom, misconf) = (!self.make_room(work), self.refuses_writes());
        let grows = matches!(entry.profile.effect, Effect::Upsert | Effect::Create);
        let refused = (oom && grows) || (misconf && entry.is_write);
        if refused {
            work.oom += (oom && grows) as u64;
            work.misconf += !(oom && grows) as u64;
            work.cpu += self.prices.cpu.ping;
            work.reply_bytes += ERROR_REPLY;
        }
        refused
    }

    /// Executes command number `n`, whose value has `size` bytes, `value` with its RESP frame.
    fn execute_one(
        &mut self,
        plan: &GroupPlan,
        entry: &Entry,
        n: u64,
        (size, value): (u64, u64),
        work: &mut Work,
    ) {
        let profile = &entry.profile;
        let (mut found, mut created) = (0u32, 0u32);
        if !self.keys_matter {
            found = profile.keys;
        } else {
            let mut draws = plan.keys.of(n);
            for key in 0..profile.keys {
                let class = self.keyspace.draw_class(&plan.classes, n, &mut draws);
                let exists = self
                    .keyspace
                    .exists(&plan.classes, n, class, || plan.presence.of(n ^ (key as u64) << 48).unit());
                found += exists as u32;
                created += (!exists && matches!(profile.effect, Effect::Upsert | Effect::Create)) as u32;
                self.touch_key(plan, profile, class, exists, size, work);
            }
        }
        let wrote = match profile.effect {
            Effect::None | Effect::Read => false,
            Effect::Upsert => true,
            Effect::Create => created > 0,
            Effect::Touch | Effect::Delete => found > 0,
        };
        let by_creation = created > 0;
        work.cpu += if by_creation { profile.cpu_created } else { profile.cpu } + entry.per_byte.of(size);
        if profile.effect == Effect::Read {
            work.hits += found as u64;
            work.misses += (profile.keys - found) as u64;
        }
        let answers_in_full = match profile.effect {
            Effect::None => true,
            Effect::Create => wrote,
            Effect::Upsert => !by_creation,
            _ => found > 0,
        };
        work.reply_bytes += if answers_in_full {
            profile.reply_fixed + profile.reply_values as u64 * value
        } else {
            profile.miss_reply
        };
        if !wrote {
            return;
        }
        work.changed += 1;
        work.dirty += match profile.effect {
            Effect::Delete => found.min(profile.dirty) as u64,
            _ if by_creation => profile.dirty_created as u64,
            _ => profile.dirty as u64,
        };
        let elements = if by_creation { profile.adds_elements_created } else { profile.adds_elements };
        if elements > 0 {
            self.keyspace.add_elements(elements as f64 * plan.element_bytes);
        }
        if self.config.appendonly {
            let (fixed, parts) = if by_creation {
                (profile.aof_fixed_created, profile.aof_commands_created)
            } else {
                (profile.aof_fixed, profile.aof_commands)
            };
            let bytes = fixed + profile.aof_values as u64 * value;
            let append = plan.append_cost(parts, bytes);
            work.aof_bytes += bytes;
            work.append += append;
            work.cpu += append;
        }
    }

    /// What a command does to one of its keys: shared pages, the hash table, its existence.
    fn touch_key(
        &mut self,
        plan: &GroupPlan,
        profile: &Profile,
        class: usize,
        exists: bool,
        size: u64,
        work: &mut Work,
    ) {
        if self.keyspace.dict.is_rehashing() {
            self.rehash(1, work);
        }
        match profile.effect {
            Effect::None | Effect::Read => return,
            Effect::Touch if !exists => return,
            Effect::Delete if !exists => return,
            Effect::Create if exists => return,
            Effect::Delete => self.keyspace.remove(class),
            Effect::Upsert | Effect::Create if !exists => self.insert(class),
            _ => {}
        }
        if self.cow.is_active() {
            let pages = plan.pages(profile, size) / profile.keys as f64;
            work.cow += self.cow.touch(class, pages);
        }
    }

    fn insert(&mut self, class: usize) {
        let (used, limit) = (self.used_memory(), self.config.maxmemory);
        let fits = |bytes: u64| limit == 0 || used + bytes <= limit;
        let growth = self.keyspace.insert(class, self.child.is_some(), fits);
        if let Growth::Allocated { new_bytes } = growth {
            self.table_grew(new_bytes);
        }
    }

    /// Moves up to `buckets` buckets of a running rehash.
    pub fn rehash(&mut self, buckets: u64, work: &mut Work) {
        let moved = self.keyspace.dict.step(buckets, self.child.is_some());
        work.rehash += moved.buckets * self.rehash_step;
        if let Some(bytes) = moved.freed_bytes {
            self.table_freed(bytes);
        }
    }
}

/// The keyspace of a server and the plans of its groups.
pub fn plans(
    workloads: &[Workload],
    maps: Vec<ClassMap>,
    version: super::version::Version,
    machine: &CostModel,
    streams: &Streams,
) -> Vec<GroupPlan> {
    workloads
        .iter()
        .zip(maps)
        .enumerate()
        .map(|(index, (workload, map))| {
            GroupPlan::new(workload, index as u64, map, version, machine, streams)
        })
        .collect()
}
