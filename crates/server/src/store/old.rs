//! The state folder of an earlier version, as kill -9 has left it, under the server of today.
//!
//! `old/` was made by a server that kept PINs as they are keyed. It had been asked, over HTTP and without a token, for
//!
//! - a conference for three under the key `monday`: title `Board`, PIN 471147, moderators' PIN 80047; somebody is in it
//! - one under the key `tuesday`: title `Team`, PIN 500550, with a lobby; then its PIN was made 600660
//! - a reservation for fifty under the key `weekly`, in two hours, for an hour
//!
//! and by a phone for one more, which that phone is in.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use focus::{Pin, PinSalt};
use node::{
    Asker, ConferenceView, Input, NewConference, Node, Output, ReservationStatus, ReserveRequest,
    StoredConference, StoredKey,
};
use pool::Codec;
use units::{Instant, Rng, UnixTime};

use super::{FILE, Store};
use crate::config::{Config, Flags};
use crate::{bind, room, start, state};

const BOARD: &str = "sip:conf-aaaadoxxmhqay7uoprlead234au2yvzbchiwscp4ri@127.0.0.1:48438";
const TEAM: &str = "sip:conf-aaaac26vhr3gcxftnzcx4d234a2aegmkg2l7dhjj7u@127.0.0.1:48438";
const RESERVED: &str = "sip:conf-aaaacjao3fidwl6g7t7qwd24phhdf3kb5g5qu7u4jy@127.0.0.1:48438";
const PHONES: &str = "sip:conf-aaaach7n5tuw4d56dzczqd234crohicjbzelczurre@127.0.0.1:48438";

/// When it was killed.
const KILLED: UnixTime = UnixTime(1_796_081_539);

/// Puts the folder back as it was.
fn unpack(folder: &Path) {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/old");
    std::fs::copy(kept.join("keys.json"), folder.join("keys.json")).expect("copied");
    let mut gzip = Command::new("gzip");
    let unpacked = gzip.arg("-dc").arg(kept.join("convoke.redb.gz")).output().expect("gzip runs");
    assert!(unpacked.status.success());
    std::fs::write(folder.join(FILE), unpacked.stdout).expect("written");
}

/// The PINs that were keyed, and whether the store holds each.
fn readable(folder: &Path) -> [bool; 4] {
    let kept = std::fs::read(folder.join(FILE)).expect("the store");
    ["471147", "80047", "500550", "600660"].map(|pin| {
        let quoted = format!("\"{pin}\"");
        kept.windows(quoted.len()).any(|window| window == quoted.as_bytes())
    })
}

/// What is kept of the conference with this URI.
fn named<'a>(kept: &'a [StoredConference], uri: &str) -> &'a StoredConference {
    kept.iter().find(|it| it.uri == uri).unwrap_or_else(|| panic!("{uri} of {kept:?}"))
}

/// A server's node on that folder, a while after the other one was killed.
fn node_on(folder: &Path, kept: Vec<StoredConference>, keys_used: Vec<StoredKey>) -> Node {
    let text = "[[sip.listen]]\nbind = \"127.0.0.1:0\"\n[media]\nmixers = 1\n";
    let config = Config::from_toml("", text, &Flags::default()).expect("good");
    let sockets = bind::all_sip(&config).expect("bound");
    let keys = state::keys(folder, &mut Rng::from_number(1)).expect("those of before");
    let config = start::node_config(&config, &sockets, room::pool_config(&config, None), keys);
    let node = Node::new(config, NOW, KILLED.after(Duration::from_secs(90)), Rng::from_number(2));
    node.expect("a node").with_store(NOW, kept).with_keys(NOW, keys_used)
}

const NOW: Instant = Instant::ZERO;

fn made_again(node: &mut Node, key: &str, new: &NewConference) -> ConferenceView {
    let asker = Asker { name: "anybody here".to_owned(), key: Some(key.to_owned()) };
    let made = node.create_conference(NOW, new, &asker);
    made.unwrap_or_else(|error| panic!("{key}: {error}"))
}

fn reserved_again(node: &mut Node) -> ReservationStatus {
    let request = ReserveRequest {
        legs: 50,
        codec: Codec::Pcmu,
        ptime: Duration::from_millis(20),
        from: UnixTime(1_796_088_736),
        until: UnixTime(1_796_092_336),
        tenant: None,
        key: Some("weekly".to_owned()),
    };
    node.handle_input(NOW, Input::Reserve { ticket: 1, request });
    let answer = std::iter::from_fn(|| node.poll_output()).find_map(|output| match output {
        Output::Reserved { answer, .. } => Some(answer),
        _ => None,
    });
    answer.expect("nothing new goes to the disk").expect("reserved")
}

/// The conferences, the reserved one among them, and nothing else.
fn assert_all_there(node: &Node) {
    let (conferences, _) = node.conferences(NOW, None, 10);
    let uris: BTreeSet<&str> = conferences.iter().map(|it| it.uri.as_str()).collect();
    let reserved = node.reservations(NOW);
    let reserved: Vec<_> = reserved.iter().map(|it| (it.conference.as_str(), it.legs)).collect();
    // A reservation is a conference like others.
    assert_eq!(uris, BTreeSet::from([BOARD, TEAM, PHONES, RESERVED]));
    assert_eq!(reserved, [(RESERVED, 50)]);
}

fn pin(text: &str) -> Pin {
    text.parse().expect("a PIN")
}

#[test]
fn what_an_earlier_version_kept_is_there_under_the_same_uris_and_keys_and_no_pin_is_readable() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    unpack(folder);
    assert_eq!(readable(folder), [true; 4], "it is an old one");
    let identity = state::keys(folder, &mut Rng::from_number(1)).expect("keys").identity;
    let (store, (kept, keys_used), _answers) = Store::open(folder, &identity).expect("opened");
    drop(store);
    assert_eq!(readable(folder), [false; 4]);

    assert_eq!((kept.len(), keys_used.len()), (4, 2));
    for (uri, place, keyed) in [
        (BOARD, "pin", Some("471147")),
        (BOARD, "moderator_pin", Some("80047")),
        (TEAM, "pin", Some("600660")),
        (TEAM, "moderator_pin", None),
    ] {
        let it = named(&kept, uri);
        let found = &serde_json::to_value(&it.policy).expect("JSON")["entry"][place];
        let print = keyed.map(|keyed| pin(keyed).print(&identity, PinSalt(it.id.0)));
        assert_eq!(*found, serde_json::to_value(print).expect("JSON"), "{uri} {place}");
    }
    assert_eq!(named(&kept, PHONES).policy, None);

    let mut node = node_on(folder, kept, keys_used);
    assert_all_there(&node);

    // Who asks again under his key gets what he got.
    let board = NewConference {
        title: Some("Board".to_owned()),
        seats: Some(3),
        pin: Some(pin("471147")),
        moderator_pin: Some(pin("80047")),
        ..NewConference::default()
    };
    assert_eq!(made_again(&mut node, "monday", &board).uri, BOARD);
    let team = NewConference {
        title: Some("Team".to_owned()),
        pin: Some(pin("500550")),
        lobby: Some(true),
        ..NewConference::default()
    };
    assert_eq!(made_again(&mut node, "tuesday", &team).uri, TEAM);
    assert_eq!(reserved_again(&mut node).conference, RESERVED);
    assert_all_there(&node);
}
