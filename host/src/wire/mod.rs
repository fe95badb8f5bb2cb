//! The wire: sockets and MQTT packets.
