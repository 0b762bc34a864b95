//! Latching, blind media and silence.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::*;
use crate::rig::{peer, transport};

/// Another host than the SDP names, and than the signalling comes from.
const STRANGER: u8 = 66;
/// The signalling's host in these tests; the SDP's is another one.
const PROXY: u8 = 2;

struct TransportRig {
    transport: Transport,
    now: Instant,
}

impl TransportRig {
    /// The SDP names peer 1; the signalling comes from peer 2.
    fn new() -> Self {
        let now = Instant::from_millis(1);
        let spec = TransportSpec { signalling: peer(PROXY).ip(), ..transport(1, peer(1)) };
        Self { transport: Transport::new(now, spec).expect("good spec"), now }
    }

    fn judge(&mut self, from: SocketAddr, ssrc: u32, sequence: u16) -> Judgement {
        self.now += Duration::from_millis(1);
        let header = Header { ssrc, sequence, ..Header::default() };
        self.transport.judge(self.now, from, &header)
    }

    /// Three packets in sequence.
    fn prove(&mut self, from: SocketAddr, ssrc: u32) -> [Judgement; 3] {
        [100, 101, 102].map(|sequence| self.judge(from, ssrc, sequence))
    }

    fn rename(&mut self, remote: Option<SocketAddr>) {
        let spec = TransportSpec { remote, ..self.transport.spec().clone() };
        self.transport.update(self.now, spec).expect("good spec");
    }
}

const LATCHES: [Judgement; 3] = [Judgement::Unproved, Judgement::Unproved, Judgement::Restarted];
const FOREIGN: [Judgement; 3] = [Judgement::Foreign; 3];

#[test]
fn three_packets_in_sequence_latch_and_two_do_not() {
    let mut rig = TransportRig::new();
    assert_eq!(rig.judge(peer(1), 7, 65_535), Judgement::Unproved);
    assert_eq!(rig.judge(peer(1), 7, 0), Judgement::Unproved);
    assert_eq!(rig.transport.latched(), None);
    assert_eq!(rig.judge(peer(1), 7, 1), Judgement::Restarted);
    assert_eq!(rig.transport.latched(), Some(peer(1)));
    assert_eq!(rig.judge(peer(1), 7, 9), Judgement::Accepted, "a gap after the latch is only loss");
}

#[test]
fn a_gap_or_another_ssrc_starts_the_proof_anew_and_a_duplicate_does_not() {
    let mut rig = TransportRig::new();
    for (ssrc, sequence) in [(7, 1), (7, 2), (7, 4), (7, 5), (8, 6), (7, 5), (7, 2)] {
        assert_eq!(rig.judge(peer(1), ssrc, sequence), Judgement::Unproved, "{ssrc} {sequence}");
    }
    assert_eq!(rig.judge(peer(1), 7, 6), Judgement::Restarted, "4, 5, 6");
}

#[test]
fn the_sdp_address_takes_over_from_another_that_was_first() {
    let mut rig = TransportRig::new();
    assert_eq!(rig.prove(peer(STRANGER), 1), LATCHES);
    assert_eq!(rig.prove(peer(PROXY), 2), LATCHES, "the signalling's host is above a stranger");
    assert_eq!(rig.prove(peer(STRANGER), 1), FOREIGN);
    assert_eq!(rig.prove(peer(1), 3), LATCHES, "the SDP's address is above all");
    assert_eq!(rig.transport.latched(), Some(peer(1)));
    assert_eq!(rig.prove(peer(PROXY), 2), FOREIGN);
    assert_eq!(rig.prove(peer(STRANGER), 1), FOREIGN);
}

#[test]
fn of_two_that_nothing_speaks_for_the_first_stays() {
    let mut rig = TransportRig::new();
    rig.prove(peer(STRANGER), 1);
    assert_eq!(rig.prove(peer(STRANGER + 1), 2), FOREIGN);
    assert_eq!(rig.transport.latched(), Some(peer(STRANGER)));
}

#[test]
fn after_the_window_nobody_takes_over_not_even_the_sdp_address() {
    let mut rig = TransportRig::new();
    rig.prove(peer(STRANGER), 1);
    rig.now += Duration::from_secs(6);
    assert_eq!(rig.prove(peer(1), 3), FOREIGN);
    assert_eq!(rig.transport.latched(), Some(peer(STRANGER)));
    assert_eq!(rig.judge(peer(STRANGER), 1, 500), Judgement::Accepted);
}

#[test]
fn a_new_address_in_the_sdp_opens_the_latch_and_the_same_one_does_not() {
    let mut rig = TransportRig::new();
    rig.prove(peer(1), 1);
    rig.rename(Some(peer(1)));
    assert_eq!(rig.transport.latched(), Some(peer(1)));
    rig.rename(Some(peer(9)));
    assert_eq!(rig.transport.latched(), None);
    // RFC 3264 §8.3.1: media goes to the new address at once, whatever still comes from the old one.
    assert_eq!(rig.prove(peer(1), 1), FOREIGN);
    assert_eq!(rig.transport.destination(), Destination::To(peer(9)));
    assert_eq!(rig.prove(peer(9), 5), LATCHES);
    assert_eq!(rig.transport.destination(), Destination::To(peer(9)));
}

#[test]
fn an_old_source_may_come_back_when_nobody_else_did() {
    let mut rig = TransportRig::new();
    rig.prove(peer(STRANGER), 1); // behind a NAT: neither the SDP nor the signalling knows it
    rig.rename(Some(peer(9)));
    rig.now += Duration::from_secs(6);
    assert_eq!(rig.prove(peer(STRANGER), 1), LATCHES);
}

#[test]
fn another_socket_is_refused_and_changes_nothing() {
    let mut rig = TransportRig::new();
    let spec = TransportSpec { lent: 5, ..rig.transport.spec().clone() };
    assert_eq!(
        rig.transport.update(rig.now, spec),
        Err(Refused::OtherSocket { got: 5, current: 1 })
    );
    assert_eq!(rig.transport.spec().lent, 1);
}

#[test]
fn addresses_that_are_not_one_host_are_refused() {
    let now = Instant::ZERO;
    for bad in
        ["0.0.0.0:4000", "239.1.2.3:4000", "255.255.255.255:4000", "192.0.2.1:0", "[ff02::1]:4"]
    {
        let remote: SocketAddr = bad.parse().expect("an address");
        let got = Transport::new(now, transport(1, remote)).map(|_| ());
        assert_eq!(got, Err(Refused::BadRemote { got: remote }));
    }
}

#[test]
fn blind_media_ends_after_five_seconds_and_goes_on_with_the_first_rtcp() {
    let mut rig = TransportRig::new();
    for _ in 0..500 {
        assert_eq!(rig.transport.destination(), Destination::To(peer(1)));
    }
    assert_eq!(rig.transport.destination(), Destination::Withheld);
    assert_eq!(rig.transport.note(rig.now, peer(STRANGER)), Origin::Stranger);
    assert_eq!(rig.transport.destination(), Destination::Withheld, "somebody else's means nothing");
    assert_eq!(rig.transport.note(rig.now, peer(1)), Origin::Peer);
    assert_eq!(rig.transport.destination(), Destination::To(peer(1)));
}

#[test]
fn naming_address_after_address_gives_no_more_blind_media() {
    let mut rig = TransportRig::new();
    for _ in 0..500 {
        rig.transport.destination();
    }
    rig.rename(Some(peer(9)));
    assert_eq!(rig.transport.destination(), Destination::Withheld);
}

#[test]
fn a_new_address_has_to_be_heard_by_itself() {
    let mut rig = TransportRig::new();
    rig.transport.note(rig.now, peer(1));
    rig.rename(Some(peer(9)));
    for _ in 0..500 {
        assert_eq!(rig.transport.destination(), Destination::To(peer(9)));
    }
    assert_eq!(rig.transport.destination(), Destination::Withheld);
}

#[test]
fn the_signalling_host_gets_media_without_end() {
    let mut transport = Transport::new(Instant::ZERO, transport(1, peer(1))).expect("good spec");
    for _ in 0..10_000 {
        assert_eq!(transport.destination(), Destination::To(peer(1)));
    }
}

/// RFC 3264 §8.4.
#[test]
fn without_an_address_nothing_is_sent_even_to_a_latched_source() {
    let mut rig = TransportRig::new();
    rig.prove(peer(1), 1);
    rig.rename(None);
    assert_eq!(rig.transport.destination(), Destination::Nowhere);
    rig.now += Duration::from_secs(6);
    rig.prove(peer(1), 1);
    assert_eq!(rig.transport.destination(), Destination::Nowhere);
}

/// RFC 3550 §8.2.
#[test]
fn a_second_ssrc_from_the_same_address_waits_until_the_first_is_quiet() {
    let mut rig = TransportRig::new();
    rig.prove(peer(1), 1);
    for sequence in 0..20 {
        assert_eq!(rig.judge(peer(1), 1, sequence), Judgement::Accepted);
        assert_eq!(rig.judge(peer(1), 2, sequence), Judgement::Foreign);
    }
    rig.now += Duration::from_millis(100);
    assert_eq!(rig.prove(peer(1), 2), LATCHES);
}

#[test]
fn whoever_sprays_from_many_addresses_displaces_only_his_like() {
    let mut rig = TransportRig::new();
    assert_eq!(rig.judge(peer(1), 1, 1), Judgement::Unproved);
    for n in 10..200 {
        rig.judge(peer(n), 1, 1);
    }
    assert_eq!(rig.judge(peer(1), 1, 2), Judgement::Unproved);
    for n in 10..200 {
        rig.judge(peer(n), 1, 1);
    }
    assert_eq!(rig.judge(peer(1), 1, 3), Judgement::Restarted);
}

#[test]
fn sources_that_fell_silent_keep_nobody_out() {
    let mut rig = TransportRig::new();
    rig.judge(peer(1), 1, 1);
    for n in 10..13 {
        rig.judge(peer(n), 1, 1);
    }
    assert_eq!(rig.prove(peer(STRANGER), 1), LATCHES);
}

#[test]
fn a_stranger_displaces_none_that_something_speaks_for() {
    let mut rig = TransportRig::new();
    for ssrc in 0..4 {
        assert_eq!(rig.judge(peer(PROXY), ssrc, 1), Judgement::Unproved);
    }
    assert_eq!(rig.prove(peer(STRANGER), 1), FOREIGN);
    assert_eq!(rig.judge(peer(PROXY), 0, 2), Judgement::Unproved);
    assert_eq!(rig.judge(peer(PROXY), 0, 3), Judgement::Restarted);
}

#[test]
fn on_one_host_the_port_in_the_sdp_decides() {
    let host = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let [ours, rogue] = [4_000, 4_002].map(|port| SocketAddr::new(host, port));
    let mut rig = TransportRig::new();
    rig.transport = Transport::new(rig.now, transport(1, ours)).expect("good spec");
    assert_eq!(rig.prove(rogue, 1), LATCHES);
    assert_eq!(rig.prove(ours, 2), LATCHES);
    assert_eq!(rig.prove(rogue, 1), FOREIGN);
}

#[test]
fn a_silence_is_told_every_30_s_until_something_comes() {
    let mut rig = TransportRig::new();
    let begin = rig.now;
    let after = |ms| begin + Duration::from_millis(ms);
    assert_eq!(rig.transport.silent_for_ms(after(29_999)), None);
    assert_eq!(rig.transport.silent_for_ms(after(30_000)), Some(30_000));
    assert_eq!(rig.transport.silent_for_ms(after(30_010)), Some(30_010), "not told yet");
    rig.transport.silence_told(after(30_010));
    assert_eq!(rig.transport.silent_for_ms(after(60_009)), None);
    assert_eq!(rig.transport.silent_for_ms(after(60_010)), Some(60_010));
    rig.transport.silence_told(after(60_010));
    assert_eq!(rig.transport.silent_for_ms(after(90_009)), None);
    // Any packet of the peer's host ends it, here RTCP from its other port (RFC 3550 §11).
    let rtcp = SocketAddr::new(peer(1).ip(), peer(1).port() + 1);
    assert_eq!(rig.transport.note(after(100_000), rtcp), Origin::Peer);
    assert_eq!(rig.transport.silent_for_ms(after(129_999)), None);
    assert_eq!(rig.transport.silent_for_ms(after(130_000)), Some(30_000));
}

#[test]
fn a_stranger_gives_no_sign_of_life() {
    let mut rig = TransportRig::new();
    rig.prove(peer(1), 1);
    let later = rig.now + Duration::from_secs(30);
    assert_eq!(rig.transport.note(later, peer(STRANGER)), Origin::Stranger);
    rig.now = later;
    assert_eq!(rig.prove(peer(STRANGER), 1), FOREIGN);
    assert!(rig.transport.silent_for_ms(later).is_some());
}

/// RTCP of peer 1 on a port of its own, as the SDP says.
fn apart(rig: &mut TransportRig) -> SocketAddr {
    let rtcp = SocketAddr::new(peer(1).ip(), 4_001);
    let spec = TransportSpec { rtcp: RtcpPath::Apart(Some(rtcp)), ..rig.transport.spec().clone() };
    rig.transport.update(rig.now, spec).expect("good spec");
    rtcp
}

/// F20 · RFC 5761 §3: on one port RTCP goes where RTP goes, and comes from there alone.
#[test]
fn muxed_rtcp_goes_with_rtp() {
    let mut rig = TransportRig::new();
    assert_eq!(rig.transport.rtcp_destination(), Some((Channel::Rtp, peer(1))));
    rig.prove(peer(PROXY), 2);
    assert_eq!(rig.transport.rtcp_destination(), Some((Channel::Rtp, peer(PROXY))));
    let mut note = |channel, from| rig.transport.note_rtcp(rig.now, channel, from);
    assert_eq!(note(Channel::Rtp, peer(PROXY)), Origin::Peer);
    let other_port = SocketAddr::new(peer(PROXY).ip(), 4_001);
    assert_eq!(note(Channel::Rtp, other_port), Origin::Stranger);
    assert_eq!(note(Channel::Rtcp, peer(PROXY)), Origin::Stranger, "nobody was told of that port");
    assert_eq!(note(Channel::Rtp, peer(1)), Origin::Stranger, "not the one that was latched");
}

/// F20 · RFC 3550 §11, RFC 3605, RFC 4961: apart it goes where the SDP says, or to where it comes from.
#[test]
fn rtcp_apart_goes_where_the_sdp_says_until_it_comes_from_elsewhere() {
    let mut rig = TransportRig::new();
    let told = apart(&mut rig);
    assert_eq!(rig.transport.rtcp_destination(), Some((Channel::Rtcp, told)));
    rig.prove(peer(1), 1);
    let nat = SocketAddr::new(peer(1).ip(), 50_000);
    assert_eq!(rig.transport.note_rtcp(rig.now, Channel::Rtcp, nat), Origin::Peer);
    assert_eq!(rig.transport.rtcp_destination(), Some((Channel::Rtcp, nat)));
    // Another port of that host has to wait until this one is quiet; the one that was told has not.
    let other = SocketAddr::new(peer(1).ip(), 50_001);
    assert_eq!(rig.transport.note_rtcp(rig.now, Channel::Rtcp, other), Origin::Stranger);
    assert_eq!(rig.transport.note_rtcp(rig.now, Channel::Rtcp, told), Origin::Peer);
    rig.now += Duration::from_secs(30);
    assert_eq!(rig.transport.note_rtcp(rig.now, Channel::Rtcp, other), Origin::Peer);
    // T42: another host never.
    rig.now += Duration::from_secs(60);
    let stranger = SocketAddr::new(peer(STRANGER).ip(), 4_001);
    assert_eq!(rig.transport.note_rtcp(rig.now, Channel::Rtcp, stranger), Origin::Stranger);
}

/// Behind a NAT the port that the SDP tells is nobody's, or another's.
#[test]
fn rtcp_apart_waits_for_the_first_of_a_peer_whose_rtp_comes_from_elsewhere() {
    let mut rig = TransportRig::new();
    apart(&mut rig);
    rig.prove(peer(PROXY), 1);
    assert_eq!(rig.transport.rtcp_destination(), None);
    let from = SocketAddr::new(peer(PROXY).ip(), 61_001);
    assert_eq!(rig.transport.note_rtcp(rig.now, Channel::Rtcp, from), Origin::Peer);
    assert_eq!(rig.transport.rtcp_destination(), Some((Channel::Rtcp, from)));
}

/// Five seconds of media, and as long reports, to an address that has sent us nothing.
#[test]
fn reports_go_blindly_no_longer_than_media() {
    let mut rig = TransportRig::new();
    let told = apart(&mut rig);
    for _ in 0..500 {
        assert!(rig.transport.rtcp_destination().is_some());
        rig.transport.destination();
    }
    assert_eq!(rig.transport.rtcp_destination(), None);
    assert_eq!(rig.transport.note_rtcp(rig.now, Channel::Rtcp, told), Origin::Peer);
    assert_eq!(rig.transport.rtcp_destination(), Some((Channel::Rtcp, told)));
    assert_eq!(rig.transport.destination(), Destination::To(peer(1)), "his RTCP proves him too");
    // An RTCP port on a host that nothing else speaks for.
    let elsewhere = SocketAddr::new(peer(STRANGER).ip(), 5_000);
    let spec =
        TransportSpec { rtcp: RtcpPath::Apart(Some(elsewhere)), ..rig.transport.spec().clone() };
    rig.transport.update(rig.now, spec).expect("good spec");
    assert_eq!(rig.transport.rtcp_destination(), None);
}

#[test]
fn rtcp_to_what_is_no_host_is_refused() {
    let to: SocketAddr = "239.1.2.3:4001".parse().expect("an address");
    let spec = TransportSpec { rtcp: RtcpPath::Apart(Some(to)), ..transport(1, peer(1)) };
    let got = Transport::new(Instant::ZERO, spec).map(|_| ());
    assert_eq!(got, Err(Refused::BadRemote { got: to }));
}
