// The edge's log: JSON lines that name rooms, participants and requests, and contain no secrets.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Client, OFFER } from "../support/client.mjs";
import { KEYS, startEdge } from "../support/edge.mjs";
import { MediaNode } from "../support/node.mjs";
import { joinToken } from "../support/token.mjs";

let edge;
before(async () => {
  edge = await startEdge();
});
after(() => edge.stop());

// Holds S-A7-15.
test("every line is JSON with ids only", async () => {
  const node = await MediaNode.start(edge);
  const token = joinToken("daily", "ada", { name: "Augusta Ada King" });
  const ada = await Client.join(edge, "daily", "ada", { token });
  const bob = await Client.join(edge, "daily", "bob");
  bob.send(`{"type":"secret-frame","offer":${JSON.stringify(OFFER)}}`);
  await bob.next("error");
  bob.terminate();
  const back = await Client.open(`${edge.ws}/v1/rooms/daily/socket`, ["rotunda.v1", `resume.${bob.session.resume_token}`]);
  assert.equal((await back.resume(bob.session)).type, "resumed");
  const forged = `${bob.session.resume_token.slice(0, -1)}~`;
  await (await Client.open(`${edge.ws}/v1/rooms/daily/socket`, ["rotunda.v1", `resume.${forged}`])).ended();
  const { body: once } = await edge.api("POST", "/v1/tokens", { body: { room: "daily", participant: "eve", single_use: true } });
  const stranger = await Client.connect(edge, "daily", "eve", { token: joinToken("weekly", "eve") });
  await stranger.ended();
  const link = await node.serving("daily");
  const { ice } = link.sessions.get(ada.joined.session);
  node.die();
  await Promise.all([ada.close(), back.close()]);
  // Log lines arrive asynchronously.
  await new Promise((resolve) => setTimeout(resolve, 500));

  const others = edge.lines.filter((line) => !line.startsWith("{"));
  for (const line of others) assert.match(line, /^(workerd|kj)\//, "neither JSON nor workerd's own");
  const lines = edge.records();
  const events = new Set(lines.map(({ event }) => event));
  for (const event of ["node_connected", "client_connected", "room_placed", "participant_joined", "client_refused", "socket_refused"]) {
    assert.ok(events.has(event), `${event} is not among ${[...events].join(" ")}`);
  }
  const joined = lines.find(({ event }) => event === "participant_joined");
  assert.deepEqual([joined.room, joined.participant, joined.session], ["daily", "ada", ada.joined.session]);
  for (const { event, request } of lines) {
    if (["node_connected", "client_connected", "socket_refused"].includes(event)) assert.match(request, /^[0-9a-f]{32}$/);
  }
  const secrets = {
    token,
    "signature of a token": token.split(".")[2],
    ticket: node.assignments[0].ticket,
    "resume token": ada.joined.resume_token,
    "resume token that was used": bob.session.resume_token,
    "resume token that is none": forged,
    "token of the API": once.token.split(".")[2],
    "API key": KEYS.api.secret,
    "key of join tokens": KEYS.token.secret,
    "ICE password": ice.node_pwd,
    "session description": "a=",
    "content of a frame": "secret-frame",
    address: "127.0.0.1",
    name: "Augusta",
  };
  for (const line of edge.lines) {
    for (const [what, secret] of Object.entries(secrets)) assert.ok(!line.includes(secret), `${what} in ${line}`);
  }
});
