//! Replicas of a server of ours.

use std::thread;
use std::time::{Duration, Instant};

use super::episode::{Clock, End, Episode};
use super::server::Server;
use crate::live::control::Control;
use crate::live::error::{LiveError, Result};
use crate::live::spawned::{SpawnOptions, Spawned};
use crate::scenario::Scenario;
use crate::units::Nanos;
use crate::validate::observed::Resync;
use crate::validate::side::Stop;

/// Between two looks at the primary.
const LOOK: Duration = Duration::from_millis(10);
/// How long a replica may take to be online.
const PATIENCE: Duration = Duration::from_secs(120);

/// Servers that follow another, or will.
pub struct Replicas(Vec<Spawned>);

/// Starts the replicas of `scenario`; those that are in step from the start follow `server` when this returns.
///
/// # Errors
/// Why the case cannot be run; what a server answers.
pub fn start(program: &str, server: &Server, scenario: &Scenario) -> std::result::Result<Replicas, Stop> {
    let late = scenario.replicas.iter().filter(|replica| replica.attach.is_some()).count();
    if late > 1
        || late == 1 && scenario.replicas.len() > 1
        || scenario.replicas.iter().any(|r| r.of.is_some())
    {
        return Err(Stop::Skipped(
            "only replicas of the primary are started, one alone if it attaches later".to_owned(),
        ));
    }
    // A replica that keeps nothing on disk: what it costs the primary is the question.
    let directives = vec![("appendonly".to_owned(), "no".to_owned())];
    let options = SpawnOptions { program: program.to_owned(), directives, ..SpawnOptions::default() };
    let mut replicas = Replicas(Vec::new());
    for _ in &scenario.replicas {
        replicas.0.push(Spawned::start(&options)?);
    }
    if late == 0 {
        let port = server.port()?.to_string();
        for replica in &mut replicas.0 {
            replica.control().ask(&["REPLICAOF", "127.0.0.1", &port])?;
        }
        wait_until_online(&mut server.connect()?, replicas.0.len())?;
    }
    Ok(replicas)
}

impl Replicas {
    /// Has the replica attach when the scenario says, and waits until it is online.
    ///
    /// # Errors
    /// As connections to both.
    pub fn attach(&mut self, server: &Server, scenario: &Scenario, clock: Clock) -> Result<Episode> {
        let at = scenario.replicas.iter().find_map(|replica| replica.attach).unwrap_or(0);
        let port = server.port()?.to_string();
        let mut primary = server.connect()?;
        let address = self.0.first().map(|replica| replica.address().clone());
        let Some(address) = address else { return Ok(Episode::nothing()) };
        let mut replica = Control::connect(&address)?;
        Ok(Episode::of(move || {
            clock.wait_until(at)?;
            let asked = Instant::now();
            replica.ask(&["REPLICAOF", "127.0.0.1", &port])?;
            wait_until_online(&mut primary, 1)?;
            wait_until_loaded(&mut replica)?;
            let duration = asked.elapsed().as_nanos() as Nanos;
            Ok(End { gone: None, resync: Some(Resync { duration }) })
        }))
    }
}

/// Waits until the primary counts so many replicas as online.
fn wait_until_online(primary: &mut Control, replicas: usize) -> Result<()> {
    wait_until(primary, &|info| info.matches("state=online").count() >= replicas)
}

/// Waits until a replica has loaded what it got, which a primary does not know of a diskless one.
fn wait_until_loaded(replica: &mut Control) -> Result<()> {
    wait_until(replica, &|info| info.contains("master_link_status:up"))
}

fn wait_until(server: &mut Control, is_so: &dyn Fn(&str) -> bool) -> Result<()> {
    let begun = Instant::now();
    loop {
        // A server that loads answers INFO.
        if is_so(server.info("replication")?.raw()) {
            return Ok(());
        }
        if begun.elapsed() > PATIENCE {
            let what = format!("no replica was online after {PATIENCE:?}");
            return Err(LiveError::cannot(what, "see client-output-buffer-limit and the disk's free space"));
        }
        thread::sleep(LOOK);
    }
}
