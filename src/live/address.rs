//! Where a server is and who asks: what a URL says.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use redis::{ConnectionAddr, IntoConnectionInfo};
use rustls::ClientConfig;

use super::error::{LiveError, Result};
use super::stream::tls::{self, Trust};

/// A server's place, with what is needed to be let in. Shown without its password.
#[derive(Clone)]
pub struct Address {
    place: Place,
    tls: Option<Arc<ClientConfig>>,
    user: Option<String>,
    password: Option<String>,
    db: i64,
}

/// How to reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Host and port.
    Tcp(String, u16),
    /// A socket in the file system.
    Unix(PathBuf),
}

impl Address {
    /// Reads `redis://[[user]:password@]host[:port][/db]`, `rediss://…` (TLS; `valkey://`, `valkeys://` mean the same) or
    /// `unix:///path`. TLS trusts the certificates of the system.
    ///
    /// # Errors
    /// [`LiveError::Url`] when it cannot be read.
    pub fn parse(url: &str) -> Result<Self> {
        Address::parse_with(url, &Trust::System)
    }

    /// The same with the certificates that `trust` says, if it is a TLS URL.
    ///
    /// # Errors
    /// [`LiveError::Url`] when it cannot be read; [`LiveError::Tls`] when the certificates cannot.
    pub fn parse_with(url: &str, trust: &Trust) -> Result<Self> {
        // The client's own TLS is left out, so that one stream serves it and the load generator.
        let (plain, is_tls) = match url.split_once("://") {
            Some(("rediss" | "valkeys", rest)) => (format!("redis://{rest}"), true),
            _ => (url.to_owned(), false),
        };
        let info = plain.as_str().into_connection_info().map_err(|error| LiveError::Url {
            url: without_password(url),
            reason: error.detail().unwrap_or("this is no URL of a server").to_owned(),
        })?;
        let place = match info.addr() {
            ConnectionAddr::Tcp(host, port) => Place::Tcp(host.clone(), *port),
            ConnectionAddr::Unix(path) => Place::Unix(path.clone()),
            _ => {
                let reason = "neither TCP nor a socket".to_owned();
                return Err(LiveError::Url { url: without_password(url), reason });
            }
        };
        let own = info.redis_settings();
        let tls = if is_tls { Some(tls::config(trust, &place_text(&place))?) } else { None };
        let text = |text: Option<&str>| text.map(str::to_owned);
        let (user, password) = (text(own.username()), text(own.password()));
        Ok(Address { place, tls, user, password, db: own.db() })
    }

    /// The server on `port` of this machine.
    pub fn local(port: u16) -> Self {
        let place = Place::Tcp("127.0.0.1".to_owned(), port);
        Address { place, tls: None, user: None, password: None, db: 0 }
    }

    /// Uses `password` if the URL has none.
    pub fn or_password(mut self, password: Option<String>) -> Self {
        self.password = self.password.or(password);
        self
    }

    /// How to reach it.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// What TLS trusts; none: no TLS.
    pub fn tls(&self) -> Option<&Arc<ClientConfig>> {
        self.tls.as_ref()
    }

    /// The user of the ACL, if one is named.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The password, if there is one.
    pub fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// The database.
    pub fn db(&self) -> i64 {
        self.db
    }

    /// Whether it is on this machine as far as its name tells: loopback or a socket in the file system.
    pub fn is_local(&self) -> bool {
        match &self.place {
            Place::Unix(_) => true,
            Place::Tcp(host, _) => {
                host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
            }
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&place_text(&self.place))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

fn place_text(place: &Place) -> String {
    match place {
        Place::Tcp(host, port) if host.contains(':') => format!("[{host}]:{port}"),
        Place::Tcp(host, port) => format!("{host}:{port}"),
        Place::Unix(path) => path.display().to_string(),
    }
}

/// The URL as it may be shown.
fn without_password(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://…@{host}"),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_as_redis_cli_reads_them() {
        let full = Address::parse("redis://alice:s%40cret@example.com:7000/3").expect("a URL");
        assert_eq!(full.place(), &Place::Tcp("example.com".to_owned(), 7000));
        assert_eq!((full.user(), full.password(), full.db()), (Some("alice"), Some("s@cret"), 3));
        assert_eq!(format!("{full} {full:?}"), "example.com:7000 Address(example.com:7000)");
        let plain = Address::parse("redis://localhost").expect("a URL").or_password(Some("x".to_owned()));
        assert_eq!(plain.place(), &Place::Tcp("localhost".to_owned(), 6379));
        assert!(plain.is_local() && plain.tls().is_none() && plain.password() == Some("x"));
        let socket = Address::parse("unix:///run/redis.sock").expect("a URL");
        assert_eq!(socket.place(), &Place::Unix("/run/redis.sock".into()));
        assert!(Address::parse_with("rediss://h", &Trust::Anyone).expect("a URL").tls().is_some());
    }

    #[test]
    fn a_wrong_url_is_shown_without_its_password() {
        for url in ["http://u:secret@h", "redis://u:secret@h:99999", "redis://u:secret@h/x"] {
            let error = Address::parse(url).expect_err("it is wrong").to_string();
            assert!(!error.contains("secret") && error.contains("unix:///path"), "{error}");
        }
    }
}
