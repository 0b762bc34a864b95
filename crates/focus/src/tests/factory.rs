//! The factory: whom a Request-URI means, which conference, and the answers without state.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use proptest::prelude::*;
use sip::{HeaderName, Incoming, SipUri};
use units::Rng;

use super::rig::{CONFERENCE, header, incoming};
use crate::EndPolicy;
use crate::factory::{
    AnswerForm, Factory, FactoryConfig, FactoryError, IdentityKey, RedirectError, Refused, TagKey,
    Who, redirect, refusal,
};

const KEY: [u8; 32] = [7; 32];

fn config() -> FactoryConfig {
    FactoryConfig {
        users: vec!["conference".to_owned(), "8000".to_owned(), "+15551234".to_owned()],
        hosts: vec!["example.com".to_owned(), "192.0.2.1".to_owned(), "[2001:db8::1]".to_owned()],
        answer: AnswerForm::Redirect,
        answer_rules: Vec::new(),
        hold: Duration::from_secs(60),
        expect: 4,
        end: EndPolicy::LastLeaves,
        legs_max: Some(20),
        max_time: None,
        entry: crate::EntryRules::default(),
    }
}

fn factory() -> Factory {
    Factory::new(config()).unwrap()
}

fn seats(uri: &str) -> Option<u32> {
    factory().matches(&uri.parse().unwrap()).map(|asked| asked.seats)
}

/// An INVITE to the factory; `more` may change any part of what the identity looks at.
fn invite(branch: &str, cseq: u32, remote: &str) -> Incoming {
    request("INVITE", branch, cseq, remote, "")
}

fn request(method: &str, branch: &str, cseq: u32, remote: &str, to_tag: &str) -> Incoming {
    incoming(
        &format!(
            "{method} sip:conference@example.com SIP/2.0\n\
             Via: SIP/2.0/UDP 192.0.2.7;branch={branch}\n\
             Via: SIP/2.0/UDP 192.0.2.8;branch=z9hG4bKfirst\n\
             Max-Forwards: 70\nFrom: <sip:alice@example.com>;tag=a1\n\
             To: <sip:conference@example.com>{to_tag}\nCall-ID: c1\nCSeq: {cseq} {method}\n\
             Contact: <sip:alice@192.0.2.7>\nRequire: unheard-of"
        ),
        remote,
    )
}

/// B01 · RFC 4579 §5.4
#[test]
fn request_uri_tells_who_asks_for_a_conference() {
    for uri in [
        "sip:conference@example.com",
        "sips:conference@EXAMPLE.com:5061;transport=tcp",
        "sip:conference:secret@192.0.2.1:5080;lr",
        "sip:c%6Fnference@[2001:DB8:0::1]",
        "sip:8000@example.com",
        "sip:8000@example.com;user=phone",
        "sip:8-0.0(0)@example.com;user=PHONE",
        "sip:+1-555-1234;phone-context=example.com@example.com;user=phone",
    ] {
        assert_eq!(seats(uri), Some(4), "{uri}");
    }
    for uri in [
        CONFERENCE,
        "sip:example.com",
        "sip:Conference@example.com", // RFC 3261 §19.1.4: the user part has case
        "sip:8-000@example.com",      // only a telephone number has visual separators
        "sip:conference@example.org",
        "sip:conference@192.0.2.2",
        "sip:conferenc@example.com",
    ] {
        assert_eq!(seats(uri), None, "{uri}");
    }
}

/// B13 · RFC 4579 App. A
#[test]
fn name_that_somebody_made_up_makes_no_conference() {
    assert_eq!(seats("sip:birthday-party@example.com"), None);
    assert_eq!(seats("sip:conf-abc@example.com"), None);
}

#[test]
fn expected_size_is_read_from_the_uri_and_capped() {
    for (param, expected) in [
        ("", 4),
        (";seats=10", 10),
        (";SEATS=10", 10),
        (";seats=0", 1),
        (";seats=21", 20),
        (";seats=99999999999999", 20),
        (";seats=ten", 4),
        (";seats=-1", 4),
        (";seats", 4),
    ] {
        let uri = format!("sip:conference@example.com{param}");
        assert_eq!(seats(&uri), Some(expected), "{uri}");
    }
    let unlimited = Factory::new(FactoryConfig { legs_max: None, ..config() }).unwrap();
    let asked = unlimited.matches(&"sip:8000@example.com;seats=99999999999".parse().unwrap());
    assert_eq!(asked.unwrap().seats, u32::MAX);
}

#[test]
fn all_aliases_have_one_spelling() {
    assert_eq!(factory().canonical_uri(), "sip:conference@example.com");
    assert_eq!(factory().config(), &config());
}

#[test]
fn configuration_that_cannot_work_is_refused_with_a_reason() {
    let with = |change: fn(&mut FactoryConfig)| {
        let mut config = config();
        change(&mut config);
        Factory::new(config).unwrap_err()
    };
    assert_eq!(with(|c| c.users.clear()), FactoryError::NoUser);
    assert_eq!(with(|c| c.users[1].clear()), FactoryError::NoUser);
    assert_eq!(with(|c| c.hosts.clear()), FactoryError::NoHost);
    let host = "example.com:5060".to_owned();
    assert_eq!(with(|c| c.hosts[0] = "example.com:5060".into()), FactoryError::BadHost { host });
    assert_eq!(with(|c| c.expect = 0), FactoryError::ExpectsNobody);
    let too_many = FactoryError::ExpectsTooMany { expect: 4, legs_max: 3 };
    assert_eq!(with(|c| c.legs_max = Some(3)), too_many);
    let user = "Conf-1".to_owned();
    assert_eq!(
        with(|c| c.users.push("Conf-1".into())),
        FactoryError::UserLooksLikeConference { user }
    );
}

/// B03, B08, B15 · RFC 4579 §5.4; RFC 3261 §21.3.3; RFC 3840 §9
#[test]
fn the_302_names_the_conference_with_a_bare_isfocus_and_no_expires() {
    let invite = invite("z9hG4bK1", 1, "192.0.2.7:5060");
    let response = redirect(&invite, &CONFERENCE.parse().unwrap(), "t1").unwrap();
    assert_eq!(response.status.code(), 302);
    assert_eq!(header(&response, &HeaderName::Contact), format!("<{CONFERENCE}>;isfocus"));
    assert_eq!(response.headers.count(&HeaderName::Contact), 1);
    assert_eq!(response.headers.count(&HeaderName::Expires), 0);
    assert_eq!(response.headers.to().unwrap().tag(), Some("t1"));
    assert_eq!(response.headers.count(&HeaderName::Via), 2);
    let wire = String::from_utf8(response.to_bytes()).unwrap();
    assert!(!wire.to_lowercase().contains("expires") && !wire.contains("sip.isfocus"), "{wire}");
    assert!(response.body.is_empty());
}

#[test]
fn who_asks_by_sips_is_sent_to_sips() {
    let mut invite = invite("z9hG4bK1", 1, "192.0.2.7:5060");
    invite.request.uri = "sips:conference@example.com".parse().unwrap();
    let response = redirect(&invite, &CONFERENCE.parse().unwrap(), "t1").unwrap();
    assert!(header(&response, &HeaderName::Contact).starts_with("<sips:conf-"));
}

/// B06 · RFC 3261 §8.3
#[test]
fn redirect_to_the_request_uri_is_refused_however_it_is_spelled() {
    let conference: SipUri = CONFERENCE.parse().unwrap();
    let mut invite = invite("z9hG4bK1", 1, "192.0.2.7:5060");
    for same in [CONFERENCE.to_owned(), CONFERENCE.replace("mix.example.com", "MIX.Example.COM")] {
        invite.request.uri = same.parse().unwrap();
        assert_eq!(redirect(&invite, &conference, "t1"), Err(RedirectError), "{same}");
    }
}

/// B02 · RFC 4579 §5.4: another branch, CSeq, port or method of answer is the same request again.
#[test]
fn same_request_means_the_same_conference_and_another_one_another() {
    let source = Who::Source(IpAddr::from([192, 0, 2, 7]));
    let key = IdentityKey::new(&KEY);
    let of = |factory: &str, call_id: &str, tag: &str, who: Who<'_>, generation: u32| {
        key.identity(factory, call_id, tag, who, generation)
    };
    let first = of("sip:f@h", "c1", "a1", source, 0);
    assert_eq!(of("sip:f@h", "c1", "a1", source, 0), first);
    let mapped = Who::Source("::ffff:192.0.2.7".parse().unwrap());
    assert_eq!(of("sip:f@h", "c1", "a1", mapped, 0), first);
    let others = [
        of("sip:g@h", "c1", "a1", source, 0),
        of("sip:f@h", "c2", "a1", source, 0),
        of("sip:f@h", "c1", "a2", source, 0),
        of("sip:f@h", "c1a", "1", source, 0), // the same characters, cut elsewhere
        of("sip:f@h", "c1", "a1", Who::Source(IpAddr::from([192, 0, 2, 8])), 0),
        of("sip:f@h", "c1", "a1", Who::Authenticated("192.0.2.7"), 0),
        of("sip:f@h", "c1", "a1", source, 1),
        IdentityKey::new(&[8; 32]).identity("sip:f@h", "c1", "a1", source, 0),
    ];
    let different: BTreeSet<_> = others.into_iter().chain([first]).collect();
    assert_eq!(different.len(), 9);
}

/// B11 · RFC 4353 §3.1
#[test]
fn hundred_thousand_requests_mean_as_many_conferences() {
    let source = Who::Source(IpAddr::from([192, 0, 2, 7]));
    let key = IdentityKey::new(&KEY);
    let ids: BTreeSet<_> = (0..100_000)
        .map(|number| key.identity("sip:f@h", &format!("c{number}"), "a1", source, 0))
        .collect();
    assert_eq!(ids.len(), 100_000);
}

/// RFC 3261 §8.2.7: the same tag on every copy. Who echoes it receives where he sends from.
#[test]
fn ack_with_our_tag_proves_the_source_and_no_other_does() {
    let key = TagKey::new(&KEY);
    let about = [5; 10];
    let first = invite("z9hG4bK1", 1, "192.0.2.7:5060");
    let tags = [key.tag("n1s0", &first), key.tag_about("n1s0", &first, about)];
    assert_eq!(tags.each_ref().map(|tag| tag.len()), [20, 36]);
    let copy = invite("z9hG4bK2", 1, "192.0.2.7:6000");
    assert_eq!([key.tag("n1s0", &copy), key.tag_about("n1s0", &copy, about)], tags);
    let next = invite("z9hG4bK1", 2, "192.0.2.7:5060");
    assert_ne!(key.tag("n1s0", &next), tags[0]);
    assert_ne!(key.tag_about("n1s0", &next, about)[20..], tags[1][20..]);
    assert_ne!(key.tag_about("n1s0", &first, [6; 10])[20..], tags[1][20..], "it vouches for both");

    let ack = |cseq, remote, tag: &str| {
        let ack = request("ACK", "z9hG4bK1", cseq, remote, &format!(";tag={tag}"));
        let told = key.told_of("n1s0", (ack.essentials.identifiers(), tag), ack.source.remote.ip());
        (key.proves_source("n1s0", &ack), told)
    };
    for (tag, about) in [(&tags[0], None), (&tags[1], Some(about))] {
        assert_eq!(ack(1, "192.0.2.7:5060", tag), (true, about));
        assert_eq!(ack(1, "192.0.2.7:6000", tag), (true, about), "a NAT may have moved the port");
        let no = (false, None);
        assert_eq!(ack(1, "192.0.2.9:5060", tag), no);
        assert_eq!(ack(2, "192.0.2.7:5060", tag), no);
        assert_eq!(ack(1, "192.0.2.7:5060", &tag[..19]), no);
        assert_eq!(ack(1, "192.0.2.7:5060", &format!("{tag}a")), no);
        assert_eq!(ack(1, "192.0.2.7:5060", &tag.replacen("n1s0", "n2s0", 1)), no);
        let other_key = request("ACK", "z9hG4bK1", 1, "192.0.2.7:5060", &format!(";tag={tag}"));
        assert!(!TagKey::new(&[8; 32]).proves_source("n1s0", &other_key));
    }
    let other = key.tag_about("n1s0", &first, [6; 10]);
    let swapped = format!("{}{}", &other[..20], &tags[1][20..]);
    assert_eq!(ack(1, "192.0.2.7:5060", &swapped), (false, None), "another conference");
    assert_eq!(ack(1, "192.0.2.7:5060", "n1s0aaaaaaaaaaaaaaaa"), (false, None));
    assert!(!key.proves_source("n1s0", &request("ACK", "z9hG4bK1", 1, "192.0.2.7:5060", "")));
}

fn tenant() -> String {
    "acme".to_owned()
}

fn refusals() -> Vec<(Refused, u16, bool, bool)> {
    vec![
        (Refused::PoolFull { asked: 10, free: 9, short_of: "media ports" }, 480, true, true),
        (Refused::Unproved { asked: 40, limit: 32 }, 480, true, true),
        (Refused::SourceBusy, 480, true, true),
        (Refused::Unanswered { max: 64 }, 480, true, true),
        (Refused::NoSeat, 480, true, true),
        (Refused::NoPort, 480, true, true),
        (Refused::ConferenceFull { legs_max: 3 }, 486, false, true),
        (Refused::TenantFull { tenant: tenant(), asked: 9, has: 5, quota: 10 }, 486, false, true),
        (Refused::TenantRate { tenant: tenant(), per_minute: 5 }, 486, true, true),
        (Refused::NotYet { seconds: 600 }, 480, true, true),
        (Refused::NotFound, 404, false, false),
        (Refused::Draining, 503, true, true),
        (Refused::ShuttingDown, 503, false, true),
        (Refused::NotServed, 501, false, true),
    ]
}

/// RFC 3261 §21.4.18, §20.33, §20.43
#[test]
fn refusal_says_why_in_words_and_when_to_try_again() {
    let invite = invite("z9hG4bK1", 1, "192.0.2.7:5060");
    let mut rng = Rng::from_number(3);
    for (refused, status, retried, explained) in refusals() {
        let response = refusal(&invite, &refused, "mix.example.com", "t1", &mut rng);
        assert_eq!(response.status.code(), status, "{refused:?}");
        assert_eq!(response.headers.retry_after().unwrap().is_some(), retried, "{refused:?}");
        let warnings = response.headers.warnings().unwrap();
        assert_eq!(!warnings.is_empty(), explained, "{refused:?}");
        for warning in warnings {
            let text = refused.to_string();
            assert_eq!((warning.code, warning.agent.as_str()), (399, "mix.example.com"));
            assert_eq!(warning.text, text);
        }
        assert_eq!(response.headers.to().unwrap().tag(), Some("t1"));
    }
    let text = Refused::PoolFull { asked: 10, free: 9, short_of: "media ports" }.to_string();
    assert!(text.contains("10") && text.contains("9 seats are free"), "{text}");
    assert!(text.contains("too little of media ports"), "{text}");
    let text = Refused::TenantRate { tenant: tenant(), per_minute: 5 }.to_string();
    assert!(text.contains("acme") && text.contains("its own limit, not the server's"), "{text}");
}

#[test]
fn refused_callers_are_told_different_times_from_2_to_10_s() {
    let invite = invite("z9hG4bK1", 1, "192.0.2.7:5060");
    let mut rng = Rng::from_number(3);
    let seconds: BTreeSet<_> = (0..500)
        .map(|_| {
            let response = refusal(&invite, &Refused::NoSeat, "h", "t1", &mut rng);
            response.headers.retry_after().unwrap().unwrap().seconds
        })
        .collect();
    assert_eq!(seconds, (2..=10).collect());
}

#[test]
fn options_to_the_factory_shows_what_it_can_do_and_no_focus() {
    let options = request("OPTIONS", "z9hG4bK1", 1, "192.0.2.7:5060", "");
    let response = factory().options(&options, "t1");
    assert_eq!(response.status.code(), 200);
    assert!(header(&response, &HeaderName::Allow).contains("INVITE"));
    assert_eq!(response.headers.count(&HeaderName::Contact), 0);
    assert!(factory().owns(&"Example.COM".parse().unwrap()));
    assert!(!factory().owns(&"example.net".parse().unwrap()));
}

proptest! {
    /// B06 · RFC 3261 §8.3
    #[test]
    fn no_redirect_equals_its_request_uri(user in "[a-z]{1,2}", upper: bool, port in prop::option::of(1..3_u16)) {
        let host = if upper { "EXAMPLE.com" } else { "example.com" };
        let asked = SipUri::new(host.parse().unwrap(), port).with_user(&user);
        let conference: SipUri = "sip:a@example.com:1".parse().unwrap();
        let mut invite = invite("z9hG4bK1", 1, "192.0.2.7:5060");
        invite.request.uri = asked.clone().into();
        match redirect(&invite, &conference, "t") {
            Ok(response) => {
                let contact = response.headers.contact().unwrap().unwrap();
                prop_assert!(!contact.uri.equivalent(&invite.request.uri));
            }
            Err(RedirectError) => prop_assert!(asked.equivalent(&conference)),
        }
    }

    #[test]
    fn matching_never_panics(uri in "sips?:[!-~]{0,40}(@example.com)?(;[a-z]{1,6}(=[!-~]{0,8})?){0,3}") {
        if let Ok(uri) = uri.parse() {
            let seats = factory().matches(&uri).map_or(1, |asked| asked.seats);
            prop_assert!((1..=20).contains(&seats));
        }
    }
}
