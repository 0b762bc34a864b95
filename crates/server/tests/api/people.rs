//! What is asked of a conference that somebody is in.

use std::io::{BufRead as _, BufReader, Lines, Read as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};

use serde_json::{Value, json};
use sip::{Method, Request, Response, StatusCode};

use crate::phone::Phone;
use crate::{Answer, Api, NOBODY, OPERATOR, kind};

const READER: usize = 0;

/// What happens, as it is told.
struct Told(Lines<BufReader<TcpStream>>);

impl Told {
    fn of(api: &Api) -> Self {
        let stream = api.send(OPERATOR, "GET /v1/events", "", "");
        let mut lines = BufReader::new(stream).lines();
        lines.by_ref().find(|line| line.as_ref().is_ok_and(|line| line.contains(": here")));
        Self(lines)
    }

    /// The next event of this kind about this participant; what is told before is passed over.
    fn until(&mut self, kind: &str, leg: u32) -> Value {
        let mut data = self.0.by_ref().filter_map(|line| {
            serde_json::from_str(line.expect("goes on").strip_prefix("data: ")?).ok()
        });
        let is_it = |event: &Value| event["type"] == kind && event["leg"] == leg;
        data.find(is_it).expect("it happens")
    }
}

/// A conference that is made over HTTP.
struct Room<'a> {
    api: &'a Api,
    path: String,
    uri: String,
}

impl<'a> Room<'a> {
    fn make(api: &'a Api, rules: Value) -> Self {
        let made = api.ask(OPERATOR, "POST /v1/conferences", rules);
        assert_eq!(made.status, 201, "{}", made.body);
        let text = |field: &str| made.body[field].as_str().expect("text").to_owned();
        Self { api, path: format!("/v1/conferences/{}", text("id")), uri: text("uri") }
    }

    /// Somebody calls, and is answered.
    fn call(&self, name: &str) -> Person {
        let mut phone = Phone::new(&self.api.server, name);
        phone.media = Some(UdpSocket::bind("127.0.0.1:0").expect("a port"));
        let joined = phone.enter(&self.uri);
        Person { phone, port: media_port(&joined.body), packets: 0 }
    }

    fn path_of(&self, leg: u32) -> String {
        format!("{}/participants/{leg}", self.path)
    }

    fn show(&self, leg: u32) -> Answer {
        self.api.ask(READER, &format!("GET {}", self.path_of(leg)), Value::Null)
    }

    fn is(&self, leg: u32, field: &str, value: Value) {
        let shown = self.show(leg);
        assert_eq!((shown.status, &shown.body[field]), (200, &value), "{leg}: {}", shown.body);
    }

    fn change(&self, leg: u32, change: Value) -> Answer {
        self.api.ask(OPERATOR, &format!("PATCH {}", self.path_of(leg)), change)
    }

    fn remove(&self, leg: u32) -> u16 {
        self.api.ask(OPERATOR, &format!("DELETE {}", self.path_of(leg)), Value::Null).status
    }
}

/// Somebody who called.
struct Person {
    phone: Phone,
    /// Where his sound goes.
    port: SocketAddr,
    packets: u16,
}

impl Person {
    /// Sends a packet of his sound that begins at this time of its clock.
    fn send(&mut self, payload_type: u8, stamp: u32, payload: &[u8]) {
        self.packets += 1;
        let [high, low] = self.packets.to_be_bytes();
        let mut packet = vec![0x80, payload_type, high, low];
        packet.extend(stamp.to_be_bytes());
        packet.extend([0, 0, 0, 7]);
        packet.extend(payload);
        let media = self.phone.media.as_ref().expect("it has sound");
        media.send_to(&packet, self.port).expect("sent");
    }

    /// Presses keys one after another. The end of each is told again until it is taken (RFC 4733 §2.5.1.4): what comes faster
    /// than a phone talks is dropped.
    fn key(&mut self, api: &Api, keys: &str) {
        if self.packets == 0 {
            // Some silence first: who is heard for the first time is believed after a few packets.
            (0..SILENCE_PACKETS).for_each(|at| self.send(8, at * 160, &[0xd5; 160]));
        }
        for key in keys.bytes() {
            let code = if key == b'#' { 11 } else { key - b'0' };
            let stamp = u32::from(self.packets) * 1_600;
            let before = keys_pressed(api);
            let is_taken = (0..TRIES_MAX).any(|tried| {
                if tried % AGAIN_AFTER == 0 {
                    self.send(101, stamp, &[code, 0x80 | 10, 3, 0x20]);
                }
                keys_pressed(api) > before
            });
            assert!(is_taken, "{key}");
        }
    }

    /// He is told to go, and why.
    fn goes(&mut self) -> String {
        let bye = self.phone.request(&Method::Bye);
        self.phone.answer(&bye);
        let reason = sip::HeaderName::parse("Reason").expect("a name");
        bye.headers.get(&reason).expect("a Reason").text().into_owned()
    }
}

/// Packets of silence before keys.
const SILENCE_PACKETS: u32 = 8;

/// How often it is asked whether a key is there, and after how often it is told once more: some ten times a second.
const TRIES_MAX: usize = 10_000;
const AGAIN_AFTER: usize = 50;

/// Keys that the mixer has told of.
fn keys_pressed(api: &Api) -> u64 {
    let mut page = String::new();
    api.send(NOBODY, "GET /metrics", "", "").read_to_string(&mut page).expect("answered");
    let count = page.lines().find_map(|line| line.strip_prefix("convoke_keys_pressed_total "));
    count.expect("it is counted").parse().expect("a number")
}

/// Address and port of an SDP for one stream.
fn media_port(body: &[u8]) -> SocketAddr {
    let text = String::from_utf8(body.to_vec()).expect("text");
    let line = text.lines().find_map(|line| line.strip_prefix("m=audio ")).expect("a stream");
    let port = line.split(' ').next().and_then(|port| port.parse().ok()).expect("a port");
    SocketAddr::from(([127, 0, 0, 1], port))
}

#[test]
fn whoever_keys_the_pin_is_in_and_who_keys_the_other_one_moderates() {
    let api = Api::start();
    let mut told = Told::of(&api);
    let room = Room::make(&api, json!({ "pin": "471147", "moderatorPin": "80047" }));
    let (mut alice, mut bob) = (room.call("alice"), room.call("bob"));
    for leg in [0, 1] {
        assert_eq!(told.until("waits", leg)["state"], "asked-for-pin");
        room.is(leg, "state", json!("asked-for-pin"));
    }
    alice.key(&api, "1111#");
    alice.key(&api, "471147");
    told.until("joined", 0);
    room.is(0, "state", json!("joined"));
    room.is(0, "role", json!("guest"));
    room.is(1, "state", json!("asked-for-pin"));
    bob.key(&api, "80047");
    told.until("joined", 1);
    room.is(1, "role", json!("moderator"));

    // Who is in stays when the PIN changes, and who comes keys the new one, or needs none.
    let one = format!("PATCH {}", room.path);
    let changed = api.ask(OPERATOR, &one, json!({ "pin": "4242", "moderatorPin": null }));
    assert_eq!((changed.status, &changed.body["moderatorPin"]), (200, &json!(false)));
    room.is(0, "state", json!("joined"));
    let mut carol = room.call("carol");
    told.until("waits", 2);
    carol.key(&api, "4242");
    told.until("joined", 2);
    let _dave = room.call("dave");
    told.until("waits", 3);
    assert_eq!(api.ask(OPERATOR, &one, json!({ "pin": null })).body["pin"], false);
    told.until("joined", 3);
}

#[test]
fn whoever_waits_in_the_lobby_is_let_in_or_turned_away_by_who_may() {
    let api = Api::start();
    let mut told = Told::of(&api);
    let room = Room::make(&api, json!({ "lobby": true }));
    let (_alice, mut bob, _carol) = (room.call("alice"), room.call("bob"), room.call("carol"));
    for leg in [0, 1, 2] {
        assert_eq!(told.until("waits", leg)["state"], "waiting");
        room.is(leg, "state", json!("waiting"));
    }
    // Nobody else may.
    for (who, expected) in [(READER, 403), (NOBODY, 401)] {
        let line = format!("PATCH {}", room.path_of(0));
        assert_eq!(api.ask(who, &line, json!({ "state": "joined" })).status, expected);
        let line = format!("DELETE {}", room.path_of(0));
        assert_eq!(api.ask(who, &line, Value::Null).status, expected);
    }
    room.is(0, "state", json!("waiting"));
    let admitted = room.change(0, json!({ "state": "joined", "muted": true }));
    assert_eq!(
        (admitted.status, &admitted.body["muted"]),
        (200, &json!(true)),
        "{}",
        admitted.body
    );
    told.until("joined", 0);
    room.is(0, "role", json!("guest"));
    room.is(1, "state", json!("waiting"));
    assert_eq!(room.remove(1), 204);
    assert!(bob.goes().contains("SIP"), "a Reason");
    told.until("left", 1);
    assert_eq!(kind(&room.show(1)), "/v1/problems/no-participant");
    // Who is made a moderator need not wait; nor is there a lobby without one.
    let appointed = room.change(2, json!({ "role": "moderator" }));
    assert_eq!((appointed.status, &appointed.body["role"]), (200, &json!("moderator")));
    told.until("joined", 2);
    let _dave = room.call("dave");
    told.until("waits", 3);
    let open = api.ask(OPERATOR, &format!("PATCH {}", room.path), json!({ "lobby": false }));
    assert_eq!(open.status, 200, "{}", open.body);
    told.until("joined", 3);
}

#[test]
fn who_is_in_is_muted_made_a_moderator_and_removed() {
    let api = Api::start();
    let mut told = Told::of(&api);
    let room = Room::make(&api, json!({ "max": 2 }));
    let (mut alice, mut bob) = (room.call("alice"), room.call("bob"));
    told.until("joined", 1);
    for (muted, again) in [(true, true), (false, false)] {
        for _ in [muted, again] {
            assert_eq!(room.change(0, json!({ "muted": muted })).body["muted"], muted);
        }
        assert_eq!(told.until("muted", 0)["muted"], muted);
        room.is(0, "muted", json!(muted));
        room.is(1, "muted", json!(false));
    }
    for role in ["moderator", "guest"] {
        assert_eq!(room.change(1, json!({ "role": role })).body["role"], role);
        assert_eq!(told.until("appointed", 1)["role"], role);
        room.is(1, "role", json!(role));
    }
    for (change, status) in [
        (json!({ "role": "creator" }), 400),
        (json!({ "state": "waiting" }), 400),
        (json!({ "muted": null }), 400),
    ] {
        assert_eq!(room.change(1, change.clone()).status, status, "{change}");
    }
    // Full, and locked: nobody more.
    let full = api.ask(
        OPERATOR,
        &format!("POST {}/participants", room.path),
        json!({ "uri": "sip:x@127.0.0.1:9" }),
    );
    assert_eq!((full.status, kind(&full).as_str()), (409, "/v1/problems/conference-full"));
    let people = api.ask(READER, &format!("GET {}/participants?limit=1", room.path), Value::Null);
    assert_eq!(people.body["participants"][0]["uri"], "sip:alice@example.com");
    assert_eq!(people.body["next"], "0");
    assert_eq!(room.remove(0), 204);
    assert!(alice.goes().contains("Removed"));
    told.until("left", 0);
    assert_eq!((room.show(0).status, room.remove(0)), (404, 404));
    assert_eq!(kind(&room.change(0, json!({ "muted": true }))), "/v1/problems/no-participant");
    // It ends for who is left, and then for all.
    let ended = api.ask(OPERATOR, &format!("DELETE {}", room.path), Value::Null);
    assert_eq!(ended.status, 204);
    assert!(bob.goes().contains("ended"));
    told.until("left", 1);
    assert_eq!(kind(&room.show(1)), "/v1/problems/no-conference");
}

/// Whom the conference calls is asked for no PIN and waits for nobody; before he answers nothing can be done to him but to give
/// up.
#[test]
fn whom_the_conference_calls_comes_in_at_once_and_can_be_given_up() {
    let api = Api::start();
    let mut told = Told::of(&api);
    let room = Room::make(&api, json!({ "pin": "471147", "lobby": true }));
    let mut bob = Phone::new(&api.server, "bob");
    let called = |uri: &str| {
        let line = format!("POST {}/participants", room.path);
        let called = api.ask(OPERATOR, &line, json!({ "uri": uri }));
        assert_eq!(
            (called.status, &called.body["dialled"]),
            (201, &json!(true)),
            "{}",
            called.body
        );
        let path = format!("{}/participants/{}", room.path, called.body["id"]);
        assert!(called.head.contains(&format!("location: {path}")), "{}", called.head);
    };
    called(&format!("sip:bob@{}", bob.own));
    let invite = bob.request(&Method::Invite);
    for change in
        [json!({ "muted": true }), json!({ "role": "moderator" }), json!({ "state": "joined" })]
    {
        let early = room.change(0, change);
        assert_eq!((early.status, kind(&early).as_str()), (409, "/v1/problems/not-in-yet"));
    }
    answer_call(&bob, &invite);
    told.until("joined", 0);
    room.is(0, "state", json!("joined"));
    room.is(0, "role", json!("guest"));
    assert_eq!(room.change(0, json!({ "muted": true })).status, 200);

    let mut carol = Phone::new(&api.server, "carol");
    called(&format!("sip:carol@{}", carol.own));
    let invite = carol.request(&Method::Invite);
    carol.udp.send_to(&ringing(&invite).to_bytes(), carol.server).expect("sent");
    assert_eq!(room.remove(1), 204);
    let cancel = carol.request(&Method::Cancel);
    carol.answer(&cancel);
    carol
        .udp
        .send_to(&tagged(&invite, StatusCode::REQUEST_TERMINATED).to_bytes(), carol.server)
        .expect("sent");
    told.until("not-reached", 1);
}

fn tagged(request: &Request, status: StatusCode) -> Response {
    let mut response = Response::answering(request, status);
    let to = format!("{};tag=b", request.headers.get(&sip::HeaderName::To).expect("a To").text());
    response.headers.set(sip::HeaderName::To, to);
    response
}

fn ringing(invite: &Request) -> Response {
    tagged(invite, StatusCode::RINGING)
}

fn answer_call(phone: &Phone, invite: &Request) {
    let mut answer = tagged(invite, StatusCode::OK);
    answer.headers.set(sip::HeaderName::Contact, format!("<sip:bob@{}>", phone.own));
    answer.headers.set(sip::HeaderName::ContentType, "application/sdp");
    answer.body = phone.offer().into_bytes();
    phone.udp.send_to(&answer.to_bytes(), phone.server).expect("sent");
}
