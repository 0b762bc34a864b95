//! Two terminals' sound, joined by function calls: no socket, no clock.

use std::net::SocketAddr;

use sdp::{Codec, Direction, Negotiated, RtcpWay};
use ua::{Purpose, SlotId};

use super::*;

fn address(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

fn agreed(remote_port: u16) -> Negotiated {
    Negotiated {
        remote: Some(address(remote_port)),
        rtcp: RtcpWay::Muxed,
        codec: Codec::Pcmu,
        send_payload_type: 0,
        receive_payload_types: vec![0],
        direction: Direction::SendRecv,
        ptime_ms: 20,
        keys_payload_type: None,
    }
}

fn started(slot: usize, remote_port: u16) -> MediaNotice {
    MediaNotice::Started {
        slot: SlotId(slot),
        media: agreed(remote_port),
        signalling: address(5060),
        purpose: Purpose::Conference,
    }
}

/// `a` has socket 0 at port 1000 and socket 1 at 1002; `b` and `c` are at 2000 and 3000.
fn tick(now: Instant, from: &mut Sound, ports: &[u16], to: &mut [(&mut Sound, u16)]) {
    let mut packets = Vec::new();
    from.tick(now, &mut |(socket, _), to, bytes| packets.push((socket, to, bytes.to_vec())))
        .expect("nothing is recorded");
    for (socket, address_to, bytes) in packets {
        for (sound, port) in &mut *to {
            if address_to.port() == *port {
                sound.handle_packet(now, (0, Channel::Rtp), address(ports[socket]), &bytes);
            }
        }
    }
}

fn wav(path: &std::path::Path) -> Vec<i16> {
    let mut reader = hound::WavReader::open(path).expect("a WAV file");
    reader.samples::<i16>().collect::<Result<_, _>>().expect("whole samples")
}

#[test]
fn what_one_says_in_two_calls_both_hear_and_he_hears_their_sum() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.wav");
    let recorder = Recorder::create(&path, crate::wav::RecordRate::Hz8000).expect("created");
    let tone = |hz: f64| audio::tone(hz, 8_000, -12.0, 8_000);
    let rng = Rng::from_number;
    let mut a = Sound::new(2, tone(500.0), Some(recorder), rng(1));
    let mut b = Sound::new(1, tone(900.0), None, rng(2));
    let mut c = Sound::new(1, tone(1_700.0), None, rng(3));
    assert!(!a.is_on());
    a.notice(Instant::ZERO, &started(0, 2000), &mut |_, _, _| {});
    a.notice(Instant::ZERO, &started(1, 3000), &mut |_, _, _| {});
    b.notice(Instant::ZERO, &started(0, 1000), &mut |_, _, _| {});
    c.notice(Instant::ZERO, &started(0, 1002), &mut |_, _, _| {});
    assert!(a.is_on());
    for step in 0..200 {
        let now = Instant::from_millis(step * 10);
        tick(now, &mut a, &[1000, 1002], &mut [(&mut b, 2000), (&mut c, 3000)]);
        let mut from_b = Vec::new();
        b.tick(now, &mut |_, _, bytes| from_b.push(bytes.to_vec())).expect("no recording");
        let mut from_c = Vec::new();
        c.tick(now, &mut |_, _, bytes| from_c.push(bytes.to_vec())).expect("no recording");
        from_b
            .iter()
            .for_each(|bytes| a.handle_packet(now, (0, Channel::Rtp), address(2000), bytes));
        from_c
            .iter()
            .for_each(|bytes| a.handle_packet(now, (1, Channel::Rtp), address(3000), bytes));
    }
    let (report, closed) = a.finish();
    assert_eq!(closed, Ok(()));
    assert_eq!(report, SoundReport { ticks: 200, samples_recorded: 16_000 });
    let heard = wav(&path);
    let level = |hz: f64| audio::goertzel(&heard[4_000..12_000], 8_000, hz);
    assert!((level(900.0) + 12.0).abs() < 1.0, "b at {}", level(900.0));
    assert!((level(1_700.0) + 12.0).abs() < 1.0, "c at {}", level(1_700.0));
    assert!(level(500.0) < -40.0, "own voice at {}", level(500.0));
}

#[test]
fn what_is_said_goes_on_at_its_beginning() {
    let play: Vec<i16> = (0..100).collect();
    let mut sound = Sound::new(0, play, None, Rng::from_number(1));
    let first = sound.next_frame().expect("something to say");
    let second = sound.next_frame().expect("something to say");
    assert_eq!(first.to_vec(), (0..80).collect::<Vec<i16>>());
    assert_eq!(second.to_vec(), (80..100).chain(0..60).collect::<Vec<i16>>());
    let mut mute = Sound::new(0, vec![], None, Rng::from_number(1));
    assert_eq!(mute.next_frame(), None);
}

#[test]
fn an_ended_call_is_silent_and_its_socket_can_be_used_again() {
    let mut sound = Sound::new(1, vec![], None, Rng::from_number(1));
    sound.notice(Instant::ZERO, &started(0, 2000), &mut |_, _, _| {});
    sound.notice(Instant::ZERO, &MediaNotice::Stopped { slot: SlotId(0) }, &mut |_, _, _| {});
    assert!(!sound.is_on());
    sound.handle_packet(Instant::ZERO, (0, Channel::Rtp), address(2000), &[0x80; 172]);
    sound.tick(Instant::ZERO, &mut |_, _, _| panic!("nobody to send to")).expect("no recording");
    sound.notice(Instant::ZERO, &started(0, 2002), &mut |_, _, _| {});
    assert!(sound.is_on());
}

/// A server that died says no BYE: after 30 s without a packet it is asked whether it is there.
#[test]
fn a_peer_from_whom_nothing_comes_is_silent_after_30_s_and_again_30_s_later() {
    let mut a = Sound::new(2, Vec::new(), None, Rng::from_seed([1; 32]));
    let mut b = Sound::new(1, Vec::new(), None, Rng::from_seed([2; 32]));
    a.notice(Instant::ZERO, &started(0, 2000), &mut |_, _, _| {});
    b.notice(Instant::ZERO, &started(0, 1000), &mut |_, _, _| {});
    let mut silent = Vec::new();
    for ticks in 1..=9_600_u64 {
        let now = Instant::from_millis(ticks * 10);
        if ticks <= 500 {
            tick(now, &mut b, &[2000], &mut [(&mut a, 1000)]);
        }
        a.tick(now, &mut |_, _, _| {}).expect("nothing is recorded");
        silent.extend(a.fallen_silent().into_iter().map(|slot| (ticks, slot)));
    }
    let times: Vec<u64> = silent.iter().map(|(ticks, _)| *ticks).collect();
    assert_eq!(silent.iter().map(|(_, slot)| *slot).collect::<Vec<_>>(), [SlotId(0); 3]);
    assert!((3_490..=3_501).contains(&times[0]), "{times:?}");
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] == 3_001), "{times:?}");
}
