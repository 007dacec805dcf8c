//! What `load` measures.

use std::time::Duration;

use serde_json::Value;
use writepath::live::drive::{Plan, Target, drive, plan};
use writepath::live::spawned::Spawned;
use writepath::scenario::resolve::{Overrides, resolve};
use writepath::units::{MILLISECOND, SECOND};

use super::{Load, each, steady, theirs};

fn plan_of(text: &str) -> Plan {
    let scenario = resolve(text, "live.toml", ".".as_ref(), &Overrides::default()).expect("a sound scenario");
    Plan { spin: false, ..plan::of(&scenario, "").expect("it can be sent") }
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is a number"))
}

#[test]
fn an_own_server_gets_the_load_and_its_settings() {
    each(|program| {
        let text =
            format!("[redis]\nappendonly = true\nappendfsync = \"everysec\"\nhz = 20\n{}", steady("4s"));
        let text = format!("{text}[[event]]\nat = \"1500ms\"\ndo = \"BGSAVE\"\n");
        let json = Load::of(&text, &["--spawn", program, "--format", "json"]).run().json();
        let (requests, completed) = (number(&json["requests"]), number(&json["completed"]));
        // Poisson, 3.5 s at 1000/s: standard deviation 59.
        assert!((3264.0..3736.0).contains(&requests), "{requests}");
        assert!(completed >= 0.95 * requests && completed <= requests, "{completed} of {requests}");
        let cpu = number(&json["load"]["server_cpu_ns_per_command"]);
        assert!((2e3..1e6).contains(&cpu), "{cpu}");
        assert!(json["load"]["late"].is_boolean() && json["load"]["spin"] == false, "{}", json["load"]);
        assert!(number(&json["sojourn_ns"]["p50"]) > 5e3, "{}", json["sojourn_ns"]);
        let busy = number(&json["server_busy_share"]);
        assert!((0.001..0.9).contains(&busy), "{busy}");
        assert_eq!(json["info"]["aof_enabled"], 1);
        assert_eq!(json["info"]["configured_hz"], 20);
        assert_eq!(json["counters"]["forks"], 1);
        let fork = number(&json["info"]["latest_fork_usec"]);
        assert!(fork > 0.0);
        // What nobody outside of the server knows is missing, not nothing.
        assert!(json["busy_ns"]["command"].is_null() && json["loss"]["machine_death_writes_mean"].is_null());
        assert!(number(&json["memory"]["used_bytes"]) > 5e5);
    });
}

#[test]
fn every_kind_of_command_is_understood() {
    let group =
        |lines: &str| format!("[[workload]]\nloop = \"open\"\nrate = \"300/s\"\nconnections = 2\n{lines}\n");
    let mut text =
        "[dataset]\nkeys = 100\nvalue-size = \"20B\"\nstreams = 2\nstream-entries = 3\n".to_owned();
    for lines in [
        "operation = \"SET EX 60\"",
        "operation = \"SET NX PX 1500\"\nkeys = { dist = \"zipf\", s = 1.1 }",
        "mix = { SET = 0.5, GET = 0.3, DEL = 0.1, APPEND = 0.1 }",
        "operation = \"MSET 5\"",
        "operation = \"MGET 5\"\npipeline = 4",
        "mix = { INCR = 0.4, INCRBY = 0.3, GET = 0.3 }",
        "operation = \"HSET 3\"",
        "mix = { LPUSH = 0.5, RPUSH = 0.5 }\nkeys = { dist = \"hot\", share = 0.9, keys = 3 }",
        "operation = \"SADD 2\"\nkeys = { dist = \"sequential\" }",
        "operation = \"ZADD\"\nkeys = { dist = \"single\" }",
        "mix = { \"XADD MAXLEN ~ 1000 2\" = 0.8, \"XTRIM MAXLEN 10\" = 0.2 }",
        "operation = \"EVALSHA INCR EXPIRE\"",
        "operation = \"EVALSHA HSET\"\nloop = \"closed\"",
        "mix = { PING = 0.5, UNLINK = 0.25, \"EXPIRE 60\" = 0.25 }",
        "pattern = \"get-set-incr\"\nwindow = \"1s\"",
        "pattern = \"lua-incr-expire\"\nwindow = \"1s\"",
        "pattern = \"lua-incr-expire-bad-argv\"\nwindow = \"1s\"",
        "pattern = \"zset-window\"\nwindow = \"1s\"",
        "pattern = \"list-window\"\nwindow = \"1s\"\narrivals = \"uniform\"",
        "pattern = \"set-nx-ex-incr-multi\"\nwindow = \"1s\"\npattern-keys = 10",
    ] {
        let lines = group(lines);
        // The last of two loops counts.
        text += &match lines.contains("\"closed\"") {
            true => lines.replacen("loop = \"open\"\nrate = \"300/s\"\n", "", 1) + "think = \"5ms\"\n",
            false => lines,
        };
    }
    text += "[run]\nduration = \"2s\"\nwarmup = \"0s\"\nwindows = []\n";
    each(|program| {
        let json = Load::of(&text, &["--spawn", program, "--format", "json"]).run().json();
        for group in json["groups"].as_array().expect("groups") {
            assert!(number(&group["requests"]) > 20.0, "{group}");
        }
        let patterns = json["patterns"].as_array().expect("patterns");
        assert_eq!(patterns.len(), 6);
        for pattern in patterns {
            let (operations, failed) = (number(&pattern["operations"]), number(&pattern["failed"]));
            assert!(operations > 100.0, "{pattern}");
            let is_bad = pattern["name"] == "lua-incr-expire-bad-argv";
            // EXPIRE without its time fails once, when the key is made.
            assert!(if is_bad { (1.0..9.0).contains(&failed) } else { failed == 0.0 }, "{pattern}");
            assert!(pattern["increments_lost"].is_null(), "{pattern}");
            let commands = number(&pattern["commands_per_operation"]);
            assert!((0.99..7.0).contains(&commands), "{pattern}");
        }
        assert_eq!(json["errors"]["OOM"], 0);
    });
}

#[test]
fn a_server_that_stands_still_is_seen_by_all_who_were_due() {
    each(|program| {
        let mut server = theirs(program, &[]);
        let driven = drive_with_pause(&mut server, Duration::from_millis(500));
        let all = &driven.result.scopes[0].sojourn;
        // 500 requests were due in half a second, half of them more than 250 ms before its end.
        let long: u64 = all.slots().filter(|slot| slot.0 > 250 * MILLISECOND).map(|slot| slot.1).sum();
        assert!((150..420).contains(&long), "{long}");
        assert!((450 * MILLISECOND..2 * SECOND).contains(&all.max()), "{}", all.max());
        let silence = driven.result.stalls.iter().find(|stall| stall.cause == "silence").expect("noticed");
        assert!(silence.span > 400 * MILLISECOND, "{silence:?}");
    });
}

fn drive_with_pause(server: &mut Spawned, pause: Duration) -> writepath::live::drive::Driven {
    use rustix::process::{Pid, Signal, kill_process};
    let pid = Pid::from_raw(server.pid() as i32).expect("a process");
    let target = Target::of(server);
    let mut paused = false;
    let pauser = |pid| {
        std::thread::spawn(move || {
            let _ = kill_process(pid, Signal::STOP);
            std::thread::sleep(pause);
            let _ = kill_process(pid, Signal::CONT);
        })
    };
    let driven = drive(&target, &plan_of(&steady("3s")), &mut |progress| {
        if !paused && progress.phase == writepath::live::drive::Phase::Driving && progress.done > SECOND {
            paused = true;
            pauser(pid);
        }
        true
    });
    driven.unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn cpu_a_command_falls_with_the_pipeline() {
    each(|program| {
        let cpu = |pipeline: u32| {
            let text = format!(
                "[dataset]\nkeys = \"1k\"\n[[workload]]\nloop = \"closed\"\nconnections = 4\npipeline = {pipeline}\n\
                 operation = \"SET\"\n[run]\nduration = \"1s\"\nwarmup = \"200ms\"\nwindows = []\n"
            );
            let server = theirs(program, &[]);
            let driven = drive(&Target::of(&server), &plan_of(&text), &mut |_| true);
            driven.unwrap_or_else(|error| panic!("{error}")).cpu_ns_per_command().expect("the system tells")
        };
        let (alone, together) = (cpu(1), cpu(32));
        // System calls are the larger part of a command that comes alone.
        assert!(together < 0.5 * alone && together > 0.01 * alone, "{alone} {together}");
    });
}
