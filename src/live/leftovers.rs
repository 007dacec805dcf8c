//! What is left on a server that is not ours, and taking it away again: keys under a prefix, settings that were changed.

use redis::{Cmd, Value};

use super::control::Control;
use super::error::{LiveError, Result};

/// Keys looked at by one SCAN, about; removed by one UNLINK, at most.
const BATCH: usize = 1000;

/// Names of keys.
type Names = Vec<Vec<u8>>;

/// Keys whose names begin with `prefix`, handed to `each` in batches; false stops.
///
/// # Errors
/// What the server answers.
pub fn scan(
    control: &mut Control,
    prefix: &str,
    each: &mut dyn FnMut(&mut Control, Names) -> Result<bool>,
) -> Result<()> {
    let pattern = format!("{}*", escaped(prefix));
    let mut cursor = "0".to_owned();
    loop {
        let answer = control.ask(&["SCAN", &cursor, "MATCH", &pattern, "COUNT", &BATCH.to_string()])?;
        let Some((next, keys)) = page(&answer) else { return Err(control.unexpected("SCAN", &answer)) };
        if !keys.is_empty() && !each(control, keys)? {
            return Ok(());
        }
        if next == "0" {
            return Ok(());
        }
        cursor = next;
    }
}

/// Number of keys whose names begin with `prefix`; stops counting at `most`.
///
/// # Errors
/// What the server answers.
pub fn count(control: &mut Control, prefix: &str, most: u64) -> Result<u64> {
    let mut count = 0;
    scan(control, prefix, &mut |_, keys| {
        count += keys.len() as u64;
        Ok(count < most)
    })?;
    Ok(count)
}

/// Removes every key whose name begins with `prefix`, a batch at a time; returns how many there were.
///
/// # Errors
/// What the server answers. What has been removed by then stays removed.
pub fn remove(control: &mut Control, prefix: &str) -> Result<u64> {
    let mut removed = 0;
    let mut command = "UNLINK";
    scan(control, prefix, &mut |control, keys| {
        for batch in keys.chunks(BATCH) {
            let of = |name: &str| {
                let mut cmd = Cmd::new();
                cmd.arg(name).arg(batch);
                cmd
            };
            let answer = match control.query(&of(command)) {
                // Before 4.0 there is no UNLINK.
                Err(error) if error.code() == Some("ERR") && command == "UNLINK" => {
                    command = "DEL";
                    control.query(&of(command))?
                }
                other => other?,
            };
            match answer {
                Value::Int(number) => removed += number.max(0) as u64,
                other => return Err(control.unexpected(command, &other)),
            }
        }
        Ok(true)
    })?;
    Ok(removed)
}

/// Cursor and keys of a reply to SCAN.
fn page(answer: &Value) -> Option<(String, Names)> {
    let Value::Array(parts) = answer else { return None };
    let [Value::BulkString(cursor), Value::Array(keys)] = &parts[..] else { return None };
    let keys = keys.iter().map(|key| match key {
        Value::BulkString(bytes) => Some(bytes.clone()),
        _ => None,
    });
    Some((String::from_utf8(cursor.clone()).ok()?, keys.collect::<Option<_>>()?))
}

/// `prefix` as a pattern that matches it and nothing else (`stringmatchlen` of util.c).
fn escaped(prefix: &str) -> String {
    let special = |c: char| "*?[]\\^".contains(c);
    prefix.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}

/// Settings that were changed, with what they were.
#[derive(Debug, Default)]
pub struct Changed(Vec<(String, String)>);

impl Changed {
    /// Changes a setting and remembers what it was. False if this server has no setting of that name.
    ///
    /// # Errors
    /// What the server answers.
    pub fn set(&mut self, control: &mut Control, name: &str, value: &str) -> Result<bool> {
        let Some(before) = control.config_get(name)? else { return Ok(false) };
        // Remembered first: a setting that was not changed after all is put back to what it is.
        if !self.0.iter().any(|changed| changed.0 == name) {
            self.0.push((name.to_owned(), before));
        }
        control.config_set(name, value).map(|()| true)
    }

    /// Puts everything back, last changed first, as far as the server lets us.
    ///
    /// # Errors
    /// [`LiveError::Cannot`] with the settings that could not be put back.
    pub fn restore(&mut self, control: &mut Control) -> Result<()> {
        let mut failed = Vec::new();
        while let Some((name, value)) = self.0.pop() {
            if let Err(error) = control.config_set(&name, &value) {
                failed.push(format!("CONFIG SET {name} {value:?}: {}", first_line(&error)));
            }
        }
        match failed.is_empty() {
            true => Ok(()),
            false => {
                let what = format!("{}: settings could not be put back", control.address());
                Err(LiveError::cannot(what, format!("do it by hand:\n    {}", failed.join("\n    "))))
            }
        }
    }

    /// Nothing is to be put back.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn first_line(error: &LiveError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_matches_itself_alone() {
        assert_eq!(escaped("writepath:1f3a:"), "writepath:1f3a:");
        assert_eq!(escaped("a*[b]?\\"), "a\\*\\[b\\]\\?\\\\");
    }
}
