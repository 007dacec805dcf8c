//! rediss:// with certificates of our own.

use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;
use writepath::live::spawned::{SpawnOptions, Spawned};

use super::{Load, each, steady};

/// A self-signed certificate for localhost; none where there is no openssl.
fn certificate(folder: &Path) -> Option<()> {
    let words = "req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=localhost -addext \
                 subjectAltName=DNS:localhost,IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE";
    let mut command = Command::new("openssl");
    command.args(words.split(' ')).current_dir(folder).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().ok().filter(|status| status.success()).map(|_| ())
}

#[test]
fn a_load_goes_through_tls_with_a_certificate_that_is_trusted() {
    let folder = TempDir::new().expect("a folder");
    if certificate(folder.path()).is_none() {
        println!("skipped: there is no openssl");
        return;
    }
    let file = |name: &str| folder.path().join(name).display().to_string();
    each(|program| {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        drop(listener);
        let directives = [
            ("tls-port", port.to_string()),
            ("tls-cert-file", file("cert.pem")),
            ("tls-key-file", file("key.pem")),
            ("tls-ca-cert-file", file("cert.pem")),
            ("tls-auth-clients", "no".to_owned()),
        ];
        let directives = directives.map(|(name, value)| (name.to_owned(), value)).to_vec();
        let options = SpawnOptions { program: program.to_owned(), directives, ..SpawnOptions::default() };
        let mut server = match Spawned::start(&options) {
            Ok(server) => server,
            Err(error) if error.to_string().contains("tls") || error.to_string().contains("TLS") => {
                println!("skipped: {program} speaks no TLS");
                return;
            }
            Err(error) => panic!("{error}"),
        };
        let (text, plain) = (steady("2s"), server.port());
        let run = |url: &str, more: &[&str]| {
            Load::of(&text, &[&["--server", url, "--shared-server", "--format", "json"], more].concat()).run()
        };
        let url = format!("rediss://localhost:{port}");
        let json = run(&url, &["--cacert", &file("cert.pem")]).json();
        assert!(json["completed"].as_u64() > Some(1200), "{}", json["completed"]);
        run(&url, &["--insecure"]).json();
        run(&url, &[]).assert_failed(&["no TLS connection", "--cacert"]);
        run(&format!("redis://localhost:{port}"), &[]).assert_failed(&["rediss://"]);
        run(&format!("rediss://localhost:{plain}"), &["--insecure"])
            .assert_failed(&["no TLS connection", "redis://"]);
        assert_eq!(server.control().number(&["DBSIZE"]).expect("it answers"), 0);
    });
}
