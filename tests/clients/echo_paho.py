"""paho-mqtt against a broker: messages of each quality of service, to itself.

echo_paho.py PORT VERSION (4 or 5) TRANSPORT (tcp or websockets) [CA]
"""

import sys
import threading

import paho.mqtt.client as mqtt

port, version, transport = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
arrived, done = [], threading.Event()
expected = [(qos, number) for qos in range(3) for number in range(20)]


def on_connect(client, _userdata, _flags, reason, _properties):
    assert reason == 0, reason
    client.subscribe("paho/+", qos=2)


def on_subscribe(client, _userdata, _mid, _reasons, _properties):
    for qos, number in expected:
        client.publish(f"paho/{qos}", str(number), qos=qos)


def on_message(_client, _userdata, message):
    arrived.append((message.qos, int(message.payload)))
    if len(arrived) == len(expected):
        done.set()


client = mqtt.Client(
    mqtt.CallbackAPIVersion.VERSION2,
    client_id="paho",
    protocol=mqtt.MQTTv5 if version == 5 else mqtt.MQTTv311,
    transport=transport,
)
if len(sys.argv) > 4:
    client.tls_set(ca_certs=sys.argv[4])
client.on_connect, client.on_subscribe, client.on_message = on_connect, on_subscribe, on_message
client.connect("localhost", port)
client.loop_start()
assert done.wait(20), f"{len(arrived)} of {len(expected)} messages"
client.disconnect()
client.loop_stop()
assert sorted(arrived) == expected, arrived
