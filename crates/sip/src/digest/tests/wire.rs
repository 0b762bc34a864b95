//! The arithmetic against published vectors, and the two header fields as they are written.

use crate::StatusCode;
use crate::digest::{Algorithm, Challenge, Count, Credentials, DigestError, Ha1, Password};
use crate::digest::{Qop, Username, same};

fn ha1(algorithm: Algorithm, user: &str, realm: &str, password: &str) -> Ha1 {
    Ha1::of(algorithm, user, realm, &Password::new(password))
}

/// J08 · RFC 7616 §3.9.1: the credentials as printed there, and the proof with either algorithm.
#[test]
fn the_example_with_sha_256_and_md5() {
    let proofs = [
        (
            "SHA-256",
            Algorithm::Sha256,
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
        ),
        ("MD5", Algorithm::Md5, "8ca523f5e9506fed4657c9700eebdbec"),
    ];
    for (name, algorithm, response) in proofs {
        let text = format!(
            "Digest username=\"Mufasa\",\r\n    realm=\"http-auth@example.org\", uri=\"/dir/index.html\", \
             algorithm={name}, nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", nc=00000001, \
             cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, response=\"{response}\", \
             opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
        )
        .replace("\r\n", "");
        let credentials: Credentials = text.parse().expect("credentials");
        assert_eq!(credentials.algorithm, algorithm);
        let right = ha1(algorithm, "Mufasa", "http-auth@example.org", "Circle of Life");
        assert!(credentials.prove(&right, "GET"));
        assert!(!credentials.prove(&right, "PUT"), "the method counts");
        let wrong = ha1(algorithm, "Mufasa", "http-auth@example.org", "Circle Of Life");
        assert!(!credentials.prove(&wrong, "GET"));
        let upper = Credentials { response: response.to_ascii_uppercase(), ..credentials };
        assert!(upper.prove(&right, "GET"), "phones that write upper case");
    }
}

/// J08 · RFC 7616 §3.9.2, with the user's name as a hash and as `username*`. The digests printed there
/// are of SHA-512 cut to 256 bits; those of SHA-512/256, which is meant (§3.7, and RFC 8760 §2.1), are:
#[test]
fn the_example_with_sha_512_256_and_a_hashed_name() {
    let (user, realm) = ("J\u{e4}s\u{f8}n Doe", "api@example.org");
    let hash = "793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b";
    let response = "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5";
    let rest = format!(
        "realm=\"{realm}\", uri=\"/doe.json\", algorithm=SHA-512-256, \
         nonce=\"5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK\", nc=00000001, \
         cnonce=\"NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v\", qop=auth, response=\"{response}\", \
         opaque=\"HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS\""
    );
    let secret = ha1(Algorithm::Sha512_256, user, realm, "Secret, or not?");
    let names = [
        format!("username=\"{}\", userhash=true", hash.to_ascii_uppercase()),
        "username*=UTF-8''J%C3%A4s%C3%B8n%20Doe, userhash=false".to_owned(),
        format!("username=\"{user}\""),
    ];
    for name in names {
        let credentials: Credentials = format!("Digest {name}, {rest}").parse().expect(&name);
        assert!(credentials.username.is(Algorithm::Sha512_256, user, realm), "{name}");
        assert!(!credentials.username.is(Algorithm::Sha512_256, "Jason Doe", realm), "{name}");
        assert!(credentials.prove(&secret, "GET"));
    }
    let two = format!("Digest username=\"a\", username*=UTF-8''a, {rest}");
    assert_eq!(two.parse::<Credentials>(), Err(DigestError::TwoNames));
    let latin = format!("Digest username*=ISO-8859-1''J%E4, {rest}");
    assert_eq!(latin.parse::<Credentials>(), Err(DigestError::BadParam("username*")));
}

/// J04 · RFC 3261 §22.2 and its predecessor's example; without qop and count the proof of RFC 2069.
#[test]
fn the_old_example_and_a_peer_without_qop() {
    let secret = ha1(Algorithm::Md5, "Mufasa", "testrealm@host.com", "Circle Of Life");
    assert_eq!(secret.as_hex(), "939e7578ed9e3c518a452acee763bce9");
    let nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093";
    let count = Count::new(1, "0a4f113b");
    let response = secret.response("GET", "/dir/index.html", nonce, Some(&count));
    assert_eq!(response, "6629fae49393a05397450978507c4ef1");
    let old = secret.response("GET", "/dir/index.html", nonce, None);
    assert_eq!(old, "670fd8c2df070c60b045671b8b24ff02");
    let text = format!(
        "Digest username=\"Mufasa\", realm=\"testrealm@host.com\", nonce=\"{nonce}\", \
         uri=\"/dir/index.html\", response=\"{old}\""
    );
    let credentials: Credentials = text.parse().expect("credentials");
    assert_eq!((credentials.algorithm, credentials.count.clone()), (Algorithm::Md5, None));
    assert!(credentials.prove(&secret, "GET"));
}

/// J08 · RFC 7616 §3.3, §3.4: what is quoted and what is not, to the byte; both read back.
#[test]
fn parameters_are_quoted_as_the_rules_say() {
    let mut challenge = Challenge::new("a \"b\" \\c", "n1", Algorithm::Sha256, true);
    challenge.opaque = Some("o".to_owned());
    challenge.userhash = true;
    let text = "Digest realm=\"a \\\"b\\\" \\\\c\", nonce=\"n1\", opaque=\"o\", stale=true, \
                algorithm=SHA-256, qop=\"auth\", userhash=true";
    assert_eq!(challenge.to_string(), text);
    assert_eq!(text.parse(), Ok(challenge.clone()));

    challenge.userhash = false;
    let secret = ha1(Algorithm::Sha256, "al", &challenge.realm, "p");
    let request = ("INVITE", "sip:x@y");
    let credentials = Credentials::answering(&challenge, ("al", &secret), request, (0x1f, "c,\"n"));
    let text = format!(
        "Digest username=\"al\", realm=\"a \\\"b\\\" \\\\c\", nonce=\"n1\", uri=\"sip:x@y\", \
         response=\"{}\", algorithm=SHA-256, cnonce=\"c,\\\"n\", qop=auth, nc=0000001f, opaque=\"o\"",
        credentials.response
    );
    assert_eq!(credentials.to_string(), text);
    assert_eq!(text.parse(), Ok(credentials.clone()));
    assert!(credentials.prove(&secret, "INVITE"));

    challenge.userhash = true;
    let hidden = Credentials::answering(&challenge, ("al", &secret), request, (1, "c"));
    assert!(
        hidden.to_string().ends_with(", userhash=true") && !hidden.to_string().contains("\"al\"")
    );
    assert_eq!(hidden.to_string().parse(), Ok(hidden));

    challenge.qop = Qop::Unnamed;
    let old = Credentials::answering(&challenge, ("al", &secret), request, (1, "c"));
    assert!(!old.to_string().contains("qop=") && !old.to_string().contains("cnonce="));
}

/// J03, J04 · RFC 8760 §2.4: what phones and servers write besides the rules is read; what cannot be
/// used is told apart.
#[test]
fn odd_forms_are_read_and_unknown_ones_told_apart() {
    let odd =
        "dIGEST  realm=\"r\" ,, NONCE=n1 , Qop=\"auth-int , auth\",algorithm=\"md5\",foo=bar,";
    let challenge: Challenge = odd.parse().expect("a challenge");
    assert_eq!((challenge.nonce.as_str(), challenge.qop), ("n1", Qop::Auth));
    assert_eq!((challenge.algorithm, challenge.stale), (Algorithm::Md5, false));
    let quoted = "Digest username=u, realm=\"r\", nonce=\"n\", uri=sip:a@b;x=y, response=\"0\", \
                  qop=\"auth\", nc=\"0000000A\", cnonce=c, algorithm=\"MD5\"";
    let credentials: Credentials = quoted.parse().expect("credentials");
    assert_eq!(credentials.username, Username::Plain("u".to_owned()));
    assert_eq!(credentials.uri, "sip:a@b;x=y");
    assert_eq!(
        credentials.count,
        Some(Count { number: 10, nc: "0000000A".into(), cnonce: "c".into() })
    );

    let challenge = |text: &str| text.parse::<Challenge>().unwrap_err();
    assert_eq!(challenge("Basic realm=\"r\""), DigestError::OtherScheme("Basic".to_owned()));
    let unknown = DigestError::UnknownAlgorithm("MD5-sess".to_owned());
    assert_eq!(challenge("Digest realm=\"r\", nonce=\"n\", algorithm=MD5-sess"), unknown);
    let integrity = DigestError::UnknownQop("auth-int".to_owned());
    assert_eq!(challenge("Digest realm=\"r\", nonce=\"n\", qop=\"auth-int\""), integrity);
    assert_eq!(challenge("Digest nonce=\"n\""), DigestError::Missing("realm"));
    assert_eq!(challenge("Digest realm=\"r\""), DigestError::Missing("nonce"));
    let twice = "Digest realm=\"r\", nonce=\"n\", realm=\"s\"";
    assert_eq!(challenge(twice), DigestError::Repeated("realm"));
    for bad in ["", "Digest realm", "Digest realm=\"r", "Digest =x", "Dig est", "Digest a=\"b\"c"] {
        assert!(bad.parse::<Challenge>().is_err(), "{bad}");
    }
    let many = format!("Digest realm=\"r\"{}", ", x=y".repeat(40));
    assert_eq!(challenge(&many), DigestError::TooManyParams { max: 32 });
}

/// J01 · RFC 7616 §3.4: another scheme is as good as nothing, what is improper is a 400.
#[test]
fn errors_know_their_answer() {
    let good = "Digest username=\"u\", realm=\"r\", nonce=\"n\", uri=\"sip:a@b\", response=\"0\"";
    let status = |text: &str| text.parse::<Credentials>().unwrap_err().status();
    assert_eq!(status("Basic dTpw"), StatusCode::UNAUTHORIZED);
    assert_eq!(status("NoOneKnowsThisScheme opaque-data=here"), StatusCode::UNAUTHORIZED);
    assert_eq!(status(&format!("{good}, algorithm=SHA-1")), StatusCode::UNAUTHORIZED);
    assert_eq!(status(&format!("{good}, qop=auth-int")), StatusCode::UNAUTHORIZED);
    for nc in ["1", "0000000g", "00000000", "+0000001", "000000001"] {
        let text = format!("{good}, qop=auth, cnonce=\"c\", nc={nc}");
        assert_eq!(text.parse::<Credentials>(), Err(DigestError::BadParam("nc")), "{nc}");
        assert_eq!(status(&text), StatusCode::BAD_REQUEST);
    }
    let counted = format!("{good}, qop=auth");
    assert_eq!(counted.parse::<Credentials>(), Err(DigestError::Missing("nc")));
    let counted = format!("{counted}, nc=00000001");
    assert_eq!(counted.parse::<Credentials>(), Err(DigestError::Missing("cnonce")));
    for name in ["username", "realm", "nonce", "uri", "response"] {
        let without = good.replace(&format!("{name}=\""), "other=\"");
        assert_eq!(status(&without), StatusCode::BAD_REQUEST, "{without}");
    }
}

/// J02 · RFC 8760 §2.1: our order; names in any case.
#[test]
fn algorithms_have_an_order_and_a_length() {
    let names: Vec<_> = Algorithm::ALL.iter().map(|algorithm| algorithm.name()).collect();
    assert_eq!(names, ["SHA-256", "SHA-512-256", "MD5"]);
    for algorithm in Algorithm::ALL {
        assert_eq!(Algorithm::from_name(&algorithm.name().to_lowercase()), Some(algorithm));
        let secret = ha1(algorithm, "u", "r", "p");
        assert_eq!(secret.as_hex().len(), algorithm.hex_len());
        assert_eq!(Ha1::from_hex(algorithm, secret.as_hex()), Some(secret));
        assert_eq!(Ha1::from_hex(algorithm, &"g".repeat(algorithm.hex_len())), None);
        assert_eq!(Ha1::from_hex(algorithm, "ab"), None);
    }
    assert!(same("ab", "AB") && !same("ab", "ac") && !same("ab", "abc") && !same("ab", ""));
}

/// Nothing secret in what a log may show.
#[test]
fn secrets_do_not_show() {
    let shown =
        format!("{:?} {:?}", Password::new("tiger"), ha1(Algorithm::Md5, "u", "r", "tiger"));
    assert_eq!(shown, "Password Ha1(MD5)");
}
