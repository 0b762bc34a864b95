//! What arrows say.

use super::*;

#[test]
fn labels_say_what_a_message_is_about() {
    let read = |start_line, method, detail| label(start_line, method, detail).expect("a label").0;
    assert_eq!(read("ACK sip:conference@h SIP/2.0", "ACK", None), "ACK");
    assert_eq!(read("NOTIFY sip:a@h SIP/2.0", "NOTIFY", Some("200 OK")), "NOTIFY 200 OK");
    assert_eq!(read("SIP/2.0 200 OK", "INVITE", None), "200 OK");
    assert_eq!(read("SIP/2.0 404 Not Found", "BYE", None), "404 Not Found (BYE)");
    assert_eq!(read("INVITE sip:8000@h SIP/2.0", "INVITE", None), "INVITE 8000");
    assert_eq!(label("", "BYE", None), None);
}

#[test]
fn a_text_over_a_line_is_cut_before_it_meets_the_next() {
    let ladder = Ladder::packed(2, 12, Paint::plain());
    let row = ladder.over_lines("", &["[2001:db8::1]:5060".to_owned(), "bob".to_owned()]);
    assert_eq!(row, "           [2001:db8:…     bob");
}
