//! What commands add up to: times, bytes and counts of a turn.

use crate::units::Nanos;

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
    /// Commands refused with NOREPLICAS.
    pub noreplicas: u64,
    /// Bytes for replicas.
    pub repl_bytes: u64,
    /// CPU time a replica takes to apply them \[ns\].
    pub repl_work: Nanos,
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

impl Answered {
    /// Adds others.
    #[inline(always)]
    pub fn add(&mut self, other: Answered) {
        self.reads += other.reads;
        self.writes += other.writes;
        self.errors += other.errors;
    }
}

impl Work {
    /// That of `turns` turns like this.
    #[inline]
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
            noreplicas: self.noreplicas * turns,
            repl_bytes: self.repl_bytes * turns,
            repl_work: self.repl_work * turns,
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
        self.noreplicas += other.noreplicas;
        self.repl_bytes += other.repl_bytes;
        self.repl_work += other.repl_work;
    }
}
