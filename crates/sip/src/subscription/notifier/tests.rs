use super::*;

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

const FIVE: Duration = Duration::from_secs(5);

fn notifier(seconds: u32) -> Notifier {
    Notifier::new(at(0), EventHeader::new("conference"), Consent::Given, seconds, FIVE)
}

fn response(code: u16) -> Response {
    Response::new(StatusCode::new(code).unwrap())
}

/// The Subscription-State and whether the body is whole.
fn poll(notifier: &mut Notifier, now: Instant) -> Option<(String, bool)> {
    let notify = notifier.poll(now)?;
    Some((notify.state.to_string(), notify.content == Content::Whole))
}

fn said(state: &str, is_whole: bool) -> Option<(String, bool)> {
    Some((state.to_owned(), is_whole))
}

/// C15 · RFC 6665 §4.2.1.2, §4.2.2
#[test]
fn a_notify_follows_at_once_and_says_how_long_it_lasts() {
    let mut notifier = notifier(3_600);
    assert_eq!(poll(&mut notifier, at(0)), said("active;expires=3600", true));
    assert_eq!(poll(&mut notifier, at(0)), None);
    notifier.answered(at(10), &response(200));
    assert_eq!(notifier.deadline(), Some(at(3_600_000)));

    // A refresh is answered by the whole state, however recent the last was.
    assert!(notifier.refresh(at(1_500), 600));
    assert_eq!(notifier.deadline(), Some(Instant::ZERO));
    assert_eq!(poll(&mut notifier, at(1_500)), said("active;expires=600", true));
    notifier.answered(at(1_600), &response(200));
    notifier.changed();
    assert_eq!(poll(&mut notifier, at(7_000)), said("active;expires=594", false));
}

/// D05 · RFC 4575 §3.9: a hundred changes in five seconds make two NOTIFYs, and the last is not lost.
#[test]
fn changes_are_sent_together_and_not_more_often_than_the_interval() {
    let mut notifier = notifier(3_600);
    let mut sent = Vec::new();
    for step in 0..100 {
        let now = at(step * 50);
        notifier.changed();
        if poll(&mut notifier, now).is_some() {
            sent.push(now.as_millis());
            notifier.answered(now, &response(200));
        }
    }
    assert_eq!(sent, [0]);
    assert_eq!(notifier.deadline(), Some(at(5_000)));
    assert_eq!(poll(&mut notifier, at(4_999)), None);
    assert_eq!(poll(&mut notifier, at(5_000)), said("active;expires=3595", false));
    notifier.answered(at(5_001), &response(200));
    assert_eq!(poll(&mut notifier, at(60_000)), None);
}

#[test]
fn what_has_changed_back_is_not_told_and_what_was_asked_for_is() {
    let mut notifier = notifier(3_600);
    notifier.unchanged();
    assert!(notifier.poll(at(0)).is_some());
    notifier.answered(at(10), &response(200));
    notifier.changed();
    notifier.unchanged();
    assert_eq!((poll(&mut notifier, at(9_000)), notifier.deadline()), (None, Some(at(3_600_000))));
}

/// RFC 6665 §4.2.2: a change while a NOTIFY has no answer waits for it, a refresh too.
#[test]
fn one_notify_is_under_way_at_most() {
    let mut notifier = notifier(3_600);
    assert!(notifier.poll(at(0)).is_some());
    notifier.changed();
    assert!(notifier.refresh(at(10_000), 60));
    assert_eq!(poll(&mut notifier, at(10_000)), None);
    assert_eq!(notifier.deadline(), Some(at(70_000)));
    notifier.answered(at(10_000), &response(100)); // provisional: no answer yet
    assert_eq!(poll(&mut notifier, at(10_000)), None);
    notifier.answered(at(11_000), &response(200));
    assert_eq!(poll(&mut notifier, at(11_000)), said("active;expires=59", true));
}

/// C17 · RFC 6665 §4.2.1.4, §4.4.3
#[test]
fn zero_seconds_poll_or_end_with_one_last_whole_notify() {
    let mut poll_once = notifier(0);
    assert_eq!(poll(&mut poll_once, at(0)), said("terminated;reason=timeout", true));
    assert_eq!(poll_once.over(), Some(Over::Terminated(Reason::Timeout)));

    let mut notifier = notifier(3_600);
    assert!(notifier.poll(at(0)).is_some());
    notifier.answered(at(10), &response(200));
    assert!(notifier.refresh(at(20), 0));
    assert!(!notifier.is_live() && notifier.over().is_none());
    assert_eq!(poll(&mut notifier, at(20)), said("terminated;reason=timeout", true));
    assert!(!notifier.refresh(at(30), 600)); // 481
    assert_eq!((poll(&mut notifier, at(30)), notifier.deadline()), (None, None));
}

/// C17 · RFC 6665 §4.2.1.4
#[test]
fn who_does_not_refresh_is_told_that_it_timed_out() {
    let mut notifier = notifier(60);
    assert!(notifier.poll(at(0)).is_some());
    notifier.answered(at(10), &response(200));
    notifier.handle_deadline(at(59_999));
    assert_eq!(poll(&mut notifier, at(59_999)), None);
    notifier.handle_deadline(at(60_000));
    assert_eq!(poll(&mut notifier, at(60_000)), said("terminated;reason=timeout", true));
}

/// C18 · RFC 6665 §4.2.2
#[test]
fn some_answers_to_notify_end_it_and_so_does_none() {
    let ending = [404, 405, 408, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604];
    for code in ending {
        let mut notifier = notifier(3_600);
        assert!(notifier.poll(at(0)).is_some());
        notifier.answered(at(10), &response(code));
        let status = StatusCode::new(code).unwrap();
        assert_eq!(notifier.over(), Some(Over::Refused(status)));
        notifier.changed();
        assert_eq!(poll(&mut notifier, at(100_000)), None);
    }
    let mut dead = notifier(3_600);
    assert!(dead.poll(at(0)).is_some());
    dead.unanswered();
    assert_eq!((dead.over(), dead.deadline()), (Some(Over::Unanswered), None));
}

/// C18: any other refusal is no end, but what was refused was not received, so the next one builds on nothing.
#[test]
fn another_refusal_is_followed_by_the_whole_state_and_five_by_nothing() {
    let mut notifier = notifier(3_600);
    assert!(notifier.poll(at(0)).is_some());
    let busy = response(503).with_header(HeaderName::RetryAfter, "20");
    notifier.answered(at(0), &busy);
    assert_eq!(notifier.deadline(), Some(at(20_000)));
    assert_eq!(poll(&mut notifier, at(20_000)), said("active;expires=3580", true));
    notifier.answered(at(20_000), &response(200));

    notifier.changed();
    for second in [30, 40, 50, 60, 70] {
        assert_eq!(notifier.over(), None);
        assert!(notifier.poll(at(second * 1_000)).is_some());
        notifier.answered(at(second * 1_000), &response(500));
    }
    assert_eq!(notifier.over(), Some(Over::Refused(StatusCode::SERVER_INTERNAL_ERROR)));
}

#[test]
fn one_that_could_not_be_sent_is_sent_whole_later() {
    let mut notifier = notifier(3_600);
    assert!(notifier.poll(at(0)).is_some());
    notifier.unsent(at(0));
    assert_eq!(poll(&mut notifier, at(4_999)), None);
    assert_eq!(poll(&mut notifier, at(5_000)), said("active;expires=3595", true));
}

/// C08 · RFC 3515 §3.10: the final report keeps to the interval, D06 · RFC 4575 §3.3 does not wait even for an answer.
#[test]
fn the_end_keeps_the_pace_that_its_owner_wants() {
    let event = EventHeader { id: Some("7".to_owned()), ..EventHeader::new("refer") };
    let second = Duration::from_secs(1);
    let mut refer = Notifier::new(at(0), event.clone(), Consent::Given, 300, second);
    let first = refer.poll(at(0)).unwrap();
    assert_eq!(first.event.to_string(), "refer;id=7");
    assert!(refer.matches(&event) && !refer.matches(&EventHeader::new("refer")));
    refer.answered(at(10), &response(200));
    refer.end(Reason::NoResource, Pace::Kept);
    assert_eq!((poll(&mut refer, at(10)), refer.deadline()), (None, Some(at(1_000))));
    assert_eq!(poll(&mut refer, at(1_000)), said("terminated;reason=noresource", true));

    let mut conference = notifier(3_600);
    assert!(conference.poll(at(0)).is_some());
    conference.end(Reason::NoResource, Pace::Kept);
    assert_eq!(poll(&mut conference, at(60_000)), None); // no answer yet
    conference.end(Reason::Timeout, Pace::Broken);
    assert_eq!(poll(&mut conference, at(60_000)), said("terminated;reason=noresource", true));
    conference.answered(at(60_001), &response(200));
    assert_eq!(conference.over(), Some(Over::Terminated(Reason::NoResource)));
}

/// RFC 6665 §4.2.2: pending until it is known whether he may.
#[test]
fn a_pending_subscription_hears_of_no_change_until_it_is_approved() {
    let event = EventHeader::new("conference");
    let mut notifier = Notifier::new(at(0), event, Consent::Awaited, 60, FIVE);
    assert_eq!(poll(&mut notifier, at(0)), said("pending;expires=60", true));
    notifier.answered(at(0), &response(200));
    notifier.changed();
    assert_eq!((poll(&mut notifier, at(9_000)), notifier.deadline()), (None, Some(at(60_000))));
    notifier.approve();
    assert_eq!(poll(&mut notifier, at(9_000)), said("active;expires=51", true));
}
