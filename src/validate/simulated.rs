//! The simulated side: a scenario as the simulator sees it when the live generator is its client.

use super::case::{Beside, beside};
use super::noise::Canary;
use super::observed::{Child, Observed, Pattern, Reshard, Resync, Row, Storm};
use super::side::{Fault, Side, Stop};
use crate::cause::Cause;
use crate::cluster;
use crate::cost_model::CostModel;
use crate::experiment::Pool;
use crate::observe::result::{RunResult, TimelineRow};
use crate::redis::config::AppendFsync;
use crate::scenario::Scenario;
use crate::sim::{RunOptions, SimError};
use crate::units::{MILLISECOND, Nanos};

/// What the main thread is busy with while it is not on a core: waiting for a disk, or for the core.
const OFF_CORE: [Cause; 9] = [
    Cause::AofWritePendingFsync,
    Cause::AofWriteThrottled,
    Cause::AofFsyncAlways,
    Cause::AofRewriteDoneFsync,
    Cause::ManifestFsync,
    Cause::ClusterConfigFsync,
    Cause::HostNoise,
    Cause::Freeze,
    Cause::CoreContention,
];

/// First replication of a simulator that stands for a server: its randomness is not that of the prediction.
const STANDS_IN: u64 = 1 << 20;

/// The process that drives the real server, which the simulated clients have to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generator {
    /// Its thread spins: nobody ever wakes it.
    pub spins: bool,
    /// It runs on the server's machine.
    pub local: bool,
}

/// The simulator with a machine's prices.
pub struct Simulator<'a> {
    /// Prices instead of those that the scenario names.
    pub machine: Option<CostModel>,
    /// Who drives the real server.
    pub generator: Generator,
    /// Threads for the runs of a case.
    pub pool: &'a Pool,
    /// Whether to go on; asked often.
    pub goes_on: &'a (dyn Fn() -> bool + Sync),
}

impl Simulator<'_> {
    /// `runs` runs of `scenario`, each with random numbers of its own.
    ///
    /// # Errors
    /// [`Fault::Simulation`], [`Fault::Interrupted`].
    pub fn runs(&self, scenario: &Scenario, runs: u64) -> Result<Vec<Observed>, Fault> {
        self.pool.map(runs as usize, |run| self.run(scenario, run as u64)).into_iter().collect()
    }

    fn run(&self, scenario: &Scenario, replication: u64) -> Result<Observed, Fault> {
        let mut scenario = scenario.clone();
        if let Some(machine) = &self.machine {
            scenario.machine = machine.clone();
        }
        match &mut scenario.cluster {
            None => describe(&mut scenario.machine, self.generator),
            // The machine of the scenario is that of whoever moves slots, a process that sleeps until it is answered.
            Some(cluster) => cluster.nodes.iter_mut().for_each(|node| {
                if let Some(machine) = &self.machine {
                    node.machine = machine.clone();
                }
                describe(&mut node.machine, self.generator);
            }),
        }
        let options = RunOptions { timeline: true, replication, ..RunOptions::default() };
        let result = cluster::simulate(&scenario, &options, &mut |_| (self.goes_on)());
        match result {
            Ok(result) => Ok(observed(&scenario, &result)),
            Err(SimError::Stopped) => Err(Fault::Interrupted),
            Err(error) => Err(Fault::Simulation(scenario.name, error)),
        }
    }
}

impl Side for Simulator<'_> {
    fn observe(&mut self, scenario: &Scenario, run: u64) -> Result<Observed, Stop> {
        Ok(self.run(scenario, STANDS_IN + run)?)
    }

    fn canary(&mut self) -> Option<Canary> {
        None
    }
}

/// Makes the clients of `machine` what drives the real server.
///
/// A spinning thread is never woken, neither by a timer nor by a reply, so that the server never pays for waking it; a core
/// of the server's machine is its own and nobody else's. The machine stops it as often as the server, and a request waits
/// for either. It is one thread, whatever the model's generator had.
fn describe(machine: &mut CostModel, generator: Generator) {
    machine.client.threads = 1;
    if generator.spins {
        machine.client.wakeup = vec![(MILLISECOND, 0)];
        machine.cpu.wake_client = vec![(MILLISECOND, 0)];
    }
    match generator.local && generator.spins {
        true => {
            machine.client.local = false;
            machine.noise.classes.iter_mut().for_each(|class| class.per_second *= 2.0);
            machine.machine.cores = (machine.machine.cores - 1).max(1);
        }
        false => machine.client.local = generator.local,
    }
}

/// What of a result both sides have.
fn observed(scenario: &Scenario, result: &RunResult) -> Observed {
    let rows: Vec<Row> = result.timeline.iter().map(row).collect();
    let children = result.children.iter().map(|child| Child {
        start: child.start,
        fork: child.fork,
        duration: child.fork + child.duration,
    });
    let all = result.scopes.iter().find(|scope| scope.name == "all");
    let mut seen = Observed {
        measured: result.duration - result.warmup,
        commands: result.completed,
        cpu: Some(on_core(&result.busy) + in_fsyncs(scenario, result)),
        sojourn: all.map(|all| all.sojourn.clone()).unwrap_or_default(),
        rows,
        children: children.collect(),
        ..Observed::default()
    };
    match beside(scenario) {
        Beside::Storm => seen.storm = storm(scenario, result),
        Beside::Pattern => seen.pattern = pattern(result),
        Beside::Resync => seen.resync = resync(result),
        Beside::Reshard => seen.reshard = reshard(result),
        Beside::Nothing | Beside::Child => {}
    }
    if let Some(pattern) = result.patterns.first() {
        // Operations, as the real clients count them: a step of one is no request of its own.
        seen.sojourn = pattern.sojourn.clone();
        seen.commands = pattern.sums.operations;
    }
    seen
}

fn on_core(busy: &[Nanos]) -> Nanos {
    let total: Nanos = busy.iter().sum();
    total - OFF_CORE.iter().map(|&cause| busy[cause as usize]).sum::<Nanos>()
}

/// Of the main thread's own fdatasyncs under `always`, what they are on a core.
fn in_fsyncs(scenario: &Scenario, result: &RunResult) -> Nanos {
    let own = scenario.redis.appendonly && scenario.redis.appendfsync == AppendFsync::Always;
    if own { result.counters.aof_fsyncs * scenario.machine.disk.fdatasync_cpu } else { 0 }
}

fn row(row: &TimelineRow) -> Row {
    Row {
        at: row.at,
        completed: row.completed,
        sojourn: row.sojourn.map(|[median, .., longest]| (median, longest)),
        cpu: (!row.busy.is_empty()).then(|| on_core(&row.busy)),
    }
}

/// From the instant at which the dataset's keys are due until a tenth of them is left.
fn storm(scenario: &Scenario, result: &RunResult) -> Option<Storm> {
    let start = due_at(scenario)?;
    let wanted = scenario.dataset.keys - scenario.dataset.keys / 10;
    let (mut expired, mut cycle) = (0, 0);
    let mut before = 0;
    for row in result.timeline.iter().skip_while(|row| row.at <= start) {
        expired += row.expired_keys;
        cycle += row.busy[Cause::ExpireCycle as usize];
        if expired >= wanted {
            // By equal steps within the row.
            let share = (wanted - before) as f64 / (expired - before).max(1) as f64;
            let length = row.at - (row.at - scenario.run.interval);
            let end = row.at - scenario.run.interval + (share * length as f64) as Nanos;
            let duration = end.saturating_sub(start);
            return Some(Storm {
                start,
                duration,
                thread_share: Some(cycle as f64 / (row.at - start) as f64),
            });
        }
        before = expired;
    }
    None
}

/// When all keys of the dataset are due at once \[ns\]; none where they are not.
pub fn due_at(scenario: &Scenario) -> Option<Nanos> {
    let ttl = scenario.dataset.ttl.as_ref()?;
    let (shortest, longest) = (ttl.dist.quantile(0.0), ttl.dist.quantile(1.0));
    (shortest == longest && ttl.jitter == 0 && ttl.align == 0).then_some(shortest as Nanos)
}

fn pattern(result: &RunResult) -> Option<Pattern> {
    let pattern = result.patterns.first()?;
    Some(Pattern { without_ttl: pattern.keys_at_end.1, increments_lost: Some(pattern.sums.increments_lost) })
}

fn resync(result: &RunResult) -> Option<Resync> {
    let mut syncs = result.replication.as_ref()?.replicas.first()?.syncs.iter();
    let done = syncs.rfind(|sync| sync.outcome == "online" && sync.kind != "partial")?;
    Some(Resync { duration: done.duration })
}

fn reshard(result: &RunResult) -> Option<Reshard> {
    let cluster = result.cluster.as_ref()?;
    let moved = cluster.migrations.first().filter(|moved| moved.failed.is_none() && !moved.running)?;
    Some(Reshard {
        duration: moved.duration,
        keys: moved.keys,
        migrates: moved.batches,
        migrate_time: result.busy[Cause::Migrate as usize],
        moved: cluster.moved,
        asked: cluster.ask,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models;
    use crate::scenario::resolve::Overrides;
    use crate::validate::case::{assign, figures};
    use crate::validate::set::standard;

    const SPINNING: Generator = Generator { spins: true, local: true };

    #[test]
    fn every_figure_of_a_case_has_a_simulated_value() {
        let pool = Pool::new(2).expect("threads");
        let overrides = Overrides { model: Some("two-core-vm".to_owned()), ..Overrides::default() };
        let simulator = Simulator { machine: None, generator: SPINNING, pool: &pool, goes_on: &|| true };
        for case in standard(&overrides).iter().filter(|case| case.quick) {
            let scenario = case.resolve(&[]).expect("it is sound");
            let seen = simulator.runs(&scenario, 1).unwrap_or_else(|fault| panic!("{}: {fault}", case.name));
            for figure in figures(&scenario) {
                assert!(figure.of(&seen[0]).is_some(), "{}: {figure:?}", case.name);
            }
        }
    }

    #[test]
    fn time_on_a_core_leaves_waits_out() {
        let mut busy = [0; Cause::COUNT];
        (busy[Cause::Command as usize], busy[Cause::Fork as usize]) = (5, 7);
        (busy[Cause::AofFsyncAlways as usize], busy[Cause::HostNoise as usize]) = (100, 1000);
        assert_eq!(on_core(&busy), 12);
    }

    #[test]
    fn an_fdatasync_of_always_is_on_a_core_as_long_as_its_price_says() {
        let pool = Pool::new(1).expect("threads");
        let overrides = Overrides { model: Some("two-core-vm".to_owned()), ..Overrides::default() };
        let cases = standard(&overrides);
        let own = |name: &str, cpu: Nanos| {
            let case = cases.iter().find(|case| case.name == name).expect("a case");
            let rare = [assign("workload.rate", "200/s")];
            let scenario = case.resolve(&rare).expect("it is sound");
            let mut machine = scenario.machine.clone();
            machine.disk.fdatasync_cpu = cpu;
            let generator = SPINNING;
            let simulator = Simulator { machine: Some(machine), generator, pool: &pool, goes_on: &|| true };
            let seen = simulator.runs(&scenario, 1).unwrap_or_else(|fault| panic!("{fault}"));
            (seen[0].cpu.expect("known"), seen[0].commands)
        };
        let ((without, commands), (with, same)) = (own("aof-always-40", 0), own("aof-always-40", 10_000));
        // At most one a command, and hardly two share one at this rate.
        let syncs = (with - without) / 10_000;
        assert_eq!(((with - without) % 10_000, commands), (0, same));
        assert!(10 * syncs > 9 * commands && syncs <= commands, "{syncs} for {commands} commands");
        assert_eq!(
            own("aof-everysec-40", 0),
            own("aof-everysec-40", 10_000),
            "bio's are not the main thread's"
        );
    }

    #[test]
    fn a_spinning_thread_has_a_core_and_is_never_woken() {
        let mut machine = models::load("two-core-vm").expect("built in").0;
        let gaps =
            |machine: &CostModel| machine.noise.classes.iter().map(|class| class.per_second).sum::<f64>();
        let own = gaps(&machine);
        describe(&mut machine, SPINNING);
        assert_eq!(gaps(&machine), 2.0 * own, "both are stopped");
        assert_eq!((machine.machine.cores, machine.client.local), (1, false));
        assert!(machine.client.wakeup.iter().chain(&machine.cpu.wake_client).all(|point| point.1 == 0));
        let mut machine = models::load("two-core-vm").expect("built in").0;
        describe(&mut machine, Generator { spins: false, local: false });
        assert_eq!((machine.machine.cores, machine.client.local, gaps(&machine)), (2, false, own));
        assert!(machine.client.wakeup.iter().any(|point| point.1 > 0));
    }
}
