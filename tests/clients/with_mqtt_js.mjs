// The fake broker as MQTT.js sees it, at each QoS.
//
//     tests/peers/install
//     jackalope broker --listen 127.0.0.1:1883 &
//     node tests/clients/with_mqtt_js.mjs target/peers/node/node_modules/mqtt URL VERSION [CA]
//
// The URL is e.g. ws://localhost:1883, the version 4 (MQTT 3.1.1) or 5, and the authority
// that signed the broker's certificate is given for TLS. Prints a line for each check and
// ends with 1 at the first that fails.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";

const [library, url, number, ca] = process.argv.slice(2);
const version = Number(number);
const mqtt = createRequire(import.meta.url)(resolve(library));
const PATIENCE = 60_000;

const timer = setTimeout(() => {
    console.error(`not done after ${PATIENCE} ms`);
    process.exit(1);
}, PATIENCE);

const options = (clientId, more) => ({
    clientId,
    protocolVersion: version,
    reconnectPeriod: 0,
    ca: ca && readFileSync(ca),
    ...more,
});

const connect = (clientId, more = {}) => mqtt.connectAsync(url, options(clientId, more));

const next = async (client) => {
    const [topic, payload, packet] = await once(client, "message");
    return { topic, payload: payload.toString(), packet };
};

const checks = {
    async "messages arrive with each QoS"() {
        const client = await connect("a");
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

    async "many messages arrive, each once"() {
        const client = await connect("a");
        await client.subscribeAsync("many/+", { qos: 2 });
        const sent = [0, 1, 2].flatMap((qos) => [...Array(20).keys()].map((n) => `${qos} ${n}`));
        const arrived = [];
        const all = new Promise((resolve) => {
            client.on("message", (_topic, payload, packet) => {
                arrived.push(`${packet.qos} ${payload}`);
                if (arrived.length >= sent.length) resolve();
            });
        });
        const publish = (message) => {
            const [qos, payload] = message.split(" ");
            return client.publishAsync(`many/${qos}`, payload, { qos: Number(qos) });
        };
        await Promise.all([all, ...sent.map(publish)]);
        assert.deepEqual(arrived.sort(), sent.sort());
        await client.endAsync();
    },

    async "a retained message waits, and is cleared"() {
        const client = await connect("a");
        await client.publishAsync("kept", "old", { qos: 1, retain: true });
        const message = next(client);
        await client.subscribeAsync("kept", { qos: 1 });
        assert.equal((await message).packet.retain, true);
        await client.publishAsync("kept", "", { qos: 1, retain: true });
        await client.unsubscribeAsync("kept");
        await client.endAsync();
    },

    async "the will of a client that breaks off is published"() {
        const watcher = await connect("watcher");
        await watcher.subscribeAsync("wills", { qos: 1 });
        const message = next(watcher);
        const will = { topic: "wills", payload: "gone", qos: 1, retain: false };
        const client = await connect("dying", { will });
        client.stream.destroy();
        assert.equal((await message).payload, "gone");
        await client.endAsync(true);
        await watcher.endAsync();
    },

    async "a session keeps what comes while its client is away"() {
        const kept = { clean: false, properties: { sessionExpiryInterval: 600 } };
        if (version !== 5) delete kept.properties;
        let client = await connect("sleeper", kept);
        await client.subscribeAsync("queue", { qos: 2 });
        await client.endAsync();
        const sender = await connect("sender");
        await sender.publishAsync("queue", "waits", { qos: 2 });
        await sender.endAsync();
        client = mqtt.connect(url, options("sleeper", kept));
        const message = next(client);
        const [connack] = await once(client, "connect");
        assert.equal(connack.sessionPresent, true);
        const { payload, packet } = await message;
        assert.deepEqual([payload, packet.qos], ["waits", 2]);
        await client.endAsync();
        // Who comes after it finds no session.
        await (await connect("sleeper")).endAsync();
    },
};

const checks5 = {
    async "properties go with a message"() {
        const client = await connect("a");
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

    async "topic aliases are used both ways"() {
        const client = await connect("a", {
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

const all = version === 5 ? { ...checks, ...checks5 } : checks;
for (const [name, check] of Object.entries(all)) {
    await check();
    console.log(`ok ${name}`);
}
clearTimeout(timer);
