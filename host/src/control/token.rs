//! The token of those who may use a TCP port.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use subtle::ConstantTimeEq;

use crate::wire::open_to_others;

/// Fewer bytes could be guessed.
const MIN: usize = 16;

/// More than this is no token but another file.
const MAX: usize = 4096;

/// A token. Prints as nothing.
#[derive(Clone)]
pub struct Token(Box<[u8]>);

/// Why a file is no token file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// It cannot be read.
    #[error("the token file {} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// Other users can read it.
    #[error("the token file {0} is open to other users (mode {mode:o}); run `chmod 600 {0}`", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// What is in it is no token.
    #[error(
        "the token file {} holds no token: write {MIN} to {MAX} printable characters without \
         spaces, e.g. what `openssl rand -hex 32` prints",
        .0.display()
    )]
    Invalid(PathBuf),
}

impl Token {
    /// Reads a token file, less the white space at its ends. No other user may be
    /// able to read it.
    ///
    /// # Errors
    /// It is no such file.
    pub fn read(path: &Path) -> Result<Self, TokenError> {
        let unreadable = |source| TokenError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let about = fs::metadata(path).map_err(unreadable)?;
        if !about.is_file() {
            return Err(unreadable(io::Error::other("it is not a regular file")));
        }
        if let Some(mode) = open_to_others(&about) {
            let path = path.to_owned();
            return Err(TokenError::Open { path, mode });
        }
        let mut bytes = Vec::new();
        let mut file = File::open(path).map_err(unreadable)?.take(MAX as u64 + 2);
        file.read_to_end(&mut bytes).map_err(unreadable)?;
        let token = bytes.trim_ascii();
        let is_token = (MIN..=MAX).contains(&token.len()) && token.iter().all(u8::is_ascii_graphic);
        match is_token {
            true => Ok(Self(token.into())),
            false => Err(TokenError::Invalid(path.to_owned())),
        }
    }

    /// The text of it.
    pub(crate) fn expose(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Whether this value of an `Authorization` header names it. How long that
    /// takes tells nothing but the length.
    pub(super) fn is_named_by(&self, header: &[u8]) -> bool {
        const SCHEME: &[u8] = b"bearer ";
        let Some((scheme, token)) = header.split_at_checked(SCHEME.len()) else {
            return false;
        };
        scheme.eq_ignore_ascii_case(SCHEME) && bool::from(self.0.ct_eq(token.trim_ascii()))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use proptest::prelude::*;

    use super::*;

    fn read(text: &str, mode: u32) -> Result<Token, String> {
        let directory = tempfile::tempdir().expect("there is a place for temporary files");
        let path = directory.path().join("token");
        fs::write(&path, text).expect("it can be written");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("it is ours");
        let shown = path.display().to_string();
        Token::read(&path).map_err(|error| error.to_string().replace(&shown, "FILE"))
    }

    #[test]
    fn only_the_whole_token_will_do() {
        let token = read("0123456789abcdef\n", 0o600).expect("it is one");
        for (header, expect) in [
            ("Bearer 0123456789abcdef", true),
            ("bearer  0123456789abcdef", true),
            ("Bearer 0123456789abcdeF", false),
            ("Bearer 0123456789abcde", false),
            ("Bearer 0123456789abcdef0", false),
            ("Bearer ", false),
            ("0123456789abcdef", false),
            ("Basic 0123456789abcdef", false),
            ("", false),
        ] {
            assert_eq!(token.is_named_by(header.as_bytes()), expect, "{header}");
        }
        assert_eq!(format!("{token:?}"), "Token");
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let long = "x".repeat(MAX + 1);
        for text in ["", "short", "0123456789 abcdef", "0123456789äbcdef", &long] {
            let error = read(text, 0o600).unwrap_err();
            assert!(
                error.starts_with("the token file FILE holds no token"),
                "{error}"
            );
        }
        let error = read("0123456789abcdef", 0o640).unwrap_err();
        let expect = "the token file FILE is open to other users (mode 640); run `chmod 600 FILE`";
        assert_eq!(error, expect);
        let missing = Token::read(Path::new("/no/such/file")).unwrap_err();
        assert_eq!(
            missing.to_string(),
            "the token file /no/such/file cannot be read"
        );
    }

    proptest! {
        /// Nothing but the scheme, spaces and the token names it.
        #[test]
        fn any_header_names_it_or_not(
            scheme in prop_oneof![Just("bearer ".to_owned()), "(?i)bearer ?", ".{0,9}"],
            named in prop_oneof![Just("0123456789abcdef".to_owned()), "[0-9a-f]{0,16}", ".{0,20}"],
            white in "[ \t]{0,2}",
            rest in prop_oneof![Just(Vec::new()), prop::collection::vec(any::<u8>(), 0..3)],
        ) {
            let token = Token(Box::from(*b"0123456789abcdef"));
            let header = [scheme.as_bytes(), white.as_bytes(), named.as_bytes(), &rest].concat();
            let text = String::from_utf8_lossy(&header);
            let is_named = text
                .get(..7)
                .is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer "))
                && text[7..].trim_matches([' ', '\t', '\n', '\r', '\x0c']) == "0123456789abcdef";
            prop_assert_eq!(token.is_named_by(&header), is_named);
        }
    }
}
