//! RFC 3263 §4, side by side with the text.

use super::*;
use crate::Uri;

fn hop(uri: &str) -> Result<NextHop, NoWay> {
    match uri.parse::<Uri>().expect("a URI") {
        Uri::Sip(uri) => next_hop(&uri),
        Uri::Other { .. } => panic!("{uri}"),
    }
}

fn at(transport: Transport, remote: &str) -> Target {
    Target { transport, remote: remote.parse().expect("an address") }
}

fn locator(uri: &str, seed: u64) -> Locator {
    match hop(uri) {
        Ok(NextHop::Ask(wanted)) => Locator::new(wanted, Rng::from_number(seed)),
        other => panic!("{uri}: {other:?}"),
    }
}

fn service(priority: u16, weight: u16, port: u16, host: &str) -> Service {
    Service { priority, weight, port, host: host.to_owned() }
}

/// Answers from a zone; gives all that was asked, and what was found.
fn locate(uri: &str, seed: u64, zone: &[(&str, Found)]) -> (Vec<String>, Vec<Target>) {
    let mut locator = locator(uri, seed);
    let mut asked = vec![];
    loop {
        let questions: Vec<_> = std::iter::from_fn(|| locator.poll_question()).collect();
        if questions.is_empty() {
            return (asked, locator.into_targets());
        }
        for question in questions {
            let (Question::Services(name) | Question::Addresses(name)) = &question;
            asked.push(name.clone());
            let found = zone.iter().find(|(known, _)| known == name);
            locator.handle_found(&question, found.map_or(Found::Nothing, |(_, it)| it.clone()));
        }
    }
}

fn addresses(ips: &[&str]) -> Found {
    Found::Addresses(ips.iter().map(|ip| ip.parse().expect("an address")).collect())
}

/// A35 · RFC 3263 §4.1, §4.2: a number needs no question.
#[test]
fn a_number_is_an_address_and_means_udp() {
    use Transport::{Tcp, Udp};
    let cases = [
        ("sip:b@192.0.2.1", at(Udp, "192.0.2.1:5060")),
        ("sip:b@192.0.2.1:5070;transport=TCP", at(Tcp, "192.0.2.1:5070")),
        ("sip:b@[2001:db8::1]", at(Udp, "[2001:db8::1]:5060")),
        ("sip:b@example.com:5070;maddr=192.0.2.7", at(Udp, "192.0.2.7:5070")),
        ("sip:b@example.com;maddr=[2001:db8::7];transport=tcp", at(Tcp, "[2001:db8::7]:5060")),
    ];
    for (uri, target) in cases {
        assert_eq!(hop(uri), Ok(NextHop::At(target)), "{uri}");
    }
    assert_eq!(hop("sips:b@192.0.2.1"), Err(NoWay::Secure));
    assert_eq!(hop("sip:b@192.0.2.1;transport=tls"), Err(NoWay::Transport));
    assert_eq!(hop("sip:b@192.0.2.1;transport"), Err(NoWay::Transport));
}

/// A35 · RFC 3263 §4.2: with a port, only the host's addresses count.
#[test]
fn a_port_rules_out_services() {
    let zone = [("pbx.example", addresses(&["192.0.2.1", "2001:db8::1"]))];
    let (asked, found) = locate("sip:b@pbx.example:5070", 1, &zone);
    assert_eq!(asked, ["pbx.example"]);
    let both = ["192.0.2.1:5070", "[2001:db8::1]:5070"].map(|remote| at(Transport::Udp, remote));
    assert_eq!(found, both);
    let (_, found) = locate("sip:b@pbx.example:5070;transport=tcp", 1, &zone);
    assert_eq!(found[0].transport, Transport::Tcp);
    assert_eq!(locate("sip:b@none.example:5070", 1, &zone).1, []);
}

/// A35 · RFC 3263 §4.1, §4.2, RFC 2782: by priority; what is named twice is asked once.
#[test]
fn services_are_found_for_each_transport_and_in_order() {
    let zone = [
        (
            "_sip._udp.example",
            Found::Services(vec![
                service(20, 0, 5062, "b.example"),
                service(10, 0, 5061, "a.example"),
            ]),
        ),
        ("_sip._tcp.example", Found::Services(vec![service(5, 0, 5063, "a.example")])),
        ("a.example", addresses(&["192.0.2.1"])),
        ("b.example", addresses(&["192.0.2.2", "192.0.2.3"])),
    ];
    let (asked, found) = locate("sip:b@example", 1, &zone);
    assert_eq!(asked, ["_sip._udp.example", "_sip._tcp.example", "a.example", "b.example"]);
    let udp = |remote| at(Transport::Udp, remote);
    assert_eq!(
        found,
        [
            udp("192.0.2.1:5061"),
            udp("192.0.2.2:5062"),
            udp("192.0.2.3:5062"),
            at(Transport::Tcp, "192.0.2.1:5063"),
        ]
    );
    // The URI knows which transport it wants.
    let (asked, found) = locate("sip:b@example;transport=tcp", 1, &zone);
    assert_eq!(asked, ["_sip._tcp.example", "a.example"]);
    assert_eq!(found, [at(Transport::Tcp, "192.0.2.1:5063")]);
}

/// A35 · RFC 3263 §4.2: without services the host's own addresses, at the default port.
#[test]
fn a_host_without_services_is_asked_for_its_address() {
    let zone = [("example", addresses(&["192.0.2.1"]))];
    let (asked, found) = locate("sip:b@example", 1, &zone);
    assert_eq!(asked, ["_sip._udp.example", "_sip._tcp.example", "example"]);
    assert_eq!(found, [at(Transport::Udp, "192.0.2.1:5060")]);
    let (_, found) = locate("sip:b@example;transport=tcp", 1, &zone);
    assert_eq!(found, [at(Transport::Tcp, "192.0.2.1:5060")]);
    // RFC 2782: "." means that there is no such service: then the host is not asked either.
    let none =
        [("_sip._udp.example", Found::Services(vec![service(0, 0, 0, ".")])), zone[0].clone()];
    let (asked, found) = locate("sip:b@example", 1, &none);
    assert_eq!((asked.len(), found), (2, vec![]));
}

/// RFC 2782: "the weight field specifies a relative weight". The same seed draws the same.
#[test]
fn services_of_one_priority_are_drawn_by_weight() {
    let records = [
        service(1, 75, 1, "a.example"),
        service(1, 25, 2, "b.example"),
        service(0, 0, 3, "c.example"),
    ];
    let mut first_of_two = BTreeMap::new();
    for seed in 0..1_000 {
        let drawn = in_order(records.to_vec(), &mut Rng::from_number(seed));
        assert_eq!(drawn, in_order(records.to_vec(), &mut Rng::from_number(seed)));
        assert_eq!((drawn.len(), drawn[0].port), (3, 3), "the lower priority first");
        *first_of_two.entry(drawn[1].port).or_insert(0) += 1;
    }
    assert!((700..800).contains(&first_of_two[&1]), "{first_of_two:?}");
    // Weight 0 beside others is seldom first, and never left out.
    let zero = [service(1, 0, 1, "a.example"), service(1, 9, 2, "b.example")];
    let firsts = (0..1_000)
        .filter(|&seed| in_order(zero.to_vec(), &mut Rng::from_number(seed))[0].port == 1);
    assert!((50..150).contains(&firsts.count()));
}

/// T18: whoever answers much makes us try no more than [`TARGETS_MAX`] places, and what does not fit the question is nothing.
#[test]
fn a_flood_of_records_and_answers_to_something_else_are_bounded() {
    let many = (0..1_000).map(|n| service(n, 0, 5060, &format!("h{n}.example"))).collect();
    let ips: Vec<String> = (0..250).map(|n| format!("192.0.2.{n}")).collect();
    let ips: Vec<&str> = ips.iter().map(String::as_str).collect();
    let zone = [("_sip._udp.example", Found::Services(many)), ("h0.example", addresses(&ips))];
    let (asked, found) = locate("sip:b@example", 1, &zone);
    assert_eq!((asked.len(), found.len()), (2 + TARGETS_MAX, TARGETS_MAX));

    let mut locator = locator("sip:b@example", 1);
    let question = locator.poll_question().expect("a question");
    locator.handle_found(&question, addresses(&["192.0.2.1"]));
    locator
        .handle_found(&Question::Services("_sip._udp.other".to_owned()), Found::Services(vec![]));
    assert_eq!(locator.poll_question(), Some(Question::Services("_sip._tcp.example".to_owned())));
}
