//! One connection of the generator: bytes that wait to be sent, bytes that wait to be read, requests without a reply.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, RawFd};

use crate::live::stream::Stream;
use crate::units::Nanos;

use super::reply::{self, Malformed};

/// Bytes of one read(2), as many as a server sends at once.
const READ: usize = 1 << 16;

/// A request, or several sent at once, that wait for replies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pending {
    /// When it was meant to be sent.
    pub arrived_at: Nanos,
    /// When it was.
    pub sent_at: Nanos,
    /// Number of the next command, or of the request of a program.
    pub number: u64,
    /// Replies still missing.
    pub left: u32,
    /// Of how many.
    pub replies: u32,
}

/// A connection.
pub struct Wire {
    stream: Stream,
    /// To be sent.
    pub out: Vec<u8>,
    /// Read and not taken from `taken` on.
    unread: Vec<u8>,
    taken: usize,
    /// Requests in the order in which they were sent.
    pub pending: VecDeque<Pending>,
}

impl Wire {
    /// Over a stream that has logged in; from now on it does not block.
    ///
    /// # Errors
    /// What the system says.
    pub fn over(stream: Stream) -> io::Result<Self> {
        stream.socket().set_nonblocking()?;
        Ok(Wire { stream, out: Vec::new(), unread: Vec::new(), taken: 0, pending: VecDeque::new() })
    }

    /// What to wait on.
    pub fn fd(&self) -> RawFd {
        self.stream.socket().as_raw_fd()
    }

    /// Sends as much as the socket takes.
    ///
    /// # Errors
    /// What the system says.
    pub fn flush(&mut self) -> io::Result<()> {
        let mut sent = 0;
        while sent < self.out.len() || self.stream.has_unsent() {
            let written = match self.out.get(sent..) {
                Some(rest) if !rest.is_empty() => self.stream.write(rest),
                _ => self.stream.flush().map(|()| 0),
            };
            match written {
                Ok(written) => sent += written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.out.drain(..sent);
        Ok(())
    }

    /// Reads all that has come; true if there was anything.
    ///
    /// # Errors
    /// What the system says; the end of the connection is one.
    pub fn fill(&mut self, buffer: &mut Buffer) -> io::Result<bool> {
        let mut any = false;
        loop {
            match self.stream.read(&mut buffer.0) {
                Ok(0) => return Err(io::Error::new(ErrorKind::UnexpectedEof, "closed by the server")),
                Ok(read) => {
                    self.unread.extend_from_slice(&buffer.0[..read]);
                    any = true;
                    // What is shorter than asked for was all there was; TLS hands over a record at a time.
                    if read < READ && matches!(self.stream, Stream::Plain(_)) {
                        return Ok(true);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(any),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The next whole reply; what has been taken is forgotten when there is none.
    ///
    /// # Errors
    /// The bytes are no replies.
    pub fn reply(&mut self) -> Result<Option<&[u8]>, Malformed> {
        let rest = &self.unread[self.taken..];
        let whole = if rest.is_empty() { None } else { reply::length(rest)? };
        match whole {
            Some(length) => {
                let start = self.taken;
                self.taken += length;
                Ok(Some(&self.unread[start..start + length]))
            }
            None => {
                self.unread.drain(..self.taken);
                self.taken = 0;
                Ok(None)
            }
        }
    }
}

/// What one read(2) fills, shared by all connections.
pub struct Buffer(Box<[u8]>);

impl Buffer {
    /// An empty one.
    pub fn new() -> Self {
        Buffer(vec![0; READ].into_boxed_slice())
    }

    /// None, while somebody else has it.
    pub fn empty() -> Self {
        Buffer(Box::default())
    }
}
