//! Whether a secret in a file is one.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

/// The permissions of a file, if it is this user's and open to others. Of a file of
/// somebody else, such as root, that is his affair.
pub fn open_to_others(about: &Metadata) -> Option<u32> {
    let is_ours = about.uid() == rustix::process::getuid().as_raw();
    let mode = about.mode() & 0o777;
    (is_ours && mode & 0o077 != 0).then_some(mode)
}
