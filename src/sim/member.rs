//! What a node of a cluster has beside a server: its view of the slots, what others ask of it, and what it tells them.
//!
//! A node is simulated as a server alone is, turn by turn. Others reach it in two ways: requests of clients come
//! through its groups, and calls of redis-cli, of other nodes and of clients that want a map lie here until a turn
//! takes them (`node_calls.rs`). What leaves it lies in `told` until the world passes it on.

use std::collections::VecDeque;
use std::sync::Arc;

use super::atomic_calls::{SlotCall, SlotReport, Ticket};
use super::node_maps::GivenMap;
pub(crate) use super::refused::Refused;
use super::run::Simulation;
use super::silence::Silence;
use super::turn::Probe;
use crate::client::group::Unit;
use crate::client::slot_counts::SlotCounts;
use crate::cost_model::CostModel;
use crate::dist::Sampler;
use crate::math::whole;
use crate::redis::cluster_call::{Answer, Order};
use crate::redis::cluster_slots_reply::MapCommand;
use crate::redis::migrate::MigrateCost;
use crate::redis::node_query::{Asked, Present, Query, Verdict};
use crate::redis::nodes_conf::{ConfigContent, ConfigFile};
use crate::redis::plan::GroupPlan;
use crate::redis::server::Server;
use crate::redis::slot_export::SlotExport;
use crate::redis::slot_keys::{Carried, OpenSlots};
use crate::redis::slot_view::ClusterView;
use crate::redis::work::Work;
use crate::rng::Stream;
use crate::units::{NEVER, Nanos};

/// Length of `127.0.0.1:6379` in a redirect \[bytes\].
const ADDRESS: u64 = 14;
/// `+OK`.
const OK: u64 = 5;

/// The request's number among those that were redirected, plus one.
pub(crate) const TICKET: u32 = (1 << 30) - 1;
/// ASKING was acknowledged before, or is in the same write.
pub(crate) const ASKED: u32 = 1 << 30;
/// ASKING is in the write; without [`ASKED`] alone.
pub(crate) const ASKING: u32 = 1 << 31;

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
    /// Whoever is away for longer may be replaced \[ns\].
    pub(crate) silence_from: Nanos,
}

/// Who asks something of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    /// The run of redis-cli of that number.
    Cli(usize),
    /// A node that waits in MIGRATE.
    Node(u16),
    /// A client process that wants the slot map: its fetch of that number.
    Client(u32),
}

/// What is asked.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    /// A command of redis-cli about a slot.
    Order(u16, Order),
    /// RESTORE-ASKING of keys.
    Restore(Parcel),
    /// The map of slots.
    Map(MapCommand),
    /// FAILOVER_AUTH_REQUEST of a replica: of which node, and in which round.
    Vote(u16, u32),
    /// Part of an atomic migration.
    Slots(Ticket, SlotCall),
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
    /// A command of a client was not executed, for that reason; when the client reads so.
    Redirected(Unit, Verdict, Nanos),
    /// The connection broke under a command; when the client knows.
    Lost(Unit, Nanos),
    /// ASKING was acknowledged; when the client reads that.
    AskingDone(Unit, Nanos),
    /// A request that was redirected before is answered; when the client reads the reply.
    Settled(Unit, Nanos),
    /// The reply to an order of redis-cli, and when it has it.
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
    /// Keys of that node were restored; when it reads so.
    Restored(u16, Nanos),
    /// A map for a fetch, as this node sees the slots, and when a client reads it.
    Map(u32, Arc<Vec<u16>>, Nanos),
    /// A command of a pipeline is answered; when the client reads the reply.
    Answered(Unit, Nanos),
    /// It claims its slots with a new epoch; when others hear.
    Claims(Nanos),
    /// Places of a slot in which keys could come to be go to the node where they would, by class.
    Vacant(u16, u16, Vec<(usize, u64)>),
    /// All places of a slot without a key are this node's again, or from now on.
    Gathers(u16),
    /// It says nothing for a while.
    Silent(Silence),
    /// It votes for the replica of that node in that round; when the replica reads so.
    Voted(u16, u32, Nanos),
    /// What came of a part of an atomic migration, and when.
    Slots(Ticket, SlotReport, Nanos),
    /// The server died; when.
    Died(Nanos),
}

/// A MIGRATE that waits for its target.
#[derive(Clone, Debug)]
pub(super) struct Parked {
    pub(super) asker: Asker,
    pub(super) parcel: Parcel,
    pub(super) since: Nanos,
    pub(super) left_at: Nanos,
}

/// A node's part of the cluster.
pub(crate) struct Member {
    pub(crate) index: u16,
    pub(crate) view: ClusterView,
    /// Requests for other nodes' slots may come: slots move, or maps are not up to date.
    pub(crate) watches: bool,
    /// For the world.
    pub(crate) told: Vec<Told>,
    /// The world wants to know of every command that is answered.
    pub(crate) tells_all: bool,
    /// The last map it gave.
    pub(super) map: Option<GivenMap>,
    /// Requests in the queues that have been redirected before.
    pub(crate) ticketed: u32,
    /// Replies it gave instead of executing a command.
    pub(crate) refused: Refused,
    /// Commands on keys of slots that were open here, redirected ones not counted again.
    pub(crate) on_open_slots: u64,
    /// nodes.conf.
    pub(crate) config: ConfigFile,
    pub(crate) open: OpenSlots,
    /// Slots whose keys are exported as a whole.
    pub(super) export: Option<Box<(Ticket, SlotExport)>>,
    /// Clients' writes wait until the slots are another's.
    pub(super) holds_writes: bool,
    /// Those that wait, and what came behind them on their connections.
    pub(super) held: Vec<Unit>,
    pub(super) calls: VecDeque<(Nanos, Asker, Call)>,
    pub(super) parked: Option<Parked>,
    /// Its process is frozen or dead.
    pub(crate) silent: Option<Silence>,
    pub(super) silence_from: Nanos,
    /// Replies to calls of this turn.
    pub(super) replies: Vec<Told>,
    pub(super) counts: Arc<SlotCounts>,
    pub(super) machines: Arc<Vec<CostModel>>,
    pub(super) link_delay: Nanos,
    pub(super) link_speed: f64,
    pub(super) key_size: u32,
    pub(super) values: Sampler,
    pub(super) stream: Stream,
    asked: Asked,
}

/// What a turn did with a unit when its node looked at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Executed,
    Acknowledged,
    Refused(Verdict),
}

impl Member {
    pub(super) fn new(seat: Seat) -> Self {
        Member {
            index: seat.index,
            view: seat.view,
            watches: false,
            told: Vec::new(),
            tells_all: false,
            map: None,
            ticketed: 0,
            refused: Refused::default(),
            on_open_slots: 0,
            config: ConfigFile::default(),
            open: OpenSlots::default(),
            export: None,
            holds_writes: false,
            held: Vec::new(),
            calls: VecDeque::new(),
            parked: None,
            silent: None,
            silence_from: seat.silence_from,
            replies: Vec::new(),
            counts: seat.counts,
            machines: seat.machines,
            link_delay: seat.link_delay,
            link_speed: seat.link_speed,
            key_size: seat.key_size,
            values: seat.values,
            stream: seat.stream,
            asked: seat.asked,
        }
    }

    /// It waits for another node in MIGRATE, or its process is frozen or dead: nothing happens in it.
    #[inline(always)]
    pub(crate) fn is_parked(&self) -> bool {
        self.parked.is_some() || self.silent.is_some()
    }

    /// Since when it waits for another node in MIGRATE.
    pub(crate) fn migrating_since(&self) -> Option<Nanos> {
        self.parked.as_ref().map(|parked| parked.since)
    }

    /// Every request can be executed without a look at its slot.
    #[inline(always)]
    pub(super) fn is_quiet(&self) -> bool {
        !self.watches && self.ticketed == 0 && self.view.is_calm() && self.open.slots.is_empty()
    }

    /// Whether a turn has calls to answer or nodes.conf to save.
    #[inline(always)]
    pub(super) fn has_more(&self) -> bool {
        !self.replies.is_empty()
            || self.config.is_wanted()
            || self.export.as_ref().is_some_and(|export| export.1.has_news())
    }

    /// What becomes of the command that `unit` is.
    fn judge(&self, unit: &Unit, plan: &GroupPlan, server: &Server) -> Verdict {
        let (keys, is_write) = plan.shape_of(unit.first);
        let query = Query {
            keys,
            multiple_keys: keys > 1,
            asking: unit.ticket & ASKED > 0,
            ..Query::one_key(unit.slot, is_write)
        };
        let leaving = self.open.slots.iter().find(|open| open.slot == unit.slot);
        let answer = self.asked.node_by_query(&self.view, &query, || {
            let Some(leaving) = leaving else { return Present::All };
            let held = plan
                .ranks_of(unit.first, keys)
                .filter(|&rank| leaving.holds(server.keyspace.class_of_rank(rank), rank))
                .count();
            match held as u32 {
                0 => Present::None,
                held if held == keys => Present::All,
                _ => Present::Some,
            }
        });
        answer.verdict
    }

    /// Contents of nodes.conf.
    pub(super) fn content(&self) -> ConfigContent {
        let owners: Vec<Option<usize>> =
            self.view.owners().iter().map(|&owner| (owner == self.index).then_some(0)).collect();
        ConfigContent {
            primaries: self.machines.len() as u64,
            epoch: self.view.current_epoch(),
            open: self.view.open_slots() as u64,
            open_digits: 4 * self.view.open_slots() as u64,
            ..ConfigContent::default()
        }
        .with_slots(&owners)
    }

    /// Ranges of slots, those without an owner too.
    pub(super) fn ranges(&self) -> u64 {
        let owners = self.view.owners();
        1 + owners.windows(2).filter(|pair| pair[0] != pair[1]).count() as u64
    }
}

impl<P: Probe> Simulation<P> {
    /// Runs turns that begin before `limit`; false when the run is over.
    pub(crate) fn run_until(&mut self, limit: Nanos) -> bool {
        self.limit = limit;
        while self.next_turn_at() < limit {
            if !self.turn() {
                return false;
            }
        }
        true
    }

    /// What a node of a cluster has beside.
    pub(crate) fn seat(&mut self) -> &mut Member {
        self.member.as_mut().expect("a node of a cluster")
    }

    /// Somebody's call arrives at `at`.
    pub(crate) fn call(&mut self, at: Nanos, asker: Asker, call: Call) {
        let calls = &mut self.seat().calls;
        let place = calls.partition_point(|other| other.0 <= at);
        calls.insert(place, (at, asker, call));
        self.look_at_calls();
    }

    /// Takes a call back that was not read yet; true if there was one.
    pub(crate) fn withdraw(&mut self, asker: Asker) -> bool {
        let calls = &mut self.seat().calls;
        let before = calls.len();
        calls.retain(|call| call.1 != asker);
        let withdrawn = calls.len() < before;
        self.look_at_calls();
        withdrawn
    }

    pub(super) fn look_at_calls(&mut self) {
        self.control_at = self.seat().calls.front().map_or(NEVER, |call| call.0);
        self.update_special();
    }

    /// The command of the unit at `place`, of a node that has to look at it: executed or not.
    pub(super) fn execute_watched(&mut self, place: usize, work: &mut Work) -> Fate {
        let unit = self.units[place];
        let plan = &self.plans[unit.group as usize];
        let (server, member) = (&mut self.server, self.member.as_mut().expect("only of a node"));
        member.ticketed -= (unit.ticket > 0) as u32;
        if unit.ticket & ASKING > 0 {
            work.cpu += server.prices.cpu.ping;
            work.reply_bytes += OK;
        }
        if unit.ticket & (ASKING | ASKED) == ASKING {
            work.commands += 1;
            return Fate::Acknowledged;
        }
        member.open.look(server, &mut member.stream);
        let verdict = member.judge(&unit, plan, server);
        let first = unit.ticket == 0;
        member.on_open_slots += (first && member.view.migrating_to(unit.slot).is_some()) as u64;
        if verdict != Verdict::Serve {
            member.refused.count(verdict);
            if let Verdict::Ask { slot, node } = verdict {
                // What is not here, for it has expired too, would come to be there.
                member.send_vacant(slot, node, server);
            }
            work.commands += 1;
            work.cpu += server.prices.cluster.redirect;
            work.reply_bytes += verdict.reply_bytes(ADDRESS);
            return Fate::Refused(verdict);
        }
        member.begin_command(unit.slot, server);
        let changed = work.changed;
        let answered = server.execute(plan, unit.first, 1, work);
        member.end_command(unit.slot, server);
        let unit = &mut self.units[place];
        (unit.reads, unit.writes) = (answered.reads, answered.writes);
        let exports = member.export.as_deref_mut().map(|(_, export)| export);
        if let Some(export) = exports.filter(|export| export.has(unit.slot)) {
            let commands = work.changed - changed;
            work.cpu += commands * server.prices.cpu.replica_command;
            let (bytes, apply) = (plan.mean_aof_bytes(), plan.mean_cpu());
            export.feed(commands, whole(commands as f64 * bytes), whole(commands as f64 * apply));
        }
        Fate::Executed
    }

    /// Tells the world of the unit at `place`, whose reply is read at `read_at`; whether it was executed.
    pub(super) fn tell(&mut self, place: usize, read_at: Nanos) -> bool {
        let unit = self.units[place];
        let fate = self.fates.get(place).copied().unwrap_or(Fate::Executed);
        let told = match fate {
            Fate::Executed => {
                self.tell_executed(unit, read_at);
                return true;
            }
            Fate::Acknowledged => Told::AskingDone(unit, read_at),
            Fate::Refused(verdict) => Told::Redirected(unit, verdict, read_at),
        };
        self.seat().told.push(told);
        false
    }

    /// Tells the world of a unit that was executed, if it asked for that.
    pub(super) fn tell_executed(&mut self, unit: Unit, read_at: Nanos) {
        let Some(member) = &mut self.member else { return };
        if unit.ticket > 0 {
            member.told.push(Told::Settled(unit, read_at));
        } else if member.tells_all {
            member.told.push(Told::Answered(unit, read_at));
        }
    }

    /// Whether the unit at `place` was executed, and not refused or ASKING.
    pub(super) fn was_executed(&self, place: usize) -> bool {
        self.fates.get(place).is_none_or(|fate| *fate == Fate::Executed)
    }
}
