//! Reading CONNECT (section 3.1).
//!
//! Not the codec's work: it takes a password for UTF-8, reads level 5 as if it
//! were level 4, and looks at few of the flags. What follows level 5 is read in
//! `v5`.

use bytes::Bytes;

use super::packet::{Connect, LastWill, Login, Packet, QoS};
use super::reader::Reader;
use super::topic;
use super::v5;
use super::violation::Violation;

const RESERVED: u8 = 0b0000_0001;
pub(super) const CLEAN_SESSION: u8 = 0b0000_0010;
pub(super) const WILL: u8 = 0b0000_0100;
pub(super) const WILL_QOS: u8 = 0b0001_1000;
pub(super) const WILL_RETAIN: u8 = 0b0010_0000;
pub(super) const PASSWORD: u8 = 0b0100_0000;
pub(super) const USER_NAME: u8 = 0b1000_0000;

/// Reads what follows the fixed header of a CONNECT.
pub(super) fn read(body: &[u8]) -> Result<Packet, Violation> {
    let mut body = Reader(body);
    if body.text()? != "MQTT" {
        return Err(Violation::ProtocolName);
    }
    // Before anything that another level may have changed.
    match body.u8()? {
        4 => read_3_1_1(body).map(Packet::Connect),
        5 => {
            let connect = v5::read_connect(body.0)?;
            Ok(Packet::V5(Box::new(v5::Packet::Connect(connect))))
        }
        _ => Err(Violation::ProtocolLevel),
    }
}

/// Whether a connection begins with a CONNECT of MQTT 5, as far as it is there.
pub(super) fn is_v5(body: &[u8]) -> bool {
    body.starts_with(b"\0\x04MQTT\x05")
}

fn read_3_1_1(mut body: Reader<'_>) -> Result<Connect, Violation> {
    let flags = body.u8()?;
    check_flags(flags)?;
    if flags & (USER_NAME | PASSWORD) == PASSWORD {
        return Err(Violation::PasswordAlone);
    }
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

/// What both versions ask of the flags.
pub(super) fn check_flags(flags: u8) -> Result<(), Violation> {
    if flags & RESERVED != 0 {
        return Err(Violation::ConnectFlags);
    }
    if flags & WILL == 0 && flags & (WILL_QOS | WILL_RETAIN) != 0 {
        return Err(Violation::WillFlags);
    }
    if flags & WILL_QOS == WILL_QOS {
        return Err(Violation::WillQos);
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
