//! The demo as a person runs it.

use crate::processes::{Alone, run};

#[test]
fn the_demo_proves_who_heard_whom() {
    let alone = Alone::wait();
    let folder = alone.text("recordings");
    let (code, out, error) = run(&["demo", "--out", &folder]);
    assert_eq!((code, error.as_str()), (Some(0), ""), "{out}");
    for sign in ["INVITE conference", "302 to conf-", "REFER to conf-", "NOTIFY 200 OK", "BYE"] {
        assert!(out.contains(sign), "no {sign} in {out}");
    }
    for who in ["alice", "bob", "carol"] {
        assert!(out.contains(&format!("sip:{who}@127.0.0.1")), "{who} is not in the roster: {out}");
        let recording = alone.path("recordings").join(format!("{who}-hears.wav"));
        assert!(hound::WavReader::open(recording).expect("a WAV file").duration() > 8_000);
    }
    assert!(out.contains("Everybody heard all the others, and nobody himself."), "{out}");
    assert!(!out.contains('\u{1b}'), "no colours where no terminal is");
}
