use super::*;

fn parse(text: &str) -> SessionDescription {
    SessionDescription::parse(text.as_bytes()).unwrap()
}

fn local() -> LocalMedia {
    LocalMedia {
        address: "192.0.2.100".parse().unwrap(),
        port: 20_000,
        codecs: vec![Codec::Pcmu, Codec::Pcma],
        direction: Direction::SendRecv,
        session_id: 42,
        version: 7,
        ptime_ms: 20,
        keys_payload_type: None,
    }
}

/// An offer of one peer at 198.51.100.1.
fn offer_of(media: &str) -> SessionDescription {
    parse(&format!(
        "v=0\r\no=- 1 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n{media}"
    ))
}

fn agreed(media: &str) -> Negotiated {
    answer(&offer_of(media), &local()).unwrap().1
}

fn refused(media: &str) -> AnswerError {
    answer(&offer_of(media), &local()).unwrap_err()
}

/// (kind, port, proto, first format) of each m-line.
fn lines(description: &SessionDescription) -> Vec<(&str, u16, &str, &str)> {
    description
        .media
        .iter()
        .map(|m| (&m.kind[..], m.port, &m.proto[..], &m.formats[0][..]))
        .collect()
}

const DIRECTIONS: [Direction; 4] =
    [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive];

#[test]
fn offer_has_static_numbers_with_their_maps() {
    assert_eq!(
        offer(&local()).to_string(),
        "v=0\r\no=- 42 7 IN IP4 192.0.2.100\r\ns=-\r\nc=IN IP4 192.0.2.100\r\nt=0 0\r\n\
         m=audio 20000 RTP/AVP 0 8\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
         a=ptime:20\r\na=sendrecv\r\na=rtcp-mux\r\n"
    );
}

/// F01, T09 · RFC 3264 §6, §6.1
#[test]
fn answer_has_the_same_lines_and_refuses_what_is_not_plain_audio() {
    let offer = parse(
        "v=0\r\no=- 1 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=3724394400 3724398000\r\n\
         m=audio 4000 RTP/AVP 18 8 0\r\n\
         m=video 4002 RTP/AVP 99\r\na=rtpmap:99 VP8/90000\r\n\
         m=text 4004 RTP/AVP 100\r\na=rtpmap:100 t140/1000\r\n\
         m=message 4006 TCP/MSRP *\r\n\
         m=audio 4008 RTP/AVP 0\r\n\
         m=application 0 UDP/BFCP\r\n",
    );
    let (answer, negotiated) = answer(&offer, &local()).unwrap();
    assert_eq!(
        lines(&answer),
        [
            ("audio", 20_000, "RTP/AVP", "8"),
            ("video", 0, "RTP/AVP", "99"),
            ("text", 0, "RTP/AVP", "100"),
            ("message", 0, "TCP/MSRP", "*"),
            ("audio", 0, "RTP/AVP", "0"),
            ("application", 0, "UDP/BFCP", "0"),
        ]
    );
    assert_eq!(answer.time, "3724394400 3724398000");
    assert_eq!(answer.media[0].formats, ["8"], "only what both speak");
    assert_eq!(negotiated.codec, Codec::Pcma, "the offerer's preference");
    assert_eq!(negotiated.remote, Some("198.51.100.1:4000".parse().unwrap()));
    assert_eq!(parse(&answer.to_string()), answer);
}

#[test]
fn audio_we_cannot_serve_does_not_hide_audio_we_can() {
    let (answer, negotiated) = answer(
        &offer_of(
            "m=audio 4000 RTP/AVP 18\r\n\
             m=audio 4002 RTP/AVP 0\r\nc=IN IP6 2001:db8::1\r\n\
             m=audio 0 RTP/AVP 0\r\n\
             m=audio 4004 RTP/AVP 0\r\nc=IN IP4 198.51.100.9\r\n",
        ),
        &local(),
    )
    .unwrap();
    assert_eq!(answer.media.iter().map(|media| media.port).collect::<Vec<_>>(), [0, 0, 0, 20_000]);
    assert_eq!(negotiated.remote, Some("198.51.100.9:4004".parse().unwrap()));
}

/// F02 · RFC 3264 §6.1
#[test]
fn all_sixteen_pairs_of_directions() {
    use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
    // Rows: offered. Columns: what we want, in the order of DIRECTIONS.
    let table = [
        (SendRecv, [SendRecv, SendOnly, RecvOnly, Inactive]),
        (SendOnly, [RecvOnly, Inactive, RecvOnly, Inactive]),
        (RecvOnly, [SendOnly, SendOnly, Inactive, Inactive]),
        (Inactive, [Inactive, Inactive, Inactive, Inactive]),
    ];
    for (offered, answers) in table {
        for (wanted, expected) in DIRECTIONS.into_iter().zip(answers) {
            let offer = offer_of(&format!("m=audio 4000 RTP/AVP 0\r\na={}\r\n", offered.as_str()));
            let local = LocalMedia { direction: wanted, ..local() };
            let (answer, negotiated) = answer(&offer, &local).unwrap();
            let said = answer.media[0].direction();
            assert_eq!(said, Some(expected), "{offered:?} offered, {wanted:?} wanted");
            assert_eq!(negotiated.direction, expected, "what is said is what is done");
            // And the offerer reads the same from the other side.
            let theirs = accept_answer(&offer, &answer).unwrap();
            assert_eq!(theirs.direction, expected.reversed());
        }
    }
}

#[test]
fn direction_may_stand_in_the_session_part_or_nowhere() {
    let session = parse(
        "v=0\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\na=sendonly\r\nm=audio 4000 RTP/AVP 0\r\n",
    );
    assert_eq!(answer(&session, &local()).unwrap().1.direction, Direction::RecvOnly);
    assert_eq!(agreed("m=audio 4000 RTP/AVP 0\r\n").direction, Direction::SendRecv);
}

/// F07 · RFC 3264 §5.1, §6.1; RFC 8866 §5.8, §5.13
#[test]
fn media_goes_out_with_the_numbers_the_peer_chose() {
    let offer = offer_of(
        "m=audio 4000 RTP/AVP 18 111 97\r\nb=X-YZ:1\r\na=foo\r\na=rtpmap:111 opus/48000/2\r\n\
         a=rtpmap:97 PCMA/8000\r\na=fmtp:97 whatever\r\n",
    );
    let (answer, negotiated) = answer(&offer, &local()).unwrap();
    assert_eq!((negotiated.codec, negotiated.send_payload_type), (Codec::Pcma, 97));
    assert_eq!(negotiated.receive_payload_types, [97]);
    let ours = answer.media[0].to_string();
    assert!(
        ours.contains("RTP/AVP 97\r\n") && ours.contains("a=rtpmap:97 PCMA/8000\r\n"),
        "{ours}"
    );
    assert!(!ours.contains("foo") && !ours.contains("X-YZ"), "{ours}");
}

/// F07 · RFC 3264 §6.1
#[test]
fn answerer_may_choose_other_numbers_than_we_offered() {
    let ours = offer(&local());
    let answer = offer_of(
        "m=audio 4000 RTP/AVP 101 98\r\na=rtpmap:98 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n",
    );
    let negotiated = accept_answer(&ours, &answer).unwrap();
    assert_eq!((negotiated.codec, negotiated.send_payload_type), (Codec::Pcma, 98));
    assert_eq!(negotiated.receive_payload_types, [8, 98], "ours, and what some send");
}

/// F08, T09 · RFC 3551 §6
#[test]
fn static_numbers_need_no_map_and_mean_what_they_mean() {
    assert_eq!(agreed("m=audio 4000 RTP/AVP 0\r\n").codec, Codec::Pcmu);
    assert_eq!(agreed("m=audio 4000 RTP/AVP 8 0\r\n").codec, Codec::Pcma);
    assert_eq!(agreed("m=audio 4000 RTP/AVP 0\r\na=rtpmap:0 pcmu/8000/1\r\n").codec, Codec::Pcmu);
    for media in [
        "m=audio 4000 RTP/AVP 3 18 101\r\na=rtpmap:101 telephone-event/8000\r\n",
        "m=audio 4000 RTP/AVP 97\r\n",
        "m=audio 4000 RTP/AVP 97\r\na=rtpmap:97 PCMU/16000\r\n",
        "m=audio 4000 RTP/AVP 97\r\na=rtpmap:97 PCMU/8000/2\r\n",
        "m=audio 4000 RTP/AVP 0\r\na=rtpmap:0 opus/48000/2\r\n",
        "m=audio 4000 RTP/AVP 0\r\na=rtpmap:0 PCMA/8000\r\n",
        "m=audio 4000 RTP/AVP 128 -1 x\r\n",
        "m=audio 4000 RTP/AVP\r\n",
    ] {
        assert_eq!(refused(media), AnswerError::NoCommonCodec, "{media}");
        assert_eq!(refused(media).status(), 488);
    }
    let none = LocalMedia { codecs: vec![Codec::Pcma], ..local() };
    let got = answer(&offer_of("m=audio 4000 RTP/AVP 0\r\n"), &none).unwrap_err();
    assert_eq!(got, AnswerError::NoCommonCodec);
}

/// F08 · RFC 3551 §4.2; RFC 3264 §6.1
#[test]
fn packet_time_the_peer_wishes_is_kept_within_what_we_make() {
    for (attributes, expected) in [
        ("", 20),
        ("a=ptime:10\r\n", 10),
        ("a=ptime:20\r\n", 20),
        ("a=ptime:30\r\n", 30),
        ("a=ptime:40\r\n", 40),
        ("a=ptime:60\r\n", 60),
        ("a=ptime:5\r\n", 10),
        ("a=ptime:25.5\r\n", 20),
        ("a=ptime:200\r\n", 60),
        ("a=ptime:0\r\n", 20),
        ("a=ptime:x\r\n", 20),
        ("a=ptime:99999999999\r\n", 20),
        ("a=ptime: 30 \r\na=maxptime:20\r\n", 20),
        ("a=maxptime:10\r\n", 10),
        ("a=maxptime:150\r\n", 20),
    ] {
        let media = format!("m=audio 4000 RTP/AVP 0\r\n{attributes}");
        assert_eq!(agreed(&media).ptime_ms, expected, "{attributes}");
        let ours = offer(&local());
        assert_eq!(accept_answer(&ours, &offer_of(&media)).unwrap().ptime_ms, expected);
    }
    let offer = offer_of("m=audio 4000 RTP/AVP 0\r\na=ptime:40\r\n");
    let (answer, _) = answer(&offer, &local()).unwrap();
    assert_eq!(answer.media[0].ptime_ms(), Some(20), "what we like to receive is ours to say");
}

/// RFC 3264 §8.4: the old way to hold.
#[test]
fn unspecified_address_is_a_hold() {
    let offer = parse(
        "v=0\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\na=sendrecv\r\n",
    );
    let (answer, negotiated) = answer(&offer, &local()).unwrap();
    assert_eq!((negotiated.remote, negotiated.direction), (None, Direction::RecvOnly));
    assert_eq!(answer.media[0].direction(), Some(Direction::SendRecv), "no hold back");
    let ours = super::offer(&local());
    let negotiated = accept_answer(&ours, &offer).unwrap();
    assert_eq!((negotiated.remote, negotiated.direction), (None, Direction::RecvOnly));
}

#[test]
fn addresses_that_we_cannot_send_to_are_refused() {
    for address in [
        "c=IN IP6 2001:db8::1\r\n",
        "c=IN IP6 ::\r\n",
        "c=IN IP4 233.252.0.1/127\r\n",
        "c=IN IP4 255.255.255.255\r\n",
        "c=IN IP4 phone.example.com\r\n",
        "c=x\r\n",
        "",
    ] {
        let offer = parse(&format!("v=0\r\ns=-\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n{address}"));
        let got = answer(&offer, &local()).unwrap_err();
        assert_eq!((got.status(), &got), (488, &AnswerError::NoAddress), "{address}");
        let got = accept_answer(&super::offer(&local()), &offer).unwrap_err();
        assert_eq!(got, AnswerError::NoAddress, "{address}");
    }
}

/// RFC 8866 §5.7, RFC 3264 §6: over IPv6 as over IPv4; `::` is a hold there.
#[test]
fn a_stream_over_ipv6_is_agreed_on_by_who_has_an_ipv6_address() {
    let ours = LocalMedia { address: "2001:db8::9".parse().unwrap(), ..local() };
    let over = |address: &str| {
        parse(&format!("v=0\r\ns=-\r\nc=IN IP6 {address}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"))
    };
    let (answered, negotiated) = answer(&over("2001:db8::1"), &ours).unwrap();
    assert!(answered.to_string().contains("c=IN IP6 2001:db8::9\r\n"));
    assert_eq!(negotiated.remote, Some("[2001:db8::1]:4000".parse().unwrap()));
    let offered = offer(&ours);
    assert_eq!(accept_answer(&offered, &over("::1")).unwrap().remote.unwrap().port(), 4_000);
    assert_eq!(accept_answer(&offered, &over("::")).unwrap().direction, Direction::RecvOnly);
    for other in ["ff02::1", "x"] {
        assert_eq!(answer(&over(other), &ours).unwrap_err(), AnswerError::NoAddress, "{other}");
    }
    let v4 = offer_of("m=audio 4000 RTP/AVP 0\r\n");
    assert_eq!(answer(&v4, &ours).unwrap_err(), AnswerError::NoAddress);
    assert_eq!(crate::Family::of("::ffff:192.0.2.1".parse().unwrap()), crate::Family::V4);
}

/// T09 · RFC 3264 §6: a profile that is not spoken is a stream that is refused.
#[test]
fn other_profiles_are_refused_and_nothing_else_is_488() {
    for proto in ["RTP/SAVP", "RTP/SAVPF", "RTP/AVPF", "UDP/TLS/RTP/SAVPF", "TCP/RTP/AVP", "udptl"]
    {
        let secure = format!("m=audio 4000 {proto} 0\r\n");
        assert_eq!((refused(&secure), refused(&secure).status()), (AnswerError::NoAudio, 488));
        let offer = offer_of(&format!("{secure}m=audio 4002 RTP/AVP 0\r\n"));
        let (answer, negotiated) = answer(&offer, &local()).unwrap();
        assert_eq!(lines(&answer), [("audio", 0, proto, "0"), ("audio", 20_000, "RTP/AVP", "0")]);
        assert_eq!(negotiated.remote.unwrap().port(), 4_002);
    }
    for nothing in ["", "m=video 4000 RTP/AVP 0\r\n", "m=audio 0 RTP/AVP 0\r\n"] {
        assert_eq!(refused(nothing), AnswerError::NoAudio, "{nothing}");
    }
    // What got furthest is told.
    let both =
        "m=audio 1 RTP/AVP 0\r\nc=IN IP6 ::1\r\nm=audio 2 RTP/AVP 18\r\nm=video 3 RTP/AVP 0\r\n";
    assert_eq!(refused(both), AnswerError::NoAddress);
}

/// RFC 3264 §7
#[test]
fn answers_that_do_not_fit_are_refused() {
    let ours = offer(&local());
    let accept = |media: &str| accept_answer(&ours, &offer_of(media)).unwrap_err();
    assert_eq!(accept(""), AnswerError::LineCount { got: 0, expected: 1 });
    let two = "m=audio 1 RTP/AVP 0\r\nm=audio 2 RTP/AVP 0\r\n";
    assert_eq!(accept(two), AnswerError::LineCount { got: 2, expected: 1 });
    assert_eq!(accept("m=audio 0 RTP/AVP 0\r\n"), AnswerError::NoAudio, "refused");
    assert_eq!(accept("m=video 1 RTP/AVP 0\r\n"), AnswerError::NoAudio);
    assert_eq!(accept("m=audio 1 RTP/SAVP 0\r\n"), AnswerError::NoAudio);
    assert_eq!(accept("m=audio 1 RTP/AVP 18\r\n"), AnswerError::NoCommonCodec);
    let pcmu = offer(&LocalMedia { codecs: vec![Codec::Pcmu], ..local() });
    let pcma = offer_of("m=audio 1 RTP/AVP 8\r\n");
    assert_eq!(accept_answer(&pcmu, &pcma), Err(AnswerError::NoCommonCodec), "not offered");
}

/// What we send once is what we answered: nobody may talk us into more.
#[test]
fn answer_cannot_widen_the_direction_offered() {
    for wanted in DIRECTIONS {
        for said in DIRECTIONS {
            let ours = offer(&LocalMedia { direction: wanted, ..local() });
            let answer = offer_of(&format!("m=audio 4000 RTP/AVP 0\r\na={}\r\n", said.as_str()));
            let got = accept_answer(&ours, &answer).unwrap().direction;
            assert!(!got.sends() || wanted.sends() && said.receives(), "{wanted:?} {said:?}");
            assert!(!got.receives() || wanted.receives() && said.sends(), "{wanted:?} {said:?}");
        }
    }
}

#[test]
fn result_is_plain_data() {
    let negotiated = agreed("m=audio 4000 RTP/AVP 0\r\n");
    let text = serde_json::to_string(&negotiated).unwrap();
    assert_eq!(serde_json::from_str::<Negotiated>(&text).unwrap(), negotiated);
}

mod peers;

fn with_keys() -> LocalMedia {
    LocalMedia { keys_payload_type: Some(101), ..local() }
}

/// F10 · RFC 4733 §2.5.2.1, §7.1.1: keys at 8 kHz are taken under the number of the offer.
#[test]
fn telephone_event_is_answered_if_it_is_offered_at_the_clock_of_the_codec() {
    let offered = "m=audio 4000 RTP/AVP 0 96 100\r\na=rtpmap:96 telephone-event/48000\r\n\
                   a=rtpmap:100 TELEPHONE-EVENT/8000\r\na=fmtp:100 0-16\r\n";
    let (said, agreed) = answer(&offer_of(offered), &with_keys()).unwrap();
    assert_eq!(agreed.keys_payload_type, Some(100));
    let said = said.to_string();
    assert!(said.contains("m=audio 20000 RTP/AVP 0 100\r\n"), "{said}");
    assert!(said.contains("a=rtpmap:100 telephone-event/8000\r\na=fmtp:100 0-15\r\n"), "{said}");
    let (said, agreed) = answer(&offer_of(offered), &local()).unwrap();
    assert_eq!(agreed.keys_payload_type, None, "we take none");
    assert!(!said.to_string().contains("telephone-event"));
    for offered in [
        "m=audio 4000 RTP/AVP 0\r\n",
        "m=audio 4000 RTP/AVP 0 96\r\na=rtpmap:96 telephone-event/48000\r\n",
        "m=audio 4000 RTP/AVP 0\r\na=rtpmap:101 telephone-event/8000\r\n",
    ] {
        let (said, agreed) = answer(&offer_of(offered), &with_keys()).unwrap();
        assert_eq!(agreed.keys_payload_type, None, "{offered}");
        assert!(said.to_string().contains("RTP/AVP 0\r\n"), "{offered}");
    }
}

#[test]
fn our_telephone_event_holds_if_the_answer_has_one() {
    let ours = offer(&with_keys());
    let text = ours.to_string();
    assert!(text.contains("RTP/AVP 0 8 101\r\n") && text.contains("a=fmtp:101 0-15\r\n"), "{text}");
    let answered = |media| accept_answer(&ours, &offer_of(media)).unwrap().keys_payload_type;
    assert_eq!(answered("m=audio 4000 RTP/AVP 0\r\n"), None);
    let other = "m=audio 4000 RTP/AVP 0 96\r\na=rtpmap:96 telephone-event/8000\r\n";
    assert_eq!(answered(other), Some(101), "RFC 3264 §6.1: he sends with our number");
}

/// RFC 3389 §5.1
#[test]
fn comfort_noise_is_answered_if_it_is_offered_and_never_asked_for() {
    let said = |media| answer(&offer_of(media), &local()).unwrap().0.to_string();
    let answered = said("m=audio 4000 RTP/AVP 8 13\r\n");
    assert!(answered.contains("RTP/AVP 8 13\r\n") && answered.contains("a=rtpmap:13 CN/8000\r\n"));
    assert!(said("m=audio 4000 RTP/AVP 8\r\n").contains("RTP/AVP 8\r\n"));
    assert!(!offer(&with_keys()).to_string().contains("13"));
}

/// F20 · RFC 5761 §5.1.1, RFC 3605 §2.1: all four combinations, and where RTCP goes if not to RTP's port.
#[test]
fn rtcp_shares_the_port_only_if_both_say_so() {
    let said = |description: &SessionDescription| description.media[0].muxes_rtcp();
    let apart = |to: &str| RtcpWay::Apart(Some(to.parse().unwrap()));
    let audio = "m=audio 4000 RTP/AVP 0\r\n";
    // They offer.
    for (line, expected) in [("a=rtcp-mux\r\n", RtcpWay::Muxed), ("", apart("198.51.100.1:4001"))] {
        let (answer, negotiated) = answer(&offer_of(&format!("{audio}{line}")), &local()).unwrap();
        assert_eq!((said(&answer), negotiated.rtcp), (expected == RtcpWay::Muxed, expected));
    }
    // We offer.
    let ours = offer(&local());
    assert!(said(&ours));
    for (line, expected) in [("a=rtcp-mux\r\n", RtcpWay::Muxed), ("", apart("198.51.100.1:4001"))] {
        let negotiated = accept_answer(&ours, &offer_of(&format!("{audio}{line}"))).unwrap();
        assert_eq!(negotiated.rtcp, expected);
    }
    let mut unwilling = ours.clone();
    unwilling.media[0].attributes.retain(|attribute| attribute.name != "rtcp-mux");
    let negotiated = accept_answer(&unwilling, &offer_of(&format!("{audio}a=rtcp-mux\r\n")));
    assert_eq!(negotiated.unwrap().rtcp, apart("198.51.100.1:4001"), "we did not say so");
}

/// F20 · RFC 3605 §2.1
#[test]
fn rtcp_goes_where_the_peer_says() {
    let apart = |to: Option<&str>| RtcpWay::Apart(to.map(|to| to.parse().unwrap()));
    for (line, expected) in [
        ("a=rtcp:53020", apart(Some("198.51.100.1:53020"))),
        ("a=rtcp:53020 IN IP4 198.51.100.9", apart(Some("198.51.100.9:53020"))),
        ("a=rtcp:53020 IN IP4 224.0.0.1", apart(None)),
        ("a=rtcp:53020 IN IP6 2001:db8::1", apart(None)),
        ("a=rtcp:53020 IN IP4 0.0.0.0", apart(None)),
        ("a=rtcp:nonsense", apart(Some("198.51.100.1:4001"))),
        ("a=rtcp:0", apart(Some("198.51.100.1:4001"))),
        ("a=rtcp:53020\r\na=rtcp-mux", RtcpWay::Muxed),
        ("c=IN IP4 0.0.0.0", apart(None)),
    ] {
        assert_eq!(
            agreed(&format!("m=audio 4000 RTP/AVP 0\r\n{line}\r\n")).rtcp,
            expected,
            "{line}"
        );
    }
    assert_eq!(agreed("m=audio 65535 RTP/AVP 0\r\n").rtcp, apart(None), "there is no next port");
}

/// F20 · RFC 5761 §4
#[test]
fn payload_types_that_look_like_rtcp_keep_it_apart() {
    for (payload_type, muxes) in [(63, true), (64, false), (95, false), (96, true)] {
        let offer = offer_of(&format!(
            "m=audio 4000 RTP/AVP {payload_type}\r\na=rtpmap:{payload_type} PCMU/8000\r\na=rtcp-mux\r\n"
        ));
        let (answer, negotiated) = answer(&offer, &local()).unwrap();
        assert_eq!(answer.media[0].muxes_rtcp(), muxes, "{payload_type}");
        assert_eq!(negotiated.rtcp == RtcpWay::Muxed, muxes, "{payload_type}");
    }
}
