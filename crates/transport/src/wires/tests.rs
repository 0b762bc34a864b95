use super::*;
use crate::Clock;

/// Binds a socket of ours, and one of somebody else.
fn wires(ip: &str) -> (Wires, SocketAddr, std::net::UdpSocket) {
    let address: SocketAddr = ip.parse().expect("an address");
    let endpoint = Endpoint::bind(address).expect("bound");
    let local = endpoint.local();
    let peer = std::net::UdpSocket::bind(address).expect("bound");
    (Wires::new([endpoint]).expect("registered"), local, peer)
}

/// Takes in what has come; in the order in which it came.
async fn take(wires: &mut Wires, clock: Clock) -> Vec<(Instant, Packet)> {
    let happening = wires.next().await;
    let now = clock.now();
    wires.handle(now, happening, &mut [0; 1_500]);
    let arrivals = std::iter::from_fn(|| wires.poll_arrival(now));
    let packets = arrivals.map(|(at, arrival)| match arrival {
        Arrival::Packet(packet) => (at, packet),
        other => panic!("a packet, and not {other:?}"),
    });
    packets.collect()
}

/// A datagram came when the kernel had it: after it was sent, and before it was read, however long it waited for that.
#[tokio::test]
async fn a_datagram_came_when_it_was_sent_and_not_when_it_was_read() {
    for ip in ["127.0.0.1:0", "[::1]:0"] {
        let clock = Clock::start();
        let (mut wires, local, peer) = wires(ip);
        let (mut came, mut while_later, mut tries) = (Vec::new(), Instant::ZERO, 0);
        // Until the first socket of a machine is stamped, it may take the kernel a moment.
        while tries == 0 || came.iter().any(|(at, _)| *at >= while_later) {
            tries += 1;
            assert!(tries < 5_000, "{ip}: never stamped");
            for text in ["one", "two", "three"] {
                peer.send_to(text.as_bytes(), local).expect("sent");
            }
            // Two clocks are compared, which may differ by less than this.
            while_later = clock.now() + Duration::from_micros(100);
            while clock.now() < while_later {}
            came = take(&mut wires, clock).await;
        }
        let texts: Vec<_> = came.iter().map(|(_, packet)| packet.bytes.as_slice()).collect();
        assert_eq!(texts, [&b"one"[..], b"two", b"three"], "{ip}: in one turn");
        assert!(came.is_sorted_by_key(|(at, _)| *at), "{ip}");
        let path = came[0].1.path;
        assert_eq!((path.local, path.remote), (local, peer.local_addr().expect("told")), "{ip}");
        assert_eq!(wires.counters().receive_errors, 0);
    }
}

/// After all has been read the socket is waited for, and what comes then is found.
#[tokio::test]
async fn what_comes_after_a_pause_is_found() {
    let clock = Clock::start();
    let (mut wires, local, peer) = wires("127.0.0.1:0");
    for text in ["one", "two"] {
        let nothing = tokio::time::timeout(Duration::ZERO, wires.next()).await;
        assert!(nothing.is_err(), "before {text}");
        peer.send_to(text.as_bytes(), local).expect("sent");
        let came = take(&mut wires, clock).await;
        assert_eq!(came.iter().map(|(_, it)| it.bytes.len()).collect::<Vec<_>>(), [3]);
    }
}

/// The allow list is asked before anything is kept.
#[tokio::test]
async fn who_is_not_let_in_is_counted_and_dropped() {
    let clock = Clock::start();
    let (wires, local, peer) = wires("127.0.0.1:0");
    let mut wires = wires.guarded(|_| false);
    peer.send_to(b"hello", local).expect("sent");
    assert_eq!(take(&mut wires, clock).await, []);
    assert_eq!((wires.counters().denied, wires.counters().received), (1, 0));
}
