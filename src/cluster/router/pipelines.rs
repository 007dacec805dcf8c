//! Libraries that wait for all nodes before they follow a redirect within a pipeline.
//!
//! go-redis then sends what was redirected together, redis-py one command after the other (`client/passes.rs`). Nodes
//! tell of each answered command while redirects are possible. Of a pipeline that was meant before that began, not all
//! answers are known: its redirected commands are taken to have waited long enough.

use std::collections::VecDeque;

use super::super::router::{ClientTask, Node, Router};
use super::fetches::Waits;
use super::flights::Flight;
use super::known;
use crate::client::group::Unit;
use crate::client::libraries::{Asking, Pipelining};
use crate::client::redirect::{Then, To, When};
use crate::units::Nanos;

/// A pipeline: its group and its number there.
pub(super) type Split = (u16, u64);

/// A command that waits: its number, its place among the flights, and how it goes on.
type Held = (u64, u32, To, Asking);

/// A pipeline of which not all commands have ended.
#[derive(Debug, Default)]
pub(super) struct Write {
    /// Commands on their way.
    outstanding: u32,
    /// Commands that wait for the others, by number.
    held: Vec<Held>,
    /// Of those that go one after the other: the rest.
    queue: VecDeque<Held>,
    /// Passes so far.
    passes: u8,
    /// When the last reply so far was read.
    at: Nanos,
}

impl Router {
    /// The library waits for all nodes of a pipeline.
    pub(in crate::cluster) fn waits_for_all(&self) -> bool {
        matches!(self.profile.pipelining, Pipelining::Passes | Pipelining::OneByOne)
            && self.groups.iter().any(|group| group.pipeline > 1)
    }

    /// Nodes tell of every command that is meant after `now`.
    pub(in crate::cluster) fn told_from(&mut self, now: Nanos) {
        self.told_from = now;
        self.writes.clear();
    }

    fn split_of(&self, group: u16, number: u64) -> Option<Split> {
        let pipeline = self.groups[group as usize].pipeline;
        let waits = matches!(self.profile.pipelining, Pipelining::Passes | Pipelining::OneByOne);
        (waits && pipeline > 1).then(|| (group, number / u64::from(pipeline)))
    }

    fn write_of(&mut self, split: Split, arrived_at: Nanos) -> &mut Write {
        let known = arrived_at >= self.told_from;
        let outstanding = if known { self.groups[split.0 as usize].pipeline } else { 0 };
        self.writes.entry(split).or_insert_with(|| Write { outstanding, ..Write::default() })
    }

    /// A node has answered a command that was not redirected; a client begins to read so at `read_at`.
    pub(in crate::cluster) fn answered(&mut self, unit: &Unit, read_at: Nanos) {
        let Some(split) = self.split_of(unit.group, unit.first) else { return };
        if unit.arrived_at >= self.told_from {
            let at = read_at + self.groups[unit.group as usize].per_reply;
            let write = self.write_of(split, unit.arrived_at);
            write.outstanding -= 1;
            write.at = write.at.max(at);
            self.look_at(split, at);
        }
    }

    /// A command that was redirected waits until no other of its pipeline is on its way.
    pub(super) fn hold(&mut self, place: u32, to: To, asking: Asking, now: Nanos) {
        let Some(flight) = self.flights.peek(place) else { return };
        let (group, number, arrived_at) = (flight.group, flight.number, flight.arrived_at);
        let Some(split) = self.split_of(group, number) else { return };
        let write = self.write_of(split, arrived_at);
        write.outstanding = write.outstanding.saturating_sub(1);
        write.at = write.at.max(now);
        let order = write.held.partition_point(|held| held.0 < number);
        write.held.insert(order, (number, place, to, asking));
        self.look_at(split, now);
    }

    /// A command that was redirected has its reply, or its caller an error, at `at`.
    pub(super) fn ended(&mut self, flight: &Flight, at: Nanos) {
        let Some(split) = self.split_of(flight.group, flight.number) else { return };
        let write = self.write_of(split, flight.arrived_at);
        write.outstanding = write.outstanding.saturating_sub(1);
        write.at = write.at.max(at);
        if let Some((_, place, to, asking)) = write.queue.pop_front() {
            let then = Then::Send { to, asking, when: When::At(at) };
            return self.todo.push((at, ClientTask::Go(place, then)));
        }
        self.look_at(split, at);
    }

    fn look_at(&mut self, split: Split, now: Nanos) {
        let Some(write) = self.writes.get(&split) else { return };
        if write.outstanding > 0 {
            return;
        }
        match write.held.is_empty() {
            true => drop(self.writes.remove(&split)),
            false => self.todo.push((write.at.max(now), ClientTask::PassOver(split))),
        }
    }

    /// No command of a pipeline is on its way: those that wait go, after what the library does first.
    pub(super) fn pass_over(&mut self, split: Split, now: Nanos, nodes: &mut [Node]) {
        let Some(write) = self.writes.get_mut(&split) else { return };
        let Some(place) = write.held.first().map(|held| held.1) else { return };
        write.passes = write.passes.saturating_add(1);
        let passes = write.passes;
        let process = self.flights.peek(place).map_or(0, |flight| flight.process);
        let pass = self.profile.pass_over(self.maps.memory(process), passes, now, &mut self.draws);
        match pass.refresh {
            Some(refresh) => {
                let waits = Waits::Pipeline(split);
                self.fetch(process, refresh.source, 0, waits, (pass.at, now), nodes);
            }
            None => self.run_held(split, pass.at, nodes),
        }
    }

    /// The commands of a pipeline that wait go at `at`: together, or the first of them.
    pub(super) fn run_held(&mut self, split: Split, at: Nanos, nodes: &mut [Node]) {
        let Some(write) = self.writes.get_mut(&split) else { return };
        let held = std::mem::take(&mut write.held);
        write.outstanding += held.len() as u32;
        let first = if self.profile.pipelining == Pipelining::OneByOne { 1 } else { held.len() };
        write.queue.extend(&held[first.min(held.len())..]);
        let mut led = Vec::new();
        for &(_, place, to, asking) in &held[..first.min(held.len())] {
            let Some(flight) = self.flights.at(place) else { continue };
            let node = match to {
                To::Node(node) => node as usize,
                To::Mapped => known(self.maps.owner(flight.process, flight.slot), flight.slot, nodes.len()),
            };
            flight.attempt.leads = !led.contains(&node);
            led.push(node);
            let then = Then::Send { to, asking, when: When::At(at) };
            self.todo.push((at, ClientTask::Go(place, then)));
        }
    }
}
