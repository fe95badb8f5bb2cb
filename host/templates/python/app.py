"""A sensor: it takes what a probe measures, publishes it whenever its timer is due, and
raises an alarm above a threshold."""

import json
import math
import sys

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports import handler
from wit_world.imports import jackalope, settings, state, types

# An alarm is worth nothing later, as the next one is due by then.
ALARM_TTL_MS = 5_000

configured = {}


class Configure(exports.Configure):
    def configure(self):
        configured.update(json.loads(settings.get()))
        # The error of the contract: here a text.
        if not isinstance(configured.get("topic"), str):
            raise Err("settings.topic is missing: name a topic")
        if not is_number(configured.get("threshold")):
            raise Err("settings.threshold is not a number")


class Handler(exports.Handler):
    def message(self, message):
        if number(message.payload) is None:
            raise Err(handler.Verdict_Reject("the value is not a number"))
        state.set("value", message.payload)

    def connection(self, status):
        pass


class TimerHandler(exports.TimerHandler):
    def timer(self, due):
        value = number(state.get("value"))
        if value is None:
            return  # Nothing was measured yet.
        count = (number(state.get("count")) or 0) + 1
        state.set("count", encoded(count))

        topic = configured["topic"]
        send(topic, {"value": value, "count": count})
        if value > configured["threshold"]:
            options = jackalope.PublishOptions(
                qos=types.Qos.AT_LEAST_ONCE,
                retain=False,
                ttl_ms=ALARM_TTL_MS,
                after_reboot=None,
                priority=jackalope.Priority.HIGH,
                replace_key=None,
                tag=None,
                properties=None,
            )
            send(topic + "/alarm", {"value": value}, options)


def send(topic, payload, options=None):
    try:
        jackalope.publish(topic, encoded(payload), options)
    except Err as error:
        print(f"{topic} is not accepted: {error.value}", file=sys.stderr)


def encoded(value):
    return json.dumps(value).encode()


def number(text):
    """The number in a payload or in what was written down, if there is one."""
    try:
        value = json.loads(text or b"")
    except ValueError:
        return None
    return value if is_number(value) else None


def is_number(value):
    return type(value) in (int, float) and math.isfinite(value)
