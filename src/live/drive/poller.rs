//! Waiting for whichever comes first: a reply, or the time of the next request.
//!
//! The system's own time-outs for this are whole milliseconds; on Linux a timer that is waited for like a connection has
//! nanoseconds.

use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

/// Events taken from the system at once.
const EVENTS: usize = 256;
/// The timer's place among the connections.
#[cfg(target_os = "linux")]
const TIMER: Token = Token(usize::MAX);

/// What is waited for.
pub struct Poller {
    poll: Poll,
    events: Events,
    #[cfg(target_os = "linux")]
    timer: std::os::fd::OwnedFd,
}

impl Poller {
    /// Waits for nothing yet.
    ///
    /// # Errors
    /// What the system says.
    pub fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        #[cfg(target_os = "linux")]
        let timer = {
            use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};
            use std::os::fd::AsRawFd;
            let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK)?;
            poll.registry().register(&mut SourceFd(&timer.as_raw_fd()), TIMER, Interest::READABLE)?;
            timer
        };
        Ok(Poller {
            poll,
            events: Events::with_capacity(EVENTS),
            #[cfg(target_os = "linux")]
            timer,
        })
    }

    /// From now on `fd`, known as `index`, is waited for.
    ///
    /// # Errors
    /// What the system says.
    pub fn add(&mut self, fd: RawFd, index: usize) -> io::Result<()> {
        let both = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut SourceFd(&fd), Token(index), both)
    }

    /// Looks what is ready, at most `longest` later; zero: at once.
    ///
    /// # Errors
    /// What the system says.
    pub fn wait(&mut self, longest: Duration) -> io::Result<()> {
        let limit = self.arm(longest)?;
        match self.poll.poll(&mut self.events, Some(limit)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                self.events.clear();
                Ok(())
            }
            other => other,
        }
    }

    /// Indices of what became ready in the last wait.
    pub fn ready(&self) -> impl Iterator<Item = usize> + '_ {
        let tokens = self.events.iter().map(|event| event.token().0);
        tokens.filter(|index| *index != usize::MAX)
    }

    /// Sets the timer; the time-out for the system's own waiting, which is then too long to matter.
    #[cfg(target_os = "linux")]
    fn arm(&mut self, longest: Duration) -> io::Result<Duration> {
        use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};
        if longest.is_zero() {
            return Ok(longest);
        }
        let none = Timespec { tv_sec: 0, tv_nsec: 0 };
        let value = Timespec { tv_sec: longest.as_secs() as i64, tv_nsec: longest.subsec_nanos().into() };
        let once = Itimerspec { it_interval: none, it_value: value };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?;
        Ok(longest + Duration::from_millis(1))
    }

    #[cfg(not(target_os = "linux"))]
    fn arm(&mut self, longest: Duration) -> io::Result<Duration> {
        Ok(longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;
    use std::time::Instant;

    #[test]
    fn waiting_ends_with_time_or_with_bytes_whichever_is_first() {
        let (mut near, far) = UnixStream::pair().expect("a pair");
        far.set_nonblocking(true).expect("it can be set");
        let mut poller = Poller::new().expect("the system has one");
        poller.add(far.as_raw_fd(), 7).expect("it can be waited for");
        poller.wait(Duration::ZERO).expect("it looks");
        let begun = Instant::now();
        poller.wait(Duration::from_micros(300)).expect("it waits");
        assert!(begun.elapsed() >= Duration::from_micros(300));
        near.write_all(b"x").expect("there is room");
        poller.wait(Duration::from_secs(20)).expect("it waits");
        assert!(poller.ready().any(|index| index == 7));
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
}
