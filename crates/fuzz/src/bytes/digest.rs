//! Challenges and proofs.

use std::net::{IpAddr, Ipv4Addr};

use sip::digest::{Account, Algorithm, Challenge, Credentials, Ha1, Keyring, NonceKey, Password};
use sip::{HeaderName, Method, Request, Response, StatusCode, Uri};
use units::{Rng, UnixTime};

use super::{SIP_WORDS, fixpoint, texts};
use crate::{Target, Trail};

/// [`Challenge`], [`Credentials`], nonces and [`Keyring`]. The first byte chooses.
pub const DIGEST: Target =
    Target { name: "digest", run: digest, seeds, words: SIP_WORDS, longest: 8_192 };

const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
const PASSWORD: &str = "a password that nobody sees";

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = texts(&[
        "0Digest realm=\"convoke\", nonce=\"n\", algorithm=SHA-256, qop=\"auth\"",
        "0Digest realm=\"a\\\"b\",nonce=\"\",opaque=\"o\",stale=TRUE,qop=\"auth-int,auth\",userhash=true",
        "1Digest username=\"bob\", realm=\"biloxi.com\", nonce=\"dcd98b\", uri=\"sip:bob@biloxi.com\", qop=auth, nc=00000001, cnonce=\"0a4f\", response=\"6629fae49393a05397450978507c4ef1\", opaque=\"5c\"",
        "1Digest username=\"488869477bf257147b804c45308cd62ac4e25eb717b12b298c79e62dcea254ec\",realm=\"r\",nonce=\"n\",uri=\"sip:a\",response=\"0\",userhash=true,algorithm=SHA-512-256",
        "1Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
        "3Digest realm=\"convoke\", nonce=\"n\", algorithm=SHA-256, qop=\"auth\"\nDigest realm=\"x\", nonce=\"m\"",
    ]);
    seeds.push([b"2", minted().as_bytes()].concat());
    seeds
}

fn key() -> NonceKey {
    NonceKey::new([7; 32])
}

fn minted() -> String {
    key().mint(1, UnixTime(1_795_400_000), SOURCE, &[b"seed"])
}

fn digest(data: &[u8], trail: &mut Trail) {
    let Some((first, rest)) = data.split_first() else { return };
    // A field ends where a line ends; only the fields of a whole response stand in lines.
    let is_response = first % 4 == 3;
    let inside = |byte: &u8| *byte != b'\r' && (*byte != b'\n' || is_response);
    let text: Vec<u8> = rest.iter().copied().filter(inside).collect();
    let text = String::from_utf8_lossy(&text);
    match first % 4 {
        0 => challenge(&text, trail),
        1 => credentials(&text, trail),
        2 => {
            let read = key().read(&text, SOURCE);
            trail.mark("nonce", if read.is_some() { "ours" } else { "none" });
            assert!(read.is_none() || text == minted(), "a nonce that was not minted: {text}");
        }
        _ => keyring(&text, trail),
    }
}

fn challenge(text: &str, trail: &mut Trail) {
    let Some(challenge) = fixpoint::<Challenge>(text, "challenge", trail) else { return };
    trail.mark("algorithm", challenge.algorithm.name());
    let password = Password::new(PASSWORD);
    let ha1 = Ha1::of(challenge.algorithm, "bob", &challenge.realm, &password);
    let (user, request) = (("bob", &ha1), ("INVITE", "sip:a@b"));
    let proof = Credentials::answering(&challenge, user, request, (1, "cnonce"));
    assert!(proof.prove(&ha1, "INVITE"), "our own proof");
    assert!(!proof.prove(&ha1, "BYE"), "a proof is for one method");
    let printed = proof.to_string();
    assert_eq!(printed.parse::<Credentials>().as_ref(), Ok(&proof), "{printed}");
}

fn credentials(text: &str, trail: &mut Trail) {
    let Some(proof) = fixpoint::<Credentials>(text, "credentials", trail) else { return };
    trail.mark("algorithm", proof.algorithm.name());
    for algorithm in [Algorithm::Sha256, Algorithm::Md5] {
        let ha1 = Ha1::of(algorithm, "bob", "convoke", &Password::new(PASSWORD));
        assert!(!proof.prove(&ha1, "INVITE"), "a guessed proof");
    }
}

/// A server that challenges with anything: our client answers at most so often, and never shows the password.
fn keyring(text: &str, trail: &mut Trail) {
    let account = Account {
        user: "bob".to_owned(),
        password: Password::new(PASSWORD),
        realm: Some("convoke".to_owned()),
        hosts: Vec::new(),
    };
    let mut keyring = Keyring::new(vec![account], Rng::from_number(1));
    let uri: Uri = "sip:conference@192.0.2.1".parse().expect("a URI");
    let mut request = Request::new(Method::Invite, uri)
        .with_header(HeaderName::Via, "SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1")
        .with_header(HeaderName::CallId, "call")
        .with_header(HeaderName::From, "<sip:bob@192.0.2.7>;tag=1")
        .with_header(HeaderName::To, "<sip:conference@192.0.2.1>")
        .with_header(HeaderName::CSeq, "1 INVITE");
    let mut attempts = keyring.dress(&mut request);
    let mut answered = 0;
    loop {
        let mut response = Response::answering(&request, StatusCode::UNAUTHORIZED);
        for line in text.split('\n') {
            response.headers.push(HeaderName::WwwAuthenticate, line);
        }
        let Some(next) = keyring.answer(&request, &response, &mut attempts) else { break };
        answered += 1;
        assert!(answered <= sip::digest::CHALLENGES_MAX, "T34: no end of challenges");
        let bytes = next.to_bytes();
        assert!(!bytes.windows(PASSWORD.len()).any(|it| it == PASSWORD.as_bytes()));
        assert!(sip::parse_datagram(&bytes).is_ok(), "{}", String::from_utf8_lossy(&bytes));
        request = next;
    }
    trail.count("answered", answered as usize);
}
