//! Executing stream commands: what one costs, adds and answers depends on what its stream holds.
//!
//! Copy-on-write: XADD writes to the tail node and the stream's header, and to nothing else; a node begun after the
//! fork is not shared. Exact trimming and XDEL write to the head node, XREADGROUP and XACK to the header and among the
//! pending entries.

use super::command::{Command, CommandKind};
use super::plan::{Entry, GroupPlan};
use super::profile::Profile;
use super::resp::digits;
use super::server::Server;
use super::stream_command::{NIL_ARRAY, TRANSACTION, Trim, delivery, wraps};
use super::streams::Moved;
use super::work::Work;
use crate::rng::Uniform;
use crate::units::Nanos;

/// Classes of pages a class of streams has: tails, headers, full nodes, pending entries.
const PAGE_KINDS: usize = 4;
/// Bytes of an integer reply beyond its digits.
const INTEGER: u64 = 3;

/// What a stream command needs to know when it runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct StreamOp {
    kind: CommandKind,
    /// Entries to read, ids.
    count: u64,
    trim: Option<Trim>,
    /// Its group.
    group: usize,
    key_size: u64,
}

/// What one run did.
#[derive(Default)]
struct Outcome {
    cpu: Nanos,
    reply: u64,
    /// Commands propagated, and their bytes.
    commands: u32,
    bytes: u64,
    dirty: u64,
}

impl StreamOp {
    /// That of `command` of the group number `group`; none for commands on other types.
    pub(super) fn of(command: &Command, group: usize, key_size: u32) -> Option<Self> {
        command.kind.is_stream().then(|| StreamOp {
            kind: command.kind,
            count: u64::from(command.elements),
            trim: command.trim,
            group,
            key_size: u64::from(key_size),
        })
    }
}

impl Server {
    /// Executes the stream command `op`, number `n` of its group, whose value has `size` bytes, `value` with its frame.
    pub(super) fn execute_stream(
        &mut self,
        plan: &GroupPlan,
        entry: &Entry,
        op: &StreamOp,
        n: u64,
        (size, value): (u64, u64),
        work: &mut Work,
    ) {
        let Some(streams) = self.streams.as_mut() else { return };
        let Some(map) = &streams.maps[op.group] else { return };
        let class = streams.keyspace.draw_class(map, n, &mut plan.keys.of(n));
        let mut draws = streams.draws[op.group].of(n);
        let outcome = match (op.kind, op.trim) {
            (CommandKind::Xadd, trim) => {
                let moved = streams.add(class, trim, draws.unit());
                self.share_pages_of_an_entry(class, moved, work);
                Outcome {
                    cpu: entry.profile.cpu + entry.per_byte.of(size) + self.trimming(moved),
                    reply: entry.profile.reply_fixed,
                    commands: 1,
                    bytes: logged(&entry.profile, value),
                    dirty: 1,
                }
            }
            (CommandKind::Xreadgroup, _) => self.read_group(entry, op, class, draws.unit(), work),
            (CommandKind::Xack, _) => {
                let acknowledged = streams.acknowledge(class, op.count, draws.unit());
                self.share_updated_pages(class, acknowledged, work);
                self.removal(entry, acknowledged, Moved::default())
            }
            (CommandKind::Xtrim, Some(trim)) => {
                let moved = streams.trim(class, trim);
                self.share_pages_of_the_head(class, moved, work);
                self.removal(entry, moved.removed, moved)
            }
            _ => {
                let moved = streams.delete(class, op.count, draws.unit());
                self.share_pages_of_the_head(class, moved, work);
                self.removal(entry, moved.removed, moved)
            }
        };
        work.cpu += outcome.cpu;
        work.reply_bytes += outcome.reply;
        if outcome.commands == 0 {
            return;
        }
        work.changed += 1;
        work.dirty += outcome.dirty;
        if self.config.appendonly {
            let append = plan.append_cost(outcome.commands, outcome.bytes);
            work.aof_bytes += outcome.bytes;
            work.append += append;
            work.cpu += append;
        }
    }

    /// XREADGROUP: an XCLAIM is propagated for each entry delivered.
    fn read_group(&mut self, entry: &Entry, op: &StreamOp, class: usize, u: f64, work: &mut Work) -> Outcome {
        let Some(streams) = self.streams.as_mut() else { return Outcome::default() };
        let shape = streams.shape;
        let delivered = streams.deliver(class, op.count, u);
        if delivered == 0 {
            return Outcome { cpu: self.prices.cpu.xread, reply: NIL_ARRAY, ..Outcome::default() };
        }
        self.share_updated_pages(class, delivered, work);
        let values = delivered * shape.fields * shape.value;
        let wrapped = delivered > 1 && wraps(self.config.version);
        let cpu = &self.prices.cpu;
        Outcome {
            cpu: cpu.xread
                + delivered * cpu.xread_entry
                + (values as f64 / 1024.0 * cpu.per_kib).round() as Nanos,
            reply: delivery(op.key_size, delivered, shape.fields, shape.value),
            commands: (delivered + if wrapped { 2 } else { 0 }) as u32,
            bytes: delivered * entry.profile.aof_fixed + if wrapped { TRANSACTION } else { 0 },
            dirty: 1,
        }
    }

    /// XACK, XDEL or XTRIM that removed `removed` entries: logged as it came if there were any.
    fn removal(&self, entry: &Entry, removed: u64, moved: Moved) -> Outcome {
        let outcome = Outcome {
            cpu: entry.profile.cpu + self.trimming(moved),
            reply: INTEGER + digits(removed),
            ..Outcome::default()
        };
        if removed == 0 {
            return outcome;
        }
        Outcome { commands: 1, bytes: entry.profile.aof_fixed, dirty: removed, ..outcome }
    }

    /// Main-thread time of walking over entries and freeing nodes.
    fn trimming(&self, moved: Moved) -> Nanos {
        moved.walked * self.prices.cpu.stream_trim_entry
    }

    /// Number of the first page class of streams of `class`.
    fn stream_pages(&self, class: usize) -> usize {
        self.keyspace.classes() + PAGE_KINDS * class
    }

    /// Pages an XADD writes to: header and tail, unless the tail is new; head node when it marks entries there.
    fn share_pages_of_an_entry(&mut self, class: usize, moved: Moved, work: &mut Work) {
        if !self.cow.is_active() {
            return;
        }
        let pages = self.stream_pages(class);
        if moved.began {
            self.cow.replace(pages, 1.0);
        } else {
            work.cow += self.cow.touch(pages, 1.0);
        }
        work.cow += self.cow.touch(pages + 1, 1.0);
        self.share_pages_of_the_head(class, moved, work);
    }

    /// Pages that marking entries writes to: a head node is met once and then marked to its end.
    fn share_pages_of_the_head(&mut self, class: usize, moved: Moved, work: &mut Work) {
        let Some(streams) = &self.streams else { return };
        if self.cow.is_active() && moved.marked > 0 {
            let nodes = moved.marked as f64 / streams.shape.capacity as f64;
            work.cow += self.cow.touch(self.stream_pages(class) + 2, nodes);
        }
    }

    /// Pages of `entries` pending entries that come or go, and of the header.
    fn share_updated_pages(&mut self, class: usize, entries: u64, work: &mut Work) {
        if self.cow.is_active() && entries > 0 {
            let pages = self.stream_pages(class) + 1;
            work.cow += self.cow.touch(pages, 1.0);
            work.cow += self.cow.touch(pages + 2, entries as f64);
        }
    }

    /// Keys of all types.
    pub fn keys(&self) -> u64 {
        self.keyspace.keys() + self.streams.as_ref().map_or(0, |streams| streams.keys())
    }

    /// Bytes of all streams.
    pub fn stream_bytes(&self) -> u64 {
        self.streams.as_ref().map_or(0, |streams| streams.bytes(self.config.version))
    }
}

/// Bytes of an XADD in the AOF.
fn logged(profile: &Profile, value: u64) -> u64 {
    profile.aof_fixed + u64::from(profile.aof_values) * value
}
