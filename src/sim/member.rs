//! What a node of a cluster has beside a server: its view of the slots, what others ask of it, and what it tells them.
//!
//! A node is simulated as a server alone is, turn by turn. Others reach it in two ways: requests of clients come
//! through its groups, and calls of redis-cli, of other nodes and of clients that want a map lie here until a turn
//! takes them. What leaves it lies in `told` until the world passes it on.

use std::collections::VecDeque;
use std::sync::Arc;

use super::run::Simulation;
use super::turn::Probe;
use crate::cause::Cause;
use crate::client::group::Unit;
use crate::client::slot_counts::SlotCounts;
use crate::cluster::order::{Answer, Order, ReplyError};
use crate::redis::migrate::{MigrateCost, MigrateSetting, MovedKey};
use crate::redis::node_query::{Asked, Present, Query, Verdict};
use crate::redis::nodes_conf::{ConfigContent, ConfigEvent, ConfigFile};
use crate::redis::plan::GroupPlan;
use crate::redis::memory::ValueShape;
use crate::redis::server::Server;
use crate::redis::slot_keys::{Carried, LeavingSlot};
use crate::redis::slot_view::{ClusterView, SetSlot};
use crate::redis::work::Work;
use crate::rng::{Stream, Uniform};
use crate::cost_model::CostModel;
use crate::dist::Sampler;
use crate::units::{MILLISECOND, NEVER, Nanos};

/// Length of `127.0.0.1:6379` in a redirect \[bytes\].
const ADDRESS: u64 = 14;

/// Where a node begins.
pub(crate) struct Seat {
    /// Its number.
    pub(crate) index: u16,
    /// Keys that can exist on it, by class.
    pub(crate) keys: Vec<u64>,
    /// Its view of the slots.
    pub(crate) view: ClusterView,
    /// Number of keys of a slot, for those that move.
    pub(crate) counts: Arc<SlotCounts>,
    /// Settings of `getNodeByQuery`.
    pub(crate) asked: Asked,
    /// Prices of all nodes' machines.
    pub(crate) machines: Arc<Vec<CostModel>>,
    /// One way between two nodes \[ns\].
    pub(crate) link_delay: Nanos,
    /// Bytes a nanosecond between two nodes.
    pub(crate) link_speed: f64,
    /// Length of a key \[bytes\].
    pub(crate) key_size: u32,
    /// Length of a value.
    pub(crate) values: Sampler,
    /// Randomness of what moves.
    pub(crate) stream: Stream,
}

/// Who asks something of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    /// The run of redis-cli of that number.
    Cli(usize),
    /// A node that waits in MIGRATE.
    Node(u16),
    /// A client process that wants the slot map.
    Client(u32),
}

/// What is asked.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    /// A command of redis-cli about a slot.
    Order(u16, Order),
    /// RESTORE-ASKING of keys.
    Restore(Parcel),
    /// CLUSTER SLOTS.
    Map,
}

/// Keys of a MIGRATE on their way.
#[derive(Clone, Debug)]
pub(crate) struct Parcel {
    /// Their slot.
    pub(crate) slot: u16,
    /// They.
    pub(crate) keys: Vec<Carried>,
    /// What they cost.
    pub(crate) cost: MigrateCost,
}

/// What a node tells others.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    /// A command of a client was not executed.
    Redirected {
        /// It.
        unit: Unit,
        /// Why.
        verdict: Verdict,
        /// When the client reads that.
        read_at: Nanos,
    },
    /// ASKING was acknowledged.
    AskingDone {
        /// Of which request.
        unit: Unit,
        /// When the client reads that.
        read_at: Nanos,
    },
    /// A request that was redirected before is answered.
    Settled {
        /// It.
        unit: Unit,
        /// When the client reads the reply.
        read_at: Nanos,
    },
    /// The reply to an order of redis-cli.
    Answer(Asker, Answer, Nanos),
    /// The keys of a MIGRATE are on their way to a node.
    Sent {
        /// Which.
        to: u16,
        /// The keys.
        parcel: Parcel,
        /// When the target can read them.
        at: Nanos,
        /// When the source gives up.
        gives_up_at: Nanos,
    },
    /// Keys were restored; the source reads that at the given time.
    Restored(u16, Nanos),
    /// A map for a process, as this node sees the slots.
    Map(u32, Nanos),
    /// The view has changed: slot and owner, for all to hear at once if it must be.
    Changed,
}

/// A MIGRATE that waits for its target.
#[derive(Clone, Debug)]
struct Parked {
    asker: Asker,
    parcel: Parcel,
    since: Nanos,
    left_at: Nanos,
}

/// Fate of a unit, kept in the upper bits of its ticket.
const FATE_SHIFT: u32 = 24;
/// The request's number among those that were redirected, plus one.
pub(crate) const TICKET: u32 = (1 << FATE_SHIFT) - 1;
/// ASKING came in the same write, or just before.
pub(crate) const ASKED: u32 = 1 << 30;
/// It is ASKING alone.
pub(crate) const ASKING: u32 = 1 << 31;

/// A node's part of the cluster.
pub(crate) struct Member {
    pub(crate) index: u16,
    pub(crate) view: ClusterView,
    asked: Asked,
    calls: VecDeque<(Nanos, Asker, Call)>,
    parked: Option<Parked>,
    /// Replies to calls of this turn.
    replies: Vec<Told>,
    /// For the world.
    pub(crate) told: Vec<Told>,
    /// Requests in the queues that have been redirected before.
    pub(crate) ticketed: u32,
    leaving: Vec<LeavingSlot>,
    config: ConfigFile,
    config_nodes: u64,
    counts: Arc<SlotCounts>,
    machines: Arc<Vec<CostModel>>,
    link_delay: Nanos,
    link_speed: f64,
    key_size: u32,
    values: Sampler,
    stream: Stream,
    /// Replies it gave, by kind.
    pub(crate) refused: Refused,
    /// Its longest hold by MIGRATE or RESTORE.
    pub(crate) migrate_longest: Nanos,
}

/// Commands that were not executed, by reply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) moved: u64,
    pub(crate) ask: u64,
    pub(crate) tryagain: u64,
    pub(crate) clusterdown: u64,
    pub(crate) crossslot: u64,
}

impl Member {
    pub(super) fn new(seat: Seat) -> Self {
        Member {
            index: seat.index,
            view: seat.view,
            asked: seat.asked,
            calls: VecDeque::new(),
            parked: None,
            replies: Vec::new(),
            told: Vec::new(),
            ticketed: 0,
            leaving: Vec::new(),
            config: ConfigFile::default(),
            config_nodes: seat.machines.len() as u64,
            counts: seat.counts,
            machines: seat.machines,
            link_delay: seat.link_delay,
            link_speed: seat.link_speed,
            key_size: seat.key_size,
            values: seat.values,
            stream: seat.stream,
            refused: Refused::default(),
            migrate_longest: 0,
        }
    }

    /// It waits for another node in MIGRATE.
    #[inline(always)]
    pub(crate) fn is_parked(&self) -> bool {
        self.parked.is_some()
    }

    /// Every request can be executed without a look at its slot.
    #[inline(always)]
    pub(crate) fn is_quiet(&self) -> bool {
        self.ticketed == 0 && self.replies.is_empty() && self.view.is_calm() && self.knows_all()
    }

    /// No request can come for a slot that is another's.
    fn knows_all(&self) -> bool {
        !self.strayed
    }
}
