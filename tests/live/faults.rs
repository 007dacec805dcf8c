//! Servers that do not let us in, should not be written to, or die.

use super::{Load, each, steady, theirs};

#[test]
fn a_password_is_asked_for_and_taken_from_url_or_environment() {
    each(|program| {
        let mut server = theirs(program, &[]);
        let (url, text) = (server.url(), steady("1s"));
        let own = server.control();
        own.ask(&["ACL", "SETUSER", "loader", "on", ">s3cret", "~writepath:*", "+@all"])
            .expect("it has users");
        own.config_set("requirepass", "hunter2").expect("it can be set");
        let with = |user: &str| url.replace("://", &format!("://{user}@"));
        let words = |url: &str| ["--server".to_owned(), url.to_owned(), "--shared-server".to_owned()];
        let run = |url: &str| {
            let words = words(url);
            Load::of(&text, &words.iter().map(String::as_str).collect::<Vec<_>>())
        };
        run(&url).run().assert_failed(&["NOAUTH", "REDISCLI_AUTH"]);
        run(&with(":wrong")).run().assert_failed(&["WRONGPASS", "correct user and password"]);
        run(&url).env("REDISCLI_AUTH", "wrong").run().assert_failed(&["WRONGPASS"]);
        assert_eq!(run(&url).env("REDISCLI_AUTH", "hunter2").run().code(), Some(0));
        assert_eq!(run(&with(":hunter2")).run().code(), Some(0));
        let loader = run(&with("loader:s3cret")).run();
        assert_eq!(loader.code(), Some(0), "{}", loader.said());
        let other =
            ["--server", &with("loader:s3cret"), "--shared-server", "--prefix", "other:"].map(str::to_owned);
        let refused = Load::of(&text, &other.each_ref().map(String::as_str)).run();
        refused.assert_failed(&["NOPERM", "ACL"]);
        assert!(!refused.said().contains("s3cret"), "{}", refused.said());
        assert_eq!(server.control().number(&["DBSIZE"]).expect("it answers"), 0);
    });
}

#[test]
fn what_must_not_be_written_to_is_refused() {
    each(|program| {
        let text = steady("1s");
        let refused = |url: &str, parts: &[&str]| {
            Load::of(&text, &["--server", url, "--shared-server"]).run().assert_failed(parts);
        };
        let mut replica = theirs(program, &[]);
        replica.control().ask(&["REPLICAOF", "127.0.0.1", "1"]).expect("it becomes one");
        refused(&replica.url(), &["is a replica of 127.0.0.1:1", "name the primary"]);
        let node = theirs(program, &[("cluster-enabled", "yes")]);
        refused(&node.url(), &["is a node of a cluster", "name a single server"]);
        let mut small = theirs(program, &[("maxmemory", "1500kb")]);
        small.control().ask(&["SET", "theirs", "1"]).expect("there is room");
        let words = ["--server", &small.url(), "--shared-server", "--keys", "100k"].map(str::to_owned);
        let full = Load::of(&text, &words.each_ref().map(String::as_str)).run();
        full.assert_failed(&["has a maxmemory of", "raise maxmemory"]);
        assert_eq!(small.control().number(&["DBSIZE"]).expect("it answers"), 1);
        let few = theirs(program, &[("maxclients", "8")]);
        refused(&few.url(), &["takes 8 clients", "--connections"]);
        let port = few.port();
        drop(few);
        refused(&format!("redis://127.0.0.1:{port}"), &["cannot connect", "start the server"]);
    });
}

#[test]
fn a_server_that_dies_in_the_middle_is_told_of() {
    each(|program| {
        let mut server = theirs(program, &[]);
        let words = ["--server", &server.url(), "--shared-server"].map(str::to_owned);
        let (mut child, _folder) = Load::of(&steady("60s"), &words.each_ref().map(String::as_str)).start();
        super::wait_until("keys appear", || {
            server.control().number(&["DBSIZE"]).expect("it answers") >= 1000
        });
        // The connections of the clients come after the keys.
        std::thread::sleep(std::time::Duration::from_secs(2));
        drop(server);
        let mut said = String::new();
        let code = child.wait().expect("it ends").code();
        std::io::Read::read_to_string(&mut child.stderr.take().expect("piped"), &mut said).expect("text");
        assert_eq!(code, Some(3), "{said}");
        assert!(said.contains("the connection broke during") && said.contains("may have died"), "{said}");
    });
}

#[test]
fn a_program_that_is_no_server_or_a_directive_it_refuses_is_named() {
    let missing = Load::of(&steady("1s"), &["--spawn", "/no/such/redis-server"]).run();
    missing.assert_failed(&["/no/such/redis-server", "name a redis-server"]);
    let other = Load::of(&steady("1s"), &["--spawn", "true"]).run();
    other.assert_failed(&["true: --version prints", "name a redis-server"]);
    let both = Load::of(&steady("1s"), &["--spawn", "x", "--server", "redis://h"]).run();
    assert_eq!(both.code(), Some(2));
    let wrong = Load::of(&steady("1s"), &["--server", "http://u:secret@h"]).run();
    assert!(wrong.code() == Some(2) && !wrong.said().contains("secret"), "{}", wrong.said());
}
