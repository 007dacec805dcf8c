//! The child's track: fork, writing, and the time until the parent notices its end.

use super::event::{Event, Value};
use super::lanes::Lanes;
use super::output::Outlet;
use crate::redis::child::Child;
use crate::redis::server::Server;
use crate::units::Nanos;

/// The track.
pub struct ChildTrack {
    lanes: Lanes,
    /// The child as it was last seen.
    living: Option<Seen>,
}

/// What is told of a child.
struct Seen {
    kind: &'static str,
    trigger: String,
    start: Nanos,
    fork: Nanos,
    /// When it stops taking what the parent writes meanwhile (3.0 to 6.2); `NEVER` otherwise.
    stops_streaming_at: Nanos,
    exits_at: Nanos,
    file_bytes: u64,
}

impl ChildTrack {
    /// No child has lived.
    pub fn new(lanes: Lanes) -> Self {
        ChildTrack { lanes, living: None }
    }

    /// Looks at the child of `server`.
    pub fn turned(&mut self, server: &Server, out: &mut dyn Outlet) {
        let is_same = match (&self.living, &server.child) {
            (Some(seen), Some(child)) => seen.start == child.start,
            (None, None) => return,
            _ => false,
        };
        if !is_same {
            self.close(server, out);
            self.living = server.child.as_ref().map(Seen::of);
        }
        if let (Some(seen), Some(child)) = (&mut self.living, &server.child) {
            seen.exits_at = child.exits_at;
            seen.file_bytes = child.file_bytes;
        }
    }

    /// Writes the child that was seen last, whose end was noticed by now, or which lives on after the run.
    pub fn close(&mut self, server: &Server, out: &mut dyn Outlet) {
        let Some(seen) = self.living.take() else { return };
        let row = server.children.iter().rev().find(|row| row.start == seen.start);
        let lives = server.child.as_ref().is_some_and(|child| child.start == seen.start);
        let end = row.map_or(server.main.now, |row| row.start + row.fork + row.duration);
        let outcome = match row {
            Some(row) if row.ok => "done",
            Some(_) => "failed",
            None if lives => "lives on",
            None => "lost with its parent",
        };
        let mut args = vec![
            ("trigger", Value::Text(&seen.trigger)),
            ("outcome", Value::Text(outcome)),
            ("file_bytes", Value::Int(seen.file_bytes)),
        ];
        if let Some(row) = row {
            args.push(("cow_bytes", Value::Int(row.cow_bytes)));
            args.push(("written_meanwhile_bytes", Value::Int(row.written_meanwhile_bytes)));
        }
        let Some((from, until)) = out.plan().within(seen.start, end) else { return };
        let track = self.lanes.place(from, until, out);
        let mut slice = |at: Nanos, end: Nanos, name: &str, args: &[(&str, Value)]| {
            if let Some((at, end)) = out.plan().within(at, end) {
                out.put(&Event::Slice { track, at, span: end - at, name, args });
            }
        };
        slice(seen.start, end, seen.kind, &args);
        let forked = (seen.start + seen.fork).min(end);
        let exits = seen.exits_at.clamp(forked, end);
        let written = seen.stops_streaming_at.clamp(forked, exits);
        slice(seen.start, forked, "fork", &[]);
        slice(forked, written, "writes its file", &[]);
        slice(written, exits, "writes what came meanwhile", &[]);
        slice(exits, end, "has ended, not yet noticed", &[]);
    }
}

impl Seen {
    fn of(child: &Child) -> Seen {
        Seen {
            kind: child.kind.name(),
            trigger: child.trigger.clone(),
            start: child.start,
            fork: child.fork,
            stops_streaming_at: child.stops_streaming_at,
            exits_at: child.exits_at,
            file_bytes: child.file_bytes,
        }
    }
}
