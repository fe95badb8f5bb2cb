//! What is wrong with TLS, in words that say what to do.

use std::fmt;

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, InvalidMessage};

use super::About;

/// Why there is no secure connection. Displays as one line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsError {
    /// Nobody who is trusted has signed the broker's certificate.
    UnknownIssuer(Trust),
    /// A CA with the name of a trusted one, but another key, has.
    Namesake,
    /// The broker's certificate is no longer valid.
    Expired {
        /// What this machine's clock says.
        now: UnixTime,
        /// The last moment at which it was.
        until: UnixTime,
    },
    /// The broker's certificate is not valid yet.
    NotYetValid {
        /// What this machine's clock says.
        now: UnixTime,
        /// The first moment at which it is.
        from: UnixTime,
    },
    /// The broker's certificate is for others.
    WrongName {
        /// The name that was wanted.
        wanted: String,
        /// The names that it is for.
        names: Vec<String>,
    },
    /// The broker's certificate is one of a certificate authority, which no
    /// server may use.
    AuthorityAsServer,
    /// The broker's certificate is refused for another reason.
    BadCertificate(String),
    /// The broker wants to see a certificate, and there is none.
    CertificateWanted,
    /// The broker does not accept the certificate of this gateway.
    CertificateRefused(&'static str),
    /// There is no version of TLS that both sides speak.
    Version,
    /// There is no protocol of `tls.alpn` that the broker speaks.
    Protocol,
    /// The broker has no certificate for this name.
    UnknownName(String),
    /// What the broker sent is not TLS.
    NotTls,
    /// The connection ended before the broker had said a word.
    Silent,
    /// The connection ended within the handshake.
    CutShort,
    /// Something else.
    Other(String),
}

/// Whose signature counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// That of the CAs that the operating system knows.
    System,
    /// That of the CAs in `tls.ca-file`.
    File,
}

impl TlsError {
    pub(super) fn of(error: rustls::Error, about: &About) -> Self {
        match error {
            rustls::Error::AlertReceived(alert) => Self::of_alert(alert, about),
            rustls::Error::InvalidCertificate(error) => Self::of_certificate(error, about),
            rustls::Error::InvalidMessage(
                InvalidMessage::InvalidContentType
                | InvalidMessage::UnknownProtocolVersion
                | InvalidMessage::MessageTooLarge,
            ) => Self::NotTls,
            rustls::Error::PeerIncompatible(
                rustls::PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
                | rustls::PeerIncompatible::ServerDoesNotSupportTls12Or13,
            ) => Self::Version,
            error => Self::Other(error.to_string()),
        }
    }

    fn of_alert(alert: AlertDescription, about: &About) -> Self {
        if let Some(reason) = refusal(alert) {
            if about.is_certificate_wanted() {
                return Self::CertificateWanted;
            }
            if about.has_identity {
                return Self::CertificateRefused(reason);
            }
        }
        match alert {
            AlertDescription::HandshakeFailure if about.is_certificate_wanted() => {
                Self::CertificateWanted
            }
            AlertDescription::ProtocolVersion => Self::Version,
            AlertDescription::NoApplicationProtocol => Self::Protocol,
            AlertDescription::UnrecognisedName => {
                Self::UnknownName(about.server_name.to_str().into_owned())
            }
            alert => Self::Other(format!("the broker ended it with the alert {alert:?}")),
        }
    }

    fn of_certificate(error: CertificateError, about: &About) -> Self {
        match error {
            CertificateError::UnknownIssuer => Self::UnknownIssuer(about.trust),
            CertificateError::BadSignature => Self::Namesake,
            CertificateError::ExpiredContext { time, not_after } => Self::Expired {
                now: time,
                until: not_after,
            },
            CertificateError::NotValidYetContext { time, not_before } => Self::NotYetValid {
                now: time,
                from: not_before,
            },
            CertificateError::NotValidForNameContext {
                expected,
                presented,
            } => Self::WrongName {
                wanted: expected.to_str().into_owned(),
                names: presented.iter().map(|name| plain(name)).collect(),
            },
            error => {
                let error = error.to_string();
                match error.contains("CaUsedAsEndEntity") {
                    true => Self::AuthorityAsServer,
                    false => Self::BadCertificate(error),
                }
            }
        }
    }
}

/// What an alert finds wrong with a certificate, if it is about one.
fn refusal(alert: AlertDescription) -> Option<&'static str> {
    Some(match alert {
        AlertDescription::UnknownCA => "it does not know the CA",
        AlertDescription::CertificateExpired => "it has expired",
        AlertDescription::CertificateRevoked => "it was revoked",
        AlertDescription::UnsupportedCertificate => "it is of a kind that it does not support",
        AlertDescription::AccessDenied => "it is not allowed in",
        AlertDescription::DecryptError => "the CA that it names has not signed it",
        AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::CertificateRequired
        | AlertDescription::NoCertificate => "for a reason it does not name",
        _ => return None,
    })
}

/// `a.example` of `DnsName("a.example")`.
fn plain(name: &str) -> String {
    let inner = name
        .split_once('(')
        .and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(name).trim_matches('"').to_owned()
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownIssuer(Trust::File) => {
                f.write_str("the broker's certificate is signed by no CA of tls.ca-file")
            }
            Self::UnknownIssuer(Trust::System) => f.write_str(
                "the broker's certificate is signed by no CA that this machine knows; \
                 if it is your own CA, name its certificate in tls.ca-file",
            ),
            Self::Namesake => f.write_str(
                "the broker's certificate is signed by a CA that has the name of a trusted one \
                 but another key; was the CA made anew?",
            ),
            Self::Expired { now, until } => write!(
                f,
                "the broker's certificate expired at {}; this machine's clock says {}",
                utc(*until),
                utc(*now)
            ),
            Self::NotYetValid { now, from } => write!(
                f,
                "this machine's clock is behind: it says {}, and the broker's certificate is \
                 valid from {} on",
                utc(*now),
                utc(*from)
            ),
            Self::WrongName { wanted, names } if names.is_empty() => write!(
                f,
                "the broker's certificate is for no name at all (subjectAltName), so not for {wanted}"
            ),
            Self::WrongName { wanted, names } => write!(
                f,
                "the broker's certificate is for {} and not for {wanted}; \
                 if that is the right broker, say its name in tls.server-name",
                names.join(", ")
            ),
            Self::AuthorityAsServer => f.write_str(
                "the broker's certificate is that of a CA (CA:TRUE), which no server may use; \
                 give the broker one that the CA has signed",
            ),
            Self::BadCertificate(error) => {
                write!(f, "the broker's certificate cannot be accepted: {error}")
            }
            Self::CertificateWanted => f.write_str(
                "the broker wants a certificate of this gateway; \
                 name it in tls.certificate-file and tls.key-file",
            ),
            Self::CertificateRefused(reason) => write!(
                f,
                "the broker refused the certificate of tls.certificate-file: {reason}"
            ),
            Self::Version => {
                f.write_str("the broker speaks no version of TLS that tls.min-version allows")
            }
            Self::Protocol => f.write_str("the broker speaks no protocol of tls.alpn"),
            Self::UnknownName(name) => write!(
                f,
                "the broker has no certificate for {name}; say its name in tls.server-name"
            ),
            Self::NotTls => f.write_str(
                "the server does not speak TLS on this port; \
                 without TLS, its address begins with mqtt:// or ws://",
            ),
            Self::Silent => f.write_str(
                "the server closed the connection without a word of TLS; \
                 perhaps there is no TLS on this port (mqtt:// or ws://)",
            ),
            Self::CutShort => {
                f.write_str("the broker closed the connection within the TLS handshake")
            }
            Self::Other(error) => write!(f, "TLS failed: {error}"),
        }
    }
}

impl std::error::Error for TlsError {}

/// `2026-11-25 03:05:59 UTC`.
fn utc(time: UnixTime) -> String {
    let seconds = time.as_secs();
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// Year, month and day so many days after 1970-01-01. Years are counted from
/// March, so that the day that is sometimes there is the last.
fn date(days: u64) -> (u64, u64, u64) {
    // Since 0000-03-01; 400 years have 146,097 days.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let march = (5 * day + 2) / 153;
    let day = day - (153 * march + 2) / 5 + 1;
    let (month, carry) = match march {
        0..=9 => (march + 3, 0),
        _ => (march - 9, 1),
    };
    (era * 400 + year + carry, month, day)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_are_shown() {
        for (seconds, shown) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (68_169_599, "1972-02-28 23:59:59 UTC"),
            (68_169_600, "1972-02-29 00:00:00 UTC"),
            (951_868_800, "2000-03-01 00:00:00 UTC"),
            (1_795_575_959, "2026-11-25 03:05:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
            (253_402_300_799, "9999-12-31 23:59:59 UTC"),
        ] {
            let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
            assert_eq!(utc(time), shown);
        }
    }
}
