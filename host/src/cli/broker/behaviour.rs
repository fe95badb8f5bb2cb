//! How the broker behaves, as the command line says.

use std::collections::BTreeMap;

use clap::{Args, ValueEnum};

use super::super::topic_filter;
use super::secure::Secure;
use crate::broker::v5::Reason;
use crate::broker::{CoreOptions, Fault, Permissions, QoS};

/// What the broker refuses, does wrong, and takes.
#[derive(Debug, Args)]
pub(in crate::cli) struct Behaviour {
    /// Refuse subscriptions to exactly this topic filter; can be given again.
    #[arg(long, value_name = "FILTER", value_parser = topic_filter)]
    refuse_subscription: Vec<String>,
    /// Deliver nothing that is published to topics that this filter matches; can
    /// be given again. Clients of MQTT 5 are told `not authorized`, others
    /// nothing.
    #[arg(long, value_name = "FILTER", value_parser = topic_filter)]
    refuse_publish: Vec<String>,
    /// Let something go wrong from the beginning, e.g. `drop-after=3:publish` or
    /// `withhold-acks=puback`; can be given again. What is no fault is answered with
    /// the list of them.
    #[arg(long, value_name = "FAULT")]
    fault: Vec<Fault>,
    /// Let only this user in, with this password; can be given again for more.
    #[arg(long, value_name = "NAME:PASSWORD", value_parser = user)]
    user: Vec<(String, String)>,
    /// Let this user publish to what the filter matches, and to nothing else; can
    /// be given again for more. Users without one may publish everything.
    #[arg(long, value_name = "USER:FILTER", value_parser = permission)]
    allow_publish: Vec<(String, String)>,
    /// Let this user subscribe to what the filter matches, and to nothing else; can
    /// be given again for more. Users without one may subscribe to everything.
    #[arg(long, value_name = "USER:FILTER", value_parser = permission)]
    allow_subscribe: Vec<(String, String)>,
    #[command(flatten)]
    pub(super) secure: Secure,
    #[command(flatten, next_help_heading = "What clients of MQTT 5 are told")]
    limits: Limits,
}

/// The limits of a small broker, or of one in a cloud. Clients of MQTT 3.1.1 can not
/// be told of them, and only the size concerns them.
#[derive(Debug, Args)]
struct Limits {
    /// The highest QoS that they may publish with.
    #[arg(long, value_name = "QOS", value_parser = qos)]
    maximum_qos: Option<QoS>,
    /// How many messages of QoS 1 and 2 they may have under way [default: 20].
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..))]
    receive_maximum: Option<u16>,
    /// The largest packet that is taken, in bytes [default: 1048576].
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(16..))]
    maximum_packet_size: Option<u32>,
    /// How many topic aliases they may use [default: 10].
    #[arg(long, value_name = "COUNT")]
    topic_alias_maximum: Option<u16>,
    /// For how long a session is kept at most, in seconds [default: for ever].
    #[arg(long, value_name = "SECONDS")]
    session_expiry: Option<u32>,
    /// The keep-alive that they have to use, in seconds.
    #[arg(long, value_name = "SECONDS")]
    server_keep_alive: Option<u16>,
    /// What is not there; with commas, or given again.
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    without: Vec<Feature>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Feature {
    /// Retained messages.
    Retain,
    /// Wildcards in subscriptions.
    Wildcards,
    /// Shared subscriptions.
    Shared,
    /// Subscription identifiers.
    SubscriptionIds,
}

impl Behaviour {
    pub(super) fn faults(&mut self) -> impl Iterator<Item = Fault> {
        let subscriptions = self.refuse_subscription.drain(..);
        let topics = self.refuse_publish.drain(..);
        subscriptions
            .map(Fault::RefuseSubscription)
            .chain(topics.map(|filter| Fault::RefusePublish(filter, Reason::NotAuthorized)))
            .chain(self.fault.drain(..))
    }

    pub(super) fn options(&self) -> CoreOptions {
        let mut options = CoreOptions {
            messages_kept: 0,
            users: self.user.iter().cloned().collect(),
            permissions: self.permissions(),
            ..CoreOptions::default()
        };
        self.limits.apply(&mut options);
        options
    }

    fn permissions(&self) -> BTreeMap<String, Permissions> {
        let mut permissions: BTreeMap<String, Permissions> = BTreeMap::new();
        for (user, filter) in self.allow_publish.iter().cloned() {
            let of_user = permissions.entry(user).or_default();
            of_user.publish.get_or_insert_default().push(filter);
        }
        for (user, filter) in self.allow_subscribe.iter().cloned() {
            let of_user = permissions.entry(user).or_default();
            of_user.subscribe.get_or_insert_default().push(filter);
        }
        permissions
    }
}

impl Limits {
    fn apply(&self, options: &mut CoreOptions) {
        fn set<T>(option: &mut T, chosen: Option<T>) {
            if let Some(chosen) = chosen {
                *option = chosen;
            }
        }
        set(&mut options.maximum_qos, self.maximum_qos);
        set(&mut options.receive_maximum, self.receive_maximum);
        let size = self.maximum_packet_size;
        let size = size.map(|size| usize::try_from(size).unwrap_or(usize::MAX));
        set(&mut options.max_packet_size, size);
        set(&mut options.topic_alias_maximum, self.topic_alias_maximum);
        set(&mut options.session_expiry_maximum, self.session_expiry);
        options.server_keep_alive = self.server_keep_alive;
        for feature in &self.without {
            let available = match feature {
                Feature::Retain => &mut options.retain_available,
                Feature::Wildcards => &mut options.wildcard_available,
                Feature::Shared => &mut options.shared_available,
                Feature::SubscriptionIds => &mut options.subscription_ids_available,
            };
            *available = false;
        }
    }
}

fn user(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((name, password)) => Ok((name.to_owned(), password.to_owned())),
        // What was written may be a password.
        None => Err("write a name and a password, e.g. meter:secret".to_owned()),
    }
}

fn permission(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((user, filter)) => Ok((user.to_owned(), topic_filter(filter)?)),
        None => Err("write a user name and a topic filter, e.g. meter:meters/#".to_owned()),
    }
}

fn qos(text: &str) -> Result<QoS, String> {
    match text {
        "0" => Ok(QoS::AtMostOnce),
        "1" => Ok(QoS::AtLeastOnce),
        "2" => Ok(QoS::ExactlyOnce),
        _ => Err("write 0, 1 or 2".to_owned()),
    }
}
