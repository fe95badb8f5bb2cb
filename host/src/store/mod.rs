//! Where the work list is kept, so that it outlives the gateway.

mod time_off;

pub use time_off::{
    Boot, BootId, Boots, ClockTrust, EARLIEST, InAll, Lifetime, Moment, NoBootId, Since, Trust,
    Ttl, UnknownClockTrust,
};
