//! Conference URIs.

use pool::{ConferenceId, Key, TokenKeys};
use units::UnixTime;

use super::texts;
use crate::{Target, Trail};

/// [`pool::read`]: what was not minted is none.
pub const TOKEN: Target = Target { name: "token", run: token, seeds, words: WORDS, longest: 256 };

const WORDS: &[&str] = &[
    "conf-", "CONF-", "a", "z", "2", "7", "=", "-", "0", "1", "8", "\u{131}", "\u{17f}", "aaaaaaaa",
];

fn keys() -> TokenKeys {
    let key = |id| Key::new(id, [id; 32]);
    TokenKeys { current: key(1), previous: vec![key(2), key(0)] }
}

/// One of each key.
fn minted() -> Vec<String> {
    let TokenKeys { current, previous } = keys();
    let all = std::iter::once(current).chain(previous);
    let mint = |current| {
        let keys = TokenKeys { current, previous: Vec::new() };
        pool::mint(&keys, 1, ConferenceId([9; 10]), UnixTime(1_795_400_000))
    };
    all.map(mint).collect()
}

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = texts(&["conference", "conf-"]);
    seeds.extend(minted().into_iter().map(String::into_bytes));
    seeds
}

fn token(data: &[u8], trail: &mut Trail) {
    let text = String::from_utf8_lossy(data);
    let read = pool::read(&keys(), &text);
    trail.outcome("token", &read);
    if let Ok(token) = read {
        assert!(minted().contains(&text.to_ascii_lowercase()), "forged: {text}");
        assert_eq!((token.node, token.id), (1, ConferenceId([9; 10])));
        trail.count("key", token.key_id.into());
    }
}
