//! Refusing without reading, and what is told to clients that help (RFC 7339).

use super::*;
use crate::{Glance, Glimpse, HeaderName, Packet};

fn refused(bench: &mut Bench, text: &str) -> (Response, Source) {
    let Glance::Request(request) = Glance::of(text.as_bytes()) else { panic!("{text}") };
    let request: Glimpse<'_> = request;
    let packet = Packet { path: udp_from("192.0.2.9:31234"), bytes: text.as_bytes().to_vec() };
    assert!(bench.stack.refuse_unread(&request, &packet), "{text}");
    bench.drain();
    (bench.last_response(), bench.sent.last().expect("sent").1)
}

/// A37, T29 · RFC 3261 §8.2.6, §21.5.4: what was only looked at is refused as if it had been read, the time to come
/// again is drawn, and nothing is kept.
#[test]
fn a_refusal_repeats_what_an_answer_must_and_keeps_nothing() {
    let mut bench = Bench::new();
    let via = "SIP/2.0/UDP host.example;rport;received=203.0.113.5;branch=z9hG4bK-1";
    let text = Draft { via, ..Draft::default() }.text();
    let mut times = BTreeSet::new();
    for _ in 0..200 {
        let (response, path) = refused(&mut bench, &text);
        assert_eq!(response.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(path.remote, "192.0.2.9:31234".parse().expect("an address"));
        let top = response.headers.top_via().expect("a Via");
        assert_eq!((top.params.value("received"), top.rport()), (Some("192.0.2.9"), Some(31234)));
        let to = response.headers.to().expect("To");
        assert!(to.tag().is_some_and(|tag| tag.starts_with("n1s0r")), "{to}");
        assert_eq!(response.headers.from_().expect("From").tag(), Some("alice1"));
        assert_eq!(response.headers.call_id().expect("Call-ID"), "call-1@192.0.2.9");
        assert_eq!(response.headers.cseq().expect("CSeq").number, 7);
        times.insert(response.headers.retry_after().expect("read").expect("there").seconds);
        let answered = bench.sent.len();
        assert!(response.to_bytes().len() <= text.len() + 64, "no amplification: {answered}");
    }
    assert_eq!(times, (2..=10).collect(), "2 to 10 s, each of them");
    assert_eq!((bench.requests_heard(), bench.stack.transaction_count()), (0, 0));
    let (received, sent) = (&bench.stack.traffic().received, &bench.stack.traffic().sent);
    assert_eq!(received.of(MessageKind::Invite), 200);
    assert_eq!(sent.of(MessageKind::ServerFailure), 200);
}

/// T20 · RFC 3261 §20.43: it says why, in words, where that makes the answer no longer than the request was.
#[test]
fn a_refusal_says_why_if_it_is_no_longer_for_it_than_the_request() {
    let mut bench = Bench::new();
    let mut said = BTreeSet::new();
    for padding in (0..200).step_by(10) {
        let more = format!("User-Agent: {}\r\n", "x".repeat(padding));
        let text = Draft { more: &more, ..Draft::default() }.text();
        let (response, _) = refused(&mut bench, &text);
        let warning = response.headers.get(&HeaderName::Warning).map(|it| it.text().into_owned());
        said.insert(warning.is_some());
        let Some(warning) = warning else { continue };
        assert!(response.to_bytes().len() <= text.len(), "{padding}");
        let warning: crate::Warning = warning.parse().expect("a Warning");
        assert_eq!(warning.code, 399);
        assert!(warning.text.contains("More new calls come than this server can take"));
    }
    assert_eq!(said.len(), 2, "short ones are not told, long ones are");
}

/// RFC 7339 §5.10.2, RFC 3261 §21.5.4: a proxy that is told when to come again sends nothing until then, BYEs neither; so
/// it is not told, nor is who is told by `oc`.
#[test]
fn only_who_stands_at_the_other_end_is_told_when_to_come_again() {
    let mut bench = Bench::new();
    let forwarded = format!("{VIA}\r\nVia: SIP/2.0/TCP 10.0.0.1;branch=z9hG4bK-2");
    let two_in_one = format!("{VIA} , SIP/2.0/TCP 10.0.0.1;branch=z9hG4bK-2");
    let helps = format!("{VIA};oc;oc-algo=\"A,loss\"");
    for (via, vias) in [(&forwarded, 2), (&two_in_one, 2), (&helps, 1)] {
        let (response, _) = refused(&mut bench, &Draft { via, ..Draft::default() }.text());
        assert_eq!(response.headers.vias().expect("read").len(), vias, "all go back");
        assert_eq!(response.headers.get(&HeaderName::RetryAfter), None, "{via}");
    }
}

/// The ACK to a refusal shows that its sender has got it; nobody else can make one, nor he one for another address.
#[test]
fn who_acknowledges_a_refusal_has_received_it() {
    let mut bench = Bench::new();
    let (response, _) = refused(&mut bench, &Draft::default().text());
    let to_tag = response.headers.to().expect("To").tag().expect("a tag").to_owned();
    let other = format!("{to_tag}0");
    for (to_tag, cseq, from, proves) in [
        (&to_tag, 7, "192.0.2.9:31234", true),
        (&to_tag, 7, "192.0.2.9:5", true),
        (&to_tag, 7, "192.0.2.8:31234", false),
        (&to_tag, 8, "192.0.2.9:31234", false),
        (&other, 7, "192.0.2.9:31234", false),
    ] {
        for (method, proves) in [("ACK", proves), ("BYE", false)] {
            let text = Draft { method, to_tag, cseq, ..Draft::default() }.text();
            let Glance::Request(ack) = Glance::of(text.as_bytes()) else { panic!("{text}") };
            let source = udp_from(from).remote.ip();
            let acknowledges = bench.stack.acknowledges_refusal(&ack, source);
            assert_eq!(acknowledges, proves, "{method} {to_tag} {cseq} {from}");
        }
    }
}

/// A Via that cannot be read is nowhere to answer to.
#[test]
fn what_cannot_be_answered_is_not() {
    let mut bench = Bench::new();
    for via in ["SIP/2.0/UDP", "SIP/3.0/UDP h;branch=z9hG4bK-a", "SIP/2.0/UDP h;branch"] {
        let text = Draft { via, ..Draft::default() }.text().replace(";branch\r", ";;\r");
        let Glance::Request(request) = Glance::of(text.as_bytes()) else { panic!("{text}") };
        let packet = Packet { path: udp_from(PEER), bytes: text.as_bytes().to_vec() };
        assert!(!bench.stack.refuse_unread(&request, &packet), "{via}");
    }
    assert!(bench.stack.poll_output().is_none());
}

fn top_via(bench: &Bench) -> Via {
    bench.last_response().headers.top_via().expect("a Via")
}

/// A37, T25 · RFC 7339 §4, §5.1, §5.2: who asks for control by `oc` is told in every answer how much less to send; nobody else.
#[test]
fn who_asks_for_overload_control_has_it_in_every_answer() {
    let oc = |via: &Via| {
        ["oc", "oc-algo", "oc-validity", "oc-seq"]
            .map(|name| via.params.value(name).map(str::to_owned))
    };
    let mut bench = Bench::new();
    let off =
        [Some("0"), Some("\"loss\""), Some("0"), Some("0.000")].map(|it| it.map(str::to_owned));
    let asks = format!("{VIA};oc;oc-algo=\"A,Loss\"");
    let asked = bench.accept(0, &Draft { via: &asks, ..Draft::default() });
    bench.run_until(200);
    assert_eq!(
        (bench.last_response().status, oc(&top_via(&bench))),
        (StatusCode::TRYING, off.clone())
    );
    bench.answer(300, &asked, StatusCode::BUSY_HERE);
    assert_eq!(oc(&top_via(&bench)), off, "§5.11: the first answer after a 100 too");

    bench.stack.set_overload(OverloadControl { loss: 35, decided: 1_795_400_000_042 });
    let on = [Some("35"), Some("\"loss\""), Some("500"), Some("1795400000.042")];
    let on = on.map(|it| it.map(str::to_owned));
    let asks = "SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK-b;oc=99;oc-validity=7";
    let again = Draft { via: asks, ..Draft::default() };
    bench.stack.handle_packet(
        bench.now,
        Packet {
            path: udp_from(PEER),
            bytes: again.text().replace("CSeq: 7 INVITE", "CSeq: 7 BYE").into_bytes(),
        },
    );
    bench.drain();
    assert_eq!(
        (bench.last_response().status, oc(&top_via(&bench))),
        (StatusCode::BAD_REQUEST, on.clone())
    );
    let (response, _) = refused(&mut bench, &again.text());
    assert_eq!(oc(&response.headers.top_via().expect("a Via")), on);

    for via in [VIA.to_owned(), format!("{VIA};oc;oc-algo=\"A\""), format!("{VIA};ocean")] {
        let (response, _) = refused(&mut bench, &Draft { via: &via, ..Draft::default() }.text());
        assert_eq!(response.headers.top_via().expect("a Via").to_string(), via, "§5.1: as it came");
    }
}
