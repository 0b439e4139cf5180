// The handlers of the workloads for Socket.IO on Node. With BENCH_REDIS, the socket of a Redis, events to rooms go
// through the Redis streams adapter.
//
// Events: "m" is a message. Before it "join" names a room, whose members get the message then; "work" says what is
// done before the answer.
"use strict";

const { createServer } = require("node:http");
const { Server } = require("socket.io");

const WORK_MS = 2;

function burn() {
  const until = process.cpuUsage();
  for (;;) {
    const used = process.cpuUsage(until);
    if (used.user + used.system >= WORK_MS * 1000) {
      return;
    }
  }
}

async function adapter() {
  if (!process.env.BENCH_REDIS) {
    return {};
  }
  const { createClient } = require("redis");
  const { createAdapter } = require("@socket.io/redis-streams-adapter");
  const client = createClient({ socket: { path: process.env.BENCH_REDIS } });
  await client.connect();
  return { adapter: createAdapter(client, { onlyPlaintext: true }) };
}

async function main() {
  const server = createServer();
  const io = new Server(server, { transports: ["websocket"], serveClient: false, ...(await adapter()) });
  // As the performance guide of Socket.IO says: the request of the handshake is not needed any more.
  io.engine.on("connection", (socket) => {
    socket.request = null;
  });
  io.on("connection", (socket) => {
    let room = null;
    let work = null;
    const answer = (text) => socket.emit("m", text);
    socket.on("join", (name) => {
      room = name;
      socket.join(name);
      socket.emit("done");
    });
    socket.on("work", (what) => {
      work = what;
      socket.emit("done");
    });
    socket.on("m", (text) => {
      if (room !== null) {
        io.to(room).emit("m", text);
      } else if (work === "sleep") {
        setTimeout(answer, WORK_MS, text);
      } else {
        if (work === "burn") {
          burn();
        }
        answer(text);
      }
    });
  });
  server.listen({ host: "127.0.0.1", port: 0, backlog: 1024 }, () => {
    console.log(`listening address=http://127.0.0.1:${server.address().port}`);
  });
}

main();
