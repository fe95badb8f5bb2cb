//! A guest whose file has changed is loaded again.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::guest_lines;
use super::screen::Screen;
use crate::cli::assemble::Loaded;
use crate::config::GuestConfig;
use crate::gateway::Control;
use crate::guest::{Component, Engine};
use crate::office::GuestId;
use crate::words::Took;

/// How often the file is looked at.
const PERIOD: Duration = Duration::from_millis(300);

/// What changes when a file is written anew: its time, its size, its inode.
pub(super) type Stamp = (i64, i64, u64, u64);

/// The stamp of a file; none while there is no such file.
pub(super) fn stamp(path: &Path) -> Option<Stamp> {
    let about = fs::metadata(path).ok()?;
    Some((about.mtime(), about.mtime_nsec(), about.len(), about.ino()))
}

/// A guest that can be loaded again.
pub(super) struct Reload {
    pub(super) engine: Engine,
    pub(super) path: PathBuf,
    pub(super) config: GuestConfig,
    pub(super) max_packet_size: usize,
    /// Of the file that was loaded.
    pub(super) stamp: Option<Stamp>,
}

impl Reload {
    /// Looks at the file for ever, and replaces the guest when it has changed.
    pub(super) async fn watch(self, control: &Control, screen: &Screen) {
        let (mut loaded, mut last) = (self.stamp, self.stamp);
        loop {
            #[expect(
                clippy::disallowed_methods,
                reason = "only how soon a change of the file is noticed"
            )]
            tokio::time::sleep(PERIOD).await;
            let now = stamp(&self.path);
            // What differs from the last time may still be being written.
            let is_steady = std::mem::replace(&mut last, now) == now;
            if now.is_none() || now == loaded || !is_steady {
                continue;
            }
            loaded = now;
            self.load(control, screen).await;
        }
    }

    async fn load(&self, control: &Control, screen: &Screen) {
        #[expect(
            clippy::disallowed_methods,
            reason = "only shown: how long loading took"
        )]
        let begun = Instant::now();
        let (engine, path) = (self.engine.clone(), self.path.clone());
        #[expect(
            clippy::disallowed_methods,
            reason = "compiling takes long, and the gateway goes on"
        )]
        let loading = tokio::task::spawn_blocking(move || Component::load(&engine, &path));
        match loading.await {
            Ok(Ok(component)) => {
                let took = Took(begun.elapsed());
                screen.line(
                    "guest",
                    format_args!("its file has changed, loaded in {took}"),
                );
                let (max, listener) = (self.max_packet_size, guest_lines::listener(screen));
                let mut loaded = Loaded::new(&self.config, &component, max, listener);
                match loaded.configure().await {
                    Ok(()) => control.replace(GuestId(0), loaded.handler).await,
                    Err(why) => screen.line("guest", format_args!("the old one stays: {why:#}")),
                }
            }
            Ok(Err(error)) => {
                let error = anyhow::Error::from(error);
                screen.line(
                    "guest",
                    format_args!(
                        "its file has changed and is broken, the old one stays: {error:#}"
                    ),
                );
            }
            Err(error) => screen.line("guest", format_args!("loading its file failed: {error}")),
        }
    }
}
