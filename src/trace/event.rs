//! What a trace is made of, whatever format it is written in.

use crate::units::Nanos;

/// A row of a trace: a thread of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Track {
    /// Number of the process, from 1.
    pub process: u32,
    /// Number of the thread in it, from 1.
    pub thread: u32,
}

/// A value beside a slice, or of a counter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// A whole number.
    Int(u64),
    /// A finite number.
    Real(f64),
    /// Text.
    Text(&'a str),
}

/// Values beside a slice, by name.
pub type Args<'a> = &'a [(&'a str, Value<'a>)];

/// One thing in a trace. Times are simulated \[ns\].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event<'a> {
    /// The name of a process.
    Process {
        /// Its number.
        process: u32,
        /// Its name.
        name: &'a str,
    },
    /// The name of a track; tracks stand in the order of their numbers.
    Thread {
        /// The track.
        track: Track,
        /// Its name.
        name: &'a str,
    },
    /// Something that lasted. Slices of one track either hold one another or lie apart; the one outside comes first.
    Slice {
        /// Where it stands.
        track: Track,
        /// Start.
        at: Nanos,
        /// Length.
        span: Nanos,
        /// Name.
        name: &'a str,
        /// More.
        args: Args<'a>,
    },
    /// A counter's new value.
    Counter {
        /// The process it belongs to.
        process: u32,
        /// From when.
        at: Nanos,
        /// Name, where INFO has one that of INFO.
        name: &'a str,
        /// Unit of the value (`bytes`, `keys`, `share` …).
        unit: &'a str,
        /// The value.
        value: Value<'a>,
    },
    /// A change of state.
    Instant {
        /// Where it stands.
        track: Track,
        /// When.
        at: Nanos,
        /// What changed.
        name: &'a str,
        /// More.
        args: Args<'a>,
    },
    /// From the slice on one track to that on another.
    Arrow {
        /// Unique number.
        id: u64,
        /// Track, and a time within the slice.
        from: (Track, Nanos),
        /// The same, not earlier.
        to: (Track, Nanos),
    },
}

/// Takes events as they are found.
pub trait Sink {
    /// Takes one.
    fn take(&mut self, event: &Event);
    /// Bytes that all so far fill, before compression.
    fn bytes(&self) -> u64;
}
