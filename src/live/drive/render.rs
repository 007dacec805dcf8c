//! Commands of a group as bytes. What command number n is, its key and its sizes are functions of n, drawn from the streams
//! that a simulation draws them from.

use std::time::{SystemTime, UNIX_EPOCH};

use redis::Cmd;

use crate::client::keys::KeySampler;
use crate::dist::Sampler;
use crate::live::control::Control;
use crate::live::error::Result;
use crate::redis::command::{Command, CommandKind, TrimSign};
use crate::redis::profile::Effect;
use crate::rng::{Numbered, StreamId, Streams, Uniform};
use crate::scenario::ttl::TtlSampler;
use crate::scenario::{Dataset, Workload};

use super::names::{Family, Names};
use super::scripts;

/// Length of the text that values are cut from \[bytes\]; longer values repeat it.
const TEXT: usize = 1 << 20;
/// Owner of the streams that are the generator's own: no group has that number.
const OWN: u64 = 1 << 40;

/// One command of a group's mix.
struct Entry {
    /// Shares of this and the commands before it.
    cumulative: f64,
    command: Command,
    names: Names,
    keys: KeySampler,
    is_write: bool,
    /// Digest of its script.
    script: String,
    /// Its value must be a number.
    counts: bool,
}

/// The commands of one group.
pub struct Renderer {
    entries: Vec<Entry>,
    mix: Numbered,
    sizes: Numbered,
    keys: Numbered,
    ttls: Numbered,
    size: Sampler,
    ttl: Option<TtlSampler>,
    values: Values,
    cmd: Cmd,
    key: Vec<u8>,
}

impl Renderer {
    /// The commands of group number `index`; scripts are loaded into the server.
    ///
    /// # Errors
    /// What the server answers to SCRIPT LOAD.
    pub fn new(
        group: &Workload,
        index: u64,
        dataset: &Dataset,
        prefix: &str,
        streams: &Streams,
        control: &mut Control,
    ) -> Result<Self> {
        let mut cumulative = 0.0;
        let mut entries = Vec::new();
        for (command, share) in &group.mix {
            cumulative += share;
            let family = Family::of(command, group);
            let keys = if family == Family::Stream { dataset.streams } else { dataset.keys };
            let is_script = command.kind == CommandKind::Evalsha;
            let script = match is_script {
                true => scripts::load(control, &scripts::text(command))?,
                false => String::new(),
            };
            entries.push(Entry {
                cumulative,
                command: command.clone(),
                names: Names::new(prefix, family, group.key_size, keys),
                keys: KeySampler::new(group.keys, keys),
                is_write: !matches!(command.effect(), Effect::None | Effect::Read),
                script,
                counts: family == Family::Counter,
            });
        }
        Ok(Renderer {
            entries,
            mix: Numbered::new(streams, StreamId::Mix, index),
            sizes: Numbered::new(streams, StreamId::ValueSizes, index),
            keys: Numbered::new(streams, StreamId::Keys, index),
            ttls: Numbered::new(streams, StreamId::Ttl, index),
            size: Sampler::new(&group.value_size),
            ttl: group.ttl.as_ref().map(TtlSampler::new),
            values: Values::new(streams),
            cmd: Cmd::new(),
            key: Vec::new(),
        })
    }

    /// Whether command number `n` writes.
    pub fn is_write(&self, n: u64) -> bool {
        self.entry(n).is_write
    }

    fn entry(&self, n: u64) -> &Entry {
        match &self.entries[..] {
            [only] => only,
            entries => {
                let u = self.mix.of(n).unit();
                entries.iter().find(|entry| u < entry.cumulative).unwrap_or(&entries[entries.len() - 1])
            }
        }
    }

    /// Appends command number `n` to `out`.
    pub fn render(&mut self, n: u64, out: &mut Vec<u8>) {
        let mut cmd = std::mem::take(&mut self.cmd);
        let mut key = std::mem::take(&mut self.key);
        cmd.clear();
        self.fill_in(n, &mut cmd, &mut key);
        cmd.write_packed_command(out);
        (self.cmd, self.key) = (cmd, key);
    }

    fn fill_in(&self, n: u64, cmd: &mut Cmd, key: &mut Vec<u8>) {
        use CommandKind::*;
        let entry = self.entry(n);
        let command = &entry.command;
        let mut keys = self.keys.of(n);
        let mut name = |cmd: &mut Cmd| {
            entry.names.write(entry.keys.draw(n, &mut keys), key);
            cmd.arg(&key[..]);
        };
        let mut value = self.values_of(n, entry.counts);
        cmd.arg(command.kind.name());
        match command.kind {
            Ping => {}
            Mset => (0..command.elements).for_each(|_| {
                name(cmd);
                value(cmd);
            }),
            Mget | Del | Unlink => (0..command.elements).for_each(|_| name(cmd)),
            Evalsha => {
                cmd.arg(&entry.script).arg("1");
                name(cmd);
                command.script.iter().for_each(|call| in_script(*call, command, cmd, &mut value));
            }
            _ => {
                name(cmd);
                after_key(command, cmd, &mut value);
            }
        }
        if command.kind == Set {
            self.set_options(n, command, cmd);
        }
    }

    /// What adds the next value of command number `n`.
    fn values_of(&self, n: u64, counts: bool) -> impl FnMut(&mut Cmd) + '_ {
        let mut sizes = self.sizes.of(n);
        let mut part = 0;
        move |cmd| {
            let size = self.size.sample(&mut sizes) as usize;
            part += 1;
            self.values.push(n.wrapping_add(part << 40), size, counts, cmd);
        }
    }

    fn set_options(&self, n: u64, command: &Command, cmd: &mut Cmd) {
        if command.nx {
            cmd.arg("NX");
        }
        if command.keepttl {
            cmd.arg("KEEPTTL");
        }
        let ttl_ms = match (&self.ttl, command.ttl_ms) {
            (Some(ttl), Some(_)) => {
                let now = wall_ms();
                Some(ttl.deadline(now, &mut self.ttls.of(n)).saturating_sub(now).max(1))
            }
            (_, fixed) => fixed,
        };
        match ttl_ms {
            Some(ms) if ms.is_multiple_of(1000) => {
                cmd.arg("EX").arg(ms / 1000);
            }
            Some(ms) => {
                cmd.arg("PX").arg(ms);
            }
            None => {}
        }
    }
}

/// The arguments of one call of a script.
fn in_script(call: CommandKind, command: &Command, cmd: &mut Cmd, value: &mut impl FnMut(&mut Cmd)) {
    use CommandKind::*;
    match call {
        Expire => {
            cmd.arg(command.ttl_ms.unwrap_or(1000) / 1000);
        }
        IncrBy => {
            cmd.arg("1");
        }
        Set | Append | Lpush | Rpush | Sadd | Xadd => value(cmd),
        Hset => {
            cmd.arg("field-0000");
            value(cmd);
        }
        Zadd => {
            cmd.arg("1");
            value(cmd);
        }
        _ => {}
    }
}

/// The arguments behind the one key of a command; SET's options follow.
fn after_key(command: &Command, cmd: &mut Cmd, value: &mut impl FnMut(&mut Cmd)) {
    use CommandKind::*;
    match command.kind {
        Set | Append => value(cmd),
        IncrBy => {
            cmd.arg("1");
        }
        Hset => (0..command.elements).for_each(|field| {
            cmd.arg(format!("field-{field:04}"));
            value(cmd);
        }),
        Lpush | Rpush | Sadd => (0..command.elements).for_each(|_| value(cmd)),
        Zadd => (0..command.elements).for_each(|_| {
            cmd.arg("1");
            value(cmd);
        }),
        Expire => {
            cmd.arg(command.ttl_ms.unwrap_or(1000) / 1000);
        }
        Xtrim => trim(command, cmd),
        Xadd => {
            trim(command, cmd);
            cmd.arg("*");
            (0..command.elements).for_each(|field| {
                cmd.arg(if field == 0 { "field".to_owned() } else { format!("f{field:04}") });
                value(cmd);
            });
        }
        _ => {}
    }
}

fn trim(command: &Command, cmd: &mut Cmd) {
    let Some(trim) = command.trim else { return };
    cmd.arg("MAXLEN");
    match trim.sign {
        TrimSign::None => {}
        TrimSign::Equals => {
            cmd.arg("=");
        }
        TrimSign::Tilde => {
            cmd.arg("~");
        }
    }
    cmd.arg(trim.length);
}

/// Milliseconds of this machine's clock since 1970.
pub fn wall_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// Values: pieces of one random text of letters and digits, which LZF does not compress.
pub struct Values {
    text: Vec<u8>,
}

impl Values {
    /// The text that belongs to the seed.
    pub fn new(streams: &Streams) -> Self {
        const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut stream = streams.open(StreamId::ValueSizes, OWN);
        Values { text: (0..TEXT).map(|_| LETTERS[(stream.bits() >> 58) as usize]).collect() }
    }

    /// Adds a value of `size` bytes to `cmd`, another for another `n`; a number if `counts`, of at most 18 digits.
    pub fn push(&self, n: u64, size: usize, counts: bool, cmd: &mut Cmd) {
        if counts {
            cmd.arg("1".repeat(size.clamp(1, 18)));
            return;
        }
        let start = (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 44) as usize;
        match self.text.get(start..start + size) {
            Some(value) => cmd.arg(value),
            None => {
                let longer: Vec<u8> = self.text.iter().cycle().skip(start).take(size).copied().collect();
                cmd.arg(longer)
            }
        };
    }
}

/// Numbered draws of the generator's own, for what a simulation does not draw one by one: the dataset's sizes.
pub fn own_draws(streams: &Streams, id: StreamId) -> Numbered {
    Numbered::new(streams, id, OWN + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::fake::Fake;
    use crate::redis::keyspace::ClassMap;
    use crate::redis::plan::GroupPlan;
    use crate::redis::version::Version;
    use crate::scenario::resolve::{Overrides, resolve};

    #[test]
    fn every_command_has_the_bytes_that_the_simulator_counts() {
        let fake = Fake::usual();
        let mut control = Control::connect(&fake.address()).expect("it is there");
        for command in [
            "PING",
            "GET",
            "SET",
            "SET EX 60",
            "SET NX PX 1500",
            "SET KEEPTTL",
            "DEL 2",
            "UNLINK",
            "INCR",
            "INCRBY",
            "APPEND",
            "MSET 3",
            "MGET 10",
            "HSET 3",
            "LPUSH 2",
            "RPUSH",
            "SADD 2",
            "ZADD 2",
            "EXPIRE 60",
            "XADD",
            "XADD MAXLEN ~ 1000 2",
            "XTRIM MAXLEN = 10",
            "EVALSHA INCR EXPIRE",
            "EVALSHA SET",
            "EVALSHA HSET EXPIRE 7",
            "EVALSHA XADD",
        ] {
            let text = format!(
                "[dataset]\nkeys = 100\nkey-size = \"20B\"\nvalue-size = \"12B\"\n[[workload]]\nloop = \"open\"\n\
                 rate = \"1/s\"\noperation = \"{command}\"\n"
            );
            let scenario = resolve(&text, "t.toml", ".".as_ref(), &Overrides::default()).expect("sound");
            let (group, streams) = (&scenario.workloads[0], Streams::new(1, 0));
            let mut own =
                Renderer::new(group, 0, &scenario.dataset, "", &streams, &mut control).expect("it answers");
            let mut out = Vec::new();
            own.render(5, &mut out);
            let (version, machine) = (Version::redis(7, 2), crate::models::blank("blank"));
            let plan = GroupPlan::new(group, 0, ClassMap::InOrder, version, &machine, &streams, 0.0);
            let counted = plan.mean_request_bytes();
            assert_eq!(out.len() as f64, counted, "{command}: {}", String::from_utf8_lossy(&out));
        }
    }

    #[test]
    fn values_have_their_size_differ_and_are_numbers_where_they_are_counted() {
        let values = Values::new(&Streams::new(1, 0));
        let value = |n, size, counts| {
            let mut cmd = Cmd::new();
            values.push(n, size, counts, &mut cmd);
            match cmd.args_iter().next() {
                Some(redis::Arg::Simple(bytes)) => bytes.to_vec(),
                _ => panic!("there is a value"),
            }
        };
        assert_eq!((value(1, 100, false).len(), value(1, 3 << 20, false).len()), (100, 3 << 20));
        assert_ne!(value(1, 100, false), value(2, 100, false));
        assert_eq!(value(1, 4, true), b"1111");
    }
}
