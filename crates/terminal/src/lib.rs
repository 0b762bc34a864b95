//! The terminal's rim: sockets and WAV files around a user agent.
