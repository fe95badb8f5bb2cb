//! A proxy of HTTP that makes connections for others (CONNECT).

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// A proxy on a port of its own, that knows one broker by a name that nobody else
/// knows.
#[derive(Debug)]
pub struct HttpProxy {
    port: u16,
    heads: Arc<Mutex<Vec<String>>>,
}

impl HttpProxy {
    /// The name of the broker, with its port.
    pub const BROKER: &'static str = "broker.invalid:1883";

    /// Connects to this port of 127.0.0.1, for everybody who says this after
    /// `Proxy-Authorization: `, or for everybody.
    pub fn to(broker: u16, authorization: Option<&'static str>) -> Self {
        Self::answering(move |head, client| {
            let lines: Vec<_> = head.lines().collect();
            let says = |wanted: &str| lines.contains(&&*format!("Proxy-Authorization: {wanted}"));
            let answer = match authorization {
                Some(wanted) if !says(wanted) => "HTTP/1.1 407 Proxy Authentication Required",
                _ if lines[0] != format!("CONNECT {} HTTP/1.1", Self::BROKER) => {
                    "HTTP/1.1 502 Bad Gateway"
                }
                _ => "HTTP/1.1 200 Connection established",
            };
            write!(client, "{answer}\r\nVia: a test\r\n\r\n")?;
            if answer.contains(" 200 ") {
                let server = TcpStream::connect(("127.0.0.1", broker))?;
                let (from, to) = (client.try_clone()?, server.try_clone()?);
                thread::spawn(move || forward(from, to));
                forward(server, client.try_clone()?);
            }
            Ok(())
        })
    }

    /// Does this with each head of a request, and then closes the connection.
    pub fn answering(
        answer: impl Fn(&str, &mut TcpStream) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("127.0.0.1 has free ports");
        let port = listener.local_addr().expect("it is bound").port();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (heads.clone(), Arc::new(answer));
        thread::spawn(move || {
            for mut client in listener.incoming().map_while(Result::ok) {
                let (seen, answer) = (seen.clone(), answer.clone());
                thread::spawn(move || {
                    let head = head(&mut client)?;
                    let mut all = seen.lock().unwrap_or_else(PoisonError::into_inner);
                    all.push(head.clone());
                    drop(all);
                    answer(&head, &mut client)
                });
            }
        });
        Self { port, heads }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The heads of all requests so far.
    pub fn heads(&self) -> Vec<String> {
        let heads = self.heads.lock();
        heads.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Reads a request up to its empty line.
fn head(client: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte)?;
        head.extend(byte);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

fn forward(mut from: TcpStream, mut to: TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}
