// Aedes as a process: `node aedes.mjs CONFIG`. The tests write the configuration.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createServer as createHttpServer } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { createServer } from 'node:net'
import { createServer as createSecureServer } from 'node:tls'
import { pathToFileURL } from 'node:url'

const config = JSON.parse(readFileSync(process.argv[2]))
const require = createRequire(config.modules)
const load = name => import(pathToFileURL(require.resolve(name)))

const { Aedes } = await load('aedes')
const { default: WebSocket } = await load('ws')
const broker = await Aedes.createBroker()

broker.authorizePublish = (client, packet, done) => {
  const isForbidden = packet.topic.startsWith(config.forbidden)
  done(isForbidden ? new Error('not authorized') : null)
}
broker.authorizeSubscribe = (client, subscription, done) => {
  const isForbidden = subscription.topic.startsWith(config.forbidden)
  done(null, isForbidden ? null : subscription)
}

const identity = {
  ca: readFileSync(config.ca),
  cert: readFileSync(config.certificate),
  key: readFileSync(config.key)
}
const mutual = { ...identity, requestCert: true, rejectUnauthorized: true }
const localhost = '127.0.0.1'
createServer(broker.handle).listen(config.tcp, localhost)
createSecureServer(identity, broker.handle).listen(config.tls, localhost)
createSecureServer(mutual, broker.handle).listen(config.mutual, localhost)

const speakWebSocket = (server, port) => {
  const sockets = new WebSocket.WebSocketServer({ server, handleProtocols: () => 'mqtt' })
  sockets.on('connection', (socket, request) => {
    broker.handle(WebSocket.createWebSocketStream(socket), request)
  })
  server.listen(port, localhost)
}
speakWebSocket(createHttpServer(), config.websocket)
speakWebSocket(createHttpsServer(identity), config.secureWebsocket)
