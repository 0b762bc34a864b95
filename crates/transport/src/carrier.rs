//! One connection's bytes, in a task of its own.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use sip::FlowId;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::endpoint::mark;

/// What is read at once.
const READ_BYTES: usize = 16 * 1024;

/// What a task tells.
#[derive(Debug)]
pub(crate) enum Carried {
    Connected(Arc<TcpStream>),
    Bytes(Vec<u8>),
    /// So many bytes of those given are written.
    Written(usize),
    Closed,
}

pub(crate) type Tell = mpsc::Sender<(FlowId, Carried)>;

#[derive(Debug)]
enum Order {
    Write(Vec<u8>),
    /// After that: no more comes.
    Finish,
}

/// A task that carries, and what it is asked. Dropping it closes the connection.
#[derive(Debug)]
pub(crate) struct Carrier {
    task: JoinHandle<()>,
    /// Not bounded here: the table closes a connection with too much to write.
    orders: mpsc::UnboundedSender<Order>,
    /// Once it is connected.
    stream: Option<Arc<TcpStream>>,
    /// Bytes that the task was given and has not written.
    waiting: usize,
}

impl Carrier {
    pub(crate) fn accepted(flow: FlowId, stream: TcpStream, tell: Tell) -> Self {
        let stream = Arc::new(stream);
        let (orders, receiver) = mpsc::unbounded_channel();
        let task = tokio::spawn(carry(flow, Arc::clone(&stream), receiver, tell));
        Self { task, orders, stream: Some(stream), waiting: 0 }
    }

    /// `from` is our address, and the DSCP of what is sent.
    pub(crate) fn connecting(flow: FlowId, from: (IpAddr, u8), to: SocketAddr, tell: Tell) -> Self {
        let (orders, receiver) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            match connect(from, to).await {
                Ok(stream) => {
                    let stream = Arc::new(stream);
                    let connected = Carried::Connected(Arc::clone(&stream));
                    if tell.send((flow, connected)).await.is_ok() {
                        carry(flow, stream, receiver, tell).await;
                    }
                }
                // If nobody listens any more, nobody has to know.
                Err(_) => drop(tell.send((flow, Carried::Closed)).await),
            }
        });
        Self { task, orders, stream: None, waiting: 0 }
    }

    pub(crate) fn connected(&mut self, stream: Arc<TcpStream>) {
        self.stream = Some(stream);
    }

    pub(crate) fn written(&mut self, bytes: usize) {
        self.waiting = self.waiting.saturating_sub(bytes);
    }

    /// Writes at once what the system takes, and lets the task do the rest. Says how much that was.
    pub(crate) fn write(&mut self, mut bytes: Vec<u8>) -> usize {
        let done = match &self.stream {
            // Past tokio: it would not write before it has seen the socket ready, and what is said
            // last must be out when the process ends. An error comes to the task as well.
            Some(stream) if self.waiting == 0 => SockRef::from(&**stream).send(&bytes).unwrap_or(0),
            Some(_) | None => 0,
        };
        if done < bytes.len() {
            bytes.drain(..done);
            self.waiting += bytes.len();
            // Gone: it has told, or will.
            let _ = self.orders.send(Order::Write(bytes));
        }
        done
    }

    pub(crate) fn finish(&self) {
        let _ = self.orders.send(Order::Finish);
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(
    flow: FlowId,
    stream: Arc<TcpStream>,
    orders: mpsc::UnboundedReceiver<Order>,
    tell: Tell,
) {
    // Either ends only when the connection does.
    tokio::select! {
        _ = read(flow, &stream, &tell) => {}
        _ = write(flow, &stream, orders, &tell) => {}
    }
    drop(tell.send((flow, Carried::Closed)).await);
}

/// Reads until the end. What nobody takes waits in the peer.
async fn read(flow: FlowId, stream: &TcpStream, tell: &Tell) -> io::Result<()> {
    let mut buffer = vec![0; READ_BYTES];
    loop {
        stream.readable().await?;
        match stream.try_read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => {
                let told = tell.send((flow, Carried::Bytes(buffer[..count].to_vec()))).await;
                told.map_err(|_| io::ErrorKind::BrokenPipe)?;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

async fn write(
    flow: FlowId,
    stream: &TcpStream,
    mut orders: mpsc::UnboundedReceiver<Order>,
    tell: &Tell,
) -> io::Result<()> {
    while let Some(order) = orders.recv().await {
        match order {
            Order::Write(bytes) => {
                let mut rest = &bytes[..];
                while !rest.is_empty() {
                    stream.writable().await?;
                    match stream.try_write(rest) {
                        Ok(count) => {
                            rest = &rest[count..];
                            let told = tell.send((flow, Carried::Written(count))).await;
                            told.map_err(|_| io::ErrorKind::BrokenPipe)?;
                        }
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        Err(error) => return Err(error),
                    }
                }
            }
            Order::Finish => SockRef::from(stream).shutdown(std::net::Shutdown::Write)?,
        }
    }
    Ok(())
}

/// Opens a connection that leaves from a given address, so that both ends mean the same by it.
async fn connect((from, dscp): (IpAddr, u8), to: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    mark(&SockRef::from(&socket), to, dscp);
    if !from.is_unspecified() {
        socket.bind(&SocketAddr::new(from, 0).into())?;
    }
    let stream = tokio::net::TcpSocket::from_std_stream(socket.into()).connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
