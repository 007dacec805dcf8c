//! What a client does with a reply that is no result: a pure function of its library, the command's past and the time.
//!
//! The figures and their sources are in `libraries.rs`, pipelines in `passes.rs`. Nothing is sent here: a [`Step`] says
//! where the command goes next and when, what the process learns and whether it fetches a map. Random numbers are drawn
//! where the library draws.

use super::libraries::{Asking, OnMoved, Profile, Retry, Source};
use super::redirect::{Attempt, Failure, Memory, Redirect, Refresh, Step, Then, To, When};
use crate::rng::Uniform;
use crate::units::{MILLISECOND, Nanos};

impl Profile {
    /// What a client does with `reply` to the last send of `attempt` at `now`.
    ///
    /// A send that a step asks for is counted in `attempt`; its node is not, since the map may have it
    /// ([`Attempt::sent_to`]).
    pub fn next(
        &self,
        attempt: &mut Attempt,
        memory: &mut Memory,
        reply: Redirect,
        now: Nanos,
        draws: &mut impl Uniform,
    ) -> Step {
        let redirected = matches!(reply, Redirect::Moved { .. } | Redirect::Ask { .. });
        attempt.redirects = attempt.redirects.saturating_add(redirected as u8);
        attempt.lost = if reply == Redirect::Lost { attempt.lost.saturating_add(1) } else { 0 };
        if attempt.pipelined
            && let Some(step) = self.next_in_pipeline(attempt, reply, now)
        {
            return step;
        }
        let mut step = match reply {
            Redirect::Moved { slot, node } => self.moved(attempt, memory, slot, node, now),
            Redirect::Ask { slot, node } => self.ask(attempt, slot, node, now),
            Redirect::TryAgain => self.retry(self.on_try_again, attempt, reply, now, draws),
            Redirect::ClusterDown => self.retry(self.on_cluster_down, attempt, reply, now, draws),
            Redirect::Lost => self.retry(self.on_lost, attempt, reply, now, draws),
        };
        self.limit(attempt, reply, &mut step);
        step
    }

    /// Turns a send that is one too many, or too late, into a failure; counts it otherwise.
    fn limit(&self, attempt: &mut Attempt, reply: Redirect, step: &mut Step) {
        let Then::Send { when: When::At(at), .. } = step.then else { return };
        let reconnects = reply == Redirect::Lost && matches!(self.on_lost, Retry::Reconnect { .. });
        if self.out_of_time(attempt, at) {
            let failure = if reconnects { Failure::ConnectionLost } else { Failure::Deadline };
            // A caller that waits for a connection gets its error when the time is over.
            let at = if reconnects { self.gives_up_at(attempt) } else { at };
            step.then = Then::Fail { failure, at };
        } else if reconnects || attempt.sends == 0 {
            // Reconnecting is no redirect; a round that begins is at its first send.
            attempt.sends = attempt.sends.max(1);
        } else if attempt.sends >= self.sends {
            // redis-py says "TTL exhausted." whatever the last reply was.
            let exhausted = matches!(self.on_try_again, Retry::Again { .. });
            let failure = if exhausted { Failure::RedirectLimit } else { reply.failure() };
            step.then = Then::Fail { failure, at };
        } else {
            attempt.sends += 1;
        }
    }

    /// When the library stops sending a command; the end of time if it never does.
    pub fn gives_up_at(&self, attempt: &Attempt) -> Nanos {
        self.patience.map_or(Nanos::MAX, |patience| attempt.first_at.saturating_add(patience))
    }

    /// A send at `at` comes too late; to be asked again when a fetch before it has ended.
    pub fn out_of_time(&self, attempt: &Attempt, at: Nanos) -> bool {
        at > self.gives_up_at(attempt)
    }

    fn moved(&self, attempt: &mut Attempt, memory: &mut Memory, slot: u16, node: u16, now: Nanos) -> Step {
        attempt.follows = Some((node, Asking::No));
        let mut step = Step::send(To::Node(node), Asking::No, now);
        match self.on_moved {
            OnMoved::Follow => {}
            OnMoved::Learn { fetch_every } => {
                step = Step::send(To::Mapped, Asking::No, now);
                match self.counts_to_fetch(memory, fetch_every) {
                    true => step.refresh = Some(self.fetch(false)),
                    false => step.learn = Some((slot, node)),
                }
            }
            OnMoved::FetchFirst => {
                step.refresh = Some(Refresh { source: Source::Sender, background: false });
            }
            OnMoved::FetchBehind => step.refresh = Some(self.fetch(true)),
        }
        step
    }

    /// Counts a MOVED; it is the one at which the map is fetched.
    pub(super) fn counts_to_fetch(&self, memory: &mut Memory, every: u32) -> bool {
        memory.moved = memory.moved.wrapping_add(1);
        let fetches = every > 0 && memory.moved >= every;
        if fetches {
            memory.moved = 0;
        }
        fetches
    }

    pub(super) fn fetch(&self, background: bool) -> Refresh {
        Refresh { source: self.source, background }
    }

    fn ask(&self, attempt: &mut Attempt, slot: u16, node: u16, now: Nanos) -> Step {
        let Some(asking) = self.asking else { return Step::fail(Failure::AskUnknown, now) };
        attempt.follows = Some((node, asking));
        let mut step = Step::send(To::Node(node), asking, now);
        if self.ask_learns {
            step.learn = Some((slot, node));
        }
        if self.on_moved == OnMoved::FetchBehind {
            step.refresh = Some(self.fetch(true));
        }
        step
    }

    fn retry(
        &self,
        retry: Retry,
        attempt: &mut Attempt,
        reply: Redirect,
        now: Nanos,
        draws: &mut impl Uniform,
    ) -> Step {
        match retry {
            Retry::Error => Step::fail(reply.failure(), now),
            Retry::Again { pause } => {
                let second_half = self.sends.saturating_sub(attempt.sends) < self.sends / 2;
                let pause = if second_half { pause } else { 0 };
                Step::send(To::Node(attempt.node), Asking::No, now.saturating_add(pause))
            }
            Retry::BackOff { least, most } => {
                let to = if attempt.sends == 1 { To::Node(attempt.node) } else { To::Mapped };
                if attempt.sends >= self.sends {
                    return Step::fail(reply.failure(), now);
                }
                let pause = back_off(least, most, attempt.sends, draws);
                Step::send(to, Asking::No, now.saturating_add(pause))
            }
            Retry::NewRound { pause } => {
                let at = now.saturating_add(pause);
                let mut step = if attempt.rounds >= self.rounds {
                    Step::fail(reply.failure(), at)
                } else {
                    attempt.rounds += 1;
                    attempt.sends = 0;
                    Step::send(To::Mapped, Asking::No, at)
                };
                step.refresh = Some(self.fetch(false));
                step
            }
            Retry::ShareOfTime => self.share_of_time(attempt, now, draws),
            Retry::Reconnect { most } => {
                let doublings = u32::from(attempt.lost.saturating_sub(1)).min(30);
                let pause = (MILLISECOND << doublings).min(most);
                let asking = attempt.follows.map_or(Asking::No, |(_, asking)| asking);
                Step::send(To::Node(attempt.node), asking, now.saturating_add(pause))
            }
        }
    }

    /// Jedis after a broken connection (`handleConnectionProblem`, `getBackoffSleepMillis`).
    fn share_of_time(&self, attempt: &mut Attempt, now: Nanos, draws: &mut impl Uniform) -> Step {
        if attempt.lost < 2 {
            return match attempt.follows {
                Some((node, asking)) => Step::send(To::Node(node), asking, now),
                None => Step::send(To::Mapped, Asking::No, now),
            };
        }
        attempt.lost = 0;
        attempt.follows = None;
        let left = u64::from(self.sends.saturating_sub(attempt.sends));
        let pause = match left {
            0 => 0,
            _ if self.out_of_time(attempt, now) => return Step::fail(Failure::Deadline, now),
            _ => {
                let millis = (self.gives_up_at(attempt) - now) / MILLISECOND;
                draws.below(millis / (left * left) + 1) * MILLISECOND
            }
        };
        let mut step = Step::send(To::Mapped, Asking::No, now.saturating_add(pause));
        step.refresh = Some(self.fetch(false));
        step
    }
}

/// `internal.RetryBackoff` of go-redis: `least` + U(0, `least` · 2^n), at most `most`; n ≥ 1.
pub(super) fn back_off(least: Nanos, most: Nanos, n: u8, draws: &mut impl Uniform) -> Nanos {
    let range = least.checked_shl(u32::from(n)).filter(|range| range >> n == least && *range > 0);
    range.map_or(most, |range| least.saturating_add(draws.below(range)).min(most))
}

#[cfg(test)]
mod tests;
