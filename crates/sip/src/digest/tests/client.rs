//! Which challenges the keyring answers.

use units::Rng;

use crate::digest::{
    Account, Algorithm, Attempts, CHALLENGES_MAX, Challenge, Credentials, Ha1, Keyring, Password,
    SESSIONS_MAX,
};
use crate::{HeaderName, Message, Request, Response, StatusCode, parse_datagram};

fn account(realm: Option<&str>, hosts: &[&str]) -> Account {
    Account {
        user: "alice".to_owned(),
        password: Password::new("secret"),
        realm: realm.map(str::to_owned),
        hosts: hosts.iter().map(|host| host.parse().expect("a host")).collect(),
    }
}

fn keyring(realm: Option<&str>, hosts: &[&str]) -> Keyring {
    Keyring::new(vec![account(realm, hosts)], Rng::from_number(1))
}

fn request(method: &str, uri: &str, call_id: &str, extra: &str) -> Request {
    let text = format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP y;branch=z9hG4bK1\r\nFrom: <sip:b@y>;tag=1\r\n\
         To: <{uri}>\r\nCall-ID: {call_id}\r\nCSeq: 1 {method}\r\n{extra}\r\n"
    );
    match parse_datagram(text.as_bytes()) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

fn refused(request: &Request, code: u16, challenges: &[String]) -> Response {
    let name =
        if code == 407 { HeaderName::ProxyAuthenticate } else { HeaderName::WwwAuthenticate };
    challenges.iter().fold(
        Response::answering(request, StatusCode::new(code).expect("a status")),
        |response, challenge| response.with_header(name.clone(), challenge.as_str()),
    )
}

fn challenge(realm: &str, nonce: &str) -> String {
    Challenge::new(realm, nonce, Algorithm::Sha256, false).to_string()
}

fn stale(realm: &str, nonce: &str) -> String {
    Challenge::new(realm, nonce, Algorithm::Sha256, true).to_string()
}

fn proofs(request: &Request, name: &HeaderName) -> Vec<Credentials> {
    let read = |value: &crate::HeaderValue| value.text().parse().expect("credentials");
    request.headers.all(name).map(read).collect()
}

fn proof(request: &Request) -> Credentials {
    let mut all = proofs(request, &HeaderName::Authorization);
    assert_eq!(all.len(), 1, "{request:?}");
    all.remove(0)
}

/// A request to the factory, its first challenge, and what the keyring makes of that.
struct Asked {
    keyring: Keyring,
    sent: Request,
    attempts: Attempts,
}

impl Asked {
    fn new(mut keyring: Keyring, uri: &str) -> Self {
        let mut sent = request("INVITE", uri, "c1", "");
        let attempts = keyring.dress(&mut sent);
        Self { keyring, sent, attempts }
    }

    fn factory() -> Self {
        Self::new(keyring(None, &["factory.example"]), "sip:conference@factory.example")
    }

    fn told(&mut self, code: u16, challenges: &[String]) -> Option<Request> {
        let response = refused(&self.sent, code, challenges);
        let again = self.keyring.answer(&self.sent, &response, &mut self.attempts)?;
        self.sent = again.clone();
        Some(again)
    }
}

/// J04, J07 · RFC 3261 §22.2: the same request with proof, and `qop` and the count in it.
#[test]
fn a_challenge_is_answered_with_a_right_proof() {
    let mut asked = Asked::factory();
    assert_eq!(asked.sent.headers.count(&HeaderName::Authorization), 0);
    let again = asked.told(401, &[challenge("r", "n1")]).expect("answered");
    let credentials = proof(&again);
    let count = credentials.count.clone().expect("a count");
    assert_eq!((count.number, count.nc.as_str()), (1, "00000001"));
    assert_eq!(credentials.uri, "sip:conference@factory.example");
    let secret = Ha1::of(Algorithm::Sha256, "alice", "r", &Password::new("secret"));
    assert!(credentials.prove(&secret, "INVITE"));
    let mut without = again;
    without.headers.remove(&HeaderName::Authorization);
    assert_eq!(without, request("INVITE", "sip:conference@factory.example", "c1", ""));
}

/// T34 · RFC 3261 §22.1: what was just rejected is not tried again, with the same nonce or another.
#[test]
fn rejected_credentials_are_not_tried_again() {
    let mut asked = Asked::factory();
    asked.told(401, &[challenge("r", "n1")]).expect("answered");
    assert_eq!(asked.told(401, &[challenge("r", "n1")]), None);
    assert_eq!(asked.told(401, &[stale("r", "n1")]), None, "the same nonce cannot be fresh now");
    assert_eq!(asked.told(401, &[challenge("r", "n2")]), None);
    asked.told(401, &[stale("r", "n2")]).expect("only the nonce was too old");
}

/// T34 · Endless challenges end.
#[test]
fn a_loop_of_stale_nonces_ends() {
    let mut asked = Asked::factory();
    for number in 0..CHALLENGES_MAX {
        asked.told(401, &[stale("r", &format!("n{number}"))]).expect("answered");
    }
    assert_eq!(asked.told(401, &[stale("r", "one-more")]), None);
}

/// J03, T37 · RFC 8760 §2.4: the topmost that is known; unknown ones are ignored; none that fits, no answer.
#[test]
fn the_topmost_challenge_that_fits_is_taken() {
    let of = |algorithm: &str| {
        format!("Digest realm=\"r\", nonce=\"n\", qop=\"auth\", algorithm={algorithm}")
    };
    let (sha, md5, new) = (of("SHA-256"), of("MD5"), of("SHA3-512"));
    let basic = "Basic realm=\"r\"".to_owned();
    let integrity = sha.replace("auth", "auth-int");
    let cases = [
        (vec![sha.clone(), md5.clone(), new.clone()], Some(Algorithm::Sha256)),
        (vec![new.clone(), basic.clone(), sha.clone(), md5.clone()], Some(Algorithm::Sha256)),
        (vec![md5.clone(), sha.clone()], Some(Algorithm::Md5)),
        (vec![integrity.clone(), new.clone(), md5], Some(Algorithm::Md5)),
        (vec![of("SHA-512-256"), sha], Some(Algorithm::Sha512_256)),
        (vec![new, basic, integrity, "Digest".to_owned()], None),
        (vec![], None),
    ];
    for (challenges, expected) in cases {
        let again = Asked::factory().told(401, &challenges);
        assert_eq!(again.map(|again| proof(&again).algorithm), expected, "{challenges:?}");
    }
}

/// T37 · RFC 8760 §3: a realm that has offered better does not get MD5 later.
#[test]
fn a_realm_does_not_fall_back_to_md5() {
    let mut asked = Asked::factory();
    asked.told(401, &[challenge("r", "n1")]).expect("answered");
    let md5 = Challenge::new("r", "n2", Algorithm::Md5, true).to_string();
    assert_eq!(asked.told(401, std::slice::from_ref(&md5)), None);
    asked.told(401, &[md5, stale("r", "n3")]).expect("the better one is there too");
}

/// RFC 3261 §22.3: a proxy and a server, each in its realm; both proofs go on.
#[test]
fn a_proxy_and_a_server_are_answered_each_in_its_field() {
    let accounts = vec![
        Account { user: "pa".to_owned(), ..account(Some("proxy"), &[]) },
        account(Some("server"), &[]),
    ];
    let keyring = Keyring::new(accounts, Rng::from_number(1));
    let mut asked = Asked::new(keyring, "sip:x@y.example");
    asked.told(407, &[challenge("proxy", "p1")]).expect("answered");
    let again = asked.told(401, &[challenge("server", "s1")]).expect("answered");
    assert_eq!(proof(&again).realm, "server");
    let proxies = proofs(&again, &HeaderName::ProxyAuthorization);
    assert_eq!((proxies.len(), proxies[0].realm.as_str()), (1, "proxy"));
    assert_eq!(proxies[0].count.as_ref().expect("a count").number, 2, "a new request, a new count");
    assert_eq!(asked.told(407, &[challenge("proxy", "p2")]), None, "that one was rejected");
}

/// RFC 3261 §22.3: later requests of the call bring the proof along, with the count one higher; those of
/// other calls do not.
#[test]
fn a_nonce_is_used_on_within_its_call_and_counted() {
    let mut asked = Asked::factory();
    asked.told(401, &[challenge("r", "n1")]).expect("answered");
    let mut redirected = request("INVITE", "sip:conf-1@focus.example", "c1", "");
    let mut attempts = asked.keyring.dress(&mut redirected);
    let credentials = proof(&redirected);
    assert_eq!(credentials.count.expect("a count").number, 2);
    assert_eq!(
        (credentials.uri.as_str(), credentials.nonce.as_str()),
        ("sip:conf-1@focus.example", "n1")
    );
    let mut other = request("REFER", "sip:bob@192.0.2.9", "c2", "");
    asked.keyring.dress(&mut other);
    assert_eq!(other.headers.count(&HeaderName::Authorization), 0);

    // The nonce was of an earlier request: a new one is no rejection, even if nobody says stale.
    let response = refused(&redirected, 401, &[challenge("r", "n2")]);
    let again = asked.keyring.answer(&redirected, &response, &mut attempts).expect("answered");
    assert_eq!(proof(&again).count.expect("a count").number, 1);
    let response = refused(&again, 401, &[challenge("r", "n3")]);
    assert_eq!(asked.keyring.answer(&again, &response, &mut attempts), None);
}

/// A server that hands out one nonce for many calls gets one count for all of them.
#[test]
fn a_nonce_of_two_calls_has_one_count() {
    let mut asked = Asked::factory();
    asked.told(401, &[challenge("r", "n1")]).expect("answered");
    let mut second = request("OPTIONS", "sip:conference@factory.example", "c2", "");
    let mut attempts = asked.keyring.dress(&mut second);
    let response = refused(&second, 401, &[challenge("r", "n1")]);
    let again = asked.keyring.answer(&second, &response, &mut attempts).expect("answered");
    assert_eq!(proof(&again).count.expect("a count").number, 2);
}

/// T30 · Without a realm in the account, the first that the host names is it, and no other afterwards.
#[test]
fn a_foreign_realm_gets_no_proof() {
    let mut asked = Asked::factory();
    asked.told(401, &[challenge("r", "n1")]).expect("answered");
    assert_eq!(asked.told(401, &[challenge("evil", "e1")]), None);
    assert_eq!(asked.told(407, &[challenge("evil", "e1")]), None);
    let tag = |method| {
        let mut inside = request(method, "sip:conf-1@focus.example", "c1", "");
        inside.headers.set(HeaderName::To, "<sip:conf-1@focus.example>;tag=2");
        inside
    };
    for method in ["BYE", "NOTIFY", "REFER", "INVITE"] {
        let mut inside = tag(method);
        let mut attempts = asked.keyring.dress(&mut inside);
        let response = refused(&inside, 401, &[challenge("evil", "e2")]);
        assert_eq!(asked.keyring.answer(&inside, &response, &mut attempts), None, "{method}");
        let response = refused(&inside, 401, &[stale("r", method)]);
        assert!(asked.keyring.answer(&inside, &response, &mut attempts).is_some(), "{method}");
    }
}

/// T30 · Right realm, wrong place: who is not the account's host, and was not reached from there, gets
/// nothing; neither by a Contact, a `maddr` nor a Route that only looks like it.
#[test]
fn a_stranger_gets_no_proof_even_with_the_right_realm() {
    let mut asked = Asked::factory();
    asked.told(401, &[challenge("r", "n1")]).expect("answered");
    let tagged = |uri: &str| {
        let mut inside = request("BYE", uri, "his-call", "");
        inside.headers.set(HeaderName::To, "<sip:x@y>;tag=2");
        inside
    };
    let strangers = [
        request("REFER", "sip:bob@evil.example", "c2", ""),
        request("INVITE", "sip:conference@factory.example;maddr=192.0.2.66", "c3", ""),
        request("INVITE", "sip:x@factory.example", "c4", "Route: <sip:evil.example;lr>\r\n"),
        tagged("sip:alice@factory.example"),
    ];
    for mut stranger in strangers {
        let mut attempts = asked.keyring.dress(&mut stranger);
        assert_eq!(stranger.headers.count(&HeaderName::Authorization), 0);
        let response = refused(&stranger, 401, &[challenge("r", "n1")]);
        let answer = asked.keyring.answer(&stranger, &response, &mut attempts);
        assert_eq!(answer, None, "{}", stranger.uri);
    }
    let mut through =
        request("INVITE", "sip:x@y.example", "c5", "Route: <sip:FACTORY.example;lr>\r\n");
    let mut attempts = asked.keyring.dress(&mut through);
    let response = refused(&through, 407, &[challenge("r", "n2")]);
    assert!(asked.keyring.answer(&through, &response, &mut attempts).is_some(), "our own proxy");
}

/// T30 · An account that names its realm and no host is for that realm, wherever it is; one that names
/// neither is for nobody.
#[test]
fn an_account_of_a_realm_is_for_that_realm_alone() {
    let mut asked = Asked::new(keyring(Some("r"), &[]), "sip:x@anywhere.example");
    assert_eq!(asked.told(401, &[challenge("other", "n1")]), None);
    assert!(asked.told(401, &[challenge("other", "n1"), challenge("r", "n1")]).is_some());
    let mut asked = Asked::new(keyring(None, &[]), "sip:x@anywhere.example");
    assert_eq!(asked.told(401, &[challenge("r", "n1")]), None);
    let mut asked = Asked::new(keyring(Some("r"), &["home.example"]), "sip:x@away.example");
    assert_eq!(asked.told(401, &[challenge("r", "n1")]), None, "realm and place must both fit");
    let mut asked = Asked::new(Keyring::new(vec![], Rng::from_number(1)), "sip:x@y");
    assert_eq!(asked.told(401, &[challenge("r", "n1")]), None);
}

/// RFC 3261 §22.1: these two are never challenged, so whoever does so is not answered.
#[test]
fn ack_and_cancel_are_not_sent_again() {
    for method in ["ACK", "CANCEL"] {
        let mut keyring = keyring(Some("r"), &[]);
        let sent = request(method, "sip:x@y", "c1", "");
        let response = refused(&sent, 401, &[challenge("r", "n1")]);
        assert_eq!(keyring.answer(&sent, &response, &mut Attempts::default()), None);
    }
}

/// Nonces are not collected without end.
#[test]
fn old_nonces_are_forgotten() {
    let mut keyring = keyring(Some("r"), &[]);
    for number in 0..2 * SESSIONS_MAX {
        let mut sent = request("OPTIONS", "sip:x@y", &format!("c{number}"), "");
        let mut attempts = keyring.dress(&mut sent);
        let response = refused(&sent, 401, &[challenge("r", &format!("n{number}"))]);
        keyring.answer(&sent, &response, &mut attempts).expect("answered");
    }
    let mut first = request("OPTIONS", "sip:x@y", "c0", "");
    keyring.dress(&mut first);
    assert_eq!(first.headers.count(&HeaderName::Authorization), 0);
    let mut last = request("OPTIONS", "sip:x@y", &format!("c{}", 2 * SESSIONS_MAX - 1), "");
    keyring.dress(&mut last);
    assert_eq!(proof(&last).count.expect("a count").number, 2);
}
