//! Tracks for slices that may overlap: each goes to the first that is free.

use super::event::{Args, Event, Track};
use super::output::Outlet;
use crate::units::Nanos;

/// Tracks of one kind.
#[derive(Clone, Debug)]
pub struct Lanes {
    name: &'static str,
    first: Track,
    /// Until when each is taken.
    ends: Vec<Nanos>,
}

impl Lanes {
    /// Tracks from `first` on, of which none is there yet.
    pub fn new(name: &'static str, first: Track) -> Self {
        Lanes { name, first, ends: Vec::new() }
    }

    /// The track of a slice from `at` to `end`, which is taken until then.
    pub fn place(&mut self, at: Nanos, end: Nanos, out: &mut dyn Outlet) -> Track {
        let free = self.ends.iter().position(|&taken| taken <= at);
        let lane = free.unwrap_or(self.ends.len());
        let track = Track { thread: self.first.thread + lane as u32, ..self.first };
        if free.is_none() {
            let name = match lane {
                0 => self.name.to_owned(),
                lane => format!("{} ({})", self.name, lane + 1),
            };
            out.put(&Event::Thread { track, name: &name });
            self.ends.push(end);
        }
        self.ends[lane] = end;
        track
    }

    /// Writes a slice on the first free track, as far as it is traced.
    pub fn slice(&mut self, at: Nanos, end: Nanos, name: &str, args: Args, out: &mut dyn Outlet) {
        let Some((at, end)) = out.plan().within(at, end) else { return };
        let track = self.place(at, end, out);
        out.put(&Event::Slice { track, at, span: end - at, name, args });
    }
}
