//! A reply of the server in any dress: RESP 2 and 3, redis-cli for terminals (`1) "save"`), redis-cli for pipes (one element a
//! line), redis-cli --json. What is cut off keeps what came before.

use serde_json::Value;

use super::{decode, is_decoration};
use crate::scenario::redis_conf;

/// Deepest nesting that is followed; the replies read here have three levels.
const DEPTH: usize = 16;

/// A reply; numbers stay as they are written, maps are lists of keys and values in turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Nothing.
    Nil,
    /// A string or a number.
    Text(String),
    /// Several.
    List(Vec<Reply>),
}

impl Reply {
    /// Its text; none for the others.
    pub fn text(&self) -> Option<&str> {
        match self {
            Reply::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Its number, if its text is one.
    pub fn number<T: std::str::FromStr>(&self) -> Option<T> {
        self.text()?.trim().parse().ok()
    }

    /// Its elements; none of what is no list.
    pub fn list(&self) -> &[Reply] {
        match self {
            Reply::List(list) => list,
            _ => &[],
        }
    }

    /// Elements that are lists themselves.
    pub fn rows(&self) -> impl Iterator<Item = &[Reply]> {
        self.list().iter().map(Reply::list).filter(|row| !row.is_empty())
    }
}

/// How a reply was written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dress {
    /// Nested: RESP, a terminal, JSON.
    Nested,
    /// One element a line, without nesting.
    Lines,
}

/// Reads a reply.
pub fn read(bytes: &[u8]) -> (Reply, Dress) {
    let text = decode(bytes);
    let start = text.trim_start();
    if start.starts_with(['{', '[']) {
        return (json(start), Dress::Nested);
    }
    let first = start.lines().next().unwrap_or_default();
    let is_length = |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
    if first.starts_with(['*', '%', '~', '$', '=']) && is_length(&first[1..]) {
        let skipped = bytes.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        return (resp(&mut &bytes[skipped..], 0).unwrap_or(Reply::Nil), Dress::Nested);
    }
    if text.lines().any(|line| numbered(line).is_some()) {
        return (terminal(&text), Dress::Nested);
    }
    let body = text.strip_suffix('\n').unwrap_or(&text);
    let lines = body.split('\n').filter(|line| !is_decoration(line));
    (Reply::List(lines.map(|line| Reply::Text(line.to_owned())).collect()), Dress::Lines)
}

/// JSON, closed where it was cut off.
fn json(text: &str) -> Reply {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let value = match values.next() {
        Some(Ok(value)) => Some(value),
        _ => mended(text).and_then(|text| serde_json::from_str(&text).ok()),
    };
    value.map_or(Reply::Nil, of_json)
}

fn of_json(value: Value) -> Reply {
    match value {
        Value::Null => Reply::Nil,
        Value::String(text) => Reply::Text(text),
        Value::Array(list) => Reply::List(list.into_iter().map(of_json).collect()),
        Value::Object(map) => {
            Reply::List(map.into_iter().flat_map(|(key, value)| [Reply::Text(key), of_json(value)]).collect())
        }
        other => Reply::Text(other.to_string()),
    }
}

/// The text up to its last whole element, with what is open there closed.
fn mended(text: &str) -> Option<String> {
    let (mut open, mut quoted, mut escaped) = (Vec::new(), false, false);
    let mut whole: Option<(usize, String)> = None;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '{' => open.push('}'),
            '[' => open.push(']'),
            '}' | ']' => {
                open.pop();
                whole = Some((at + 1, open.iter().rev().collect()));
            }
            ',' => whole = Some((at, open.iter().rev().collect())),
            _ => {}
        }
    }
    whole.map(|(end, closing)| text[..end].to_owned() + &closing)
}

/// RESP 2 and 3; none at the end of the bytes.
fn resp(rest: &mut &[u8], depth: usize) -> Option<Reply> {
    let line = line(rest)?;
    let (&kind, head) = line.split_first()?;
    let head = String::from_utf8_lossy(head).into_owned();
    match kind {
        b'*' | b'~' | b'>' | b'%' if depth < DEPTH => {
            let count = head.parse::<i64>().ok()?.max(0).saturating_mul(if kind == b'%' { 2 } else { 1 });
            let mut list = Vec::new();
            while (list.len() as i64) < count
                && let Some(element) = resp(rest, depth + 1)
            {
                list.push(element);
            }
            Some(Reply::List(list))
        }
        b'$' | b'=' => {
            let Ok(length) = head.parse::<usize>() else { return Some(Reply::Nil) };
            let bytes = &rest[..length.min(rest.len())];
            // Of a short string nobody knows how it went on; of a long text the lines before are worth having.
            if bytes.len() < length && !bytes.contains(&b'\n') {
                return None;
            }
            *rest = &rest[bytes.len()..];
            line_end(rest);
            let text = String::from_utf8_lossy(bytes).into_owned();
            Some(Reply::Text(if kind == b'=' { text.chars().skip(4).collect() } else { text }))
        }
        b'+' | b':' | b',' | b'(' | b'#' => Some(Reply::Text(head)),
        _ => Some(Reply::Nil),
    }
}

/// The next line without its end; none if it has no end.
fn line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.iter().position(|&byte| byte == b'\n')?;
    let line = &rest[..end];
    *rest = &rest[end + 1..];
    Some(line.strip_suffix(b"\r").unwrap_or(line))
}

fn line_end(rest: &mut &[u8]) {
    *rest = rest.strip_prefix(b"\r\n").or_else(|| rest.strip_prefix(b"\n")).unwrap_or(rest);
}

/// The column of the mark and the rest behind it, if a line begins with a number and `)`, `#` or `~`.
fn numbered(line: &str) -> Option<(usize, &str)> {
    let start = line.trim_start_matches(' ');
    let digits = start.bytes().take_while(u8::is_ascii_digit).count();
    let rest = start.get(digits..)?.strip_prefix([')', '#', '~'])?;
    let rest = if rest.is_empty() { rest } else { rest.strip_prefix(' ')? };
    (digits > 0).then_some((line.len() - start.len() + digits, rest))
}

/// What redis-cli shows on a terminal: the columns of the marks are the levels.
fn terminal(text: &str) -> Reply {
    let mut stack: Vec<(usize, Vec<Reply>)> = vec![(0, Vec::new())];
    let close = |stack: &mut Vec<(usize, Vec<Reply>)>| {
        if let Some((_, list)) = stack.pop()
            && let Some(parent) = stack.last_mut()
        {
            parent.1.push(Reply::List(list));
        }
    };
    for line in text.lines() {
        let (mut rest, mut base, mut is_element) = (line, 0, false);
        while let Some((column, after)) = numbered(rest) {
            let column = base + column + 1;
            while stack.len() > 1 && stack.last().is_some_and(|top| top.0 > column) {
                close(&mut stack);
            }
            if stack.last().is_some_and(|top| top.0 < column) && stack.len() < DEPTH {
                stack.push((column, Vec::new()));
            }
            base += rest.len() - after.len();
            (rest, is_element) = (after, true);
        }
        if is_element && !rest.is_empty() {
            let parts = rest.split("\" => ").count();
            let leaves = match rest.split_once("\" => ") {
                Some((key, value)) if parts == 2 => vec![leaf(&format!("{key}\"")), leaf(value)],
                _ => vec![leaf(rest)],
            };
            if let Some(top) = stack.last_mut() {
                top.1.extend(leaves.into_iter().flatten());
            }
        }
    }
    while stack.len() > 2 {
        close(&mut stack);
    }
    Reply::List(stack.pop().map(|(_, list)| list).unwrap_or_default())
}

/// One element as redis-cli writes it; none if it is cut off.
fn leaf(text: &str) -> Option<Reply> {
    if text.starts_with('"') {
        let words = redis_conf::split(text).ok()?;
        return words.into_iter().next().map(|(_, text)| Reply::Text(text));
    }
    Some(match text {
        "(nil)" => Reply::Nil,
        "(empty array)" | "(empty list or set)" | "(empty hash)" => Reply::List(Vec::new()),
        _ => {
            let bare = ["(integer) ", "(double) "].iter().find_map(|kind| text.strip_prefix(kind));
            Reply::Text(bare.unwrap_or(text).to_owned())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(reply: &Reply) -> String {
        match reply {
            Reply::Nil => "nil".to_owned(),
            Reply::Text(text) => text.clone(),
            Reply::List(list) => format!("[{}]", list.iter().map(shown).collect::<Vec<_>>().join(" ")),
        }
    }

    fn nested(text: &str) -> String {
        let (reply, dress) = read(text.as_bytes());
        assert_eq!(dress, Dress::Nested, "{text:?}");
        shown(&reply)
    }

    #[test]
    fn every_dress_of_one_reply_is_the_same() {
        let same = "[[14 [SET a b] nil] [13 [GET x y] z]]";
        let terminal = "1) 1) (integer) 14\n   2) 1) \"SET\"\n      2) \"a b\"\n   3) (nil)\n\
                        2) 1) (integer) 13\n   2) 1) \"GET\"\n      2) \"x y\"\n   3) \"z\"\n";
        let resp = "*2\r\n*3\r\n:14\r\n*2\r\n$3\r\nSET\r\n$3\r\na b\r\n$-1\r\n*3\r\n:13\r\n*2\r\n$3\r\nGET\r\n$3\r\nx y\r\n$1\r\nz\r\n";
        assert_eq!(nested(terminal), same);
        assert_eq!(nested(resp), same);
        assert_eq!(nested("[[14,[\"SET\",\"a b\"],null],[13,[\"GET\",\"x y\"],\"z\"]]"), same);
    }

    #[test]
    fn numbers_are_aligned_by_their_marks() {
        let text: String = (1..=12).map(|n| format!("{n:>2}) \"v{n}\"\n")).collect();
        assert_eq!(read(text.as_bytes()).0.list().len(), 12);
        let nested: String = (1..=11).map(|n| format!("{n:>2}) 1) \"a\"\n    2) \"b\"\n")).collect();
        assert_eq!(read(nested.as_bytes()).0.rows().map(<[Reply]>::len).collect::<Vec<_>>(), [2; 11]);
    }

    #[test]
    fn maps_are_pairs_in_turn() {
        assert_eq!(nested("%1\r\n$4\r\nsave\r\n$0\r\n\r\n"), "[save ]");
        assert_eq!(nested("1# \"save\" => \"60 1\"\n2# \"hz\" => \"10\"\n"), "[save 60 1 hz 10]");
        assert_eq!(nested("{\"save\":\"60 1\"}"), "[save 60 1]");
    }

    #[test]
    fn what_is_cut_off_keeps_what_came_before() {
        assert_eq!(nested("*4\r\n$1\r\na\r\n$5\r\nbo"), "[a]");
        assert_eq!(nested("[[1,[\"SET\",\"a\"]],[2,[\"GE"), "[[1 [SET a]] [2]]");
        assert_eq!(nested("{\"a\":\"b\",\"c\":"), "[a b]");
        assert_eq!(nested("1) \"a\"\n2) \"b"), "[a]");
        assert_eq!(nested("$500\r\nhz:10\r\nused_memory:5"), "hz:10\r\nused_memory:5");
    }

    #[test]
    fn lines_keep_empty_values_and_lose_prompts() {
        let (reply, dress) = read(b"127.0.0.1:6379> CONFIG GET *\nsave\n\nhz\n10\n");
        assert_eq!((shown(&reply).as_str(), dress), ("[save  hz 10]", Dress::Lines));
    }
}
