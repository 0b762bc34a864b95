//! Both halves of a subscription, with a network between that loses, repeats and reorders, and an owner of no patience.

use std::time::Duration;

use sip::subscription::{Consent, Notifier, Pace, Reason, Subscriber};
use sip::{EventHeader, HeaderName, Method, Request, Response, StatusCode, SubscriptionState, Uri};
use units::Instant;

use crate::{Choices, Target, Trail};

/// [`Notifier`] and [`Subscriber`]: whatever is said to them, they stay within their terms, and come to an end.
pub const SUBSCRIPTION: Target = Target {
    name: "subscription",
    run: subscription,
    seeds: || super::random(120),
    words: &[],
    longest: 400,
};

/// The notifier's owner wants no more than one NOTIFY in this time.
const EVERY: Duration = Duration::from_secs(5);

/// After the last word said to a machine it is over within this: what was granted, and a SUBSCRIBE or NOTIFY more.
const QUIET: Duration = Duration::from_secs(2 * 3_600);

const SECONDS: [u32; 5] = [60, 0, 1, 3_600, 10];
const STATUSES: [u16; 9] = [200, 202, 401, 408, 423, 481, 489, 503, 603];
const STATES: [&str; 9] = [
    "active;expires=60",
    "active",
    "pending;expires=5",
    "active;expires=0",
    "terminated;reason=timeout",
    "terminated;reason=probation;retry-after=3",
    "terminated;reason=giveup",
    "terminated",
    "unheard-of;expires=4294967295",
];

fn subscription(data: &[u8], trail: &mut Trail) {
    let mut choices = Choices::new(data);
    match choices.percent(50) {
        true => Notifies::new(&mut choices).run(choices, trail),
        false => Subscribes::new(&mut choices).run(choices, trail),
    }
}

fn event() -> EventHeader {
    EventHeader::new("conference")
}

fn answer(choices: &mut Choices<'_>) -> Response {
    let status = StatusCode::new(choices.pick(&STATUSES)).expect("a status");
    let response = Response::new(status);
    match choices.below(5) {
        0 => response.with_header(HeaderName::Expires, choices.pick(&SECONDS)),
        1 => response.with_header(HeaderName::Expires, "4294967295"),
        2 => response.with_header(HeaderName::MinExpires, "90"),
        3 => response.with_header(HeaderName::RetryAfter, "7"),
        _ => response,
    }
}

fn later(now: Instant, choices: &mut Choices<'_>) -> Instant {
    let seconds = [0, 1, 5, 31, 64, 3_600];
    now + Duration::from_secs(choices.pick(&seconds))
}

struct Notifies {
    now: Instant,
    notifier: Notifier,
    is_under_way: bool,
    sent_at: Option<Instant>,
}

impl Notifies {
    fn new(choices: &mut Choices<'_>) -> Self {
        let now = Instant::ZERO;
        let consent = choices.pick(&[Consent::Given, Consent::Awaited]);
        let notifier = Notifier::new(now, event(), consent, choices.pick(&SECONDS), EVERY);
        Self { now, notifier, is_under_way: false, sent_at: None }
    }

    fn run(mut self, mut choices: Choices<'_>, trail: &mut Trail) {
        while !choices.is_over() {
            self.step(&mut choices, trail);
            self.settle(trail);
        }
        // Nobody answers any more, and time passes.
        let end = self.now + QUIET;
        while let Some(at) = self.notifier.deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.settle(trail);
            self.notifier.unanswered();
            self.is_under_way = false;
        }
        self.notifier.unanswered();
        assert!(self.notifier.over().is_some(), "{:?}", self.notifier);
    }

    fn step(&mut self, choices: &mut Choices<'_>, trail: &mut Trail) {
        let what = choices
            .pick(&["time", "change", "answer", "silence", "refresh", "approve", "end", "unsent"]);
        trail.step(what);
        match what {
            "time" => self.now = later(self.now, choices),
            "change" => self.notifier.changed(),
            "answer" => {
                let response = answer(choices);
                self.notifier.answered(self.now, &response);
                self.is_under_way = false;
            }
            "silence" => {
                self.notifier.unanswered();
                self.is_under_way = false;
            }
            "refresh" => {
                let was_over = self.notifier.over().is_some();
                let taken = self.notifier.refresh(self.now, choices.pick(&SECONDS));
                assert!(!(was_over && taken), "what is over is not refreshed");
            }
            "approve" => self.notifier.approve(),
            "unsent" if self.is_under_way => {
                self.notifier.unsent(self.now);
                self.is_under_way = false;
                self.sent_at = None;
            }
            "unsent" => {}
            _ => {
                let pace = choices.pick(&[Pace::Kept, Pace::Hurried, Pace::Broken]);
                self.notifier.end(Reason::NoResource, pace);
            }
        }
    }

    fn settle(&mut self, trail: &mut Trail) {
        self.notifier.handle_deadline(self.now);
        let mut sent = 0;
        while let Some(notify) = self.notifier.poll(self.now) {
            sent += 1;
            assert!(sent <= 2, "a NOTIFY now, and the last one: {:?}", self.notifier);
            let uri: Uri = "sip:a@b".parse().expect("a URI");
            let mut request = Request::new(Method::Notify, uri);
            notify.write(&mut request);
            let state = request.headers.subscription_state().expect("ours").expect("there");
            let is_last = state.state.eq_ignore_ascii_case("terminated");
            trail.mark("sent", if is_last { "last" } else { "one" });
            if !is_last {
                assert!(!self.is_under_way, "one at most is under way");
                let gap = self.sent_at.map(|at| self.now.since(at));
                trail.mark(
                    "paced",
                    if gap.is_some_and(|gap| gap < EVERY) { "early" } else { "kept" },
                );
            }
            self.is_under_way = true;
            self.sent_at = Some(self.now);
        }
        if self.notifier.over().is_some() {
            trail.mark("over", &format!("{:?}", self.notifier.over()));
            assert_eq!(self.notifier.poll(self.now), None, "what is over says nothing");
        }
    }
}

struct Subscribes {
    now: Instant,
    subscriber: Subscriber,
    is_under_way: bool,
}

impl Subscribes {
    fn new(choices: &mut Choices<'_>) -> Self {
        let now = Instant::ZERO;
        let subscriber = Subscriber::new(now, event(), choices.pick(&SECONDS));
        Self { now, subscriber, is_under_way: false }
    }

    fn run(mut self, mut choices: Choices<'_>, trail: &mut Trail) {
        while !choices.is_over() {
            self.step(&mut choices, trail);
            self.settle(trail);
        }
        // Nobody answers any more.
        for _ in 0..4 {
            if self.is_under_way {
                self.subscriber.unanswered();
                self.is_under_way = false;
            }
            if let Some(at) = self.subscriber.deadline() {
                self.now = self.now.max(at);
            }
            self.settle(trail);
        }
        assert!(self.subscriber.over().is_some(), "{:?}", self.subscriber);
        let _ = self.subscriber.over().map(sip::subscription::Ended::again);
    }

    fn step(&mut self, choices: &mut Choices<'_>, trail: &mut Trail) {
        let what = choices.pick(&["time", "answer", "notify", "silence", "again", "leave"]);
        trail.step(what);
        match what {
            "time" => self.now = later(self.now, choices),
            "answer" if self.is_under_way => {
                let response = answer(choices);
                self.subscriber.answered(self.now, &response);
                self.is_under_way = false;
            }
            "silence" if self.is_under_way => {
                self.subscriber.unanswered();
                self.is_under_way = false;
            }
            "answer" | "silence" => {}
            "notify" => {
                let state: SubscriptionState = choices.pick(&STATES).parse().expect("a state");
                let was_over = self.subscriber.over();
                let taken = self.subscriber.notified(self.now, &state);
                trail.outcome("notified", &taken);
                assert!(was_over.is_none() || self.subscriber.over() == was_over, "over is over");
            }
            "again" => self.subscriber.ask_again(),
            _ => self.subscriber.unsubscribe(self.now),
        }
    }

    fn settle(&mut self, trail: &mut Trail) {
        self.subscriber.handle_deadline(self.now);
        if let Some(subscribe) = self.subscriber.poll(self.now) {
            assert!(!self.is_under_way, "one at most is under way");
            self.is_under_way = true;
            trail.mark("asked", if subscribe.seconds == 0 { "end" } else { "on" });
            assert_eq!(self.subscriber.poll(self.now), None, "and once");
        }
        if let Some(ended) = self.subscriber.over() {
            trail.mark("over", &format!("{ended:?}"));
            assert_eq!(self.subscriber.poll(self.now), None, "what is over asks for nothing");
        }
    }
}
