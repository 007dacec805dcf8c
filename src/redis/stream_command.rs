//! Stream commands as written and as bytes: XADD with MAXLEN, XREADGROUP, XACK, XDEL, XTRIM.
//!
//! Redis: t_stream.c. XADD is propagated with its explicit id; `MAXLEN ~ n` as `MAXLEN = length`, the length that
//! trimming left (`streamRewriteApproxSpecifier`, `streamRewriteTrimArgument`). XREADGROUP is not propagated itself:
//! each entry it delivers is an `XCLAIM key group consumer 0 id TIME ms RETRYCOUNT 1 FORCE JUSTID LASTID id`
//! (`streamPropagateXCLAIM`), several of them in MULTI … EXEC from 6.0 on. XACK and XDEL go verbatim, XTRIM like
//! XADD's option, each only if it removed something.
//!
//! Left out: XREADGROUP with BLOCK or NOACK (a client that polls reads `>` with COUNT), MINID, LIMIT, NOMKSTREAM,
//! XCLAIM and XAUTOCLAIM by clients.

use std::fmt;

use super::command::{Command, CommandKind::*, MAX_ELEMENTS};
use super::resp::{DEADLINE_DIGITS, Logged, Resp, STREAM_FIELD_LENGTH, STREAM_ID_LENGTH, bulk, digits};
use super::version::Version;

/// Length of a consumer group's name, `workers` \[bytes\].
pub const GROUP_LENGTH: u64 = 7;
/// Length of a consumer's name, `worker-1` \[bytes\].
pub const CONSUMER_LENGTH: u64 = 8;
/// The reply `*-1\r\n` of XREADGROUP when there is nothing new \[bytes\].
pub const NIL_ARRAY: u64 = 5;
/// `MULTI` and `EXEC` around several propagated commands \[bytes\].
pub const TRANSACTION: u64 = 15 + 14;
/// Longest MAXLEN: as long as any stream can become in ten years at 3 M entries a second.
const MAX_LENGTH: u64 = 1_000_000_000_000_000;

/// `MAXLEN [=|~] n` of XADD and XTRIM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trim {
    /// What stands between MAXLEN and the number.
    pub sign: TrimSign,
    /// Entries to keep, ≥ 1.
    pub length: u64,
}

/// How exact a MAXLEN is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrimSign {
    /// `MAXLEN n`: exact.
    None,
    /// `MAXLEN = n`: exact as well, two more bytes and their frame.
    Equals,
    /// `MAXLEN ~ n`: whole nodes only.
    Tilde,
}

impl Trim {
    /// Whether only whole nodes are freed.
    pub fn is_approximate(self) -> bool {
        self.sign == TrimSign::Tilde
    }
}

impl fmt::Display for Trim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.sign {
            TrimSign::None => "",
            TrimSign::Equals => "= ",
            TrimSign::Tilde => "~ ",
        };
        write!(f, "MAXLEN {sign}{}", self.length)
    }
}

/// Reads what follows XADD (`[MAXLEN [=|~] n] [fields]`) or XTRIM (`MAXLEN [=|~] n`).
pub(super) fn read_options(command: &mut Command, options: &[&str]) -> Result<(), String> {
    let name = command.kind.name();
    let expected = || match command.kind {
        Xadd => "XADD takes [MAXLEN [=|~] length] and a number of fields, as in \"XADD MAXLEN ~ 1000 2\"",
        _ => "XTRIM takes MAXLEN [=|~] length, as in \"XTRIM MAXLEN ~ 1000\"",
    };
    let problem = || match options {
        [] => format!("{name} alone: {}", expected()),
        options => format!("{name} {}: {}", options.join(" "), expected()),
    };
    let (trim, rest) = match options {
        ["MAXLEN", "~", length, rest @ ..] => (Some((TrimSign::Tilde, *length)), rest),
        ["MAXLEN", "=", length, rest @ ..] => (Some((TrimSign::Equals, *length)), rest),
        ["MAXLEN", length, rest @ ..] => (Some((TrimSign::None, *length)), rest),
        _ => (None, options),
    };
    if let Some((sign, length)) = trim {
        let length = length.parse().ok().filter(|n| (1..=MAX_LENGTH).contains(n));
        let length = length.ok_or_else(|| {
            format!("{name} {}: the length is a whole number from 1 to {MAX_LENGTH}", options.join(" "))
        })?;
        command.trim = Some(Trim { sign, length });
    }
    match (command.kind, rest) {
        (Xadd, []) => {}
        (Xadd, [fields]) => {
            let fields = fields.parse().ok().filter(|n| (1..=MAX_ELEMENTS).contains(n));
            command.elements = fields.ok_or_else(problem)?;
        }
        (_, []) if command.trim.is_some() => {}
        _ => return Err(problem()),
    }
    Ok(())
}

fn trim_words(resp: Resp, trim: Option<Trim>, sign: impl Fn(TrimSign) -> bool) -> Resp {
    let Some(trim) = trim else { return resp };
    let resp = resp.text("MAXLEN".len() as u64);
    let resp = if sign(trim.sign) { resp.text("=".len() as u64) } else { resp };
    resp.text(digits(trim.length))
}

fn entry(command: &Command, resp: Resp, id: u64) -> Resp {
    resp.text(id).repeat(command.elements, |resp| resp.text(STREAM_FIELD_LENGTH).value())
}

/// The request with a key of `key` bytes.
pub(super) fn request(command: &Command, key: u64) -> Resp {
    let resp = Resp::named(command.kind.name());
    let typed = |sign| sign != TrimSign::None;
    match command.kind {
        Xadd => entry(command, trim_words(resp.text(key), command.trim, typed), "*".len() as u64),
        Xtrim => trim_words(resp.text(key), command.trim, typed),
        Xreadgroup => resp
            .text("GROUP".len() as u64)
            .text(GROUP_LENGTH)
            .text(CONSUMER_LENGTH)
            .text("COUNT".len() as u64)
            .text(digits(u64::from(command.elements)))
            .text("STREAMS".len() as u64)
            .text(key)
            .text(">".len() as u64),
        _ => ids(command, resp.text(key)),
    }
}

/// The ids of XACK and XDEL.
fn ids(command: &Command, resp: Resp) -> Resp {
    let resp = if command.kind == Xack { resp.text(GROUP_LENGTH) } else { resp };
    resp.repeat(command.elements, |resp| resp.text(STREAM_ID_LENGTH))
}

/// What a run that changed something appends to the AOF; XREADGROUP: for one delivered entry.
///
/// The length that a `~` is rewritten to is taken to have as many digits as the one typed.
pub(super) fn logged(command: &Command, _version: Version, key: u64) -> Logged {
    let resp = Resp::named(command.kind.name()).text(key);
    let rewritten = |sign| sign != TrimSign::None;
    Logged::default().and(match command.kind {
        Xadd => entry(command, trim_words(resp, command.trim, rewritten), STREAM_ID_LENGTH),
        Xtrim => trim_words(resp, command.trim, rewritten),
        Xreadgroup => claim(key),
        _ => ids(command, resp),
    })
}

/// The XCLAIM by which the delivery of one entry is propagated.
fn claim(key: u64) -> Resp {
    Resp::named("XCLAIM")
        .text(key)
        .text(GROUP_LENGTH)
        .text(CONSUMER_LENGTH)
        .text("0".len() as u64)
        .text(STREAM_ID_LENGTH)
        .text("TIME".len() as u64)
        .text(DEADLINE_DIGITS)
        .text("RETRYCOUNT".len() as u64)
        .text("1".len() as u64)
        .text("FORCE".len() as u64)
        .text("JUSTID".len() as u64)
        .text("LASTID".len() as u64)
        .text(STREAM_ID_LENGTH)
}

/// Whether several propagated commands are wrapped in MULTI … EXEC (server.c `call`, 6.0 on).
pub(super) fn wraps(version: Version) -> bool {
    version.has(6, 0)
}

/// Bytes of XREADGROUP's reply with `entries` entries of `fields` fields whose values are `value` bytes each.
pub(super) fn delivery(key: u64, entries: u64, fields: u64, value: u64) -> u64 {
    let pairs = bulk(STREAM_FIELD_LENGTH) + bulk(value);
    let one = "*2\r\n".len() as u64 + bulk(STREAM_ID_LENGTH) + 3 + digits(2 * fields) + fields * pairs;
    "*1\r\n*2\r\n".len() as u64 + bulk(key) + 3 + digits(entries) + entries * one
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(arguments: &[&str]) -> u64 {
        let strings: String = arguments.iter().map(|a| format!("${}\r\n{a}\r\n", a.len())).collect();
        format!("*{}\r\n{strings}", arguments.len()).len() as u64
    }

    #[test]
    fn requests_and_log_entries_are_counted_to_the_byte() {
        let v7 = Version::redis(7, 2);
        let id = "1700000000000-0";
        let both = |text: &str, value: u64| {
            let command: Command = text.parse().unwrap();
            let (request, logged) = (request(&command, 3), logged(&command, v7, 3));
            (
                request.fixed() + u64::from(request.values) * bulk(value),
                logged.fixed + u64::from(logged.values) * bulk(value),
            )
        };
        assert_eq!(
            both("XADD MAXLEN ~ 1000 2", 1),
            (
                wire(&["XADD", "key", "MAXLEN", "~", "1000", "*", "field", "v", "field", "v"]),
                wire(&["XADD", "key", "MAXLEN", "=", "1023", id, "field", "v", "field", "v"])
            )
        );
        assert_eq!(
            both("XADD MAXLEN 1000", 1),
            (
                wire(&["XADD", "key", "MAXLEN", "1000", "*", "field", "v"]),
                wire(&["XADD", "key", "MAXLEN", "1000", id, "field", "v"])
            )
        );
        let claim = wire(&[
            "XCLAIM",
            "key",
            "workers",
            "worker-1",
            "0",
            id,
            "TIME",
            "1700000000000",
            "RETRYCOUNT",
            "1",
            "FORCE",
            "JUSTID",
            "LASTID",
            id,
        ]);
        assert_eq!(
            both("XREADGROUP 10", 1),
            (
                wire(&["XREADGROUP", "GROUP", "workers", "worker-1", "COUNT", "10", "STREAMS", "key", ">"]),
                claim
            )
        );
        let ack = wire(&["XACK", "key", "workers", id, id]);
        assert_eq!(both("XACK 2", 1), (ack, ack));
        let del = wire(&["XDEL", "key", id]);
        assert_eq!(both("XDEL", 1), (del, del));
        assert_eq!(
            both("XTRIM MAXLEN ~ 10", 1),
            (wire(&["XTRIM", "key", "MAXLEN", "~", "10"]), wire(&["XTRIM", "key", "MAXLEN", "=", "12"]))
        );
    }

    #[test]
    fn a_delivery_is_an_array_of_one_stream_with_its_entries() {
        let entry = "*2\r\n$15\r\n1700000000000-0\r\n*2\r\n$5\r\nfield\r\n$1\r\nv\r\n";
        let reply = format!("*1\r\n*2\r\n$3\r\nkey\r\n*2\r\n{entry}{entry}");
        assert_eq!(delivery(3, 2, 1, 1), reply.len() as u64);
    }
}
