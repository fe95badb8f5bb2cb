//! What to publish, as a text.

use crate::HOUR_MS;
use crate::bindings::jackalope::gateway::jackalope::{Priority, WhenOff};
use crate::bindings::jackalope::gateway::types::Qos;

/// Letters to publish: `count=100 qos=2 retain=true ttl-ms=500 after-reboot=drop priority=high replace-key=k
/// topic=a/b tag=c content-type=text/plain`, in any order.
/// Their payloads are "0", "1" and so on. What is left out: one letter, quality
/// of service 1, not retained, one hour, after a reboot what the host says, normal priority, no replace key, `echo/out`, no
/// tag and no properties.
pub(crate) struct Order<'a> {
    pub(crate) count: u32,
    pub(crate) qos: Qos,
    pub(crate) retain: bool,
    pub(crate) ttl_ms: u64,
    pub(crate) after_reboot: Option<WhenOff>,
    pub(crate) priority: Priority,
    pub(crate) replace_key: Option<&'a str>,
    pub(crate) topic: &'a str,
    pub(crate) tag: Option<&'a str>,
    pub(crate) content_type: Option<&'a str>,
}

impl<'a> Order<'a> {
    /// Reads an order, or says what is wrong with it.
    pub(crate) fn parse(text: &'a [u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(text).map_err(|error| error.to_string())?;
        let mut order = Self {
            count: 1,
            qos: Qos::AtLeastOnce,
            retain: false,
            ttl_ms: HOUR_MS,
            after_reboot: None,
            priority: Priority::Normal,
            replace_key: None,
            topic: "echo/out",
            tag: None,
            content_type: None,
        };
        for word in text.split_whitespace() {
            order.set(word).ok_or_else(|| {
                format!("`{word}` is none of count=N, qos=0|1|2, retain=true|false, ttl-ms=N, after-reboot=count|pause|drop, priority=low|normal|high, replace-key=X, topic=X, tag=X and content-type=X")
            })?;
        }
        Ok(order)
    }

    fn set(&mut self, word: &'a str) -> Option<()> {
        match word.split_once('=')? {
            ("count", count) => self.count = count.parse().ok()?,
            ("qos", "0") => self.qos = Qos::AtMostOnce,
            ("qos", "1") => self.qos = Qos::AtLeastOnce,
            ("qos", "2") => self.qos = Qos::ExactlyOnce,
            ("retain", retain) => self.retain = retain.parse().ok()?,
            ("ttl-ms", ttl_ms) => self.ttl_ms = ttl_ms.parse().ok()?,
            ("after-reboot", "count") => self.after_reboot = Some(WhenOff::Count),
            ("after-reboot", "pause") => self.after_reboot = Some(WhenOff::Pause),
            ("after-reboot", "drop") => self.after_reboot = Some(WhenOff::Drop),
            ("priority", "low") => self.priority = Priority::Low,
            ("priority", "normal") => self.priority = Priority::Normal,
            ("priority", "high") => self.priority = Priority::High,
            ("replace-key", key) => self.replace_key = Some(key),
            ("topic", topic) => self.topic = topic,
            ("tag", tag) => self.tag = Some(tag),
            ("content-type", text) => self.content_type = Some(text),
            _ => return None,
        }
        Some(())
    }
}
