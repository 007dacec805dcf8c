//! One non-blocking connection and the gaps of a Poisson process: what every open loop is made of.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use crate::reply::Reply;

/// A connection with what has not been sent and not been read of it.
pub struct Wire {
    stream: TcpStream,
    unread: Vec<u8>,
    /// Bytes of `unread` that have been taken.
    taken: usize,
    unsent: Vec<u8>,
}

impl Wire {
    /// Over a stream that does not block.
    pub fn over(stream: TcpStream) -> Self {
        Wire { stream, unread: Vec::new(), taken: 0, unsent: Vec::new() }
    }

    /// Bytes to send; [`Wire::flush`] sends them.
    pub fn out(&mut self) -> &mut Vec<u8> {
        &mut self.unsent
    }

    /// Sends as much as the socket takes.
    pub fn flush(&mut self) -> Result<(), String> {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(written) => drop(self.unsent.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(format!("cannot send: {error}")),
            }
        }
        Ok(())
    }

    /// Reads once what has come; false if nothing has.
    pub fn fill(&mut self) -> Result<bool, String> {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(0) => Err("the server has closed a connection".to_owned()),
            Ok(read) => {
                self.unread.extend_from_slice(&buffer[..read]);
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(format!("cannot read: {error}")),
        }
    }

    /// The next whole reply of those that have come; what has been taken is forgotten when there is none.
    pub fn reply(&mut self) -> Option<Reply> {
        if self.taken < self.unread.len()
            && let Some((reply, length)) = Reply::first(&self.unread[self.taken..])
        {
            self.taken += length;
            return Some(reply);
        }
        self.unread.drain(..self.taken);
        self.taken = 0;
        None
    }
}

/// Numbers from a seed (SplitMix64).
pub struct Random(pub u64);

impl Random {
    /// Any number, all alike.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// An exponential time with a mean of one second.
    pub fn exponential(&mut self) -> f64 {
        let uniform = ((self.next() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        -uniform.ln()
    }
}
