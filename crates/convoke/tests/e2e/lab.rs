//! The lab registrar: phones without a PBX find each other.

use serde_json::Value;

use crate::processes::{Alone, Process};
use crate::users::{REALM, add};

fn names(status: &Value) -> Vec<&str> {
    let phones = status["registrar"]["phones"].as_array().expect("a list");
    phones.iter().filter_map(|phone| phone["user"].as_str()).collect()
}

/// Bob and carol register with their passwords; alice asks the factory, and refers them by their names
/// through the relay. All come, and leave the registrar at their end.
#[test]
fn registered_phones_are_referred_by_name() {
    let alone = Alone::wait();
    let users = alone.text("users");
    for name in ["alice", "bob", "carol"] {
        add(&users, name, &format!("{name}'s password"), &["--realm", REALM]);
        alone.write(&format!("{name}.password"), &format!("{name}'s password\n"));
    }
    let config =
        alone.write("c.toml", &format!("[auth]\nrealm = \"{REALM}\"\nusers = \"users\"\n"));
    let server = Process::serve(&["--lab-registrar", "--config", &config]);
    let factory = server.greeting("factory");
    let at = factory.split_once('@').expect("a host").1.to_owned();
    let registrar = format!("sip:{at}");
    let phone = |name: &str| {
        let password = alone.text(&format!("{name}.password"));
        let words = ["--register", &registrar, "--password-file", &password];
        let mut phone = Process::answer(name, &words);
        assert_eq!(phone.until("registered")["aor"], format!("sip:{name}@{at}"));
        phone
    };
    let (mut bob, mut carol) = (phone("bob"), phone("carol"));
    server.until_status("both there", |status| names(status) == ["bob", "carol"]);

    let password = alone.text("alice.password");
    let (bobs, carols) = (format!("sip:bob@{at}"), format!("sip:carol@{at}"));
    let words = ["--password-file", password.as_str(), "--invite", &bobs, &carols];
    let mut alice = Process::conference(&factory, &words);
    for _ in 0..2 {
        alice.until("invitee-joined");
    }
    let legs = |status: &Value| status["conferences"][0]["legs"].as_array().map_or(0, Vec::len);
    server.until_status("all in", |status| legs(status) == 3);
    alice.signal(nix::sys::signal::Signal::SIGINT);
    assert_eq!(alice.ended().code(), Some(0));
    for phone in [&mut bob, &mut carol] {
        phone.signal(nix::sys::signal::Signal::SIGINT);
        phone.until("unregistered");
        assert_eq!(phone.ended().code(), Some(0));
    }
    server.until_status("empty", |status| names(status).is_empty());
}

/// A name that is another's is refused, and that is told.
#[test]
fn nobody_registers_anothers_name() {
    let alone = Alone::wait();
    add(&alone.text("users"), "bob", "bob's password", &["--realm", REALM]);
    let password = alone.write("password", "bob's password\n");
    let config =
        alone.write("c.toml", &format!("[auth]\nrealm = \"{REALM}\"\nusers = \"users\"\n"));
    let server = Process::serve(&["--lab-registrar", "--config", &config]);
    let at = server.greeting("factory").split_once('@').expect("a host").1.to_owned();
    let aor = format!("sip:carol@{at}");
    let words = ["--register", &aor, "--auth-user", "bob", "--password-file", &password];
    let mut bob = Process::answer("bob", &words);
    let failed = bob.until("register-failed");
    assert!(failed["why"].as_str().is_some_and(|why| why.contains("403")), "{failed}");
    assert_eq!(failed["advice"], "this user may not register that address");
    let server = Process::serve(&[]);
    let registrar = server.greeting("factory").replace("conference@", "");
    let mut bob = Process::answer("bob", &["--register", &registrar]);
    let failed = bob.until("register-failed");
    assert_eq!(failed["advice"], "this is no registrar: name another");
}
