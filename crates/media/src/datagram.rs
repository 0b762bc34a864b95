//! A datagram, and when it came.

use std::io::IoSliceMut;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt,
};
use nix::sys::time::TimeSpec;
use units::Instant;

use crate::clock::{now, wall};

/// Has the kernel stamp what comes to a socket. A wish: without it a datagram came when it was read.
pub(crate) fn stamp(socket: &UdpSocket) {
    let _ = setsockopt(socket, sockopt::ReceiveTimestampns, &true);
}

/// Reads datagrams: how many bytes, from where, and when each came.
///
/// When it came, and not when it was read: a thread that has a thousand legs to send to reads milliseconds later, and a jitter
/// buffer that takes this for the network's doing makes everybody wait for it.
pub(crate) struct Reader {
    control: Vec<u8>,
    /// Both clocks at one moment: the kernel stamps by the wall clock, which may be set.
    now: Instant,
    wall: Duration,
}

impl Reader {
    pub(crate) fn new() -> Self {
        Self { control: nix::cmsg_space!(TimeSpec), now: Instant::ZERO, wall: Duration::ZERO }
    }

    /// Looks at the clocks, before a few datagrams are read.
    pub(crate) fn look_at_clocks(&mut self) {
        (self.now, self.wall) = (now(), wall());
    }

    /// Takes the next datagram of a socket that does not block.
    ///
    /// # Errors
    /// What the system says; [`Errno::EAGAIN`]: there is none.
    pub(crate) fn read(
        &mut self,
        socket: &UdpSocket,
        bytes: &mut [u8],
    ) -> Result<(usize, SocketAddr, Instant), Errno> {
        let (length, from, stamp) = self.receive(socket, bytes)?;
        Ok((length, from, arrival(self.now, self.wall, stamp)))
    }

    fn receive(
        &mut self,
        socket: &UdpSocket,
        bytes: &mut [u8],
    ) -> Result<(usize, SocketAddr, Option<Duration>), Errno> {
        let mut parts = [IoSliceMut::new(bytes)];
        let control = Some(&mut self.control[..]);
        let flags = MsgFlags::MSG_DONTWAIT;
        let got = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, control, flags)?;
        let stamp = got.cmsgs().into_iter().flatten().find_map(|message| match message {
            ControlMessageOwned::ScmTimestampns(time) => Some(Duration::from(time)),
            _ => None, // nothing else was asked for
        });
        let from = got.address.and_then(|address| {
            let v4 = address.as_sockaddr_in().map(|address| SocketAddr::V4((*address).into()));
            v4.or_else(|| {
                address.as_sockaddr_in6().map(|address| SocketAddr::V6((*address).into()))
            })
        });
        let from = from.ok_or(Errno::EAFNOSUPPORT)?;
        Ok((got.bytes, from, stamp))
    }
}

/// When a datagram came that the kernel stamped by the wall clock, which now shows `wall`.
fn arrival(now: Instant, wall: Duration, stamp: Option<Duration>) -> Instant {
    let waited = stamp.and_then(|stamp| wall.checked_sub(stamp));
    match waited {
        Some(waited) if waited <= WAITED_MAX => now - waited,
        // After the look at the clocks, or before the wall clock was set.
        Some(_) | None => now,
    }
}

/// No datagram that is still worth something waits for longer in a socket.
const WAITED_MAX: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_came_when_it_was_stamped_whatever_the_wall_clock_does() {
        let (now, wall) = (Instant::from_millis(90_000), Duration::from_secs(1_800_000_000));
        let came = |stamp| arrival(now, wall, stamp);
        assert_eq!(came(Some(wall - Duration::from_millis(7))), Instant::from_millis(89_993));
        assert_eq!(came(Some(wall + Duration::from_millis(7))), now, "stamped since");
        assert_eq!(came(Some(wall - Duration::from_secs(3_600))), now, "the clock was set");
        assert_eq!(came(None), now);
    }

    #[test]
    fn who_sent_what_and_when_is_read_over_both_families() {
        for ip in ["127.0.0.1:0", "[::1]:0"] {
            let [us, peer] = [ip, ip].map(|ip| UdpSocket::bind(ip).expect("bound"));
            us.set_nonblocking(true).expect("set");
            stamp(&us);
            let mut reader = Reader::new();
            let mut bytes = [0; 64];
            assert_eq!(reader.receive(&us, &mut bytes), Err(Errno::EAGAIN));
            peer.send_to(b"sound", us.local_addr().expect("told")).expect("sent");
            let (length, from, stamp) = reader.receive(&us, &mut bytes).expect("there");
            assert_eq!((&bytes[..length], from), (&b"sound"[..], peer.local_addr().expect("told")));
            assert!(stamp.is_some_and(|stamp| stamp <= wall()));
        }
    }
}
