//! A server that is not ours: what it must be like before anything is written to it, and leaving it as it was.
//!
//! Looked at first, with INFO, CONFIG GET and SCAN alone; refused, if at all, before anything is written. Then keys under
//! one prefix are the only writes, settings change only if the user allows it, and both are undone at the end: keys by SCAN
//! and UNLINK in batches (never FLUSH*), settings by CONFIG SET to what they were. A run that is killed leaves its keys; they
//! carry the prefix and the number of the run, so the next one finds them.
//!
//! What cannot be undone: scripts stay in the server's cache (SCRIPT FLUSH would take others' scripts too), counters of INFO
//! have counted, and files of a BGSAVE or BGREWRITEAOF that the scenario asks for stay written.

use std::time::{SystemTime, UNIX_EPOCH};

use super::address::Address;
use super::control::Control;
use super::error::{LiveError, Result};
use super::info::Info;
use super::leftovers::{self, Changed};
use crate::units::{format_bytes, format_count};

/// Keys of a server up to which it is searched for what an earlier run has left.
const SEARCHED: u64 = 2_000_000;

/// What will be done to the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Memory of the keys that will be written, about \[bytes\].
    pub memory: u64,
    /// Connections at the same time.
    pub connections: u64,
    /// Settings must change, or the server must save or rewrite.
    pub commands_it: bool,
}

/// What the user allows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    /// The server may hold other keys and serve other clients.
    pub shared: bool,
    /// Settings may change until the end of the run; BGSAVE and BGREWRITEAOF may be sent.
    pub config: bool,
    /// What an earlier run has left under the prefix is removed.
    pub clean: bool,
    /// What all keys of all runs begin with.
    pub prefix: String,
}

/// What is known of the server before anything is written.
#[derive(Clone, Debug, Default)]
struct Facts {
    info: Info,
    /// Keys of earlier runs; none if nobody has looked.
    left: Option<u64>,
    /// `stop-writes-on-bgsave-error` is on, as far as we may know.
    stops_writes: bool,
    maxclients: Option<u64>,
}

/// The right to write under a prefix of a server that is not ours.
pub struct Guard {
    control: Control,
    prefix: String,
    changed: Changed,
    may_change: bool,
    is_undone: bool,
    /// What the user should know and nobody refused for.
    pub notes: Vec<String>,
}

/// What was undone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Undone {
    /// Keys removed.
    pub keys: u64,
}

impl Guard {
    /// Looks at the server and refuses it, or takes the right to write under a new prefix.
    ///
    /// # Errors
    /// [`LiveError::Cannot`] with every reason against it and what to do; faults of the connection.
    pub fn enter(address: &Address, needs: &Needs, allowed: &Allowed) -> Result<Self> {
        let mut control = Control::connect(address)?;
        let mut facts = facts(&mut control, &allowed.prefix)?;
        let mut notes = Vec::new();
        // Whether it may be written to at all comes before cleaning, which writes.
        let harmless = Allowed { shared: true, config: true, ..allowed.clone() };
        judge(address, &Facts { left: Some(0), ..facts.clone() }, &Needs::default(), &harmless)?;
        if allowed.clean && facts.left != Some(0) {
            let removed = leftovers::remove(&mut control, &allowed.prefix)?;
            notes.push(format!("removed {removed} keys of earlier runs"));
            facts.info = control.info("")?;
            facts.left = Some(0);
        }
        notes.extend(judge(address, &facts, needs, allowed)?);
        let prefix = format!("{}{}:", allowed.prefix, run_id());
        let changed = Changed::default();
        Ok(Guard { control, prefix, changed, may_change: allowed.config, is_undone: false, notes })
    }

    /// What every key of this run begins with.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// A connection to the server.
    pub fn control(&mut self) -> &mut Control {
        &mut self.control
    }

    /// Changes a setting until the end of the run. False if the server has none of that name.
    ///
    /// # Errors
    /// [`LiveError::Cannot`] if the user has not allowed it; what the server answers.
    pub fn config_set(&mut self, name: &str, value: &str) -> Result<bool> {
        if !self.may_change {
            let what = format!("{}: {name} would have to be {value:?}", self.control.address());
            return Err(LiveError::cannot(what, "allow it with --allow-config; it is put back at the end"));
        }
        self.changed.set(&mut self.control, name, value)
    }

    /// Takes away what was written and puts settings back.
    ///
    /// # Errors
    /// What could not be undone, and how to do it by hand.
    pub fn undo(mut self) -> Result<Undone> {
        self.undo_now()
    }

    fn undo_now(&mut self) -> Result<Undone> {
        self.is_undone = true;
        // A connection that has lain idle may be gone, and the server be back.
        let mut fresh = Control::connect(self.control.address());
        let control = fresh.as_mut().unwrap_or(&mut self.control);
        let restored = if self.changed.is_empty() { Ok(()) } else { self.changed.restore(control) };
        let keys = leftovers::remove(control, &self.prefix).map_err(|error| {
            let first = error.to_string().lines().next().unwrap_or_default().to_owned();
            let what = format!("keys that begin with {:?} are left: {first}", self.prefix);
            LiveError::cannot(what, "run again with --clean when the server is back")
        });
        restored?;
        keys.map(|keys| Undone { keys })
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.is_undone {
            let _ = self.undo_now();
        }
    }
}

/// What is known of the server; nothing is written.
fn facts(control: &mut Control, prefix: &str) -> Result<Facts> {
    let info = control.info("")?;
    let keys = info.keys();
    // A server that is loading or no primary is refused whatever it holds.
    let left = match keys {
        0 => Some(0),
        1..=SEARCHED if info.number("loading") != Some(1.0) => Some(leftovers::count(control, prefix, keys)?),
        _ => None,
    };
    // A user without the right to CONFIG is taken at the defaults.
    let setting = |control: &mut Control, name: &str| control.config_get(name).ok().flatten();
    let stops_writes = setting(control, "stop-writes-on-bgsave-error").is_none_or(|value| value != "no");
    let maxclients = setting(control, "maxclients").and_then(|value| value.parse().ok());
    Ok(Facts { info, left, stops_writes, maxclients })
}

/// Every reason against writing to the server, in one error; or what the user should know.
fn judge(address: &Address, facts: &Facts, needs: &Needs, allowed: &Allowed) -> Result<Vec<String>> {
    let info = &facts.info;
    let is = |field: &str, value: &str| info.text(field) == Some(value);
    let mut against: Vec<(String, String)> = Vec::new();
    let mut no = |what: String, remedy: &str| against.push((what, remedy.to_owned()));
    let mut notes = Vec::new();
    if is("loading", "1") || is("async_loading", "1") {
        no("is loading its data from disk".to_owned(), "try again when it is done");
    }
    if is("role", "slave") {
        let primary = info.text("master_host").zip(info.text("master_port"));
        let primary = primary.map_or_else(String::new, |(host, port)| format!(" of {host}:{port}"));
        no(format!("is a replica{primary}: what is written there is refused or lost"), "name the primary");
    }
    if is("cluster_enabled", "1") {
        no("is a node of a cluster: most keys would be redirected".to_owned(), "name a single server");
    }
    if is("rdb_last_bgsave_status", "err") && facts.stops_writes {
        no(
            "refuses writes, for its last snapshot has failed (MISCONF)".to_owned(),
            "free disk space, then BGSAVE",
        );
    }
    if is("aof_last_write_status", "err") {
        no("cannot write its AOF".to_owned(), "free disk space; see its log");
    }
    let keys = info.keys();
    let left = facts.left.unwrap_or(0);
    let others = keys.saturating_sub(left);
    let count = |number: u64| format_count(number as f64);
    if left > 0 {
        notes.push(format!(
            "{} keys begin with {:?}: an earlier run has left them, or another one is under way; --clean removes them",
            count(left),
            allowed.prefix
        ));
        if !allowed.shared {
            no(
                format!("holds {} keys of an earlier run", count(left)),
                "--clean removes them, --shared-server leaves them",
            );
        }
    }
    if others > 0 && !allowed.shared {
        no(
            format!("holds {} keys that are not ours", count(others)),
            "name an empty server, or go on with --shared-server: other keys are not touched, but slowed down",
        );
    }
    let clients = info.number("connected_clients").unwrap_or(1.0) as u64;
    let other_clients = clients.saturating_sub(1);
    if other_clients > 0 {
        let what = format!("serves {} other clients", count(other_clients));
        if allowed.shared {
            notes.push(format!("the server {what}: their load is measured too"));
        } else {
            no(what, "name a server of your own, or go on with --shared-server: they will wait longer");
        }
    }
    memory(info, needs, others, &mut no);
    if let Some(most) = facts.maxclients
        && clients + needs.connections > most
    {
        let what = format!("takes {most} clients, and {} are needed", clients + needs.connections);
        no(what, "use fewer --connections, or raise maxclients");
    }
    if needs.commands_it && !allowed.config {
        no(
            "would be told to save, to rewrite its AOF or to change settings".to_owned(),
            "allow it with --allow-config, or take the events out of the scenario",
        );
    }
    if against.is_empty() {
        return Ok(notes);
    }
    let lines = against.iter().map(|(what, remedy)| format!("{address} {what}\n  {remedy}"));
    let all = lines.collect::<Vec<_>>().join("\n");
    let (what, remedy) = all.split_once("\n  ").unwrap_or((&all, ""));
    Err(LiveError::cannot(what, remedy))
}

/// Writes must fit under maxmemory: otherwise they fail, or evict what is not ours.
fn memory(info: &Info, needs: &Needs, others: u64, no: &mut impl FnMut(String, &str)) {
    let limit = info.number("maxmemory").unwrap_or(0.0);
    let used = info.number("used_memory").unwrap_or(0.0);
    if limit == 0.0 || used + needs.memory as f64 <= limit {
        return;
    }
    let what = format!(
        "has a maxmemory of {}, of which {} are used; {} more will be written",
        format_bytes(limit as u64),
        format_bytes(used as u64),
        format_bytes(needs.memory)
    );
    match info.text("maxmemory_policy") {
        Some("noeviction") | None => {
            no(what, "raise maxmemory, or use fewer --keys or a smaller --value-size")
        }
        Some(policy) if others > 0 => {
            let what = format!("{what}: {policy} would evict keys that are not ours");
            no(what, "raise maxmemory, or name an empty server");
        }
        // An empty server that evicts is what the user may want to measure.
        Some(_) => {}
    }
}

/// Four letters and digits that another run hardly has.
fn run_id() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut number =
        (since.as_micros() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ u64::from(std::process::id());
    const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let digit = |_| {
        number = number.rotate_right(5);
        char::from(DIGITS[(number & 31) as usize])
    };
    (0..4).map(digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "role:master\nloading:0\ncluster_enabled:0\nconnected_clients:1\nused_memory:1000\n\
        maxmemory:0\nmaxmemory_policy:noeviction\nrdb_last_bgsave_status:ok\naof_last_write_status:ok\n";

    fn verdict(
        more: &str,
        left: u64,
        needs: Needs,
        allowed: &Allowed,
    ) -> std::result::Result<Vec<String>, String> {
        // The first of a field counts.
        let info = Info::from(format!("{more}{EMPTY}"));
        let facts = Facts { info, left: Some(left), stops_writes: true, maxclients: Some(100) };
        judge(&Address::local(6379), &facts, &needs, allowed).map_err(|error| error.to_string())
    }

    fn refusal(more: &str) -> String {
        verdict(more, 0, Needs::default(), &Allowed::default()).expect_err(more)
    }

    #[test]
    fn an_empty_server_of_its_own_is_taken() {
        let needs = Needs { memory: 1 << 40, connections: 99, commands_it: false };
        assert_eq!(verdict("", 0, needs, &Allowed::default()), Ok(Vec::new()));
    }

    #[test]
    fn what_must_not_be_written_to_is_refused_with_a_remedy() {
        for (more, part, remedy) in [
            ("loading:1\n", "is loading", "try again"),
            ("role:slave\nmaster_host:h\nmaster_port:7\n", "a replica of h:7", "name the primary"),
            ("cluster_enabled:1\n", "a node of a cluster", "a single server"),
            ("rdb_last_bgsave_status:err\n", "MISCONF", "BGSAVE"),
            ("aof_last_write_status:err\n", "AOF", "disk space"),
            ("db3:keys=7,expires=0\n", "7 keys that are not ours", "--shared-server"),
            ("connected_clients:3\n", "2 other clients", "--shared-server"),
        ] {
            let text = refusal(more);
            assert!(text.starts_with("127.0.0.1:6379 "), "{text}");
            assert!(text.contains(part) && text.contains(remedy), "{text}");
        }
        let both = refusal("loading:1\ncluster_enabled:1\n");
        assert!(both.contains("is loading") && both.contains("node of a cluster"), "{both}");
    }

    #[test]
    fn other_keys_and_clients_are_allowed_by_flag_and_nothing_else_is() {
        let shared = Allowed { shared: true, ..Allowed::default() };
        let busy = "db0:keys=7,expires=0\nconnected_clients:3\n";
        let notes = verdict(busy, 0, Needs::default(), &shared).expect("told so");
        assert!(notes[0].contains("2 other clients"), "{notes:?}");
        assert!(verdict("loading:1\n", 0, Needs::default(), &shared).is_err());
        assert!(verdict("role:slave\n", 0, Needs::default(), &shared).is_err());
    }

    #[test]
    fn leftovers_are_named_apart_from_keys_of_others() {
        let keys = "db0:keys=7,expires=0\n";
        let allowed = Allowed { prefix: "wp:".to_owned(), ..Allowed::default() };
        let text = verdict(keys, 7, Needs::default(), &allowed).expect_err("they are in the way");
        assert!(text.contains("7 keys of an earlier run") && text.contains("--clean"), "{text}");
        assert!(!text.contains("not ours"), "{text}");
    }

    #[test]
    fn what_is_written_must_fit_under_maxmemory_without_evicting_others() {
        let needs = Needs { memory: 5000, ..Needs::default() };
        let shared = Allowed { shared: true, ..Allowed::default() };
        assert!(verdict("maxmemory:6000\n", 0, needs, &shared).is_ok());
        let full = verdict("maxmemory:5999\n", 0, needs, &shared).expect_err("too little");
        assert!(full.contains("raise maxmemory"), "{full}");
        let evicts = "maxmemory:5999\nmaxmemory_policy:allkeys-lru\n";
        assert!(verdict(evicts, 0, needs, &shared).is_ok());
        let others = format!("{evicts}db0:keys=1,expires=0\n");
        let text = verdict(&others, 0, needs, &shared).expect_err("it would evict");
        assert!(text.contains("allkeys-lru would evict"), "{text}");
    }

    #[test]
    fn connections_and_commands_are_asked_for() {
        let many = Needs { connections: 100, ..Needs::default() };
        let text = verdict("", 0, many, &Allowed::default()).expect_err("too many");
        assert!(text.contains("takes 100 clients, and 101 are needed"), "{text}");
        let needs = Needs { commands_it: true, ..Needs::default() };
        assert!(
            verdict("", 0, needs, &Allowed::default()).expect_err("not allowed").contains("--allow-config")
        );
        let allowed = Allowed { config: true, ..Allowed::default() };
        assert!(verdict("", 0, needs, &allowed).is_ok());
    }
}
