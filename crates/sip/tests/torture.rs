//! The torture messages of RFC 4475 and RFC 5118: what each gives, and what each says.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its own files has failed")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use sip::{
    Arrival, CSeq, ConnectionOutput, Connections, Contacts, Essentials, Frame, FrameError,
    HeaderError, HeaderName, Message, Method, Params, ParseError, ParseFailure, Request, Response,
    StatusCode, StreamFramer, Uri, parse_datagram,
};

/// Files that the parser cannot be held to, with the reason. None so far.
const SKIPPED: [(&str, &str); 0] = [];

/// Where the index leaves the choice to us.
const OUR_CHOICE: [(&str, Verdict); 7] = [
    ("ltgtruri.dat", Verdict::Reject),
    ("lwsstart.dat", Verdict::Reject),
    ("trws.dat", Verdict::Reject),
    ("escruri.dat", Verdict::Reject),
    ("regbadct.dat", Verdict::Reject),
    ("badaspec.dat", Verdict::Reject),
    ("baddn.dat", Verdict::Reject),
];

/// RFC 4475 §3.1.2.12: nobody here needs the Date, so the message is taken.
const TAKEN: [&str; 1] = ["baddate.dat"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Accept,
    Reject,
}

struct Line {
    dir: String,
    file: String,
    kind: String,
    verdict: Verdict,
    result: String,
    bytes: usize,
}

fn corpus() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

fn load(name: &str) -> Vec<u8> {
    ["valid", "invalid"]
        .iter()
        .find_map(|dir| fs::read(corpus().join(dir).join(name)).ok())
        .unwrap_or_else(|| panic!("{name} is not in the corpus"))
}

fn index() -> Vec<Line> {
    let index = fs::read_to_string(corpus().join("index.tsv")).unwrap();
    index.lines().skip(1).map(index_line).collect()
}

fn index_line(line: &str) -> Line {
    let cells: Vec<&str> = line.split('\t').collect();
    let file = cells[1].to_owned();
    let choice = OUR_CHOICE.iter().find(|(name, _)| *name == file).map(|(_, verdict)| *verdict);
    let verdict = match (cells[5], choice) {
        ("accept", None) => Verdict::Accept,
        ("accept or reject", None) if TAKEN.contains(&cells[1]) => Verdict::Accept,
        ("reject", None) => Verdict::Reject,
        ("reject or repair", Some(verdict)) => verdict,
        (parse, choice) => panic!("{file}: `{parse}` in the index, {choice:?} here"),
    };
    let [dir, kind, result] = [cells[0], cells[4], cells[6]].map(str::to_owned);
    Line { dir, file, kind, verdict, result, bytes: cells[7].parse().unwrap() }
}

/// Reads a message that must be one.
fn message(name: &str) -> Message {
    parse_datagram(&load(name)).unwrap_or_else(|failure| panic!("{name}: {failure}"))
}

fn request(name: &str) -> Request {
    match message(name) {
        Message::Request(request) => request,
        Message::Response(_) => panic!("{name} is a response"),
    }
}

fn response(name: &str) -> Response {
    match message(name) {
        Message::Response(response) => response,
        Message::Request(_) => panic!("{name} is a request"),
    }
}

fn failure(name: &str) -> ParseFailure {
    parse_datagram(&load(name)).expect_err(name)
}

/// Feeds a stream in pieces and takes what comes out, until the end or the error that ends it.
fn frames(pieces: impl Iterator<Item = impl AsRef<[u8]>>) -> Vec<Result<Frame, FrameError>> {
    let mut framer = StreamFramer::new();
    let mut out = Vec::new();
    for piece in pieces {
        framer.push(piece.as_ref());
        out.extend(framer.by_ref());
    }
    out
}

/// Every file has a line and every line a file.
#[test]
fn the_index_names_every_file() {
    let mut on_disk = BTreeSet::new();
    for dir in ["valid", "invalid"] {
        for entry in fs::read_dir(corpus().join(dir)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(on_disk.insert((dir.to_owned(), name)));
        }
    }
    let lines = index();
    let in_index: BTreeSet<_> =
        lines.iter().map(|line| (line.dir.clone(), line.file.clone())).collect();
    assert_eq!(on_disk, in_index);
    assert_eq!(lines.len(), 61);
    for line in lines {
        assert_eq!(load(&line.file).len(), line.bytes, "{}", line.file);
    }
}

/// T01 · Each file parses or fails as the index says. What fails is answered with the status in the index, or not at all.
#[test]
fn each_file_gives_what_the_index_says() {
    let mut counts = BTreeMap::new();
    for Line { file, kind, verdict, result, .. } in index() {
        if let Some((_, reason)) = SKIPPED.iter().find(|(name, _)| *name == file) {
            println!("{file}: skipped, {reason}");
            *counts.entry("skipped").or_insert(0) += 1;
            continue;
        }
        match (verdict, parse_datagram(&load(&file))) {
            (Verdict::Accept, Ok(message)) => {
                let is_response = matches!(message, Message::Response(_));
                assert_eq!(is_response, kind.contains("response"), "{file}");
                *counts.entry("accepted").or_insert(0) += 1;
            }
            (Verdict::Reject, Err(failure)) => {
                let answer = failure.answer().map(|answer| answer.status.to_string());
                match (answer, result.as_str()) {
                    (None, "drop") => assert!(failure.is_response, "{file}"),
                    (Some(status), result) => {
                        assert!(result.split(" or ").any(|one| one == status), "{file}: {status}")
                    }
                    (None, result) => panic!("{file}: silence, not {result}"),
                }
                *counts.entry("rejected").or_insert(0) += 1;
            }
            (Verdict::Accept, Err(failure)) => panic!("{file} is rejected: {failure}"),
            (Verdict::Reject, Ok(message)) => panic!("{file} is accepted: {message:?}"),
        }
    }
    println!("{counts:?}");
    assert_eq!(counts, BTreeMap::from([("accepted", 39), ("rejected", 22)]));
}

/// What is accepted prints as a message that reads as the same tree, and printing that changes nothing any more.
#[test]
fn accepted_files_survive_printing() {
    for line in index().iter().filter(|line| line.verdict == Verdict::Accept) {
        let first = message(&line.file);
        let printed = first.to_bytes();
        let second =
            parse_datagram(&printed).unwrap_or_else(|failure| panic!("{}: {failure}", line.file));
        assert_eq!(first, second, "{}", line.file);
        assert_eq!(second.to_bytes(), printed, "{}", line.file);
    }
}

/// The answer to a malformed request is itself well-formed as far as the request's own fields are there.
#[test]
fn answers_to_rejected_files_can_be_read() {
    for line in index().iter().filter(|line| line.verdict == Verdict::Reject) {
        let Some(answer) = failure(&line.file).answer() else { continue };
        let read = parse_datagram(&answer.to_bytes());
        let expected = match line.file.as_str() {
            "insuf.dat" => Err(ParseError::Header(HeaderError::Missing(HeaderName::From))),
            "scalar02.dat" => Err(ParseError::Header(HeaderError::Malformed(HeaderName::CSeq))),
            "quotbal.dat" | "badaspec.dat" => {
                Err(ParseError::Header(HeaderError::Malformed(HeaderName::To)))
            }
            "baddn.dat" => Err(ParseError::Header(HeaderError::Malformed(HeaderName::From))),
            "badvers.dat" => Err(ParseError::Header(HeaderError::Malformed(HeaderName::Via))), // theirs says SIP/7.0
            _ => Ok(Message::Response(answer)),
        };
        assert_eq!(read.map_err(|failure| failure.error), expected, "{}", line.file);
    }
}

/// No file, cut anywhere, makes the parser panic; as a stream it gives the same frames whole and byte by byte.
#[test]
fn no_cut_anywhere_does_harm() {
    for line in index() {
        let bytes = load(&line.file);
        for cut in 0..=bytes.len() {
            let bytes = &bytes[..cut];
            let datagram = parse_datagram(bytes);
            let whole = frames([bytes].into_iter());
            let single = frames(bytes.chunks(1));
            assert_eq!(whole, single, "{} cut at {cut}", line.file);
            if let Some(Ok(Frame::Message(message))) = whole.first() {
                // The framer does not check what it hands on, but that says the same as the datagram.
                assert_eq!(parse_datagram(message), datagram, "{} cut at {cut}", line.file);
            }
        }
    }
}

/// RFC 3261 §18.3: as a stream, a file with a good Content-Length is one message; the others end the stream.
#[test]
fn as_a_stream_only_a_good_content_length_frames() {
    for line in index() {
        let mut bytes = load(&line.file);
        let stream = frames([&bytes].into_iter());
        match line.file.as_str() {
            // No Content-Length at all, a negative one, two of them: nobody knows where the next message begins.
            "inv2543.dat" | "ncl.dat" | "mcl01.dat" => {
                let [Err(error)] = &stream[..] else { panic!("{}: {stream:?}", line.file) };
                let error = &error.failure.error;
                assert!(
                    matches!(error, ParseError::Header(error) if *error.name() == HeaderName::ContentLength)
                );
            }
            // The rest of the body, or of the head, is still to come.
            "clerr.dat" | "baddn.dat" => assert_eq!(stream, [], "{}", line.file),
            // The rest is another request, and an octet more than that one's Content-Length.
            "dblreq.dat" => {
                let [Ok(Frame::Message(first)), Ok(Frame::Message(second)), Err(_)] = &stream[..]
                else {
                    panic!("{stream:?}");
                };
                assert!(first.starts_with(b"REGISTER ") && second.starts_with(b"INVITE "));
            }
            _ => {
                let Some(Ok(Frame::Message(message))) = stream.first() else {
                    panic!("{}: {stream:?}", line.file)
                };
                let whole = bytes.clone();
                assert!(whole.starts_with(message), "{}", line.file);
                // Whatever follows begins at the end of the body.
                bytes.truncate(message.len());
                bytes.extend_from_slice(b"\r\n\r\n");
                assert_eq!(
                    frames([&bytes].into_iter()).last(),
                    Some(&Ok(Frame::KeepAlive)),
                    "{}",
                    line.file
                );
            }
        }
    }
}

/// A04 · RFC 3261 §18.3: each file over a connection, cut at every byte: whatever comes of it is the same, and the
/// connection goes when the place of the next message is lost.
#[test]
fn over_a_connection_a_cut_anywhere_changes_nothing() {
    let [local, remote] = ["192.0.2.1:5060", "192.0.2.9:40001"].map(|text| text.parse().unwrap());
    let now = units::Instant::ZERO;
    let carry = |pieces: [&[u8]; 2]| {
        let mut table = Connections::new();
        let flow = table.accepted(now, local, remote).unwrap();
        let mut outputs = Vec::new();
        for piece in pieces {
            table.handle_bytes(now, flow, piece);
            outputs.extend(std::iter::from_fn(|| table.poll_output()));
        }
        table.handle_deadline(now);
        outputs.extend(std::iter::from_fn(|| table.poll_output()));
        outputs
    };
    let mut closed = 0;
    for line in index() {
        let bytes = load(&line.file);
        let whole = carry([&bytes, b""]);
        for at in 1..bytes.len() {
            let (one, two) = bytes.split_at(at);
            assert_eq!(carry([one, two]), whole, "{} cut at {at}", line.file);
        }
        let is_closed = matches!(whole.last(), Some(ConnectionOutput::FinishWrites { .. }));
        let is_malformed = |output: &ConnectionOutput| {
            matches!(output, ConnectionOutput::Arrived(Arrival::Malformed { .. }))
        };
        assert_eq!(whole.iter().any(is_malformed), is_closed, "{}", line.file);
        closed += usize::from(is_closed);
    }
    assert!(closed >= 4, "inv2543, ncl, mcl01 and dblreq at least: {closed}");
}

/// RFC 4475 §3.1.1.1, RFC 3261 §7.3.1, §7.3.3: folding, compact forms, case, white space and lists change nothing.
#[test]
fn wsinv_reads_as_its_plain_form() {
    let wild = request("wsinv.dat");
    let body = String::from_utf8(wild.body.clone()).unwrap();
    let plain = format!(
        "INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0\r\n\
         To: <sip:vivekg@chair-dnrc.example.com>;tag=1918181833n\r\n\
         From: \"J Rosenberg \\\\\\\"\" <sip:jdrosen@example.com>;tag=98asjd8\r\n\
         Max-Forwards: 68\r\n\
         Call-ID: wsinv.ndaksdj@192.0.2.1\r\n\
         CSeq: 9 INVITE\r\n\
         Via: SIP/2.0/UDP 192.0.2.2;branch=390skdjuw\r\n\
         Subject:\r\n\
         NewFangledHeader: newfangled value continued newfangled value\r\n\
         UnknownHeaderWithUnusualValue: ;;,,;;,;\r\n\
         Content-Type: application/sdp\r\n\
         Route: <sip:services.example.com;lr;unknownwith=value;unknown-no-value>\r\n\
         Via: SIP/2.0/TCP spindle.example.com;branch=z9hG4bK9ikj8\r\n\
         Via: SIP/2.0/UDP 192.168.255.111;branch=z9hG4bK30239\r\n\
         Contact: \"Quoted string \\\"\\\"\" <sip:jdrosen@example.com>;newparam=newvalue;secondparam;q=0.33\r\n\
         Content-Length: 150\r\n\r\n{body}"
    );
    let Ok(Message::Request(plain)) = parse_datagram(plain.as_bytes()) else { panic!("{plain}") };
    let tree = |request: &Request| {
        let headers = &request.headers;
        let names: Vec<String> = headers.iter().map(|(name, _)| name.to_string()).collect();
        let typed = (
            Essentials::of(headers).unwrap(),
            headers.vias().unwrap(),
            headers.max_forwards().unwrap(),
            headers.contacts().unwrap(),
            headers.routes().unwrap(),
            headers.content_type().unwrap(),
        );
        let untyped = ["Subject", "NewFangledHeader", "UnknownHeaderWithUnusualValue"]
            .map(|name| headers.get(&name.parse().unwrap()).unwrap().clone());
        (request.method.clone(), request.uri.clone(), names, typed, untyped, request.body.clone())
    };
    assert_eq!(tree(&wild), tree(&plain));

    let headers = &wild.headers;
    assert_eq!(
        headers.to().unwrap().to_string(),
        "<sip:vivekg@chair-dnrc.example.com>;tag=1918181833n"
    );
    let from = headers.from_().unwrap();
    assert_eq!(from.display.as_deref(), Some("J Rosenberg \\\""));
    assert_eq!(from.tag(), Some("98asjd8"));
    assert_eq!(headers.max_forwards(), Ok(Some(68)));
    assert_eq!(headers.call_id(), Ok("wsinv.ndaksdj@192.0.2.1"));
    assert_eq!(headers.cseq(), Ok(CSeq::new(9, Method::Invite)));
    let vias: Vec<String> = headers.vias().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(
        vias,
        [
            "SIP/2.0/UDP 192.0.2.2;branch=390skdjuw",
            "SIP/2.0/TCP spindle.example.com;branch=z9hG4bK9ikj8",
            "SIP/2.0/UDP 192.168.255.111;branch=z9hG4bK30239",
        ]
    );
    assert_eq!(headers.top_via().unwrap().unique_branch(), None); // a branch of RFC 2543
    let routes = headers.routes().unwrap();
    let route = routes[0].uri.as_sip().unwrap();
    assert!(route.is_loose());
    assert_eq!(route.param("unknownwith"), Some(Some("value")));
    assert_eq!(route.param("unknown-no-value"), Some(None));
    let contact = headers.contact().unwrap().unwrap();
    assert_eq!(contact.display.as_deref(), Some("Quoted string \"\""));
    assert_eq!(contact.params.to_string(), ";newparam=newvalue;secondparam;q=0.33");
    assert_eq!(headers.get(&HeaderName::Subject).unwrap().as_bytes(), b"");
    let unknown = |name: &str| headers.get(&name.parse().unwrap()).unwrap().as_bytes().to_vec();
    assert_eq!(unknown("UNKNOWNheaderwithunusualvalue"), b";;,,;;,;");
    assert_eq!(unknown("NewFangledHeader"), b"newfangled value continued newfangled value");
}

/// RFC 4475 §3.1.1.2: every character that may stand in a method, a user, a display name, a Call-ID.
#[test]
fn intmeth_keeps_every_character() {
    let request = request("intmeth.dat");
    let method = "!interesting-Method0123456789_*+`.%indeed'~";
    assert_eq!(request.method, Method::Other(method.to_owned()));
    let uri = "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com";
    assert_eq!(request.uri.to_string(), uri);
    let sip = request.uri.as_sip().unwrap();
    assert_eq!(sip.user.as_deref(), Some("1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"));
    assert_eq!(sip.password.as_deref(), Some("&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"));
    assert_eq!(sip.host.as_str(), "example.com");
    let headers = &request.headers;
    assert_eq!(headers.to().unwrap().display.as_deref(), Some("BEL:\x07 NUL:\0 DEL:\x7f"));
    let from = headers.from_().unwrap();
    assert_eq!(from.display.as_deref(), Some("token1~` token2'+_ token3*%!.-"));
    assert_eq!(from.params.unquoted("fromParam''~+*_!.-%").as_deref(), Some("работающий"));
    assert_eq!(from.tag(), Some("_token~1'+`*%!-."));
    assert_eq!(headers.call_id(), Ok("intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{"));
    assert_eq!(headers.cseq(), Ok(CSeq::new(139_122_385, Method::Other(method.to_owned()))));
    assert_eq!(headers.max_forwards(), Ok(Some(255)));
    let via = headers.top_via().unwrap();
    assert_eq!(via.branch(), Some("z9hG4bK-.!%66*_+`'~"));
    let extension = headers.get(&"extensionHeader-!.%*+_`'~".parse().unwrap()).unwrap();
    assert_eq!(extension.as_str(), Some("\u{feff}大停電"));
}

/// RFC 4475 §3.1.1.3: escapes are undone once, where the grammar has them, and printed as they came.
#[test]
fn esc01_escapes_are_undone_once() {
    let request = request("esc01.dat");
    assert_eq!(request.uri.to_string(), "sip:sips%3Auser%40example.com@example.net");
    let uri = request.uri.as_sip().unwrap();
    assert_eq!(uri.user_unescaped().as_deref(), Some(&b"sips:user@example.com"[..]));
    assert_eq!(uri.host.as_str(), "example.net");
    let to = request.headers.to().unwrap().uri;
    assert!(to.equivalent(&"sip:user@example.com".parse().unwrap()));
    let from = request.headers.from_().unwrap();
    assert_eq!(from.uri.as_sip().unwrap().user_unescaped().as_deref(), Some(&b"I have spaces"[..]));
    let contact = request.headers.contact().unwrap().unwrap();
    let contact = contact.uri.as_sip().unwrap();
    assert!(contact.is_loose());
    let name = contact.param("name").flatten().unwrap();
    assert_eq!(&*sip::uri::unescape(name), b"value%41");
    let same = |text: &str| contact.equivalent(text.parse::<Uri>().unwrap().as_sip().unwrap());
    assert!(same("sip:caller@host5.example.net;lr;name=value%2541"));
    assert!(!same("sip:caller@host5.example.net;lr;name=valueA"));
}

/// RFC 4475 §3.1.1.4: an escaped NUL ends nothing; two contacts, two users.
#[test]
fn escnull_nul_is_a_character() {
    let Contacts::List(contacts) = request("escnull.dat").headers.contacts().unwrap() else {
        panic!("a star")
    };
    let users: Vec<_> =
        contacts.iter().map(|contact| contact.uri.as_sip().unwrap().user_unescaped()).collect();
    assert_eq!(users, [Some(b"\0".as_slice().into()), Some(b"\0\0".as_slice().into())]);
    assert!(!contacts[0].uri.equivalent(&contacts[1].uri));
}

/// RFC 4475 §3.1.1.5: where the grammar has no escapes, a percent sign is a percent sign.
#[test]
fn esc02_percent_is_no_escape_in_names() {
    let request = request("esc02.dat");
    assert_eq!(request.method, Method::Other("RE%47IST%45R".to_owned()));
    assert_eq!(request.headers.to().unwrap().display.as_deref(), Some("%Z%45"));
    assert_eq!(request.headers.count(&HeaderName::Contact), 2);
    assert_eq!(request.headers.count(&HeaderName::Other("C%6Fntact".to_owned())), 1);
}

/// RFC 4475 §3.1.1.6.
#[test]
fn lwsdisp_no_space_before_the_bracket() {
    let from = request("lwsdisp.dat").headers.from_().unwrap();
    assert_eq!(from.display.as_deref(), Some("caller"));
    assert_eq!(from.uri.to_string(), "sip:caller@example.com");
}

/// RFC 4475 §3.1.1.7: nothing is cut off.
#[test]
fn longreq_is_whole() {
    let request = request("longreq.dat");
    let headers = &request.headers;
    let vias = headers.vias().unwrap();
    assert_eq!(vias.len(), 34);
    assert_eq!(vias[0].host.as_str(), "sip33.example.com");
    assert_eq!(vias[33].received().map(|ip| ip.to_string()).as_deref(), Some("192.0.2.5"));
    assert_eq!(vias[33].branch().unwrap().len(), 215);
    let to = headers.to().unwrap();
    assert_eq!(to.display.unwrap().len(), 103);
    assert_eq!(to.uri.as_sip().unwrap().port, Some(6000));
    assert_eq!(to.uri.as_sip().unwrap().params.len(), 3);
    assert_eq!(headers.from_().unwrap().params.len(), 3);
    assert_eq!(headers.call_id().unwrap().len(), 141);
    assert_eq!(request.body.len(), 150);
}

/// RFC 4475 §3.1.1.8, RFC 3261 §18.3: what follows the body of a datagram is not there.
#[test]
fn dblreq_only_the_first_request_counts() {
    let request = request("dblreq.dat");
    assert_eq!(request.method, Method::Register);
    assert_eq!(request.body, b"");
}

/// RFC 4475 §3.1.1.9: the semicolon is part of the user.
#[test]
fn semiuri_semicolon_in_the_user() {
    let request = request("semiuri.dat");
    let uri = request.uri.as_sip().unwrap();
    assert_eq!(uri.user_unescaped().as_deref(), Some(&b"user;par=u@example.net"[..]));
    assert_eq!(uri.host.as_str(), "example.com");
    assert!(uri.params.is_empty());
    assert_eq!(request.headers.accept().unwrap().unwrap().len(), 6);
}

/// RFC 4475 §3.1.1.10: transports that we do not know stand in lower Vias.
#[test]
fn transports_are_kept_as_they_are() {
    let vias = request("transports.dat").headers.vias().unwrap();
    let transports: Vec<&str> = vias.iter().map(|via| via.transport.as_ref()).collect();
    assert_eq!(transports, ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]);
}

/// RFC 4475 §3.1.1.11: a binary body.
#[test]
fn mpart01_the_body_is_bytes() {
    let request = request("mpart01.dat");
    assert_eq!(request.body.len(), 553);
    assert!(request.body.contains(&0));
    let kind = request.headers.content_type().unwrap().unwrap();
    assert!(kind.is("multipart", "mixed"));
    assert_eq!(kind.params.value("boundary"), Some("7a9cbec02ceef655"));
    let via = request.headers.top_via().unwrap();
    assert!(via.wants_rport());
}

/// RFC 4475 §3.1.1.12, §3.1.1.13: any reason, or none.
#[test]
fn reasons_are_any_text() {
    let unusual = response("unreason.dat");
    assert_eq!(unusual.reason, "= 2**3 * 5**2 но сто девяносто девять - простое");
    assert_eq!(unusual.status, StatusCode::OK);
    let empty = response("noreason.dat");
    assert_eq!((empty.status, empty.reason.as_str()), (StatusCode::TRYING, ""));
    assert!(empty.to_bytes().starts_with(b"SIP/2.0 100 \r\n"));
}

/// RFC 4475 §3.1.2.1: empty parameters; the answer still finds its way.
#[test]
fn badinv01_is_answered_by_what_its_via_says() {
    let failure = failure("badinv01.dat");
    assert_eq!(failure.error, ParseError::Header(HeaderError::Malformed(HeaderName::Via)));
    let answer = failure.answer().unwrap();
    assert_eq!(answer.headers.count(&HeaderName::Via), 1);
    assert_eq!(answer.headers.top_via().unwrap().to_string(), "SIP/2.0/UDP 192.0.2.15");
    assert_eq!(answer.headers.call_id(), Ok("badinv01.0ha0isndaksdjasdf3234nas"));
}

/// RFC 4475 §3.1.2.2 to §3.1.2.5, §3.1.2.17 to §3.1.2.19, §3.3.1, §3.3.8, §3.3.9: what exactly is wrong.
#[test]
fn rejections_name_the_fault() {
    let header = ParseError::Header;
    let expected = [
        ("clerr.dat", ParseError::ShortBody { expected: 9999, got: 154 }),
        ("ncl.dat", header(HeaderError::Malformed(HeaderName::ContentLength))),
        ("scalar02.dat", header(HeaderError::Malformed(HeaderName::CSeq))),
        ("scalarlg.dat", header(HeaderError::Malformed(HeaderName::CSeq))),
        ("quotbal.dat", header(HeaderError::Malformed(HeaderName::To))),
        ("lwsruri.dat", ParseError::StartLine),
        ("lwsstart.dat", ParseError::StartLine),
        ("trws.dat", ParseError::StartLine),
        ("escruri.dat", ParseError::RequestUriHeaders),
        ("regbadct.dat", header(HeaderError::Malformed(HeaderName::Contact))),
        ("badaspec.dat", header(HeaderError::Malformed(HeaderName::To))),
        ("badvers.dat", ParseError::Version),
        ("bigcode.dat", ParseError::StatusCode),
        (
            "mismatch01.dat",
            ParseError::CSeqMethod { request: Method::Options, cseq: Method::Invite },
        ),
        (
            "mismatch02.dat",
            ParseError::CSeqMethod {
                request: Method::Other("NEWMETHOD".to_owned()),
                cseq: Method::Invite,
            },
        ),
        ("insuf.dat", header(HeaderError::Missing(HeaderName::From))),
        ("multi01.dat", header(HeaderError::Repeated(HeaderName::From))),
        ("mcl01.dat", header(HeaderError::Repeated(HeaderName::ContentLength))),
    ];
    for (file, error) in expected {
        assert_eq!(failure(file).error, error, "{file}");
    }
}

/// RFC 4475 §3.1.2.12: a Date that we do not need is kept and not read.
#[test]
fn baddate_is_not_read() {
    let date = request("baddate.dat").headers.get(&HeaderName::Date).unwrap().clone();
    assert_eq!(date.as_str(), Some("Fri, 01 Jan 2010 16:00:00 EST"));
}

/// RFC 4475 §3.2.1: nothing follows the cookie.
#[test]
fn badbranch_identifies_nothing() {
    let via = request("badbranch.dat").headers.top_via().unwrap();
    assert_eq!(via.branch(), Some("z9hG4bK"));
    assert_eq!(via.unique_branch(), None);
}

/// RFC 4475 §3.3.2 to §3.3.4: other schemes, wherever a URI can stand.
#[test]
fn unknown_schemes_are_kept() {
    let other =
        |scheme: &str, rest: &str| Uri::Other { scheme: scheme.to_owned(), rest: rest.to_owned() };
    assert_eq!(request("unkscm.dat").uri, other("nobodyKnowsThisScheme", "totallyopaquecontent"));
    assert_eq!(request("novelsc.dat").uri, other("soap.beep", "//192.0.2.103:3002"));
    let headers = request("unksm2.dat").headers;
    assert_eq!(headers.to().unwrap().uri, other("isbn", "2983792873"));
    let from = headers.from_().unwrap();
    assert_eq!(
        (from.uri.clone(), from.tag()),
        (other("http", "//www.example.com"), Some("3234233"))
    );
    assert_eq!(headers.contact().unwrap().unwrap().uri, other("name", "John_Smith"));
}

/// RFC 4475 §3.3.12, §3.3.13, RFC 3261 §20.10: without brackets a parameter belongs to the field, in them to the URI.
#[test]
fn cparam_brackets_decide_whose_a_parameter_is() {
    let outside = request("cparam01.dat").headers.contact().unwrap().unwrap();
    assert_eq!(outside.params.get("unknownparam"), Some(None));
    assert_eq!(outside.uri.to_string(), "sip:+19725552222@gw1.example.net");
    let inside = request("cparam02.dat").headers.contact().unwrap().unwrap();
    assert_eq!(inside.params, Params::new());
    assert_eq!(inside.uri.to_string(), "sip:+19725552222@gw1.example.net;unknownparam");
}

/// RFC 4475 §3.3.14: escaped headers in a Contact are kept.
#[test]
fn regescrt_keeps_the_headers_of_a_uri() {
    let contact = request("regescrt.dat").headers.contact().unwrap().unwrap();
    let uri = contact.uri.as_sip().unwrap();
    let headers: Vec<_> = uri.headers_unescaped().collect();
    assert_eq!(headers, [(b"Route".as_slice().into(), b"<sip:sip.example.com>".as_slice().into())]);
    assert!(uri.as_request_uri().headers.is_empty());
}

/// RFC 4475 §3.4.1: a request of RFC 2543. The body is the rest of the datagram.
#[test]
fn inv2543_is_taken() {
    let request = request("inv2543.dat");
    let headers = &request.headers;
    assert_eq!(headers.top_via().unwrap().branch(), None);
    assert_eq!(headers.from_().unwrap().tag(), None);
    assert_eq!(headers.max_forwards(), Ok(None));
    assert!(request.body.starts_with(b"v=0\r\n"));
    assert!(request.body.ends_with(b"\r\n"));
}

/// T02 · RFC 5118 §4.1, §4.3, §4.4, §4.9, §4.10: brackets end the address.
#[test]
fn ipv6_references_are_read() {
    let host = |name: &str| {
        let request = request(name);
        let uri = request.uri.as_sip().unwrap().clone();
        (uri.host.ip().map(|ip| ip.to_string()).unwrap_or_default(), uri.port)
    };
    assert_eq!(host("ipv6-good.dat"), ("2001:db8::10".to_owned(), None));
    assert_eq!(host("port-ambiguous.dat"), ("2001:db8::10:5070".to_owned(), None));
    assert_eq!(host("port-unambiguous.dat"), ("2001:db8::10".to_owned(), Some(5070)));
    assert_eq!(host("ipv6-bug-abnf-3-colons.dat"), host("ipv6-correct-abnf-2-colons.dat"));
    let three = request("ipv6-bug-abnf-3-colons.dat");
    assert_eq!(three.uri.to_string(), "sip:user@[2001:db8:::192.0.2.1]");
    let mapped = request("ipv4-mapped-ipv6.dat").headers.top_via().unwrap();
    assert_eq!(mapped.host.ip().unwrap().to_string(), "::ffff:192.0.2.10");
}

/// T02 · RFC 5118 §4.5: `received` with brackets and without.
#[test]
fn received_is_read_with_brackets_and_without() {
    for name in ["via-received-param-with-delim.dat", "via-received-param-no-delim.dat"] {
        let via = request(name).headers.top_via().unwrap();
        assert_eq!(
            via.received().map(|ip| ip.to_string()).as_deref(),
            Some("2001:db8::9:255"),
            "{name}"
        );
    }
}
