//! Executes the commands of standard input, one after the other.

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::CLIENT_ID;
use super::input::{Command, HELP};
use super::screen::Screen;
use super::state::State;
use crate::broker::{Ack, Broker, ConnectReturnCode, Core, Fault, Times};
use crate::gateway::Control;
use crate::office::{Payload, topic};
use crate::testing::{Published, to_broker};
use crate::words::Span;

/// How long a command waits for the effects of the last one, and the end for
/// the effects of all.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The same while there is a fault: it may keep them from coming.
const TIMEOUT_OF_FAULTS: Duration = Duration::from_secs(3);

/// Why there are no more commands to execute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Somebody has asked for the end.
    Quit,
    /// The input has ended, and everything has settled.
    Idle,
    /// The input has ended, and something is still under way.
    Busy,
}

/// How the broker behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BrokerMode {
    /// As a broker should.
    Normal,
    /// As a fault has it.
    Faulty,
    /// It does not acknowledge what it gets.
    DropsAcks,
    /// It takes no connection.
    Offline,
}

/// Executes commands.
#[derive(Debug)]
pub(super) struct Interpreter<'a> {
    pub(super) screen: Screen,
    pub(super) broker: &'a Broker,
    pub(super) control: Control,
    pub(super) state: watch::Receiver<State>,
    pub(super) filters: Vec<String>,
    /// Whether each command waits for the effects of the last one. A person at a
    /// terminal sees them.
    pub(super) is_script: bool,
    pub(super) broker_mode: BrokerMode,
}

impl Interpreter<'_> {
    /// Executes all commands.
    pub(super) async fn run(mut self, mut lines: mpsc::Receiver<String>) -> Ending {
        while let Some(line) = lines.recv().await {
            match Command::parse(&line) {
                Ok(Command::Quit) => return Ending::Quit,
                Ok(command) => {
                    if self.is_script && command != Command::Nothing {
                        self.wait_settled().await;
                    }
                    self.execute(command).await;
                }
                Err(error) => self.screen.line("help", error),
            }
        }
        if !self.is_script {
            return Ending::Quit;
        }
        let is_idle = |state: &State| {
            let left = state.backlog;
            left.letters + left.messages + left.events == 0 && !state.is_busy
        };
        match self.wait_within(TIMEOUT, is_idle).await {
            true => Ending::Idle,
            false => Ending::Busy,
        }
    }

    async fn execute(&mut self, command: Command) {
        match command {
            Command::Publish(message) => self.publish(message).await,
            Command::Fault(fault) => self.inject(fault).await,
            Command::Offline => self.offline().await,
            Command::DropAcks => self.drop_acks(),
            Command::Online => self.online().await,
            Command::Reconnect => self.reconnect().await,
            Command::Wait(time) => {
                self.screen.line("wait", Span(time));
                #[expect(
                    clippy::disallowed_methods,
                    reason = "somebody at the terminal has asked for it"
                )]
                tokio::time::sleep(time).await;
            }
            Command::Help => HELP.iter().for_each(|line| self.screen.line("help", line)),
            Command::Quit | Command::Nothing => {}
        }
    }

    async fn publish(&mut self, message: Published) {
        let Published {
            topic,
            payload,
            qos,
            retain,
            properties,
            ..
        } = message;
        let mut filters = self.filters.iter();
        if !filters.any(|filter| topic::matches(filter, &topic)) {
            let text = format_args!("{topic}: the guest does not subscribe to this topic");
            return self.screen.line("message", text);
        }
        if self.broker_mode == BrokerMode::Offline || !self.wait_ready().await {
            let before = self.state.borrow().totals.messages;
            let payload = Payload::new(payload);
            self.control.deliver(&topic, payload, properties).await;
            self.wait_for(|state| state.totals.messages > before).await;
            return;
        }
        let properties = to_broker(properties.as_deref());
        let broker = self.broker;
        if let Err(error) = broker.publish_with(&topic, payload, qos.into(), retain, properties) {
            self.screen
                .line("message", format_args!("{topic}: {error}"));
        }
    }

    async fn inject(&mut self, fault: Fault) {
        if self.broker_mode == BrokerMode::Normal {
            self.broker_mode = BrokerMode::Faulty;
        }
        self.screen.line("broker", format_args!("fault {fault}"));
        let ends_connection = match &fault {
            Fault::DropNow | Fault::Disconnect(_) => true,
            Fault::TakeOver(client) => client == CLIENT_ID,
            _ => false,
        };
        let before = *self.state.borrow();
        self.broker.inject(fault);
        if ends_connection && before.is_online {
            self.wait_for(|state| state.disconnections > before.disconnections)
                .await;
        }
    }

    async fn offline(&mut self) {
        if self.broker_mode == BrokerMode::Offline {
            return self.screen.line("broker", "is offline already");
        }
        self.broker_mode = BrokerMode::Offline;
        self.screen.line("broker", "goes offline");
        let code = ConnectReturnCode::ServiceUnavailable;
        self.broker
            .inject(Fault::RefuseConnect(code, Times::Always));
        self.broker.inject(Fault::DropNow);
        self.wait_for(|state| !state.is_online).await;
    }

    fn drop_acks(&mut self) {
        match self.broker_mode {
            BrokerMode::Offline => return self.screen.line("broker", "is offline: `online` first"),
            BrokerMode::DropsAcks => return self.screen.line("broker", "drops acks already"),
            BrokerMode::Normal | BrokerMode::Faulty => self.broker_mode = BrokerMode::DropsAcks,
        }
        self.screen.line("broker", "acknowledges nothing any more");
        let acks = vec![Ack::PubAck, Ack::PubRec, Ack::PubComp];
        self.broker.inject(Fault::WithholdAcks(acks));
    }

    async fn online(&mut self) {
        if self.broker_mode == BrokerMode::Normal {
            return self.screen.line("broker", "is online already");
        }
        self.screen.line("broker", "is online again");
        self.broker.clear_faults();
        self.broker_mode = BrokerMode::Normal;
        // What it did not acknowledge goes out again with a new connection.
        self.reconnect().await;
    }

    async fn reconnect(&mut self) {
        let State {
            is_online,
            disconnections,
            ..
        } = *self.state.borrow();
        self.control.reconnect().await;
        if is_online {
            self.wait_for(|state| state.disconnections > disconnections)
                .await;
        }
        if self.broker_mode != BrokerMode::Offline {
            self.wait_ready().await;
        }
    }

    /// Waits until messages reach the guest. Returns whether that was in time.
    pub(super) async fn wait_ready(&mut self) -> bool {
        let filters = self.filters.len();
        self.wait_for(|state| state.is_online && state.answered >= filters)
            .await
    }

    /// Waits until the last command has no more effects to come.
    async fn wait_settled(&mut self) {
        let (filters, broker_mode) = (self.filters.len(), self.broker_mode);
        let is_settled = |state: &State| {
            let is_ready = state.is_online && state.answered >= filters;
            let is_taken = state.backlog.messages + state.backlog.events == 0;
            !state.is_busy
                && match broker_mode {
                    BrokerMode::Normal | BrokerMode::Faulty => {
                        is_ready && is_taken && state.backlog.letters == 0
                    }
                    BrokerMode::DropsAcks => is_ready && is_taken && state.unsent == 0,
                    // What was put off may wait for the connection.
                    BrokerMode::Offline => !state.is_online,
                }
        };
        self.wait_for(is_settled).await;
    }

    /// Waits until this is so and no message is on its way to the gateway.
    /// Returns whether that was in time.
    async fn wait_for(&mut self, wanted: impl Fn(&State) -> bool) -> bool {
        let most = match self.broker_mode {
            BrokerMode::Faulty => TIMEOUT_OF_FAULTS,
            _ => TIMEOUT,
        };
        self.wait_within(most, wanted).await
    }

    async fn wait_within(&mut self, most: Duration, wanted: impl Fn(&State) -> bool) -> bool {
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
        #[expect(
            clippy::disallowed_methods,
            reason = "only how long a script waits for what never comes"
        )]
        timeout(most, waiting).await.is_ok()
    }
}
