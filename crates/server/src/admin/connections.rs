//! Few connections, none for long: each costs a file descriptor, and a leg needs one too.

use std::future::Future as _;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};

/// Connections at once: a few people, a collector of figures, and those who read events. One more waits to be accepted, in
/// the system's queue.
const CONNECTIONS_MAX: usize = 48;

/// How long one connection lasts, whatever it does. A question and its answer take milliseconds on
/// loopback; one that asks byte by byte, or keeps silent, gives its place back.
const LIFE_MAX: Duration = Duration::from_secs(10);

/// How long one that reads events lasts. Who goes on reading comes again, with the id of his last event.
const LONG_LIFE: Duration = Duration::from_secs(3_600);

/// How long a connection may take nothing of what it is sent, however long it may last.
const STALLED_MAX: Duration = Duration::from_secs(30);

/// Lets a request say that its connection shall last.
#[derive(Clone, Debug, Default)]
pub(super) struct Life(Arc<AtomicBool>);

impl Life {
    pub(super) fn prolong(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Connected<IncomingStream<'_, Connections>> for Life {
    fn connect_info(stream: IncomingStream<'_, Connections>) -> Self {
        stream.io().life.clone()
    }
}

/// Accepts at most [`CONNECTIONS_MAX`] connections, and each for [`LIFE_MAX`].
pub(super) struct Connections {
    listener: TcpListener,
    places: Arc<Semaphore>,
}

impl Connections {
    pub(super) fn new(listener: TcpListener) -> Self {
        Self { listener, places: Arc::new(Semaphore::new(CONNECTIONS_MAX)) }
    }
}

impl Listener for Connections {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        // Nobody closes the semaphore; if somebody did, a connection without a place does no harm.
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        let (stream, address) = Listener::accept(&mut self.listener).await;
        let (life, end) = (Life::default(), Box::pin(sleep(LIFE_MAX)));
        (
            Connection { stream, end, life, is_prolonged: false, stalled: None, _place: place },
            address,
        )
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection whose time is limited.
pub(super) struct Connection {
    stream: TcpStream,
    end: Pin<Box<Sleep>>,
    life: Life,
    is_prolonged: bool,
    /// Set while the peer takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
    /// Given back when the connection is dropped.
    _place: Option<OwnedSemaphorePermit>,
}

impl Connection {
    /// Whoever waits for this connection is woken when its time is over.
    fn check_time(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if !self.is_prolonged && self.life.0.load(Ordering::Relaxed) {
            self.is_prolonged = true;
            self.end.as_mut().reset(Instant::now() + LONG_LIFE);
        }
        match self.end.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check_time(context)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check_time(context)?;
        match Pin::new(&mut self.stream).poll_write(context, bytes) {
            Poll::Ready(done) => {
                self.stalled = None;
                Poll::Ready(done)
            }
            Poll::Pending => {
                let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(STALLED_MAX)));
                stalled.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check_time(context)?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check_time(context)?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::timeout;

    use super::*;

    fn in_virtual_time(test: impl Future<Output = ()>) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        runtime.expect("a runtime").block_on(test);
    }

    async fn listening() -> (Connections, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        (Connections::new(listener), address)
    }

    #[test]
    fn who_says_nothing_is_cut_off() {
        in_virtual_time(async {
            let (mut connections, address) = listening().await;
            let _silent = TcpStream::connect(address).await.expect("connected");
            let (mut connection, _) = connections.accept().await;
            let begin = Instant::now();
            let mut byte = [0];
            let read = poll_fn(|context| {
                Pin::new(&mut connection).poll_read(context, &mut ReadBuf::new(&mut byte))
            });
            let error = read.await.expect_err("nothing was said");
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            assert!((LIFE_MAX..LIFE_MAX * 2).contains(&begin.elapsed()));
        });
    }

    #[test]
    fn who_reads_events_lasts_longer_and_not_for_ever() {
        in_virtual_time(async {
            let (mut connections, address) = listening().await;
            let _silent = TcpStream::connect(address).await.expect("connected");
            let (mut connection, _) = connections.accept().await;
            connection.life.prolong();
            let begin = Instant::now();
            let mut byte = [0];
            let read = poll_fn(|context| {
                Pin::new(&mut connection).poll_read(context, &mut ReadBuf::new(&mut byte))
            });
            assert_eq!(read.await.expect_err("silent").kind(), io::ErrorKind::TimedOut);
            assert!((LONG_LIFE..LONG_LIFE * 2).contains(&begin.elapsed()));
        });
    }

    #[test]
    fn who_takes_nothing_is_cut_off_though_he_may_last() {
        in_virtual_time(async {
            let (mut connections, address) = listening().await;
            let _deaf = TcpStream::connect(address).await.expect("connected");
            let (mut connection, _) = connections.accept().await;
            connection.life.prolong();
            let chunk = [0; 1 << 16];
            let begin = Instant::now();
            let error = loop {
                let write =
                    poll_fn(|context| Pin::new(&mut connection).poll_write(context, &chunk));
                if let Err(error) = write.await {
                    break error;
                }
            };
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            assert!((STALLED_MAX..LONG_LIFE).contains(&begin.elapsed()));
        });
    }

    #[test]
    fn one_too_many_waits_until_another_has_gone() {
        in_virtual_time(async {
            let (mut connections, address) = listening().await;
            let (mut outside, mut inside) = (Vec::new(), Vec::new());
            for _ in 0..CONNECTIONS_MAX {
                outside.push(TcpStream::connect(address).await.expect("connected"));
                inside.push(connections.accept().await);
            }
            let _next = TcpStream::connect(address).await.expect("in the system's queue");
            let waits = timeout(LIFE_MAX, connections.accept()).await;
            assert!(waits.is_err(), "there is no place");
            inside.pop();
            let accepted = timeout(LIFE_MAX, connections.accept()).await;
            assert!(accepted.is_ok(), "there is one now");
        });
    }
}
