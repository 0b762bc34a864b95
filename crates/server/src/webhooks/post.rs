//! A receiver's own thread: it posts one event, waits for the answer, and tells what came of it.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::Duration;

use transport::unix_time;

use super::HookFailure;
use super::hook::{Hook, PATIENCE};
use super::queue::Outcome;
use super::spool::Row;
use super::work::Wake;

/// What is to be posted.
pub(super) struct Job {
    pub(super) hook: Arc<Hook>,
    pub(super) number: u64,
    pub(super) row: Row,
}

/// Works until nobody gives it anything to do.
pub(super) fn run(jobs: &Receiver<Job>, wakes: &SyncSender<Wake>) {
    while let Ok(Job { hook, number, row }) = jobs.recv() {
        let outcome = post(&hook, &row);
        if wakes.send(Wake::Posted(hook.url.clone(), number, outcome)).is_err() {
            return;
        }
    }
}

fn post(hook: &Hook, row: &Row) -> Outcome {
    let seconds = unix_time().0;
    let request = hook
        .agent
        .post(&hook.url)
        .header("content-type", "application/json")
        .header("webhook-id", &row.id)
        .header("webhook-timestamp", seconds.to_string())
        .header("webhook-signature", hook.secrets.sign(&row.id, seconds, &row.body));
    let response = match request.send(&row.body) {
        Ok(response) => response,
        Err(error) => {
            let (cause, why) = (cause(&error), words(&error));
            return Outcome::Failed { cause, why, after: None };
        }
    };
    let status = response.status();
    if status.is_success() {
        return Outcome::Delivered;
    }
    if status == 410 {
        return Outcome::Gone;
    }
    let after = response.headers().get("retry-after");
    let after = after.and_then(|it| it.to_str().ok()?.trim().parse().ok()).map(Duration::from_secs);
    Outcome::Failed { cause: HookFailure::Status, why: format!("it answered {status}"), after }
}

/// What went wrong, in the words of who runs a receiver.
fn words(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(_) => {
            format!("it did not answer within {} s", PATIENCE.as_secs())
        }
        ureq::Error::Io(error) => error.to_string(),
        other => other.to_string(),
    }
}

fn cause(error: &ureq::Error) -> HookFailure {
    match error {
        ureq::Error::Timeout(_) => HookFailure::Timeout,
        ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => HookFailure::Unreachable,
        ureq::Error::Rustls(_) | ureq::Error::Tls(_) => HookFailure::Tls,
        // What rustls finds while it reads comes as this.
        ureq::Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => HookFailure::Tls,
        ureq::Error::Io(_) => HookFailure::Unreachable,
        _ => HookFailure::Protocol,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `convoke status` shows it.
    #[test]
    fn what_went_wrong_is_told_without_the_names_of_our_parts() {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        assert_eq!(words(&ureq::Error::Io(refused)), "connection refused");
        let late = words(&ureq::Error::Timeout(ureq::Timeout::Global));
        assert_eq!(late, "it did not answer within 10 s");
    }
}
