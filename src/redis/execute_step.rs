//! Executing one step of an operation: one command, a MULTI block or a script, on a key that is kept exactly.
//!
//! All commands of a step see one time (7.0 on: `call` fixes the clock for EXEC and scripts). A key met after its
//! deadline is deleted first, and its DEL propagated: from 7.0 on in one MULTI with what the step itself changes
//! (`propagatePendingCommands`), before that on its own. A block or script is wrapped in MULTI and EXEC always up
//! to 6.2, from 7.0 on if it has more than one command to propagate. Scripts propagate effects from 5.0 on.

use super::resp::{NIL, bulk, digits};
use super::server::Server;
use super::step_plan::{CallPlan, ERROR_REPLY, EXEC, MULTI, PatternPlan, StepPlan};
use super::step_plan::{deletion, logged, logged_commands, text_length};
use super::work::{Answered, Work};
use crate::client::operation::Outcome;
use crate::scenario::pattern::{Block, Call};
use crate::units::{MILLISECOND, Nanos};

/// `+OK\r\n`, `+QUEUED\r\n` \[bytes\].
const OK: u64 = 5;
const QUEUED: u64 = 9;

/// What executing a step did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stepped {
    /// How its commands are counted.
    pub answered: Answered,
    /// What its last command replied.
    pub outcome: Outcome,
    /// Increments done.
    pub increments: u32,
}

/// A step under way.
#[derive(Default)]
struct Doing {
    outcome: Outcome,
    increments: u32,
    reply: u64,
    /// Commands that changed the key, `dirty` they added, pages they touched.
    changes: u64,
    dirty: u64,
    pages: f64,
    /// Commands and bytes to propagate.
    commands: u32,
    bytes: u64,
    /// Main-thread time of it \[ns\].
    cpu: Nanos,
}

/// Where and when a step runs.
#[derive(Clone, Copy)]
struct At<'p> {
    plan: &'p PatternPlan,
    group: usize,
    rank: u32,
    now: Nanos,
    now_ms: u64,
}

impl Server {
    /// Milliseconds of the server's clock at `at`.
    pub fn unix_ms(&self, at: Nanos) -> u64 {
        (at + self.phase) / MILLISECOND
    }

    /// Executes step number `step` on the key `rank` of `group`, at `now` on the main thread.
    pub fn execute_step(
        &mut self,
        plan: &PatternPlan,
        (group, rank): (usize, u32),
        step: usize,
        now: Nanos,
        work: &mut Work,
    ) -> Stepped {
        let step = &plan.steps[step];
        work.commands += step.commands as u64;
        work.input_bytes += step.request;
        self.exact.books(group).sums.commands += step.commands as u64;
        if self.gated && self.refuse_step(step, work) {
            let answered = Answered { errors: step.commands, ..Answered::default() };
            return Stepped { answered, outcome: Outcome::Error, increments: 0 };
        }
        let at = At { plan, group, rank, now, now_ms: self.unix_ms(now) };
        let (mut doing, before) = (Doing::default(), work.cpu);
        let met_expired = self.expire_if_needed(at, work);
        work.cpu += step.around;
        match step.block {
            Block::Script { argument } => self.script(at, step, argument, &mut doing, work),
            _ => step.calls.iter().for_each(|call| self.call(at, call, &mut doing, work)),
        }
        if step.block == Block::Multi {
            let calls = step.calls.len() as u64;
            doing.reply += OK + QUEUED * calls + 3 + digits(calls);
        }
        doing.cpu = work.cpu - before;
        self.note_slow(doing.cpu, 1);
        self.propagate_step(at, step, met_expired, &doing, work);
        if doing.pages > 0.0 && self.cow.is_active() {
            work.cow += self.cow.touch(self.keyspace.classes(), doing.pages);
        }
        work.reply_bytes += doing.reply;
        work.changed += doing.changes;
        work.dirty += doing.dirty;
        let answered = if step.is_write {
            Answered { writes: step.commands, ..Answered::default() }
        } else {
            Answered { reads: step.commands, ..Answered::default() }
        };
        Stepped { answered, outcome: doing.outcome, increments: doing.increments }
    }

    /// The gates of processCommand: a block is refused as a whole (EXECABORT).
    #[cold]
    fn refuse_step(&mut self, step: &StepPlan, work: &mut Work) -> bool {
        let grows =
            |call: &CallPlan| call.call.is_write() && !matches!(call.call, Call::Del | Call::Expire { .. });
        let oom = !self.make_room(work) && step.calls.iter().any(grows);
        let misconf = !oom && self.refuses_writes() && step.is_write;
        if oom || misconf {
            work.oom += if oom { step.commands as u64 } else { 0 };
            work.misconf += if misconf { step.commands as u64 } else { 0 };
            work.cpu += self.prices.cpu.ping;
            work.reply_bytes += ERROR_REPLY;
        }
        oom || misconf
    }

    /// `expireIfNeeded`: whether the key was met after its deadline, and so deleted.
    fn expire_if_needed(&mut self, at: At, work: &mut Work) -> bool {
        let key = self.exact.look(at.group, at.rank, at.now_ms);
        let expired = key.present && key.deadline_ms > 0 && key.deadline_ms < at.now_ms;
        if expired {
            self.exact.delete(at.group, at.rank, at.now, true);
            self.counters.expired_keys += 1;
            let lag = self.expires.lag(key.deadline_ms, at.now);
            self.expires.seen.expired(lag, true);
            work.cpu += at.plan.del;
        }
        expired
    }

    /// INCR, and EXPIRE if it gave 1; without its argument EXPIRE raises an error, and INCR stays done.
    fn script(&mut self, at: At, step: &StepPlan, argument: bool, doing: &mut Doing, work: &mut Work) {
        let call_price = self.prices.cpu.script_call;
        let mut inner = Doing::default();
        for (index, call) in step.calls.iter().enumerate() {
            if index > 0 && inner.outcome != Outcome::Value(1) {
                break;
            }
            work.cpu += call_price;
            if index > 0 && !argument {
                work.cpu += call.cpu;
                doing.outcome = Outcome::Error;
                break;
            }
            let count = inner.outcome;
            self.call(at, call, &mut inner, work);
            if index > 0 {
                inner.outcome = count;
            }
        }
        let failed = doing.outcome == Outcome::Error;
        let value = if let Outcome::Value(value) = inner.outcome { value } else { 0 };
        *doing = Doing {
            outcome: if failed { Outcome::Error } else { inner.outcome },
            reply: if failed { ERROR_REPLY } else { integer(value) },
            changes: (inner.changes > 0) as u64,
            ..inner
        };
    }

    /// One command.
    fn call(&mut self, at: At, plan: &CallPlan, doing: &mut Doing, work: &mut Work) {
        let (group, rank) = (at.group, at.rank);
        let key = self.exact.look(group, rank, at.now_ms);
        work.cpu += plan.cpu;
        let (outcome, reply, wrote) = match plan.call {
            Call::Get | Call::Zcard => {
                work.hits += key.present as u64;
                work.misses += !key.present as u64;
                let outcome = match (plan.call, key.present) {
                    (Call::Get, false) => Outcome::Nil,
                    _ => Outcome::Value(key.value),
                };
                let found =
                    if plan.call == Call::Get { bulk(text_length(key.value)) } else { integer(key.value) };
                (outcome, if outcome == Outcome::Nil { NIL } else { found }, 0)
            }
            Call::Set { nx: true, .. } if key.present => (Outcome::Nil, NIL, 0),
            Call::Set { value, ttl_ms, keepttl, .. } => {
                self.create_unless(key.present, at);
                self.exact.set(group, rank, value);
                doing.pages += at.plan.pages_per_set;
                if !keepttl {
                    self.exact.set_deadline(group, rank, ttl_ms.map_or(0, |ttl| at.now_ms + ttl), at.now);
                }
                (Outcome::Ok, OK, 1)
            }
            Call::Incr | Call::Increx { .. } => {
                self.create_unless(key.present, at);
                let value = self.exact.increment(group, rank);
                doing.increments += 1;
                doing.pages += at.plan.pages_per_update;
                let mut reply = integer(value);
                if let Call::Increx { ttl_ms } = plan.call {
                    reply += 4 + integer(1);
                    if key.deadline_ms == 0 {
                        self.exact.set_deadline(group, rank, at.now_ms + ttl_ms, at.now);
                    }
                }
                (Outcome::Value(value), reply, 1)
            }
            Call::Del => {
                if key.present {
                    self.exact.delete(group, rank, at.now, false);
                    doing.pages += at.plan.pages_per_update;
                }
                (Outcome::Value(key.present as i64), integer(1), key.present as u64)
            }
            Call::Expire { ttl_ms, nx } => {
                let wrote = key.present && !(nx && key.deadline_ms > 0);
                if wrote {
                    self.exact.set_deadline(group, rank, at.now_ms + ttl_ms, at.now);
                    doing.pages += at.plan.pages_per_update;
                }
                (Outcome::Value(wrote as i64), integer(1), wrote as u64)
            }
            Call::Zadd => {
                self.create_unless(key.present, at);
                self.exact.add_member(group, rank, at.now_ms);
                doing.increments += 1;
                doing.pages += at.plan.pages_per_update;
                (Outcome::Value(1), integer(1), 1)
            }
            Call::Zremrangebyscore => {
                let until = at.now_ms.saturating_sub(at.plan.window_ms);
                let removed = self.exact.remove_members(group, rank, until);
                work.cpu += removed * at.plan.per_element;
                (Outcome::Value(removed as i64), integer(removed as i64), removed)
            }
            Call::Lpush => {
                self.create_unless(key.present, at);
                let length = self.exact.push_element(group, rank);
                doing.increments += 1;
                doing.pages += at.plan.pages_per_update;
                (Outcome::Value(length), integer(length), 1)
            }
            Call::Ltrim { keep } => {
                let removed = self.exact.trim(group, rank, keep);
                work.cpu += removed * at.plan.per_element;
                (Outcome::Ok, OK, removed)
            }
        };
        (doing.outcome, doing.reply) = (outcome, doing.reply + reply);
        if wrote > 0 {
            let (version, value) =
                (self.config.version, if let Outcome::Value(value) = outcome { value } else { 0 });
            doing.changes += 1;
            doing.dirty += wrote;
            doing.commands += logged_commands(plan.call, version);
            doing.bytes += logged(plan.call, at.plan.key_size, version, value);
        }
    }

    fn create_unless(&mut self, present: bool, at: At) {
        if !present {
            self.exact.create(at.group, at.rank, at.now, at.now_ms);
        }
    }

    /// Bytes for the AOF, and the time of appending them.
    fn propagate_step(&mut self, at: At, step: &StepPlan, met_expired: bool, doing: &Doing, work: &mut Work) {
        let version = self.config.version;
        let verbatim = matches!(step.block, Block::Script { .. }) && !version.has(5, 0);
        let (mut commands, mut bytes) = match doing.commands {
            0 => (0, 0),
            _ if verbatim => (1, step.request),
            commands => (commands, doing.bytes),
        };
        let changed = commands > 0;
        if met_expired {
            (commands, bytes) =
                (commands + 1, bytes + deletion(at.plan.key_size, self.config.lazyfree_lazy_expire));
        }
        let wrapped = match step.block {
            _ if version.has(7, 0) => commands > 1,
            Block::Plain => false,
            _ => !verbatim && changed,
        };
        if wrapped {
            (commands, bytes) = (commands + 2, bytes + MULTI + EXEC);
        }
        if commands > 0 && self.config.appendonly {
            let append = at.plan.append_cost(commands, bytes);
            work.aof_bytes += bytes;
            work.append += append;
            work.cpu += append;
            self.exact.books(at.group).sums.aof_bytes += bytes;
        }
        if commands > 0 && self.replication.feeds {
            // Before 7.0 replicas get times to live as they were sent, a few bytes shorter: not told apart here.
            work.cpu += self.replication.feed.cost(commands.into(), bytes);
            work.repl_bytes += bytes;
            work.repl_work += doing.cpu;
        }
    }
}

/// RESP length of an integer reply.
fn integer(value: i64) -> u64 {
    text_length(value) + 3
}
