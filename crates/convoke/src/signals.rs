//! Being told to stop: by Ctrl-C, by SIGTERM, by the end of the parent.

use std::io::Read as _;

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

/// Everything that can tell a long-running command to stop.
pub(crate) struct Stop {
    interrupt: Signal,
    terminate: Signal,
    parent: Option<mpsc::Receiver<()>>,
}

impl Stop {
    /// From now on signals do not end the process by themselves. With `with_parent` the end of
    /// standard input is one too.
    pub(crate) fn listen(with_parent: bool) -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot wait for signals");
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            parent: with_parent.then(input_closed).transpose()?,
        })
    }

    /// Waits until told to stop; each telling counts once.
    pub(crate) async fn told(&mut self) {
        let parent = async {
            match &mut self.parent {
                Some(parent) => {
                    // Told only once: an ended channel would tell again and again.
                    parent.recv().await;
                    self.parent = None;
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            () = parent => {}
        }
    }
}

/// Being told to read the configuration again: SIGHUP.
pub(crate) struct Reread(Signal);

impl Reread {
    /// From now on SIGHUP does not end the process.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        Ok(Self(signal(SignalKind::hangup()).context("cannot wait for signals")?))
    }

    /// Waits until told.
    pub(crate) async fn told(&mut self) {
        self.0.recv().await;
    }
}

/// Tells once when standard input has come to its end. The thread that reads it ends with the
/// process.
fn input_closed() -> anyhow::Result<mpsc::Receiver<()>> {
    let (closed, receiver) = mpsc::channel(1);
    std::thread::Builder::new()
        .name("parent".to_owned())
        .spawn(move || {
            let mut input = std::io::stdin().lock();
            let mut ignored = [0; 64];
            while matches!(input.read(&mut ignored), Ok(length) if length > 0) {}
            // Nobody listens any more if the process is ending anyway.
            let _ = closed.blocking_send(());
        })
        .context("cannot watch standard input")?;
    Ok(receiver)
}
