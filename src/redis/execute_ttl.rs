//! Executing commands on keys that may have a time to live: lazy expiry (`expireIfNeeded` in db.c), and what the command
//! does to the time to live itself.
//!
//! An access that meets an expired key deletes it first; the deletion is charged to the command and propagated before
//! it, from 7.0 on in one MULTI with it. While it does nothing else, the command then sees no key.

use super::dict::Growth;
use super::expires::Held;
use super::keyspace::ClassMap;
use super::plan::{Alike, Entry, GroupPlan};
use super::profile::{Effect, TRANSACTION};
use super::server::Server;
use super::ttl_effect::TtlEffect;
use super::work::{Answered, Work};
use crate::cause::Cause;
use crate::rng::Uniform;
use crate::units::MIB;

impl Server {
    /// Whether commands of a group may be [renewals](Self::renew_first) now.
    #[inline(always)]
    pub(crate) fn may_renew(&self, plan: &GroupPlan) -> bool {
        let rehashing = self.keyspace.dict.is_rehashing() || self.expires.dict.is_rehashing();
        let by_class = self.cow.is_active() && self.keyspace.classes() > 1;
        plan.renewing.is_some() && self.expires.is_on() && !self.gated && !rehashing && !by_class
    }

    /// Executes the first of `commands` commands, number `first` of their group and those after it, that meet a key
    /// before its deadline, up to one that does not; returns how many there were. Several commands stop at a key near its
    /// deadline as well while a child lives: pages are then counted in the order of commands.
    ///
    /// All of them cost the same, [`Alike::work`], which the caller takes; what they do to deadlines is done here. The
    /// group [may renew](Self::may_renew).
    #[inline(always)]
    pub(crate) fn renew_first(&mut self, plan: &GroupPlan, first: u64, commands: u32) -> u32 {
        let Some(renewing) = plan.renewing else { return 0 };
        let near_too = commands == 1 || !self.cow.is_active();
        for done in 0..commands {
            let n = first + done as u64;
            let class = plan.class_of(n, &self.keyspace);
            let r = plan.presence.only(n).below(self.keyspace.size(class));
            if r < self.expires.ahead(class) {
                if let Some(way) = renewing.way {
                    self.expires.renew(class, r, way, || plan.ttls.of(n));
                }
            } else if !near_too || !self.renew_near(plan, renewing.way, (class, r), n) {
                return done;
            }
        }
        commands
    }

    /// Executes command number `n` if its key, number `r` of a class, is not due although near its deadline; false when
    /// nothing was done.
    #[inline(never)]
    fn renew_near(&mut self, plan: &GroupPlan, way: Option<usize>, (class, r): (usize, u64), n: u64) -> bool {
        let present = self.keyspace.present()[class];
        let held = self.expires.look(class, r, present, &mut plan.presence.of(n));
        let is_near = matches!(held, Held::Waiting(..));
        if let (true, Some(way)) = (is_near, way) {
            self.expires.replace(class, held, way, &mut plan.ttls.of(n));
        }
        is_near
    }

    /// Executes `commands` commands of a group that [may renew](Self::may_renew), the first `renewed` of which have been
    /// renewals.
    #[inline(never)]
    pub(crate) fn execute_mixed(
        &mut self,
        plan: &GroupPlan,
        alike: &Alike,
        first: u64,
        (commands, mut renewed): (u32, u32),
        work: &mut Work,
    ) -> Answered {
        let (mut n, end) = (first + renewed as u64, first + commands as u64);
        let mut answered = Answered::default();
        while n < end {
            let one_by_one = if self.may_renew(plan) { 1 } else { (end - n) as u32 };
            answered.add(self.execute_each(plan, n, one_by_one, work));
            n += one_by_one as u64;
            if n < end {
                let more = self.renew_first(plan, n, (end - n) as u32);
                (n, renewed) = (n + more as u64, renewed + more);
            }
        }
        if renewed > 0 {
            answered.add(self.execute_alike(alike, renewed, work));
        }
        answered
    }

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
            let mut held = self.find_key(plan, class, n ^ (key as u64) << 48);
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

    /// Where the key that a command addresses in `class` stands; `n` is a number of its own.
    #[inline(always)]
    fn find_key(&mut self, plan: &GroupPlan, class: usize, n: u64) -> Held {
        let (present, size) = (self.keyspace.present()[class], self.keyspace.size(class));
        match plan.classes {
            // The keys that went first are the ones addressed longest ago: the next one is there if all are. Where
            // several commands walk through the keys at different places this is an approximation.
            ClassMap::InOrder if present < size => Held::Absent,
            ClassMap::InOrder if self.expires.of_class(class) == 0 => Held::Lasting,
            ClassMap::InOrder => self.expires.look_at_oldest(class, &mut plan.presence.of(n)),
            _ if self.keyspace.scope.is_everything() => {
                let r = plan.presence.only(n).below(size);
                self.expires.look(class, r, present, &mut plan.presence.of(n))
            }
            // One of the keys that this command is about: it expires as any of its class.
            _ => {
                let mut places = plan.presence.of(n);
                match self.keyspace.places(class) {
                    (size, here) if here > 0 && places.below(size) < here => {
                        let r = places.below(present);
                        self.expires.look(class, r, present, &mut places)
                    }
                    _ => Held::Absent,
                }
            }
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
