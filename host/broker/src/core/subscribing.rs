//! What clients subscribe to.

use super::Core;
use crate::convert;
use crate::event::ConnectionId;
use crate::session::Subscription;
use crate::time::Time;
use crate::topic;
use crate::v5::{Packet, Properties, Reason, RetainHandling, SubAck, Subscribe, Unsubscribe};
use crate::violation::Violation;

impl Core {
    pub(super) fn handle_subscribe(
        &mut self,
        now: Time,
        id: ConnectionId,
        subscribe: Subscribe,
    ) -> Result<(), Violation> {
        let (packet_id, v5) = (subscribe.packet_id, self.is_v5(id));
        if v5 {
            self.check_subscribe(&subscribe)?;
        }
        match self.session(id) {
            Some((_, session)) => session.incoming.handle_subscribe(packet_id)?,
            None => return Ok(()),
        }
        let subscription_id = subscribe.properties.subscription_id();
        let maximum = self.options.maximum_qos;
        let permissions = self.permissions_of(id).clone();
        let (mut reasons, mut with_retained) = (Vec::new(), Vec::new());
        for wanted in subscribe.filters {
            let filter = &wanted.filter;
            if self.faults.refuses_filter(filter) || !permissions.may_subscribe(filter) {
                reasons.push(Reason::NotAuthorized);
                continue;
            }
            let qos = if v5 {
                wanted.qos.min(maximum)
            } else {
                wanted.qos
            };
            reasons.push(convert::granted(qos));
            let subscription = Subscription {
                qos,
                no_local: wanted.no_local,
                retain_as_published: wanted.retain_as_published,
                id: subscription_id,
            };
            let Some((_, session)) = self.session(id) else {
                return Ok(());
            };
            let filter = wanted.filter.clone();
            let former = session.subscriptions.insert(filter, subscription);
            let retained = match wanted.retain_handling {
                RetainHandling::Send => true,
                RetainHandling::SendIfNew => former.is_none(),
                RetainHandling::DoNotSend => false,
            };
            if retained && topic::shared(&wanted.filter).is_none() {
                with_retained.push((wanted.filter, subscription));
            }
        }
        let suback = SubAck {
            packet_id,
            reasons,
            properties: Properties::default(),
        };
        self.acknowledge(now, id, Packet::SubAck(suback));
        for (filter, subscription) in with_retained {
            self.send_retained(now, id, &filter, subscription);
        }
        Ok(())
    }

    /// What a client of MQTT 5 was told in CONNACK.
    fn check_subscribe(&self, subscribe: &Subscribe) -> Result<(), Violation> {
        let options = &self.options;
        if subscribe.properties.subscription_id().is_some() && !options.subscription_ids_available {
            return Err(Violation::SubscriptionIdNotSupported);
        }
        for wanted in &subscribe.filters {
            if wanted.filter.contains(['+', '#']) && !options.wildcard_available {
                return Err(Violation::WildcardNotSupported);
            }
            if topic::shared(&wanted.filter).is_some() && !options.shared_available {
                return Err(Violation::SharedNotSupported);
            }
        }
        Ok(())
    }

    pub(super) fn handle_unsubscribe(
        &mut self,
        now: Time,
        id: ConnectionId,
        unsubscribe: &Unsubscribe,
    ) -> Result<(), Violation> {
        let Some((_, session)) = self.session(id) else {
            return Ok(());
        };
        session.incoming.check_free(unsubscribe.packet_id)?;
        let filters = unsubscribe.filters.iter();
        // Also when there was no such subscription ([MQTT-3.10.4-5]).
        let reasons = filters.map(|filter| match session.subscriptions.remove(filter) {
            Some(_) => Reason::Success,
            None => Reason::NoSubscriptionExisted,
        });
        let unsuback = SubAck {
            packet_id: unsubscribe.packet_id,
            reasons: reasons.collect(),
            properties: Properties::default(),
        };
        self.send(now, id, Packet::UnsubAck(unsuback));
        Ok(())
    }
}
