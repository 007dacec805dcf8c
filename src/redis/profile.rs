//! What one command costs and adds: bytes on the wire and in the AOF, CPU time, changes.
//!
//! The bytes of a single command are in [`super::resp`]; here they are put together, scripts included
//! (`script.c`, `scripting.c`).

use super::command::{Command, CommandKind, CommandKind::*};
use super::resp::Logged;
use super::version::Version;
use crate::cost_model::Cpu;
use crate::units::Nanos;

/// Of the waits for memory that a key costs (bucket, entry, key, object or value), a missing one has the first
/// (assumed: DEL of a missing key in the cache costs what PING does).
const WAITS_FOR_A_KEY: Nanos = 4;
/// `MULTI` and `EXEC` around the effects of a script \[bytes\].
pub(super) const TRANSACTION: u64 = 15 + 14;

/// How the presence of its key decides what a command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Touches no key (PING).
    None,
    /// Reads; a missing key is a miss.
    Read,
    /// Writes, and creates the key if it is missing (SET, INCR, HSET …).
    Upsert,
    /// Writes only if the key is missing, and creates it (SET NX).
    Create,
    /// Writes only if the key is present, and keeps it (EXPIRE).
    Touch,
    /// Writes only if the key is present, and removes it (DEL, UNLINK).
    Delete,
}

/// What one command costs and adds, for one version, key length and machine; linear in the value's length v.
///
/// RESP bytes are `…_fixed + …_values × bulk(v)`, where [`bulk`](super::resp::bulk)`(v) = v + digits(v) + 5`.
/// The fields `…_created` replace their namesakes when an [`Effect::Upsert`] found its key missing; they
/// differ from them only for scripts and collections.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// How presence of the key matters.
    pub effect: Effect,
    /// Keys the command names (each is drawn on its own), ≥ 1 except for PING.
    pub keys: u32,
    /// Main-thread time to parse, execute and reply without value bytes \[ns\]; no AOF append.
    ///
    /// A time to live given with SET counts as one further element.
    pub cpu: Nanos,
    /// The same when it created the key.
    pub cpu_created: Nanos,
    /// The same when none of its keys was there.
    pub cpu_missed: Nanos,
    /// Value lengths that are read or copied: `cpu + values × v × per_kib / 1024`.
    pub values: u32,
    /// Bytes of the request without its values.
    pub request_fixed: u64,
    /// Values in the request.
    pub request_values: u32,
    /// Bytes of the reply without values, when the command found what it needs.
    pub reply_fixed: u64,
    /// Values in the reply (GET, MGET) when the key is present.
    ///
    /// MGET with some keys missing: [`NIL`](super::resp::NIL) instead of a value for each missing one.
    pub reply_values: u32,
    /// Bytes of the whole reply in the other case: no key found, nothing written (SET NX of a present key),
    /// or key created by an upsert.
    pub miss_reply: u64,
    /// Bytes appended to the AOF when it wrote, without values; replicas get [`Profile::replicated`].
    ///
    /// DEL and UNLINK of several keys are logged with all of them if one was there.
    pub aof_fixed: u64,
    /// The same when it created the key.
    pub aof_fixed_created: u64,
    /// Values in those bytes.
    pub aof_values: u32,
    /// Commands in those bytes, MULTI and EXEC included; each pays `Cpu::aof_append`.
    pub aof_commands: u32,
    /// The same when it created the key.
    pub aof_commands_created: u32,
    /// What replicas get, bytes without values and commands: up to 6.2 times to live are sent relative to now.
    pub replicated: (u64, u32),
    /// The same when it created the key.
    pub replicated_created: (u64, u32),
    /// `dirty` it adds when it wrote and, for DEL and UNLINK, found all keys.
    pub dirty: u32,
    /// The same when it created the key.
    pub dirty_created: u32,
    /// It overwrites a whole value (SET, APPEND, MSET): new memory is touched, not only the old in place.
    pub replaces_value: bool,
    /// Elements it adds to a collection that existed; 0 for strings, and for HSET, which overwrites its
    /// fields.
    ///
    /// Members of SADD and ZADD and elements of pushes are new each time.
    pub adds_elements: u32,
    /// Elements of a collection it created; 0 for strings.
    pub adds_elements_created: u32,
}

/// A script run against a present or a missing key.
#[derive(Clone, Copy, Default)]
struct ScriptRun {
    cpu: Nanos,
    logged: Logged,
    replicated: Logged,
    dirty: u32,
    elements: u32,
}

impl Command {
    /// What the command costs and adds, with keys of `key_size` bytes on a machine with prices `cpu`.
    ///
    /// Scripts: the reply is that of the first call. An EXPIRE after INCR or INCRBY runs only when the
    /// counter was just created (the rate-limiter idiom); every other call always runs. Scripts propagate
    /// their effects from 5.0 on; before, the EVALSHA itself (its body, sent once after each rewrite, is left
    /// out).
    pub fn profile(&self, version: Version, key_size: u32, cpu: &Cpu) -> Profile {
        let key = u64::from(key_size);
        let request = self.request(key);
        let (reply_fixed, reply_values, miss_reply) = self.reply();
        let writes = !matches!(self.effect(), Effect::None | Effect::Read);
        let (found, created) = if self.kind == Evalsha {
            (self.run(version, key, cpu, true), self.run(version, key, cpu, false))
        } else {
            let run = ScriptRun {
                cpu: self.cpu(cpu),
                logged: if writes { self.logged(version, key) } else { Logged::default() },
                replicated: if writes { self.replicated(version, key) } else { Logged::default() },
                dirty: if writes { self.changes() } else { 0 },
                elements: match self.kind {
                    Xadd => 1,
                    kind if is_collection(kind) => self.elements,
                    _ => 0,
                },
            };
            (ScriptRun { elements: if self.kind == Hset { 0 } else { run.elements }, ..run }, run)
        };
        // A touch or a delete without its key logs nothing, and has no created case to tell.
        let created = if self.effect() == Effect::Upsert { created } else { found };
        let calls = if self.kind == Evalsha { &self.script[..] } else { &[self.kind] };
        Profile {
            effect: self.effect(),
            keys: match self.kind {
                Ping => 0,
                Mset | Mget | Del | Unlink => self.elements,
                _ => 1,
            },
            cpu: found.cpu,
            cpu_created: created.cpu,
            cpu_missed: match self.effect() {
                Effect::Read | Effect::Touch | Effect::Delete if self.kind != Evalsha => {
                    let first = cpu.ping + cpu.hot_key_saving / WAITS_FOR_A_KEY;
                    found.cpu.min(first + cpu.per_element * (u64::from(self.elements) - 1))
                }
                _ => found.cpu,
            },
            values: request.values + reply_values,
            request_fixed: request.fixed(),
            request_values: request.values,
            reply_fixed,
            reply_values,
            miss_reply,
            aof_fixed: found.logged.fixed,
            aof_fixed_created: created.logged.fixed,
            aof_values: found.logged.values.max(created.logged.values),
            aof_commands: found.logged.commands,
            aof_commands_created: created.logged.commands,
            replicated: (found.replicated.fixed, found.replicated.commands),
            replicated_created: (created.replicated.fixed, created.replicated.commands),
            dirty: found.dirty,
            dirty_created: created.dirty,
            replaces_value: calls.iter().any(|kind| matches!(kind, Set | Mset | Append)),
            adds_elements: found.elements,
            adds_elements_created: created.elements,
        }
    }

    /// How the presence of its key decides what it does.
    pub fn effect(&self) -> Effect {
        let calls = |effect| self.script.iter().any(|kind| kind.effect() == effect);
        match self.kind {
            Set if self.nx => Effect::Create,
            Evalsha => [Effect::Upsert, Effect::Delete, Effect::Touch]
                .into_iter()
                .find(|&effect| calls(effect))
                .unwrap_or(Effect::Read),
            kind => kind.effect(),
        }
    }

    /// `dirty` of one run that wrote.
    fn changes(&self) -> u32 {
        match self.kind {
            Del | Unlink | Mset | Hset | Lpush | Rpush | Sadd | Zadd => self.elements,
            _ => 1,
        }
    }

    fn cpu(&self, cpu: &Cpu) -> Nanos {
        let first = match self.kind {
            Ping => cpu.ping,
            Get | Mget => cpu.get,
            Set | Mset => cpu.set,
            Del | Unlink => cpu.del,
            Incr | IncrBy | Append => cpu.incr,
            Hset => cpu.hset,
            Lpush | Rpush => cpu.push,
            Sadd => cpu.sadd,
            Zadd => cpu.zadd,
            Xadd => cpu.xadd,
            // One entry of those it may deliver.
            Xreadgroup => return cpu.xread + cpu.xread_entry,
            Xack | Xdel | Xtrim => cpu.xack,
            Expire => cpu.expire,
            Evalsha => cpu.script,
        };
        let ttl = u64::from(self.kind == Set && self.ttl_ms.is_some());
        first + cpu.per_element * (u64::from(self.elements) - 1 + ttl)
    }

    /// Runs the script against a key that is `present` or not.
    fn run(&self, version: Version, key: u64, cpu: &Cpu, mut present: bool) -> ScriptRun {
        let mut run = ScriptRun { cpu: cpu.script, ..ScriptRun::default() };
        let (mut counter_existed, mut met) = (false, false);
        for &kind in &self.script {
            let call = Command { ttl_ms: self.ttl_ms.filter(|_| kind == Expire), ..Command::plain(kind) };
            if kind == Expire && counter_existed {
                continue;
            }
            // The first call has brought the key into the cache.
            let price = call.cpu(cpu);
            let saved = price.saturating_sub(cpu.ping).min(cpu.hot_key_saving);
            run.cpu += cpu.script_call + if met && call.is_of_strings() { price - saved } else { price };
            met = true;
            let effect = kind.effect();
            let wrote = effect == Effect::Upsert || (present && effect != Effect::Read);
            if !wrote {
                continue;
            }
            run.dirty += 1;
            let effects = call.logged(version, key);
            run.logged.fixed += effects.fixed;
            run.logged.values += effects.values;
            run.logged.commands += effects.commands;
            let sent = call.replicated(version, key);
            run.replicated.fixed += sent.fixed;
            run.replicated.values += sent.values;
            run.replicated.commands += sent.commands;
            run.elements += u32::from(is_collection(kind) && !(kind == Hset && present));
            counter_existed |= present && matches!(kind, Incr | IncrBy);
            present = effect != Effect::Delete;
        }
        if run.logged.commands > 0 && !version.has(5, 0) {
            let request = self.request(key);
            run.logged = Logged { fixed: request.fixed(), values: request.values, commands: 1 };
            run.replicated = run.logged;
        } else if run.logged.commands > 1 || (run.logged.commands == 1 && !version.has(7, 0)) {
            for wrapped in [&mut run.logged, &mut run.replicated] {
                wrapped.fixed += TRANSACTION;
                wrapped.commands += 2;
            }
        }
        run
    }
}

fn is_collection(kind: CommandKind) -> bool {
    matches!(kind, Hset | Lpush | Rpush | Sadd | Zadd | Xadd)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prices that tell which were added.
    fn prices() -> Cpu {
        Cpu {
            ping: 1,
            get: 2,
            set: 3,
            incr: 4,
            del: 5,
            hset: 6,
            push: 7,
            sadd: 8,
            zadd: 9,
            xadd: 10,
            expire: 20,
            script: 1000,
            script_call: 100,
            multi: 0,
            per_element: 50,
            ..crate::models::blank("prices").cpu
        }
    }

    fn profile(text: &str, version: Version) -> Profile {
        text.parse::<Command>().unwrap().profile(version, 20, &prices())
    }

    #[test]
    fn rate_limiter_logs_its_deadline_once() {
        for (version, later) in
            [(Version::redis(7, 2), 41), (Version::redis(6, 2), 70), (Version::redis(5, 0), 70)]
        {
            let limiter = profile("EVALSHA INCR EXPIRE", version);
            assert_eq!((limiter.effect, limiter.keys), (Effect::Upsert, 1));
            assert_eq!((limiter.aof_fixed_created, limiter.aof_fixed), (136, later), "{version}");
            assert_eq!((limiter.dirty_created, limiter.dirty), (2, 1));
            assert_eq!((limiter.cpu_created, limiter.cpu), (1224, 1104));
        }
        let verbatim = profile("EVALSHA INCR EXPIRE", Version::redis(4, 0));
        assert_eq!((verbatim.aof_fixed, verbatim.aof_commands), (verbatim.request_fixed, 1));
    }

    #[test]
    fn scripts_log_only_what_their_calls_changed() {
        let version = Version::valkey(8, 1);
        let unlock = profile("EVALSHA GET DEL", version);
        assert_eq!((unlock.effect, unlock.aof_fixed, unlock.reply_values), (Effect::Delete, 40, 1));
        let rebuild = profile("EVALSHA DEL RPUSH", version);
        assert_eq!(rebuild.aof_commands_created, 1);
        assert_eq!((rebuild.aof_commands, rebuild.dirty), (4, 2));
        assert_eq!(rebuild.aof_fixed, rebuild.aof_fixed_created + 40 + TRANSACTION);
        assert_eq!(profile("EVALSHA GET", version).effect, Effect::Read);
        assert_eq!(profile("EVALSHA GET", version).aof_fixed, 0);
    }

    #[test]
    fn effects_keys_and_changes_follow_the_command() {
        let version = Version::redis(7, 2);
        let mset = profile("MSET 10", version);
        assert_eq!((mset.effect, mset.keys, mset.dirty, mset.values), (Effect::Upsert, 10, 10, 10));
        assert_eq!((mset.cpu, mset.replaces_value), (3 + 9 * 50, true));
        assert_eq!(profile("SET NX", version).effect, Effect::Create);
        assert_eq!(profile("SET EX 5", version).cpu, 53);
        assert_eq!(profile("EXPIRE 5", version).effect, Effect::Touch);
        let get = profile("GET", version);
        assert_eq!((get.effect, get.aof_fixed, get.aof_commands, get.dirty), (Effect::Read, 0, 0, 0));
        assert_eq!((get.values, get.reply_values, get.miss_reply), (1, 1, 5));
        let ping = profile("PING", version);
        assert_eq!((ping.keys, ping.request_fixed, ping.reply_fixed, ping.aof_fixed), (0, 14, 7, 0));
        let hset = profile("HSET 3", version);
        assert_eq!((hset.adds_elements, hset.adds_elements_created, hset.keys), (0, 3, 1));
        assert_eq!(profile("LPUSH 5", version).adds_elements, 5);
    }
}
