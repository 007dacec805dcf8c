//! Closed loops of the load generator itself.

use std::path::Path;

use crate::calibrate::subject::{CalibrateError, Result, Rounds};
use crate::live::address::Address;
use crate::live::drive::{Target, drive, plan};
use crate::scenario::resolve::{Overrides, resolve};

use super::wire::server as server_fault;

/// Time that is measured, and the start that is not \[s\].
const MEASURED_S: f64 = 0.25;
const WARMUP_S: f64 = 0.05;

/// Time of the generator's thread a round \[ns\].
///
/// # Errors
/// As the server; [`CalibrateError::Nothing`] if it answered nothing.
pub fn closed_loop(address: &Address, rounds: &Rounds) -> Result<f64> {
    let Rounds { setting, command, clients, pipeline, value, .. } = rounds;
    let text = format!(
        "[redis]\nappendonly = false\nsave = \"\"\n[dataset]\nkeys = \"{}\"\nvalue-size = \"{value}B\"\n\
         [[workload]]\nloop = \"closed\"\nconnections = {clients}\npipeline = {pipeline}\noperation = \"{command}\"\n\
         [run]\nduration = \"{}s\"\nwarmup = \"{WARMUP_S}s\"\n",
        setting.keys,
        WARMUP_S + MEASURED_S
    );
    let fault = |error: String| CalibrateError::Simulation(format!("{error}\n{text}"));
    let scenario = resolve(&text, "calibrate.toml", Path::new("."), &Overrides::default())
        .map_err(|error| fault(error.to_string()))?;
    let mut plan = plan::of(&scenario, "").map_err(|problems| fault(problems.join("; ")))?;
    (plan.spin, plan.fill) = (true, false);
    let target = Target { address: address.clone(), pid: None };
    let driven = drive(&target, &plan, &mut |_| true).map_err(server_fault)?;
    let (busy, sent) = driven.own.unwrap_or_default();
    match sent {
        0 => Err(CalibrateError::Nothing("the closed loop of clients got no answer".to_owned())),
        sent => Ok(busy as f64 / sent as f64),
    }
}
