//! How a terminal proves who it is, and how it is reached: flags that every terminal has.

use std::path::PathBuf;

use clap::Args;
use sip::Uri;

use super::sip_uri;

#[derive(Args, Debug)]
pub(crate) struct ReachArgs {
    /// What others are told instead of our own address, where it is translated on the way
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) advertise: Option<server::config::Advertise>,
    /// The name server to ask, by address and port; may be given again [default: the system's]
    #[arg(long, value_name = "ADDR", value_parser = super::socket_address)]
    pub(crate) dns: Vec<std::net::SocketAddr>,
    /// The name that goes with the password [default: the one in our own URI]
    #[arg(long, value_name = "NAME", help_heading = "Proxy, registrar, password")]
    pub(crate) auth_user: Option<String>,
    /// The first line of this file is the password; only the hosts named on this command line get
    /// proof of it [default: the environment variable CONVOKE_PASSWORD]
    #[arg(long, value_name = "FILE", help_heading = "Proxy, registrar, password")]
    pub(crate) password_file: Option<PathBuf>,
    /// Send all calls by way of this proxy, as in sip:pbx.example.com
    #[arg(long, value_name = "URI", value_parser = sip_uri,
          help_heading = "Proxy, registrar, password")]
    pub(crate) proxy: Option<Uri>,
    /// Register, so that others can call --user there: sip:example.com, or sip:alice@example.com for
    /// another name [without a URI: at the proxy]
    #[arg(long, value_name = "URI", value_parser = sip_uri, num_args = 0..=1,
          help_heading = "Proxy, registrar, password")]
    pub(crate) register: Option<Option<Uri>>,
}
