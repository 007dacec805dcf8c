//! A run as a timeline for people to look into: a probe that turns what servers did into the events of a trace.
//!
//! Events go out as soon as they are known, so that memory stays small; what is too short to be seen is merged, by a rule
//! that keeps every sum. Nothing is read that the run would have to bring up to date, so that a traced run is the same run.

mod child;
mod counters;
pub mod event;
mod jobs;
mod lanes;
pub mod output;
pub mod plan;
mod replicas;
mod slow;
mod thread;

use std::cell::RefCell;
use std::rc::Rc;

use self::child::ChildTrack;
use self::counters::Counters;
use self::event::{Event, Sink, Track, Value};
use self::jobs::Jobs;
use self::lanes::Lanes;
use self::output::{Outlet, Output};
use self::replicas::ReplicaTracks;
use self::slow::SlowRequests;
use self::thread::MainTrack;
use crate::cluster;
use crate::observe::result::RunResult;
use crate::scenario::Scenario;
use crate::sim::{Probe, Progress, Replied, RunOptions, SimError, Turned};

pub use self::plan::{Plan, TraceOptions};

/// Numbers of a server's tracks.
const EVENT_LOOP: u32 = 1;
const CHANGES: u32 = 2;
const BIO_FSYNC: u32 = 10;
const BIO_CLOSE: u32 = 20;
const CHILD: u32 = 30;
const DISK: u32 = 40;
const REQUESTS: u32 = 100;

/// Simulates `scenario` and sends the events of its trace to the sink of `output`; `progress` also gets the output, and
/// returns false to stop.
///
/// # Errors
/// As [`cluster::simulate`].
pub fn simulate<S: Sink + 'static>(
    scenario: &Scenario,
    options: &RunOptions,
    output: &Rc<RefCell<Output<S>>>,
    progress: &mut dyn FnMut(Progress) -> bool,
) -> Result<RunResult, SimError> {
    let mut probe_of = |index: usize| -> Option<Box<dyn Probe>> {
        Some(Box::new(ServerTrace::new(scenario, index, Rc::clone(output))))
    };
    cluster::simulate_probed(scenario, options, &mut probe_of, progress)
}

/// The trace of one server.
struct ServerTrace<S> {
    output: Rc<RefCell<Output<S>>>,
    changes: Track,
    main: MainTrack,
    jobs: Jobs,
    child: ChildTrack,
    slow: SlowRequests,
    counters: Counters,
    replicas: ReplicaTracks,
    answered: u64,
}

impl<S: Sink> ServerTrace<S> {
    /// The trace of server number `index` of `scenario`, which has done nothing yet.
    fn new(scenario: &Scenario, index: usize, output: Rc<RefCell<Output<S>>>) -> Self {
        let mut borrowed = output.borrow_mut();
        let out = &mut *borrowed;
        let replicas = out.plan().replicas;
        let process = 1 + (index * (1 + replicas)) as u32;
        let at = |thread| Track { process, thread };
        let node = scenario.cluster.as_ref().map(|cluster| &cluster.nodes[index]);
        let version = node.map_or(scenario.redis.version, |node| node.redis.version);
        let name = node.map_or_else(|| format!("server {version}"), |node| node.name.clone());
        out.put(&Event::Process { process, name: &name });
        let names: Vec<String> = scenario
            .replicas
            .iter()
            .map(|replica| match node {
                Some(node) => format!("{} of {}", replica.name, node.name),
                None => replica.name.clone(),
            })
            .collect();
        let groups = scenario.workloads.iter().map(|group| group.name.clone()).collect();
        out.put(&Event::Thread { track: at(CHANGES), name: "changes of state" });
        let trace = ServerTrace {
            changes: at(CHANGES),
            main: MainTrack::new(at(EVENT_LOOP), out),
            jobs: Jobs::new(version.has(7, 2), [at(BIO_FSYNC), at(BIO_CLOSE), at(DISK)]),
            child: ChildTrack::new(Lanes::new("child", at(CHILD))),
            slow: SlowRequests::new(at(REQUESTS), at(EVENT_LOOP), groups, out),
            counters: Counters::new(process, out),
            replicas: ReplicaTracks::new(&names, process + 1, out),
            answered: 0,
            output: Rc::clone(&output),
        };
        drop(borrowed);
        trace
    }

    /// Everything since the last look.
    fn look(&mut self, seen: &Turned) {
        let out = &mut *self.output.borrow_mut();
        let now = seen.server.main.now;
        let commands = seen.answered - std::mem::replace(&mut self.answered, seen.answered);
        let resolution = self.main.resolution();
        let stall = self.main.turned(seen.journal, commands, now, out);
        self.jobs.turned(seen.journal, resolution, out);
        self.child.turned(seen.server, out);
        self.slow.turned(stall, now, resolution, out);
        self.counters.turned(seen, resolution, out);
        self.replicas.turned(seen.server, resolution, out);
        for note in seen.journal.notes.iter().filter(|note| out.plan.holds(note.at)) {
            let detail = [("detail", Value::Text(&note.detail))];
            let args = if note.detail.is_empty() { &[][..] } else { &detail };
            out.sink.take(&Event::Instant { track: self.changes, at: note.at, name: note.what, args });
        }
    }
}

impl<S: Sink> Probe for ServerTrace<S> {
    fn wants_turns(&self) -> bool {
        true
    }

    fn replied(&mut self, seen: &Replied) {
        self.slow.replied(seen, &*self.output.borrow());
    }

    fn turned(&mut self, seen: &Turned) {
        self.look(seen);
    }

    fn ended(&mut self, seen: &Turned) {
        self.look(seen);
        let out = &mut *self.output.borrow_mut();
        self.main.ended(out);
        self.jobs.ended(out);
        self.child.close(seen.server, out);
        self.slow.close(out);
        self.replicas.ended(seen.server.main.now, out);
    }
}
