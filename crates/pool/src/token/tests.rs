use std::collections::BTreeSet;

use proptest::prelude::*;
use units::Rng;

use super::*;

fn keys(current: u8, previous: &[u8]) -> TokenKeys {
    TokenKeys { current: key(current), previous: previous.iter().map(|id| key(*id)).collect() }
}

fn key(id: u8) -> Key {
    Key::new(id, [id; 32])
}

fn at_minutes(minutes: u64) -> UnixTime {
    UnixTime(TOKEN_EPOCH.0 + minutes * 60)
}

const ID: ConferenceId = ConferenceId([7; 10]);

#[test]
fn token_is_conf_and_42_characters_of_lower_case_base32() {
    let user = mint(&keys(1, &[]), 3, ID, at_minutes(5));
    let text = user.strip_prefix("conf-").unwrap();
    assert_eq!(text.len(), 42);
    assert!(text.bytes().all(|byte| byte.is_ascii_lowercase() || (b'2'..=b'7').contains(&byte)));
    // The first 16 bytes are in the open: key 1, node 3, the id, 5 minutes.
    let decoded = BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes()).unwrap();
    assert_eq!(decoded.len(), 26);
    assert_eq!(decoded[..16], [1, 0, 3, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 0, 0, 5]);
}

#[test]
fn deadline_is_rounded_up_to_a_minute_and_clipped_at_both_ends() {
    let keys = keys(1, &[]);
    let deadline = |wall| read(&keys, &mint(&keys, 0, ID, wall)).unwrap().deadline();
    assert_eq!(deadline(UnixTime(TOKEN_EPOCH.0 + 61)), at_minutes(2));
    assert_eq!(deadline(at_minutes(2)), at_minutes(2));
    assert_eq!(deadline(UnixTime(0)), TOKEN_EPOCH);
    assert_eq!(deadline(UnixTime(u64::MAX)), at_minutes((1 << 24) - 1));
}

/// A36
#[test]
fn case_is_folded() {
    let keys = keys(1, &[]);
    let user = mint(&keys, 3, ID, at_minutes(5));
    assert_eq!(read(&keys, &user.to_ascii_uppercase()), read(&keys, &user));
    assert!(read(&keys, &user).is_ok());
}

/// T40
#[test]
fn previous_keys_still_read_and_forgotten_ones_do_not() {
    let user = mint(&keys(1, &[]), 3, ID, at_minutes(5));
    assert_eq!(read(&keys(2, &[1]), &user).unwrap().key_id, 1);
    assert_eq!(read(&keys(3, &[2]), &user), Err(TokenError::UnknownKey { id: 1 }));
    assert!(mint(&keys(2, &[1]), 3, ID, at_minutes(5)) != user);
}

/// T40
#[test]
fn foreign_secret_under_a_known_id_is_forged() {
    let foreign = TokenKeys { current: Key::new(1, [9; 32]), previous: vec![] };
    let user = mint(&foreign, 3, ID, at_minutes(5));
    assert_eq!(read(&keys(1, &[]), &user), Err(TokenError::Forged));
}

/// B13 · RFC 4579 App. A: a name that somebody chose himself is not a conference.
#[test]
fn what_is_no_token_is_told_apart() {
    let keys = keys(1, &[]);
    let user = mint(&keys, 3, ID, at_minutes(5));
    let cut = &user[..user.len() - 1];
    for (text, error) in [
        ("", TokenError::Prefix),
        ("conference", TokenError::Prefix),
        ("birthday-party", TokenError::Prefix),
        ("conf-", TokenError::Length { got: 0 }),
        (cut, TokenError::Length { got: 41 }),
        (&format!("{user}a"), TokenError::Length { got: 43 }),
        (&format!("{cut}1"), TokenError::Alphabet),
        (&format!("{cut}="), TokenError::Alphabet),
        (&format!("{cut}ä"), TokenError::Alphabet),
    ] {
        assert_eq!(read(&keys, text), Err(error), "{text}");
    }
}

/// 42 characters are 210 bits, a token 208: the last character could be written in four ways.
#[test]
fn last_character_has_one_spelling() {
    let keys = keys(1, &[]);
    let user = mint(&keys, 3, ID, at_minutes(5));
    let cut = &user[..user.len() - 1];
    let good = "abcdefghijklmnopqrstuvwxyz234567"
        .chars()
        .filter(|last| read(&keys, &format!("{cut}{last}")).is_ok());
    assert_eq!(good.count(), 1);
}

#[test]
fn debug_does_not_show_the_secret() {
    let shown = format!("{:?}", Key::new(1, [213; 32]));
    assert!(!shown.contains("213"));
}

/// B11, T39 · RFC 4353 §3.1, §5.1: unique, and not to be guessed: 80 bits of it are an HMAC under a key
/// that only we have.
#[test]
fn hundred_thousand_uris_do_not_clash_and_their_bits_are_even() {
    const COUNT: u32 = 100_000;
    let keys = keys(1, &[]);
    let mut rng = Rng::from_number(11);
    let mut seen = BTreeSet::new();
    let mut ones = [0_u32; 80];
    for _ in 0..COUNT {
        let user = mint(&keys, 3, ConferenceId(rng.bytes()), at_minutes(5));
        let bytes = BASE32_NOPAD.decode(user[5..].to_ascii_uppercase().as_bytes()).unwrap();
        for (bit, count) in ones.iter_mut().enumerate() {
            *count += u32::from(bytes[SIGNED_BYTES + bit / 8] >> (bit % 8) & 1);
        }
        assert!(seen.insert(user));
    }
    // Six standard deviations (158 each) around the half.
    assert!(ones.iter().all(|count| count.abs_diff(COUNT / 2) < 6 * 158), "{ones:?}");
}

proptest! {
    #[test]
    fn round_trip(node: u16, id: [u8; 10], minutes in 0..1_u64 << 24) {
        let keys = keys(1, &[]);
        let token = read(&keys, &mint(&keys, node, ConferenceId(id), at_minutes(minutes)));
        let minutes = u32::try_from(minutes).unwrap();
        let expected =
            Token { key_id: 1, node, id: ConferenceId(id), deadline_minutes: minutes };
        prop_assert_eq!(token, Ok(expected));
    }

    /// T40
    #[test]
    fn any_single_bit_flipped_is_refused(node: u16, id: [u8; 10], bit in 0..TOKEN_BYTES * 8) {
        let keys = keys(1, &[]);
        let user = mint(&keys, node, ConferenceId(id), at_minutes(9));
        let mut bytes = BASE32_NOPAD.decode(user[5..].to_ascii_uppercase().as_bytes()).unwrap();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let flipped = format!("conf-{}", BASE32_NOPAD.encode(&bytes));
        let error = read(&keys, &flipped).unwrap_err();
        let expected = if bit < 8 { TokenError::UnknownKey { id: bytes[0] } } else { TokenError::Forged };
        prop_assert_eq!(error, expected);
    }

    #[test]
    fn reading_never_panics(user in "(conf-|CONF-)?\\PC{0,60}") {
        let _ = read(&keys(1, &[]), &user);
    }
}

/// The id in a URI of ours is the conference's own, whatever else the token says.
#[test]
fn the_id_can_be_read_off_a_uri_of_ours_and_is_written_as_it_is_read() {
    let id = ConferenceId([7; 10]);
    let keys = TokenKeys { current: Key::new(1, [3; 32]), previous: Vec::new() };
    let user = mint(&keys, 1, id, TOKEN_EPOCH);
    assert_eq!(id_in(&format!("sip:{user}@127.0.0.1:5060")), Some(id));
    assert_eq!(id_in("sip:alice@127.0.0.1"), None);
    assert_eq!((id.to_string().len(), id.to_string().parse()), (16, Ok(id)));
    for bad in ["", "a", "aaaaaaaaaaaaaaa1", "aaaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaä"] {
        assert_eq!(bad.parse::<ConferenceId>(), Err(crate::NoConferenceId), "{bad}");
    }
}
