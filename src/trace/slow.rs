//! The slowest requests of each window: what they waited for, phase by phase, with an arrow from the hold of the main thread
//! that cost them the most.

use std::collections::VecDeque;

use super::event::{Event, Track, Value};
use super::lanes::Lanes;
use super::output::Outlet;
use crate::cause::Cause;
use crate::sim::Replied;
use crate::units::Nanos;

/// Holds that are remembered.
const STALLS: usize = 64;
/// An arrow is drawn from a hold that took at least this part of the request's time in the server.
const HELD_UP: u64 = 4;

/// The longest hold of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stall {
    /// Start.
    pub at: Nanos,
    /// End.
    pub end: Nanos,
    /// What for.
    pub cause: Cause,
    /// It has a slice of its own.
    pub is_shown: bool,
}

impl Stall {
    fn span(&self) -> Nanos {
        self.end - self.at
    }
}

/// Their tracks.
pub struct SlowRequests {
    lanes: Lanes,
    main: Track,
    groups: Vec<String>,
    window_ends: Nanos,
    /// The slowest of this window, slowest first, each with its hold.
    slowest: Vec<(Replied, Option<Stall>)>,
    /// Those of this turn that may be among them.
    fresh: Vec<Replied>,
    /// Holds, each longer than all after it: the first that ended after a time is the longest of those that did.
    stalls: VecDeque<Stall>,
}

fn sojourn(seen: &Replied) -> Nanos {
    seen.read_at - seen.arrived_at
}

impl SlowRequests {
    /// No request yet. `main` is the track of the thread that serves them, `groups` the names of their groups.
    pub fn new(first: Track, main: Track, groups: Vec<String>, out: &dyn Outlet) -> Self {
        SlowRequests {
            lanes: Lanes::new("slowest requests", first),
            main,
            groups,
            window_ends: out.plan().from + out.plan().window,
            slowest: Vec::new(),
            fresh: Vec::new(),
            stalls: VecDeque::new(),
        }
    }

    /// A request has been answered.
    #[inline]
    pub fn replied(&mut self, seen: &Replied, out: &dyn Outlet) {
        let most = out.plan().slowest;
        let is_full = self.slowest.len() >= most;
        let beats = |other: &(Replied, Option<Stall>)| sojourn(seen) > sojourn(&other.0);
        if is_full && !self.slowest.last().is_some_and(beats) || !out.plan().holds(seen.sent_at) {
            return;
        }
        let place = self.fresh.partition_point(|other| sojourn(other) >= sojourn(seen));
        if place < most {
            self.fresh.insert(place, *seen);
            self.fresh.truncate(most);
        }
    }

    /// A turn that ends at `now` is over; `stall` was its longest hold.
    pub fn turned(&mut self, stall: Option<Stall>, now: Nanos, resolution: Nanos, out: &mut dyn Outlet) {
        if let Some(stall) = stall {
            while self.stalls.back().is_some_and(|other| other.span() <= stall.span()) {
                self.stalls.pop_back();
            }
            if self.stalls.len() == STALLS {
                self.stalls.pop_front();
            }
            self.stalls.push_back(stall);
        }
        for seen in std::mem::take(&mut self.fresh) {
            let place = self.slowest.partition_point(|other| sojourn(&other.0) >= sojourn(&seen));
            self.slowest.insert(place, (seen, self.held_up(&seen)));
            self.slowest.truncate(out.plan().slowest);
        }
        if now >= self.window_ends {
            self.close(out);
            let window = out.plan().window.max(resolution);
            self.window_ends = now - now % window + window;
        }
    }

    /// The hold that cost a request the most, if that was much.
    fn held_up(&self, seen: &Replied) -> Option<Stall> {
        let later = self.stalls.partition_point(|stall| stall.end <= seen.readable_at);
        let stall = *self.stalls.get(later)?;
        let (at, end) = (stall.at.max(seen.readable_at), stall.end.min(seen.sent_at));
        let held = end.saturating_sub(at);
        (held > 0 && held * HELD_UP >= seen.sent_at - seen.readable_at).then_some(stall)
    }

    /// Writes the slowest of the window that is over.
    pub fn close(&mut self, out: &mut dyn Outlet) {
        let mut slowest = std::mem::take(&mut self.slowest);
        slowest.sort_by_key(|(seen, _)| (seen.arrived_at, seen.read_at));
        for (seen, stall) in &slowest {
            self.show(seen, *stall, out);
        }
    }

    fn show(&mut self, seen: &Replied, stall: Option<Stall>, out: &mut dyn Outlet) {
        let track = self.lanes.place(seen.arrived_at, seen.read_at, out);
        let mut args = vec![
            ("group", Value::Text(&self.groups[seen.group as usize])),
            ("connection", Value::Int(seen.connection.into())),
            ("commands", Value::Int(seen.commands.into())),
            ("sojourn_ns", Value::Int(sojourn(seen))),
        ];
        if let Some(stall) = stall {
            args.push(("held_up_by", Value::Text(stall.cause.name())));
            args.push(("hold_ns", Value::Int(stall.span())));
        }
        let (at, span) = (seen.arrived_at, sojourn(seen));
        out.put(&Event::Slice { track, at, span, name: "request", args: &args });
        let phases = [
            ("network in", seen.readable_at),
            ("waits for the event loop", seen.polled_at),
            ("executed with its turn", seen.executed_at),
            ("timers and AOF flush", seen.flushed_at),
            ("replies", seen.sent_at),
            ("network out and client", seen.read_at),
        ];
        let mut begins = at;
        for (name, ends) in phases {
            let ends = ends.clamp(begins, seen.read_at);
            if ends > begins {
                out.put(&Event::Slice { track, at: begins, span: ends - begins, name, args: &[] });
            }
            begins = ends;
        }
        if let Some(stall) = stall.filter(|stall| stall.is_shown) {
            let to = stall.end.clamp(seen.readable_at, seen.sent_at).min(seen.read_at - 1);
            let id = out.next_arrow();
            out.put(&Event::Arrow { id, from: (self.main, stall.at), to: (track, to) });
        }
    }
}
