//! What people have of a server, read leniently: whatever the bytes, the answer is what can be said and what is
//! missing.

pub mod cluster;
pub mod config_get;
pub mod info;
pub mod latency;
pub mod reply;
pub mod slowlog;

/// Bytes as text: UTF-8 with or without a mark, UTF-16 as some shells redirect it; ANSI colours and CRs are gone.
pub fn decode(bytes: &[u8]) -> String {
    let wide = |bytes: &[u8], join: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| join([pair[0], pair[1]])).collect();
        String::from_utf16_lossy(&units)
    };
    let text = match bytes {
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    };
    without_colours(&text).replace('\r', "")
}

/// Text without the sequences ESC [ … letter.
fn without_colours(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| c.is_ascii_alphabetic()).map_or(part.len(), |at| at + 1);
        plain.push_str(&part[end..]);
    }
    plain
}

/// Whether a line is what redis-cli or the shell around it says, not what the server answered.
pub(super) fn is_decoration(line: &str) -> bool {
    let prompt = |line: &str| {
        let Some((place, _)) = line.split_once("> ") else { return line.trim_end().ends_with(['>', '$']) };
        place.rsplit_once(':').is_some_and(|(_, port)| {
            port.trim_end_matches(']').split('[').all(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
        })
    };
    let line = line.trim();
    line.starts_with("Warning: ")
        || line.starts_with("$ ")
        || line == "OK"
        || !line.is_empty() && prompt(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_as_shells_write_it() {
        let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        assert_eq!(decode(&[vec![0xff, 0xfe], wide("hz:10\r\n")].concat()), "hz:10\n");
        assert_eq!(decode(b"\xef\xbb\xbfhz:10"), "hz:10");
        assert_eq!(decode(b"\x1b[31mhz\x1b[0m:10\xff"), "hz:10\u{fffd}");
    }

    #[test]
    fn prompts_are_no_answers() {
        assert!(is_decoration("127.0.0.1:6379> CONFIG GET *") && is_decoration("host:6379[3]> INFO"));
        assert!(is_decoration("$ redis-cli INFO") && is_decoration("Warning: Using a password"));
        assert!(!is_decoration("save") && !is_decoration("") && !is_decoration("1) \"a> b\""));
    }
}
