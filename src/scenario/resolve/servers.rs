//! Sub-keys spread over several servers: this run is one of them.
//!
//! `key:hash(writer) % N` on M servers leaves a server N / M of the sub-keys and every M-th writer's requests: a
//! Poisson stream split at random is one of 1/M of its rate. Who wants the sum asks every server for its share of the
//! sub-keys, so commands of several keys come at their full rate with 1/M of the keys.

use super::super::reader::{Reader, Section};
use super::super::{KeyPopularity, Source};
use crate::redis::command::{Command, CommandKind};

/// Commands of several keys, which go to all servers.
pub fn addresses_all(command: &Command) -> bool {
    use CommandKind::{Del, Mget, Mset, Unlink};
    matches!(command.kind, Mget | Mset | Del | Unlink) && command.elements > 1
}

/// Leaves of a group's requests those that go to one of its servers.
pub fn split(
    section: &Section<'_>,
    keys: KeyPopularity,
    source: &mut Source,
    mix: &mut [(Command, f64)],
    reader: &mut Reader,
) {
    let KeyPopularity::Split { servers, .. } = keys else { return };
    if servers == 1 {
        return;
    }
    let place = section.place_of("keys");
    let Source::Open { schedule, .. } = source else {
        let read = "workload.keys: servers need an open loop: a closed one waits for each server in turn";
        reader.problem(&place, read, "set loop = \"open\" with a rate, or take servers out");
        return;
    };
    let several = mix.iter().filter(|(command, _)| addresses_all(command)).count();
    if several > 0 && several < mix.len() {
        let read = "workload.mix: commands of one key go to one server, those of several keys to all";
        reader.problem(&section.place_of("mix"), read, "give commands of several keys a group of their own");
        return;
    }
    if several == 0 {
        schedule.iter_mut().for_each(|(_, rate)| *rate /= f64::from(servers));
        return;
    }
    for (command, _) in mix {
        if command.elements % servers != 0 {
            let read = format!("{command}: {} keys do not divide among {servers} servers", command.elements);
            reader.problem(
                &section.place_of("operation"),
                read,
                "ask for as many keys as there are sub-keys",
            );
            return;
        }
        command.elements /= servers;
    }
}
