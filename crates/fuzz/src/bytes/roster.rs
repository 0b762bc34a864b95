//! Documents that tell who is in a conference.

use ua::Roster;

use super::texts;
use crate::{Target, Trail};

/// [`Roster::apply`], one document after another: a zero byte parts them.
pub const ROSTER: Target =
    Target { name: "roster", run: roster, seeds, words: XML_WORDS, longest: 16_384 };

const XML_WORDS: &[&str] = &[
    "<conference-info xmlns=\"urn:ietf:params:xml:ns:conference-info\" entity=\"sip:c@x\" state=\"full\" version=\"1\">",
    "</conference-info>",
    "state=\"partial\"",
    "state=\"deleted\"",
    "version=\"2\"",
    "version=\"4294967295\"",
    "<users>",
    "</users>",
    "<user entity=\"sip:a@x\">",
    "</user>",
    "<endpoint entity=\"sip:a@x;gr=1\">",
    "</endpoint>",
    "<media id=\"1\">",
    "</media>",
    "<status>connected</status>",
    "<display-text>a</display-text>",
    "<conference-state><user-count>3</user-count></conference-state>",
    "<x:user xmlns:x=\"urn:ietf:params:xml:ns:conference-info\"/>",
    "<!DOCTYPE a [<!ENTITY b \"c\">]>",
    "<![CDATA[",
    "]]>",
    "<!--",
    "-->",
    "<?xml version=\"1.0\" encoding=\"UTF-16\"?>",
    "&amp;",
    "&#0;",
    "&#x10ffff;",
    "&b;",
    "\0",
    "\u{202e}",
];

const FULL: &str = "<conference-info xmlns=\"urn:ietf:params:xml:ns:conference-info\" entity=\"sip:c@x\" state=\"full\" \
     version=\"1\"><conference-state><user-count>1</user-count></conference-state><users><user entity=\"sip:a@x\">\
     <display-text>A &amp; b</display-text><endpoint entity=\"sip:a@192.0.2.1\"><status>connected</status>\
     <media id=\"1\"><type>audio</type><status>sendrecv</status></media></endpoint></user></users></conference-info>";

fn seeds() -> Vec<Vec<u8>> {
    let partial = FULL.replace("full", "partial").replace("version=\"1\"", "version=\"2\"");
    let deleted = partial.replace("<user entity", "<user state=\"deleted\" entity");
    let gone = FULL.replace("full", "deleted");
    texts(&[FULL, &[FULL, &partial].join("\0"), &[FULL, &deleted, &gone].join("\0"), "<a>", ""])
}

fn roster(data: &[u8], trail: &mut Trail) {
    let mut roster = Roster::new();
    for document in data.split(|byte| *byte == 0) {
        let before = roster.clone();
        let applied = roster.apply(document);
        trail.outcome("apply", &applied);
        trail.mark("applied", &format!("{applied:?}"));
        trail.count("users", roster.users.len());
        if applied.is_err() {
            assert_eq!(roster, before, "a document that cannot be read changes nothing");
        }
        assert!(roster.users.len() <= ua::USERS_MAX);
        // Twice the same says nothing new.
        let mut twice = roster.clone();
        let _ = twice.apply(document);
        assert!(twice.says_the_same_as(&roster), "the same document twice");
    }
}
