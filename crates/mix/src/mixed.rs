//! What is heard in one frame of a conference.

use crate::FRAME_SAMPLES;
use crate::message::Codec;
use crate::sources::{Contributors, Csrcs};
use crate::stream;

/// The sum of what those say who are heard.
#[derive(Debug)]
pub(crate) struct Mixed {
    /// Everything that is heard in this frame.
    pub(crate) total: [i32; FRAME_SAMPLES],
    /// Whose sound is in it.
    pub(crate) contributors: Contributors,
    /// All of them, for those who are not among them.
    pub(crate) csrcs: Csrcs,
    /// What those hear who are not among them.
    pub(crate) everything: Everything,
}

/// The sum as far as samples go, encoded once for each codec.
#[derive(Debug)]
pub(crate) struct Everything {
    pub(crate) frame: [i16; FRAME_SAMPLES],
    pcma: Option<[u8; FRAME_SAMPLES]>,
    pcmu: Option<[u8; FRAME_SAMPLES]>,
}

impl Mixed {
    /// Nobody says anything yet.
    pub(crate) fn new() -> Self {
        Self {
            total: [0; FRAME_SAMPLES],
            contributors: Contributors::new(),
            csrcs: Csrcs::new(),
            everything: Everything { frame: [0; FRAME_SAMPLES], pcma: None, pcmu: None },
        }
    }
}

impl Everything {
    pub(crate) fn encoded(&mut self, codec: Codec) -> &[u8; FRAME_SAMPLES] {
        let place = match codec {
            Codec::Pcma => &mut self.pcma,
            Codec::Pcmu => &mut self.pcmu,
        };
        place.get_or_insert_with(|| stream::encoded(codec, &self.frame))
    }
}
