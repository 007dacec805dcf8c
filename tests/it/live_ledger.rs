//! What the live experiments read out of a server's AOF, from hand-written ones: no server is needed to trust it.

#[path = "../live/ledger.rs"]
mod ledger;
#[path = "../live/reply.rs"]
mod reply;

use ledger::{Ending, Ledger};
use reply::{Reply, encode};

const TTL_MS: u64 = 1000;

/// An AOF of these commands, words separated by spaces.
fn aof(commands: &[&str]) -> Vec<u8> {
    let mut bytes = b"#TS:1764000000\r\n".to_vec();
    for command in ["SELECT 0"].iter().chain(commands) {
        encode(&mut bytes, &command.split(' ').map(str::as_bytes).collect::<Vec<_>>());
    }
    bytes
}

fn read(commands: &[&str]) -> Result<Ledger, String> {
    Ledger::read(&aof(commands), b"k", TTL_MS)
}

#[test]
fn a_late_set_destroys_what_was_counted_before() {
    let ledger =
        read(&["SET k 0 PXAT 5000", "INCR k", "INCR k", "INCR other", "SET k 0 PXAT 5001", "INCR k"]);
    let ledger = ledger.expect("a balance");
    assert_eq!((ledger.increments, ledger.lost, ledger.value), (3, 2, 1));
    assert!(ledger.windows.is_empty(), "the window is still open");
}

#[test]
fn a_window_ends_by_expiry_or_by_the_client_and_knows_its_deadline() {
    let ledger = read(&[
        "SET k 0 PXAT 5000",
        "INCR k",
        // The server deletes it; a client that saw it alive makes it anew.
        "MULTI",
        "DEL k",
        "INCR k",
        "EXEC",
        "INCR k",
        "UNLINK k",
        // A script: INCR made the key, EXPIRE gave it a deadline.
        "INCR k",
        "PEXPIREAT k 9000",
        "DEL k",
        // The client's deletion of a key that has just gone ends nothing.
        "UNLINK k",
        "SET k 0 PXAT 10000",
        "SET k 0 PXAT 10099",
        "SET k 0 PXAT 10101",
        "DEL k",
    ])
    .expect("a balance");
    let seen: Vec<_> = ledger
        .windows
        .iter()
        .map(|window| (window.after, window.sets, window.late_sets, window.increments, window.has_deadline))
        .collect();
    assert_eq!(
        seen,
        [
            (None, 1, 0, 1, true),
            (Some(Ending::Expired), 0, 0, 2, false),
            (Some(Ending::Unlinked), 0, 0, 1, true),
            (Some(Ending::Expired), 3, 1, 0, true),
        ]
    );
    assert_eq!(ledger.after(Ending::Unlinked).count(), 1);
    assert_eq!((ledger.increments, ledger.lost, ledger.value), (4, 0, 0));
}

#[test]
fn what_is_no_step_or_cut_off_is_refused() {
    assert!(read(&["APPEND k x"]).expect_err("no step").contains("APPEND"));
    assert!(read(&["SET k 0"]).expect_err("no deadline").contains("deadline"));
    let whole = aof(&["SET k 0 PXAT 5000"]);
    let error = Ledger::read(&whole[..whole.len() - 4], b"k", TTL_MS).expect_err("cut off");
    assert!(error.contains("cut off"), "{error}");
}

#[test]
fn a_reply_is_taken_only_when_it_has_all_come() {
    let bytes = b"$5\r\nhello\r\n:-1\r\n$-1\r\n+OK\r\n-ERR no\r\n";
    for cut in 0..11 {
        assert_eq!(Reply::first(&bytes[..cut]), None, "{cut} bytes");
    }
    let (mut at, mut replies) = (0, Vec::new());
    while let Some((reply, length)) = Reply::first(&bytes[at..]) {
        at += length;
        replies.push(reply);
    }
    let error = Reply::Error("ERR no".to_owned());
    assert_eq!(
        replies,
        [Reply::Bulk(b"hello".to_vec()), Reply::Integer(-1), Reply::Nil, Reply::Status, error]
    );
}
