//! Reason codes (section 2.4).

use std::fmt;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)*) => {
        /// How a packet was taken, or why a connection ends (table 2-6). As a
        /// number it is what packets carry: `Reason::NotAuthorized as u8` is
        /// 0x87. From 0x80 on it is an error.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $($(#[$doc])* $name = $number,)*
        }

        impl Reason {
            pub(crate) const fn from_number(number: u8) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }

            const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

reasons! {
    /// Done; also a normal disconnection, and a subscription granted with QoS 0.
    Success = 0x00, "success";
    /// A subscription is granted with QoS 1.
    GrantedQos1 = 0x01, "q1";
    /// A subscription is granted with QoS 2.
    GrantedQos2 = 0x02, "q2";
    /// The client leaves, and its will is to be published.
    DisconnectWithWill = 0x04, "disconnect with will";
    /// Taken, but nobody is subscribed.
    NoMatchingSubscribers = 0x10, "no matching subscribers";
    /// There was no such subscription.
    NoSubscriptionExisted = 0x11, "no subscription existed";
    /// The exchange of AUTH packets goes on.
    ContinueAuthentication = 0x18, "continue authentication";
    /// An exchange of AUTH packets begins again.
    ReAuthenticate = 0x19, "re-authenticate";
    /// No reason is given.
    UnspecifiedError = 0x80, "unspecified error";
    /// A packet could not be read.
    MalformedPacket = 0x81, "malformed packet";
    /// A packet was not allowed.
    ProtocolError = 0x82, "protocol error";
    /// A packet was right, but is not taken here.
    ImplementationSpecificError = 0x83, "implementation specific error";
    /// This version of the protocol is not spoken.
    UnsupportedProtocolVersion = 0x84, "unsupported protocol version";
    /// The client id is not allowed.
    ClientIdentifierNotValid = 0x85, "client identifier not valid";
    /// The user name or the password is wrong.
    BadUserNameOrPassword = 0x86, "bad user name or password";
    /// The client is not allowed to do this.
    NotAuthorized = 0x87, "not authorized";
    /// The broker is not available.
    ServerUnavailable = 0x88, "server unavailable";
    /// The broker has too much to do.
    ServerBusy = 0x89, "server busy";
    /// The client is banned.
    Banned = 0x8a, "banned";
    /// The broker is going away.
    ServerShuttingDown = 0x8b, "server shutting down";
    /// This way of authentication is not known.
    BadAuthenticationMethod = 0x8c, "bad authentication method";
    /// The client was silent for too long.
    KeepAliveTimeout = 0x8d, "keep alive timeout";
    /// Another connection uses the client id.
    SessionTakenOver = 0x8e, "session taken over";
    /// The topic filter is not taken here.
    TopicFilterInvalid = 0x8f, "topic filter invalid";
    /// The topic name is not taken here.
    TopicNameInvalid = 0x90, "topic name invalid";
    /// The packet id is in use.
    PacketIdentifierInUse = 0x91, "packet identifier in use";
    /// The packet id is not known.
    PacketIdentifierNotFound = 0x92, "packet identifier not found";
    /// More messages are under way than was allowed.
    ReceiveMaximumExceeded = 0x93, "receive maximum exceeded";
    /// The topic alias is 0 or too high.
    TopicAliasInvalid = 0x94, "topic alias invalid";
    /// The packet is too large.
    PacketTooLarge = 0x95, "packet too large";
    /// Messages come too fast.
    MessageRateTooHigh = 0x96, "message rate too high";
    /// There were too many of something.
    QuotaExceeded = 0x97, "quota exceeded";
    /// Somebody decided so.
    AdministrativeAction = 0x98, "administrative action";
    /// The payload is not what it is said to be.
    PayloadFormatInvalid = 0x99, "payload format invalid";
    /// Nothing is retained here.
    RetainNotSupported = 0x9a, "retain not supported";
    /// The QoS is higher than the broker's highest.
    QosNotSupported = 0x9b, "qos not supported";
    /// For now another broker is to be used.
    UseAnotherServer = 0x9c, "use another server";
    /// From now on another broker is to be used.
    ServerMoved = 0x9d, "server moved";
    /// There are no shared subscriptions here.
    SharedSubscriptionsNotSupported = 0x9e, "shared subscriptions not supported";
    /// Connections come too fast.
    ConnectionRateExceeded = 0x9f, "connection rate exceeded";
    /// The connection was allowed for a time that is over.
    MaximumConnectTime = 0xa0, "maximum connect time";
    /// There are no subscription identifiers here.
    SubscriptionIdentifiersNotSupported = 0xa1, "subscription identifiers not supported";
    /// There are no wildcards in subscriptions here.
    WildcardSubscriptionsNotSupported = 0xa2, "wildcard subscriptions not supported";
}

impl Reason {
    /// Whether it says that something was not done.
    pub const fn is_error(self) -> bool {
        self as u8 >= 0x80
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}
