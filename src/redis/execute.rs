//! Executing commands: what the commands of one client write cost, add and answer.
//!
//! When nothing depends on a command's attributes (one command, one size, every key there, no page shared with a
//! child by popularity) all commands of a write are alike and cost one multiplication; otherwise they are looked
//! at one by one: quickly while every key is there, whatever its size, and in all generality when not.

use super::dict::Growth;
use super::plan::{Alike, Entry, GroupPlan};
use super::profile::{Effect, Profile};
use super::resp::bulk;
use super::server::Server;
use super::work::{Answered, Work};
use crate::rng::Uniform;
use crate::units::Nanos;

/// Reply of a command that is refused (`-OOM …`, `-MISCONF …`), about.
const ERROR_REPLY: u64 = 100;

impl Server {
    /// Executes `commands` commands, the first of which is number `first` of its group.
    #[inline]
    pub fn execute(&mut self, plan: &GroupPlan, first: u64, commands: u32, work: &mut Work) -> Answered {
        match &plan.alike {
            Some(alike) if self.all_alike => self.execute_alike(alike, commands, work),
            Some(alike) if self.may_renew(plan) => {
                let renewed = self.renew_first(plan, first, commands);
                self.execute_mixed(plan, alike, first, (commands, renewed), work)
            }
            _ => self.execute_each(plan, first, commands, work),
        }
    }

    /// The same for commands all of whose runs are alike.
    #[inline]
    pub(crate) fn execute_alike(&mut self, alike: &Alike, commands: u32, work: &mut Work) -> Answered {
        work.add(&alike.work(commands, self.config.appendonly));
        self.note_slow(alike.cpu, commands as u64);
        if self.replication.feeds {
            alike.feed(commands, &self.replication.feed, work);
        }
        work.cow += self.touch_alike(alike, commands);
        alike.answered(commands)
    }

    /// Faults of `commands` alike commands.
    #[inline(always)]
    pub(crate) fn touch_alike(&mut self, alike: &Alike, commands: u32) -> Nanos {
        self.pages_of(alike, commands).map_or(0, |pages| self.cow.touch(0, pages))
    }

    /// Pages that they touch, if some are protected.
    #[inline(always)]
    pub(crate) fn pages_of(&self, alike: &Alike, commands: u32) -> Option<f64> {
        (self.cow.is_active() && alike.pages > 0.0).then_some(commands as f64 * alike.pages)
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
            let entry = plan.entry_of(n);
            let size = plan.size_of(n);
            let before = work.cpu - work.append;
            if entry.is_plain() && self.finds_all() {
                self.run_found(plan, entry, n, size, work);
            } else if !self.run_other(plan, entry, n, size, work) {
                answered.errors += 1;
                continue;
            }
            self.note_slow(work.cpu - work.append - before, 1);
            if entry.is_write {
                answered.writes += 1;
            } else {
                answered.reads += 1;
            }
        }
        answered
    }

    /// Whether all keys exist and nothing but shared pages depends on which of them a command names.
    #[inline(always)]
    fn finds_all(&self) -> bool {
        self.keyspace.is_complete()
            && self.keyspace.scope.is_everything()
            && !self.keyspace.dict.is_rehashing()
            && !self.gated
            && !self.expires.is_on()
    }

    /// Executes command number `n`, a plain one whose keys are there.
    #[inline(always)]
    fn run_found(&mut self, plan: &GroupPlan, entry: &Entry, n: u64, size: u64, work: &mut Work) {
        let run = plan.run_of(entry, size);
        work.add(&run.work(1, self.config.appendonly));
        if self.replication.feeds {
            run.feed(1, &self.replication.feed, work);
        }
        if self.pages_of(&run, 1).is_none() {
            return;
        }
        if entry.profile.keys == 1 {
            work.cow += self.cow.touch(plan.class_of(n, &self.keyspace), run.pages);
            return;
        }
        let mut draws = plan.keys.of(n);
        for _ in 0..entry.profile.keys {
            let class = self.keyspace.draw_class(&plan.classes, n, &mut draws);
            work.cow += self.cow.touch(class, run.pages / entry.profile.keys as f64);
        }
    }

    /// Executes command number `n` in whatever state the server is; false if it was refused.
    fn run_other(&mut self, plan: &GroupPlan, entry: &Entry, n: u64, size: u64, work: &mut Work) -> bool {
        let value = bulk(size);
        work.commands += 1;
        work.input_bytes += entry.profile.request_fixed + entry.profile.request_values as u64 * value;
        if self.gated && self.refuse(entry, work) {
            return false;
        }
        if self.expires.is_on() {
            self.execute_volatile(plan, entry, n, (size, value), work);
        } else {
            self.execute_one(plan, entry, n, (size, value), work);
        }
        true
    }

    /// The gates of processCommand that this server may close: eviction and OOM, then MISCONF.
    #[cold]
    fn refuse(&mut self, entry: &Entry, work: &mut Work) -> bool {
        let (oom, misconf) = (!self.make_room(work), self.refuses_writes());
        let noreplicas = entry.is_write && self.replication.refuses_writes(&self.config);
        let grows = matches!(entry.profile.effect, Effect::Upsert | Effect::Create);
        let (oom, misconf) = (oom && grows, misconf && entry.is_write);
        let refused = oom || misconf || noreplicas;
        if refused {
            work.oom += oom as u64;
            work.misconf += (!oom && misconf) as u64;
            work.noreplicas += (!oom && !misconf) as u64;
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
        if let Some(op) = &entry.stream {
            return self.execute_stream(plan, entry, op, n, (size, value), work);
        }
        let profile = &entry.profile;
        let (mut found, mut created) = (0u32, 0u32);
        if !self.keys_matter && profile.effect != Effect::Delete {
            found = profile.keys;
        } else {
            let mut draws = plan.keys.of(n);
            for key in 0..profile.keys {
                let class = self.keyspace.draw_class(&plan.classes, n, &mut draws);
                let exists = self
                    .keyspace
                    .exists(&plan.classes, n, class, || plan.presence.of(n ^ (key as u64) << 48).unit());
                // Only for a slot whose keys lie on another node.
                let none = exists && profile.effect == Effect::Delete && self.keyspace.places(class).1 == 0;
                if none || (!exists && self.keyspace.is_full(class)) {
                    continue;
                }
                found += exists as u32;
                created += (!exists && matches!(profile.effect, Effect::Upsert | Effect::Create)) as u32;
                self.touch_key(plan, profile, class, exists, size, work);
            }
        }
        self.settle_one(plan, entry, (size, value), (found, created), work);
    }

    /// What a command costs, answers and adds that found some of its keys and created others; whether it wrote.
    #[inline(always)]
    pub(super) fn settle_one(
        &mut self,
        plan: &GroupPlan,
        entry: &Entry,
        (size, value): (u64, u64),
        (found, created): (u32, u32),
        work: &mut Work,
    ) -> bool {
        let profile = &entry.profile;
        let wrote = match profile.effect {
            Effect::None | Effect::Read => false,
            Effect::Upsert => true,
            Effect::Create => created > 0,
            Effect::Touch | Effect::Delete => found > 0,
        };
        let by_creation = created > 0;
        let cpu = match (found, by_creation) {
            (_, true) => profile.cpu_created,
            (0, false) => profile.cpu_missed,
            _ => profile.cpu,
        };
        work.cpu += cpu + entry.per_byte.of(size);
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
            return false;
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
            self.keyspace.count_elements(elements);
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
        if self.replication.feeds {
            let (fixed, parts) = if by_creation { profile.replicated_created } else { profile.replicated };
            let apply = if by_creation { profile.cpu_created } else { profile.cpu };
            let bytes = fixed + profile.aof_values as u64 * value;
            work.cpu += self.replication.feed.cost(parts as u64, bytes);
            work.repl_bytes += bytes;
            work.repl_work += apply + entry.per_byte.of(size);
        }
        true
    }

    /// What a command does to one of its keys: shared pages, the hash table, its existence.
    pub(super) fn touch_key(
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
        let limit = self.config.maxmemory;
        let used = if limit > 0 { self.used_memory() } else { 0 };
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
