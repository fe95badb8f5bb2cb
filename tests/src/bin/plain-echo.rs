//! The same echo as the guest's, without a gateway: rumqttc's `AsyncClient`, as
//! its documentation shows it. Something to measure the gateway against.
//!
//! `plain-echo PORT [threads]`

use jackalope_tests::plain;

fn main() -> anyhow::Result<()> {
    plain::run(plain::echo)
}
