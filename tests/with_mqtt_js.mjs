// The fake broker as MQTT.js sees it, in both versions and at each QoS.
//
//     tests/peers/install
//     jackalope broker --listen 127.0.0.1:1883 &
//     node tests/with_mqtt_js.mjs target/peers/node/node_modules/mqtt 1883
//
// Prints a line for each check and ends with 1 at the first that fails.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createRequire } from "node:module";
import { resolve } from "node:path";

const [library, port] = process.argv.slice(2);
const mqtt = createRequire(import.meta.url)(resolve(library));
const PATIENCE = 60_000;

const timer = setTimeout(() => {
    console.error(`not done after ${PATIENCE} ms`);
    process.exit(1);
}, PATIENCE);

const connect = (clientId, protocolVersion, more = {}) =>
    mqtt.connectAsync(`mqtt://127.0.0.1:${port}`, {
        clientId,
        protocolVersion,
        reconnectPeriod: 0,
        ...more,
    });

const next = async (client) => {
    const [topic, payload, packet] = await once(client, "message");
    return { topic, payload: payload.toString(), packet };
};

const checks = {
    async "messages arrive with each QoS"(version) {
        const client = await connect("a", version);
        for (const qos of [0, 1, 2]) {
            const [granted] = await client.subscribeAsync(`each/${qos}`, { qos });
            assert.equal(granted.qos, qos);
            const message = next(client);
            await client.publishAsync(`each/${qos}`, "hi", { qos });
            const { topic, payload, packet } = await message;
            assert.deepEqual([topic, payload, packet.qos], [`each/${qos}`, "hi", qos]);
        }
        await client.endAsync();
    },

    async "a retained message waits, and is cleared"(version) {
        const client = await connect("a", version);
        await client.publishAsync("kept", "old", { qos: 1, retain: true });
        const message = next(client);
        await client.subscribeAsync("kept", { qos: 1 });
        assert.equal((await message).packet.retain, true);
        await client.publishAsync("kept", "", { qos: 1, retain: true });
        await client.unsubscribeAsync("kept");
        await client.endAsync();
    },

    async "the will of a client that breaks off is published"(version) {
        const watcher = await connect("watcher", version);
        await watcher.subscribeAsync("wills", { qos: 1 });
        const message = next(watcher);
        const will = { topic: "wills", payload: "gone", qos: 1, retain: false };
        const client = await connect("dying", version, { will });
        client.stream.destroy();
        assert.equal((await message).payload, "gone");
        await client.endAsync(true);
        await watcher.endAsync();
    },

    async "a session keeps what comes while its client is away"(version) {
        const kept = { clean: false, properties: { sessionExpiryInterval: 600 } };
        if (version !== 5) delete kept.properties;
        let client = await connect(`sleeper-${version}`, version, kept);
        await client.subscribeAsync("queue", { qos: 2 });
        await client.endAsync();
        const sender = await connect("sender", version);
        await sender.publishAsync("queue", "waits", { qos: 2 });
        await sender.endAsync();
        client = mqtt.connect(`mqtt://127.0.0.1:${port}`, {
            clientId: `sleeper-${version}`,
            protocolVersion: version,
            reconnectPeriod: 0,
            ...kept,
        });
        const message = next(client);
        const [connack] = await once(client, "connect");
        assert.equal(connack.sessionPresent, true);
        const { payload, packet } = await message;
        assert.deepEqual([payload, packet.qos], ["waits", 2]);
        await client.endAsync();
    },
};

const checks5 = {
    async "properties go with a message"(version) {
        const client = await connect("a", version);
        await client.subscribeAsync("asked", { qos: 1, properties: { subscriptionIdentifier: 7 } });
        const message = next(client);
        const properties = {
            contentType: "text/plain",
            responseTopic: "answers",
            correlationData: Buffer.from("42"),
            messageExpiryInterval: 60,
            userProperties: { a: "b" },
        };
        await client.publishAsync("asked", "hi", { qos: 1, properties });
        const got = (await message).packet.properties;
        assert.equal(got.contentType, "text/plain");
        assert.equal(got.responseTopic, "answers");
        assert.equal(got.correlationData.toString(), "42");
        assert.equal(got.userProperties.a, "b");
        assert.equal(got.subscriptionIdentifier, 7);
        assert.ok(got.messageExpiryInterval <= 60);
        await client.endAsync();
    },

    async "topic aliases are used both ways"(version) {
        const client = await connect("a", version, {
            autoAssignTopicAlias: true,
            properties: { topicAliasMaximum: 5 },
        });
        await client.subscribeAsync("long/topic", { qos: 1 });
        for (const payload of ["1", "2", "3"]) {
            const message = next(client);
            await client.publishAsync("long/topic", payload, { qos: 1 });
            const { topic, payload: got } = await message;
            assert.deepEqual([topic, got], ["long/topic", payload]);
        }
        await client.endAsync();
    },
};

for (const version of [4, 5]) {
    const all = version === 5 ? { ...checks, ...checks5 } : checks;
    for (const [name, check] of Object.entries(all)) {
        await check(version);
        console.log(`ok ${version === 5 ? "5" : "3.1.1"} ${name}`);
    }
}
clearTimeout(timer);
