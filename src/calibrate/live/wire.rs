//! The tight client of calibration: replies are counted by their lines, not parsed, so that it outruns the server.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use crate::live::address::Address;
use crate::live::control::Control;
use crate::live::stream::Stream;

use super::super::subject::{CalibrateError, Result};

/// Bytes of one read(2).
const BUFFER: usize = 1 << 16;
/// How long a reply may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection that does not block.
pub struct Wire {
    stream: Stream,
    address: String,
    /// Lines that have not come.
    due: usize,
    starts_line: bool,
    buffer: Vec<u8>,
}

/// An error of the live side as one of a measurement.
pub fn server(error: crate::live::LiveError) -> CalibrateError {
    match error {
        crate::live::LiveError::Interrupted => CalibrateError::Stopped,
        error => CalibrateError::Server(error.to_string()),
    }
}

impl Wire {
    /// Connects and logs in.
    ///
    /// # Errors
    /// As the connection.
    pub fn open(address: &Address) -> Result<Self> {
        let stream = Control::connect(address).map_err(server)?.into_stream();
        let text = address.to_string();
        stream.socket().set_nonblocking().map_err(|error| {
            CalibrateError::Server(format!("{text}: cannot set a connection not to block: {error}"))
        })?;
        Ok(Wire { stream, address: text, due: 0, starts_line: true, buffer: vec![0; BUFFER] })
    }

    fn lost(&self, what: impl std::fmt::Display) -> CalibrateError {
        CalibrateError::Server(format!(
            "{}: the connection broke while the server was measured: {what}\n  the server may have died or been out of \
             memory: see its log",
            self.address
        ))
    }

    /// Sends `bytes`, to which replies of so many lines will come. What the socket does not take waits, and replies are
    /// read meanwhile.
    ///
    /// # Errors
    /// A connection that breaks, and an error reply.
    pub fn send(&mut self, mut bytes: &[u8], lines: usize) -> Result<()> {
        self.due += lines;
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => drop(self.fill()?),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.lost(error)),
            }
        }
        while self.stream.has_unsent() {
            match self.stream.flush() {
                Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(self.lost(error)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Reads once; whether anything had come.
    ///
    /// # Errors
    /// A connection that breaks, and an error reply.
    #[inline]
    pub fn fill(&mut self) -> Result<bool> {
        let read = match self.stream.read(&mut self.buffer) {
            Ok(0) => return Err(self.lost("closed by the server")),
            Ok(read) => read,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                return Ok(false);
            }
            Err(error) => return Err(self.lost(error)),
        };
        let mut lines = 0;
        for byte in &self.buffer[..read] {
            if self.starts_line && *byte == b'-' {
                let text = String::from_utf8_lossy(&self.buffer[..read.min(200)]).into_owned();
                return Err(CalibrateError::Server(format!("{} refuses a command: {text}", self.address)));
            }
            self.starts_line = *byte == b'\n';
            lines += usize::from(self.starts_line);
        }
        self.due = self.due.saturating_sub(lines);
        Ok(true)
    }

    /// Spins until every reply is here.
    ///
    /// # Errors
    /// As [`Wire::fill`]; a server that is silent for long.
    #[inline]
    pub fn finish(&mut self) -> Result<()> {
        let mut begun = None;
        let mut looks = 0u32;
        while self.due > 0 {
            if self.fill()? {
                continue;
            }
            looks = looks.wrapping_add(1);
            if looks.is_multiple_of(1 << 14) {
                let begun = *begun.get_or_insert_with(Instant::now);
                if begun.elapsed() > PATIENCE {
                    return Err(self.lost("no answer for 30 s"));
                }
            }
            std::hint::spin_loop();
        }
        Ok(())
    }
}
