//! What can go wrong with a real server: what was done, what happened, what to do.

use std::io;

/// A result of this module.
pub type Result<T> = std::result::Result<T, LiveError>;

/// A fault of a real server or of the way to it. Its first line says what happened, the following what to do.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// The URL of a server cannot be read.
    #[error(
        "{url}: {reason}\n  write redis://[[user]:password@]host[:port][/db], rediss://… for TLS, or unix:///path/to/socket"
    )]
    Url {
        /// As typed, without its password.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody answers there.
    #[error("cannot connect to {address}: {source}\n  {}", connect_remedy(.source))]
    Connect {
        /// Where.
        address: String,
        /// The system's answer.
        source: io::Error,
    },
    /// No TLS connection came about.
    #[error("{address}: no TLS connection: {reason}\n  {remedy}")]
    Tls {
        /// Where.
        address: String,
        /// What the TLS library says.
        reason: String,
        /// What to do.
        remedy: String,
    },
    /// A connection broke while it was used.
    #[error("{address}: the connection broke during {doing}: {source}\n  {}", lost_remedy(.source))]
    Lost {
        /// Where.
        address: String,
        /// What was being done.
        doing: String,
        /// The system's answer.
        source: io::Error,
    },
    /// The server answered a command with an error.
    #[error("{address} refuses {command}: {answer}\n  {}", refused_remedy(.answer))]
    Refused {
        /// Where.
        address: String,
        /// The command, without its arguments' contents.
        command: String,
        /// The server's words, its code first.
        answer: String,
    },
    /// The server answered something that this command never has.
    #[error("{address} answers {command} with {answer}\n  is it a Redis or Valkey server?")]
    Unexpected {
        /// Where.
        address: String,
        /// The command.
        command: String,
        /// The answer, shortened.
        answer: String,
    },
    /// A server program does not start.
    #[error("{program}: {reason}\n  {remedy}")]
    Program {
        /// The program.
        program: String,
        /// What happened.
        reason: String,
        /// What to do.
        remedy: String,
    },
    /// The operating system refuses.
    #[error("cannot {doing}: {source}")]
    System {
        /// What was being done.
        doing: String,
        /// The system's answer.
        source: io::Error,
    },
    /// Something that this server, or this machine, does not allow or should not be asked for.
    #[error("{what}\n  {remedy}")]
    Cannot {
        /// What and why.
        what: String,
        /// What to do.
        remedy: String,
    },
    /// The user stopped it.
    #[error("interrupted")]
    Interrupted,
}

impl LiveError {
    /// A fault of the operating system while `doing` something.
    pub fn system(doing: impl Into<String>, source: io::Error) -> Self {
        LiveError::System { doing: doing.into(), source }
    }

    /// Something that cannot be done here, and what to do instead.
    pub fn cannot(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        LiveError::Cannot { what: what.into(), remedy: remedy.into() }
    }

    /// The code of a server's error answer, `NOAUTH`; none for other faults.
    pub fn code(&self) -> Option<&str> {
        match self {
            LiveError::Refused { answer, .. } => answer.split(' ').next(),
            _ => None,
        }
    }
}

fn connect_remedy(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::ConnectionRefused => "start the server, or correct host and port",
        io::ErrorKind::NotFound => "correct the path of the socket, or the name of the host",
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
            "a firewall may be between; correct host and port"
        }
        io::ErrorKind::PermissionDenied => "run as a user who may use the socket",
        _ => "correct host and port",
    }
}

fn lost_remedy(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
            "the server is busy or stuck; see its log and SLOWLOG GET"
        }
        io::ErrorKind::InvalidData => "is it a Redis or Valkey server, and is TLS (rediss://) right?",
        _ => "the server may have died or been out of memory: see its log; a TLS port wants rediss://",
    }
}

/// What to do about an error answer, by its code.
fn refused_remedy(answer: &str) -> &'static str {
    match answer.split(' ').next().unwrap_or("") {
        "NOAUTH" => "give the password: redis://[user]:password@…, or REDISCLI_AUTH in the environment",
        "WRONGPASS" => "correct user and password in the URL or in REDISCLI_AUTH",
        "NOPERM" => "use a user who may run this command (ACL WHOAMI, ACL LOG)",
        "LOADING" => "the server is reading its data from disk; try again when it is done",
        "MISCONF" => "the server cannot save to disk: free disk space, then BGSAVE",
        "OOM" => "maxmemory is reached: raise it, or use fewer keys or smaller values",
        "READONLY" => "this is a replica: name its primary",
        "DENIED" => "protected mode: connect from the server's host, or set a password",
        "MOVED" | "ASK" | "CLUSTERDOWN" | "CROSSSLOT" | "TRYAGAIN" => {
            "this is a node of a cluster: name a single server"
        }
        "NOREPLICAS" => "min-replicas-to-write is not met: connect its replicas",
        "MASTERDOWN" => "this is a replica without its primary: name the primary",
        "BUSY" => "a script is running for long: wait for its end",
        "NOSCRIPT" => "somebody has flushed the scripts; run again",
        "ERR" if answer.starts_with("ERR unknown command") => {
            "this version of the server does not have the command, or it is renamed or forbidden"
        }
        "ERR" if answer.contains("max number of clients") => "raise maxclients, or use fewer connections",
        "ERR" if answer.contains("without any password configured") => "leave the password out",
        "ERR" if answer.contains("invalid password") => "correct the password",
        "ERR" if answer.contains("cluster") => "name a server that is no node of a cluster",
        _ => "see the server's documentation of this error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_answer_names_its_remedy() {
        let refused = |answer: &str| LiveError::Refused {
            address: "localhost:6379".to_owned(),
            command: "SET".to_owned(),
            answer: answer.to_owned(),
        };
        let noauth = refused("NOAUTH Authentication required.");
        assert_eq!(noauth.code(), Some("NOAUTH"));
        assert!(noauth.to_string().contains("REDISCLI_AUTH"), "{noauth}");
        assert!(refused("READONLY You can't write").to_string().contains("primary"));
        assert!(refused("ERR unknown command 'WAITAOF'").to_string().contains("version"));
    }
}
