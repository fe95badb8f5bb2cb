//! TLS of the fake broker, as the command line says.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use tempfile::TempDir;

use super::super::Failure;
use crate::broker::{Certificates, TlsOptions};

/// Whether TLS is spoken, and what clients need for it.
#[derive(Debug, Args)]
pub(in crate::cli) struct Secure {
    /// Speak TLS with whoever begins with it, on the same port, for `localhost`. A line
    /// says where ca.pem is, which clients have to trust; beside it are client.pem and
    /// client.key.
    #[arg(long)]
    tls: bool,
    /// Demand a certificate of the client that ca.pem has signed, as client.pem. Who
    /// begins without TLS has none to show, and is let go as well.
    #[arg(long, requires = "tls")]
    tls_client: bool,
    /// Where to put the files, which are replaced; without, a directory for temporary
    /// files, until the end.
    #[arg(long, value_name = "DIRECTORY", requires = "tls")]
    tls_directory: Option<PathBuf>,
}

/// Where the files are. A temporary directory goes with this.
#[derive(Debug)]
pub(super) enum Directory {
    Chosen(PathBuf),
    Temporary(TempDir),
}

impl Directory {
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Chosen(path) => path,
            Self::Temporary(directory) => directory.path(),
        }
    }
}

impl Secure {
    /// Makes certificates and writes what clients need of them, if TLS is spoken.
    pub(super) fn prepare(self) -> Result<Option<(TlsOptions, Directory)>, Failure> {
        if !self.tls {
            return Ok(None);
        }
        let certificates = Certificates::new().map_err(Failure::other)?;
        let directory = match self.tls_directory {
            Some(path) => fs::create_dir_all(&path).map(|()| Directory::Chosen(path)),
            None => TempDir::with_prefix("jackalope-broker-").map(Directory::Temporary),
        };
        let directory = directory
            .context("cannot make the directory for ca.pem")
            .map_err(Failure::Other)?;
        certificates
            .write_to(directory.path())
            .with_context(|| format!("cannot write ca.pem into {}", directory.path().display()))
            .map_err(Failure::Other)?;
        let options = TlsOptions {
            certificates,
            demands_client: self.tls_client,
        };
        Ok(Some((options, directory)))
    }
}
