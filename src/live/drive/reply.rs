//! Where a reply ends, and what of it a client's next step depends on.
//!
//! Most replies are only counted: their first byte says whether they are errors. The end of a reply is found here, without
//! a look at its contents, in 5 to 30 ns; what somebody looks into goes through the parser of the `redis` crate, which takes
//! 300 to 900 ns a reply (both measured on a virtual machine at 2.5 GHz): too long for a thread that is to read several
//! hundred thousand replies a second and be in time for the next request.

use redis::Value;

use crate::client::operation::Outcome;

/// The longest line that begins a reply \[bytes\]; what is longer is no RESP.
const LONGEST_LINE: usize = 1 << 20;

/// Bytes that are no RESP2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Length of the whole reply that `bytes` begin with; none while it has not all come.
pub fn length(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
    let (mut at, mut replies) = (0, 1_i64);
    while replies > 0 {
        let Some(line) = line(&bytes[at.min(bytes.len())..])? else { return Ok(None) };
        let kind = bytes[at];
        let number = || std::str::from_utf8(&bytes[at + 1..at + line]).ok()?.parse::<i64>().ok();
        let after = at + line + 2;
        at = match kind {
            b'+' | b'-' | b':' => after,
            b'*' => {
                replies += number().ok_or(Malformed)?.max(0);
                after
            }
            b'$' => match number().ok_or(Malformed)? {
                -1 => after,
                length => after + usize::try_from(length).map_err(|_| Malformed)? + 2,
            },
            _ => return Err(Malformed),
        };
        replies -= 1;
    }
    Ok((at <= bytes.len()).then_some(at))
}

/// Length of the first line without its end; none while that has not come.
fn line(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
    match bytes.iter().position(|byte| *byte == b'\r') {
        Some(end) if bytes.get(end + 1) == Some(&b'\n') => Ok(Some(end)),
        Some(end) if end + 1 < bytes.len() => Err(Malformed),
        None if bytes.len() > LONGEST_LINE => Err(Malformed),
        _ => Ok(None),
    }
}

/// The server's words when the reply `bytes` is an error.
pub fn error(bytes: &[u8]) -> Option<String> {
    let text = bytes.strip_prefix(b"-")?;
    Some(String::from_utf8_lossy(text).trim_end().to_owned())
}

/// What the reply to a step means for the next: of an EXEC, the last of its replies.
pub fn outcome(bytes: &[u8]) -> Outcome {
    redis::parse_redis_value(bytes).map_or(Outcome::Error, |value| of_value(&value))
}

fn of_value(value: &Value) -> Outcome {
    match value {
        Value::Nil => Outcome::Nil,
        Value::Okay => Outcome::Ok,
        Value::Int(number) => Outcome::Value(*number),
        Value::BulkString(bytes) => {
            let number = std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok());
            number.map_or(Outcome::Ok, Outcome::Value)
        }
        Value::ServerError(_) => Outcome::Error,
        Value::Array(all) if all.iter().any(|one| matches!(one, Value::ServerError(_))) => Outcome::Error,
        Value::Array(all) => all.last().map_or(Outcome::Ok, of_value),
        _ => Outcome::Ok,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_ends_where_it_ends_however_it_is_cut() {
        let whole = [
            "+OK\r\n",
            ":12\r\n",
            "$-1\r\n",
            "$0\r\n\r\n",
            "$5\r\na\r\nbc\r\n",
            "*-1\r\n",
            "*0\r\n",
            "*2\r\n$1\r\nx\r\n*2\r\n:1\r\n$-1\r\n",
            "-ERR no\r\n",
        ];
        for reply in whole {
            let more = format!("{reply}+next");
            assert_eq!(length(more.as_bytes()), Ok(Some(reply.len())), "{reply:?}");
            for cut in 0..reply.len() {
                assert_eq!(length(&reply.as_bytes()[..cut]), Ok(None), "{reply:?} cut at {cut}");
            }
        }
        for wrong in ["HTTP/1.1 400\r\n", "$x\r\n", "*\r\n", "+OK\rx", "$-2\r\n"] {
            assert_eq!(length(wrong.as_bytes()), Err(Malformed), "{wrong:?}");
        }
    }

    #[test]
    fn the_last_reply_of_a_block_decides() {
        assert_eq!(outcome(b"$-1\r\n"), Outcome::Nil);
        assert_eq!(outcome(b"$2\r\n17\r\n"), Outcome::Value(17));
        assert_eq!(outcome(b"*2\r\n+OK\r\n:3\r\n"), Outcome::Value(3));
        assert_eq!(outcome(b"*2\r\n-ERR x\r\n:3\r\n"), Outcome::Error);
        assert_eq!(outcome(b"-OOM no memory\r\n"), Outcome::Error);
        assert_eq!(error(b"-OOM no memory\r\n").as_deref(), Some("OOM no memory"));
        assert_eq!(error(b":1\r\n"), None);
    }
}
