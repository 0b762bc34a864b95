//! What programs of other people say: by hand, in the shape that they send.

use super::*;

/// SIPp, a scenario with RTP.
const SIPP: &str = "v=0\r\n\
    o=user1 53655765 2353687637 IN IP4 127.0.0.1\r\n\
    s=-\r\n\
    c=IN IP4 127.0.0.1\r\n\
    t=0 0\r\n\
    m=audio 6000 RTP/AVP 0\r\n\
    a=rtpmap:0 PCMU/8000\r\n";

/// baresip: Opus first, events last, labels and RTCP of its own.
const BARESIP: &str = "v=0\r\n\
    o=- 2943204384 1518478327 IN IP4 192.168.1.20\r\n\
    s=-\r\n\
    c=IN IP4 192.168.1.20\r\n\
    t=0 0\r\n\
    a=tool:baresip 1.0.0\r\n\
    m=audio 20280 RTP/AVP 96 9 0 8 97\r\n\
    a=rtpmap:96 opus/48000/2\r\n\
    a=fmtp:96 stereo=1;sprop-stereo=1\r\n\
    a=rtpmap:9 G722/8000\r\n\
    a=rtpmap:0 PCMU/8000\r\n\
    a=rtpmap:8 PCMA/8000\r\n\
    a=rtpmap:97 telephone-event/8000\r\n\
    a=fmtp:97 0-15\r\n\
    a=rtcp:20281\r\n\
    a=sendrecv\r\n\
    a=label:1\r\n\
    a=rtcp-rsize\r\n\
    a=ssrc:3316207312 cname:sip:alice@192.168.1.20\r\n\
    a=ptime:20\r\n\
    m=video 20282 RTP/AVP 98\r\n\
    a=rtpmap:98 VP8/90000\r\n\
    a=framerate:30.00\r\n\
    a=label:2\r\n";

/// linphone: AVPF attributes in AVP, session-level extensions, no map for static types.
const LINPHONE: &str = "v=0\r\n\
    o=alice 1204 3472 IN IP4 127.0.0.1\r\n\
    s=Talk\r\n\
    c=IN IP4 127.0.0.1\r\n\
    t=0 0\r\n\
    a=rtcp-xr:rcvr-rtt=all:10000 stat-summary=loss,dup,jitt,TTL voip-metrics\r\n\
    a=record:off\r\n\
    m=audio 23000 RTP/AVP 96 97 98 0 8 101 99 100\r\n\
    a=rtpmap:96 opus/48000/2\r\n\
    a=fmtp:96 useinbandfec=1\r\n\
    a=rtpmap:97 speex/16000\r\n\
    a=fmtp:97 vbr=on\r\n\
    a=rtpmap:98 speex/8000\r\n\
    a=fmtp:98 vbr=on\r\n\
    a=rtpmap:101 telephone-event/48000\r\n\
    a=rtpmap:99 telephone-event/16000\r\n\
    a=rtpmap:100 telephone-event/8000\r\n\
    a=rtcp:23001\r\n\
    a=rtcp-fb:* trr-int 1000\r\n\
    a=rtcp-fb:* ccm tmmbr\r\n";

/// Chromium: only encrypted media, one transport for all, addresses by ICE.
const CHROMIUM: &str = "v=0\r\n\
    o=- 4611731400430051336 2 IN IP4 127.0.0.1\r\n\
    s=-\r\n\
    t=0 0\r\n\
    a=group:BUNDLE 0 1\r\n\
    a=extmap-allow-mixed\r\n\
    a=msid-semantic: WMS stream\r\n\
    m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126\r\n\
    c=IN IP4 0.0.0.0\r\n\
    a=rtcp:9 IN IP4 0.0.0.0\r\n\
    a=ice-ufrag:4ZcD\r\n\
    a=ice-pwd:2/1muCWoOi3uLifh0NuRHlig\r\n\
    a=ice-options:trickle\r\n\
    a=fingerprint:sha-256 19:E2:1C:3B:4B:9F:81:E6:B8:5C:F4:A5:A8:D8:73:04:BB:05:2F:70:9F:04:A9:0E:05:E9:26:33:E8:70:88:A2\r\n\
    a=setup:actpass\r\n\
    a=mid:0\r\n\
    a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n\
    a=sendrecv\r\n\
    a=rtcp-mux\r\n\
    a=rtpmap:111 opus/48000/2\r\n\
    a=rtcp-fb:111 transport-cc\r\n\
    a=fmtp:111 minptime=10;useinbandfec=1\r\n\
    a=rtpmap:0 PCMU/8000\r\n\
    a=rtpmap:8 PCMA/8000\r\n\
    a=rtpmap:126 telephone-event/8000\r\n\
    m=video 9 UDP/TLS/RTP/SAVPF 96\r\n\
    c=IN IP4 0.0.0.0\r\n\
    a=rtpmap:96 VP8/90000\r\n\
    a=mid:1\r\n";

/// A desk phone with bare LF, no s=, no t=, a long list and silence suppression.
const DESK_PHONE: &str = "v=0\n\
    o=MxSIP 0 1 IN IP4 10.1.2.3\n\
    c=IN IP4 10.1.2.3\n\
    m=audio 16384 RTP/AVP 18 8 0 101\n\
    a=rtpmap:18 G729/8000\n\
    a=fmtp:18 annexb=no\n\
    a=rtpmap:8 PCMA/8000\n\
    a=rtpmap:0 PCMU/8000\n\
    a=rtpmap:101 telephone-event/8000\n\
    a=fmtp:101 0-15\n\
    a=silenceSupp:off - - - -\n\
    a=ptime:30\n\
    a=maxptime:60\n\
    a=sendrecv \n";

#[test]
fn plain_peers_agree_on_their_first_g711() {
    for (name, text, codec, remote, ptime_ms, lines) in [
        ("SIPp", SIPP, Codec::Pcmu, "127.0.0.1:6000", 20, 1),
        ("baresip", BARESIP, Codec::Pcmu, "192.168.1.20:20280", 20, 2),
        ("linphone", LINPHONE, Codec::Pcmu, "127.0.0.1:23000", 20, 1),
        ("desk phone", DESK_PHONE, Codec::Pcma, "10.1.2.3:16384", 30, 1),
    ] {
        let offer = parse(text);
        let (answer, negotiated) = answer(&offer, &local()).unwrap();
        assert_eq!((negotiated.codec, negotiated.ptime_ms), (codec, ptime_ms), "{name}");
        assert_eq!(negotiated.remote, Some(remote.parse().unwrap()), "{name}");
        assert_eq!(negotiated.direction, Direction::SendRecv, "{name}");
        assert_eq!(answer.media.len(), lines, "{name}");
        assert_eq!(parse(&offer.to_string()), offer, "{name}: nothing is lost in print");
        // And each of them could have been an answer to ours, video apart.
        let theirs = SessionDescription { media: offer.media[..1].to_vec(), ..offer };
        let negotiated = accept_answer(&super::offer(&local()), &theirs).unwrap();
        assert_eq!((negotiated.codec, negotiated.ptime_ms), (codec, ptime_ms), "{name}");
    }
}

#[test]
fn browser_without_encryption_on_our_side_gets_488() {
    let offer = parse(CHROMIUM);
    let got = answer(&offer, &local()).unwrap_err();
    assert_eq!((got.status(), got), (488, AnswerError::NoAudio));
    assert_eq!(parse(&offer.to_string()), offer);
}
