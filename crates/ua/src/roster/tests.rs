use std::fmt::Write as _;

use units::Rng;

use super::element::{ENDPOINTS_MAX, MEDIA_MAX};
use super::*;

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";

fn document(state: &str, version: u32, inside: &str) -> String {
    format!(
        "{HEAD}<conference-info xmlns=\"urn:ietf:params:xml:ns:conference-info\" entity=\"sips:conf233@example.com\" \
         state=\"{state}\" version=\"{version}\">{inside}</conference-info>"
    )
}

fn apply(roster: &mut Roster, text: &str) -> Result<Applied, DocumentError> {
    roster.apply(text.as_bytes())
}

fn names(roster: &Roster) -> Vec<&str> {
    roster.users.keys().map(String::as_str).collect()
}

/// RFC 4575 §7.1, shortened by its comments.
const EXAMPLE: &str = r#"
    <conference-description>
     <subject>Agenda: This month's goals</subject>
      <service-uris><entry><uri>http://sharepoint/salesgroup/</uri><purpose>web-page</purpose></entry></service-uris>
     </conference-description>
    <conference-state><user-count>33</user-count></conference-state>
    <users>
     <user entity="sip:bob@example.com" state="full">
      <display-text>Bob Hoskins</display-text>
      <endpoint entity="sip:bob@pc33.example.com">
       <display-text>Bob's Laptop</display-text>
       <status>disconnected</status>
       <disconnection-method>departed</disconnection-method>
       <disconnection-info>
        <when>2005-03-04T20:00:00Z</when>
        <reason>bad voice quality</reason>
        <by>sip:mike@example.com</by>
       </disconnection-info>
       <media id="1"><display-text>main audio</display-text><type>audio</type><label>34567</label>
        <src-id>432424</src-id><status>sendrecv</status></media>
      </endpoint>
     </user>
     <user entity="sip:alice@example.com" state="full">
      <display-text>Alice</display-text>
      <endpoint entity="sip:4kfk4j392jsu@example.com;grid=433kj4j3u">
       <status>connected</status>
       <joining-method>dialed-out</joining-method>
       <joining-info><when>2005-03-04T20:00:00Z</when><by>sip:mike@example.com</by></joining-info>
       <media id="1"><type>audio</type><label>34567</label><src-id>534232</src-id><status>sendrecv</status></media>
      </endpoint>
     </user>
    </users>"#;

/// D12 · RFC 4575 §7.1
#[test]
fn the_example_of_the_rfc_is_read() {
    let mut roster = Roster::new();
    assert_eq!(apply(&mut roster, &document("full", 1, EXAMPLE)), Ok(Applied::Taken));
    assert_eq!((roster.version(), roster.entity.as_str()), (Some(1), "sips:conf233@example.com"));
    assert_eq!((roster.user_count, roster.is_active), (Some(33), None));
    assert_eq!(names(&roster), ["sip:alice@example.com", "sip:bob@example.com"]);
    let bob = &roster.users["sip:bob@example.com"];
    assert_eq!((bob.display.as_deref(), bob.is_in()), (Some("Bob Hoskins"), false));
    let laptop = &bob.endpoints["sip:bob@pc33.example.com"];
    assert_eq!(laptop.disconnection_reason.as_deref(), Some("bad voice quality"));
    let alice = &roster.users["sip:alice@example.com"];
    assert!(alice.is_in());
    let phone = &alice.endpoints["sip:4kfk4j392jsu@example.com;grid=433kj4j3u"];
    assert_eq!(phone.joining_method.as_deref(), Some("dialed-out"));
    assert_eq!(phone.media["1"].source.as_deref(), Some("534232"));
}

/// D12 · RFC 4575 §4.6
#[test]
fn versions_decide_what_is_taken() {
    let user = |name: &str| format!("<users state=\"partial\"><user entity=\"{name}\"/></users>");
    let full = |name: &str| format!("<users><user entity=\"{name}\"/></users>");
    let mut roster = Roster::new();
    // Before the first whole one nothing can be built on.
    assert_eq!(apply(&mut roster, &document("partial", 1, &user("a"))), Ok(Applied::Gap));
    assert_eq!(roster, Roster::new());
    assert_eq!(apply(&mut roster, &document("full", 5, &full("a"))), Ok(Applied::Taken));
    assert_eq!(apply(&mut roster, &document("full", 5, &full("b"))), Ok(Applied::Stale));
    assert_eq!(apply(&mut roster, &document("partial", 4, &user("b"))), Ok(Applied::Stale));
    assert_eq!(apply(&mut roster, &document("partial", 6, &user("b"))), Ok(Applied::Taken));
    assert_eq!(apply(&mut roster, &document("partial", 8, &user("d"))), Ok(Applied::Gap));
    assert_eq!(names(&roster), ["a", "b"]);
    // The whole one that was asked for may skip as many as it likes.
    assert_eq!(apply(&mut roster, &document("full", 9, &full("c"))), Ok(Applied::Taken));
    assert_eq!(names(&roster), ["c"]);
    assert_eq!(apply(&mut roster, &document("deleted", 10, &full("c"))), Ok(Applied::Deleted));
    assert!(roster.users.is_empty());
    let last = document("full", u32::MAX, &full("z"));
    assert_eq!(apply(&mut roster, &last), Ok(Applied::Taken));
    assert_eq!(apply(&mut roster, &document("partial", 0, &user("b"))), Ok(Applied::Stale));
}

/// D10, D12 · RFC 4575 §4.4, §4.6: partial within partial merges, full replaces, deleted removes with all that it says.
#[test]
fn parts_are_merged_by_their_keys() {
    let mut roster = Roster::new();
    apply(&mut roster, &document("full", 1, EXAMPLE)).unwrap();
    let change = "<users state=\"partial\"><user entity=\"sip:bob@example.com\" state=\"partial\">\
        <endpoint entity=\"sip:bob@pc33.example.com\" state=\"partial\"><status>connected</status>\
        <media id=\"1\"><type>audio</type><status>recvonly</status></media><media id=\"2\"><type>video</type></media>\
        </endpoint><endpoint entity=\"car\"><status>on-hold</status></endpoint></user></users>";
    apply(&mut roster, &document("partial", 2, change)).unwrap();
    let bob = roster.users["sip:bob@example.com"].clone();
    assert_eq!(bob.display.as_deref(), Some("Bob Hoskins"), "what is not said stays");
    let laptop = &bob.endpoints["sip:bob@pc33.example.com"];
    assert_eq!(laptop.status.as_deref(), Some("connected"));
    assert_eq!(laptop.disconnection_method.as_deref(), Some("departed"));
    assert_eq!(laptop.media.len(), 2);
    assert_eq!(laptop.media["1"].source, None, "a medium has no state: it comes whole");
    assert_eq!(bob.endpoints.len(), 2);

    let change = "<users state=\"partial\"><user entity=\"sip:bob@example.com\" state=\"partial\">\
        <endpoint entity=\"car\" state=\"deleted\"><status>connected</status></endpoint></user>\
        <user entity=\"sip:alice@example.com\"><display-text>Al</display-text></user>\
        <user entity=\"sip:nobody@example.com\" state=\"deleted\"/></users>";
    apply(&mut roster, &document("partial", 3, change)).unwrap();
    assert_eq!(roster.users["sip:bob@example.com"].endpoints.len(), 1);
    assert_eq!(roster.users["sip:alice@example.com"].endpoints.len(), 0);
    let change = "<users state=\"partial\"><user entity=\"sip:bob@example.com\" state=\"deleted\">\
        <display-text>ghost</display-text></user></users>";
    apply(&mut roster, &document("partial", 4, change)).unwrap();
    assert_eq!(names(&roster), ["sip:alice@example.com"]);
    // A change of nothing but the count leaves the users.
    let count = "<conference-state><user-count>7</user-count><active>1</active></conference-state>";
    apply(&mut roster, &document("partial", 5, count)).unwrap();
    assert_eq!((roster.user_count, roster.is_active, roster.users.len()), (Some(7), Some(true), 1));
}

/// RFC 4575 §4.2, §6: prefixes as anybody likes; what is of other namespaces is not ours.
#[test]
fn prefixes_do_not_matter_and_other_namespaces_are_read_over() {
    let text = "<c:conference-info xmlns:c=\"urn:ietf:params:xml:ns:conference-info\" xmlns=\"urn:other\" entity=\"x\" \
        version=\"1\"><c:users><c:user entity=\"a\"><display-text>not this</display-text>\
        <c:display-text><![CDATA[A&]]>&amp;&#x42;</c:display-text><user entity=\"b\"><c:endpoint entity=\"e\"/></user>\
        </c:user></c:users></c:conference-info>";
    let mut roster = Roster::new();
    assert_eq!(apply(&mut roster, text), Ok(Applied::Taken));
    assert_eq!(roster.users["a"].display.as_deref(), Some("A&&B"));
    assert!(roster.users["a"].endpoints.is_empty());
    let other = "<conference-info xmlns=\"urn:other\" version=\"2\"/>";
    assert_eq!(apply(&mut roster, other), Err(DocumentError::OtherDocument));
}

/// T8: no document hurts.
#[test]
fn documents_made_to_hurt_are_refused() {
    let mut roster = Roster::new();
    let refused = |text: &str| Roster::new().apply(text.as_bytes()).unwrap_err();
    let deep = document("full", 1, &("<a>".repeat(50_000 / 7) + &"</a>".repeat(50_000 / 7)));
    assert_eq!(refused(&deep), DocumentError::TooDeep);
    let long = document("full", 1, &"x".repeat(BODY_BYTES_MAX));
    assert_eq!(refused(&long), DocumentError::TooLong);
    let laughs = "<!DOCTYPE lolz [<!ENTITY lol \"lol\"><!ENTITY lol2 \"&lol;&lol;\">]>".to_owned();
    let laughs = laughs + &document("full", 1, "&lol2;").replace(HEAD, "");
    assert_eq!(refused(&laughs), DocumentError::Doctype);
    assert_eq!(refused(&document("full", 1, "&lol;")), DocumentError::Malformed);
    assert_eq!(refused(&document("full", 1, "<a></b>")), DocumentError::Malformed);
    assert_eq!(refused(&document("full", 1, "&#0;")), DocumentError::Malformed);
    assert_eq!(
        refused(&document("full", 1, "").replace("version=\"1\"", "")),
        DocumentError::NoVersion
    );
    assert_eq!(
        refused(&document("full", 1, "").replace("version=\"1\"", "version=\"-1\"")),
        DocumentError::NoVersion
    );
    assert_eq!(refused(""), DocumentError::Malformed);
    assert_eq!(Roster::new().apply(b"\xff\xfe<\0"), Err(DocumentError::Malformed));
    let many: String = (0..3_000).map(|n| format!("<user entity=\"{n}\"/>")).collect();
    assert!(many.len() < BODY_BYTES_MAX);
    let many = document("full", 1, &format!("<users>{many}</users>"));
    assert_eq!(apply(&mut roster, &many), Ok(Applied::Taken));
    assert_eq!(roster.users.len(), USERS_MAX);
}

/// T8: a focus that tells of ever more devices and streams makes no roster grow for ever.
#[test]
fn devices_and_streams_are_bounded_over_all_documents() {
    let mut roster = Roster::new();
    apply(&mut roster, &document("full", 1, "<users/>")).unwrap();
    let numbered = |text: &str, from: u32| -> String {
        (from..from + 50).map(|n| text.replace('#', &n.to_string())).collect()
    };
    for version in 2..6 {
        let media = numbered("<media id=\"#\"/>", version * 50);
        let one = format!("<endpoint entity=\"one\" state=\"partial\">{media}</endpoint>");
        let others = numbered("<endpoint entity=\"#\"/>", version * 50);
        let user = format!("<user entity=\"u\" state=\"partial\">{one}{others}</user>");
        let change =
            document("partial", version, &format!("<users state=\"partial\">{user}</users>"));
        assert_eq!(apply(&mut roster, &change), Ok(Applied::Taken));
    }
    let endpoints = &roster.users["u"].endpoints;
    assert_eq!((endpoints.len(), endpoints["one"].media.len()), (ENDPOINTS_MAX, MEDIA_MAX));
}

/// T8: whatever is cut off or turned over, it is an error or a roster, never a panic.
#[test]
fn broken_documents_never_panic() {
    let whole = document("full", 1, EXAMPLE).into_bytes();
    for cut in 0..whole.len() {
        let _any = Roster::new().apply(&whole[..cut]);
    }
    let mut rng = Rng::from_number(8);
    for _ in 0..2_000 {
        let mut broken = whole.clone();
        for _ in 0..1 + rng.below(4) {
            let at = usize::try_from(rng.below(broken.len() as u64)).unwrap();
            broken[at] = b"<>&;\"'/!?[]- \xff0aA"[usize::try_from(rng.below(17)).unwrap()];
        }
        let _any = Roster::new().apply(&broken);
    }
}

/// A roster that anything can stand in, and the documents that lead there.
struct Source {
    rng: Rng,
    truth: Roster,
}

impl Source {
    fn pick<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[usize::try_from(self.rng.below(all.len() as u64)).unwrap()]
    }

    fn endpoint(&mut self) -> Endpoint {
        Endpoint {
            status: Some(self.pick(&["connected", "on-hold", "disconnected"]).to_owned()),
            joining_method: Some(self.pick(&["dialed-in", "dialed-out"]).to_owned()),
            referred_by: (self.rng.below(2) == 0).then(|| "sip:x@y?a=b&c".to_owned()),
            media: (0..self.rng.below(3)).map(|id| (id.to_string(), Media::default())).collect(),
            ..Endpoint::default()
        }
    }

    fn user(&mut self) -> User {
        let names = ["e1", "e2", "e3"];
        let count = usize::try_from(self.rng.below(3)).unwrap();
        let endpoints = names[..count].iter().map(|name| ((*name).to_owned(), self.endpoint()));
        let endpoints = endpoints.collect();
        let display = Some(self.pick(&["Ann", "<&\">", "\u{1F389}"]).to_owned());
        User { display, roles: vec![], endpoints }
    }

    /// Changes the truth, and says how: a partial document, of users whole and in parts.
    fn step(&mut self) -> String {
        let mut text = String::new();
        for name in ["a", "b", "c", "d"] {
            match (self.rng.below(5), self.truth.users.contains_key(name)) {
                (0, _) => {
                    let user = self.user();
                    write_user(&mut text, name, &user, "full");
                    self.truth.users.insert(name.to_owned(), user);
                }
                (1, true) => {
                    write!(text, "<user entity=\"{name}\" state=\"deleted\"><x/></user>").unwrap();
                    self.truth.users.remove(name);
                }
                (2, true) => {
                    let (new, display) = (self.endpoint(), self.pick(&["Eve", "Max"]).to_owned());
                    let removed = self.pick(&["e1", "e2"]).to_owned();
                    let user = self.truth.users.get_mut(name).unwrap();
                    user.display = Some(display.clone());
                    user.endpoints.remove(&removed);
                    user.endpoints.insert("e3".to_owned(), new.clone());
                    let part = User {
                        display: Some(display),
                        roles: vec![],
                        endpoints: [("e3".to_owned(), new)].into(),
                    };
                    write_user(&mut text, name, &part, "partial");
                    let deleted =
                        format!("<endpoint entity=\"{removed}\" state=\"deleted\"/></user>");
                    text = text.strip_suffix("</user>").unwrap().to_owned() + &deleted;
                }
                (_, _) => {}
            }
        }
        format!("<users state=\"partial\">{text}</users>")
    }

    fn whole(&self) -> String {
        let mut text = String::new();
        for (name, user) in &self.truth.users {
            write_user(&mut text, name, user, "full");
        }
        format!("<users>{text}</users>")
    }
}

fn escaped(text: &str) -> String {
    quick_xml::escape::escape(text).into_owned()
}

fn write_user(out: &mut String, name: &str, user: &User, state: &str) {
    write!(out, "<user entity=\"{name}\" state=\"{state}\">").unwrap();
    if let Some(display) = &user.display {
        write!(out, "<display-text>{}</display-text>", escaped(display)).unwrap();
    }
    for (name, endpoint) in &user.endpoints {
        write!(out, "<endpoint entity=\"{name}\">").unwrap();
        if let Some(by) = &endpoint.referred_by {
            write!(out, "<referred><by>{}</by></referred>", escaped(by)).unwrap();
        }
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        write!(out, "<status>{}</status>", text(&endpoint.status)).unwrap();
        write!(out, "<joining-method>{}</joining-method>", text(&endpoint.joining_method)).unwrap();
        for id in endpoint.media.keys() {
            write!(out, "<media id=\"{id}\"/>").unwrap();
        }
        out.push_str("</endpoint>");
    }
    out.push_str("</user>");
}

/// D12 · RFC 4575 §4.6: documents lost, doubled and reordered lead to the truth, or to asking for all of it.
#[test]
fn any_history_of_changes_leads_to_what_is_so() {
    for seed in 0..200 {
        let mut source = Source { rng: Rng::from_number(seed), truth: Roster::new() };
        let mut roster = Roster::new();
        apply(&mut roster, &document("full", 1, &source.whole())).unwrap();
        let mut last = String::new();
        for version in 2..40 {
            let change = document("partial", version, &source.step());
            let expected = match source.rng.below(10) {
                0 => {
                    // Lost: the next one shows it, and the whole one mends it.
                    let next = document("partial", version + 1, "");
                    let before = roster.clone();
                    assert_eq!(apply(&mut roster, &next), Ok(Applied::Gap));
                    assert_eq!(roster, before);
                    let whole = document("full", version, &source.whole());
                    apply(&mut roster, &whole)
                }
                1 => {
                    let first = apply(&mut roster, &change);
                    assert_eq!(apply(&mut roster, &change), Ok(Applied::Stale));
                    assert!(last.is_empty() || apply(&mut roster, &last) == Ok(Applied::Stale));
                    first
                }
                _ => apply(&mut roster, &change),
            };
            assert_eq!(expected, Ok(Applied::Taken));
            assert_eq!(roster.users, source.truth.users, "seed {seed}, version {version}");
            last = change;
        }
    }
}
