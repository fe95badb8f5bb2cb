//! The plain echo with rumqttc's own TLS. Something to measure the gateway against.
//!
//! `plain-echo-tls PORT CA`

#[allow(dead_code, reason = "one of the programs is here")]
#[path = "../../src/plain.rs"]
mod plain;

use std::sync::Arc;

use anyhow::Context;
use rumqttc::{TlsConfiguration, Transport};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().context("PORT CA")?.parse()?;
    let ca = arguments.next().context("PORT CA")?;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca)?)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tls = TlsConfiguration::Rustls(Arc::new(config));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let (client, events) = plain::connect(port, Transport::tls_with_config(tls));
        plain::echo(client, events).await
    })
}
