"""The fake broker as paho-mqtt, a client of another family, sees it.

    tests/peers/install
    jackalope broker --listen 127.0.0.1:1883 &
    target/peers/venv/bin/python tests/clients/with_paho.py 1883 VERSION TRANSPORT [CA]

The version is 4 (MQTT 3.1.1) or 5, the transport tcp or websockets, and the authority
that signed the broker's certificate is given for TLS. Prints a line for each check and
ends with 1 at the first that fails.
"""

import os
import queue
import socket
import sys

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

PATIENCE = 60
PORT, VERSION, TRANSPORT = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
CA = sys.argv[4] if len(sys.argv) > 4 else None


class Client(mqtt.Client):
    """A connected client that queues what it hears."""

    def __init__(self, name, clean=True, will=None):
        is_v5 = VERSION == 5
        super().__init__(
            mqtt.CallbackAPIVersion.VERSION2,
            name,
            clean_session=None if is_v5 else clean,
            protocol=mqtt.MQTTv5 if is_v5 else mqtt.MQTTv311,
            transport=TRANSPORT,
            reconnect_on_failure=False,
        )
        if CA:
            self.tls_set(ca_certs=CA)
        self.messages = queue.Queue()
        self.acks = queue.Queue()
        self.connects = queue.Queue()
        self.disconnects = queue.Queue()
        self.on_connect = lambda c, u, flags, code, p: self.connects.put((flags, code))
        self.on_disconnect = lambda c, u, flags, code, p: self.disconnects.put((flags, code))
        self.on_message = lambda c, u, message: self.messages.put(message)
        self.on_subscribe = lambda c, u, mid, codes, p: self.acks.put(codes)
        self.on_unsubscribe = lambda c, u, mid, codes, p: self.acks.put(codes)
        if will:
            self.will_set(will, "gone", qos=1)
        more = {}
        if is_v5:
            kept = Properties(PacketTypes.CONNECT)
            kept.SessionExpiryInterval = 0 if clean else 600
            more = {"clean_start": clean, "properties": kept}
        self.connect("localhost", PORT, **more)
        self.loop_start()
        flags, code = self.connects.get(timeout=PATIENCE)
        assert code == 0, code
        self.session_present = flags.session_present

    def subscribed(self, topic, qos):
        """Subscribes and returns the granted QoS."""
        self.subscribe(topic, qos)
        return self.acks.get(timeout=PATIENCE)[0].value

    def sent(self, topic, payload, qos=0, retain=False):
        """Publishes and waits until the exchange is over."""
        self.publish(topic, payload, qos, retain).wait_for_publish(PATIENCE)

    def heard(self):
        """The next message, as (topic, payload, qos, retained)."""
        message = self.messages.get(timeout=PATIENCE)
        return (message.topic, message.payload.decode(), message.qos, message.retain)

    def nothing_more(self):
        """Whether nothing is heard before a message that comes last."""
        self.subscribed("last", 1)
        self.sent("last", "", 1)
        return self.heard()[0] == "last"

    def left(self):
        """Ends with DISCONNECT."""
        self.disconnect()
        self.disconnects.get(timeout=PATIENCE)
        self.loop_stop()

    def lost(self):
        """Ends without, below all layers."""
        with socket.socket(fileno=os.dup(self.socket().fileno())) as tcp:
            tcp.shutdown(socket.SHUT_RDWR)
        self.disconnects.get(timeout=PATIENCE)
        self.loop_stop()


def check(what, *found_and_expected):
    found, expected = found_and_expected
    if found != expected:
        print(f"FAILED {what}: {found!r}, expected {expected!r}")
        sys.exit(1)
    print(f"ok {what}")


def every_qos():
    one, other = Client("one"), Client("other")
    for asked in (0, 1, 2):
        check(f"QoS {asked} is granted", one.subscribed(f"to/{asked}", asked), asked)
        for qos in (0, 1, 2):
            other.sent(f"to/{asked}", f"with {qos}", qos)
            expected = (f"to/{asked}", f"with {qos}", min(asked, qos), False)
            check(f"QoS {qos} to a subscriber of QoS {asked}", one.heard(), expected)
    one.unsubscribe("to/1")
    one.acks.get(timeout=PATIENCE)
    other.sent("to/1", "unheard", 1)
    check("nothing comes after UNSUBSCRIBE", one.nothing_more(), True)
    one.left()
    other.left()


def many():
    one, other = Client("one"), Client("other")
    one.subscribed("many/+", 2)
    for qos in (1, 2):
        sent = [other.publish(f"many/{qos}", str(i), qos) for i in range(200)]
        for message in sent:
            message.wait_for_publish(PATIENCE)
        heard = [one.heard()[1] for _ in range(200)]
        check(f"200 with QoS {qos}, in order", heard, [str(i) for i in range(200)])
    check("and no more", one.nothing_more(), True)
    one.left()
    other.left()


def retained():
    one = Client("one")
    one.subscribed("kept", 1)
    one.sent("kept", "first", 1, retain=True)
    check("live, it is not marked retained", one.heard(), ("kept", "first", 1, False))
    late = Client("late")
    late.subscribed("kept", 1)
    check("late, it is", late.heard(), ("kept", "first", 1, True))
    one.sent("kept", "", 1, retain=True)
    check("the empty message is heard live", late.heard(), ("kept", "", 1, False))
    later = Client("later")
    later.subscribed("kept", 1)
    check("and has taken it back", later.nothing_more(), True)
    for client in (one, late, later):
        client.left()


def will():
    watcher = Client("watcher")
    watcher.subscribed("wills/#", 1)
    Client("polite", will="wills/polite").left()
    Client("lost", will="wills/lost").lost()
    check("the will of a lost client", watcher.heard(), ("wills/lost", "gone", 1, False))
    check("and none of a polite one", watcher.nothing_more(), True)
    watcher.left()


def persistent_session():
    first = Client("sleeper", clean=False)
    check("there is no session at first", first.session_present, False)
    first.subscribed("queue/#", 2)
    first.left()
    other = Client("other")
    for qos in (0, 1, 2):
        other.sent(f"queue/{qos}", "waits", qos)
    again = Client("sleeper", clean=False)
    check("the session is there", again.session_present, True)
    check("QoS 1 has waited", again.heard(), ("queue/1", "waits", 1, False))
    check("QoS 2 has waited", again.heard(), ("queue/2", "waits", 2, False))
    check("QoS 0 has not", again.nothing_more(), True)
    taker = Client("sleeper", clean=False)
    flags, code = again.disconnects.get(timeout=PATIENCE)
    # paho does not read a reason that stands alone in its packet.
    taken = code.is_failure or flags.is_disconnect_packet_from_server
    check("a second client takes the session over", taken, True)
    check("with the session", taker.session_present, True)
    again.loop_stop()
    taker.left()
    Client("sleeper").left()
    last = Client("sleeper", clean=False)
    check("a clean session ends it", last.session_present, False)
    last.left()
    other.left()
    # Who comes after it finds no session.
    Client("sleeper").left()


every_qos()
many()
retained()
will()
persistent_session()
