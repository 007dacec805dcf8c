//! Commands as bytes and replies from bytes: as much of RESP2 as the experiments need.

/// A reply, as far as a client's next step depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// `+OK` and its like.
    Status,
    /// `$-1`.
    Nil,
    /// `:n`.
    Integer(i64),
    /// A text.
    Bulk(Vec<u8>),
    /// `-ERR …`.
    Error(String),
}

impl Reply {
    /// The first whole reply in `bytes` and its length; none while it has not all come.
    ///
    /// # Panics
    ///
    /// On a reply that none of the experiments' commands has (an array, RESP3).
    pub fn first(bytes: &[u8]) -> Option<(Reply, usize)> {
        let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
        let line = std::str::from_utf8(&bytes[1..end]).expect("replies begin with text");
        let number = || line.parse::<i64>().expect("a number");
        let after = end + 2;
        Some(match bytes[0] {
            b'+' => (Reply::Status, after),
            b'-' => (Reply::Error(line.to_owned()), after),
            b':' => (Reply::Integer(number()), after),
            b'$' if number() < 0 => (Reply::Nil, after),
            b'$' => {
                let length = number() as usize;
                let text = bytes.get(after..after + length)?;
                bytes.get(after + length..after + length + 2)?;
                (Reply::Bulk(text.to_vec()), after + length + 2)
            }
            other => panic!("a reply that begins with {:?}", other as char),
        })
    }
}

/// Appends a command to `out`.
pub fn encode(out: &mut Vec<u8>, words: &[&[u8]]) {
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

/// The words of a command, and its length in bytes.
pub type Command<'a> = (Vec<&'a [u8]>, usize);

/// The words of the first command in `bytes` (an array of bulks, as in an AOF) and its length; none at the end.
///
/// Annotations (`#TS:…`) are skipped.
pub fn command(bytes: &[u8]) -> Result<Option<Command<'_>>, String> {
    let mut at = 0;
    let line = |at: &mut usize, first: u8| -> Result<usize, String> {
        let rest = &bytes[*at..];
        let end = rest.windows(2).position(|pair| pair == b"\r\n").ok_or(format!("cut off at byte {at}"))?;
        if rest[0] != first {
            return Err(format!("byte {at} is {:?}, not {:?}", rest[0] as char, first as char));
        }
        *at += end + 2;
        std::str::from_utf8(&rest[1..end])
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or(format!("no number before byte {at}"))
    };
    while bytes.get(at) == Some(&b'#') {
        at += bytes[at..].iter().position(|byte| *byte == b'\n').ok_or("an annotation is cut off")? + 1;
    }
    if at == bytes.len() {
        return Ok(None);
    }
    let mut words = Vec::new();
    for _ in 0..line(&mut at, b'*')? {
        let length = line(&mut at, b'$')?;
        words.push(bytes.get(at..at + length).ok_or(format!("cut off at byte {at}"))?);
        at += length + 2;
    }
    Ok(Some((words, at)))
}
