//! A trace in the JSON trace-event format, which ui.perfetto.dev and chrome://tracing open.
//!
//! "Trace Event Format" (Google, 2016): an object with `traceEvents`, each with a phase: `X` a slice, `C` a counter, `i` an
//! instant, `s` and `f` the ends of an arrow, `M` a name. Times are in microseconds with decimals.

use std::fmt::Write as _;
use std::io::{self, Write};

use crate::trace::event::{Args, Event, Sink, Track, Value};
use crate::units::Nanos;

/// Writes events one by one.
pub struct TraceWriter<W> {
    out: W,
    line: String,
    bytes: u64,
    /// The first fault; nothing is written after it.
    fault: Option<io::Error>,
}

impl<W: Write> TraceWriter<W> {
    /// Begins a trace with what is known of the run, by name.
    pub fn new(out: W, about: Args) -> Self {
        let mut writer = TraceWriter { out, line: String::new(), bytes: 0, fault: None };
        writer.line.push_str("{\"displayTimeUnit\":\"ns\",\"otherData\":");
        args(&mut writer.line, about);
        writer
            .line
            .push_str(",\"traceEvents\":[\n{\"ph\":\"M\",\"pid\":1,\"name\":\"trace_begins\",\"args\":{}}");
        writer.send();
        writer
    }

    /// The first fault of what is written to.
    pub fn fault(&self) -> Option<&io::Error> {
        self.fault.as_ref()
    }

    /// Ends the trace; returns what it was written to, and the number of bytes.
    ///
    /// # Errors
    /// The first fault of it.
    pub fn finish(mut self) -> io::Result<(W, u64)> {
        self.line.push_str("\n]}\n");
        self.send();
        match self.fault {
            Some(fault) => Err(fault),
            None => Ok((self.out, self.bytes)),
        }
    }

    fn send(&mut self) {
        if self.fault.is_none() {
            self.fault = self.out.write_all(self.line.as_bytes()).err();
        }
        self.bytes += self.line.len() as u64;
        self.line.clear();
    }
}

impl<W: Write> Sink for TraceWriter<W> {
    fn take(&mut self, event: &Event) {
        let line = &mut self.line;
        match *event {
            Event::Process { process, name } => {
                named(line, "process_name", Track { process, thread: 0 }, "name", Value::Text(name));
                let order = Value::Int(process.into());
                named(line, "process_sort_index", Track { process, thread: 0 }, "sort_index", order);
            }
            Event::Thread { track, name } => {
                named(line, "thread_name", track, "name", Value::Text(name));
                named(line, "thread_sort_index", track, "sort_index", Value::Int(track.thread.into()));
            }
            Event::Slice { track, at, span, name, args: more } => {
                head(line, 'X', track, at);
                line.push_str(",\"dur\":");
                microseconds(line, span);
                tail(line, name, more);
            }
            Event::Counter { process, at, name, unit, value } => {
                head(line, 'C', Track { process, thread: 0 }, at);
                tail(line, name, &[(unit, value)]);
            }
            Event::Instant { track, at, name, args: more } => {
                head(line, 'i', track, at);
                line.push_str(",\"s\":\"t\"");
                tail(line, name, more);
            }
            Event::Arrow { id, from, to } => {
                for (phase, (track, at)) in [('s', from), ('f', to)] {
                    head(line, phase, track, at);
                    let _ = write!(line, ",\"id\":{id},\"cat\":\"stall\"");
                    // The arrow ends at the slice around it, not at the next one.
                    line.push_str(if phase == 'f' { ",\"bp\":\"e\"" } else { "" });
                    tail(line, "holds up", &[]);
                }
            }
        }
        self.send();
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// What a metadata event says.
fn named(line: &mut String, name: &str, track: Track, key: &str, value: Value) {
    let Track { process, thread } = track;
    let _ = write!(line, ",\n{{\"ph\":\"M\",\"pid\":{process},\"tid\":{thread}");
    tail(line, name, &[(key, value)]);
}

fn head(line: &mut String, phase: char, track: Track, at: Nanos) {
    let Track { process, thread } = track;
    let _ = write!(line, ",\n{{\"ph\":\"{phase}\",\"pid\":{process},\"tid\":{thread},\"ts\":");
    microseconds(line, at);
}

fn tail(line: &mut String, name: &str, more: Args) {
    line.push_str(",\"name\":");
    text(line, name);
    if !more.is_empty() {
        line.push_str(",\"args\":");
        args(line, more);
    }
    line.push('}');
}

fn args(line: &mut String, args: Args) {
    line.push('{');
    for (place, (name, value)) in args.iter().enumerate() {
        line.push_str(if place > 0 { "," } else { "" });
        text(line, name);
        line.push(':');
        let _ = match *value {
            Value::Int(value) => write!(line, "{value}"),
            Value::Real(value) => write!(line, "{value}"),
            Value::Text(value) => {
                text(line, value);
                Ok(())
            }
        };
    }
    line.push('}');
}

/// Microseconds. Readers take them as floating point and cut or round what lies below the nanosecond: with a third of one
/// more, both get the nanosecond that was meant, and slices that touch do not overlap.
fn microseconds(line: &mut String, span: Nanos) {
    let _ = write!(line, "{}.{:03}3", span / 1000, span % 1000);
}

fn text(line: &mut String, text: &str) {
    line.push_str(&serde_json::to_string(text).expect("text is always JSON"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(events: &[Event]) -> serde_json::Value {
        let mut writer = TraceWriter::new(Vec::new(), &[("scenario", Value::Text("a \"b\""))]);
        events.iter().for_each(|event| writer.take(event));
        let (bytes, counted) = writer.finish().expect("memory takes everything");
        assert_eq!(bytes.len() as u64, counted);
        serde_json::from_slice(&bytes).expect("JSON")
    }

    #[test]
    fn events_are_json_with_times_in_microseconds() {
        let track = Track { process: 2, thread: 7 };
        let args = [("bytes", Value::Int(5)), ("for", Value::Text("a\nb")), ("share", Value::Real(0.25))];
        let trace = written(&[
            Event::Slice { track, at: 1_000_001, span: 2500, name: "x", args: &args },
            Event::Counter { process: 2, at: 3000, name: "keys", unit: "keys", value: Value::Int(9) },
            Event::Arrow { id: 4, from: (track, 10), to: (track, 20) },
        ]);
        assert_eq!(trace["otherData"]["scenario"], "a \"b\"");
        let events = trace["traceEvents"].as_array().expect("a list");
        let expected = [
            r#"{"ph":"X","pid":2,"tid":7,"ts":1000.0013,"dur":2.5003,"name":"x","args":{"bytes":5,"for":"a\nb","share":0.25}}"#,
            r#"{"ph":"C","pid":2,"tid":0,"ts":3.0003,"name":"keys","args":{"keys":9}}"#,
            r#"{"ph":"s","pid":2,"tid":7,"ts":0.0103,"id":4,"cat":"stall","name":"holds up"}"#,
            r#"{"ph":"f","pid":2,"tid":7,"ts":0.0203,"id":4,"cat":"stall","bp":"e","name":"holds up"}"#,
        ];
        let expected: Vec<serde_json::Value> =
            expected.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(events[1..], expected);
    }

    #[test]
    fn the_first_fault_ends_the_writing() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let writer = TraceWriter::new(Full, &[]);
        assert_eq!(writer.fault().map(io::Error::kind), Some(io::ErrorKind::StorageFull));
        assert!(writer.finish().is_err());
    }
}
