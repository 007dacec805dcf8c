//! A connection on which one thing at a time is asked.

use std::io::{self, Read, Write};
use std::time::Duration;

use redis::{Cmd, Parser, Value};

use crate::redis::version::Version;

use super::address::Address;
use super::error::{LiveError, Result};
use super::info::Info;
use super::stream::Stream;

/// How long an answer may take, unless told otherwise.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest part of an answer that an error shows \[bytes\].
const SHOWN: usize = 200;

/// A connection that has logged in, and asks and waits.
pub struct Control {
    address: Address,
    stream: Stream,
    parser: Parser,
    /// Commands to be sent, reused.
    out: Vec<u8>,
}

impl Control {
    /// Connects to a URL: `redis://[[user]:password@]host[:port][/db]`, `rediss://…`, `unix:///path`.
    ///
    /// # Errors
    /// As [`Control::connect`]; [`LiveError::Url`].
    pub fn open(url: &str) -> Result<Self> {
        Control::connect(&Address::parse(url)?)
    }

    /// Connects, logs in and selects the database.
    ///
    /// # Errors
    /// [`LiveError::Connect`], [`LiveError::Tls`]; [`LiveError::Refused`] by a server that does not let us in.
    pub fn connect(address: &Address) -> Result<Self> {
        let stream = Stream::open(address)?;
        let cannot = |source| LiveError::Connect { address: address.to_string(), source };
        stream.socket().set_timeout(Some(PATIENCE)).map_err(cannot)?;
        let mut control =
            Control { address: address.clone(), stream, parser: Parser::new(), out: Vec::new() };
        if let Some(password) = address.password() {
            match address.user() {
                Some(user) => control.ask(&["AUTH", user, password])?,
                None => control.ask(&["AUTH", password])?,
            };
        }
        if address.db() != 0 {
            control.ask(&["SELECT", &address.db().to_string()])?;
        }
        Ok(control)
    }

    /// Where it is connected to.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The connection, to be driven otherwise from now on; everything asked has been answered.
    pub fn into_stream(self) -> Stream {
        self.stream
    }

    /// How long an answer may take from now on (30 s at first).
    ///
    /// # Errors
    /// [`LiveError::System`].
    pub fn set_patience(&mut self, patience: Duration) -> Result<()> {
        let set = self.stream.socket().set_timeout(Some(patience));
        set.map_err(|error| LiveError::system("set a time limit for answers", error))
    }

    /// Sends one command and waits for its answer.
    ///
    /// # Errors
    /// [`LiveError::Refused`] for an error answer, [`LiveError::Lost`].
    pub fn ask(&mut self, words: &[&str]) -> Result<Value> {
        let mut command = Cmd::new();
        for word in words {
            command.arg(*word);
        }
        self.query(&command)
    }

    /// The same for a command of the `redis` crate, whose arguments may be any bytes.
    ///
    /// # Errors
    /// As [`Control::ask`].
    pub fn query(&mut self, command: &Cmd) -> Result<Value> {
        self.out.clear();
        command.write_packed_command(&mut self.out);
        self.send(command)?;
        self.receive(command)
    }

    /// Sends all `commands`, then waits for all answers, which stand in the same order.
    ///
    /// # Errors
    /// As [`Control::ask`]: the first error answer, after all answers have come.
    pub fn pipeline(&mut self, commands: &[Cmd]) -> Result<Vec<Value>> {
        let Some(last) = commands.last() else { return Ok(Vec::new()) };
        self.out.clear();
        commands.iter().for_each(|command| command.write_packed_command(&mut self.out));
        self.send(last)?;
        let (mut answers, mut refused) = (Vec::with_capacity(commands.len()), None);
        for command in commands {
            match self.receive(command) {
                Ok(answer) => answers.push(answer),
                Err(error @ LiveError::Refused { .. }) => refused = refused.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
        refused.map_or(Ok(answers), Err)
    }

    /// `INFO section`; all of it for `"everything"`, the usual sections for `""`.
    ///
    /// # Errors
    /// As [`Control::ask`].
    pub fn info(&mut self, section: &str) -> Result<Info> {
        let words = ["INFO", section];
        match self.ask(&words[..1 + usize::from(!section.is_empty())])? {
            Value::BulkString(bytes) => Ok(Info::from(String::from_utf8_lossy(&bytes).into_owned())),
            Value::VerbatimString { text, .. } => Ok(Info::from(text)),
            other => Err(self.unexpected("INFO", &other)),
        }
    }

    /// The server's version (`redis_version` or `valkey_version` of INFO) as the simulator knows it.
    ///
    /// # Errors
    /// As [`Control::ask`] and [`Info::version`].
    pub fn version(&mut self) -> Result<Version> {
        self.info("server")?.version()
    }

    /// The value of a setting; none if this server has none of that name.
    ///
    /// # Errors
    /// As [`Control::ask`].
    pub fn config_get(&mut self, name: &str) -> Result<Option<String>> {
        let answer = self.ask(&["CONFIG", "GET", name])?;
        let text = |value: &Value| match value {
            Value::BulkString(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            _ => None,
        };
        match &answer {
            Value::Array(pair) => Ok(pair.get(1).and_then(text)),
            other => Err(self.unexpected("CONFIG GET", other)),
        }
    }

    /// Changes a setting. Nobody puts it back: see `live::leftovers` for a server that is not ours.
    ///
    /// # Errors
    /// As [`Control::ask`].
    pub fn config_set(&mut self, name: &str, value: &str) -> Result<()> {
        self.ask(&["CONFIG", "SET", name, value]).map(drop)
    }

    /// The integer that `words` are answered with.
    ///
    /// # Errors
    /// As [`Control::ask`]; [`LiveError::Unexpected`] for anything else.
    pub fn number(&mut self, words: &[&str]) -> Result<i64> {
        match self.ask(words)? {
            Value::Int(number) => Ok(number),
            other => Err(self.unexpected(words.first().unwrap_or(&""), &other)),
        }
    }

    /// The error for an answer that `command` never has.
    pub fn unexpected(&self, command: &str, answer: &Value) -> LiveError {
        let mut answer = format!("{answer:?}");
        if let Some((cut, _)) = answer.char_indices().nth(SHOWN) {
            answer.truncate(cut);
            answer.push('…');
        }
        LiveError::Unexpected { address: self.address.to_string(), command: command.to_owned(), answer }
    }

    /// Sends what is in `out`.
    fn send(&mut self, command: &Cmd) -> Result<()> {
        let sent = self.stream.write_all(&self.out).and_then(|()| self.stream.flush());
        sent.map_err(|error| self.lost(command, error))
    }

    fn receive(&mut self, command: &Cmd) -> Result<Value> {
        let mut reader = Watched { stream: &mut self.stream, fault: None };
        let parsed = self.parser.parse_value(&mut reader);
        let fault = reader.fault;
        match parsed {
            Ok(Value::ServerError(error)) => Err(LiveError::Refused {
                address: self.address.to_string(),
                command: name(command),
                answer: [error.code(), error.details().unwrap_or("")].join(" ").trim_end().to_owned(),
            }),
            Ok(answer) => Ok(answer),
            Err(error) => {
                let no_resp = || io::Error::new(io::ErrorKind::InvalidData, error.to_string());
                Err(self.lost(command, fault.unwrap_or_else(no_resp)))
            }
        }
    }

    fn lost(&self, command: &Cmd, source: io::Error) -> LiveError {
        LiveError::Lost { address: self.address.to_string(), doing: name(command), source }
    }
}

/// Remembers what the system said when a read failed, which the parser does not tell.
struct Watched<'a> {
    stream: &'a mut Stream,
    fault: Option<io::Error>,
}

impl Read for Watched<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(bytes);
        match &read {
            Ok(0) => self.fault = Some(io::Error::new(io::ErrorKind::UnexpectedEof, "closed by the server")),
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                self.fault = Some(io::Error::new(error.kind(), error.to_string()));
            }
            _ => {}
        }
        read
    }
}

/// The command's name, and its subcommand for those that have one; the other words may be secret.
fn name(command: &Cmd) -> String {
    let mut words = command.args_iter().filter_map(|word| match word {
        redis::Arg::Simple(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        _ => None,
    });
    let first = words.next().unwrap_or_default().to_uppercase();
    match (first.as_str(), words.next()) {
        ("CONFIG" | "CLIENT" | "CLUSTER" | "SCRIPT" | "DEBUG" | "MEMORY" | "LATENCY" | "ACL", Some(sub)) => {
            format!("{first} {}", sub.to_uppercase())
        }
        _ => first,
    }
}
