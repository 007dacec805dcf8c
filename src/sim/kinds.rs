//! What the recorder is told of a group of clients.

use crate::observe::recorder::GroupKinds;
use crate::redis::command::Effect;
use crate::scenario::Workload;
use crate::scenario::pattern::Step;

/// A group as the recorder knows it.
pub fn kinds(group: &Workload) -> GroupKinds {
    let is_read = |effect: Effect| matches!(effect, Effect::None | Effect::Read);
    if let Some(pattern) = &group.pattern {
        let writes = |step: &Step| step.calls.iter().any(|call| call.is_write());
        return GroupKinds {
            name: group.name.clone(),
            operation: pattern.name.clone(),
            reads: pattern.steps.iter().any(|step| !writes(step)),
            writes: pattern.steps.iter().any(writes),
        };
    }
    let effects = || group.mix.iter().map(|(command, _)| command.effect());
    let operation = match &group.mix[..] {
        [(only, _)] => only.to_string(),
        mix => mix.iter().map(|(command, share)| format!("{command} {share}")).collect::<Vec<_>>().join(", "),
    };
    GroupKinds {
        name: group.name.clone(),
        operation,
        reads: effects().any(is_read),
        writes: effects().any(|effect| !is_read(effect)),
    }
}
