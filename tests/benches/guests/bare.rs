//! The guest `echo` with nothing around it: no limits on time and memory, no
//! log, no work list, a call on the caller's own stack.

use jackalope_tests::ECHO;
use wasmtime::component::{Component, HasSelf, Linker, ResourceTable};
use wasmtime::{Config, Engine, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use bindings::Reporting;
use bindings::exports::jackalope::gateway::handler::{IncomingMessage, Origin};
use bindings::exports::jackalope::gateway::outcomes::{Fate, LetterOutcome};
use bindings::jackalope::gateway::jackalope::{Host, PublishError, PublishOptions};
use bindings::jackalope::gateway::types::{self, ConnectionStatus, Qos, Ticket};

mod bindings {
    wasmtime::component::bindgen!({
        path: ["../wit", "guests/wit"],
        world: "tests:guests/reporting",
        imports: { default: trappable },
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}

/// An instance of the guest.
pub(crate) struct Bare {
    store: Store<State>,
    guest: Reporting,
}

#[derive(Default)]
struct State {
    wasi: WasiCtx,
    table: ResourceTable,
    /// The last ticket.
    published: Ticket,
}

impl Bare {
    /// Makes an instance.
    pub(crate) fn start() -> Self {
        let mut config = Config::new();
        config.concurrency_support(false);
        let engine = Engine::new(&config).expect("the machine runs WebAssembly");
        let component = Component::from_file(&engine, ECHO).expect("it was built");
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_sync(&mut linker).expect("nothing is defined twice");
        Reporting::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)
            .expect("nothing is defined twice");
        let mut store = Store::new(&engine, State::default());
        let guest = Reporting::instantiate(&mut store, &component, &linker).expect("it fits");
        Self { store, guest }
    }

    /// The emptiest call there is.
    pub(crate) fn connection(&mut self) {
        let handler = self.guest.jackalope_gateway_handler();
        let called = handler.call_connection(&mut self.store, ConnectionStatus::Offline);
        called.expect("it does not trap");
    }

    /// A message.
    pub(crate) fn message(&mut self, topic: &str, payload: &[u8]) {
        let message = IncomingMessage {
            topic,
            payload,
            qos: Qos::AtLeastOnce,
            retained: false,
            duplicate: false,
            subscription: "#",
            levels: &[],
            properties: None,
            expires_in_ms: None,
            origin: Origin::Broker,
        };
        let handler = self.guest.jackalope_gateway_handler();
        let called = handler.call_message(&mut self.store, message);
        let taken = called.expect("it does not trap");
        assert!(taken.is_ok(), "it takes the message");
    }

    /// A message that is published again, and the outcome of the letter.
    pub(crate) fn echo(&mut self, topic: &str, payload: &[u8]) {
        self.message(topic, payload);
        let ticket = self.store.data().published;
        let outcomes = self.guest.jackalope_gateway_outcomes();
        let outcome = LetterOutcome {
            ticket,
            tag: None,
            fate: Fate::Delivered,
        };
        let called = outcomes.call_outcome(&mut self.store, &[outcome]);
        called.expect("it does not trap");
    }
}

impl Host for State {
    fn publish(
        &mut self,
        _topic: String,
        _payload: Vec<u8>,
        _options: Option<PublishOptions>,
    ) -> wasmtime::Result<Result<Ticket, PublishError>> {
        self.published += 1;
        Ok(Ok(self.published))
    }

    fn status(&mut self) -> wasmtime::Result<ConnectionStatus> {
        Ok(ConnectionStatus::Online)
    }

    fn reconnect(&mut self) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl types::Host for State {}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}
