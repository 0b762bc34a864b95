//! What the thread does first, on real sockets of its own address.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::mpsc::{SyncSender, sync_channel};

use mix::ShardConfig;
use mix::message::{
    Action, Codec, ConferenceKey, Epoch, Format, LentPort, PortId, StreamSpec, TransportSpec,
};
use units::Rng;

use super::*;
use crate::rest::Rest;
use crate::sockets::Pool;

const CONFERENCE: ConferenceKey = ConferenceKey { slot: 0, generation: 1 };
const LEG: PortId = PortId(1);

/// Ports to bind: any that is free will do.
const PORTS: std::ops::Range<u16> = 20_000..21_000;

/// A thread's belongings, which the test runs; and the end of its commands, which must live as long.
fn thread(ip: IpAddr) -> (ShardThread, SyncSender<Command>, LentPort) {
    let (events, told) = sync_channel(64);
    let (commands, inbox) = sync_channel(1);
    let deliver = move |_: u16, event: Event| {
        events.try_send(event).expect("room for every event of a test");
        Delivery::Taken
    };
    let pool = Pool { ip, free: PORTS.step_by(2).collect() };
    let mut thread = ShardThread::new(
        0,
        Shard::new(ShardConfig::default(), Rng::from_seed([7; 32])),
        Sockets::new(vec![pool], Rest::new(Duration::ZERO), 0),
        inbox,
        Arc::new(deliver),
        Arc::new(Shared::new().expect("an eventfd")),
    )
    .expect("an epoll");
    thread.flush();
    let Ok(Event::Lent { ports }) = told.try_recv() else { panic!("nothing was lent") };
    (thread, commands, ports[0])
}

/// Opens a conference with one leg, whose phone is here: a first tick is due.
fn join(thread: &mut ShardThread, lent: LentPort, phone: &UdpSocket) {
    let remote = phone.local_addr().expect("bound");
    let (transport, stream) = (TransportSpec::muxed(lent.id, remote), StreamSpec::both_ways(PCMU));
    let add = Action::AddPort { port: LEG, transport, stream };
    for (id, action) in [(1, Action::OpenConference), (2, add)] {
        let command = Command { id, conference: CONFERENCE, epoch: Epoch(1), action };
        thread.shard.handle_command(now(), command);
    }
}

const PCMU: Format = Format { codec: Codec::Pcmu, payload_type: 0, ptime_ms: 20 };

/// 10 ms of sound.
fn packet(number: u16) -> Vec<u8> {
    let header = rtp::Header {
        marker: false,
        payload_type: 0,
        sequence: number,
        timestamp: 80 * u32::from(number),
        ssrc: 5,
    };
    let mut bytes = vec![0; 12 + 80];
    rtp::write(&header, &[0; 80], &mut bytes).expect("fits");
    bytes
}

/// Blocks on its timer until the next tick is due.
fn wait_for_tick(thread: &mut ShardThread) {
    let due = thread.shard.deadline().expect("a leg is in");
    thread.timer.set(Some(due)).expect("a timer");
    let mut ready = [EpollEvent::empty(); 4];
    while now() < due {
        thread.epoll.wait(&mut ready, EpollTimeout::NONE).expect("an epoll");
    }
}

/// A packet that lies in a socket when a tick is due is played in it, though the thread comes late to both: else it would
/// be made up, and be too old when it is read.
#[test]
fn a_tick_waits_for_what_has_come_before_it() {
    let [a, b] = u16::try_from(std::process::id() & 0xffff).expect("masked").to_be_bytes();
    let ip = IpAddr::V4(Ipv4Addr::new(127, a, b, 250));
    let (mut thread, _commands, lent) = thread(ip);
    let phone = UdpSocket::bind((ip, 0)).expect("bound");
    join(&mut thread, lent, &phone);
    for number in 0..2 {
        phone.send_to(&packet(number), lent.address).expect("sent");
    }
    wait_for_tick(&mut thread);
    thread.receive();
    thread.tick();
    assert_eq!((thread.report.received, thread.shard.counters().ticks), (2, 1));
    let report = thread.shard.report_of(CONFERENCE, LEG).expect("is in");
    // A machine that stood still for a while has left ticks out, and may have found nothing after them.
    let stood_still = thread.shard.counters().ticks_skipped > 0;
    assert!(report.concealed_samples == 0 || stood_still, "{report:?}");
}
