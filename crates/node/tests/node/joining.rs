//! Joining, leaving and ending, through the whole node.

use std::net::SocketAddr;
use std::time::Duration;

use crate::rig::{Caller, FACTORY, Rig, Setting, contact, header, requests};
use focus::EndPolicy;
use mix::message::{
    Action, Channel, Codec, Command, ConferenceKey, Direction, Epoch, Event, Format, LentPort,
    PortId, StreamSpec, TransportSpec,
};
use node::{Leftovers, Notice};
use sip::{HeaderName, Method};
use units::{Instant, Rng};

fn three_in(rig: &mut Rig) -> (String, [Caller; 3]) {
    let mut callers = [Caller::new("alice", 1), Caller::new("bob", 2), Caller::new("carol", 3)];
    let uri = rig.conference(&callers[0]);
    for caller in &mut callers {
        assert_eq!(rig.join(caller, &uri).status.code(), 200);
    }
    (uri, callers)
}

/// B14, B16, B17 · RFC 4579 §4.2, §4.3, §5.1
#[test]
fn three_dial_in_and_each_gets_a_port_in_one_mix() {
    let mut rig = Rig::new();
    let (uri, callers) = three_in(&mut rig);
    let opened = rig.commands.iter().filter(|command| command.action == Action::OpenConference);
    assert_eq!(opened.count(), 1);
    let ports: Vec<_> = rig
        .commands
        .iter()
        .filter_map(|command| match &command.action {
            Action::AddPort { transport, stream, .. } => Some((transport.clone(), stream.clone())),
            _ => None,
        })
        .collect();
    assert_eq!(ports.len(), 3);
    for ((transport, stream), caller) in ports.iter().zip(&callers) {
        assert_eq!(transport.remote.map(|to| to.port()), Some(caller.address.port() + 10_000));
        assert_eq!(stream.direction, Direction::SendRecv);
    }
    let status = rig.node.status(rig.now);
    assert_eq!(status.conferences[0].uri, uri);
    assert_eq!(status.conferences[0].legs.len(), 3);
    let creators: Vec<bool> = status.conferences[0].legs.iter().map(|leg| leg.creator).collect();
    assert_eq!(creators, [true, false, false]);
    assert_eq!(rig.used_and_held(), (3, 1));
}

#[test]
fn the_200_names_the_conference_and_what_the_focus_can() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    let response = rig.join(&mut alice, &uri);
    assert_eq!(contact(&response), uri);
    assert!(header(&response, &HeaderName::Contact).expect("Contact").ends_with(";isfocus"));
    assert!(header(&response, &HeaderName::Allow).expect("Allow").contains("INVITE"));
    assert_eq!(header(&response, &HeaderName::ContentType).as_deref(), Some("application/sdp"),);
}

/// A14, T26 · RFC 6026 §7.1: an INVITE copy after the 200 makes no second leg.
#[test]
fn a_copy_of_the_invite_makes_no_second_leg() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    rig.join(&mut alice, &uri);
    let mut copy = alice.clone();
    copy.to_tag = None;
    assert_eq!(rig.receive(copy.address, &copy.invite(&uri)), []);
    assert_eq!(rig.used_and_held(), (1, 3));
}

/// The seat that was held for an invitee is there when the pool is otherwise full.
#[test]
fn a_late_invitee_gets_his_seat_in_a_full_pool() {
    let mut rig = Rig::with(Setting { seats: 8, ..Setting::default() });
    let mut alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    rig.join(&mut alice, &uri);
    let mut dave = Caller::new("dave", 4);
    let other = rig.conference(&dave);
    rig.join(&mut dave, &other);
    let eve = Caller::new("eve", 5);
    assert_eq!(rig.ask(eve.address, &eve.invite(FACTORY)).status.code(), 480);
    let mut bob = Caller::new("bob", 2);
    assert_eq!(rig.join(&mut bob, &uri).status.code(), 200);
    assert_eq!(rig.used_and_held(), (3, 5));
}

/// B18 · 480 when the pool has no seat for one more, 486 when the conference may have no more.
#[test]
fn full_pool_480_full_conference_486() {
    let mut setting = Setting { seats: 2, ..Setting::default() };
    setting.factory.expect = 2;
    let mut rig = Rig::with(setting);
    let mut callers: Vec<_> = (1..=3).map(|number| Caller::new("anna", number)).collect();
    let uri = rig.conference(&callers[0]);
    let statuses: Vec<_> =
        callers.iter_mut().map(|caller| rig.join(caller, &uri).status.code()).collect();
    assert_eq!(statuses, [200, 200, 480]);

    let mut setting = Setting::default();
    (setting.factory.expect, setting.factory.legs_max) = (2, Some(2));
    let mut rig = Rig::with(setting);
    let mut callers: Vec<_> = (1..=3).map(|number| Caller::new("anna", number)).collect();
    let uri = rig.conference(&callers[0]);
    let statuses: Vec<_> =
        callers.iter_mut().map(|caller| rig.join(caller, &uri).status.code()).collect();
    assert_eq!(statuses, [200, 200, 486]);
}

/// B11, B13, T40 · a URI that we did not make, or not so, is 404 and looks like any other 404.
#[test]
fn unknown_and_forged_uris_are_404() {
    let mut rig = Rig::new();
    let alice = Caller::new("alice", 1);
    let good = rig.conference(&alice);
    let mut forged = good.clone();
    let position = good.find("conf-").expect("a token") + 30;
    let letter = if &good[position..=position] == "a" { "b" } else { "a" };
    forged.replace_range(position..=position, letter);
    for uri in [
        forged.as_str(),
        "sip:my-own-name@127.0.0.1:5060",
        "sip:conf-@127.0.0.1:5060",
        "sip:conf-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@127.0.0.1:5060",
        "sip:127.0.0.1:5060",
    ] {
        let mut caller = Caller::new("mallory", 9);
        assert_eq!(rig.join(&mut caller, uri).status.code(), 404, "{uri}");
    }
    assert_eq!(rig.node.leftovers().transactions, 0);
}

/// B12 · A proxy may change host, port and parameters, and the case of the token.
#[test]
fn the_user_part_alone_finds_the_conference() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    let user = &uri["sip:".len()..uri.find('@').expect("@")];
    let rewritten = format!("sip:{}@proxy.example.net:5080;transport=udp", user.to_uppercase());
    assert_eq!(rig.join(&mut alice, &rewritten).status.code(), 200);
}

/// B33 · the last one out ends it; everything is given back and the URI is dead.
#[test]
fn the_last_one_leaving_ends_the_conference_and_nothing_is_left() {
    let mut rig = Rig::new();
    let (uri, mut callers) = three_in(&mut rig);
    for caller in &mut callers {
        rig.leave(caller, &uri);
    }
    assert_eq!(rig.used_and_held(), (0, 0));
    assert_eq!(rig.node.leftovers().ports, 0);
    rig.pass(Duration::from_secs(70));
    assert_eq!(rig.node.leftovers(), Leftovers::default());
    let mut late = Caller::new("dave", 4);
    assert_eq!(rig.join(&mut late, &uri).status.code(), 404);
    // The tombstone crumbles too: an hour after the activation deadline.
    rig.pass(Duration::from_secs(2 * 3_600));
    assert_eq!(rig.node.deadline(), None);
}

/// B34 · RFC 4579 §5.12: where the creator's leaving ends it, the others get BYE.
#[test]
fn the_creator_leaving_ends_it_for_all() {
    let mut setting = Setting::default();
    setting.factory.end = EndPolicy::CreatorLeaves;
    let mut rig = Rig::with(setting);
    let (uri, mut callers) = three_in(&mut rig);
    callers[0].cseq += 1;
    let got = rig.receive(callers[0].address, &callers[0].request("BYE", &uri));
    let byes = requests(got);
    assert_eq!(byes.len(), 2);
    assert!(byes.iter().all(|request| request.method == Method::Bye));
    for (bye, caller) in byes.iter().zip(&callers[1..]) {
        answer(&mut rig, caller, bye, "200 OK");
    }
    assert_eq!(rig.used_and_held(), (0, 0));
    rig.pass(Duration::from_secs(70));
    assert_eq!(rig.node.leftovers(), Leftovers::default());
}

fn answer(rig: &mut Rig, caller: &Caller, request: &sip::Request, status: &str) {
    assert_eq!(rig.receive(caller.address, &response_to(request, status)), []);
}

fn response_to(request: &sip::Request, status: &str) -> String {
    let field =
        |name| request.headers.get(name).map(|value| value.text().into_owned()).unwrap_or_default();
    format!(
        "SIP/2.0 {status}\r\nVia: {}\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {}\r\n\
         Content-Length: 0\r\n\r\n",
        field(&HeaderName::Via),
        field(&HeaderName::From),
        field(&HeaderName::To),
        field(&HeaderName::CallId),
        field(&HeaderName::CSeq),
    )
}

/// A15 · RFC 3261 §13.3.1.4: who never acknowledges gets BYE after 64*T1, and his port is freed.
#[test]
fn a_missing_ack_frees_seat_and_port() {
    let mut rig = Rig::new();
    let alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    let mut joining = alice.clone();
    joining.cseq += 1;
    assert_eq!(rig.ask(joining.address, &joining.invite(&uri)).status.code(), 200);
    let sent = rig.pass(Duration::from_secs(33));
    assert_eq!(requests(sent)[0].method, Method::Bye);
    rig.pass(Duration::from_secs(100));
    assert_eq!(rig.node.leftovers(), Leftovers::default());
}

/// A26 · RFC 3261 §9.2: CANCEL after the final answer is answered 200 and changes nothing; one that
/// belongs to nothing gets 481.
#[test]
fn cancel_after_the_answer_changes_nothing() {
    let mut rig = Rig::new();
    let mut alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    rig.join(&mut alice, &uri);
    let mut cancel = alice.clone();
    cancel.to_tag = None;
    let text = cancel.request("CANCEL", &uri);
    let branch_of_the_invite = text.replace("-CANCEL-", "-INVITE-");
    assert_eq!(rig.ask(cancel.address, &branch_of_the_invite).status.code(), 200);
    assert_eq!(rig.used_and_held(), (1, 3));
    assert_eq!(rig.ask(cancel.address, &text).status.code(), 481);
}

/// Shutdown: BYE to every leg, new callers are refused.
#[test]
fn shutdown_says_bye_to_everybody() {
    let mut rig = Rig::new();
    let (uri, callers) = three_in(&mut rig);
    let held = rig.conference(&Caller::new("dave", 4));
    let byes = requests(rig.shutdown());
    assert_eq!(byes.len(), 3);
    assert!(!rig.node.is_quiet());
    for (bye, caller) in byes.iter().zip(&callers) {
        answer(&mut rig, caller, bye, "200 OK");
    }
    assert!(rig.node.is_quiet());
    assert_eq!(rig.used_and_held(), (0, 0));
    for uri in [FACTORY, &uri, &held] {
        let mut late = Caller::new("eve", 5);
        let status = rig.join(&mut late, uri).status.code();
        assert!(status == 503 || status == 404, "{uri}: {status}");
    }
}

/// A mixer that loses a conference ends it with BYE; the others go on.
#[test]
fn a_mixer_fault_ends_that_conference_only() {
    let mut rig = Rig::new();
    let (_, _) = three_in(&mut rig);
    let lost = rig.commands[0].conference;
    let mut dave = Caller::new("dave", 4);
    let other = rig.conference(&dave);
    rig.join(&mut dave, &other);
    let before = rig.sent.len();
    let epoch = rig.commands[0].epoch;
    rig.media(Event::Failed { conference: lost, epoch });
    let byes = requests(rig.sent_since(before));
    assert_eq!(byes.len(), 3);
    for bye in &byes {
        let reason = bye.headers.get(&HeaderName::Reason).expect("RFC 3326 §2").text();
        assert_eq!((&bye.method, reason.contains("cause=500")), (&Method::Bye, true), "{reason}");
    }
    let states: Vec<_> =
        rig.node.status(rig.now).conferences.iter().map(|one| one.legs.len()).collect();
    assert!(states.contains(&1), "{states:?}");
}

/// A leg that is silent for long is asked, not killed; gone is who does not answer.
#[test]
fn a_silent_leg_is_probed() {
    let mut rig = Rig::new();
    let (_, callers) = three_in(&mut rig);
    let command = rig.commands[1].clone();
    let Action::AddPort { port, .. } = command.action else { panic!("{command:?}") };
    let silent = Event::Silent { conference: command.conference, port, for_ms: 30_000 };
    let before = rig.sent.len();
    rig.media(silent.clone());
    let probe = requests(rig.sent_since(before));
    assert_eq!(probe[0].method, Method::Options);
    answer(&mut rig, &callers[0], &probe[0], "200 OK");
    assert_eq!(rig.used_and_held(), (3, 1));
    let before = rig.sent.len();
    rig.media(silent);
    let probe = requests(rig.sent_since(before));
    let before = rig.sent.len();
    rig.receive(callers[0].address, &response_to(&probe[0], "481 Call Does Not Exist"));
    // RFC 3261 §12.2.1.2: then the dialog is ended, as any other is.
    let bye = requests(rig.sent_since(before));
    assert_eq!(bye[0].method, Method::Bye);
    answer(&mut rig, &callers[0], &bye[0], "481 Call Does Not Exist");
    assert_eq!(rig.used_and_held().0, 2);
}

/// Who is let in with long packets and wishes for short ones once he is in (RFC 8866 §6.4) counts for what they cost; where there
/// is no room for that, his packets stay as they are.
#[test]
fn shorter_packets_are_counted_and_given_as_far_as_there_is_room() {
    let mut rig = Rig::with(Setting { seats: 5, ..Setting::default() });
    let costs = rig.node.capacity(rig.now, None).expect("a look").costs;
    let leg = |ms| costs.leg(pool::Codec::Pcmu, Duration::from_millis(ms));
    let used = |rig: &Rig| rig.node.holds()[0].used_cost;
    let mut alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    rig.join(&mut alice, &uri);
    assert_eq!(used(&rig), leg(20));
    let wishes = |rig: &mut Rig, alice: &mut Caller, ms: u32| {
        alice.cseq += 1;
        let invite = alice.invite(&uri);
        let (head, body) = invite.split_once("\r\n\r\n").expect("a body");
        let body = format!("{body}a=ptime:{ms}\r\n");
        let old = head.lines().find(|line| line.starts_with("Content-Length")).expect("a length");
        let head = head.replace(old, &format!("Content-Length: {}", body.len()));
        let response = rig.ask(alice.address, &format!("{head}\r\n\r\n{body}"));
        assert_eq!(response.status.code(), 200);
        assert_eq!(rig.receive(alice.address, &alice.request("ACK", &uri)), []);
        let sent = rig.commands.iter().rev().find_map(|command| match &command.action {
            Action::UpdatePort { stream, .. } => Some(stream.send.ptime_ms),
            _ => None,
        });
        sent.expect("the mixer is told")
    };
    assert_eq!((wishes(&mut rig, &mut alice, 10), used(&rig)), (10, leg(10)));
    assert_eq!(
        (wishes(&mut rig, &mut alice, 40), used(&rig)),
        (40, leg(20)),
        "no less than a seat"
    );
    // Bob has asked for what is left: four seats are alice's.
    let mut bob = Caller::new("bob", 2);
    let one = format!("{FACTORY};seats=1");
    let response = rig.ask(bob.address, &bob.invite(&one));
    rig.prove(&mut bob, &one, &response);
    assert_eq!((wishes(&mut rig, &mut alice, 10), used(&rig)), (20, leg(20)));
    rig.leave(&mut alice, &uri);
    rig.pass(Duration::from_secs(120));
    assert_eq!((rig.used_and_held(), rig.node.leftovers()), ((0, 0), Leftovers::default()));
}

/// What a mixer tells whose ticks begin so late for some seconds: a real one, with one leg, under virtual time.
fn told_by_a_mixer(late: Duration) -> Vec<Event> {
    struct Nowhere;
    impl mix::Sink for Nowhere {
        fn send(&mut self, _: u32, _: Channel, _: SocketAddr, _: &[u8]) {}
    }
    let mut shard = mix::Shard::new(mix::ShardConfig::default(), Rng::from_number(1));
    let (now, remote) = (Instant::from_millis(1), SocketAddr::from(([192, 0, 2, 1], 4_000)));
    shard.add_lent(LentPort { id: 1, address: remote });
    let format = Format { codec: Codec::Pcmu, payload_type: 0, ptime_ms: 20 };
    let transport = TransportSpec::muxed(1, remote);
    let stream = StreamSpec::both_ways(format);
    let conference = ConferenceKey { slot: 0, generation: 1 };
    let add = Action::AddPort { port: PortId(1), transport, stream };
    for (id, action) in (0..).zip([Action::OpenConference, add]) {
        shard.handle_command(now, Command { id, conference, epoch: Epoch(1), action });
    }
    for _ in 0..300 {
        let due = shard.deadline().expect("a leg is in");
        shard.tick(due + late, &mut Nowhere);
    }
    let events = std::iter::from_fn(|| shard.poll_event());
    events.filter(|event| matches!(event, Event::Paced { .. })).collect()
}

#[test]
fn an_overloaded_mixer_gets_no_new_conference_while_another_has_room() {
    let mut rig = Rig::with(Setting { mixers: 2, seats: 40, ..Setting::default() });
    let started = |rig: &mut Rig, n: u16| {
        let mut caller = Caller::new("alice", n);
        let uri = rig.conference(&caller);
        assert_eq!(rig.join(&mut caller, &uri).status.code(), 200);
        let last = rig.notices.iter().rev().find_map(|notice| match notice {
            Notice::Started { shard, .. } => Some(*shard),
            _ => None,
        });
        last.expect("started")
    };
    assert_eq!([1, 2].map(|n| started(&mut rig, n)), [0, 1], "in time, both have their share");
    told_by_a_mixer(Duration::from_millis(15)).into_iter().for_each(|event| rig.media(event));
    assert_eq!([3, 4, 5].map(|n| started(&mut rig, n)), [1, 1, 1], "mixer 0 cannot keep up");
    told_by_a_mixer(Duration::from_micros(300)).into_iter().for_each(|event| rig.media(event));
    assert_eq!([6, 7].map(|n| started(&mut rig, n)), [0, 0], "it can again");
    told_by_a_mixer(Duration::from_millis(15)).into_iter().for_each(|event| rig.media(event));
    assert_eq!([8, 9].map(|n| started(&mut rig, n)), [1, 0], "late is better than nowhere");
}
