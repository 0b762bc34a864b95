//! What happens is posted: signed, in order, until the receiver has it.

use std::net::{SocketAddr, TcpListener};

use nix::sys::signal::Signal;

use crate::processes::{Alone, Process, run, text};
use crate::receiver::{Listening, SECRET, make, written_secret};

fn configured(alone: &Alone, to: SocketAddr) -> String {
    alone.write("hook.secret", &written_secret());
    let state = alone.text("state");
    alone.write(
        "c.toml",
        &format!(
            "[state]\ndir = {state:?}\n[admin]\nopen = true\nbind = \"127.0.0.1:0\"\n[[webhook]]\n\
             url = \"http://{to}/hook?key=hidden\"\nsecret_file = \"hook.secret\"\nevents = [\"held\"]\n"
        ),
    )
}

/// Refused twice, cut by kill -9, and then again refused: each comes, in order, under one id.
#[test]
fn what_happens_is_posted_in_order_until_it_is_taken_and_survives_kill_9() {
    let alone = Alone::wait();
    let receiver = Listening::start();
    let config = configured(&alone, receiver.address);
    receiver.answer([503, 500]);
    let mut server = Process::serve(&["--config", &config]);
    let first = make(&server);
    let tries = [receiver.next(), receiver.next(), receiver.next()];
    assert_eq!(tries.each_ref().map(|it| it.answered), [503, 500, 204]);
    for post in &tries {
        assert!(post.is_signed_with(&SECRET) && !post.is_signed_with(&[8; 32]), "{post:?}");
        assert_eq!((post.id(), &post.body), (tries[0].id(), &tries[0].body));
        assert_eq!(post.headers["content-type"], "application/json");
    }
    let event = tries[0].event();
    assert_eq!((text(&event, "type"), text(&event, "conference")), ("held".to_owned(), first));
    assert!(text(&event, "uri").starts_with("sip:conf-") && text(&event, "at").ends_with('Z'));
    let told = server.until_status("delivered", |it| it["webhooks"][0]["delivered"] == 1);
    assert_eq!(told["webhooks"][0]["failures"], 0);

    // It is away; meanwhile the server dies.
    receiver.answer([503; 99]);
    let made = [make(&server), make(&server), make(&server)];
    let refused = receiver.next();
    let told = server.until_status("all wait", |it| it["webhooks"][0]["waiting"] == 3);
    assert!(text(&told["webhooks"][0], "why").contains("503"), "{told}");
    let (_, shown, _) = run(&["status", "--admin", &server.greeting("admin")]);
    assert!(shown.contains(", 3 waiting for 0:0"), "{shown}");
    server.signal(Signal::SIGKILL);
    assert!(!server.ended().success());
    receiver.answer([]);
    while receiver.posts.try_recv().is_ok() {}

    let server = Process::serve(&["--config", &config]);
    let again = [receiver.next(), receiver.next(), receiver.next()];
    assert_eq!(again.each_ref().map(|it| text(&it.event(), "conference")), made);
    assert_eq!(again[0].id(), refused.id(), "whoever had it already knows it again");
    assert!(again.iter().all(|it| it.is_signed_with(&SECRET)));
    let next = make(&server);
    let post = receiver.next();
    assert_eq!(text(&post.event(), "conference"), next, "nothing comes twice that was taken");
    assert!(!again.iter().any(|it| it.id() == post.id()));
    server.until_status("none waits", |it| it["webhooks"][0]["waiting"] == 0);
}

/// A receiver that never answers, and one that comes and goes with SIGHUP: calls do not notice.
#[test]
fn a_dead_receiver_holds_nobody_up_and_receivers_change_while_it_runs() {
    let alone = Alone::wait();
    let (silent, other) = (TcpListener::bind("127.0.0.1:0").expect("bound"), Listening::start());
    let config = configured(&alone, silent.local_addr().expect("an address"));
    let mut server = Process::serve(&["--config", &config]);
    for _ in 0..3 {
        let (code, _, error) = run(&["conference", &server.greeting("factory"), "--for", "1s"]);
        assert_eq!((code, error.as_str()), (Some(0), ""));
    }
    server.until_status("they wait", |it| it["webhooks"][0]["waiting"] == 3);
    // Others do not see what stands behind the host.
    configured(&alone, other.address);
    server.signal(Signal::SIGHUP);
    assert_eq!(server.until("reloaded")["applied"], serde_json::json!(["[[webhook]]"]));
    let made = make(&server);
    assert_eq!(text(&other.next().event(), "conference"), made, "it gets what happens from now on");
    let told = server.until_status("taken", |it| it["webhooks"][0]["delivered"] == 1);
    assert_eq!(told["webhooks"].as_array().map(Vec::len), Some(1));
    alone.write("hook.secret", "nothing\n");
    server.signal(Signal::SIGHUP);
    let refused = server.until("reload-refused");
    assert!(text(&refused, "why").contains("hook.secret: each of 1 to 4 lines"), "{refused}");
    let made = make(&server);
    assert_eq!(text(&other.next().event(), "conference"), made, "the old one counts");
}
