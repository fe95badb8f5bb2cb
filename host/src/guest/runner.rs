//! A guest at work: one call after the other, a new instance after a failure.

use std::fmt;

use tokio::task::yield_now;

use super::component::Component;
use super::failure::Failure;
use super::instance::Instance;
use super::limits::GuestOptions;
use super::output::Output;
use crate::office::{Answer, Assignment};

/// One guest with its current instance.
pub struct Guest {
    component: Component,
    options: GuestOptions,
    output: Output,
    /// None before the first call and after a failure.
    instance: Option<Instance>,
}

impl Guest {
    /// A guest that has not been called yet, and has no instance until it is.
    pub fn new(component: &Component, options: GuestOptions) -> Self {
        Self {
            component: component.clone(),
            output: Output::new(&options.name, &options.prints),
            options,
            instance: None,
        }
    }

    /// What the log calls it.
    pub fn name(&self) -> &str {
        &self.options.name
    }

    /// Has the guest look at its settings, if it exports `configure`: on an instance
    /// that its first call goes to.
    ///
    /// # Errors
    /// What it says is wrong, or how it has failed, as a line for the log.
    pub async fn configure(&mut self) -> Result<(), String> {
        if !self.component.exports_configure() {
            return Ok(());
        }
        let _ticking = self.component.engine().ticking();
        let _output = self.output.of_call();
        let (component, options) = (&self.component, &self.options);
        let started = Instance::start(component, options, &self.output, None).await;
        self.instance = Some(started.map_err(|failure| failure.to_string())?);
        Ok(())
    }

    /// Drops the instance with all it kept in its memory, as a trap does: the next call
    /// makes a new one.
    pub fn restart(&mut self) {
        self.instance = None;
    }

    /// Calls the guest and waits for what it leads to.
    ///
    /// The first poll of the future returns after one [`TICK`](super::TICK), so
    /// it can be polled wherever that is acceptable, and moved to a task when it
    /// is pending. Later polls can take longer: what takes long and can not be
    /// interrupted, a new instance for one, is put off to them. It has to be
    /// polled within a Tokio runtime that has a clock (`enable_time`).
    ///
    /// When the guest traps or runs out of time, and when the future is dropped
    /// before it is ready, the instance is gone with all it kept in its memory,
    /// and the next call makes a new one.
    ///
    /// A guest that does not export `will` answers [`Call::LastWill`] with
    /// none. During that call `publish` answers `work-list-full` and
    /// `reconnect` does nothing, since its answer carries neither.
    ///
    /// [`Call::LastWill`]: crate::office::Call::LastWill
    pub async fn call(&mut self, assignment: &Assignment) -> Answer {
        let Self {
            component,
            options,
            output,
            instance,
        } = self;
        let _ticking = component.engine().ticking();
        let _output = output.of_call();
        let trial = Trial {
            instance,
            has_succeeded: false,
        };
        match trial.call(component, options, output, assignment).await {
            Ok(answer) => answer,
            Err(failure) => Answer::Failed(failure.to_string()),
        }
    }
}

/// A call. Whatever ends it before it has succeeded, a failure or that nobody
/// waits for it any more, also ends the instance.
struct Trial<'a> {
    instance: &'a mut Option<Instance>,
    has_succeeded: bool,
}

impl Trial<'_> {
    async fn call(
        mut self,
        component: &Component,
        options: &GuestOptions,
        output: &Output,
        assignment: &Assignment,
    ) -> Result<Answer, Failure> {
        let instance = match self.instance {
            Some(instance) => {
                if instance.is_large() {
                    yield_now().await;
                }
                instance.begin(assignment);
                instance
            }
            None => {
                // Filling memories and tables can not be interrupted.
                yield_now().await;
                // Seldom, and large: in a box it does not make every call large.
                let started = Instance::start(component, options, output, Some(assignment));
                self.instance.insert(Box::pin(started).await?)
            }
        };
        let answer = instance.call(options, assignment).await?;
        self.has_succeeded = true;
        Ok(answer)
    }
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        if !self.has_succeeded {
            *self.instance = None;
        }
    }
}

impl fmt::Debug for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guest")
            .field("options", &self.options)
            .field("live", &self.instance.is_some())
            .finish_non_exhaustive()
    }
}
