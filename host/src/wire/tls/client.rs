//! From files to what begins each connection.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;
use rustls::{
    ClientConfig, ClientConnection, InconsistentKeys, RootCertStore, SignatureScheme,
    SupportedProtocolVersion, version,
};

use super::files::{TlsFile, TlsFileError, TlsIdentity, certificates, key};
use super::{About, Tls, Trust};

const FROM_13: &[&SupportedProtocolVersion] = &[&version::TLS13];

/// How many sessions are kept to be resumed: there is one broker.
const SESSIONS: usize = 4;

/// What TLS is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsOptions {
    /// Whose certificates are accepted: those that a CA in this file has signed,
    /// or one that the operating system knows.
    pub ca_file: Option<std::path::PathBuf>,
    /// Who the gateway is to the broker; nobody, if there is none.
    pub identity: Option<TlsIdentity>,
    /// The protocols that are offered, in their order, each of 1 to 255 bytes;
    /// nothing is offered if there are none.
    pub alpn: Vec<String>,
    /// Whom the broker's certificate must be for, and whom it is asked for.
    pub server_name: ServerName<'static>,
    /// The oldest version that is accepted.
    pub min_version: TlsVersion,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsVersion {
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// Begins TLS, connection after connection. Its files are read again for each,
/// so that new ones are taken up; while they stay the same, the broker may resume
/// the session of the connection before.
pub struct TlsClient {
    options: TlsOptions,
    clock: Arc<dyn TimeProvider>,
    made: Mutex<Option<Made>>,
}

/// What was made of files.
struct Made {
    of: Digest,
    config: Arc<ClientConfig>,
    is_asked: Arc<AtomicBool>,
}

/// What tells files from others.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Digest(u64);

/// The files as they were read.
#[derive(Hash)]
struct Contents {
    authorities: Vec<CertificateDer<'static>>,
    identity: Option<IdentityBytes>,
}

/// A certificate file and a key file.
type IdentityBytes = (Vec<u8>, Vec<u8>);

impl TlsOptions {
    /// Whether the files can be used at this moment. What the operating system
    /// knows is not looked at.
    ///
    /// # Errors
    /// The first file that cannot.
    pub fn check(&self) -> Result<(), TlsFileError> {
        if self.ca_file.is_some() {
            self.roots(&self.authorities()?)?;
        }
        if let Some((certificate, key)) = self.read_identity()? {
            self.certified_key(&certificate, &key)?;
        }
        Ok(())
    }

    /// The certificates in the CA file; none without one.
    fn authorities(&self) -> Result<Vec<CertificateDer<'static>>, TlsFileError> {
        let Some(path) = &self.ca_file else {
            return Ok(Vec::new());
        };
        let bytes = TlsFile::Ca.read(path)?;
        certificates(&bytes).map_err(|what| TlsFile::Ca.error(path, what))
    }

    fn roots(&self, authorities: &[CertificateDer<'_>]) -> Result<RootCertStore, TlsFileError> {
        let mut roots = RootCertStore::empty();
        match &self.ca_file {
            Some(path) => {
                for authority in authorities {
                    let added = roots.add(authority.clone().into_owned());
                    added.map_err(|_| {
                        let what = "holds a certificate that cannot be understood";
                        TlsFile::Ca.error(path, what.into())
                    })?;
                }
            }
            None => {
                roots.add_parsable_certificates(authorities.iter().cloned());
            }
        }
        Ok(roots)
    }

    fn read_identity(&self) -> Result<Option<IdentityBytes>, TlsFileError> {
        let Some(identity) = &self.identity else {
            return Ok(None);
        };
        let certificate = TlsFile::Certificate.read(&identity.certificate)?;
        let key = TlsFile::Key.read(&identity.key)?;
        Ok(Some((certificate, key)))
    }

    fn certified_key(&self, chain: &[u8], secret: &[u8]) -> Result<CertifiedKey, TlsFileError> {
        let error = |file: TlsFile, what: String| {
            let identity = self.identity.as_ref();
            let path = identity.map(|identity| match file {
                TlsFile::Key => &identity.key,
                _ => &identity.certificate,
            });
            file.error(path.map_or("".as_ref(), |path| path.as_path()), what)
        };
        let chain = certificates(chain).map_err(|what| error(TlsFile::Certificate, what))?;
        let secret = key(secret).map_err(|what| error(TlsFile::Key, what))?;
        let certified = CertifiedKey::from_der(chain, secret, &ring::default_provider());
        certified.map_err(|problem| match problem {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => error(
                TlsFile::Key,
                "does not belong to the certificate in tls.certificate-file".into(),
            ),
            rustls::Error::InvalidCertificate(_) => error(
                TlsFile::Certificate,
                "holds a certificate that cannot be understood".into(),
            ),
            _ => error(
                TlsFile::Key,
                "holds a key of a kind that TLS does not know here".into(),
            ),
        })
    }

    fn versions(&self) -> &'static [&'static SupportedProtocolVersion] {
        match self.min_version {
            TlsVersion::Tls12 => rustls::ALL_VERSIONS,
            TlsVersion::Tls13 => FROM_13,
        }
    }
}

impl TlsClient {
    /// One that asks `clock` whether certificates are valid.
    pub fn new(options: TlsOptions, clock: Arc<dyn TimeProvider>) -> Self {
        Self {
            options,
            clock,
            made: Mutex::new(None),
        }
    }

    /// Whether it has a certificate of the gateway to show.
    pub fn has_identity(&self) -> bool {
        self.options.identity.is_some()
    }

    /// Begins TLS on a fresh connection. Reads files, which takes its time.
    ///
    /// # Errors
    /// What is wrong with the files, as a line for the log.
    pub fn begin(&self) -> Result<Tls, String> {
        let contents = self.read()?;
        let digest = Digest::of(&contents);
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = made.take().filter(|made| made.of == digest);
        let made = made.insert(match kept {
            Some(kept) => kept,
            None => self.make(digest, &contents)?,
        });
        made.is_asked.store(false, Ordering::Relaxed);
        let about = About {
            server_name: self.options.server_name.clone(),
            trust: match self.options.ca_file {
                Some(_) => Trust::File,
                None => Trust::System,
            },
            has_identity: self.options.identity.is_some(),
            is_asked: made.is_asked.clone(),
        };
        let connection = ClientConnection::new(made.config.clone(), about.server_name.clone());
        let connection = connection.map_err(|error| format!("TLS cannot begin: {error}"))?;
        Ok(Tls::new(connection, about))
    }

    fn read(&self) -> Result<Contents, String> {
        let authorities = match self.options.ca_file {
            Some(_) => self.options.authorities(),
            None => return self.read_with(system_authorities()?),
        };
        self.read_with(authorities.map_err(|error| error.to_string())?)
    }

    fn read_with(&self, authorities: Vec<CertificateDer<'static>>) -> Result<Contents, String> {
        let identity = self.options.read_identity();
        Ok(Contents {
            authorities,
            identity: identity.map_err(|error| error.to_string())?,
        })
    }

    fn make(&self, of: Digest, contents: &Contents) -> Result<Made, String> {
        let line = |error: TlsFileError| error.to_string();
        let options = &self.options;
        let roots = options.roots(&contents.authorities).map_err(line)?;
        let identity = match &contents.identity {
            None => None,
            Some((chain, secret)) => Some(Arc::new(
                options.certified_key(chain, secret).map_err(line)?,
            )),
        };
        let is_asked = Arc::new(AtomicBool::new(false));
        let builder = ClientConfig::builder_with_details(provider().into(), self.clock.clone())
            .with_protocol_versions(options.versions())
            .map_err(|error| format!("TLS cannot begin: {error}"))?;
        let mut config = builder
            .with_root_certificates(roots)
            .with_client_cert_resolver(Arc::new(Identity {
                key: identity,
                is_asked: is_asked.clone(),
            }));
        config.alpn_protocols = options
            .alpn
            .iter()
            .map(|name| name.clone().into())
            .collect();
        config.resumption = Resumption::in_memory_sessions(SESSIONS);
        Ok(Made {
            of,
            config: Arc::new(config),
            is_asked,
        })
    }
}

/// What rustls does with ring, but with keys of 128 bits before those of 256, as
/// browsers do: they are as safe for what goes over a wire, each implementation has
/// them (RFC 8446, section 9.1), and they take a quarter less of a small processor.
fn provider() -> CryptoProvider {
    let mut provider = ring::default_provider();
    provider
        .cipher_suites
        .sort_by_key(|suite| !format!("{:?}", suite.suite()).contains("AES_128"));
    provider
}

/// The CAs that the operating system knows.
fn system_authorities() -> Result<Vec<CertificateDer<'static>>, String> {
    let found = rustls_native_certs::load_native_certs();
    if !found.certs.is_empty() {
        return Ok(found.certs);
    }
    let why = found.errors.first();
    let why = why.map_or(String::new(), |error| format!(" ({error})"));
    Err(format!(
        "this machine knows no CA{why}; install them (Debian: apt-get install \
         ca-certificates) or name one in tls.ca-file"
    ))
}

impl Digest {
    fn of(contents: &Contents) -> Self {
        let mut hasher = DefaultHasher::new();
        contents.hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// Shows the broker the certificate of the gateway, and knows whether it was
/// asked to.
#[derive(Debug)]
struct Identity {
    key: Option<Arc<CertifiedKey>>,
    is_asked: Arc<AtomicBool>,
}

impl ResolvesClientCert for Identity {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.is_asked.store(true, Ordering::Relaxed);
        self.key.clone()
    }

    fn has_certs(&self) -> bool {
        self.key.is_some()
    }
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsClient")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
