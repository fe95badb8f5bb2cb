//! The clock: where the time comes from by which letters expire and deadlines
//! are met. Elsewhere a time is only shown, or limits a call or the wait of a
//! command; each such place says so to clippy, which knows no other.
//!
//! It is CLOCK_BOOTTIME, which goes on while the machine sleeps: the ttl of a
//! letter must not stand still in a suspended gateway. Tokio's timers stand
//! still then, so the alarm is a timer of the same clock. The time of day serves
//! for certificates, and for what is between two boots ([`moment`]).

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};
use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;
use tokio::io::unix::AsyncFd;
use tokio::task::yield_now;

use crate::office::Time;
use crate::store::{BootId, ClockTrust, Moment};

/// The time since the machine was started, sleep included.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub fn now() -> Time {
    Time::from_millis(millis(clock_gettime(ClockId::Boottime)))
}

/// Which boot of the machine this is.
///
/// # Errors
/// There is no `/proc`, or it is not Linux's.
pub fn boot_id() -> io::Result<BootId> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    let not_one = |error| io::Error::new(io::ErrorKind::InvalidData, error);
    text.parse().map_err(not_one)
}

/// What all clocks say now. A wall clock of which it cannot be asked whether it is
/// synchronised is taken for one that is not.
pub fn moment(boot: BootId, trust: ClockTrust) -> Moment {
    /// Between the clocks this process may have stood still, and the wall clock may have
    /// been set: then they say nothing of each other.
    const AT_ONCE: Duration = Duration::from_millis(5);

    loop {
        let before = now();
        let was_synchronised = is_synchronised().unwrap_or(false);
        let wall = wall();
        let is_synchronised = was_synchronised && is_synchronised().unwrap_or(false);
        let running = now();
        if running.since(before) <= AT_ONCE {
            let trust = trust.of(is_synchronised);
            return Moment {
                boot,
                running,
                wall,
                trust,
            };
        }
    }
}

/// Whether something keeps the wall clock right, as the kernel says.
///
/// # Errors
/// A sandbox does not allow the question (with systemd `ProtectClock=`).
pub fn is_synchronised() -> io::Result<bool> {
    kernel_clock::is_synchronised()
}

/// Whether the machine has a battery clock from which the kernel took the time when it
/// started. Without one the wall clock is no better than whoever has set it since.
pub fn has_battery_clock() -> bool {
    let Ok(clocks) = fs::read_dir("/sys/class/rtc") else {
        return false;
    };
    clocks.flatten().any(|clock| {
        let was_taken = fs::read_to_string(clock.path().join("hctosys"));
        was_taken.is_ok_and(|was_taken| was_taken.trim_end() == "1")
    })
}

/// When the wall clock of this machine is trusted, unless it is configured.
pub fn usual_trust() -> ClockTrust {
    match has_battery_clock() {
        true => ClockTrust::PastRecord,
        false => ClockTrust::Synchronised,
    }
}

/// The wall clock, in milliseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
fn wall() -> u64 {
    millis(clock_gettime(ClockId::Realtime))
}

fn millis(time: Timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let millis = u64::try_from(time.tv_nsec / 1_000_000).unwrap_or_default();
    seconds * 1_000 + millis
}

/// The time of day, for certificates.
#[derive(Debug, Clone, Copy)]
pub struct TimeOfDay;

impl TimeProvider for TimeOfDay {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn current_time(&self) -> Option<UnixTime> {
        let now = clock_gettime(ClockId::Realtime);
        let seconds = u64::try_from(now.tv_sec).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

/// An alarm that can be set to a moment, again and again.
#[derive(Debug)]
pub struct Alarm {
    timer: AsyncFd<OwnedFd>,
    set_to: Option<Time>,
}

impl Alarm {
    /// An alarm that is not set. Must be called within a tokio runtime.
    pub fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Boottime, flags)?;
        #[expect(
            deprecated,
            reason = "unsound for a type that can close its descriptor early; an OwnedFd can not"
        )]
        let timer = AsyncFd::new(timer)?;
        Ok(Self {
            timer,
            set_to: None,
        })
    }

    /// Waits until the clock has reached this moment; for ever without one. Can be
    /// dropped and called again at any time.
    ///
    /// When the moment has passed, the runtime gets a turn all the same. Else who
    /// always waits for a moment that has just passed never hears of the network.
    pub async fn wait_until(&mut self, moment: Option<Time>) -> io::Result<()> {
        let Some(moment) = moment else {
            return std::future::pending().await;
        };
        if moment <= now() {
            yield_now().await;
            return Ok(());
        }
        loop {
            // Set to an earlier moment, it can stay as it is: the moment that
            // is waited for moves on with each message, and setting the timer
            // each time would cost more than one ring in vain.
            if self.set_to.is_none_or(|set_to| moment < set_to) {
                self.set(moment)?;
            }
            let mut ready = self.timer.readable().await?;
            ready.clear_ready();
            let now = now();
            if self.set_to.is_some_and(|set_to| set_to <= now) {
                // Left unread, the timer stays readable until it is set anew.
                self.set_to = None;
            }
            if moment <= now {
                return Ok(());
            }
        }
    }

    fn set(&mut self, moment: Time) -> io::Result<()> {
        // Rounded up: an alarm that rings a moment early rings twice.
        let at = Duration::from_millis(moment.as_millis()) + Duration::from_micros(1);
        let at = Timespec::try_from(at).map_err(|_| io::ErrorKind::InvalidInput)?;
        let once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let spec = Itimerspec {
            it_interval: once,
            it_value: at,
        };
        timerfd_settime(self.timer.get_ref(), TimerfdTimerFlags::ABSTIME, &spec)?;
        self.set_to = Some(moment);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clocks_of_this_machine_can_be_read() {
        let boot = boot_id().expect("it is Linux");
        assert_eq!(boot_id().ok(), Some(boot));
        assert_ne!(boot, BootId::default());
        let before = now();
        let moment = moment(boot, ClockTrust::PastRecord);
        assert!((before..=now()).contains(&moment.running));
        let shown = fs::read_to_string("/proc/stat").expect("it is Linux");
        let began = shown.lines().find_map(|line| line.strip_prefix("btime "));
        let began: u64 = began.expect("it is there").parse().expect("a number");
        let read = (moment.wall - moment.running.as_millis()) / 1_000;
        assert!(read.abs_diff(began) <= 2, "{read} and not {began}");
    }

    #[tokio::test]
    async fn the_alarm_rings_when_its_moment_has_come_and_not_before() {
        let mut alarm = Alarm::new().expect("the machine has timers");
        for _ in 0..3 {
            let moment = now() + Duration::from_millis(5);
            alarm
                .wait_until(Some(moment))
                .await
                .expect("the timer works");
            assert!(now() >= moment);
        }
        alarm
            .wait_until(Some(now()))
            .await
            .expect("a moment that has passed rings at once");
    }
    #[tokio::test]
    async fn an_alarm_that_always_rings_leaves_the_runtime_time_for_the_network() {
        let mut alarm = Alarm::new().expect("the machine has timers");
        let (reader, writer) = tokio::net::UnixStream::pair().expect("there are sockets");
        writer.writable().await.expect("it is open");
        writer.try_write(b"x").expect("there is room");
        for _ in 0..10 {
            alarm
                .wait_until(Some(now()))
                .await
                .expect("a moment that has passed rings at once");
        }
        assert_eq!(reader.try_read(&mut [0; 2]).ok(), Some(1));
    }
}
