//! Does what the lines say, one after the other.

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::CLIENT_ID;
use super::input::{HELP, Line};
use super::screen::Screen;
use super::state::State;
use super::words::Span;
use crate::broker::{Ack, Broker, ConnectReturnCode, Core, Fault, QoS, Times};
use crate::gateway::Control;
use crate::office::{Payload, topic};

/// How long a line waits for what the last one has led to, and the end for all.
const PATIENCE: Duration = Duration::from_secs(10);

/// How the lines have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Somebody has asked for the end.
    Quit,
    /// There are no more lines, and all is quiet.
    Quiet,
    /// There are no more lines, and something is still under way.
    NotQuiet,
}

/// What is wrong with the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    None,
    /// It does not acknowledge what it gets.
    DropsAcks,
    /// It takes no connection.
    Offline,
}

/// Does what the lines say.
#[derive(Debug)]
pub(super) struct Director<'a> {
    pub(super) screen: Screen,
    pub(super) broker: &'a Broker,
    pub(super) control: Control,
    pub(super) state: watch::Receiver<State>,
    pub(super) filters: Vec<String>,
    /// Whether each line waits for what the last one has led to. A person at a
    /// terminal does so without being told.
    pub(super) is_script: bool,
    pub(super) trouble: Trouble,
}

impl Director<'_> {
    /// Does what all the lines say.
    pub(super) async fn run(mut self, mut lines: mpsc::Receiver<String>) -> Ending {
        while let Some(line) = lines.recv().await {
            match Line::parse(&line) {
                Ok(Line::Quit) => return Ending::Quit,
                Ok(line) => {
                    if self.is_script && line != Line::Nothing {
                        self.settle().await;
                    }
                    self.obey(line).await;
                }
                Err(error) => self.screen.line("help", error),
            }
        }
        if !self.is_script {
            return Ending::Quit;
        }
        let is_quiet = |state: &State| {
            let left = state.backlog;
            left.letters + left.messages + left.events == 0 && !state.is_busy
        };
        match self.wait_for(is_quiet).await {
            true => Ending::Quiet,
            false => Ending::NotQuiet,
        }
    }

    async fn obey(&mut self, line: Line) {
        match line {
            Line::Publish { topic, payload } => self.publish(&topic, payload).await,
            Line::Offline => self.offline().await,
            Line::DropAcks => self.drop_acks(),
            Line::Online => self.online().await,
            Line::Reconnect => self.reconnect().await,
            Line::Wait(time) => {
                self.screen.line("wait", Span(time));
                tokio::time::sleep(time).await;
            }
            Line::Help => HELP.iter().for_each(|line| self.screen.line("help", line)),
            Line::Quit | Line::Nothing => {}
        }
    }

    async fn publish(&mut self, topic: &str, payload: String) {
        if !self
            .filters
            .iter()
            .any(|filter| topic::matches(filter, topic))
        {
            let text = format_args!("{topic}: the guest does not subscribe to this topic");
            return self.screen.line("message", text);
        }
        if self.trouble == Trouble::Offline {
            let before = self.state.borrow().totals.messages;
            self.control
                .deliver(topic, Payload::new(payload.into_bytes()));
            self.wait_for(|state| state.totals.messages > before).await;
            return;
        }
        self.wait_ready().await;
        let published = self.broker.publish(topic, payload, QoS::AtLeastOnce, false);
        if let Err(error) = published {
            self.screen
                .line("message", format_args!("{topic}: {error}"));
        }
    }

    async fn offline(&mut self) {
        if self.trouble == Trouble::Offline {
            return self.screen.line("broker", "is offline already");
        }
        self.trouble = Trouble::Offline;
        self.screen.line("broker", "goes offline");
        let code = ConnectReturnCode::ServiceUnavailable;
        self.broker
            .inject(Fault::RefuseConnect(code, Times::Always));
        self.broker.inject(Fault::DropNow);
        self.wait_for(|state| !state.is_online).await;
    }

    fn drop_acks(&mut self) {
        match self.trouble {
            Trouble::Offline => return self.screen.line("broker", "is offline: `online` first"),
            Trouble::DropsAcks => return self.screen.line("broker", "drops acks already"),
            Trouble::None => self.trouble = Trouble::DropsAcks,
        }
        self.screen.line("broker", "acknowledges nothing any more");
        let acks = vec![Ack::PubAck, Ack::PubRec, Ack::PubComp];
        self.broker.inject(Fault::WithholdAcks(acks));
    }

    async fn online(&mut self) {
        if self.trouble == Trouble::None {
            return self.screen.line("broker", "is online already");
        }
        self.screen.line("broker", "is online again");
        self.broker.clear_faults();
        self.trouble = Trouble::None;
        // What it did not acknowledge goes out again with a new connection.
        self.reconnect().await;
    }

    async fn reconnect(&mut self) {
        let State {
            is_online, downs, ..
        } = *self.state.borrow();
        self.control.reconnect();
        if is_online {
            self.wait_for(|state| state.downs > downs).await;
        }
        if self.trouble != Trouble::Offline {
            self.wait_ready().await;
        }
    }

    /// Waits until messages reach the guest.
    pub(super) async fn wait_ready(&mut self) {
        let filters = self.filters.len();
        self.wait_for(|state| state.is_online && state.answered >= filters)
            .await;
    }

    /// Waits until the last line has led to all it can lead to.
    async fn settle(&mut self) {
        let (filters, trouble) = (self.filters.len(), self.trouble);
        let is_settled = |state: &State| {
            let is_ready = state.is_online && state.answered >= filters;
            let is_taken = state.backlog.messages + state.backlog.events == 0;
            !state.is_busy
                && match trouble {
                    Trouble::None => is_ready && is_taken && state.backlog.letters == 0,
                    Trouble::DropsAcks => is_ready && is_taken && state.unsent == 0,
                    // What was put off may wait for the connection.
                    Trouble::Offline => !state.is_online,
                }
        };
        self.wait_for(is_settled).await;
    }

    /// Waits until this is so and no message is on its way to the gateway;
    /// whether it has become so in time.
    async fn wait_for(&mut self, wanted: impl Fn(&State) -> bool) -> bool {
        let waiting = async {
            loop {
                let state = *self.state.borrow_and_update();
                let has_arrived =
                    |core: &Core| core.unacknowledged(CLIENT_ID) <= state.backlog.messages;
                if !wanted(&state) {
                    if self.state.changed().await.is_err() {
                        return;
                    }
                    continue;
                }
                tokio::select! {
                    biased;
                    _ = self.broker.wait_until(has_arrived) => {
                        // What has arrived has changed it before it was acknowledged.
                        if !self.state.has_changed().unwrap_or(false) {
                            return;
                        }
                    }
                    changed = self.state.changed() => if changed.is_err() {
                        return;
                    },
                }
            }
        };
        timeout(PATIENCE, waiting).await.is_ok()
    }
}
