//! What is left on somebody else's server, and of our own: nothing.

use std::process::Child;

use rustix::process::{Pid, Signal, kill_process};
use writepath::live::control::Control;
use writepath::live::process::{child_of, runs};
use writepath::live::spawned::Spawned;

use super::{Load, assert_no_folder, each, server_folders, steady, theirs, wait_until};

/// Number of keys.
fn keys(control: &mut Control) -> i64 {
    control.number(&["DBSIZE"]).expect("it answers")
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_raw(child.id() as i32).expect("a process"), signal).expect("it runs");
}

/// Nobody has flushed anything.
fn assert_no_flush(server: &mut Spawned) {
    let stats = server.control().info("commandstats").expect("it answers");
    assert!(!stats.raw().contains("cmdstat_flush"), "{}", stats.raw());
}

#[test]
fn another_servers_keys_and_settings_are_as_before() {
    each(|program| {
        let mut server = theirs(program, &[("hz", "15")]);
        let url = server.url();
        server.control().ask(&["SET", "writepath-like", "theirs", "EX", "1000"]).expect("it is written");
        let text = format!("[redis]\nhz = 50\nappendonly = true\n{}", steady("2s"));
        let refused = Load::of(&text, &["--server", &url]).run();
        // Our own connection to it is another client.
        refused.assert_failed(&[
            "holds 1 keys that are not ours",
            "serves 1 other client",
            "--shared-server",
        ]);
        assert_eq!(keys(server.control()), 1);
        let shared = ["--server", &url, "--shared-server", "--format", "json"];
        let kept = Load::of(&text, &shared).run();
        assert_eq!(kept.json()["info"]["configured_hz"], 15, "{}", kept.said());
        assert!(
            kept.said().contains("hz is \"15\" on the server, \"50\" in the scenario"),
            "{}",
            kept.said()
        );
        let changed = Load::of(&text, &[&shared[..], &["--allow-config"]].concat()).run().json();
        assert_eq!(
            (&changed["info"]["configured_hz"], &changed["info"]["aof_enabled"]),
            (&50.into(), &1.into())
        );
        let control = server.control();
        assert_eq!(keys(control), 1);
        let value = control.ask(&["GET", "writepath-like"]).expect("it is there");
        assert_eq!(value, redis::Value::BulkString(b"theirs".to_vec()));
        assert!(control.number(&["TTL", "writepath-like"]).expect("it is there") > 900);
        for (name, value) in [("hz", "15"), ("appendonly", "no")] {
            assert_eq!(control.config_get(name).expect("it answers").as_deref(), Some(value), "{name}");
        }
        assert_no_flush(&mut server);
    });
}

#[test]
fn an_interrupt_leaves_nothing() {
    each(|program| {
        let mut server = theirs(program, &[]);
        let url = server.url();
        for signal in [Signal::INT, Signal::TERM] {
            let (mut child, _folder) =
                Load::of(&steady("60s"), &["--server", &url, "--shared-server"]).start();
            wait_until("keys appear", || keys(server.control()) >= 1000);
            send(&child, signal);
            assert_eq!(child.wait().expect("it ends").code(), Some(130));
            assert_eq!(keys(server.control()), 0, "{signal:?}");
        }
        let (mut child, folder) = Load::of(&steady("60s"), &["--spawn", program]).start();
        let own = own_server(&child, &folder);
        send(&child, Signal::INT);
        assert_eq!(child.wait().expect("it ends").code(), Some(130));
        assert!(!runs(own));
        assert_no_folder(folder.path());
    });
}

/// The server that a run has started, once it answers.
fn own_server(child: &Child, folder: &tempfile::TempDir) -> u32 {
    let mut own = 0;
    wait_until("a server is started", || {
        let log = std::fs::read_dir(folder.path())
            .expect("a folder")
            .flatten()
            .find_map(|entry| std::fs::read_to_string(entry.path().join("server.log")).ok());
        // The youngest child; the sweeper is older.
        own = child_of(child.id()).unwrap_or(0);
        log.is_some_and(|log| log.to_lowercase().contains("ready to accept connections"))
    });
    own
}

#[test]
fn a_run_that_is_killed_leaves_keys_that_the_next_one_finds_and_no_server() {
    each(|program| {
        let mut server = theirs(program, &[]);
        let url = server.url();
        let (mut child, _folder) = Load::of(&steady("60s"), &["--server", &url, "--shared-server"]).start();
        wait_until("keys appear", || keys(server.control()) >= 1000);
        send(&child, Signal::KILL);
        child.wait().expect("it ends");
        server.control().ask(&["SET", "theirs", "1"]).expect("it is written");
        let next = Load::of(&steady("1s"), &["--server", &url, "--format", "json"]).run();
        next.assert_failed(&["of an earlier run", "--clean", "holds 1 keys that are not ours"]);
        let clean =
            Load::of(&steady("1s"), &["--server", &url, "--clean", "--shared-server", "--format", "json"])
                .run();
        clean.json();
        assert!(clean.said().contains("removed 10"), "{}", clean.said());
        assert_eq!(keys(server.control()), 1);

        let (mut child, folder) = Load::of(&steady("60s"), &["--spawn", program]).start();
        let own = own_server(&child, &folder);
        send(&child, Signal::KILL);
        child.wait().expect("it ends");
        wait_until("the server goes", || !runs(own));
        wait_until("its folder goes", || server_folders(folder.path()) == 0);
    });
}
