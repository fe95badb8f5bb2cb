//! Where a broker lives: its files and its ports.

use std::fs;
use std::path::PathBuf;

use jackalope_tests::{Certificates, free_ports};
use tempfile::TempDir;

use crate::brokers::Transport;

/// A directory, certificates and ports. [`Server`](crate::server::Server) sees to
/// it that nothing is left of it.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) directory: PathBuf,
    /// With one of a client, `gateway.pem` and `gateway.key`.
    pub(crate) certificates: Certificates,
    ports: [u16; Transport::ALL.len()],
    pub(crate) spare_ports: [u16; 2],
}

impl Place {
    pub(crate) fn new() -> Self {
        let directory = TempDir::new().expect("there is a place for temporary files");
        let certificates = Certificates::new();
        certificates.issue("gateway", &["gateway"]);
        let all: [u16; Transport::ALL.len() + 2] = free_ports();
        Self {
            directory: directory.keep(),
            certificates,
            ports: *all.first_chunk().expect("there are more"),
            spare_ports: *all.last_chunk().expect("there are more"),
        }
    }

    pub(crate) fn port(&self, transport: Transport) -> u16 {
        self.ports[transport as usize]
    }

    /// Writes a file, and returns where it is.
    pub(crate) fn write(&self, name: &str, content: &str) -> String {
        let path = self.directory.join(name);
        fs::write(&path, content).expect("a temporary file can be written");
        path.display().to_string()
    }
}
