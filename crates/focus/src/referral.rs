//! REFERs that a focus follows, and the reports of what comes of them (RFC 3515).

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sip::subscription::{Consent, Interval, Notifier, Notify, Pace, Reason};
use sip::{Dialog, DialogId, EventHeader, StatusCode, Warning, sipfrag};
use units::Instant;

use crate::{DialEnd, LegId};

/// Numbers a subscription within its conference; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReferralId(pub u32);

/// A REFER that was accepted, and whose sender hears what comes of it.
#[derive(Debug)]
pub(crate) struct Referral {
    /// The dialog that the reports go through.
    pub(crate) dialog: DialogId,
    pub(crate) notifier: Notifier,
    pub(crate) task: Task,
    news: News,
}

/// What is being done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// A leg is being called.
    Calling(LegId),
    /// Somebody is told by REFER to call.
    Referring,
    /// These are on their way out.
    Removing(BTreeSet<LegId>),
    /// There is a result.
    Done,
}

/// What a report says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct News {
    status: StatusCode,
    reason: String,
    warning: Option<String>,
}

/// A REFER as it is written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReferralSnapshot {
    pub(crate) number: ReferralId,
    dialog: DialogId,
    id: Option<String>,
    /// Status, reason and warning of a result that is not reported yet.
    result: Option<(u16, String, Option<String>)>,
}

impl ReferralSnapshot {
    pub(crate) fn of(number: ReferralId, referral: &Referral) -> Self {
        let News { status, reason, warning } = referral.news.clone();
        let result = match referral.task {
            Task::Done => Some((status.code(), reason, warning)),
            Task::Calling(_) | Task::Referring | Task::Removing(_) => None,
        };
        let id = referral.notifier.event().id.clone();
        Self { number, dialog: referral.dialog.clone(), id, result }
    }

    /// What was under way when the conference was written down is lost, and that is reported.
    pub(crate) fn restore(self, now: Instant) -> Referral {
        let news = match self.result {
            Some((status, reason, warning)) => {
                let status = StatusCode::new(status).unwrap_or(StatusCode::SERVER_INTERNAL_ERROR);
                News { status, reason, warning }
            }
            None => News::failed(&DialEnd::Interrupted),
        };
        let event = EventHeader { id: self.id, ..EventHeader::new(PACKAGE) };
        let mut notifier =
            Notifier::new(now, event, Consent::Given, INTERVAL.longest, NOTIFY_EVERY);
        notifier.end(Reason::NoResource, Pace::Kept);
        Referral { dialog: self.dialog, notifier, task: Task::Done, news }
    }
}

impl News {
    fn of(status: StatusCode) -> Self {
        Self { status, reason: status.reason().to_owned(), warning: None }
    }

    /// A call that came to nothing: the callee's own words, or ours.
    fn failed(why: &DialEnd) -> Self {
        let status = why.status();
        match why {
            DialEnd::Refused(response) => {
                let warnings = response.headers.warnings().unwrap_or_default();
                let reason = crate::masked(&response.reason);
                Self { status, reason, warning: warnings.into_iter().next().map(|one| one.text) }
            }
            DialEnd::BadAnswer
            | DialEnd::Cancelled
            | DialEnd::ConferenceEnded
            | DialEnd::Interrupted
            | DialEnd::NoAnswer
            | DialEnd::NoRoom(..)
            | DialEnd::Removed
            | DialEnd::Replaced
            | DialEnd::Timeout
            | DialEnd::Unreachable(_) => {
                Self { warning: Some(why.to_string()), ..Self::of(status) }
            }
        }
    }

    /// RFC 3515 §2.4.5: the status line, and of the header fields the one which tells a person why.
    fn fragment(&self, agent: &str) -> String {
        let Self { status, reason, warning } = self;
        let mut body = format!("SIP/2.0 {status} {reason}\r\n");
        if let Some(text) = warning {
            let warning = Warning::new(399, agent, text.clone());
            body.push_str(&format!("Warning: {warning}\r\n"));
        }
        body
    }
}

impl Referral {
    /// RFC 3515 §2.4.4: the first report is due at once. `id`: the REFER's CSeq number, if it is not
    /// the first of its dialog (§2.4.6).
    pub(crate) fn new(now: Instant, dialog: DialogId, id: Option<u32>, task: Task) -> Self {
        let event = EventHeader { id: id.map(|id| id.to_string()), ..EventHeader::new(PACKAGE) };
        let seconds = INTERVAL.longest;
        let notifier = Notifier::new(now, event, Consent::Given, seconds, NOTIFY_EVERY);
        Self { dialog, notifier, task, news: News::of(StatusCode::TRYING) }
    }

    /// The call makes progress.
    pub(crate) fn progress(&mut self, status: StatusCode) {
        let news = News::of(status);
        match self.task {
            Task::Calling(_) | Task::Referring | Task::Removing(_) if self.news != news => {
                self.news = news;
                self.notifier.changed();
            }
            Task::Calling(_) | Task::Referring | Task::Removing(_) | Task::Done => {}
        }
    }

    /// What was asked for is done, or is not there to be done (404).
    pub(crate) fn conclude(&mut self, status: StatusCode) {
        self.say_last(News::of(status));
    }

    /// Who was called does not join.
    pub(crate) fn failed(&mut self, why: &DialEnd) {
        self.say_last(News::failed(why));
    }

    /// RFC 3515 §2.4.7
    fn say_last(&mut self, news: News) {
        match self.task {
            Task::Calling(_) | Task::Referring | Task::Removing(_) => {
                self.task = Task::Done;
                self.news = news;
                self.notifier.end(Reason::NoResource, Pace::Kept);
            }
            Task::Done => {}
        }
    }

    /// The conference is over: what there is to say is said now.
    pub(crate) fn hurry(&mut self) {
        self.conclude(StatusCode::REQUEST_TERMINATED);
        self.notifier.end(Reason::NoResource, Pace::Broken);
    }

    /// The NOTIFY to send, in this dialog.
    pub(crate) fn notify(&self, dialog: &mut Dialog, notify: &Notify) -> sip::Request {
        let mut request = dialog.request(sip::Method::Notify);
        notify.write(&mut request);
        let agent = dialog.local_contact.uri.as_sip().map_or("focus", |uri| uri.host.as_str());
        request.with_body(sipfrag::CONTENT_TYPE, self.news.fragment(agent))
    }
}

/// RFC 3515 §3: the event package.
pub(crate) const PACKAGE: &str = "refer";

/// Longer than a call may ring and be cancelled: the subscription never ends before there is a result.
pub(crate) const INTERVAL: Interval = Interval { default: 300, floor: 10, longest: 300 };

/// RFC 3515 §3.10: no more than one report a second.
const NOTIFY_EVERY: Duration = Duration::from_secs(1);

/// REFERs of one conference whose results are reported. One more is refused (480), unless it wants no
/// report.
pub(crate) const REFERRALS_MAX: usize = 200;
