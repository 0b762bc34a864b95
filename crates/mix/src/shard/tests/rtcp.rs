//! What the legs' RTCP says, and whom their packets cite.

use std::collections::BTreeSet;

use rtp::rtcp::{Compound, Packet, ReportBlock, SenderInfo};

use crate::message::{Action, Direction, Done, PortId, StreamSpec, TransportSpec};
use crate::rig::{PCMU, Peer, Rig, Talker, stream, transport};

/// What a compound packet says.
#[derive(Debug, Default)]
struct Said {
    tick: u64,
    reporter: u32,
    sender: Option<SenderInfo>,
    blocks: Vec<ReportBlock>,
    names: Vec<(u32, Vec<u8>)>,
    byes: Vec<u32>,
}

/// All that a peer was told, each compound checked: RFC 3550 §6.1.
fn said(peer: &Peer) -> Vec<Said> {
    let read = |(tick, bytes): &(u64, Vec<u8>)| said_in(*tick, bytes);
    peer.reports.iter().map(read).collect()
}

fn said_in(tick: u64, bytes: &[u8]) -> Said {
    assert!(bytes.len() <= 1_200);
    let mut said = Said { tick, ..Said::default() };
    for (n, packet) in Compound::parse(bytes).expect("well formed").packets().enumerate() {
        match packet {
            Packet::SenderReport { ssrc, sender, blocks } => {
                assert_eq!(n, 0, "the only report, and the first packet");
                (said.reporter, said.sender) = (ssrc, Some(sender));
                said.blocks = blocks.iter().collect();
            }
            Packet::ReceiverReport { ssrc, blocks } => {
                assert_eq!(n, 0, "the only report, and the first packet");
                said.reporter = ssrc;
                said.blocks = blocks.iter().collect();
            }
            Packet::Description(chunks) => {
                let name = |cname: Option<&[u8]>| cname.expect("a CNAME in each").to_vec();
                said.names = chunks.iter().map(|chunk| (chunk.ssrc, name(chunk.cname))).collect();
            }
            Packet::Bye(bye) => said.byes = bye.ssrcs().collect(),
            Packet::Other => panic!("nothing else is sent"),
        }
    }
    assert_eq!(said.names.first().map(|(ssrc, _)| *ssrc), Some(said.reporter), "own CNAME first");
    said
}

/// Three who talk under the SSRCs 101, 102, 103, and report every two seconds as `one`, `two` and `three`.
fn three_that_report(seconds: u64) -> Rig {
    let mut rig = Rig::where_all_are_heard();
    for (ssrc, hz) in [(101, 300.0), (102, 500.0), (103, 700.0)] {
        let talker = Talker::tone(ssrc, PCMU, hz, -20.0);
        rig.join(Some(talker), stream(Direction::SendRecv, PCMU));
    }
    for _ in 0..seconds / 2 {
        rig.run_ms(2_000);
        for (index, name) in [(0, "one"), (1, "two"), (2, "three")] {
            let ssrc = 101 + u32::try_from(index).expect("small");
            rig.give_report(index, (ssrc, name.as_bytes()), &[], |_| ());
        }
    }
    rig
}

/// F13, F16 · RFC 3550 §6.3.1, §7.3
#[test]
fn each_leg_has_reports_of_its_own_and_none_of_anothers() {
    let rig = three_that_report(60);
    for (own, peer) in [101, 102, 103].into_iter().zip(&rig.peers) {
        let said = said(peer);
        let ssrc = peer.headers[0].ssrc;
        assert!((9..=25).contains(&said.len()), "5 s times 0.5 to 1.5: {}", said.len());
        for pair in said.windows(2) {
            let ms = (pair[1].tick - pair[0].tick) * 10;
            assert!((2_040..=6_170).contains(&ms), "{ms}");
        }
        let intervals: BTreeSet<u64> = said.windows(2).map(|it| it[1].tick - it[0].tick).collect();
        assert!(intervals.len() > 3, "random");
        for report in &said {
            assert_eq!(report.reporter, ssrc, "the mixer's own");
            assert_eq!(report.blocks.iter().map(|it| it.ssrc).collect::<Vec<_>>(), [own]);
            assert_eq!((report.blocks[0].lost, report.blocks[0].fraction_lost), (0, 0));
            let sender = report.sender.expect("it sends");
            let sent = peer.ticks.iter().filter(|tick| **tick <= report.tick).count();
            assert_eq!(sender.packets as usize, sent);
            assert_eq!(sender.payload_bytes as usize, sent * 160);
        }
        // The same moment on both clocks: 8,000 ticks a second (RFC 3550 §6.4.1).
        let (first, last) = (said[0].sender.unwrap(), said.last().unwrap().sender.unwrap());
        let ntp = (last.ntp.0 - first.ntp.0) as f64 / 4_294_967_296.0;
        let media = f64::from(last.timestamp.wrapping_sub(first.timestamp)) / 8_000.0;
        assert!((ntp - media).abs() < 0.011, "{ntp} {media}");
        assert!(said[1..].iter().all(|report| report.blocks[0].last_report != 0));
    }
    let ours: BTreeSet<u32> = rig.peers.iter().map(|peer| peer.headers[0].ssrc).collect();
    let names: BTreeSet<Vec<u8>> =
        rig.peers.iter().map(|peer| said(peer)[0].names[0].1.clone()).collect();
    assert_eq!((ours.len(), names.len()), (3, 3), "nothing ties the legs together");
}

/// F12 · RFC 3550 §7.1
#[test]
fn packets_cite_who_is_in_them_and_not_who_listens() {
    let mut rig = Rig::with_conference();
    for n in 0..20 {
        let talker =
            (n < 3).then(|| Talker::tone(100 + n, PCMU, 300.0 + 200.0 * f64::from(n), -20.0));
        rig.join(talker, stream(Direction::SendRecv, PCMU));
    }
    rig.run_ms(2_000);
    let cited = |peer: &Peer| peer.csrcs.last().unwrap().iter().copied().collect::<BTreeSet<_>>();
    for (n, peer) in (0..).zip(&rig.peers) {
        let others = (100..103).filter(|ssrc| *ssrc != 100 + n).collect();
        assert_eq!(cited(peer), others, "{n}");
    }
    rig.peers.iter_mut().for_each(|peer| peer.talker = None);
    rig.run_ms(2_000);
    assert!(rig.peers.iter().all(|peer| cited(peer).is_empty()), "nobody talks");
}

/// F12 · RFC 3550 §5.1
#[test]
fn of_sixteen_fifteen_are_cited() {
    let mut rig = Rig::where_all_are_heard();
    for n in 0..17 {
        let talker =
            (n < 16).then(|| Talker::tone(100 + n, PCMU, 300.0 + 100.0 * f64::from(n), -30.0));
        rig.join(talker, stream(Direction::SendRecv, PCMU));
    }
    rig.run_ms(2_000);
    for peer in &rig.peers {
        assert_eq!(peer.csrcs.last().unwrap().len(), 15);
    }
    assert!(
        rig.peers[16].level(1_800.0, 1_000) > -40.0,
        "whoever is not cited is heard all the same"
    );
}

/// F14 · RFC 3550 §7.3
#[test]
fn names_of_those_who_are_cited_are_passed_on() {
    let rig = three_that_report(30);
    let last = said(&rig.peers[0]).pop().unwrap();
    let others: BTreeSet<(u32, &[u8])> =
        last.names[1..].iter().map(|(ssrc, name)| (*ssrc, name.as_slice())).collect();
    assert_eq!(others, [(102, &b"two"[..]), (103, &b"three"[..])].into());
    assert_eq!(last.names[0].1.len(), 16, "our own: 96 random bits (RFC 7022 §4.2)");
}

/// F14: who does not say what he is called gets a name for this session.
#[test]
fn whoever_does_not_name_himself_has_a_random_name_that_stays() {
    let mut rig = Rig::with_conference();
    rig.join_tone(300.0);
    rig.join(None, stream(Direction::SendRecv, PCMU));
    rig.run_ms(30_000);
    let names: BTreeSet<Vec<u8>> = said(&rig.peers[1])
        .iter()
        .flat_map(|said| &said.names[1..])
        .map(|it| it.1.clone())
        .collect();
    assert_eq!(names.iter().map(Vec::len).collect::<Vec<_>>(), [16]);
    // A name that is longer than any is replaced as well.
    rig.give_report(0, (0, &[b'x'; 255]), &[], |_| ());
    rig.run_ms(10_000);
    assert_eq!(said(&rig.peers[1]).pop().unwrap().names[1].1, *names.first().unwrap());
}

/// F14 · RFC 7022 §4.2: who asked for privacy is called by a name of this session.
#[test]
fn whoever_is_anonymous_is_not_named() {
    let mut rig = three_that_report(2);
    let anonymous = StreamSpec { anonymous: true, ..stream(Direction::SendRecv, PCMU) };
    rig.update(1, anonymous);
    rig.peers[0].reports.clear();
    rig.run_ms(20_000);
    let said = said(&rig.peers[0]);
    let names: Vec<&(u32, Vec<u8>)> = said[1..].iter().flat_map(|said| &said.names[1..]).collect();
    assert!(names.iter().any(|(ssrc, _)| *ssrc == 102));
    assert!(names.iter().all(|(ssrc, name)| (*ssrc == 102) == (name.len() == 16)), "{names:?}");
}

/// F15 · RFC 3550 §7.3: by BYE of RTCP alone, and by the end of the leg alone.
#[test]
fn that_somebody_has_gone_is_told_to_the_others() {
    for leaves in [true, false] {
        let mut rig = three_that_report(10);
        rig.peers[2].talker = None;
        match leaves {
            true => drop(rig.leave(2)),
            false => rig.give_report(2, (103, b"three"), &[], |writer| writer.bye(&[103]).unwrap()),
        }
        rig.peers.iter_mut().for_each(|peer| peer.reports.clear());
        rig.run_ms(20_000);
        for peer in &rig.peers[..2] {
            let said = said(peer);
            let byes: Vec<u32> = said.iter().flat_map(|said| said.byes.clone()).collect();
            assert_eq!(byes, [103], "told once");
            assert!(!said[0].byes.is_empty(), "with the next report");
            assert!(said[1..].iter().flat_map(|said| &said.names).all(|(ssrc, _)| *ssrc != 103));
        }
    }
}

/// F15 · RFC 3550 §6.3.7, §7.3
#[test]
fn at_the_end_the_mixer_says_bye_for_itself_and_for_whom_it_cited() {
    let mut rig = three_that_report(10);
    let ours = rig.peers[0].headers[0].ssrc;
    rig.leave(0);
    let farewell = rig.farewells.pop().expect("a last packet");
    assert_eq!((farewell.lent, farewell.to), (rig.peers[0].lent, rig.peers[0].address));
    assert_eq!(said_in(0, &farewell.bytes).byes, [ours, 102, 103]);
    assert!(matches!(
        rig.command(Action::CloseConference),
        Ok(Done::ConferenceClosed { ports: 2 })
    ));
    assert_eq!(rig.farewells.len(), 2);
    assert_eq!(rig.released.len(), 3);
}

/// RFC 3550 §6.3.7: who has never sent anything says no BYE.
#[test]
fn a_leg_that_was_sent_nothing_is_told_nothing() {
    let mut rig = Rig::with_conference();
    rig.join_tone(300.0);
    rig.leave(0);
    assert_eq!(rig.farewells, []);
}

/// F17 · RFC 3550 §8.2
#[test]
fn two_with_one_ssrc_are_both_heard() {
    let mut rig = Rig::with_conference();
    for hz in [300.0, 500.0] {
        let talker = Talker::tone(7, PCMU, hz, -20.0);
        rig.join(Some(talker), stream(Direction::SendRecv, PCMU));
    }
    rig.join(None, stream(Direction::SendRecv, PCMU));
    rig.run_ms(3_000);
    let level = |index: usize, hz| rig.peers[index].level(hz, 1_000);
    assert!(level(2, 300.0) > -23.0 && level(2, 500.0) > -23.0);
    assert!(level(0, 500.0) > -23.0 && level(1, 300.0) > -23.0);
    assert_eq!(rig.peers[2].csrcs.last(), Some(&vec![7]), "once");
    assert_eq!(rig.peers[0].csrcs.last(), Some(&vec![]), "else he would take it for his own");
}

/// F17 · RFC 3550 §8.2
#[test]
fn a_peer_with_our_ssrc_is_heard_and_we_take_another() {
    let mut rig = Rig::with_conference();
    rig.join_tone(300.0);
    rig.join_tone(500.0);
    rig.run_ms(1_000);
    let ours = rig.peers[0].headers[0].ssrc;
    rig.peers[0].talker.as_mut().unwrap().header.ssrc = ours;
    rig.run_ms(200);
    rig.peers[0].headers.clear();
    rig.peers[0].reports.clear();
    rig.run_ms(10_000);
    let new: BTreeSet<u32> = rig.peers[0].headers.iter().map(|header| header.ssrc).collect();
    assert!(new.len() == 1 && !new.contains(&ours), "another, and it stays");
    assert!(rig.peers[1].level(300.0, 1_000) > -23.0, "he is heard");
    let report = rig.leave(0);
    assert_eq!((report.collisions, report.dropped_looped), (1, 0));
    let sequences: Vec<u16> = rig.peers[0].headers.iter().map(|header| header.sequence).collect();
    assert!(sequences.windows(2).all(|it| it[1] == it[0].wrapping_add(1)), "without a gap");
}

/// F17 · RFC 3550 §8.2: the BYE of the old one comes at once.
#[test]
fn an_ssrc_that_we_give_up_says_bye() {
    let mut rig = Rig::with_conference();
    rig.join_tone(300.0);
    rig.run_ms(10_000);
    let ours = rig.peers[0].headers[0].ssrc;
    rig.peers[0].reports.clear();
    rig.give_report(0, (ours, b"double"), &[], |_| ());
    rig.run_ms(20);
    let said = said(&rig.peers[0]);
    assert_eq!(said[0].byes, [ours]);
    assert_ne!(said[0].reporter, ours);
}

/// F19 · RFC 3550 §6.3.5
#[test]
fn a_source_that_falls_silent_is_forgotten_and_its_leg_stays() {
    let mut rig = Rig::with_conference();
    rig.join_tone(300.0);
    rig.join_tone(500.0);
    rig.run_ms(10_000);
    let talker = rig.peers[0].talker.take();
    rig.run_ms(35_000);
    rig.peers.iter_mut().for_each(|peer| peer.reports.clear());
    rig.run_ms(10_000);
    assert!(said(&rig.peers[0]).iter().all(|said| said.blocks.is_empty()));
    rig.peers[0].talker = talker;
    rig.run_ms(10_000);
    assert_eq!(said(&rig.peers[0]).pop().unwrap().blocks[0].ssrc, 0, "as if it were new");
    assert!(rig.peers[1].level(300.0, 1_000) > -23.0);
}

/// F04 · RFC 3264 §5.1, §8.4
#[test]
fn on_hold_rtcp_goes_on_and_with_no_address_it_does_not() {
    let mut rig = three_that_report(4);
    let counts = |rig: &mut Rig| {
        rig.peers[0].reports.clear();
        rig.run_ms(20_000);
        rig.peers[0].reports.len()
    };
    rig.update(0, stream(Direction::Inactive, PCMU));
    assert!(counts(&mut rig) >= 3);
    let last = said(&rig.peers[0]).pop().unwrap();
    assert_eq!((last.sender, last.blocks[0].ssrc), (None, 101), "we send nothing, he does");
    let (lent, address) = (rig.peers[0].lent, rig.peers[0].address);
    let nowhere = TransportSpec { remote: None, ..transport(lent, address) };
    let stream = stream(Direction::Inactive, PCMU);
    let update = Action::UpdatePort { port: PortId(lent), transport: nowhere, stream };
    assert_eq!(rig.command(update), Ok(Done::PortUpdated));
    assert_eq!(counts(&mut rig), 0);
}

#[test]
fn loss_jitter_round_trip_and_score_are_measured_both_ways() {
    let mut rig = Rig::with_conference();
    rig.join_tone(300.0);
    rig.lossy = |_, tick| !(tick / 2).is_multiple_of(10);
    rig.run_ms(20_000);
    let quality = rig.measured(0).quality;
    let from = quality.from_peer.expect("something came");
    assert!((900..=1_100).contains(&from.loss_e4), "a tenth: {from:?}");
    assert!((90..=110).contains(&from.lost) && from.jitter_us == 0, "{from:?}");
    assert!((310..360).contains(&from.mos_e2), "{from:?}");
    assert_eq!((quality.round_trip_us, quality.to_peer), (None, None), "he says nothing");

    // He has had our last report 100 ms after it was sent, and answers 50 ms later.
    let report = said(&rig.peers[0]).pop().unwrap();
    let sent_at = crate::rig::instant_of(report.tick);
    let since = u32::try_from(rig.now.since(sent_at).as_millis()).unwrap();
    let block = ReportBlock {
        ssrc: report.reporter,
        fraction_lost: 26,
        lost: 77,
        jitter_ticks: 80,
        last_report: report.sender.unwrap().ntp.middle(),
        delay: since.saturating_sub(100) * 65_536 / 1_000,
        ..ReportBlock::default()
    };
    rig.give_report(0, (0, b"name"), &[ReportBlock { ssrc: 4_711, ..block }, block], |_| ());
    rig.run_ms(10_000);
    let quality = rig.measured(0).quality;
    let trip = quality.round_trip_us.expect("he has reported");
    assert!((99_000..=101_000).contains(&trip), "{trip}");
    let to = quality.to_peer.expect("he has reported");
    assert_eq!((to.lost, to.loss_e4, to.jitter_us), (77, 1_016, 10_000));
    assert!((310..360).contains(&to.mos_e2), "{to:?}");
}
