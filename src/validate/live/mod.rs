//! The real side: a server of our own for each kind of case, or one that is there.

mod episode;
pub mod ledger;
pub mod mover;
pub mod nodes;
pub mod redirects;
pub mod replicas;
pub mod reshard;
pub mod server;
pub mod storm;
pub mod watch;

use std::time::Duration;

use crate::live::drive::{Driven, Plan, plan};
use crate::live::error::Result;
use crate::live::settings;
use crate::observe::result::TimelineRow;
use crate::redis::version::Version;
use crate::scenario::Scenario;
use crate::units::Nanos;

use super::case::{Beside, beside};
use super::noise::Canary;
use super::observed::{Observed, Pattern, Row};
use super::side::{Side, Stop};
use episode::{Clock, Episode};
use ledger::Ledger;
use server::Server;
use watch::Watcher;

/// Length of a canary.
const CANARY: Duration = Duration::from_millis(250);

/// Where cases run.
pub struct Real<'a> {
    server: Server,
    version: Version,
    spins: bool,
    goes_on: &'a dyn Fn() -> bool,
}

impl<'a> Real<'a> {
    /// On `server` of that version, by a generator that spins or sleeps; `goes_on` is asked often.
    pub fn new(server: Server, version: Version, spins: bool, goes_on: &'a dyn Fn() -> bool) -> Self {
        Real { server, version, spins, goes_on }
    }

    /// Puts back what is to be put back, and lets the server go.
    ///
    /// # Errors
    /// What the server answers.
    pub fn leave(self) -> Result<()> {
        self.server.leave()
    }
}

impl Side for Real<'_> {
    fn observe(&mut self, scenario: &Scenario, run: u64) -> std::result::Result<Observed, Stop> {
        if let Some(cluster) = &scenario.cluster {
            if let Some(reason) = reshard::refusal(scenario, cluster) {
                return Err(Stop::Skipped(reason.to_owned()));
            }
            let program = self.server.program().ok_or_else(|| needs_spawn("nodes of a cluster"))?;
            let directives = settings::for_own(scenario, self.version);
            return Ok(reshard::observe(program, &directives, self.version, scenario, cluster, run)?);
        }
        let draft = self.plan(scenario, run)?;
        server::check_memory(&draft)?;
        // What expires or is counted begins anew; the rest finds its keys where they are.
        let fresh = matches!(beside(scenario), Beside::Storm | Beside::Pattern | Beside::Resync);
        self.server.ready(scenario, self.version, &draft, fresh)?;
        let plan = Plan { prefix: self.server.prefix().to_owned(), ..draft };
        self.server.fill(&plan, self.goes_on)?;
        self.one_server(scenario, plan)
    }

    fn canary(&mut self) -> Option<Canary> {
        Some(Canary::watch(CANARY))
    }
}

impl Real<'_> {
    fn plan(&self, scenario: &Scenario, run: u64) -> std::result::Result<Plan, Stop> {
        // Replicas are the business of this side, not of the generator.
        let alone = Scenario { replicas: Vec::new(), ..scenario.clone() };
        let mut plan = plan::of(&alone, "").map_err(|problems| Stop::Skipped(problems.join("; ")))?;
        plan.spin = self.spins;
        plan.seed = plan.seed.wrapping_add(run);
        Ok(plan)
    }

    fn one_server(&mut self, scenario: &Scenario, plan: Plan) -> std::result::Result<Observed, Stop> {
        let mut replicas = match self.server.program() {
            _ if scenario.replicas.is_empty() => None,
            Some(program) => Some(replicas::start(program, &self.server, scenario)?),
            None => return Err(needs_spawn("replicas")),
        };
        let what = beside(scenario);
        let storm = match what {
            Beside::Storm => Some(storm::prepare(&mut self.server, scenario, &plan, self.goes_on)?),
            _ => None,
        };
        let forks = matches!(what, Beside::Child | Beside::Resync);
        let watcher = self.server.pid().filter(|_| forks).map(Watcher::start);
        let clock = Clock::default();
        let episode = match (what, &storm, &mut replicas) {
            (Beside::Storm, Some(storm), _) => Episode::storm(&self.server, *storm, scenario)?,
            (Beside::Resync, _, Some(replicas)) => replicas.attach(&self.server, scenario, clock.clone())?,
            _ => Episode::nothing(),
        };
        let driven = self.server.drive(&Plan { fill: false, ..plan.clone() }, &clock, self.goes_on);
        let seen = watcher.map(Watcher::stop);
        let end = episode.end();
        let driven = driven?;
        let start = clock.start();
        let mut observed = common(&driven, scenario);
        if let (Some(seen), Some(start)) = (seen, start) {
            seen.lay_cpu(&mut observed.rows, start, scenario.run.interval);
            let fork = driven.info.number("latest_fork_usec").unwrap_or(0.0) as Nanos * 1000;
            let told = plan.actions.first().map(|action| action.0);
            observed.children = seen.children_since(start, fork, told);
        }
        let end = end?;
        (observed.storm, observed.resync) = (end.storm(start), end.resync());
        if what == Beside::Pattern {
            observed.pattern = Some(self.pattern(scenario)?);
        }
        Ok(observed)
    }

    /// What the counters of the first group came to.
    fn pattern(&mut self, scenario: &Scenario) -> Result<Pattern> {
        let (without_ttl, prefix) = self.server.keys_without_ttl(&scenario.workloads[0])?;
        let ledger = match self.server.folder() {
            Some(folder) if scenario.redis.appendonly => Some(Ledger::of_folder(folder, prefix.as_bytes())?),
            _ => None,
        };
        Ok(Pattern { without_ttl, increments_lost: ledger.map(|ledger| ledger.lost) })
    }
}

/// The reason of a case that needs servers of our own.
fn needs_spawn(what: &str) -> Stop {
    Stop::Skipped(format!("{what} have to be started: --spawn"))
}

/// What every run has.
fn common(driven: &Driven, scenario: &Scenario) -> Observed {
    let result = &driven.result;
    let all = result.scopes.iter().find(|scope| scope.name == "all");
    let row = |row: &TimelineRow| Row {
        at: row.at,
        completed: row.completed,
        sojourn: row.sojourn.map(|[median, .., longest]| (median, longest)),
        cpu: None,
    };
    let mut observed = Observed {
        measured: scenario.run.duration - scenario.run.warmup,
        commands: driven.answered,
        cpu: driven.server_cpu,
        sojourn: all.map(|all| all.sojourn.clone()).unwrap_or_default(),
        lateness: (driven.lateness.quantile(0.5), driven.lateness.quantile(0.99)),
        is_late: driven.is_late() == Some(true),
        rows: result.timeline.iter().map(row).collect(),
        ..Observed::default()
    };
    if let Some(pattern) = result.patterns.first() {
        observed.sojourn = pattern.sojourn.clone();
        observed.commands = pattern.sums.operations;
    }
    observed
}
