//! The connection beside the clients: INFO on the clock of the run, and what the scenario tells the server.

use std::io;

use redis::Cmd;

use crate::live::error::{LiveError, Result};
use crate::observe::result::EventRow;
use crate::units::Nanos;

use super::group;
use super::run::Driver;
use super::sample::Sample;
use super::{Plan, reply};

/// Questions on the connection beside the clients.
pub(super) enum Asked {
    /// INFO, asked for at a time of the run, and CPU time of the main thread then.
    Sample { at: Nanos, scheduled_ns: Option<u64> },
    /// What the scenario tells the server.
    Action(String),
}

impl Driver<'_> {
    /// Asks for INFO and sends what the scenario tells the server, when it is time.
    pub(super) fn ask(&mut self, plan: &Plan, now: Nanos) -> Result<()> {
        let control = self.wires.len() - 1;
        if now >= self.next_sample_at {
            self.next_sample_at += self.sample_every * ((now - self.next_sample_at) / self.sample_every + 1);
            self.ask_info(now)?;
        }
        while let Some((at, words)) = plan.actions.get(self.next_action).filter(|action| action.0 <= now) {
            self.next_action += 1;
            let mut cmd = Cmd::new();
            for word in words {
                cmd.arg(word);
            }
            cmd.write_packed_command(&mut self.wires[control].out);
            self.asked.push_back(Asked::Action(words.join(" ")));
            self.note(EventRow { at: *at, span: 0, cause: "command", detail: words.join(" ") });
            self.flush(control)?;
        }
        Ok(())
    }

    pub(super) fn ask_info(&mut self, at: Nanos) -> Result<()> {
        let control = self.wires.len() - 1;
        let scheduled_ns = self.main_thread.and_then(|thread| thread.cpu_ns().ok());
        redis::cmd("INFO").write_packed_command(&mut self.wires[control].out);
        self.asked.push_back(Asked::Sample { at, scheduled_ns });
        self.flush(control)
    }

    /// Takes the answers to questions.
    pub(super) fn take_answers(&mut self) -> Result<()> {
        let control = self.wires.len() - 1;
        loop {
            let malformed = |_| io::Error::new(io::ErrorKind::InvalidData, "the bytes are no replies");
            let address = self.target.address.to_string();
            let reply = self.wires[control].reply().map_err(malformed).map_err(|source| LiveError::Lost {
                address,
                doing: "INFO".to_owned(),
                source,
            })?;
            let Some(reply) = reply else { return Ok(()) };
            let error = reply::error(reply);
            match self.asked.pop_front() {
                Some(Asked::Sample { at, scheduled_ns }) => {
                    if let Some(answer) = error {
                        return Err(group::refused(&self.target.address, &answer));
                    }
                    let text = String::from_utf8_lossy(reply);
                    let sample = Sample::read(at, scheduled_ns, &text);
                    self.samples.push(sample);
                }
                Some(Asked::Action(words)) => {
                    if let Some(answer) = error {
                        let at = self.now();
                        let detail = format!("{words}: {answer}");
                        self.note(EventRow { at, span: 0, cause: "command-refused", detail });
                    }
                }
                None => return Ok(()),
            }
        }
    }
}
