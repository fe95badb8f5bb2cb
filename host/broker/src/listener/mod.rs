//! The broker behind a TCP listener.

mod events;
pub(crate) mod layers;
mod serve;
mod shared;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use self::events::Events;
use self::layers::TlsServer;
use self::shared::Shared;
use super::core::Core;
use super::event::Event;
use super::fault::Fault;
use super::message::{Message, PublishError};
use super::options::Options;
use super::packet::QoS;
use super::v5::Properties;
use super::violation::Violation;

/// A running broker. It stops when this is dropped.
#[derive(Debug)]
pub struct Broker {
    shared: Arc<Shared>,
    address: SocketAddr,
    /// Told to stop by its end.
    running: watch::Sender<()>,
    task: JoinHandle<()>,
}

impl Broker {
    /// Binds and begins to serve.
    ///
    /// # Errors
    /// The address can not be bound, or the certificates are none.
    pub async fn start(options: Options) -> io::Result<Self> {
        #[expect(clippy::disallowed_methods, reason = "this is the broker's listener")]
        let listener = TcpListener::bind(options.address).await?;
        let address = listener.local_addr()?;
        let tls = options.tls.as_ref().map(TlsServer::new);
        let tls = tls.transpose().map_err(io::Error::other)?;
        let shared = Arc::new(Shared::new(&options));
        let (running, stop) = watch::channel(());
        #[expect(
            clippy::disallowed_methods,
            reason = "the guard that is returned stops it"
        )]
        let task = tokio::spawn(serve::serve(listener, shared.clone(), tls, stop));
        Ok(Self {
            shared,
            address,
            running,
            task,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Publishes a message as another client would.
    pub fn publish(
        &self,
        topic: &str,
        payload: impl Into<Bytes>,
        qos: QoS,
        retain: bool,
    ) -> Result<(), PublishError> {
        self.shared
            .change(|core, now| core.publish(now, topic, payload, qos, retain))
    }

    /// The same with properties, which subscribers of MQTT 5 get.
    pub fn publish_with(
        &self,
        topic: &str,
        payload: impl Into<Bytes>,
        qos: QoS,
        retain: bool,
        properties: Properties,
    ) -> Result<(), PublishError> {
        self.shared
            .change(|core, now| core.publish_with(now, topic, payload, qos, retain, properties))
    }

    /// Lets something go wrong.
    pub fn inject(&self, fault: Fault) {
        self.shared.change(|core, now| core.inject(now, fault));
    }

    /// Ends all faults that stay or wait, as
    /// [`Core::clear_faults`] does.
    pub fn clear_faults(&self) {
        self.shared.change(Core::clear_faults);
    }

    /// The messages accepted for delivery so far.
    pub fn messages(&self) -> Vec<Message> {
        self.with(|core| core.messages().iter().cloned().collect())
    }

    /// What the clients did so far that they must not do.
    pub fn violations(&self) -> Vec<Violation> {
        self.with(|core| core.violations().to_vec())
    }

    /// Looks at the core. Everything waits meanwhile, so be quick, and do not
    /// use the broker in it.
    pub fn with<T>(&self, look: impl FnOnce(&Core) -> T) -> T {
        self.shared.look(|core, _| look(core))
    }

    /// The events from the first on, as far as they are kept, for a reader of
    /// its own.
    pub fn events(&self) -> Events {
        Events::new(self.shared.clone())
    }

    /// The first event, past or to come, that is wanted; `None` when the broker
    /// has stopped without it. Does not give up by itself.
    pub async fn wait_for(&self, wanted: impl FnMut(&Event) -> bool) -> Option<Event> {
        self.events().wait_for(wanted).await
    }

    /// Waits until something is true of the core; whether it has become so
    /// before the broker stopped. Does not give up by itself.
    pub async fn wait_until(&self, mut wanted: impl FnMut(&Core) -> bool) -> bool {
        let mut changes = self.shared.changes();
        loop {
            let (reached, stopped) = self.shared.look(|core, log| (wanted(core), log.stopped));
            if reached || stopped || changes.changed().await.is_err() {
                return reached;
            }
        }
    }

    /// Stops, closes all connections and waits until that is done: then the
    /// address is free again.
    pub async fn stop(mut self) {
        self.running.send_replace(());
        // The task ends with its sockets closed. Had it failed, they would be
        // closed too.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.task.abort();
        self.shared.stop();
    }
}
