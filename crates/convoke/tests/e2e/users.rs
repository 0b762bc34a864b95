//! The file of users, from the command that makes it to the server that reads it.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::processes::{Alone, Process, run};

pub(crate) use crate::processes::add_user as add;

pub(crate) const REALM: &str = "convoke.example";

#[test]
fn users_are_added_listed_and_removed_and_no_secret_is_shown() {
    let alone = Alone::wait();
    let file = alone.text("users");
    let realm = ["--realm", REALM];
    let mut said = add(&file, "alice", "alice's password", &realm);
    assert_eq!(
        said,
        format!(
            "added alice of {REALM} as creator in {file}; a server reads it when it starts and at SIGHUP\n"
        )
    );
    said += &add(&file, "desk", "desk's password", &["--md5", "--role", "moderator"]);
    let before = std::fs::read_to_string(&file).expect("a file");
    said += &add(&file, "alice", "another", &["--role", "admin"]);
    assert!(said.contains(&format!("changed alice of {REALM} as admin")), "{said}");
    let after = std::fs::read_to_string(&file).expect("a file");
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert_ne!(lines(&before)[0], lines(&after)[0]);
    assert_eq!(lines(&before)[1], lines(&after)[1], "the others stay as they are");
    let mode = std::fs::metadata(&file).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let (code, listed, _) = run(&["user", "list", "--users", &file]);
    assert_eq!(code, Some(0));
    assert_eq!(
        listed,
        format!("alice  admin      {REALM}  SHA-256\ndesk   moderator  {REALM}  SHA-256, MD5\n")
    );
    let (_, json, _) = run(&["user", "list", "--users", &file, "--json"]);
    said += &(listed + &json);
    let hashes = after.split([':', '\n']).filter_map(|field| field.split_once('='));
    for (_, secret) in hashes.chain([("", "password"), ("", "another")]) {
        assert!(!secret.is_empty() && !said.contains(secret), "{said}");
    }

    let (code, _, _) = run(&["user", "remove", "alice", "--users", &file]);
    assert_eq!(code, Some(0));
    let (code, _, error) = run(&["user", "remove", "alice", "--users", &file]);
    assert_eq!(code, Some(1));
    assert!(error.contains("has no alice of"), "{error}");
    assert_eq!(std::fs::read_dir(alone.path(".")).expect("a folder").count(), 1, "nothing is left");
}

#[test]
fn what_is_wrong_with_users_is_told_in_one_line() {
    let alone = Alone::wait();
    let file = alone.text("users");
    let told = |words: &[&str], code| {
        let (got, out, error) = run(words);
        assert_eq!((got, out.as_str()), (Some(code), ""), "{words:?}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        error
    };
    let line = told(&["user", "list", "--users", &file], 1);
    assert!(line.contains("there is no such file: make it with `convoke user add NAME"), "{line}");
    let line = told(&["user", "add", "a:b", "--users", &file], 2);
    assert!(line.contains("a user's name has 1 to 64 characters"), "{line}");
    let line = told(&["user", "add", "alice", "--users", &file], 1);
    assert!(line.contains("as in --realm example.com"), "{line}");
    let line = told(&["user", "add", "alice", "--users", &file, "--realm", REALM], 1);
    assert!(line.contains("pipe the password in with --password-stdin"), "{line}");
    let empty = ["user", "add", "alice", "--users", &file, "--realm", REALM, "--password-stdin"];
    let line = told(&empty, 1);
    assert!(line.contains("the password is empty"), "{line}");
    assert!(!alone.path("users").exists() && !alone.path("users.new").exists());

    let config =
        alone.write("c.toml", &format!("[auth]\nrealm = \"{REALM}\"\nusers = \"users\"\n"));
    let serve =
        ["serve", "--sip", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--config", config.as_str()];
    let line = told(&serve, 1);
    assert!(line.contains("users: there is no such file"), "{line}");
    add(&file, "alice", "secret", &["--realm", "elsewhere.example"]);
    let line = told(&serve, 1);
    assert!(line.contains(&format!("has no user of realm {REALM:?}")), "{line}");
    alone.write("users", "alice:convoke.example:creator:SHA-256=beef\n");
    let line = told(&serve, 1);
    assert!(line.contains("users:1: \"SHA-256\" is no secret"), "{line}");
    assert!(!line.contains("beef"), "{line}");
    alice_is_seen_by_others(&alone, &config);
    alone.write("users.new", "");
    let add = ["user", "remove", "alice", "--users", &file];
    alone.write("users", "");
    assert!(told(&add, 1).contains("name the realm"));
    let add = ["user", "remove", "alice", "--users", &file, "--realm", REALM];
    let line = told(&add, 1);
    assert!(line.contains("users.new is there: somebody else changes the file now"), "{line}");
    assert!(alone.path("users.new").exists(), "it is somebody else's");
}

/// A secret that others on the machine can read is told, and taken all the same.
fn alice_is_seen_by_others(alone: &Alone, config: &str) {
    add(&alone.text("seen"), "alice", "secret", &["--realm", REALM]);
    std::fs::copy(alone.path("seen"), alone.path("users")).expect("copied");
    let mode = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(alone.path("users"), mode).expect("set");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let admin = taken.local_addr().expect("an address").to_string();
    let serve = ["serve", "--sip", "127.0.0.1:0", "--admin", &admin, "--config", config];
    let (_, _, error) = run(&serve);
    assert!(error.contains("may be read by others on this machine: chmod 600"), "{error}");
    assert!(error.contains("choose another port with --admin"), "{error}");
}

/// The statuses of the final answers to its requests of this method that a process received, in order.
fn answers(process: &Process, method: &str) -> Vec<String> {
    let line = |message: &&Value| {
        let line = message["start_line"].as_str()?.strip_prefix("SIP/2.0 ")?;
        let answered = message["cseq"].as_str()?.split(' ').nth(1)?;
        let is_final = message["dir"] == "received" && !line.starts_with('1');
        (is_final && answered == method).then(|| line[..3].to_owned())
    };
    process.all("message").iter().filter_map(line).collect()
}

fn guarded(alone: &Alone, join: &str) -> Process {
    add(&alone.text("users"), "alice", "alice's password", &["--realm", REALM]);
    let text = format!("[auth]\nrealm = \"{REALM}\"\nusers = \"users\"\njoin = \"{join}\"\n");
    Process::serve(&["--config", &alone.write("c.toml", &text)])
}

/// J07, B02 · RFC 3261 §22.2, §22.3: one challenge, by the factory; its nonce, counted up, opens the focus
/// after the 302 as well.
#[test]
fn one_challenge_opens_factory_and_focus() {
    let alone = Alone::wait();
    let server = guarded(&alone, "required");
    let factory = server.greeting("factory");
    let password = alone.write("password", "alice's password\n");
    let words = ["--password-file", password.as_str(), "--for", "1s"];
    let mut alice = Process::conference(&factory, &words);
    alice.until("joined");
    assert_eq!(alice.ended().code(), Some(0));
    assert_eq!(answers(&alice, "INVITE"), ["401", "302", "200"], "challenged once on its way in");
    assert_eq!(answers(&alice, "BYE"), ["200"], "and not on its way out");
    let legs = |status: &Value| status["conferences"].as_array().is_some_and(Vec::is_empty);
    server.until_status("empty", legs);
}

/// B36, D02 · RFC 4579 §3.4: a guest without a password is refused a subscription from outside, and sees who is in all the
/// same, inside his call. Only where it is shown.
#[test]
fn a_guest_sees_who_is_in_by_his_call() {
    let alone = Alone::wait();
    let server = guarded(&alone, "open");
    let password = alone.write("password", "alice's password\n");
    let mut bob = Process::answer("bob", &["--who"]);
    let mut carol = Process::answer("carol", &[]);
    let (bobs, carols) = (bob.greeting("uri"), carol.greeting("uri"));
    let words = ["--password-file", &password, "--invite", &bobs, "--invite", &carols];
    let mut alice = Process::conference(&server.greeting("factory"), &words);
    let roster = bob.until_so("three", |event| {
        let users = event["users"].as_array();
        event["event"] == "roster" && users.is_some_and(|users| users.len() == 3)
    });
    assert!(roster["call"].is_u64(), "{roster}");
    assert_eq!(answers(&bob, "SUBSCRIBE"), ["401", "200"], "outside, then inside");
    carol.until("joined");
    alice.signal(nix::sys::signal::Signal::SIGINT);
    assert!(alice.ended().success());
    bob.signal(nix::sys::signal::Signal::SIGINT);
    assert!(bob.ended().success());
    carol.signal(nix::sys::signal::Signal::SIGINT);
    assert!(carol.ended().success());
    assert_eq!(answers(&carol, "SUBSCRIBE"), Vec::<String>::new(), "nothing would show it");
    server.until_status("no subscription", |status| status["leftovers"]["subscriptions"] == 0);
}

#[test]
fn a_wrong_password_or_none_is_told_with_advice() {
    let alone = Alone::wait();
    let server = guarded(&alone, "open");
    let factory = server.greeting("factory");
    let wrong = alone.write("password", "a guess");
    for words in [&[][..], &["--password-file", wrong.as_str()]] {
        let mut alice = Process::conference(&factory, words);
        let ended = alice.until("ended");
        assert_eq!(ended["outcome"], "not-joined");
        assert!(ended["why"].as_str().is_some_and(|why| why.contains("401")), "{ended}");
        assert!(ended["advice"].as_str().is_some_and(|advice| advice.contains("password")));
        assert_eq!(alice.ended().code(), Some(1));
        assert!(!format!("{:?}", alice.seen).contains("a guess"));
    }
    let (code, _, error) = run(&["conference", &factory, "--password-file", &alone.text("none")]);
    assert_eq!(code, Some(1));
    assert!(error.contains("cannot read") && error.contains("none"), "{error}");
    let (code, _, error) = run(&["answer", "--register"]);
    assert_eq!(code, Some(1));
    assert!(error.contains("--register sip:example.com, or add --proxy"), "{error}");
}
