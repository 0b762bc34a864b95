//! Nonces and their counts.

use std::net::IpAddr;
use std::time::Duration;

use units::{Instant, Rng, UnixTime};

use crate::digest::{NONCE_LIFE, Nonce, NonceKey, Print, USED_NONCES_MAX, Use, UsedNonces};
use crate::{Essentials, Message, parse_datagram};

const WALL: UnixTime = UnixTime(1_795_400_000);

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn minted(key: &NonceKey, at: UnixTime, seed: u32) -> Nonce {
    let source = ip("192.0.2.1");
    let text = key.mint(1, at, source, &[&seed.to_be_bytes()]);
    key.read(&text, source).expect("our own")
}

fn print(call_id: &str, cseq: u32) -> Print {
    let text = format!(
        "OPTIONS sip:a@x SIP/2.0\r\nVia: SIP/2.0/UDP y;branch=z9hG4bK1\r\nFrom: <sip:b@y>;tag=1\r\n\
         To: <sip:a@x>\r\nCall-ID: {call_id}\r\nCSeq: {cseq} OPTIONS\r\n\r\n"
    );
    let Ok(Message::Request(request)) = parse_datagram(text.as_bytes()) else { panic!("{text}") };
    Print::of(&Essentials::of(&request.headers).expect("whole"), ip("192.0.2.1"))
}

/// J06 · RFC 7616 §3.3, §5.4: made for one address, read by any node with the key, and by nobody else.
#[test]
fn a_nonce_is_known_by_every_node_with_the_key_and_for_one_address() {
    let key = NonceKey::new([7; 32]);
    let (alice, bob) = (ip("192.0.2.1"), ip("192.0.2.2"));
    let text = key.mint(3, WALL, alice, &[b"call", b"1"]);
    assert_eq!(text.len(), 48);
    let other_node = NonceKey::new([7; 32]);
    assert_eq!(other_node.read(&text, alice).expect("ours").made_at(), WALL);
    assert_eq!(other_node.read(&text, ip("::ffff:192.0.2.1")), key.read(&text, alice));
    assert_eq!(key.read(&text, bob), None);
    assert_eq!(NonceKey::new([8; 32]).read(&text, alice), None);
    assert_eq!(text, key.mint(3, WALL, alice, &[b"call", b"1"]), "a copy gets the same");
    let others = [
        key.mint(4, WALL, alice, &[b"call", b"1"]),
        key.mint(3, UnixTime(WALL.0 + 1), alice, &[b"call", b"1"]),
        key.mint(3, WALL, bob, &[b"call", b"1"]),
        key.mint(3, WALL, alice, &[b"cal", b"l1"]),
    ];
    assert!(others.iter().all(|other| *other != text));
    assert_eq!(format!("{key:?}"), "NonceKey");
}

/// J06 · Each of its characters counts, and nothing else than a nonce is one.
#[test]
fn a_forged_nonce_is_none() {
    let key = NonceKey::new([7; 32]);
    let source = ip("192.0.2.1");
    let text = key.mint(3, WALL, source, &[]);
    for at in 0..text.len() {
        let mut forged: Vec<char> = text.chars().collect();
        forged[at] = if forged[at] == '0' { '1' } else { '0' };
        assert_eq!(key.read(&forged.iter().collect::<String>(), source), None, "{at}");
    }
    for other in
        ["", "00", &text[1..], &format!("{text}00"), &text.to_uppercase().replace('A', "Ä")]
    {
        assert_eq!(key.read(other, source), None, "{other}");
    }
}

/// J06 · RFC 7616 §3.3: time-limited, and no more than that: clocks of two nodes may differ.
#[test]
fn a_nonce_lives_for_its_time() {
    let key = NonceKey::new([7; 32]);
    let nonce = minted(&key, WALL, 0);
    let life = NONCE_LIFE.as_secs();
    assert!(nonce.is_fresh(WALL) && nonce.is_fresh(UnixTime(WALL.0 + life)));
    assert!(!nonce.is_fresh(UnixTime(WALL.0 + life + 1)));
    assert!(nonce.is_fresh(UnixTime(WALL.0 - 60)), "a node whose clock is behind");
    assert!(!nonce.is_fresh(UnixTime(WALL.0 - life - 1)));
}

/// J06, T37 · RFC 7616 §3.4, §5.5: each count once, in any order within the window.
#[test]
fn each_count_is_good_once() {
    let nonce = minted(&NonceKey::new([7; 32]), WALL, 0);
    let mut used = UsedNonces::new();
    let mut cseq = 0;
    let mut at = |number| {
        cseq += 1;
        used.note((Instant::ZERO, WALL), nonce, number, print("c", cseq))
    };
    for number in [1, 2, 5, 3, 4, 70, 7, 69] {
        assert_eq!(at(number), Use::First, "{number}");
    }
    for number in [1, 2, 5, 3, 4, 70, 7, 69, 0] {
        assert_eq!(at(number), Use::Replayed, "{number}");
    }
    assert_eq!(at(6), Use::Replayed, "further back than the window");
    assert_eq!(at(8), Use::First);
    assert_eq!(at(u32::MAX), Use::First);
    assert_eq!(at(71), Use::Replayed);
    assert_eq!(at(u32::MAX - 63), Use::First);
}

/// J04 · A peer who does not count may use a nonce once.
#[test]
fn a_nonce_without_a_count_is_good_once() {
    let key = NonceKey::new([7; 32]);
    let mut used = UsedNonces::new();
    let now = (Instant::ZERO, WALL);
    assert_eq!(used.note(now, minted(&key, WALL, 0), 0, print("c", 1)), Use::First);
    assert_eq!(used.note(now, minted(&key, WALL, 0), 0, print("c", 2)), Use::Replayed);
    assert_eq!(used.note(now, minted(&key, WALL, 1), 0, print("c", 2)), Use::First);
}

/// The same request from the wire again is no replay while it can be a copy; another request is.
#[test]
fn copies_are_told_from_replays() {
    let nonce = minted(&NonceKey::new([7; 32]), WALL, 0);
    let mut used = UsedNonces::new();
    let mut at =
        |ms, number, print| used.note((Instant::from_millis(ms), WALL), nonce, number, print);
    assert_eq!(at(0, 1, print("c", 1)), Use::First);
    assert_eq!(at(500, 1, print("c", 1)), Use::Copy);
    assert_eq!(at(32_000, 1, print("c", 1)), Use::Copy);
    assert_eq!(at(32_001, 1, print("c", 1)), Use::Replayed);
    assert_eq!(at(500, 1, print("c", 2)), Use::Replayed);
    assert_eq!(at(500, 1, print("d", 1)), Use::Replayed);
    for number in 2..=5 {
        assert_eq!(at(500, number, print("c", number)), Use::First);
    }
    assert_eq!(at(600, 1, print("c", 1)), Use::Replayed, "four later ones have pushed it out");
    assert_eq!(at(600, 2, print("c", 2)), Use::Copy);
}

/// J06 · The table is bounded, forgets what has expired, and what it forgot for want of room is not
/// good again.
#[test]
fn what_was_forgotten_is_stale_and_not_new() {
    let key = NonceKey::new([7; 32]);
    let mut used = UsedNonces::new();
    let now = Instant::ZERO;
    let first = minted(&key, WALL, u32::MAX);
    let later = UnixTime(WALL.0 + 1);
    assert_eq!(used.note((now, WALL), first, 1, print("c", 1)), Use::First);
    let mut seed = Rng::from_number(1);
    let same_print = print("d", 1);
    for _ in 0..USED_NONCES_MAX {
        let nonce = Nonce::drawn(later, &mut seed);
        used.note((now, later), nonce, 1, same_print);
    }
    assert_eq!(used.len(), USED_NONCES_MAX);
    assert_eq!(used.note((now, later), first, 1, print("e", 9)), Use::Replayed);
    assert_eq!(used.note((now, later), first, 2, print("e", 9)), Use::Replayed);
    let as_old = minted(&key, UnixTime(WALL.0 - 1), 5);
    assert_eq!(used.note((now, later), as_old, 1, print("e", 9)), Use::Replayed);

    let over = UnixTime(later.0 + NONCE_LIFE.as_secs() + 1);
    let fresh = minted(&key, over, 6);
    assert_eq!(
        used.note((now + Duration::from_secs(301), over), fresh, 1, print("f", 1)),
        Use::First
    );
    assert_eq!(used.len(), 1);
}
