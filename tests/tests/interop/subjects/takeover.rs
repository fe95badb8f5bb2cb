//! Another client takes the gateway's client id, again and again.

use std::io::{Read, Write};
use std::net::TcpStream;

use jackalope_tests::PATIENCE;

use crate::brokers::Transport;
use crate::case::{Case, Site, Skipped, wait_for_lines};

const CLIENT_ID: &str = "wanted";

pub(crate) fn check(case: Case) -> Result<(), Skipped> {
    if !case.broker.takes_over {
        let reason = "lets two clients of one id stay";
        return Err(Skipped(format!("{} {reason}", case.broker.name)));
    }
    let site = case.site();
    let gateway = site
        .gateway(Transport::Tcp)
        .config(&format!("client-id = {CLIENT_ID:?}"))
        .start();
    for times in 1..=3 {
        wait_for_lines(&gateway, "online session_present", times);
        let mut intruder = intrude(&site);
        wait_for_lines(&gateway, "offline:", times);
        // The gateway comes back, and now it is the other one that has to go,
        // whether by FIN or by RST.
        let _ = intruder.read_to_end(&mut Vec::new());
    }
    // Pauses grow, and somebody is told what is going on.
    gateway
        .log
        .wait_for("3 times in a row soon after it began: does another client use the same");
    wait_for_lines(&gateway, "online session_present", 4);
    Ok(())
}

/// A client that does not come back by itself, in MQTT 3.1.1.
fn intrude(site: &Site) -> TcpStream {
    let length = u8::try_from(CLIENT_ID.len()).expect("it is short");
    let head = [
        0x10,
        12 + length,
        0,
        4,
        b'M',
        b'Q',
        b'T',
        b'T',
        4,
        2,
        0,
        0,
        0,
        length,
    ];
    let mut stream =
        TcpStream::connect(("127.0.0.1", site.server().port())).expect("the broker runs");
    let patience = Some(PATIENCE);
    stream.set_read_timeout(patience).expect("it is not zero");
    let packet = [&head[..], CLIENT_ID.as_bytes()].concat();
    stream.write_all(&packet).expect("the broker reads");
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).expect("the broker answers");
    assert_eq!(answer, [0x20, 2, 0, 0], "it is let in");
    stream
}
