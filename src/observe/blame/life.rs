//! The life of one request, phase by phase.

use std::collections::VecDeque;
use std::str::FromStr;

use super::Part;
use super::split::Split;
use crate::cause::Cause;
use crate::observe::histogram::{self, Histogram};
use crate::units::Nanos;

/// Spans of the main thread that are remembered; a request that has waited for more of them is told what they add up to.
const REMEMBERED: usize = 100_000;

/// Quantiles by name.
const QUANTILES: [(&str, f64); 5] =
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999), ("p9999", 0.9999)];

/// Which request is to be traced: the first answered one that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watch {
    /// Its sojourn lies in that range \[ns\].
    Sojourn {
        /// Shortest.
        low: Nanos,
        /// Longest.
        high: Nanos,
    },
    /// It is the n-th, counted from 1, of those that are answered and count, in the order of their replies.
    Number(u64),
}

impl Watch {
    /// A request at a quantile that was printed as `value`: in its slot of the histogram.
    pub fn at(value: Nanos) -> Watch {
        let (low, high) = histogram::bounds(histogram::slot(value));
        Watch::Sojourn { low, high }
    }
}

/// A request that somebody wants to see: one at a quantile, the slowest, or by its number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Wanted {
    /// At that quantile, 0 to 1, of that name.
    Quantile(&'static str, f64),
    /// The slowest.
    Max,
    /// The n-th answered one, from 1.
    Number(u64),
}

/// Text that names no request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no request; p50, p90, p99, p999, p9999, max or a number from #1 on is")]
pub struct NoRequest(String);

impl FromStr for Wanted {
    type Err = NoRequest;

    fn from_str(text: &str) -> Result<Self, NoRequest> {
        let quantile = QUANTILES.iter().find(|quantile| quantile.0 == text);
        let number =
            text.strip_prefix('#').and_then(|number| number.parse().ok()).filter(|&number| number > 0);
        match (quantile, number) {
            (Some(&(name, share)), _) => Ok(Wanted::Quantile(name, share)),
            (None, Some(number)) => Ok(Wanted::Number(number)),
            (None, None) if text == "max" => Ok(Wanted::Max),
            (None, None) => Err(NoRequest(text.to_owned())),
        }
    }
}

impl Wanted {
    /// What to look for, where sojourns are as in `sojourns`; none without any.
    pub fn watch(self, sojourns: &Histogram) -> Option<Watch> {
        let watch = match self {
            Wanted::Quantile(_, share) => Watch::at(sojourns.quantile(share)),
            Wanted::Max => Watch::Sojourn { low: sojourns.max(), high: sojourns.max() },
            Wanted::Number(number) => return (number <= sojourns.count()).then_some(Watch::Number(number)),
        };
        (sojourns.count() > 0).then_some(watch)
    }
}

/// Where a phase lies in the life of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// On its way to the server.
    WayIn,
    /// It can be read, and the server does other things.
    Waiting,
    /// The turn that answers it.
    Turn,
    /// On its way back.
    WayBack,
}

impl Stage {
    /// Name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Stage::WayIn => "way-in",
            Stage::Waiting => "waiting",
            Stage::Turn => "turn",
            Stage::WayBack => "way-back",
        }
    }
}

/// A span of a request's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phase {
    /// Start \[ns\].
    pub from: Nanos,
    /// End \[ns\].
    pub until: Nanos,
    /// What the main thread did: a cause's name, or `asleep`; otherwise the name of a part.
    pub what: &'static str,
    /// Where it lies.
    pub stage: Stage,
}

/// The life of one request. Its phases follow one another without a gap, from the intended time to the reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Life {
    /// Group.
    pub group: u16,
    /// Connection, over all groups.
    pub connection: u32,
    /// It is the n-th answered request that counts, from 1; of its node, in a cluster.
    pub number: u64,
    /// Commands of its client write.
    pub commands: u32,
    /// Commands that its turn executed.
    pub turn_commands: u64,
    /// When the client meant to send it \[ns\].
    pub arrived_at: Nanos,
    /// When the server could read it \[ns\].
    pub readable_at: Nanos,
    /// When the poll returned that found it \[ns\].
    pub polled_at: Nanos,
    /// When its reply was handed to the socket \[ns\].
    pub sent_at: Nanos,
    /// When the client read the reply \[ns\].
    pub read_at: Nanos,
    /// What happened, in order.
    pub phases: Vec<Phase>,
    /// (part, time \[ns\]), no zero among them; they add up to the sojourn.
    pub parts: Vec<(Part, Nanos)>,
}

/// Times of a request that is answered.
#[derive(Clone, Copy, Debug, Default)]
pub struct Times {
    /// Group and connection.
    pub of: (u16, u32),
    /// Commands of its client write, and of its turn.
    pub commands: (u32, u64),
    /// Intended arrival.
    pub arrived_at: Nanos,
    /// Readable at the server.
    pub readable_at: Nanos,
    /// The poll that found it.
    pub polled_at: Nanos,
    /// Reply handed to the socket.
    pub sent_at: Nanos,
    /// Reply at the client.
    pub came_at: Nanos,
    /// Reply read.
    pub read_at: Nanos,
    /// The client's share of the way in.
    pub client_in: Nanos,
    /// It was redirected.
    pub redirected: bool,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    from: Nanos,
    until: Nanos,
    /// None: asleep.
    cause: Option<Cause>,
}

/// Every span of the main thread, and the request that is looked for.
#[derive(Clone, Debug)]
pub struct Detail {
    watch: Watch,
    spans: VecDeque<Span>,
    seen: u64,
    /// The request, once it has been answered.
    pub life: Option<Life>,
}

impl Detail {
    /// Looks for a request.
    pub fn new(watch: Watch) -> Self {
        Detail { watch, spans: VecDeque::new(), seen: 0, life: None }
    }

    /// The thread spends `span` at `at`: on a cause, or asleep.
    pub(super) fn add(&mut self, at: Nanos, cause: Option<Cause>, span: Nanos) {
        if self.life.is_some() {
            return;
        }
        match self.spans.back_mut() {
            Some(last) if last.cause == cause && last.until == at => last.until += span,
            _ => self.spans.push_back(Span { from: at, until: at + span, cause }),
        }
        if self.spans.len() > REMEMBERED {
            self.spans.pop_front();
        }
    }

    /// `number` requests were answered; keeps their life if it is the one that is looked for.
    pub fn answered(&mut self, number: u64, times: &Times, split: &Split) {
        let before = self.seen;
        self.seen += number;
        let sojourn = times.read_at - times.arrived_at;
        let fits = match self.watch {
            Watch::Sojourn { low, high } => (low..=high).contains(&sojourn),
            Watch::Number(n) => n > before && n <= self.seen,
        };
        if self.life.is_some() || !fits {
            return;
        }
        let number = if let Watch::Number(n) = self.watch { n } else { before + 1 };
        let parts = Part::all().map(|part| (part, split.of(part))).filter(|part| part.1 > 0);
        self.life = Some(Life {
            group: times.of.0,
            connection: times.of.1,
            number,
            commands: times.commands.0,
            turn_commands: times.commands.1,
            arrived_at: times.arrived_at,
            readable_at: times.readable_at,
            polled_at: times.polled_at,
            sent_at: times.sent_at,
            read_at: times.read_at,
            phases: self.phases(times),
            parts: parts.collect(),
        });
        self.spans.clear();
    }

    fn phases(&self, times: &Times) -> Vec<Phase> {
        let mut phases: Vec<Phase> = Vec::new();
        let mut push = |from: Nanos, until: Nanos, what: &'static str, stage: Stage| match phases.last_mut() {
            Some(last) if last.what == what && last.stage == stage => last.until = until,
            _ if until > from => phases.push(Phase { from, until, what, stage }),
            _ => {}
        };
        let left_at = times.arrived_at + times.client_in;
        match times.redirected {
            true => push(times.arrived_at, times.readable_at, Part::Redirect.name(), Stage::WayIn),
            false => {
                push(times.arrived_at, left_at, Part::Client.name(), Stage::WayIn);
                push(left_at, times.readable_at, Part::Network.name(), Stage::WayIn);
            }
        }
        let known_from = self.spans.front().map_or(times.sent_at, |span| span.from).max(times.readable_at);
        push(times.readable_at, known_from, "earlier-turns", Stage::Waiting);
        for span in self.spans.iter().filter(|span| span.until > times.readable_at) {
            let what = span.cause.map_or("asleep", Cause::name);
            let (from, until) = (span.from.max(times.readable_at), span.until.min(times.sent_at));
            if from >= until {
                continue;
            }
            let middle = times.polled_at.clamp(from, until);
            push(from, middle, what, Stage::Waiting);
            push(middle, until, what, Stage::Turn);
        }
        push(times.sent_at, times.came_at, Part::Network.name(), Stage::WayBack);
        push(times.came_at, times.read_at, Part::Client.name(), Stage::WayBack);
        phases
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: Times = Times {
        of: (0, 7),
        commands: (1, 3),
        arrived_at: 100,
        readable_at: 130,
        polled_at: 200,
        sent_at: 250,
        came_at: 270,
        read_at: 275,
        client_in: 10,
        redirected: false,
    };

    fn detail(watch: Watch) -> Detail {
        let mut detail = Detail::new(watch);
        for (at, cause, span) in [
            (120, Some(Cause::Command), 30),
            (150, Some(Cause::Fork), 50),
            (200, Some(Cause::EventLoop), 20),
            (220, Some(Cause::Command), 30),
            (250, Some(Cause::Reply), 9),
        ] {
            detail.add(at, cause, span);
        }
        detail
    }

    #[test]
    fn phases_follow_one_another_from_the_intended_time_to_the_reply() {
        let mut detail = detail(Watch::Sojourn { low: 175, high: 175 });
        let early = Times { read_at: 274, ..TIMES };
        detail.answered(1, &early, &Split::default());
        assert_eq!(detail.life, None);
        detail.answered(2, &TIMES, &Split::default());
        let life = detail.life.expect("it fits");
        assert_eq!((life.number, life.connection), (2, 7));
        let told: Vec<_> = life.phases.iter().map(|phase| (phase.from, phase.what, phase.stage)).collect();
        use Stage::{Turn, Waiting, WayBack, WayIn};
        assert_eq!(
            told,
            [
                (100, "client", WayIn),
                (110, "network", WayIn),
                (130, "command", Waiting),
                (150, "fork", Waiting),
                (200, "event-loop", Turn),
                (220, "command", Turn),
                (250, "network", WayBack),
                (270, "client", WayBack),
            ]
        );
        assert!(life.phases.windows(2).all(|pair| pair[0].until == pair[1].from));
        assert_eq!(life.phases.last().map(|phase| phase.until), Some(275));
    }

    #[test]
    fn requests_are_counted_from_one() {
        let mut detail = detail(Watch::Number(4));
        for (number, found) in [(2, false), (1, false), (16, true)] {
            detail.answered(number, &TIMES, &Split::default());
            assert_eq!(detail.life.is_some(), found);
        }
        assert_eq!(detail.life.map(|life| life.number), Some(4));
    }

    #[test]
    fn requests_are_named_by_quantile_or_number() {
        assert_eq!("p999".parse(), Ok(Wanted::Quantile("p999", 0.999)));
        assert_eq!(("max".parse(), "#12".parse()), (Ok(Wanted::Max), Ok(Wanted::Number(12))));
        for wrong in ["p98", "#0", "#", "12", "", "#-1"] {
            assert!(wrong.parse::<Wanted>().is_err(), "{wrong}");
        }
        let mut sojourns = Histogram::new();
        assert_eq!(Wanted::Max.watch(&sojourns), None);
        sojourns.record_n(5000, 3);
        assert_eq!(Wanted::Max.watch(&sojourns), Some(Watch::Sojourn { low: 5000, high: 5000 }));
        assert_eq!(Wanted::Number(3).watch(&sojourns), Some(Watch::Number(3)));
        assert_eq!(Wanted::Number(4).watch(&sojourns), None);
        assert_eq!(Wanted::Quantile("p50", 0.5).watch(&sojourns), Some(Watch::at(5000)));
    }

    #[test]
    fn the_slot_of_a_quantile_holds_it() {
        let Watch::Sojourn { low, high } = Watch::at(123_456_789) else { panic!("a range") };
        assert!(low <= 123_456_789 && 123_456_789 <= high && high - low < 123_456_789 / 1000);
    }
}
