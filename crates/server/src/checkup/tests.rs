//! All that is wrong is said, each with its line.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::path::Path;

use super::*;

fn shown(findings: &[Finding], weight: Weight) -> Vec<String> {
    let line = |it: &Finding| it.place.as_ref().map_or(0, |place| place.line);
    let heavy = findings.iter().filter(|it| it.weight == weight);
    heavy.map(|it| format!("{} {}: {}", line(it), it.key, it.what)).collect()
}

fn look(text: &str) -> Vec<Finding> {
    checkup("c.toml", text, &Flags::default(), false)
}

/// A configuration that starts here: free ports, a folder.
fn good(folder: &Path) -> String {
    format!(
        "[[sip.listen]]\nbind = \"127.0.0.1:0\"\n[admin]\nbind = \"127.0.0.1:0\"\n\
         [state]\ndir = {:?}\n[pool]\ncapacity = 2\n[media]\nmixers = 1\n",
        folder.join("state").display().to_string()
    )
}

#[test]
fn all_that_is_wrong_in_the_file_is_said_at_once_in_its_order() {
    let found = look(
        "[[factory]]\nexpcet = 5\nhold = \"5 years\"\n[pool]\ncapacity = 99999999\nbookable_percent = 101\n\
         [[factory]]\nusers = []\n[media]\nheard = 0\n[[sip.listen]]\nbnd = \"127.0.0.1:1\"\n[tenants.acme]\n\
         quota = 1\nreserved = 2\n[auth]\nrealm = \"h\"\n[admin]\nbind = \"x\"\n",
    );
    let lines: Vec<usize> =
        found.iter().map(|it| it.place.as_ref().expect("a place").line).collect();
    let shown = shown(&found, Weight::Wrong);
    assert_eq!(lines, [2, 3, 5, 6, 8, 10, 12, 15, 16, 19], "{shown:#?}");
    assert!(shown[0].contains("unknown key `expcet`") && shown[6].contains("unknown key `bnd`"));
    assert!(shown[8].contains("missing key `users`"), "{shown:#?}");
}

/// Each tenant is looked at, whatever is wrong with those before; that there are too many is said once.
#[test]
fn every_tenant_that_is_wrong_is_said() {
    let lines = |text: &str| {
        let found = look(text);
        found.iter().map(|it| it.place.as_ref().map_or(0, |it| it.line)).collect::<Vec<_>>()
    };
    let found = lines(
        "[tenants.\"a b\"]\n[tenants.bell]\nquota = 1\nreserved = 2\n[tenants.\"x.y\"]\n[tenants.good]\n",
    );
    assert_eq!(found, [1, 4, 5]);
    let many: String = (0..300).map(|number| format!("[tenants.t{number}]\n")).collect();
    assert_eq!(lines(&many).len(), 1);
}

#[test]
fn what_is_no_toml_is_told_and_nothing_is_guessed_from_it() {
    let found = look("[pool\ncapacity = 0\n");
    assert!(!found.is_empty() && found.iter().all(|it| it.weight == Weight::Wrong));
    assert!(!shown(&found, Weight::Wrong).iter().any(|it| it.contains("must be")));
}

/// Where the allow list is wrong, that there is none is not said besides.
#[test]
fn what_was_to_guard_us_is_not_missed_when_it_is_wrong() {
    let found = look("[[sip.listen]]\nbind = \"192.0.2.1:5060\"\n[access]\nallow = [\"x\"]\n");
    assert_eq!(shown(&found, Weight::Wrong).len(), 1, "{found:#?}");
}

#[test]
fn a_good_configuration_leaves_nothing_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let found = look(&good(folder.path()));
    assert_eq!(shown(&found, Weight::Wrong), [""; 0]);
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
}

#[test]
fn addresses_that_are_taken_or_not_ours_are_told_with_their_lines() {
    let tcp = TcpListener::bind("127.0.0.1:0").expect("bound");
    let at = tcp.local_addr().expect("an address");
    let text = format!(
        "[[sip.listen]]\nbind = \"{at}\"\n[[sip.listen]]\nbind = \"192.0.2.1:5060\"\n\
         [admin]\nbind = \"{at}\"\n[access]\nopen = true\n[media]\nmixers = 1\n[[media.listen]]\nbind = \"192.0.2.1\"\n"
    );
    let told = shown(&look(&text), Weight::Wrong);
    assert_eq!(told.len(), 4, "{told:#?}");
    assert!(told[0].starts_with("2 sip.listen[0].bind: ") && told[0].contains("is taken"));
    assert!(told[1].starts_with("4 sip.listen[1].bind: ") && told[1].contains("no address of"));
    assert!(told[2].starts_with("6 admin.bind: ") && told[2].contains("SIP is spoken too"));
    assert!(told[3].starts_with("12 media.listen[0].bind: ") && told[3].contains("--media-ip"));
    let running = checkup("c.toml", &text, &Flags::default(), true);
    let running = shown(&running, Weight::Wrong);
    assert!(
        !running.iter().any(|it| it.contains("is taken")),
        "a server may have it: {running:#?}"
    );
}

#[test]
fn ports_that_others_have_are_counted() {
    let other = UdpSocket::bind("127.0.0.1:0").expect("bound");
    let port = other.local_addr().expect("an address").port() & !1;
    let folder = tempfile::tempdir().expect("a folder");
    let text = good(folder.path()).replace("capacity = 2", "capacity = 1")
        + &format!("[[media.listen]]\nports = \"{port}-{}\"\n", port | 1);
    let told = shown(&look(&text), Weight::Wrong);
    assert!(
        told.len() == 1 && told[0].starts_with("12 media.listen[0].ports: no pair of"),
        "{told:?}"
    );
}

#[test]
fn files_that_cannot_be_read_or_written_are_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let here = |name: &str| folder.path().join(name).display().to_string();
    fs::write(here("tokens"), "what\n").expect("written");
    fs::create_dir(here("s")).expect("made");
    fs::write(here("s/keys.json"), "{}").expect("written");
    let text = good(folder.path())
        .replace("/state\"", "/s\"")
        .replace("[admin]\n", &format!("[admin]\ntokens = {:?}\n", here("tokens")))
        + &format!(
            "[auth]\nrealm = \"h\"\nusers = {:?}\n[records]\nfile = {:?}\n[trace]\npcap = {:?}\n",
            here("users"),
            here("none/records"),
            here("s")
        );
    let told = shown(&look(&text), Weight::Wrong);
    assert_eq!(told.len(), 5, "{told:#?}");
    assert!(told[0].contains("tokens:1: this is no token"), "{told:#?}");
    assert!(
        told[1].contains("keys.json holds no keys") && told[2].contains("there is no such file")
    );
    assert!(told[3].contains("none/records cannot be written"), "{told:#?}");
    assert!(told[4].starts_with("18 trace.pcap: "), "{told:#?}");
}
