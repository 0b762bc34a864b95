//! Two terminals of one process, over loopback, without a server.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use sip::Uri;
use terminal::wav::RecordRate;
use terminal::{AnswererEvent, Answering, Event, Outcome, Reach, ReferMode, Setup, Step, Terminal};

/// A guard, not a measure.
const GUARD: Duration = Duration::from_secs(60);

fn setup(user: &str, messages: bool) -> Setup {
    let bind = SocketAddr::from(([127, 0, 0, 1], 0));
    let reach = Reach::default();
    Setup {
        bind,
        user: user.to_owned(),
        reach,
        play: vec![1_000; 800],
        record: None,
        messages,
        keys: Vec::new(),
        levels: false,
    }
}

fn answering(once: bool) -> Answering {
    Answering { once, ..Answering::default() }
}

fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let guarded = async { tokio::time::timeout(GUARD, test).await.expect("the guard") };
    runtime.expect("an event loop").block_on(guarded)
}

async fn news<N: Send + 'static>(terminal: &mut Terminal<N>) -> Option<N> {
    loop {
        match terminal.next_event().await? {
            Event::News(news) => return Some(news),
            Event::Levels(_) | Event::Message { .. } => {}
            Event::RecordingStopped(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_taken_port_costs_nobody_an_older_recording() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("older.wav");
    std::fs::write(&path, "precious").expect("written");
    let taken = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let again = |bind| Setup {
        bind,
        record: Some((path.clone(), RecordRate::Hz8000)),
        ..setup("bob", false)
    };
    let start = |bind| Terminal::answer(again(bind), answering(true));
    start(taken.local_addr().expect("an address")).expect_err("taken");
    assert_eq!(std::fs::read(&path).expect("still there"), b"precious");

    drop(start(setup("bob", false).bind).expect("started"));
    assert!(std::fs::read(&path).expect("written").starts_with(b"RIFF"), "now it is a new one");
}

#[test]
fn a_convener_who_calls_a_person_learns_that_it_is_no_conference() {
    let mut bob = Terminal::answer(setup("bob", false), answering(true)).expect("bob starts");
    let factory: Uri = format!("sip:bob@{}", bob.local()).parse().expect("a URI");
    let mut alice = Terminal::convene(setup("alice", true), factory, vec![], ReferMode::Auto, None)
        .expect("alice starts");
    run(async {
        while !matches!(
            news(&mut alice).await.expect("an end"),
            Step::Ended { outcome: Outcome::NotAConference }
        ) {}
        while news(&mut alice).await.is_some() {}
        assert!(matches!(news(&mut bob).await, Some(AnswererEvent::Answered { .. })));
        while !matches!(news(&mut bob).await, Some(AnswererEvent::Ended { .. })) {}
        while news(&mut bob).await.is_some() {}
    });
    let (alice, bob) = (alice.finish().expect("no panic"), bob.finish().expect("no panic"));
    assert!(!alice.gave_up_waiting && !bob.gave_up_waiting);
    assert_eq!((alice.send_errors, alice.events_lost), (0, 0));
}

/// The first packet of a terminal must not be lost on its own machine: T1 would pass before the next.
#[test]
fn the_invite_goes_out_once() {
    let bob = Terminal::answer(setup("bob", false), answering(true)).expect("bob starts");
    let factory: Uri = format!("sip:bob@{}", bob.local()).parse().expect("a URI");
    let mut alice = Terminal::convene(setup("alice", true), factory, vec![], ReferMode::Auto, None)
        .expect("alice starts");
    let mut invites = 0;
    run(async {
        while let Some(event) = alice.next_event().await {
            if let Event::Message { sent: true, packet, .. } = event {
                invites += usize::from(packet.bytes.starts_with(b"INVITE "));
            }
        }
    });
    assert_eq!(invites, 1);
    drop(bob);
}

#[test]
fn a_dropped_handle_takes_its_terminal_and_its_port_with_it() {
    let bob = Terminal::answer(setup("bob", false), answering(false)).expect("bob starts");
    let local = bob.local();
    drop(bob);
    UdpSocket::bind(local).expect("the port is free again");
}
