//! What the server did to one counter, in its own order: read from its AOF.
//!
//! Replies reach a client in another order than commands were executed, the AOF does not: it holds every SET, INCR
//! and deadline of the key, a DEL when it expired (of the server's own making) and an UNLINK when the client
//! deleted it. So every count below is exact.

use super::reply::command;

/// How one life of the key ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The server deleted it after its deadline (`DEL` in the AOF).
    Expired,
    /// The client did (`UNLINK`), having found it without a deadline.
    Unlinked,
}

/// The time between two endings.
#[derive(Clone, Debug, Default)]
pub struct Window {
    /// SETs executed (those that set nothing, for NX, are not in the AOF).
    pub sets: u64,
    /// SETs more than a tenth of the TTL after the first: by a client that was held up.
    pub late_sets: u64,
    /// INCRs executed.
    pub increments: u64,
    /// Increments that a SET destroyed.
    pub lost: u64,
    /// Whether the key had a deadline at its end.
    pub has_deadline: bool,
    /// How the window before ended; none for the first of all.
    pub after: Option<Ending>,
    first_set_until: Option<u64>,
}

/// The life of the key.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Windows that have ended, in order.
    pub windows: Vec<Window>,
    /// INCRs executed, the open window among them.
    pub increments: u64,
    /// Increments that SETs destroyed, the open window among them.
    pub lost: u64,
    /// Value of the key at the end; 0 if there is none.
    pub value: u64,
}

impl Ledger {
    /// Reads what the AOF says about `key`, whose SETs give it `ttl_ms`.
    ///
    /// Fails if the books do not balance: increments = those lost + the last value of each window.
    pub fn read(aof: &[u8], key: &[u8], ttl_ms: u64) -> Result<Self, String> {
        let mut ledger = Ledger::default();
        let (mut at, mut value, mut open) = (0, None::<u64>, Window::default());
        let mut kept = 0;
        while let Some((words, length)) = command(&aof[at..])? {
            at += length;
            if words.get(1) != Some(&key) {
                continue;
            }
            match words[0].to_ascii_uppercase().as_slice() {
                b"SET" => {
                    let until =
                        words.get(4).and_then(|text| std::str::from_utf8(text).ok()?.parse::<u64>().ok());
                    let until = until.ok_or("a SET without a deadline")?;
                    let first = *open.first_set_until.get_or_insert(until);
                    open.sets += 1;
                    open.late_sets += u64::from(until > first + ttl_ms / 10);
                    open.lost += value.unwrap_or(0);
                    ledger.lost += value.unwrap_or(0);
                    (value, open.has_deadline) = (Some(0), true);
                }
                b"INCR" => {
                    // INCR makes a key that is missing, and gives it no deadline.
                    value = Some(value.unwrap_or(0) + 1);
                    open.increments += 1;
                    ledger.increments += 1;
                }
                b"PEXPIREAT" => open.has_deadline = true,
                name @ (b"DEL" | b"UNLINK") => {
                    let ending = if name == b"DEL" { Ending::Expired } else { Ending::Unlinked };
                    if value.is_none() {
                        // UNLINK of a key that had just expired.
                        continue;
                    }
                    kept += value.take().unwrap_or(0);
                    ledger.windows.push(std::mem::take(&mut open));
                    open.after = Some(ending);
                }
                other => return Err(format!("{} is no step of these", String::from_utf8_lossy(other))),
            }
        }
        ledger.value = value.unwrap_or(0);
        if ledger.increments != ledger.lost + kept + ledger.value {
            return Err(format!(
                "{} increments, but {} lost and {kept} kept",
                ledger.increments, ledger.lost
            ));
        }
        Ok(ledger)
    }

    /// Windows that followed `ending`.
    pub fn after(&self, ending: Ending) -> impl Iterator<Item = &Window> {
        self.windows.iter().filter(move |window| window.after == Some(ending))
    }
}
