//! Few connections, none for long: each costs a file descriptor, and a leg needs one too.

use std::future::Future as _;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep, timeout};

/// Connections at once: a few people, a collector of figures, and those who read events. One more waits until it has a place, and
/// others to be accepted, in the system's queue.
const CONNECTIONS_MAX: usize = 48;

/// How long one connection lasts, whatever it does. A question and its answer take milliseconds on
/// loopback; one that asks byte by byte, or keeps silent, gives its place back.
const LIFE_MAX: Duration = Duration::from_secs(10);

/// How long one that reads events lasts. Who goes on reading comes again, with the id of his last event.
const LONG_LIFE: Duration = Duration::from_secs(3_600);

/// How long a connection may take nothing of what it is sent, however long it may last.
const STALLED_MAX: Duration = Duration::from_secs(30);

/// How long a connection may wait for its question, or for the next one, when others wait for a place. Short enough for them, and long
/// enough that whoever connects without end is served two hundred times a second at most: calls are served by the same thread.
const IDLE_MAX: Duration = Duration::from_millis(250);

/// How often is looked whether there is a place.
const LOOK: Duration = Duration::from_millis(50);

/// What a connection's requests say of it.
#[derive(Clone, Debug)]
pub(super) struct Life(Arc<State>);

#[derive(Debug)]
struct State {
    /// Whether it lasts.
    lasts: AtomicBool,
    /// Since when nothing of it is served; `None`: something is.
    idle: Mutex<Option<Instant>>,
    /// Whether its place is wanted for another.
    must_go: AtomicBool,
    /// Whoever waits for it.
    waker: AtomicWaker,
}

/// While there is one, a request is being served.
pub(super) struct Serving(Life);

impl Life {
    fn new() -> Self {
        Self(Arc::new(State {
            lasts: AtomicBool::new(false),
            idle: Mutex::new(Some(Instant::now())),
            must_go: AtomicBool::new(false),
            waker: AtomicWaker::new(),
        }))
    }

    pub(super) fn prolong(&self) {
        self.0.lasts.store(true, Ordering::Relaxed);
    }

    /// A whole question is there.
    pub(super) fn serve(&self) -> Serving {
        *self.idle() = None;
        Serving(self.clone())
    }

    fn idle(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Since when it could give way.
    fn idle_since(&self) -> Option<Instant> {
        let lasts = self.0.lasts.load(Ordering::Relaxed);
        self.idle().filter(|_| !lasts)
    }

    fn let_go(&self) {
        self.0.must_go.store(true, Ordering::Relaxed);
        self.0.waker.wake();
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        *self.0.idle() = Some(Instant::now());
    }
}

impl Connected<IncomingStream<'_, Connections>> for Life {
    fn connect_info(stream: IncomingStream<'_, Connections>) -> Self {
        stream.io().life.clone()
    }
}

/// Accepts at most [`CONNECTIONS_MAX`] connections, and each for [`LIFE_MAX`]. When there are so many, one that asks nothing gives
/// way: whoever takes all places and says nothing, or that byte by byte, shuts nobody out.
pub(super) struct Connections {
    listener: TcpListener,
    places: Arc<Semaphore>,
    /// Whoever waits for a place.
    next: Option<(TcpStream, SocketAddr)>,
    /// Those there are, and perhaps some that have gone.
    lives: Vec<Weak<State>>,
}

impl Connections {
    pub(super) fn new(listener: TcpListener) -> Self {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        Self { listener, places, next: None, lives: Vec::new() }
    }

    async fn place(&mut self) -> Option<OwnedSemaphorePermit> {
        loop {
            if self.places.available_permits() == 0 {
                self.make_place();
            }
            // Nobody closes the semaphore; if somebody did, a connection without a place does no harm.
            if let Ok(place) = timeout(LOOK, Arc::clone(&self.places).acquire_owned()).await {
                return place.ok();
            }
        }
    }

    /// Lets go whoever has asked nothing for longest, if that is long.
    fn make_place(&mut self) {
        self.lives.retain(|life| life.strong_count() > 0);
        let lives = self.lives.iter().filter_map(Weak::upgrade).map(Life);
        let idle = lives.filter_map(|life| Some((life.idle_since()?, life)));
        let longest = idle.min_by_key(|(since, _)| *since);
        if let Some((_, life)) = longest.filter(|(since, _)| since.elapsed() >= IDLE_MAX) {
            life.let_go();
        }
    }
}

impl Listener for Connections {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        // One more than there are places: where nobody comes nobody is let go.
        if self.next.is_none() {
            self.next = Some(Listener::accept(&mut self.listener).await);
        }
        let place = self.place().await;
        let (stream, address) = self.next.take().expect("invariant: it was put there");
        let (life, end) = (Life::new(), Box::pin(sleep(LIFE_MAX)));
        self.lives.retain(|life| life.strong_count() > 0);
        self.lives.push(Arc::downgrade(&life.0));
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
        self.life.0.waker.register(context.waker());
        if self.life.0.must_go.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        if !self.is_prolonged && self.life.0.lasts.load(Ordering::Relaxed) {
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

    /// As many as there are places for, one a millisecond: their other ends, and they.
    async fn full(
        connections: &mut Connections,
        address: SocketAddr,
    ) -> (Vec<TcpStream>, Vec<Connection>) {
        let (mut outside, mut inside) = (Vec::new(), Vec::new());
        for _ in 0..CONNECTIONS_MAX {
            outside.push(TcpStream::connect(address).await.expect("connected"));
            inside.push(connections.accept().await.0);
            sleep(Duration::from_millis(1)).await;
        }
        (outside, inside)
    }

    async fn read(connection: &mut Connection) -> io::Result<()> {
        let mut byte = [0];
        let read = |context: &mut Context<'_>| {
            Pin::new(&mut *connection).poll_read(context, &mut ReadBuf::new(&mut byte))
        };
        poll_fn(read).await
    }

    #[test]
    fn who_says_nothing_is_cut_off() {
        in_virtual_time(async {
            let (mut connections, address) = listening().await;
            let _silent = TcpStream::connect(address).await.expect("connected");
            let (mut connection, _) = connections.accept().await;
            let begin = Instant::now();
            let error = read(&mut connection).await.expect_err("nothing was said");
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
            let error = read(&mut connection).await.expect_err("silent");
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
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

    /// Else 48 who say nothing shut everybody out, as often as they come again.
    #[test]
    fn who_asks_nothing_gives_way_to_who_waits_and_who_is_served_or_reads_does_not() {
        in_virtual_time(async {
            let (mut connections, address) = listening().await;
            let (mut outside, mut inside) = full(&mut connections, address).await;
            // The first is served, the second reads events, the third has had its answer just now.
            let serving = inside[0].life.serve();
            inside[1].life.prolong();
            drop(inside[2].life.serve());
            outside.push(TcpStream::connect(address).await.expect("in the system's queue"));
            let begin = Instant::now();
            let mut fourth = inside.remove(3);
            let gives_way = async {
                let error = read(&mut fourth).await.expect_err("its place is wanted");
                assert_eq!(error.kind(), io::ErrorKind::TimedOut);
                drop(fourth);
            };
            let (_one_more, ()) = tokio::join!(connections.accept(), gives_way);
            assert!(begin.elapsed() < IDLE_MAX * 2, "{:?}", begin.elapsed());
            for mut other in inside {
                let stays = timeout(Duration::ZERO, read(&mut other)).await;
                assert!(stays.is_err(), "one place was wanted, and one was given");
            }
            drop(serving);
        });
    }

    /// Where there are places nobody is hurried.
    #[test]
    fn nobody_gives_way_before_his_time_nor_to_nobody() {
        in_virtual_time(async {
            let (mut connections, address) = listening().await;
            let _silent = TcpStream::connect(address).await.expect("connected");
            let (mut connection, _) = connections.accept().await;
            let _next = TcpStream::connect(address).await.expect("connected");
            let _place = connections.accept().await;
            assert!(timeout(LIFE_MAX / 2, read(&mut connection)).await.is_err());
        });
    }

    #[test]
    fn one_too_many_waits_until_another_has_gone() {
        in_virtual_time(async {
            let (mut connections, address) = listening().await;
            let (_outside, mut inside) = full(&mut connections, address).await;
            let _next = TcpStream::connect(address).await.expect("in the system's queue");
            let waits = timeout(LIFE_MAX, connections.accept()).await;
            assert!(waits.is_err(), "there is no place");
            inside.pop();
            let accepted = timeout(LIFE_MAX, connections.accept()).await;
            assert!(accepted.is_ok(), "there is one now");
        });
    }
}
