//! From an address to a connected socket: names, several addresses, proxies.

mod proxy;
mod race;

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::task::JoinSet;

use crate::clock::{self, Alarm};
use crate::login::Credentials;
use crate::office::Time;
use crate::wire::{Address, Binding, Tcp};
use race::Race;

/// How connections are made.
#[derive(Debug, Default)]
pub struct Dialer {
    /// From where.
    pub binding: Binding,
    /// Through whom, if there is somebody.
    pub proxy: Option<Proxy>,
}

/// A proxy of HTTP that connects to brokers. Displays as its address.
#[derive(Debug)]
pub struct Proxy {
    /// Where it is.
    pub address: Address,
    /// Who the gateway is to it.
    pub login: Option<Credentials>,
}

impl Dialer {
    /// How long all of it may take. The post office waits somewhat longer, so that
    /// there is time to say what went wrong.
    pub(super) const LIMIT: Duration = Duration::from_secs(15);

    /// Connects to an address, trying all that its name stands for: a proxy looks
    /// that up itself.
    ///
    /// # Errors
    /// What went wrong, as a line for the log.
    pub(super) async fn dial(&self, address: &Address) -> Result<Tcp, String> {
        let until = clock::now() + Self::LIMIT;
        let Some(proxy) = &self.proxy else {
            let connected = self.connect(address, until).await;
            return connected.map_err(|error| format!("cannot connect to {address}: {error}"));
        };
        let login = match &proxy.login {
            Some(credentials) => {
                let login = credentials.login().await;
                Some(login.map_err(|error| format!("proxy: {error}"))?)
            }
            None => None,
        };
        let connected = self.connect(&proxy.address, until).await;
        let mut tcp =
            connected.map_err(|error| format!("cannot connect to the proxy {proxy}: {error}"))?;
        let mut alarm = Alarm::new().map_err(|error| error.to_string())?;
        tokio::select! {
            done = proxy::connect(&mut tcp, address, login.as_ref()) => match done {
                Ok(()) => Ok(tcp),
                Err(error) => Err(format!("no way through the proxy {proxy}: {error}")),
            },
            _ = alarm.wait_until(Some(until)) => {
                let seconds = Self::LIMIT.as_secs();
                Err(format!("the proxy {proxy} does not answer: no connection within {seconds} s"))
            }
        }
    }

    async fn connect(&self, address: &Address, until: Time) -> Result<Tcp, String> {
        let mut alarm = Alarm::new().map_err(|error| error.to_string())?;
        let found = tokio::select! {
            found = lookup_host((address.host.as_str(), address.port)) => found,
            _ = alarm.wait_until(Some(until)) => {
                return Err("nobody answers what addresses the name stands for".into());
            }
        };
        let found: Vec<SocketAddr> = found.map_err(|error| error.to_string())?.collect();
        if found.is_empty() {
            return Err("the name stands for no address".into());
        }
        let mut race = Race::new(clock::now(), until, found);
        // Whoever loses is closed with it.
        let mut attempts = JoinSet::new();
        loop {
            let now = clock::now();
            while let Some(address) = race.poll_attempt(now) {
                let binding = self.binding.clone();
                attempts.spawn(async move { (address, Tcp::connect(address, &binding).await) });
            }
            if race.is_over(now) {
                return Err(race.verdict());
            }
            tokio::select! {
                Some(done) = attempts.join_next(), if !attempts.is_empty() => match done {
                    Ok((_, Ok(tcp))) => return Ok(tcp),
                    Ok((address, Err(error))) => {
                        race.handle_failed(clock::now(), address, error.to_string());
                    }
                    Err(error) => return Err(error.to_string()),
                },
                _ = alarm.wait_until(Some(race.next_timeout())) => {}
            }
        }
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}
