//! Redirects within a pipeline: libraries that wait for all nodes before they follow one, or never do.

use super::libraries::{Asking, OnMoved, Pipelining, Profile, Retry};
use super::redirect::{Attempt, Failure, Memory, Redirect, Refresh, Step, Then, To, When};
use super::redirects::back_off;
use crate::rng::Uniform;
use crate::units::Nanos;

/// What follows when all nodes have answered a pipeline and some of its commands are to go again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass {
    /// When they go, or when a fetch before it has ended.
    pub at: Nanos,
    /// A map is fetched before.
    pub refresh: Option<Refresh>,
}

impl Profile {
    /// What libraries do differently within a pipeline; none if they do not.
    pub(super) fn next_in_pipeline(
        &self,
        attempt: &mut Attempt,
        reply: Redirect,
        now: Nanos,
    ) -> Option<Step> {
        match self.pipelining {
            Pipelining::Each => None,
            Pipelining::NotFollowed => Some(Step::fail(
                match reply.failure() {
                    Failure::RedirectLimit => Failure::NotFollowed,
                    failure => failure,
                },
                now,
            )),
            // `ERRORS_ALLOW_RETRY` of the pipeline has no ClusterDownError.
            Pipelining::OneByOne if reply == Redirect::ClusterDown => {
                Some(Step::fail(Failure::ClusterDown, now))
            }
            Pipelining::OneByOne => {
                // `parent_execute_command` begins again, outside the pipeline.
                *attempt = Attempt {
                    first_at: attempt.first_at,
                    redirects: attempt.redirects,
                    ..Attempt::new(attempt.node, now)
                };
                Some(Step {
                    then: Then::Send { to: To::Mapped, asking: Asking::No, when: When::InTurn },
                    learn: None,
                    refresh: None,
                })
            }
            Pipelining::Passes => Some(self.next_in_pass(attempt, reply, now)),
        }
    }

    /// go-redis, `pipelineReadCmds`, `checkMovedErr`.
    ///
    /// It repeats a node's whole part if TRYAGAIN meets the first command of it. Here that command alone is repeated; a
    /// CLUSTERDOWN and a broken connection are taken to meet all commands of a part.
    fn next_in_pass(&self, attempt: &mut Attempt, reply: Redirect, now: Nanos) -> Step {
        let (to, asking) = match reply {
            Redirect::TryAgain if !attempt.leads => return Step::fail(Failure::TryAgain, now),
            Redirect::Moved { node, .. } => (To::Node(node), Asking::No),
            Redirect::Ask { node, .. } => (To::Node(node), self.asking.unwrap_or(Asking::No)),
            _ => (To::Mapped, Asking::No),
        };
        if attempt.sends >= self.sends {
            return Step::fail(reply.failure(), now);
        }
        attempt.sends += 1;
        let moved = matches!(reply, Redirect::Moved { .. });
        Step {
            then: Then::Send { to, asking, when: When::AfterPass },
            learn: None,
            refresh: moved.then(|| self.fetch(true)),
        }
    }

    /// All nodes have answered a pipeline at `now`, and some of its commands wait for that: what comes ahead of them.
    ///
    /// `passes` is the number of passes so far, ≥ 1.
    pub fn pass_over(&self, memory: &mut Memory, passes: u8, now: Nanos, draws: &mut impl Uniform) -> Pass {
        match (self.pipelining, self.on_moved, self.on_lost) {
            (Pipelining::OneByOne, OnMoved::Learn { fetch_every }, _) => {
                let refresh = self.counts_to_fetch(memory, fetch_every).then(|| self.fetch(false));
                Pass { at: now, refresh }
            }
            (Pipelining::Passes, _, Retry::BackOff { least, most }) => {
                Pass { at: now.saturating_add(back_off(least, most, passes, draws)), refresh: None }
            }
            _ => Pass { at: now, refresh: None },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::libraries::Source;
    use crate::rng::{Stream, StreamId, Streams};
    use crate::scenario::cluster::ClientProfile::{self, *};
    use crate::units::MILLISECOND;

    const MOVED: Redirect = Redirect::Moved { slot: 7, node: 1 };
    const ASK: Redirect = Redirect::Ask { slot: 7, node: 1 };

    fn draws() -> Stream {
        Streams::new(3, 0).open(StreamId::Retry, 0)
    }

    fn step(client: ClientProfile, attempt: &mut Attempt, reply: Redirect) -> Step {
        Profile::of(client).next(attempt, &mut Memory::default(), reply, 5, &mut draws())
    }

    #[test]
    fn jedis_follows_no_redirect_within_a_pipeline() {
        for reply in [MOVED, ASK] {
            let step = step(Jedis, &mut Attempt::new(0, 0).in_pipeline(true), reply);
            assert_eq!(step, Step::fail(Failure::NotFollowed, 5));
        }
    }

    #[test]
    fn lettuce_follows_each_redirect_of_a_pipeline_by_itself() {
        let (mut alone, mut among) = (Attempt::new(0, 0), Attempt::new(0, 0).in_pipeline(false));
        for reply in [MOVED, ASK, Redirect::TryAgain] {
            assert_eq!(step(Lettuce, &mut alone, reply), step(Lettuce, &mut among, reply));
        }
    }

    #[test]
    fn go_redis_sends_redirected_commands_together_after_a_back_off() {
        let mut attempt = Attempt::new(0, 0).in_pipeline(false);
        let send = |to, asking| Then::Send { to, asking, when: When::AfterPass };
        let ask = step(GoRedis, &mut attempt, ASK);
        // In a pipeline ASK is no reason for a new map.
        assert_eq!((ask.then, ask.refresh), (send(To::Node(1), Asking::Together), None));
        let moved = step(GoRedis, &mut attempt, MOVED);
        assert_eq!(moved.then, send(To::Node(1), Asking::No));
        assert_eq!(moved.refresh, Some(Refresh { source: Source::Any, background: true }));
        assert_eq!(step(GoRedis, &mut attempt, Redirect::Lost).then, send(To::Mapped, Asking::No));
        assert_eq!(step(GoRedis, &mut attempt, ASK).then, Step::fail(Failure::RedirectLimit, 5).then);
        let profile = Profile::of(GoRedis);
        for passes in 1..=3 {
            for _ in 0..100 {
                let pass = profile.pass_over(&mut Memory::default(), passes, 0, &mut draws());
                let least = 8 * MILLISECOND;
                assert!((least..least + (least << passes)).contains(&pass.at));
            }
        }
        let second = step(GoRedis, &mut Attempt::new(0, 0).in_pipeline(false), Redirect::TryAgain);
        assert_eq!(second.then, Step::fail(Failure::TryAgain, 5).then);
        let leader = step(GoRedis, &mut Attempt::new(0, 0).in_pipeline(true), Redirect::TryAgain);
        assert_eq!(leader.then, send(To::Mapped, Asking::No));
    }

    #[test]
    fn redis_py_runs_redirected_commands_from_their_beginning_and_counts_once_a_pipeline() {
        let mut attempt = Attempt::new(4, 0).in_pipeline(false);
        let again = step(RedisPy, &mut attempt, MOVED);
        let then = Then::Send { to: To::Mapped, asking: Asking::No, when: When::InTurn };
        assert_eq!(again, Step { then, learn: None, refresh: None });
        assert!(!attempt.pipelined && attempt.sends == 1 && attempt.redirects == 1);
        // The map was not changed, so the same node is asked again; this time its answer is learned.
        assert_eq!(step(RedisPy, &mut attempt, MOVED).learn, Some((7, 1)));
        let down = step(RedisPy, &mut Attempt::new(0, 0).in_pipeline(true), Redirect::ClusterDown);
        assert_eq!(down.then, Step::fail(Failure::ClusterDown, 5).then);
        let mut memory = Memory::default();
        let fetches: Vec<bool> = (0..10)
            .map(|_| Profile::of(RedisPy).pass_over(&mut memory, 1, 9, &mut draws()).refresh.is_some())
            .collect();
        assert_eq!(fetches.iter().filter(|fetches| **fetches).count(), 2);
        assert!(fetches[4] && fetches[9]);
    }
}
