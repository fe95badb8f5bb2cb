// mqtt.js against a broker: messages of each quality of service, to itself.
//
// echo_mqttjs.js LIBRARY URL VERSION (4 or 5) [CA]

const fs = require("fs");

const [library, url, version, ca] = process.argv.slice(2);
const mqtt = require(library);
const client = mqtt.connect(url, {
  clientId: "mqttjs",
  protocolVersion: Number(version),
  reconnectPeriod: 0,
  ca: ca && fs.readFileSync(ca),
});
const expected = [0, 1, 2].flatMap((qos) => [...Array(20).keys()].map((n) => `${qos} ${n}`));
const arrived = [];

function fail(why) {
  console.error(why);
  process.exit(1);
}

setTimeout(() => fail(`${arrived.length} of ${expected.length} messages`), 20000);
client.on("error", fail);
client.on("close", () => fail("the connection is closed"));
client.on("connect", () => {
  client.subscribe("mqttjs/+", { qos: 2 }, (error) => {
    if (error) fail(error);
    for (const message of expected) {
      const [qos, number] = message.split(" ");
      client.publish(`mqttjs/${qos}`, number, { qos: Number(qos) });
    }
  });
});
client.on("message", (_topic, payload, packet) => {
  arrived.push(`${packet.qos} ${payload}`);
  if (arrived.length < expected.length) return;
  if (arrived.sort().join() !== expected.sort().join()) fail(arrived);
  client.removeAllListeners("close");
  // The acknowledgement of the last one goes first.
  setTimeout(() => client.end(false, () => process.exit(0)), 100);
});
