//! Reading CONNECT (section 3.1).
//!
//! Not the codec's work: it takes a password for UTF-8, reads level 5 as if it
//! were level 4, and looks at few of the flags.

use bytes::Bytes;

use super::packet::{Connect, LastWill, Login, QoS};
use super::reader::Reader;
use super::topic;
use super::violation::Violation;

const RESERVED: u8 = 0b0000_0001;
const CLEAN_SESSION: u8 = 0b0000_0010;
const WILL: u8 = 0b0000_0100;
const WILL_QOS: u8 = 0b0001_1000;
const WILL_RETAIN: u8 = 0b0010_0000;
const PASSWORD: u8 = 0b0100_0000;
const USER_NAME: u8 = 0b1000_0000;

/// Reads what follows the fixed header of a CONNECT.
pub(super) fn read(body: &[u8]) -> Result<Connect, Violation> {
    let mut body = Reader(body);
    if body.text()? != "MQTT" {
        return Err(Violation::ProtocolName);
    }
    // Before anything that another level may have changed.
    if body.u8()? != 4 {
        return Err(Violation::ProtocolLevel);
    }
    let flags = body.u8()?;
    check_flags(flags)?;
    let keep_alive = body.u16()?;
    let client_id = body.text()?.to_owned();
    let last_will = read_will(flags, &mut body)?;
    let login = read_login(flags, &mut body)?;
    body.end()?;
    Ok(Connect {
        keep_alive,
        client_id,
        clean_session: flags & CLEAN_SESSION != 0,
        last_will,
        login,
    })
}

fn check_flags(flags: u8) -> Result<(), Violation> {
    if flags & RESERVED != 0 {
        return Err(Violation::ConnectFlags);
    }
    if flags & WILL == 0 && flags & (WILL_QOS | WILL_RETAIN) != 0 {
        return Err(Violation::WillFlags);
    }
    if flags & WILL_QOS == WILL_QOS {
        return Err(Violation::WillQos);
    }
    if flags & (USER_NAME | PASSWORD) == PASSWORD {
        return Err(Violation::PasswordAlone);
    }
    Ok(())
}

fn read_will(flags: u8, body: &mut Reader<'_>) -> Result<Option<LastWill>, Violation> {
    if flags & WILL == 0 {
        return Ok(None);
    }
    let topic = body.text()?;
    topic::check_name(topic)?;
    Ok(Some(LastWill {
        topic: topic.to_owned(),
        payload: Bytes::copy_from_slice(body.bytes()?),
        qos: QoS::from_number((flags & WILL_QOS) >> 3).ok_or(Violation::WillQos)?,
        retain: flags & WILL_RETAIN != 0,
    }))
}

fn read_login(flags: u8, body: &mut Reader<'_>) -> Result<Option<Login>, Violation> {
    if flags & USER_NAME == 0 {
        return Ok(None);
    }
    let user_name = body.text()?.to_owned();
    let password = if flags & PASSWORD == 0 {
        None
    } else {
        Some(Bytes::copy_from_slice(body.bytes()?))
    };
    Ok(Some(Login {
        user_name,
        password,
    }))
}
