//! Executing commands on keys that may have a time to live: lazy expiry (`expireIfNeeded` in db.c), and what the command
//! does to the time to live itself.
//!
//! An access that meets an expired key deletes it first; the deletion is charged to the command and propagated before
//! it, from 7.0 on in one MULTI with it. While it does nothing else, the command then sees no key.

use super::dict::Growth;
use super::expires::Held;
use super::keyspace::ClassMap;
use super::plan::{Entry, GroupPlan};
use super::profile::{Effect, TRANSACTION};
use super::server::Server;
use super::ttl_effect::TtlEffect;
use super::work::Work;
use crate::cause::Cause;
use crate::rng::{Draws, Uniform};
use crate::units::MIB;

impl Server {
    /// Executes command number `n` as `execute_one` does.
    pub(super) fn execute_volatile(
        &mut self,
        plan: &GroupPlan,
        entry: &Entry,
        n: u64,
        sizes: (u64, u64),
        work: &mut Work,
    ) {
        let profile = &entry.profile;
        let (mut found, mut created, mut expired) = (0u32, 0u32, 0u64);
        let mut draws = plan.keys.of(n);
        for key in 0..profile.keys {
            let class = self.keyspace.draw_class(&plan.classes, n, &mut draws);
            let mut places = plan.presence.of(n ^ (key as u64) << 48);
            let mut held = self.find_key(plan, class, &mut places);
            if self.expires.dict.is_rehashing() {
                self.rehash_expires(1, work);
            }
            if matches!(held, Held::Overdue(..) | Held::Due(_)) {
                self.expire_on_access(plan, class, held, work);
                expired += 1;
                held = Held::Absent;
            }
            let exists = held != Held::Absent;
            if !exists && self.keyspace.is_full(class) {
                continue;
            }
            found += exists as u32;
            created += (!exists && matches!(profile.effect, Effect::Upsert | Effect::Create)) as u32;
            if exists && profile.effect == Effect::Delete {
                self.expires.forget(class, held);
            }
            self.touch_key(plan, profile, class, exists, sizes.0, work);
            let wrote = match profile.effect {
                Effect::None | Effect::Read | Effect::Delete => false,
                Effect::Upsert => true,
                Effect::Create => !exists,
                Effect::Touch => exists,
            };
            if wrote {
                let effect = if exists { entry.ttl.0 } else { entry.ttl.1 };
                self.apply_ttl(plan, entry, effect, class, held, n);
            }
        }
        let wrote = self.settle_one(plan, entry, sizes, (found, created), work);
        if expired > 0 {
            self.log_expired(plan, entry, created > 0, wrote, expired, work);
        }
    }

    /// Where the key that a command addresses in `class` stands.
    #[inline(always)]
    fn find_key(&self, plan: &GroupPlan, class: usize, places: &mut Draws) -> Held {
        let (present, size) = (self.keyspace.present()[class], self.keyspace.size(class));
        match plan.classes {
            // The keys that went first are the ones addressed longest ago: the next one is there if all are. Where
            // several commands walk through the keys at different places this is an approximation.
            ClassMap::InOrder if present < size => Held::Absent,
            ClassMap::InOrder if self.expires.of_class(class) == 0 => Held::Lasting,
            ClassMap::InOrder => self.expires.look_at_oldest(class, places),
            _ if self.keyspace.scope.is_everything() => {
                let r = places.below(size);
                self.expires.look(class, r, present, places)
            }
            // One of the keys that this command is about: it expires as any of its class.
            _ => match self.keyspace.places(class) {
                (size, here) if here > 0 && places.below(size) < here => {
                    self.expires.look(class, places.below(present), present, places)
                }
                _ => Held::Absent,
            },
        }
    }

    /// Deletes an expired key that a command met.
    #[cold]
    fn expire_on_access(&mut self, plan: &GroupPlan, class: usize, held: Held, work: &mut Work) {
        self.expires.expire_met(class, held);
        work.cpu += self.remove_expired(class);
        self.all_alike = false;
        if self.cow.is_active() {
            work.cow += self.cow.touch(class, plan.pages_per_update);
        }
        self.counters.expired_keys += 1;
    }

    /// The DELs of `expired` keys that a command met, before the command if it `wrote`.
    #[cold]
    fn log_expired(
        &mut self,
        plan: &GroupPlan,
        entry: &Entry,
        by_creation: bool,
        wrote: bool,
        expired: u64,
        work: &mut Work,
    ) {
        let bytes = expired * self.expired_del_bytes();
        work.cpu += expired * self.expire_cost(bytes / expired);
        let parts = match (wrote, by_creation) {
            (false, _) => 0,
            (true, true) => entry.profile.aof_commands_created as u64,
            (true, false) => entry.profile.aof_commands as u64,
        };
        // `propagatePendingCommands` wraps what one call propagates; a script's effects are wrapped already.
        let wraps = self.config.version.has(7, 0) && expired + parts > 1 && parts <= 1;
        let wrap = if wraps { TRANSACTION } else { 0 };
        if self.replication.feeds {
            work.repl_bytes += bytes + wrap;
            work.repl_work += expired * self.prices.cpu.del;
        }
        if !self.config.appendonly {
            return;
        }
        work.aof_bytes += bytes + wrap;
        let append = plan.append_cost(if wraps { 2 } else { 0 }, wrap);
        work.append += append;
        work.cpu += append;
    }

    /// The key of a command that wrote keeps, loses or gets a time to live.
    #[inline(always)]
    fn apply_ttl(
        &mut self,
        plan: &GroupPlan,
        entry: &Entry,
        effect: TtlEffect,
        class: usize,
        held: Held,
        n: u64,
    ) {
        match effect {
            TtlEffect::Keep => {}
            TtlEffect::Clear => self.expires.clear(class, held),
            TtlEffect::Set => {
                let (used, limit) = (self.config.maxmemory > 0, self.config.maxmemory);
                let used = if used { self.used_memory() } else { 0 };
                let fits = |bytes: u64| limit == 0 || used + bytes <= limit;
                let mut draws = plan.ttls.of(n);
                let alive = self.child.is_some();
                let growth = self.expires.set(class, held, entry.ttl_way, &mut draws, alive, fits);
                if let Growth::Allocated { new_bytes } = growth {
                    self.expires_table_grew(new_bytes);
                }
            }
        }
    }

    /// The table of deadlines has grown by a table of `bytes`.
    #[cold]
    pub(super) fn expires_table_grew(&mut self, bytes: u64) {
        let span = self.prices.memory.first_touch;
        self.main.block(Cause::TableAllocation, span, || format!("{} MiB of deadlines", bytes / MIB));
    }

    /// Whether no table can grow, or goes on with a rehash, in the next turn, in which commands name `keys` keys.
    #[inline(always)]
    pub fn tables_have_room(&self, keys: u64) -> bool {
        let (main, deadlines) = (&self.keyspace.dict, &self.expires.dict);
        main.holds(main.used() + keys) && deadlines.holds(deadlines.used() + keys)
    }
}
