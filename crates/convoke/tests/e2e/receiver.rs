//! Who is told what happens: a receiver of webhooks, in the clear and by TLS.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;
use sha2::Sha256;

use crate::processes::{Process, run, text};

/// What its posts are signed with.
pub(crate) const SECRET: [u8; 32] = [7; 32];

/// The same as its file has it.
pub(crate) fn written_secret() -> String {
    format!("whsec_{}\n", BASE64.encode(&SECRET))
}

/// What it says to the next ones; when nothing is left, 204.
type Answers = Arc<Mutex<VecDeque<u16>>>;

/// What it proves itself with; `None`: it speaks in the clear.
type Proof = Arc<Mutex<Option<Arc<ServerConfig>>>>;

/// Somebody who wants to know what happens.
pub(crate) struct Listening {
    pub(crate) address: SocketAddr,
    answers: Answers,
    proof: Proof,
    pub(crate) posts: Receiver<Post>,
}

/// What was posted, and what was answered.
#[derive(Debug)]
pub(crate) struct Post {
    pub(crate) answered: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Listening {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let address = listener.local_addr().expect("an address");
        let (posted, posts) = channel();
        let answers = Answers::default();
        let proof = Proof::default();
        let (theirs, its) = (Arc::clone(&answers), Arc::clone(&proof));
        // It ends with the process; what it holds is the test's.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let proof = its.lock().expect("whole").clone();
                let is_on = match proof {
                    None => take(stream, &theirs, &posted),
                    Some(proof) => {
                        let connection = ServerConnection::new(proof).expect("a connection");
                        take(StreamOwned::new(connection, stream), &theirs, &posted)
                    }
                };
                if is_on.is_none() {
                    return;
                }
            }
        });
        Self { address, answers, proof, posts }
    }

    /// From now on it speaks TLS, and proves itself with this certificate of `tests/https`.
    pub(crate) fn prove_with(&self, pem: &[u8]) {
        let chain =
            CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().expect("certificates");
        let key = PrivateKeyDer::from_pem_slice(pem).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions that there are")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("they belong together");
        *self.proof.lock().expect("whole") = Some(Arc::new(config));
    }

    pub(crate) fn answer(&self, with: impl IntoIterator<Item = u16>) {
        *self.answers.lock().expect("whole") = with.into_iter().collect();
    }

    pub(crate) fn next(&self) -> Post {
        self.posts.recv_timeout(std::time::Duration::from_secs(30)).expect("something is posted")
    }
}

/// `None`: the test is over.
fn take(stream: impl Read + Write, answers: &Answers, posted: &Sender<Post>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut headers = BTreeMap::new();
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
        if let Some((name, value)) = line.split_once(':') {
            headers.insert(name.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
        line.clear();
    }
    let length = headers.get("content-length").and_then(|it| it.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    // Whoever was killed in the middle is not heard.
    if length == 0 || reader.read_exact(&mut body).is_err() {
        return Some(());
    }
    let answered = answers.lock().expect("whole").pop_front().unwrap_or(204);
    let stream = reader.get_mut();
    let _ =
        write!(stream, "HTTP/1.1 {answered} So\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let _ = stream.flush();
    let body = String::from_utf8(body).expect("text");
    posted.send(Post { answered, headers, body }).ok()
}

impl Post {
    pub(crate) fn event(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    pub(crate) fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    /// Standard Webhooks: HMAC-SHA-256 over id, time and body.
    pub(crate) fn is_signed_with(&self, secret: &[u8]) -> bool {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("a key");
        let time = &self.headers["webhook-timestamp"];
        mac.update(format!("{}.{time}.{}", self.id(), self.body).as_bytes());
        self.headers["webhook-signature"]
            == format!("v1,{}", BASE64.encode(&mac.finalize().into_bytes()))
    }
}

/// Makes a conference, which is told; gives its id.
pub(crate) fn make(server: &Process) -> String {
    let (code, out, error) =
        run(&["ctl", "create", "--json", "--admin", &server.greeting("admin")]);
    assert_eq!((code, error.as_str()), (Some(0), ""));
    text(&serde_json::from_str(&out).expect("JSON"), "id")
}
