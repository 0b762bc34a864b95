//! The recipes of docs/API.md, run as they stand, and `convoke ctl`.

use std::process::Command;

use serde_json::Value;
use server::config::Flags;

use crate::processes::{Alone, Process, convoke, run};

/// Each block of commands with what it is to print, and the first block of configuration, which is the server's.
fn recipes(page: &str) -> (Vec<(String, String)>, String) {
    let mut config = None;
    let mut recipes: Vec<(String, String)> = Vec::new();
    let mut blocks = page.split("\n```");
    blocks.next();
    while let (Some(block), next) = (blocks.next(), blocks.next()) {
        let (kind, text) = block.split_once('\n').expect("a kind");
        match kind {
            "sh" => recipes.push((text.to_owned(), String::new())),
            "text" => recipes.last_mut().expect("commands before").1 = text.to_owned(),
            "toml" => {
                let read = server::Config::from_toml("c.toml", text, &Flags::default());
                assert_eq!(read.err().map(|error| error.to_string()), None, "{text}");
                config.get_or_insert_with(|| text.to_owned());
            }
            other => panic!("what is a block of {other}?"),
        }
        assert!(next.is_some(), "every block has an end");
    }
    (recipes, config.expect("a configuration"))
}

/// Whether each piece between two `…` comes in order.
fn is_like(printed: &str, wanted: &str) -> bool {
    let mut rest = printed;
    wanted.split('…').map(str::trim).filter(|piece| !piece.is_empty()).all(|piece| {
        let found = rest.find(piece);
        if let Some(at) = found {
            rest = &rest[at + piece.len()..];
        }
        found.is_some()
    })
}

#[test]
fn the_recipes_print_what_the_page_says() {
    let alone = Alone::wait();
    let page = include_str!("../../../../docs/API.md");
    let folder = alone.path(".");
    let state = alone.write("state", "");
    let mut server = None;
    let (recipes, config) = recipes(page);
    let config = alone.write("c.toml", &config);
    for (commands, wanted) in recipes {
        let admin = server.as_ref().map(admin_of);
        let commands = commands.replace("127.0.0.1:5080", admin.as_deref().unwrap_or_default());
        let bin = convoke();
        let script = format!(
            "set -eu\nPATH={}:$PATH\n. {state}\n{commands}\ndeclare -p TOKEN API ID > {state} 2>/dev/null || true\n",
            bin.parent().expect("a folder").display()
        );
        let done = Command::new("bash").args(["-c", &script]).current_dir(&folder).output();
        let done = done.expect("bash");
        let printed = String::from_utf8_lossy(&done.stdout).into_owned();
        let error = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success(), "{commands}\n{printed}\n{error}");
        assert!(is_like(&printed, &wanted), "{commands}\nprinted\n{printed}\nnot\n{wanted}");
        if server.is_none() && alone.path("tokens").exists() {
            server = Some(Process::serve(&[
                "--config",
                &config,
                "--admin-tokens",
                &alone.text("tokens"),
            ]));
        }
    }
    assert!(!is_like("{\"a\":1}", "{…\"b\"…}") && !is_like("ba", "a…b"), "the check itself");
}

fn admin_of(server: &Process) -> String {
    server.seen[0]["admin"].as_str().expect("an address").to_owned()
}

/// From the making of a conference to its end, with somebody in it who is muted and removed.
#[test]
fn ctl_steers_a_conference_from_its_making_to_its_end() {
    let alone = Alone::wait();
    let config = alone.write("c.toml", "[tenants.acme]\nquota = 5\n");
    let server = Process::serve(&["--admin-open", "--config", &config]);
    let admin = admin_of(&server);
    let ctl = |words: &[&str]| {
        let (code, out, error) = run(&[&["ctl", "--admin", &admin], words].concat());
        assert_eq!(code, Some(0), "{words:?}: {error}");
        out
    };
    for (tenant, seats, why) in
        [("acne", "1", "there is no tenant"), ("acme", "6", "acme has 0 of its 5")]
    {
        let words = ["ctl", "--admin", &admin, "create", "--tenant", tenant, "--seats", seats];
        let (code, _, error) = run(&words);
        assert!(code == Some(1) && error.contains(why), "{error}");
    }
    let words = ["create", "--json", "--title", "Ops", "--tenant", "acme"];
    let made: Value = serde_json::from_str(&ctl(&words)).expect("JSON");
    let text = |field: &str| made[field].as_str().expect("text").to_owned();
    let (id, uri) = (text("id"), text("uri"));
    let list = ctl(&["list"]);
    assert!(list.starts_with("CONFERENCE") && list.contains(&id) && list.contains("Ops"), "{list}");
    let mut bob = Process::conference(&uri, &[]);
    bob.until("joined");
    let short = &id[..6];
    let shown = ctl(&["show", short]);
    assert!(shown.contains("active since") && shown.contains("joined"), "{shown}");
    assert!(shown.contains("paid by") && shown.contains("acme"), "{shown}");
    assert!(ctl(&["mute", short, "0"]).contains("is muted"));
    assert!(ctl(&["show", &uri]).contains("muted"));
    assert!(ctl(&["unmute", short, "0"]).contains("is heard again"));
    assert!(ctl(&["lock", short]).contains("is locked"));
    ctl(&["remove", short, "0"]);
    let ended = || run(&["ctl", "--admin", &admin, "show", &id]).0 == Some(1);
    peers::programs::until("the last one is gone", ended);
    assert_eq!(ctl(&["list"]), "No conference.\n");
    let (code, _, error) = run(&["ctl", "--admin", &admin, "end", &id]);
    assert!(code == Some(1) && error.contains("no such conference"), "{error}");
}
