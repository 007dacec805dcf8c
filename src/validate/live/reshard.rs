//! Slots that move between real nodes under load.

use std::thread;
use std::time::{Duration, Instant};

use super::mover::{Moved, Mover};
use super::nodes::Nodes;
use super::redirects::{Load, run, value};
use crate::client::key_names::KeyNames;
use crate::cluster::legacy_move::LegacyMove;
use crate::cluster::reshard_plan::{SlotMove, given_slots, reshard};
use crate::dist::Dist;
use crate::live::control::Control;
use crate::live::error::{LiveError, Result};
use crate::redis::version::Version;
use crate::scenario::cluster::{ClusterSpec, MoveAction, MoveKind, TimedMove};
use crate::scenario::{Scenario, Source};
use crate::units::{Nanos, SECOND};
use crate::validate::observed::{Observed, Reshard};

/// What of a cluster's scenario real nodes can be asked for here; the reason if it cannot.
pub fn refusal(scenario: &Scenario, cluster: &ClusterSpec) -> Option<&'static str> {
    let is_plain = |one: &TimedMove| {
        one.options.kind == MoveKind::Legacy
            && matches!(one.action, MoveAction::Reshard { .. } | MoveAction::Slots { .. })
    };
    let group = &scenario.workloads[0];
    match () {
        () if cluster.moves.len() != 1 || !is_plain(&cluster.moves[0]) => {
            Some("only one reshard or move-slots by the legacy method is driven on real nodes")
        }
        () if cluster.tags.is_some() || cluster.nodes.iter().any(|node| node.slots.is_empty()) => {
            Some("hash tags and empty primaries are not set up on real nodes")
        }
        () if scenario.workloads.len() != 1
            || !matches!(group.source, Source::Open { .. })
            || group.pipeline != 1 =>
        {
            Some("only one open loop without a pipeline is driven through a cluster")
        }
        () if !matches!(group.value_size, Dist::Fixed(_)) => {
            Some("only values of one size are sent to a cluster")
        }
        () => None,
    }
}

/// One run on nodes of `program`.
///
/// # Errors
/// What the servers answer.
pub fn observe(
    program: &str,
    directives: &[(String, String)],
    version: Version,
    scenario: &Scenario,
    cluster: &ClusterSpec,
    number: u64,
) -> Result<Observed> {
    let owners: Vec<usize> = cluster.owners().into_iter().map(|owner| owner.map_or(0, usize::from)).collect();
    let mut nodes = Nodes::start(program, directives, &owners)?;
    let dataset = &scenario.dataset;
    let names = KeyNames::new(dataset.key_size, dataset.keys, None);
    let group = &scenario.workloads[0];
    let length = group.value_size.mean() as usize;
    nodes.fill(&names, &owners, |rank, bytes| value(rank, length, bytes))?;
    let Source::Open { schedule, .. } = &group.source else {
        return Err(LiveError::cannot(
            "a closed loop is not driven through a cluster",
            "use loop = \"open\"",
        ));
    };
    let load = Load {
        rate: schedule.first().map_or(0.0, |piece| piece.1),
        names: &names,
        value: length,
        owners: owners.clone(),
        ports: (0..nodes.len()).map(|node| nodes.port(node)).collect(),
        connections: group.connections,
        duration: scenario.run.duration,
        seed: scenario.run.seed,
        run: number,
    };
    let moved = &cluster.moves[0];
    let program = LegacyMove::new(&plan(moved, &owners, nodes.len())?, moved.options, nodes.len(), version);
    let ids = (0..nodes.len()).map(|node| nodes.id(node).to_owned()).collect();
    let mut mover = Mover::new(nodes.connect()?, ids, load.ports.clone());
    let before = spent(&mut nodes)?;
    let start = Instant::now() + Duration::from_millis(10);
    let at = start + Duration::from_nanos(moved.at);
    let (seen, moved) = thread::scope(|scope| {
        let operator = scope.spawn(|| {
            thread::sleep(at.saturating_duration_since(Instant::now()));
            mover.run(program)
        });
        let seen = run(&load, start);
        (seen, operator.join())
    });
    let moved = moved.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    let seen = seen?;
    let after = spent(&mut nodes)?;
    Ok(Observed {
        measured: scenario.run.duration,
        commands: seen.sojourn.count(),
        reshard: Some(figures(&moved, after.0 - before.0, after.1 - before.1, (seen.moved, seen.asked))),
        sojourn: seen.sojourn,
        ..Observed::default()
    })
}

fn figures(moved: &Moved, calls: u64, time: Nanos, (met_moved, asked): (u64, u64)) -> Reshard {
    Reshard {
        duration: (moved.to - moved.from).as_nanos() as Nanos,
        keys: moved.books.keys,
        migrates: calls,
        migrate_time: time,
        moved: met_moved,
        asked,
    }
}

fn plan(moved: &TimedMove, owners: &[usize], nodes: usize) -> Result<Vec<SlotMove>> {
    let owners: Vec<Option<usize>> = owners.iter().copied().map(Some).collect();
    let plan = match &moved.action {
        MoveAction::Reshard { from, to, slots } => reshard(&owners, nodes, from, *to, *slots),
        MoveAction::Slots { slots, to } => given_slots(&owners, nodes, slots, *to),
        MoveAction::Rebalance { .. } | MoveAction::Fix => Ok(Vec::new()),
    };
    plan.map_err(|error| LiveError::cannot(error.to_string(), "correct the event"))
}

/// MIGRATEs of all nodes so far, and the time in them \[ns\].
fn spent(nodes: &mut Nodes) -> Result<(u64, Nanos)> {
    let mut sum = (0, 0);
    for node in 0..nodes.len() {
        let own = migrates(nodes.control(node))?;
        sum = (sum.0 + own.0, sum.1 + own.1);
    }
    Ok(sum)
}

fn migrates(control: &mut Control) -> Result<(u64, Nanos)> {
    let info = control.info("commandstats")?;
    let field = info.text("cmdstat_migrate").unwrap_or("");
    let number = |name: &str| {
        let part = field.split(',').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
        part.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0)
    };
    Ok((number("calls"), number("usec") * (SECOND / 1_000_000)))
}
