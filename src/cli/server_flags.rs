//! Which real server, and what may be done to it: the flags that `load`, `calibrate` and `validate` share.

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};

use super::failure::Failure;
use crate::live::address::Address;
use crate::live::guard::{Allowed, Guard, Needs};
use crate::live::spawned::{SpawnOptions, Spawned};
use crate::live::stream::tls::Trust;
use crate::live::{LiveError, Result};

/// Where redis-cli too looks for a password.
const PASSWORD: &str = "REDISCLI_AUTH";

/// Which server, and what may be done to it.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Server")]
pub struct ServerFlags {
    /// An existing server: redis://[[user]:password@]host[:port][/db], rediss:// for TLS, unix:///socket; the password may
    /// stand in REDISCLI_AUTH
    #[arg(long, value_name = "URL", required_unless_present = "spawn", conflicts_with = "spawn")]
    server: Option<String>,
    /// A server program to start in a temporary folder on a free loopback port; all of it is gone at the end
    #[arg(long, value_name = "PATH", value_hint = ValueHint::ExecutablePath)]
    spawn: Option<String>,
    /// What every key begins with that is written to an existing server; they are removed at the end
    #[arg(long, value_name = "TEXT", default_value = "writepath:", conflicts_with = "spawn")]
    prefix: String,
    /// Go on although the existing server holds other keys or serves other clients
    #[arg(long, conflicts_with = "spawn")]
    shared_server: bool,
    /// Change settings of the existing server (they are put back at the end), and send it BGSAVE and BGREWRITEAOF
    #[arg(long, conflicts_with = "spawn")]
    allow_config: bool,
    /// First remove the keys that an earlier run has left under the prefix
    #[arg(long, conflicts_with = "spawn")]
    clean: bool,
    /// Certificates to trust, in PEM format, instead of the system's
    #[arg(long, value_name = "FILE", conflicts_with_all = ["spawn", "insecure"])]
    cacert: Option<PathBuf>,
    /// Trust any certificate
    #[arg(long, conflicts_with = "spawn")]
    insecure: bool,
}

/// The address in `url`, with the password of the environment if it has none.
///
/// # Errors
/// [`LiveError::Url`], [`LiveError::Tls`].
pub fn address_of(url: &str, cacert: Option<&Path>, insecure: bool) -> Result<Address> {
    let trust = match (cacert, insecure) {
        (Some(file), _) => Trust::File(file.to_owned()),
        (None, true) => Trust::Anyone,
        (None, false) => Trust::System,
    };
    let password = std::env::var(PASSWORD).ok().filter(|password| !password.is_empty());
    Address::parse_with(url, &trust).map(|address| address.or_password(password))
}

/// A server that may be used, one way or the other.
pub enum Server {
    /// Of our own.
    Spawned(Box<Spawned>),
    /// Somebody else's.
    Guarded(Box<Guard>),
}

impl ServerFlags {
    /// The program to start, if one is.
    pub fn program(&self) -> Option<&str> {
        self.spawn.as_deref()
    }

    /// The existing server's address, if one is named.
    ///
    /// # Errors
    /// [`LiveError::Url`], [`LiveError::Tls`].
    pub fn address(&self) -> Result<Option<Address>> {
        let Some(url) = &self.server else { return Ok(None) };
        address_of(url, self.cacert.as_deref(), self.insecure).map(Some)
    }

    /// Starts the server with `directives`, or looks at the existing one and takes the right to write to it.
    ///
    /// # Errors
    /// Why it does not start, or must not be used.
    pub fn open(&self, directives: Vec<(String, String)>, needs: &Needs) -> Result<Server> {
        match (self.address()?, &self.spawn) {
            (Some(address), _) => {
                Guard::enter(&address, needs, &self.allowed()).map(Box::new).map(Server::Guarded)
            }
            (None, program) => {
                let program = program.clone().unwrap_or_default();
                let options = SpawnOptions { program, directives, ..SpawnOptions::default() };
                Spawned::start(&options).map(Box::new).map(Server::Spawned)
            }
        }
    }

    /// What the user allows on an existing server.
    pub fn allowed(&self) -> Allowed {
        Allowed {
            shared: self.shared_server,
            config: self.allow_config,
            clean: self.clean,
            prefix: self.prefix.clone(),
        }
    }
}

impl From<LiveError> for Failure {
    fn from(error: LiveError) -> Self {
        match error {
            LiveError::Interrupted => {
                Failure::InterruptedKeeping("what was begun on the server is undone".to_owned())
            }
            LiveError::Url { .. } => Failure::Usage(error.to_string()),
            other => Failure::Live(Box::new(other)),
        }
    }
}
