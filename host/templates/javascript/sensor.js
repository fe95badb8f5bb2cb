// A sensor: it takes what a probe measures, publishes it whenever its timer is due, and
// raises an alarm above a threshold.

import { publish } from 'jackalope:gateway/jackalope@0.2.0'
import { get as getSettings } from 'jackalope:gateway/settings@0.2.0'
import * as state from 'jackalope:gateway/state@0.2.0'

// An alarm is worth nothing later, as the next one is due by then.
const ALARM_TTL_MS = 5_000n

let settings

export const configure = {
  configure() {
    settings = JSON.parse(getSettings())
    // What is thrown is the error of the contract: here a text.
    if (typeof settings.topic !== 'string') throw 'settings.topic is missing: name a topic'
    if (typeof settings.threshold !== 'number') throw 'settings.threshold is not a number'
  },
}

export const handler = {
  message({ payload }) {
    if (number(payload) === undefined) {
      throw { tag: 'reject', val: 'the value is not a number' }
    }
    state.set('value', payload)
  },

  connection(_status) {},
}

export const timerHandler = {
  timer(_due) {
    const value = number(state.get('value'))
    if (value === undefined) return // Nothing was measured yet.
    const count = (number(state.get('count')) ?? 0) + 1
    state.set('count', bytes(count))

    send(settings.topic, { value, count })
    if (value > settings.threshold) {
      const options = {
        qos: 'at-least-once',
        retain: false,
        ttlMs: ALARM_TTL_MS,
        priority: 'high',
      }
      send(`${settings.topic}/alarm`, { value }, options)
    }
  },
}

function send(topic, payload, options) {
  try {
    publish(topic, bytes(payload), options)
  } catch (error) {
    console.error(`${topic} is not accepted: ${error.payload?.tag}`)
  }
}

function bytes(value) {
  return new TextEncoder().encode(JSON.stringify(value))
}

// The number in a payload or in what was written down, if there is one.
function number(bytes) {
  try {
    const value = JSON.parse(new TextDecoder().decode(bytes))
    return typeof value === 'number' ? value : undefined
  } catch {
    return undefined
  }
}
