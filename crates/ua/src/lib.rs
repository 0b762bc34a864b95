//! A SIP user agent without I/O: call, be called, follow redirections, refer, be referred.
