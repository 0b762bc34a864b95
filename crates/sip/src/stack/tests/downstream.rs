//! Next hops that ask for fewer requests (RFC 7339, the client's half).

use super::client::our_request;
use super::*;
use crate::HeaderName;

/// What a next hop writes behind our `oc`.
struct Asks<'a> {
    oc: &'a str,
    algo: &'a str,
    validity: &'a str,
    seq: &'a str,
}

const LESS: Asks<'_> = Asks { oc: "40", algo: "\"loss\"", validity: "500", seq: "1282321615.782" };

const OTHER: &str = "192.0.2.12:5060";

impl Bench {
    fn asking() -> Self {
        let mut bench = Self::new();
        bench.stack.asks_for_control = true;
        bench
    }

    /// Sends a request with a new Call-ID, outside a dialog or in one. Says whether it went out.
    fn sends(&mut self, method: Method, to_tag: &str, place: &str) -> bool {
        let mut request = our_request(method);
        if !to_tag.is_empty() {
            request.headers.set(HeaderName::To, format!("<sip:alice@192.0.2.9>;tag={to_tag}"));
        }
        let (sent, heard) = (self.sent.len(), self.events.len());
        let txn = self.stack.request(self.now, request, udp_from(place)).expect("room");
        self.drain();
        let is_sent = self.sent.len() > sent;
        let failed = [
            (self.now.as_millis(), Event::Failed { txn, why: Failure::Overloaded }),
            (self.now.as_millis(), Event::ClientEnded { txn }),
        ];
        let expected: &[_] = if is_sent { &[] } else { &failed };
        assert_eq!(&self.events[heard..], expected, "sent, or failed at once");
        is_sent
    }

    /// So many new requests, all of them answered. How many were kept back?
    fn kept_back(&mut self, of: u32) -> u32 {
        (0..of).map(|_| u32::from(!self.sends(Method::Options, "", PEER))).sum()
    }

    /// The next hop answers the last request, by these values in our Via.
    fn is_told(&mut self, ms: u64, from: &str, status: u16, asks: &Asks<'_>) {
        let request = self.last_request();
        let status = StatusCode::new(status).expect("a status");
        let mut response = Response::answering(&request, status).with_to_tag("bob");
        let mut via = response.headers.top_via().expect("a Via");
        for (name, value) in [
            ("oc", asks.oc),
            ("oc-algo", asks.algo),
            ("oc-validity", asks.validity),
            ("oc-seq", asks.seq),
        ] {
            via.params.remove(name);
            match value {
                "absent" => {}
                "" => via.params.push(name, None),
                value => via.params.push(name, Some(value)),
            }
        }
        response.headers.set_top_via(&via);
        let text = String::from_utf8(response.to_bytes()).expect("text");
        self.receive(ms, udp_from(from), &text);
    }

    /// One request goes out, and its answer asks for this.
    fn told(&mut self, asks: &Asks<'_>) {
        assert!(self.sends(Method::Options, "bob", PEER), "what is in a dialog goes out");
        self.is_told(self.now.as_millis(), PEER, 200, asks);
    }
}

/// RFC 7339 §4.1, §4.2: by every request, ACK and CANCEL too, without a value, if the user wants it; else by none.
#[test]
fn whoever_sends_much_asks_for_control_in_every_via() {
    for asks in [true, false] {
        let mut bench = Bench::new();
        bench.stack.asks_for_control = asks;
        let invite = bench.stack.request(bench.now, our_request(Method::Invite), udp_from(PEER));
        bench.drain();
        bench.answer_to(10, &Method::Invite, StatusCode::RINGING, "a");
        bench.stack.cancel(bench.now, invite.expect("room"));
        bench.drain();
        bench.answer_to(20, &Method::Invite, StatusCode::REQUEST_TERMINATED, "a");
        bench.stack.send_once(bench.now, our_request(Method::Ack), udp_from(PEER));
        bench.stack.request(bench.now, our_request(Method::Bye), udp_from(PEER)).expect("room");
        bench.drain();
        let mut methods = BTreeSet::new();
        for (_, _, message) in &bench.sent {
            let Message::Request(request) = message else { panic!("a request") };
            let params = request.headers.top_via().expect("a Via").params;
            methods.insert(request.method.clone());
            let (oc, algo) = (params.get("oc"), params.value("oc-algo"));
            assert_eq!(
                (oc, algo),
                if asks { (Some(None), Some("\"loss\"")) } else { (None, None) }
            );
            assert!(!params.has("oc-validity") && !params.has("oc-seq"), "§4.3, §4.4");
        }
        assert_eq!(methods.len(), 4);
    }
}

/// A37, T25 · RFC 7339 §5.5, §7: exactly that share of what would go there is kept back, of what is new alone; elsewhere
/// everything goes; what is kept back fails at once, like a 503.
#[test]
fn the_share_asked_for_is_kept_back_of_new_requests_only() {
    let mut bench = Bench::asking();
    assert_eq!(bench.kept_back(50), 0, "nobody asks for less");
    bench.told(&LESS);
    assert_eq!(bench.kept_back(100), 40);
    assert!((0..50).all(|_| bench.sends(Method::Options, "", OTHER)), "nobody else asked");
    assert_eq!(bench.stack.counters().requests_kept_back, 40);
    // §7.2: those that are not kept back count too. 200 requests, 80 less: all of it of a hundred.
    let before = bench.stack.counters().requests_kept_back;
    for _ in 0..100 {
        assert!(bench.sends(Method::Bye, "bob", PEER));
        bench.sends(Method::Invite, "", PEER);
    }
    let kept_back = bench.stack.counters().requests_kept_back - before;
    assert!((79..=81).contains(&kept_back), "{kept_back}");
}

/// RFC 7339 §7.1: from nothing to everything; and BYE, NOTIFY and ACK go even then.
#[test]
fn everything_may_be_kept_back_but_what_is_in_dialogs() {
    for (oc, kept_back) in [("0", 0), ("1", 10), ("100", 1_000)] {
        let mut bench = Bench::asking();
        bench.told(&Asks { oc, ..LESS });
        let kept = bench.kept_back(1_000);
        assert!(kept.abs_diff(kept_back) <= 1, "{oc}: {kept}");
        for method in [Method::Bye, Method::Notify, Method::Invite] {
            assert!(bench.sends(method, "bob", PEER));
        }
        let sent = bench.sent.len();
        bench.stack.send_once(bench.now, our_request(Method::Ack), udp_from(PEER));
        bench.drain();
        assert_eq!(bench.sent.len(), sent + 1);
    }
}

/// Many who send little send less too: the first request may be the one that is kept back, as often as was asked for.
#[test]
fn a_single_request_is_kept_back_as_often_as_was_asked_for() {
    let mut kept_back = 0;
    for seed in 0..1_000 {
        let mut bench = Bench::asking();
        bench.stack.rng = Rng::from_number(seed);
        bench.told(&LESS);
        kept_back += bench.kept_back(1);
    }
    assert!((350..=450).contains(&kept_back), "{kept_back} of 1,000 by 40 %");
}

/// RFC 7339 §4.3, §5.4, §5.7: for as long as was said, 500 ms if nothing was, and not a moment longer; a newer answer begins it
/// again, the same or an older one does not.
#[test]
fn it_holds_for_its_time_and_newer_answers_alone_change_it() {
    let all = Asks { oc: "100", validity: "absent", seq: "7.1", ..LESS };
    let mut bench = Bench::asking();
    bench.told(&all);
    bench.run_until(300);
    bench.told(&all);
    bench.told(&Asks { seq: "7.09", oc: "5", ..LESS });
    bench.told(&Asks { seq: "6.99999", oc: "5", ..LESS });
    assert_eq!(bench.kept_back(20), 20, "neither the same nor an older one says anything");
    bench.run_until(499);
    assert_eq!(bench.kept_back(20), 20);
    bench.run_until(500);
    assert_eq!(bench.kept_back(20), 0, "its time was not begun again");

    bench.told(&Asks { seq: "1.0", validity: "2000", ..all });
    assert_eq!(bench.kept_back(20), 20, "§5.4: what is over is forgotten with its number");
    bench.told(&Asks { seq: "1.00001", oc: "50", ..LESS });
    assert!((10..=11).contains(&bench.kept_back(20)));
    bench.run_until(1_000);
    assert_eq!(bench.kept_back(20), 0, "the newer one has its own time");
}

/// RFC 7339 §5.7: a validity of 0 ends it, whatever `oc` says, and what was on its way then begins it no more.
#[test]
fn a_validity_of_nothing_ends_it() {
    for oc in ["0", "70", "absent"] {
        let mut bench = Bench::asking();
        bench.told(&Asks { oc: "100", validity: "30000", seq: "10.5", ..LESS });
        assert_eq!(bench.kept_back(10), 10);
        bench.told(&Asks { oc, validity: "0", seq: "10.6", ..LESS });
        assert_eq!(bench.kept_back(10), 0, "{oc}");
        bench.told(&Asks { oc: "100", validity: "30000", seq: "10.55", ..LESS });
        assert_eq!(bench.kept_back(10), 0, "{oc}: that one was late");
        bench.told(&Asks { oc: "100", validity: "0", seq: "10.1", ..LESS });
        bench.told(&Asks { oc: "100", validity: "30000", seq: "10.7", ..LESS });
        assert_eq!(bench.kept_back(10), 10, "{oc}: this one is new");
    }
}

/// RFC 7339 §5.11: a 100, which no user hears of, says it as well as any other answer.
#[test]
fn every_answer_says_it() {
    for status in [100, 180, 200, 302, 486, 503, 603] {
        let mut bench = Bench::asking();
        assert!(bench.sends(Method::Invite, "", PEER));
        bench.is_told(0, PEER, status, &Asks { oc: "100", ..LESS });
        assert_eq!(bench.kept_back(10), 10, "{status}");
    }
}

/// RFC 7339 §4, §5.1: what does not say what we have offered to do says nothing: our own parameters as they were, other
/// algorithms, what is out of range.
#[test]
fn what_is_no_control_that_we_know_changes_nothing() {
    let all = Asks { oc: "100", ..LESS };
    for asks in [
        Asks { oc: "", validity: "absent", seq: "absent", ..LESS },
        Asks { algo: "\"rate\"", ..all },
        Asks { algo: "\"loss,rate\"", ..all },
        Asks { algo: "absent", ..all },
        Asks { oc: "101", ..all },
        Asks { oc: "-1", ..all },
        Asks { oc: "4000000000", ..all },
        Asks { oc: "absent", ..all },
        Asks { validity: "soon", ..all },
    ] {
        let mut bench = Bench::asking();
        bench.told(&asks);
        let what = (asks.oc, asks.algo, asks.validity);
        assert_eq!(bench.kept_back(20), 0, "{what:?}");
    }
    // As servers write it that are no friends of quotes, or of numbers.
    for asks in
        [Asks { algo: "Loss", ..all }, Asks { seq: "absent", ..all }, Asks { seq: "x.y", ..all }]
    {
        let mut bench = Bench::asking();
        bench.told(&asks);
        assert_eq!(bench.kept_back(20), 20, "{}", asks.seq);
    }
    let mut bench = Bench::new();
    bench.told(&all);
    assert_eq!(bench.kept_back(20), 0, "we have not asked");
}

/// RFC 7339 §11: nobody stops us for longer than a minute by one answer.
#[test]
fn one_answer_is_believed_for_a_minute_at_most() {
    let mut bench = Bench::asking();
    bench.told(&Asks { oc: "100", validity: "18446744073709551615", ..LESS });
    bench.run_until(59_999);
    assert_eq!(bench.kept_back(10), 10);
    bench.run_until(60_000);
    assert_eq!(bench.kept_back(10), 0);
}

/// RFC 7339 §5.10: what one place does not take goes to the next; where the last has none either, the answer that came before
/// is what its owner hears.
#[test]
fn what_is_kept_back_from_one_place_goes_to_the_next() {
    let mut bench = Bench::asking();
    bench.told(&Asks { oc: "100", validity: "60000", ..LESS });
    let places = [PEER, OTHER].map(udp_from);
    bench.stack.request_any(bench.now, our_request(Method::Invite), places).expect("room");
    bench.drain();
    assert_eq!(bench.last_remote(), OTHER);
    assert!(bench.events.iter().all(|(_, event)| !matches!(event, Event::Failed { .. })));

    for (status, failed) in [(Some(503), 0), (None, 1)] {
        let mut bench = Bench::asking();
        bench.told(&Asks { oc: "100", validity: "60000", ..LESS });
        let places = [OTHER, PEER].map(udp_from);
        let request = our_request(Method::Invite);
        let txn = bench.stack.request_any(bench.now, request, places).expect("room");
        bench.drain();
        let heard = bench.events.len();
        match status {
            Some(status) => bench.is_told(10, OTHER, status, &Asks { oc: "", ..LESS }),
            None => bench.stack.handle_transport_error(bench.now, &udp_from(OTHER)),
        }
        bench.drain();
        let told = &bench.events[heard..];
        let is_503 = |(_, event): &(u64, Event)| matches!(event, Event::Response { response, .. } if response.status.code() == 503);
        assert_eq!(told.iter().filter(|it| is_503(it)).count(), 1 - failed);
        let fails = Event::Failed { txn, why: Failure::Transport };
        assert_eq!(told.iter().filter(|(_, event)| *event == fails).count(), failed);
        bench.run_until(100_000);
        let ends = Event::ClientEnded { txn };
        assert_eq!(bench.events.iter().filter(|(_, event)| *event == ends).count(), 1);
        assert_eq!(bench.stack.transaction_count(), 0);
    }
}

/// The table is bounded; when full, the place whose time is over first may have everything again.
#[test]
fn as_many_places_are_remembered_as_there_is_room_for() {
    let mut bench = Bench::asking();
    let place = |n: u32| format!("10.1.{}.{}:5060", n / 200, n % 200);
    for n in 0..1_030 {
        assert!(bench.sends(Method::Options, "bob", &place(n)));
        let validity = (20_000 + n).to_string();
        bench.is_told(0, &place(n), 200, &Asks { oc: "100", validity: &validity, ..LESS });
    }
    let lets_go = |n: &u32| bench.sends(Method::Options, "", &place(*n));
    assert_eq!((0..1_030).filter(lets_go).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
}
