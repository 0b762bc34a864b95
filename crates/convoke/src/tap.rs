//! What becomes of the SIP messages that a command sends and receives: shown as they go, kept in a file.

use std::path::Path;

use sip::Packet;

use crate::cli::CommonArgs;
use crate::message;
use crate::output::Printer;
use crate::pcap::Capture;
use crate::trace::Trace;

/// Takes every message, if anybody wants them.
pub(crate) struct Tap {
    /// For programs the printer's objects take its place.
    trace: Option<Trace>,
    is_shown: bool,
    capture: Option<Capture>,
}

impl Tap {
    /// `us` names this process to whoever reads its trace.
    pub(crate) fn new(args: &CommonArgs, us: &str, printer: &Printer) -> Self {
        let is_shown = args.trace;
        let trace = (is_shown && !printer.is_json()).then(|| Trace::new(us, printer.paint()));
        Self { trace, is_shown, capture: None }
    }

    /// Keeps every message in this file too.
    ///
    /// # Errors
    /// The file cannot be made.
    pub(crate) fn keeping(self, pcap: Option<&Path>) -> anyhow::Result<Self> {
        let capture = pcap.map(Capture::create).transpose()?;
        Ok(Self { capture, ..self })
    }

    /// Whether messages are to be given here at all.
    pub(crate) const fn is_open(&self) -> bool {
        self.is_shown || self.capture.is_some()
    }

    /// Takes a message that was sent or received.
    pub(crate) fn message(
        &mut self,
        printer: &Printer,
        sent: bool,
        unix_micros: u64,
        packet: &Packet,
    ) {
        if let Some(capture) = &mut self.capture {
            capture.message(sent, unix_micros, packet);
        }
        match &mut self.trace {
            Some(trace) => {
                for row in trace.rows(sent, packet) {
                    printer.row(unix_micros, &row);
                }
            }
            None if self.is_shown => {
                printer.object("message", unix_micros, message::fields(sent, packet));
            }
            None => {}
        }
    }

    /// No more messages come: what is kept is complete.
    pub(crate) fn finish(self, printer: &Printer) {
        if let Some(capture) = self.capture {
            capture.finish(printer);
        }
    }
}
