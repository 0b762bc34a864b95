//! A stream.

use sip::{Frame, MESSAGE_BYTES_MAX, StreamFramer};

use super::{SIP_WORDS, torture};
use crate::{Target, Trail};

/// [`StreamFramer`]: the first two bytes say how the rest is cut.
pub const FRAMING: Target =
    Target { name: "framing", run: framing, seeds, words: SIP_WORDS, longest: 65_535 };

fn seeds() -> Vec<Vec<u8>> {
    let one = |message: &Vec<u8>| [b"ab".as_slice(), message].concat();
    let two = |pair: &[Vec<u8>]| [b"cd".as_slice(), &pair.concat()].concat();
    let torture = torture();
    let pings = b"ef\r\n\r\nOPTIONS sip:a@b SIP/2.0\r\nContent-Length: 0\r\n\r\n\r\n\r\n";
    let all = torture.iter().map(one).chain(torture.chunks(2).map(two));
    all.chain([pings.to_vec()]).collect()
}

fn framing(data: &[u8], trail: &mut Trail) {
    let Some((cut, stream)) = data.split_first_chunk::<2>() else { return };
    let mut whole = StreamFramer::new();
    whole.push(stream);
    let once = all(&mut whole);
    let mut pieces = StreamFramer::new();
    let mut cut_up = Vec::new();
    // Pieces of two lengths in turn, so that cuts fall at any distance of each other.
    let lengths = cut.map(|byte| usize::from(byte) + 1);
    let (mut rest, mut turn) = (stream, 0);
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(lengths[turn].min(rest.len()));
        pieces.push(piece);
        cut_up.extend(all(&mut pieces));
        (rest, turn) = (after, 1 - turn);
    }
    // An error may have had more or less to make an answer of.
    let frames = |frames: &[Result<Frame, _>]| -> Vec<Option<Frame>> {
        frames.iter().map(|frame| frame.as_ref().ok().cloned()).collect()
    };
    assert_eq!(frames(&once), frames(&cut_up), "the cut changes what is read");
    let errors = once.iter().filter(|frame| frame.is_err()).count();
    assert!(errors <= 1 && once.iter().rev().skip(1).all(Result::is_ok), "nothing after an error");
    let sizes = once.iter().map(|frame| match frame {
        Ok(Frame::Message(bytes)) => bytes.len(),
        Ok(Frame::KeepAlive) | Err(_) => 0,
    });
    assert!(sizes.sum::<usize>() <= stream.len(), "more came out than went in");
    trail.count("frames", once.len());
    for frame in &once {
        match frame {
            Ok(Frame::Message(bytes)) => {
                assert!(bytes.len() <= MESSAGE_BYTES_MAX);
                trail.outcome("message", &sip::parse_datagram(bytes).map_err(|why| why.error));
            }
            Ok(Frame::KeepAlive) => trail.mark("frame", "ping"),
            Err(error) => trail.outcome::<(), _>("frame", &Err(&error.failure.error)),
        }
    }
}

fn all(framer: &mut StreamFramer) -> Vec<Result<Frame, sip::FrameError>> {
    framer.by_ref().collect()
}
