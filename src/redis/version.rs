//! Server versions, and the few questions several mechanisms ask of one.
//!
//! A difference that one mechanism alone has stands in that mechanism's file.

use std::fmt;
use std::str::FromStr;

/// Who publishes the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flavour {
    /// Redis.
    Redis,
    /// Valkey, a fork of Redis 7.2.
    Valkey,
}

/// A modelled server version: flavour, major and minor number. Patch levels are folded into their last release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// Who publishes it.
    pub flavour: Flavour,
    /// Major number.
    pub major: u8,
    /// Minor number.
    pub minor: u8,
}

/// How io threads take part: the designs of Redis 6.0, Valkey 8.0 and Redis 8.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IoThreadDesign {
    /// Before Redis 6.0: none.
    None,
    /// Redis 6.0 to 7.4, Valkey 7.2: the main thread spins until all threads have written (or read).
    Spinning,
    /// Valkey 8.0 on: asynchronous read, parse, write and poll.
    Offload,
    /// Redis 8.0 on: each client belongs to an io thread with its own event loop.
    OwnedClients,
}

/// How an AOF rewrite ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RewriteStyle {
    /// Up to 2.8: the parent writes everything that arrived during the rewrite at its end.
    BufferAtEnd,
    /// 3.0 to 6.2: streamed to the child through a pipe; the parent writes a residual.
    Streamed,
    /// 7.0 on and Valkey: writes go to a new INCR file at once.
    MultiPart,
}

/// Versions a scenario may name, oldest first (`writepath list versions`).
pub const KNOWN: &[Version] = &[
    Version::redis(2, 8),
    Version::redis(3, 0),
    Version::redis(3, 2),
    Version::redis(4, 0),
    Version::redis(5, 0),
    Version::redis(6, 0),
    Version::redis(6, 2),
    Version::redis(7, 0),
    Version::redis(7, 2),
    Version::redis(7, 4),
    Version::redis(8, 0),
    Version::redis(8, 2),
    Version::redis(8, 4),
    Version::redis(8, 6),
    Version::redis(8, 8),
    Version::redis(8, 10),
    Version::valkey(7, 2),
    Version::valkey(8, 0),
    Version::valkey(8, 1),
    Version::valkey(9, 0),
    Version::valkey(9, 1),
];

impl Version {
    /// Redis `major.minor`.
    pub const fn redis(major: u8, minor: u8) -> Self {
        Version { flavour: Flavour::Redis, major, minor }
    }

    /// Valkey `major.minor`.
    pub const fn valkey(major: u8, minor: u8) -> Self {
        Version { flavour: Flavour::Valkey, major, minor }
    }

    /// Whether this is Valkey, at least `major.minor`.
    pub fn valkey_at_least(self, major: u8, minor: u8) -> bool {
        self.flavour == Flavour::Valkey && (self.major, self.minor) >= (major, minor)
    }

    /// Whether this is Redis, at least `major.minor` (false for every Valkey).
    pub fn redis_at_least(self, major: u8, minor: u8) -> bool {
        self.flavour == Flavour::Redis && (self.major, self.minor) >= (major, minor)
    }

    /// It migrates slots by itself, in one piece: CLUSTER MIGRATESLOTS (Valkey 9.0), CLUSTER MIGRATION (Redis 8.4).
    pub fn has_atomic_migration(self) -> bool {
        self.valkey_at_least(9, 0) || self.redis_at_least(8, 4)
    }

    /// Whether code that came with Redis `major.minor` (≤ 7.4) is in this version.
    ///
    /// Valkey 7.2 is Redis 7.2; for the mechanisms modelled here Valkey 8.0 on has what Redis 7.4 has.
    pub fn has(self, major: u8, minor: u8) -> bool {
        let equivalent = match self.flavour {
            Flavour::Redis => (self.major, self.minor),
            Flavour::Valkey if self.major < 8 => (7, 2),
            Flavour::Valkey => (7, 4),
        };
        equivalent >= (major, minor)
    }

    /// How an AOF rewrite ends in this version (aof.c, section 3 of each version's story).
    pub fn rewrite_style(self) -> RewriteStyle {
        if self.has(7, 0) {
            RewriteStyle::MultiPart
        } else if self.has(3, 0) {
            RewriteStyle::Streamed
        } else {
            RewriteStyle::BufferAtEnd
        }
    }

    /// Design of io threads.
    pub fn io_thread_design(self) -> IoThreadDesign {
        if self.valkey_at_least(8, 0) {
            IoThreadDesign::Offload
        } else if self.redis_at_least(8, 0) {
            IoThreadDesign::OwnedClients
        } else if self.has(6, 0) {
            IoThreadDesign::Spinning
        } else {
            IoThreadDesign::None
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = if self.flavour == Flavour::Valkey { "valkey-" } else { "" };
        write!(f, "{prefix}{}.{}", self.major, self.minor)
    }
}

impl FromStr for Version {
    type Err = String;

    /// Reads `7.2`, `7.2.4`, `8.x` (the newest of 8), `redis-7.2`, `valkey-8.1`. A Redis minor between two known
    /// ones means the older of them.
    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || {
            let names: Vec<String> = KNOWN.iter().map(Version::to_string).collect();
            format!("unknown version {text:?}; expected one of: {}", names.join(", "))
        };
        let (flavour, numbers) = match text.strip_prefix("valkey-") {
            Some(rest) => (Flavour::Valkey, rest),
            None => (Flavour::Redis, text.strip_prefix("redis-").unwrap_or(text)),
        };
        let mut parts = numbers.split('.');
        let major: u8 = parts.next().and_then(|p| p.parse().ok()).ok_or_else(expected)?;
        let minor: u8 = match parts.next() {
            Some("x") => u8::MAX,
            Some(part) => part.parse().map_err(|_| expected())?,
            None => return Err(expected()),
        };
        if parts.next().is_some_and(|p| p.parse::<u8>().is_err()) || parts.next().is_some() {
            return Err(expected());
        }
        KNOWN
            .iter()
            .filter(|v| v.flavour == flavour && v.major == major && v.minor <= minor)
            .max_by_key(|v| v.minor)
            .copied()
            .ok_or_else(expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_people_write_them() {
        assert_eq!("7.2.4".parse(), Ok(Version::redis(7, 2)));
        assert_eq!("8.x".parse(), Ok(Version::redis(8, 10)));
        assert_eq!("8.1".parse(), Ok(Version::redis(8, 0)));
        assert_eq!("valkey-9.x".parse(), Ok(Version::valkey(9, 1)));
        assert!("9.0".parse::<Version>().is_err());
        assert!("7".parse::<Version>().is_err());
        assert!("7.2.4.1".parse::<Version>().is_err());
        for version in KNOWN {
            assert_eq!(version.to_string().parse(), Ok(*version));
        }
    }

    #[test]
    fn rewrite_styles_change_where_redis_changed_them() {
        assert_eq!(Version::redis(2, 8).rewrite_style(), RewriteStyle::BufferAtEnd);
        assert_eq!(Version::redis(6, 2).rewrite_style(), RewriteStyle::Streamed);
        assert_eq!(Version::redis(7, 0).rewrite_style(), RewriteStyle::MultiPart);
        assert_eq!(Version::valkey(7, 2).rewrite_style(), RewriteStyle::MultiPart);
    }
}
