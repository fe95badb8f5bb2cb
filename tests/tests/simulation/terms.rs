//! What the broker of a simulation allows.

use jackalope::broker::CoreOptions;
use jackalope::office::{Qos, Refusal};

use jackalope_tests::Random;

/// How many bytes of properties a letter has in MQTT 5, with their length.
const LETTER_PROPERTIES: usize = 6;

/// What a broker of MQTT 5 tells in CONNACK. One of 3.1.1 allows everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) receive_maximum: u16,
    pub(crate) max_packet_size: usize,
    pub(crate) max_qos: Qos,
    pub(crate) retain: bool,
    pub(crate) wildcards: bool,
    pub(crate) shared: bool,
    pub(crate) subscription_ids: bool,
    pub(crate) keep_alive: Option<u16>,
    pub(crate) topic_aliases: u16,
}

impl Terms {
    /// Those of a broker that allows everything.
    pub(crate) const GENEROUS: Self = Self {
        receive_maximum: u16::MAX,
        max_packet_size: 1 << 20,
        max_qos: Qos::ExactlyOnce,
        retain: true,
        wildcards: true,
        shared: true,
        subscription_ids: true,
        keep_alive: None,
        topic_aliases: 10,
    };

    pub(crate) fn generate(random: &mut Random) -> Self {
        let max_qos = [Qos::AtMostOnce, Qos::AtLeastOnce];
        Self {
            receive_maximum: random.pick(&[1, 2, 3, 5, 20, u16::MAX]),
            max_packet_size: random.pick(&[100, 150, 1 << 20, 1 << 20]),
            max_qos: match random.one_in(4) {
                true => random.pick(&max_qos),
                false => Qos::ExactlyOnce,
            },
            retain: !random.one_in(4),
            wildcards: !random.one_in(8),
            shared: !random.one_in(8),
            subscription_ids: !random.one_in(4),
            keep_alive: random.pick(&[None, None, Some(0), Some(5), Some(30)]),
            topic_aliases: random.pick(&[0, 1, 2, 10]),
        }
    }

    pub(crate) fn apply(&self, options: &mut CoreOptions) {
        options.receive_maximum = self.receive_maximum;
        options.max_packet_size = self.max_packet_size;
        options.maximum_qos = self.max_qos.into();
        options.retain_available = self.retain;
        options.wildcard_available = self.wildcards;
        options.shared_available = self.shared;
        options.subscription_ids_available = self.subscription_ids;
        options.server_keep_alive = self.keep_alive;
        options.topic_alias_maximum = self.topic_aliases;
    }

    /// Why a letter, of so many bytes as a packet of 3.1.1, is refused, if it is.
    pub(crate) fn refusal(&self, size: usize, qos: Qos, retain: bool) -> Option<Refusal> {
        let with_properties = match (size, size + LETTER_PROPERTIES) {
            // The length of what comes after it takes a byte more.
            (..=129, with @ 130..) => with + 1,
            (_, with) => with,
        };
        if with_properties > self.max_packet_size {
            let (size, max) = (with_properties, self.max_packet_size);
            return Some(Refusal::TooLarge { size, max });
        }
        if qos > self.max_qos {
            return Some(Refusal::MaxQos(self.max_qos));
        }
        (retain && !self.retain).then_some(Refusal::Retain)
    }
}
