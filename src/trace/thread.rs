//! The main thread's track: turns of the event loop and, inside them, what they were spent on.
//!
//! A turn at least as long as the resolution is shown by itself, with each cause where it stood; in it, shorter pieces
//! between longer ones are laid end to end by cause. Shorter turns are merged into one slice, from the start of the first
//! to the end of the last, with their causes laid end to end from its start. So, at any resolution, the slices of a
//! cause add up to the time the thread spent on it, to the nanosecond.

use super::event::{Event, Track, Value};
use super::output::{Mark, Outlet};
use super::slow::Stall;
use crate::cause::Cause;
use crate::observe::journal::{Charge, Journal};
use crate::units::Nanos;

/// Merged turns between two looks at how much has been written.
const PACED_EVERY: u64 = 8;

/// The track.
pub struct MainTrack {
    track: Track,
    /// Turns shorter than this are merged \[ns\].
    resolution: Nanos,
    /// When it was last looked at whether that is fine enough, and when it will be again.
    mark: Mark,
    paced_at: Nanos,
    piece: Piece,
    spans: Vec<Span>,
}

/// Time on one account without a break.
#[derive(Clone, Copy, Debug)]
struct Span {
    at: Nanos,
    end: Nanos,
    cause: Cause,
    /// Place of its detail in the journal.
    detail: Option<usize>,
}

/// Turns merged so far.
struct Piece {
    from: Nanos,
    until: Nanos,
    turns: u64,
    commands: u64,
    longest: Nanos,
    busy: [Nanos; Cause::COUNT],
}

impl Piece {
    const EMPTY: Piece =
        Piece { from: 0, until: 0, turns: 0, commands: 0, longest: 0, busy: [0; Cause::COUNT] };
}

impl MainTrack {
    /// The track of a thread that has done nothing yet.
    pub fn new(track: Track, out: &mut dyn Outlet) -> Self {
        out.put(&Event::Thread { track, name: "event loop" });
        let resolution = out.plan().finest;
        MainTrack {
            track,
            resolution,
            mark: Mark::default(),
            paced_at: 0,
            piece: Piece::EMPTY,
            spans: Vec::new(),
        }
    }

    /// Turns shorter than this are merged now \[ns\].
    pub fn resolution(&self) -> Nanos {
        self.resolution
    }

    /// Takes what happened since the last look, the end of which is `now`; the turn answered `commands`. Returns the
    /// longest hold.
    pub fn turned(
        &mut self,
        journal: &Journal,
        commands: u64,
        now: Nanos,
        out: &mut dyn Outlet,
    ) -> Option<Stall> {
        let (first, last) = (journal.charges.first()?, journal.charges.last()?);
        let (from, until) = (first.at, last.at + last.span);
        let plan = out.plan();
        if until <= plan.from || from >= plan.until {
            return None;
        }
        let longest = longest(&journal.charges)?;
        let busy: Nanos = journal.charges.iter().map(|charge| charge.span).sum();
        let is_whole = from >= plan.from && until <= plan.until && busy == until - from;
        if is_whole && busy < self.resolution {
            self.merge(from, until, commands, &journal.charges, out);
        } else {
            self.gather(&journal.charges, &journal.details, out);
            self.show_all(journal, commands, out);
        }
        let is_shown = longest.span >= self.resolution && out.plan().holds(longest.at);
        if now >= self.paced_at {
            self.pace(now, out);
        }
        Some(Stall { at: longest.at, end: longest.at + longest.span, cause: longest.cause, is_shown })
    }

    /// The run is over.
    pub fn ended(&mut self, out: &mut dyn Outlet) {
        self.close(out);
    }

    /// Adds a short turn to those merged.
    fn merge(&mut self, from: Nanos, until: Nanos, commands: u64, charges: &[Charge], out: &mut dyn Outlet) {
        let length = out.plan().piece.max(self.resolution);
        if self.piece.turns > 0 && from / length != self.piece.from / length {
            self.close(out);
        }
        let piece = &mut self.piece;
        if piece.turns == 0 {
            piece.from = from;
        }
        piece.until = until;
        piece.turns += 1;
        piece.commands += commands;
        piece.longest = piece.longest.max(until - from);
        for charge in charges {
            piece.busy[charge.cause as usize] += charge.span;
        }
    }

    /// Writes the turns merged so far.
    fn close(&mut self, out: &mut dyn Outlet) {
        let piece = std::mem::replace(&mut self.piece, Piece::EMPTY);
        if piece.turns == 0 {
            return;
        }
        let (track, span) = (self.track, piece.until - piece.from);
        let busy: Nanos = piece.busy.iter().sum();
        let name = if piece.turns == 1 { "turn" } else { "turns" };
        let args = [
            ("turns", Value::Int(piece.turns)),
            ("commands", Value::Int(piece.commands)),
            ("busy_ns", Value::Int(busy)),
            ("longest_turn_ns", Value::Int(piece.longest)),
        ];
        out.put(&Event::Slice { track, at: piece.from, span, name, args: &args });
        let mut at = piece.from;
        for (cause, &span) in Cause::ALL.iter().zip(&piece.busy).filter(|(_, span)| **span > 0) {
            out.put(&Event::Slice { track, at, span, name: cause.name(), args: &[] });
            at += span;
        }
    }

    /// Spans of `charges` as far as they are traced; neighbours on one account become one.
    fn gather(&mut self, charges: &[Charge], details: &[(usize, String)], out: &dyn Outlet) {
        self.spans.clear();
        let mut next_detail = 0;
        for (index, charge) in charges.iter().enumerate() {
            let detail = details.get(next_detail).filter(|detail| detail.0 == index).map(|_| next_detail);
            next_detail += detail.is_some() as usize;
            let Some((at, end)) = out.plan().within(charge.at, charge.at + charge.span) else { continue };
            match self.spans.last_mut() {
                Some(last) if last.end == at && last.cause == charge.cause && detail.is_none() => {
                    last.end = end;
                }
                _ => self.spans.push(Span { at, end, cause: charge.cause, detail }),
            }
        }
    }

    /// Shows the gathered spans: turns are what lies between two sleeps.
    fn show_all(&mut self, journal: &Journal, commands: u64, out: &mut dyn Outlet) {
        let spans = std::mem::take(&mut self.spans);
        let turns = spans.chunk_by(|one, next| one.end == next.at);
        let last = turns.clone().count().saturating_sub(1);
        for (number, turn) in turns.enumerate() {
            // What a look answered, it answered at its end.
            let commands = if number == last { commands } else { 0 };
            self.show(turn, journal, commands, out);
        }
        self.spans = spans;
    }

    /// One turn by itself, or merged if it is short.
    fn show(&mut self, spans: &[Span], journal: &Journal, commands: u64, out: &mut dyn Outlet) {
        let (Some(first), Some(last)) = (spans.first(), spans.last()) else { return };
        let (track, at, span) = (self.track, first.at, last.end - first.at);
        if span < self.resolution {
            let charge = |span: &Span| Charge { at: span.at, span: span.end - span.at, cause: span.cause };
            let charges: Vec<Charge> = spans.iter().map(charge).collect();
            return self.merge(at, last.end, commands, &charges, out);
        }
        self.close(out);
        let args = [("commands", Value::Int(commands))];
        out.put(&Event::Slice { track, at, span, name: "turn", args: &args });
        let is_long = |span: &Span| span.end - span.at >= self.resolution;
        for run in spans.chunk_by(|one, next| !is_long(one) && !is_long(next)) {
            match run {
                [only] => {
                    let detail = only.detail.map(|place| journal.details[place].1.as_str());
                    let args = detail.map(|text| ("detail", Value::Text(text)));
                    let (at, span) = (only.at, only.end - only.at);
                    let (name, args) = (only.cause.name(), args.as_slice());
                    out.put(&Event::Slice { track, at, span, name, args });
                }
                several => lay_out(several, track, out),
            }
        }
    }

    /// Looks whether turns can be shown finer, or must be shown coarser.
    fn pace(&mut self, now: Nanos, out: &mut dyn Outlet) {
        let next = out.paced(self.resolution, &self.mark, now);
        if next != self.resolution || self.paced_at == 0 {
            let (process, value) = (self.track.process, Value::Int(next));
            out.put(&Event::Counter { process, at: now, name: "trace resolution", unit: "ns", value });
        }
        self.resolution = next;
        self.mark = out.mark(now);
        self.paced_at = now + (PACED_EVERY * out.plan().piece).max(1);
    }
}

/// Short pieces, end to end by cause in the order in which causes first came.
fn lay_out(spans: &[Span], track: Track, out: &mut dyn Outlet) {
    let mut order = Vec::new();
    let mut busy = [0; Cause::COUNT];
    for span in spans {
        if busy[span.cause as usize] == 0 {
            order.push(span.cause);
        }
        busy[span.cause as usize] += span.end - span.at;
    }
    let mut at = spans[0].at;
    for cause in order {
        let span = busy[cause as usize];
        out.put(&Event::Slice { track, at, span, name: cause.name(), args: &[] });
        at += span;
    }
}

/// The longest piece, the first of them.
fn longest(charges: &[Charge]) -> Option<&Charge> {
    charges.iter().reduce(|longest, charge| if charge.span > longest.span { charge } else { longest })
}
