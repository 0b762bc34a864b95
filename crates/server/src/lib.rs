//! The server's rim: sockets, configuration, HTTP, wiring.
