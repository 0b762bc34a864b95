use super::*;

fn headers(supported: bool, asked: &str, floor: &str) -> Headers {
    let mut headers = Headers::new();
    if supported {
        headers.push(HeaderName::Supported, "100rel, timer");
    }
    if !asked.is_empty() {
        headers.push(HeaderName::SessionExpires, asked);
    }
    if !floor.is_empty() {
        headers.push(HeaderName::MinSe, floor);
    }
    headers
}

/// H03 · RFC 4028 §9, table 2: every row.
#[test]
fn refresher_of_the_answer_follows_table_2() {
    let rows = [
        (false, "1800", Refresher::Uas),
        (true, "1800;refresher=uas", Refresher::Uas),
        (true, "1800;refresher=uac", Refresher::Uac),
        (true, "1800", Refresher::Uac),
    ];
    for (supported, asked, refresher) in rows {
        let terms = agree(&headers(supported, asked, ""), None).unwrap().unwrap();
        assert_eq!(terms, Terms { seconds: 1_800, refresher }, "{supported} {asked}");
        let mut answer = Headers::new();
        write_terms(terms, &mut answer);
        let says = session_expires(&answer).unwrap().unwrap();
        assert_eq!(says, SessionExpires { seconds: 1_800, refresher: Some(refresher) });
        let required = answer.require().unwrap().contains(&TIMER.to_owned());
        assert_eq!(required, refresher == Refresher::Uac);
    }
    // Who refreshed so far goes on.
    let terms = agree(&headers(true, "1800", ""), Some(Refresher::Uas)).unwrap().unwrap();
    assert_eq!(terms.refresher, Refresher::Uas);
}

/// H02, H03 · RFC 4028 §9: never raised, never below Min-SE or 90.
#[test]
fn interval_of_the_answer() {
    let seconds = |supported, asked, floor| {
        agree(&headers(supported, asked, floor), None).map(|terms| terms.map(|terms| terms.seconds))
    };
    assert_eq!(seconds(true, "90", ""), Ok(Some(90)));
    assert_eq!(seconds(true, "600", "120"), Ok(Some(600)));
    assert_eq!(seconds(true, "86400", ""), Ok(Some(SESSION_SECONDS)));
    assert_eq!(seconds(true, "86400", "3600"), Ok(Some(3_600)));
    assert_eq!(seconds(true, "", ""), Ok(Some(SESSION_SECONDS)));
    assert_eq!(seconds(true, "", "3600"), Ok(Some(3_600)));
    assert_eq!(seconds(false, "", ""), Ok(None));
    assert_eq!(seconds(true, "60", ""), Err(TermsError::TooSmall));
    assert_eq!(seconds(false, "60", ""), Ok(None));
    assert_eq!(seconds(true, "99999999999999999999", ""), Ok(Some(SESSION_SECONDS)));
    for bad in ["", "x", "-1", "90;refresher=me", "90 90"] {
        let read = bad.parse::<SessionExpires>();
        assert!(read.is_err(), "{bad:?}");
    }
    assert_eq!(seconds(true, "soon", ""), Err(TermsError::Malformed));
    assert_eq!(seconds(true, "90", "soon"), Err(TermsError::Malformed));
}

/// H04 · RFC 4028 §7.3, §7.4
#[test]
fn refresh_names_us_and_a_min_se_that_was_asked_for() {
    let mut headers = Headers::new();
    write_refresh(1_800, 300, &mut headers);
    let says = session_expires(&headers).unwrap().unwrap();
    assert_eq!(says, SessionExpires { seconds: 1_800, refresher: Some(Refresher::Uac) });
    assert_eq!(min_se(&headers), Ok(300));
    let mut headers = Headers::new();
    write_refresh(1_800, SESSION_SECONDS_MIN, &mut headers);
    assert_eq!(headers.get(&HeaderName::MinSe), None);
}

/// H05, H06 · RFC 4028 §10
#[test]
fn refresh_is_due_at_half_and_the_end_a_little_before_expiry() {
    let terms = Terms { seconds: 1_800, refresher: Refresher::Uas };
    let mut timer = SessionTimer::new(Instant::ZERO, terms, Refresher::Uas);
    let seconds = |seconds: u64| Instant::from_millis(seconds * 1_000);
    assert_eq!(timer.deadline(), Some(seconds(900)));
    assert_eq!(timer.handle_deadline(seconds(899)), SessionAction::Nothing);
    assert_eq!(timer.handle_deadline(seconds(900)), SessionAction::Refresh);
    assert_eq!(timer.handle_deadline(seconds(901)), SessionAction::Nothing);
    assert_eq!(timer.deadline(), Some(seconds(1_768)));
    assert_eq!(timer.handle_deadline(seconds(1_768)), SessionAction::End);

    let terms = Terms { seconds: 90, refresher: Refresher::Uas };
    let mut timer = SessionTimer::new(Instant::ZERO, terms, Refresher::Uac);
    assert_eq!(timer.deadline(), Some(seconds(60)));
    assert_eq!(timer.handle_deadline(seconds(59)), SessionAction::Nothing);
    assert_eq!(timer.handle_deadline(seconds(60)), SessionAction::End);
}
