use super::*;

fn at(seconds: u64) -> Instant {
    Instant::from_millis(seconds * 1_000)
}

fn subscriber() -> Subscriber {
    Subscriber::new(at(0), EventHeader::new("conference"), 600)
}

fn response(code: u16) -> Response {
    Response::new(StatusCode::new(code).unwrap())
}

fn granted(seconds: u32) -> Response {
    response(200).with_header(HeaderName::Expires, seconds)
}

fn state(text: &str) -> SubscriptionState {
    text.parse().unwrap()
}

fn poll(subscriber: &mut Subscriber, now: Instant) -> Option<u32> {
    subscriber.poll(now).map(|subscribe| subscribe.seconds)
}

/// One that is live from second 0, for ten minutes.
fn live() -> Subscriber {
    let mut subscriber = subscriber();
    assert_eq!(poll(&mut subscriber, at(0)), Some(600));
    subscriber.answered(at(0), &granted(600));
    subscriber.notified(at(0), &state("active;expires=600")).unwrap();
    assert!(subscriber.is_live());
    subscriber
}

/// C19 · RFC 6665 §4.1.2.4
#[test]
fn a_notify_may_come_before_the_answer() {
    let mut subscriber = subscriber();
    assert_eq!(poll(&mut subscriber, at(0)), Some(600));
    assert_eq!(subscriber.notified(at(1), &state("active;expires=300")), Ok(()));
    assert!(subscriber.is_live());
    subscriber.answered(at(1), &granted(300));
    assert_eq!(subscriber.deadline(), Some(at(241)));
}

/// RFC 6665 §4.1.2.2: refreshed before it ends; what the NOTIFY says counts.
#[test]
fn it_is_refreshed_in_time() {
    let mut subscriber = live();
    assert_eq!(poll(&mut subscriber, at(539)), None);
    assert_eq!(poll(&mut subscriber, at(540)), Some(600));
    assert_eq!(poll(&mut subscriber, at(541)), None);
    subscriber.answered(at(541), &granted(20)); // shortened
    assert_eq!(subscriber.deadline(), Some(at(551)));
    subscriber.notified(at(541), &state("active;expires=10")).unwrap();
    assert_eq!(subscriber.deadline(), Some(at(546)));
    subscriber.handle_deadline(at(551));
    assert_eq!(subscriber.over(), Some(Ended::Expired));
    assert_eq!(subscriber.notified(at(552), &state("active")).map_err(StatusCode::code), Err(481));
}

/// RFC 6665 §4.1.2.4, §4.1.2.2: timer N.
#[test]
fn a_subscribe_that_no_notify_follows_is_given_up() {
    let mut first = subscriber();
    assert_eq!(poll(&mut first, at(0)), Some(600));
    first.answered(at(1), &granted(600));
    first.handle_deadline(at(31));
    assert_eq!((first.over(), first.deadline()), (None, Some(at(32))));
    first.handle_deadline(at(32));
    assert_eq!(first.over(), Some(Ended::Silent));

    let mut refreshed = live();
    assert_eq!(poll(&mut refreshed, at(540)), Some(600));
    refreshed.answered(at(540), &granted(600));
    refreshed.handle_deadline(at(572));
    assert_eq!(refreshed.over(), Some(Ended::Silent));
}

/// C16 · RFC 6665 §4.2.1.1: after a 423 it asks for more, once.
#[test]
fn too_brief_is_asked_again_for_longer_once() {
    let mut subscriber = Subscriber::new(at(0), EventHeader::new("conference"), 5);
    assert_eq!(poll(&mut subscriber, at(0)), Some(5));
    subscriber.answered(at(0), &response(423).with_header(HeaderName::MinExpires, 60));
    assert_eq!(poll(&mut subscriber, at(0)), Some(60));
    subscriber.answered(at(0), &response(423).with_header(HeaderName::MinExpires, 90));
    let status = StatusCode::INTERVAL_TOO_BRIEF;
    assert_eq!(subscriber.over(), Some(Ended::Refused { status, retry_after: None }));
}

/// RFC 6665 §4.1.2.2: some refusals of a refresh end it, the others do not.
#[test]
fn a_refresh_refused_ends_it_or_not() {
    let mut lost = live();
    assert_eq!(poll(&mut lost, at(540)), Some(600));
    lost.answered(at(540), &response(481));
    assert_eq!(lost.over(), Some(Ended::Lost(StatusCode::CALL_DOES_NOT_EXIST)));
    assert_eq!(Ended::Lost(StatusCode::CALL_DOES_NOT_EXIST).again(), Again::After(Duration::ZERO));

    let mut kept = live();
    assert_eq!(poll(&mut kept, at(540)), Some(600));
    kept.answered(at(540), &response(500).with_header(HeaderName::RetryAfter, "10"));
    assert!(kept.is_live());
    assert_eq!(poll(&mut kept, at(550)), Some(600));
    kept.unanswered();
    assert_eq!(kept.over(), Some(Ended::Silent));
}

/// D12 · RFC 4575 §4.6: a gap asks for all of it, but not in a storm.
#[test]
fn the_whole_state_can_be_asked_for_and_not_in_a_storm() {
    let mut subscriber = live();
    subscriber.ask_again();
    assert_eq!(poll(&mut subscriber, at(1)), None);
    // A NOTIFY in between does not make it forget.
    subscriber.notified(at(1), &state("active;expires=599")).unwrap();
    assert_eq!(poll(&mut subscriber, at(2)), Some(600));
    subscriber.ask_again();
    subscriber.answered(at(2), &granted(600));
    assert_eq!((poll(&mut subscriber, at(3)), poll(&mut subscriber, at(4))), (None, Some(600)));
}

/// RFC 6665 §4.1.2.3
#[test]
fn unsubscribing_waits_for_the_last_notify() {
    let mut subscriber = live();
    subscriber.unsubscribe(at(5));
    assert_eq!(poll(&mut subscriber, at(5)), Some(0));
    // One that was on its way.
    subscriber.notified(at(5), &state("active;expires=595")).unwrap();
    subscriber.answered(at(6), &granted(0));
    assert_eq!(subscriber.over(), None);
    subscriber.notified(at(6), &state("terminated;reason=timeout")).unwrap();
    assert_eq!(subscriber.over(), Some(Ended::Unsubscribed));
    assert_eq!((poll(&mut subscriber, at(7)), subscriber.deadline()), (None, None));

    // Nothing has come yet: there is no dialog to end.
    let mut early = self::subscriber();
    assert_eq!(poll(&mut early, at(0)), Some(600));
    early.unsubscribe(at(1));
    assert_eq!(early.over(), Some(Ended::Unsubscribed));
}

/// RFC 6665 §4.1.3
#[test]
fn the_reason_says_whether_to_subscribe_anew() {
    let again = |text: &str| {
        let mut subscriber = live();
        subscriber.notified(at(1), &state(text)).unwrap();
        subscriber.over().unwrap().again()
    };
    let after = |seconds| Again::After(Duration::from_secs(seconds));
    assert_eq!(again("terminated;reason=deactivated;retry-after=9"), after(0));
    assert_eq!(again("terminated;reason=timeout"), after(0));
    assert_eq!(again("terminated;reason=probation;retry-after=9"), after(9));
    assert_eq!(again("terminated;reason=probation"), after(60));
    assert_eq!(again("terminated;reason=giveup;retry-after=9"), after(9));
    assert_eq!(again("terminated;reason=rejected;retry-after=9"), Again::Never);
    assert_eq!(again("terminated;reason=noresource"), Again::Never);
    assert_eq!(again("Terminated;reason=invariant;retry-after=9"), Again::Never);
    assert_eq!(again("terminated;reason=whatever;retry-after=9"), after(9));
    assert_eq!(again("terminated"), after(30));
    let busy = StatusCode::TEMPORARILY_UNAVAILABLE;
    let wait = Some(Duration::from_secs(5));
    assert_eq!(Ended::Refused { status: busy, retry_after: wait }.again(), after(5));
    assert_eq!(Ended::Refused { status: busy, retry_after: None }.again(), Again::Never);
}
