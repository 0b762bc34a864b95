//! A server in this process: what it says of itself, and what it gives back.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};

use server::config::Flags;
use server::{Config, EndCause, Running, Server, StartError};

fn config() -> Config {
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    let flags = Flags { sip: Some(any), admin: Some(any), ..Flags::default() };
    Config::from_flags(&flags).expect("a good configuration")
}

fn get(server: &Running, path: &str, host: &str) -> String {
    let mut stream = TcpStream::connect(server.admin()).expect("connected");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("asked");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    answer
}

#[test]
fn the_status_is_json_for_whoever_asks_by_a_loopback_name() {
    let server = Server::start(&config(), false).expect("started");
    let host = server.admin().to_string();
    let answer = get(&server, "/v1/status", &host);
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
    assert!(body.starts_with('{') && body.contains("\"capacity\":500"), "{body}");
    assert!(body.contains(&format!("\"{}\"", server.factories()[0])), "{body}");

    assert!(get(&server, "/v1/other", &host).starts_with("HTTP/1.1 404 "));
    let stranger = get(&server, "/v1/status", "evil.example.com");
    assert!(stranger.starts_with("HTTP/1.1 403 "), "{stranger}");
    assert!(!stranger.contains("capacity"), "{stranger}");
}

#[test]
fn the_metrics_are_prometheus_text_and_count_what_was_refused() {
    let server = Server::start(&config(), false).expect("started");
    let peer = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let local = peer.local_addr().expect("an address");
    let nobody = format!(
        "INVITE sip:nobody@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK1\r\n\
         From: <sip:a@h>;tag=1\r\nTo: <sip:nobody@127.0.0.1>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\
         Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    );
    peer.send_to(nobody.as_bytes(), server.sip()[0]).expect("sent");
    let mut answer = [0; 2_048];
    let length = peer.recv(&mut answer).expect("answered");
    assert!(answer[..length].starts_with(b"SIP/2.0 404 "));
    let page = get(&server, "/metrics", &server.admin().to_string());
    assert!(page.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{page}");
    for line in [
        "convoke_sip_requests_received_total{method=\"INVITE\"} 1",
        "convoke_sip_responses_sent_total{class=\"4xx\"} 1",
        "convoke_sip_requests_refused_total{cause=\"not_found\"} 1",
        "convoke_sip_requests_refused_total{cause=\"pool_full\"} 0",
        "convoke_pool_seats{state=\"free\"} 500",
    ] {
        assert!(page.contains(&format!("\n{line}\n")), "no {line} in {page}");
    }
}

#[test]
fn a_stopped_server_gives_every_port_back() {
    let server = Server::start(&config(), false).expect("started");
    let (sip, admin) = (server.sip()[0], server.admin());
    let report = server.finish().expect("no panic");
    assert_eq!((report.end, report.legs_left, report.mixer_legs_left), (EndCause::Told, 0, 0));
    UdpSocket::bind(sip).expect("the SIP port is free again");
    TcpListener::bind(admin).expect("the HTTP port is free again");
}

#[test]
fn what_cannot_be_bound_leaves_nothing_running() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let mut config = config();
    config.admin.bind = taken.local_addr().expect("an address");
    let error = Server::start(&config, false).expect_err("taken");
    assert!(matches!(error, StartError::Bind(_)), "{error}");
}
