//! A node of a cluster that is away for so long that the others may replace it: a frozen or dead process.
//!
//! A server alone takes such a span at once, since nothing can shorten it. In a cluster a replica may take over before
//! it ends, so the node waits here, as it does in MIGRATE, until the world lets it go on. Shorter spans are taken at
//! once.
//!
//! A process that dies resets its connections, and whoever connects later is refused at once; a frozen process or a
//! dead machine says nothing, and its clients know when their connections break, at the end. Left out: time-outs of
//! clients' sockets.

use super::member::{Asker, Told};
use super::run::Simulation;
use super::turn::Probe;
use crate::cause::Cause;
use crate::redis::cluster_call::{Answer, ReplyError};
use crate::scenario::replicas::ReplicaAction;
use crate::units::Nanos;

/// Why a node says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// Its process stands still.
    Freeze,
    /// Its process is dead, or its machine.
    Crash {
        /// The machine.
        machine: bool,
    },
}

/// A node that says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Silence {
    pub(crate) why: Why,
    pub(crate) since: Nanos,
    /// When it comes back by itself.
    pub(crate) until: Nanos,
}

impl<P: Probe> Simulation<P> {
    /// The node falls silent for `span`, if it is one and the others could mind; false: the span is to be taken here.
    pub(super) fn falls_silent(&mut self, why: Why, span: Nanos) -> bool {
        let since = self.server.main.now;
        let Some(member) = self.member.as_mut().filter(|member| span > member.silence_from) else {
            return false;
        };
        let silence = Silence { why, since, until: since.saturating_add(span) };
        member.silent = Some(silence);
        member.told.push(Told::Silent(silence));
        if let Why::Crash { machine } = why {
            self.server.cut_replicas();
            if !machine {
                self.refuse_clients(0);
            }
        }
        true
    }

    /// Who connects to a dead process is refused, up to `at`.
    pub(crate) fn refuse_arrivals(&mut self, at: Nanos) {
        for index in 0..self.groups.len() {
            while self.groups[index].next_readable_at() < at {
                let unit = self.groups[index].take();
                self.refuse(unit, unit.readable_at);
            }
        }
    }

    /// The silent node goes on at `at`, as its own process.
    pub(crate) fn come_back(&mut self, at: Nanos) {
        let Some(silence) = self.seat().silent.take() else { return };
        let span = at.saturating_sub(self.server.main.now);
        match silence.why {
            Why::Freeze => self.server.main.block(Cause::Freeze, span, String::new),
            Why::Crash { machine } => self.crash_now(machine, span),
        }
        self.update_special();
    }

    /// The replica number `replica` takes the node's place at `at`; returns the acknowledged writes that it has not.
    pub(crate) fn take_over(&mut self, at: Nanos, replica: usize) -> u64 {
        let silence = self.seat().silent.take();
        let span = at.saturating_sub(self.server.main.now);
        match silence.map(|silence| silence.why) {
            Some(Why::Freeze) => self.server.main.block(Cause::Freeze, span, String::new),
            Some(Why::Crash { machine }) => {
                let kind = if machine { "machine" } else { "process" };
                self.server.main.blocks.note(self.server.main.now, "crash", format!("{kind} death"));
                self.server.main.block(Cause::Restart, span, String::new);
            }
            None => {}
        }
        let before = self.server.replication.failovers.len();
        self.server.act_on_replicas(ReplicaAction::Failover { to: Some(replica), outage: 0 });
        let row = self.server.replication.failovers.get(before);
        let lost = row.map_or(0, |row| row.acknowledged_writes_lost);
        if row.is_some() {
            self.server.succeed();
            if silence.is_some() {
                // The old one follows when it is back.
                self.server.act_on_replicas(ReplicaAction::Stop(replica));
            }
        }
        self.refuse_clients(0);
        self.break_calls();
        self.update_special();
        lost
    }

    /// The old primary is back and follows in the place of replica number `replica`.
    pub(crate) fn old_primary_returns(&mut self, replica: usize) {
        self.server.act_on_replicas(ReplicaAction::Start(replica));
        self.update_special();
    }

    /// redis-cli's connection breaks under what it has asked.
    fn break_calls(&mut self) {
        let now = self.server.main.now;
        let member = self.seat();
        let there_at = now + member.link_delay;
        for call in std::mem::take(&mut member.calls) {
            match call.1 {
                Asker::Cli(_) => {
                    let answer = Answer::Error(ReplyError::IoError);
                    member.told.push(Told::Answer(call.1, answer, there_at));
                }
                Asker::Node(_) | Asker::Client(_) => member.calls.push_back(call),
            }
        }
        self.look_at_calls();
    }
}
