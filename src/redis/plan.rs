//! What a server knows about the commands of one group before any of them runs.
//!
//! Attributes of command number n (which command, value size, key, whether it exists) are functions of n, drawn
//! only when something depends on them.

use super::ahead::Ahead;
pub(crate) use super::alike::Alike;
use super::hot_keys::{cache_hits, saving};
use super::keyspace::{ClassMap, Keyspace};
use super::profile::{Effect, Profile};
use super::resp::bulk;
use super::step_plan::{PatternPlan, Typical};
use super::stream_execute::StreamOp;
use super::ttl_effect::{TtlEffect, ttl_effects};
use super::version::Version;
use crate::cost_model::CostModel;
use crate::dist::Sampler;
use crate::math::Factor;
use crate::rng::{Numbered, StreamId, Streams, Uniform};
use crate::scenario::{Dataset, Workload};
use crate::units::{KIB, Nanos};

/// Bytes of a collection's element beyond its own, in a listpack (length, back-length, header share).
const ELEMENT_OVERHEAD: f64 = 8.0;

/// One command of a group's mix.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Shares of this and the commands before it.
    pub(super) cumulative: f64,
    pub(super) profile: Profile,
    /// Reading and copying the values, a byte of their length.
    pub(super) per_byte: Factor,
    pub(super) is_write: bool,
    /// A command on a stream.
    pub(super) stream: Option<StreamOp>,
    /// What it does to the time to live of a key that was there, and of one it created.
    pub(super) ttl: (TtlEffect, TtlEffect),
    /// Number of the way in which it gives one; 0 without.
    pub(super) ttl_way: usize,
}

/// Commands that are alike when the one key they name is far from its deadline.
#[derive(Clone, Copy, Debug)]
pub(super) struct Renewing {
    /// Number of the way in which they give it another time to live; none if they leave it as it is.
    pub(super) way: Option<usize>,
}

/// What a server knows about the commands of one group.
#[derive(Clone, Debug)]
pub struct GroupPlan {
    pub(super) entries: Vec<Entry>,
    pub(super) alike: Option<Alike>,
    pub(super) deletes: bool,
    /// Runs are alike when the one key they name is far from its deadline.
    pub(super) renewing: Option<Renewing>,
    pub(super) mix: Numbered,
    pub(super) sizes: Numbered,
    pub(super) keys: Numbered,
    pub(super) presence: Numbered,
    pub(super) ttls: Numbered,
    pub(super) size: Sampler,
    sizes_ahead: Ahead,
    classes_ahead: Ahead,
    pub(super) classes: ClassMap,
    pub(super) per_byte: f64,
    pub(super) append: Nanos,
    pub(super) append_per_byte: Factor,
    pub(super) pages_per_set: f64,
    pub(super) pages_per_update: f64,
    pub(super) element_bytes: f64,
    /// Steps, when the group runs operations of several; the one entry is then a whole operation, for predictions.
    pub pattern: Option<PatternPlan>,
}

impl GroupPlan {
    /// The plan of `workload`, the group number `index`, which finds a share `in_cache` of its keys in the CPU's
    /// cache.
    pub fn new(
        workload: &Workload,
        index: u64,
        classes: ClassMap,
        server_version: Version,
        machine: &CostModel,
        streams: &Streams,
        in_cache: f64,
    ) -> Self {
        let mut cumulative = 0.0;
        let mut entries: Vec<Entry> = workload
            .mix
            .iter()
            .map(|(command, share)| {
                cumulative += share;
                let mut profile = command.profile(server_version, workload.key_size, &machine.cpu);
                let stream = StreamOp::of(command, index as usize, workload.key_size);
                // Prices of collections were taken on single ones: nothing is left to save there.
                if stream.is_none() && command.is_of_strings() {
                    let saved = saving(&profile, in_cache, machine);
                    profile.cpu -= saved.min(profile.cpu);
                    profile.cpu_created -= saved.min(profile.cpu_created);
                }
                let is_write = !matches!(profile.effect, Effect::None | Effect::Read);
                let per_byte = machine.cpu.per_kib / KIB as f64 * profile.values as f64;
                Entry {
                    cumulative,
                    profile,
                    per_byte: Factor::new(per_byte),
                    is_write,
                    stream,
                    ttl: ttl_effects(command),
                    ttl_way: 0,
                }
            })
            .collect();
        let pattern =
            workload.pattern.as_deref().map(|p| PatternPlan::new(p, workload.key_size as u64, machine));
        if let (Some(plan), Some(pattern)) = (&pattern, workload.pattern.as_deref()) {
            entries.push(Entry::whole(&plan.typical(pattern, server_version)));
        }
        let mut plan = GroupPlan {
            entries,
            alike: None,
            // Keeps operations of several steps away from the path for single commands.
            deletes: pattern.is_some()
                || workload.mix.iter().any(|(command, _)| command.effect() == Effect::Delete),
            renewing: None,
            mix: Numbered::new(streams, StreamId::Mix, index),
            sizes: Numbered::new(streams, StreamId::ValueSizes, index),
            keys: Numbered::new(streams, StreamId::Keys, index),
            presence: Numbered::new(streams, StreamId::Keyspace, index),
            ttls: Numbered::new(streams, StreamId::Ttl, index),
            size: Sampler::new(&workload.value_size),
            sizes_ahead: Ahead::default(),
            classes_ahead: Ahead::default(),
            classes,
            per_byte: machine.cpu.per_kib / KIB as f64,
            append: machine.cpu.aof_append,
            append_per_byte: Factor::new(machine.cpu.aof_append_per_kib / KIB as f64),
            pages_per_set: machine.cow.pages_per_set,
            pages_per_update: machine.cow.pages_per_update,
            element_bytes: workload.value_size.mean() + ELEMENT_OVERHEAD,
            pattern,
        };
        plan.alike = if plan.pattern.is_some() { None } else { plan.make_alike() };
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

    /// Commands that a read(2) of `bytes` takes at most, about.
    pub fn read_cap(&self, bytes: u64) -> u32 {
        let commands = |per_command: f64| ((bytes as f64 / per_command) as u32).max(1);
        match &self.pattern {
            Some(pattern) => commands(pattern.bytes_per_command()).max(pattern.longest_step()),
            None => commands(self.mean_request_bytes()),
        }
    }

    /// Keys that a command names at most.
    pub fn keys_per_command(&self) -> u64 {
        self.entries.iter().map(|entry| entry.profile.keys as u64).max().unwrap_or(0)
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

    /// Every command with a key takes `each` longer: its node looks up the slot.
    pub fn look_up_slots(&mut self, each: Nanos) {
        for profile in self.entries.iter_mut().map(|entry| &mut entry.profile).filter(|p| p.keys > 0) {
            profile.cpu += each;
            profile.cpu_created += each;
            profile.cpu_missed += each;
        }
        self.alike = self.make_alike();
    }

    /// Keys that command number `n` names, and whether it writes.
    pub fn shape_of(&self, n: u64) -> (u32, bool) {
        let entry = self.entry_of(n);
        (entry.profile.keys, entry.is_write)
    }

    /// Ranks of the first `keys` keys of command number `n`.
    pub fn ranks_of(&self, n: u64, keys: u32) -> impl Iterator<Item = u64> {
        let mut draws = self.keys.of(n);
        let sampler = match &self.classes {
            ClassMap::ByRank(sampler) => Some(sampler),
            ClassMap::Own(_) | ClassMap::InOrder => None,
        };
        (0..keys).map(move |_| sampler.map_or(n, |sampler| sampler.draw(n, &mut draws)))
    }

    /// First draw of each attribute of command number `n`.
    #[cfg(test)]
    pub(crate) fn draws_of(&self, n: u64) -> [u64; 5] {
        [&self.mix, &self.sizes, &self.keys, &self.presence, &self.ttls].map(|own| own.of(n).bits())
    }

    /// The command that number `n` is.
    #[inline(always)]
    pub(super) fn entry_of(&self, n: u64) -> &Entry {
        match &self.entries[..] {
            [only] => only,
            entries => {
                let u = self.mix.of(n).unit();
                entries.iter().find(|entry| u < entry.cumulative).unwrap_or(&entries[entries.len() - 1])
            }
        }
    }

    /// Size of the values of command number `n`.
    #[inline(always)]
    pub(super) fn size_of(&self, n: u64) -> u64 {
        let draw = |n| self.size.sample(&mut self.sizes.of(n));
        self.size.fixed().unwrap_or_else(|| self.sizes_ahead.of(n, draw))
    }

    /// Class of the first key of command number `n` in `keyspace`.
    #[inline(always)]
    pub(super) fn class_of(&self, n: u64, keyspace: &Keyspace) -> usize {
        let draw = |n| keyspace.draw_class(&self.classes, n, &mut self.keys.of(n)) as u64;
        if keyspace.classes() == 1 { 0 } else { self.classes_ahead.of(n, draw) as usize }
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
        entry.is_plain().then(|| self.run_of(entry, size))
    }

    /// A run of `entry`, which [is plain](Entry::is_plain), on keys that exist, with values of `size` bytes.
    #[inline(always)]
    pub(super) fn run_of(&self, entry: &Entry, size: u64) -> Alike {
        let profile = &entry.profile;
        let changes = matches!(profile.effect, Effect::Upsert | Effect::Touch);
        let value = bulk(size);
        let aof = if changes { profile.aof_fixed + profile.aof_values as u64 * value } else { 0 };
        Alike {
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
            fed: match (changes, profile.replicated) {
                (true, (fixed, parts)) => (parts.into(), fixed + profile.aof_values as u64 * value),
                (false, _) => (0, 0),
            },
        }
    }

    fn make_renewing(&self) -> Option<Renewing> {
        let (Some(_), [entry]) = (&self.alike, &self.entries[..]) else { return None };
        if entry.profile.keys != 1 || matches!(self.classes, ClassMap::InOrder) {
            return None;
        }
        let writes = matches!(entry.profile.effect, Effect::Upsert | Effect::Touch);
        match entry.ttl.0 {
            TtlEffect::Set => Some(Renewing { way: writes.then_some(entry.ttl_way) }),
            TtlEffect::Clear if writes => None,
            TtlEffect::Clear | TtlEffect::Keep => Some(Renewing { way: None }),
        }
    }

    #[inline(always)]
    pub(super) fn append_cost(&self, commands: u32, bytes: u64) -> Nanos {
        commands as u64 * self.append + self.append_per_byte.of(bytes)
    }

    /// Pages that one run touches.
    #[inline(always)]
    pub(super) fn pages(&self, profile: &Profile, size: u64) -> f64 {
        if profile.replaces_value {
            profile.keys as f64 * (self.pages_per_set + (size / (4 * KIB)) as f64)
        } else {
            self.pages_per_update
        }
    }
}

impl Entry {
    /// Whether runs on keys that exist differ by the size of their values at most, and leave the keys there.
    #[inline(always)]
    pub(super) fn is_plain(&self) -> bool {
        let profile = &self.profile;
        profile.effect != Effect::Delete && profile.adds_elements == 0 && self.stream.is_none()
    }

    /// A whole operation of several steps.
    fn whole(typical: &Typical) -> Self {
        let effect = if typical.changes > 0 { Effect::Upsert } else { Effect::Read };
        let profile = Profile {
            effect,
            keys: 1,
            cpu: typical.cpu,
            cpu_created: typical.cpu,
            cpu_missed: typical.cpu,
            values: 0,
            request_fixed: typical.request,
            request_values: 0,
            reply_fixed: 0,
            reply_values: 0,
            miss_reply: 0,
            aof_fixed: typical.aof_bytes,
            aof_fixed_created: typical.aof_bytes,
            aof_values: 0,
            aof_commands: typical.aof_commands,
            aof_commands_created: typical.aof_commands,
            replicated: (typical.aof_bytes, typical.aof_commands),
            replicated_created: (typical.aof_bytes, typical.aof_commands),
            dirty: typical.changes,
            dirty_created: typical.changes,
            replaces_value: false,
            adds_elements: 0,
            adds_elements_created: 0,
        };
        Entry {
            cumulative: 1.0,
            profile,
            per_byte: Factor::new(0.0),
            is_write: typical.changes > 0,
            stream: None,
            ttl: (TtlEffect::Keep, TtlEffect::Keep),
            ttl_way: 0,
        }
    }
}

/// The plans of the groups of a server with the keys of `dataset`.
pub fn plans(
    workloads: &[Workload],
    dataset: &Dataset,
    maps: Vec<ClassMap>,
    version: Version,
    machine: &CostModel,
    streams: &Streams,
) -> Vec<GroupPlan> {
    // The dataset's way is the first; see `ttl::ways`.
    let mut next_way = 1;
    workloads
        .iter()
        .zip(maps)
        .zip(cache_hits(workloads, dataset, version, machine))
        .enumerate()
        .map(|(index, ((workload, map), in_cache))| {
            let mut plan = GroupPlan::new(workload, index as u64, map, version, machine, streams, in_cache);
            for (entry, (command, _)) in plan.entries.iter_mut().zip(&workload.mix) {
                if command.ttl_ms.is_some() {
                    entry.ttl_way = next_way;
                    next_way += 1;
                }
            }
            plan.renewing = plan.make_renewing();
            plan
        })
        .collect()
}
