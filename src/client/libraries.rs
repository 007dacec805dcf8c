//! What client libraries do with redirects, as data: limits, round trips, what is learned, who is asked for a new map.
//!
//! Read from the sources of redis-py 4.5 to 7.1, go-redis v9.18 to v9.21, Jedis 5.0 to 7.5 and Lettuce 6.1 to 6.8, with
//! their defaults. Newer ones differ: redis-py 8 has 10 retries for 3 and asks a random node for a map; go-redis v9.22
//! backs off between 10 ms and 1 s and takes a map for old after 60 s; go-redis before v9.18 forgets a wish for a new map
//! that comes during the pause after the last one; Lettuce 7 renews its map in the background, at most once in 5 s, on
//! every MOVED and ASK.
//!
//! The last four profiles are no libraries: an old client that does not know ASK, one that takes it for MOVED, a proxy
//! without a slot map, and the least that the cluster specification allows (MOVED changes its one slot, ASKING and the
//! command go out together, the map is never fetched again), as the clients of `validate`. Their limit of five redirects is the one most libraries have; what else they meet is an error.
//!
//! Left out: replicas as readers, MULTI, and the dialling of connections (a lost one is there again at the next send).

use crate::scenario::cluster::ClientProfile;
use crate::units::{MILLISECOND, Nanos, SECOND};

/// How ASKING goes out ahead of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asking {
    /// No ASKING.
    No,
    /// ASKING and the command in one write.
    Together,
    /// ASKING alone; the command after its reply.
    First,
}

/// What MOVED does to the map of a client process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnMoved {
    /// The map stays; the command follows the redirect.
    Follow,
    /// The slot is changed; every so many MOVEDs of a process the whole map is fetched instead, before the retry (0:
    /// never).
    Learn {
        /// MOVEDs of a process from one fetch to the next.
        fetch_every: u32,
    },
    /// The whole map is fetched before the command follows the redirect.
    FetchFirst,
    /// The whole map is fetched in the background, on ASK too; the command follows the redirect at once.
    FetchBehind,
}

/// What the library does with an error that may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Hands it to the caller.
    Error,
    /// Sends to the same node again, without ASKING, after `pause` once fewer than half of the sends are left.
    Again {
        /// The pause of the second half \[ns\].
        pause: Nanos,
    },
    /// Waits `least` + U(0, `least` · 2^n) before the n-th retry, at most `most`; the first goes to the same node, later
    /// ones where the map says.
    BackOff {
        /// Least pause \[ns\].
        least: Nanos,
        /// Longest pause \[ns\].
        most: Nanos,
    },
    /// Waits, fetches the map and begins anew where it says, as often as the profile has rounds.
    NewRound {
        /// Pause before the map is fetched \[ns\].
        pause: Nanos,
    },
    /// Sends again at once; the second time in a row it waits a random part of 1/n² of the time left, n being the sends
    /// left, fetches the map and goes where it says.
    ShareOfTime,
    /// Sends again to the same node when it is connected again: 2^(n − 1) ms before the n-th try.
    Reconnect {
        /// Longest pause \[ns\].
        most: Nanos,
    },
}

/// What becomes of commands of a pipeline that were redirected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pipelining {
    /// Each follows its redirect by itself.
    Each,
    /// When all nodes have answered, those that were redirected go out together, split by node, after a back-off.
    Passes,
    /// When all nodes have answered, those that were redirected are run one after the other, each from its beginning.
    OneByOne,
    /// Redirects are errors to the caller, and change no map.
    NotFollowed,
}

/// Which node is asked for a new map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The node whose reply was the reason.
    Sender,
    /// The first node of the list, the same for all clients.
    First,
    /// Any node, drawn.
    Any,
}

/// The command that fetches a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapCommand {
    /// `CLUSTER SLOTS`.
    Slots,
    /// `CLUSTER NODES`, here of one node.
    Nodes,
}

/// A library's figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Most sends of one command within a round, the first included, ≥ 1.
    pub sends: u8,
    /// Most rounds, ≥ 1.
    pub rounds: u8,
    /// Time from the first send after which nothing is sent any more \[ns\].
    pub patience: Option<Nanos>,
    /// How ASK is followed; none: it is an unknown error.
    pub asking: Option<Asking>,
    /// ASK changes the map as MOVED does.
    pub ask_learns: bool,
    /// What MOVED does to the map.
    pub on_moved: OnMoved,
    /// TRYAGAIN.
    pub on_try_again: Retry,
    /// CLUSTERDOWN.
    pub on_cluster_down: Retry,
    /// A connection that broke, or a node that did not answer in time.
    pub on_lost: Retry,
    /// Redirects within a pipeline.
    pub pipelining: Pipelining,
    /// Which node is asked for a map; in [`OnMoved::FetchFirst`] for MOVED it is the sender.
    pub source: Source,
    /// How a map is fetched.
    pub map_command: MapCommand,
    /// A map older than this is fetched anew in the background when it is used \[ns\].
    pub map_age: Option<Nanos>,
    /// Pause after a fetch in the background before the next one of the same process \[ns\].
    pub cooldown: Nanos,
    /// The process has a slot map; otherwise it has one node for everything.
    pub has_map: bool,
}

/// redis-py, `cluster.py` (`RedisClusterRequestTTL`, `_execute_command`, `cluster_error_retry_attempts`).
const REDIS_PY: Profile = Profile {
    sends: 16,
    // The call, and `cluster_error_retry_attempts` = 3.
    rounds: 4,
    patience: None,
    asking: Some(Asking::First),
    ask_learns: false,
    // `reinitialize_steps`; the counter is the client object's.
    on_moved: OnMoved::Learn { fetch_every: 5 },
    on_try_again: Retry::Again { pause: 50 * MILLISECOND },
    on_cluster_down: Retry::NewRound { pause: 250 * MILLISECOND },
    on_lost: Retry::NewRound { pause: 0 },
    // `PipelineStrategy._send_cluster_commands`.
    pipelining: Pipelining::OneByOne,
    // `NodesManager.initialize` walks `startup_nodes` from the front.
    source: Source::First,
    map_command: MapCommand::Slots,
    map_age: None,
    cooldown: 0,
    has_map: true,
};

/// go-redis, `internal.go` (`RetryBackoff`) with `MinRetryBackoff` and `MaxRetryBackoff`.
const GO_BACK_OFF: Retry = Retry::BackOff { least: 8 * MILLISECOND, most: 512 * MILLISECOND };

/// go-redis, `osscluster.go` (`ClusterOptions.init`, `process`, `LazyReload`, `loadState`), `error.go` (`shouldRetry`).
const GO_REDIS: Profile = Profile {
    // `attempt <= MaxRedirects` = 3.
    sends: 4,
    rounds: 1,
    patience: None,
    asking: Some(Asking::Together),
    ask_learns: false,
    on_moved: OnMoved::FetchBehind,
    on_try_again: GO_BACK_OFF,
    on_cluster_down: GO_BACK_OFF,
    on_lost: GO_BACK_OFF,
    // `processPipeline`.
    pipelining: Pipelining::Passes,
    // `rand.Perm`.
    source: Source::Any,
    map_command: MapCommand::Slots,
    // `ClusterStateReloadInterval`.
    map_age: Some(10 * SECOND),
    cooldown: 200 * MILLISECOND,
    has_map: true,
};

/// Jedis, `ClusterCommandExecutor.java` (`doExecuteCommand`, `handleConnectionProblem`), `JedisCluster.java`
/// (`DEFAULT_MAX_ATTEMPTS`, `DEFAULT_TIMEOUT`), `JedisClusterInfoCache.java` (`renewClusterSlots`).
const JEDIS: Profile = Profile {
    sends: 5,
    rounds: 1,
    // Five times the socket time-out of 2 s.
    patience: Some(10 * SECOND),
    asking: Some(Asking::First),
    ask_learns: false,
    on_moved: OnMoved::FetchFirst,
    // `Protocol.processError` makes of both an exception that `doExecuteCommand` does not catch.
    on_try_again: Retry::Error,
    on_cluster_down: Retry::Error,
    on_lost: Retry::ShareOfTime,
    // `MultiNodePipelineBase.sync`.
    pipelining: Pipelining::NotFollowed,
    source: Source::First,
    map_command: MapCommand::Slots,
    // `topologyRefreshPeriod` is not set.
    map_age: None,
    cooldown: 0,
    has_map: true,
};

/// Lettuce, `ClusterClientOptions.java` (`DEFAULT_MAX_REDIRECTS`), `ClusterCommand.java` (`complete`),
/// `ClusterDistributionChannelWriter.java` (`doWrite`), `ConnectionWatchdog.java`, `Delay.java`, `RedisURI.java`.
const LETTUCE: Profile = Profile {
    // `maxRedirections > redirections` with 5: the sixth is the last.
    sends: 6,
    rounds: 1,
    // `DEFAULT_TIMEOUT`, of synchronous calls.
    patience: Some(60 * SECOND),
    asking: Some(Asking::Together),
    ask_learns: false,
    // `DEFAULT_ADAPTIVE_REFRESH_TRIGGERS` is empty up to 6.
    on_moved: OnMoved::Follow,
    on_try_again: Retry::Error,
    on_cluster_down: Retry::Error,
    // `Delay.exponential()`; what was not answered is sent again (`autoReconnect`).
    on_lost: Retry::Reconnect { most: 30 * SECOND },
    pipelining: Pipelining::Each,
    source: Source::Any,
    map_command: MapCommand::Nodes,
    // `DEFAULT_PERIODIC_REFRESH_ENABLED` is false.
    map_age: None,
    cooldown: 0,
    has_map: true,
};

/// A client with a map that changes a slot at MOVED.
const PLAIN: Profile = Profile {
    sends: 6,
    rounds: 1,
    patience: None,
    asking: None,
    ask_learns: false,
    on_moved: OnMoved::Learn { fetch_every: 0 },
    on_try_again: Retry::Error,
    on_cluster_down: Retry::Error,
    on_lost: Retry::Error,
    pipelining: Pipelining::Each,
    source: Source::First,
    map_command: MapCommand::Slots,
    map_age: None,
    cooldown: 0,
    has_map: true,
};

/// Kinds of redirects, for latencies on an idle system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// None.
    Direct,
    /// MOVED.
    Moved,
    /// ASK.
    Ask,
}

impl Profile {
    /// The profile of a client.
    pub fn of(client: ClientProfile) -> &'static Profile {
        const AS_MOVED: Profile = Profile { asking: Some(Asking::No), ask_learns: true, ..PLAIN };
        const PROXY: Profile =
            Profile { asking: Some(Asking::Together), on_moved: OnMoved::Follow, has_map: false, ..PLAIN };
        const SLOT_BY_SLOT: Profile = Profile { asking: Some(Asking::Together), ..PLAIN };
        match client {
            ClientProfile::RedisPy => &REDIS_PY,
            ClientProfile::GoRedis => &GO_REDIS,
            ClientProfile::Jedis => &JEDIS,
            ClientProfile::Lettuce => &LETTUCE,
            ClientProfile::NoAsk => &PLAIN,
            ClientProfile::AskAsMoved => &AS_MOVED,
            ClientProfile::NoMap => &PROXY,
            ClientProfile::SlotBySlot => &SLOT_BY_SLOT,
        }
    }

    /// Round trips of a command outside a pipeline that meets one redirect of `kind`, until its reply; none if it fails
    /// or goes round in a loop.
    ///
    /// A map that is fetched before the retry is one more: at every MOVED of [`OnMoved::FetchFirst`], and with `fetches`
    /// at one of [`OnMoved::Learn`].
    pub fn round_trips(&self, kind: Kind, fetches: bool) -> Option<u32> {
        match kind {
            Kind::Direct => Some(1),
            Kind::Moved => Some(match self.on_moved {
                OnMoved::FetchFirst => 3,
                OnMoved::Learn { fetch_every } if fetches && fetch_every > 0 => 3,
                _ => 2,
            }),
            Kind::Ask => match self.asking? {
                Asking::First => Some(3),
                Asking::Together => Some(2),
                Asking::No => None,
            },
        }
    }
}
