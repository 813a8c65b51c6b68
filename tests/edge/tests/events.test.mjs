// Signaling without WebSocket: the same room, the same frames, the same limits.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Client } from "../support/client.mjs";
import { startEdge } from "../support/edge.mjs";
import { EventConnection } from "../support/events.mjs";
import { MediaNode } from "../support/node.mjs";
import { play } from "../support/script.mjs";
import { joinToken } from "../support/token.mjs";

let edge;
before(async () => {
  edge = await startEdge();
});
after(() => edge.stop());

const url = (room) => `${edge.http}/v1/rooms/${room}/events`;

// Holds S2-SIG-03.
test("everybody is told the same as on a WebSocket, asleep after every step or never", async () => {
  const sockets = await play(edge, "on-sockets");
  const events = await play(edge, "on-events", { over: "events" });
  const asleep = await play(edge, "on-events-asleep", {
    over: "events",
    between: async (_step, { ada, room }) => {
      if (ada) await edge.hibernate(room);
    },
  });
  for (const [index, step] of sockets.entries()) {
    assert.deepEqual(events[index], step, step.step);
    assert.deepEqual(asleep[index], step, step.step);
  }
});

test("a session moves from a WebSocket to events and back, with its secret", async () => {
  const node = await MediaNode.start(edge);
  const ada = await Client.join(edge, "moves", "ada");
  const { session } = ada.joined;
  ada.terminate();
  const again = await Client.connect(edge, "moves", "ada", { over: "events", secret: ada.session.resume_token });
  const resumed = await again.resume(ada.session);
  assert.equal(resumed.type, "resumed");
  again.terminate();
  const back = await Client.connect(edge, "moves", "ada", { secret: resumed.resume_token });
  assert.equal((await back.resume({ session, resume_token: resumed.resume_token })).type, "resumed");
  await back.close();
  node.die();
});

test("frames of one request arrive in their order, and a ping is answered", async () => {
  const node = await MediaNode.start(edge);
  const [ada, bob] = [await Client.join(edge, "order", "ada", { over: "events" }), await Client.join(edge, "order", "bob")];
  const texts = Array.from({ length: 8 }, (_, index) => `line ${index}`);
  const frames = texts.map((text, index) => JSON.stringify({ id: 100 + index, type: "chat", message: `m${index}`, text }));
  assert.equal((await ada.socket.post(["ping", ...frames].join("\n"))).status, 204);
  const heard = [];
  while (heard.length < texts.length) heard.push(...(await bob.next("chat")).messages.map(({ text }) => text));
  assert.deepEqual(heard, texts);
  await ada.find((frame) => frame === "pong", "the pong");
  await Promise.all([ada.close(), bob.close()]);
  node.die();
});

test("who comes without a right to is told so with a status", async () => {
  const refused = async (authorization, room = "refused") => {
    const { status, body } = await EventConnection.open(url(room), authorization);
    return [status, body.code];
  };
  assert.deepEqual(await refused("Bearer nonsense"), [401, "bad_token"]);
  assert.deepEqual(await refused(`Bearer ${joinToken("another", "ada")}`), [403, "wrong_room"]);
  assert.deepEqual(await refused(`Bearer ${joinToken("refused", "ada", { iat: 1, exp: 2 })}`), [401, "token_expired"]);
  assert.deepEqual(await refused("Resume nothing.x"), [410, "session_expired"]);
  assert.deepEqual(await refused(`Bearer ${joinToken("refused", "ada")}`, "no%20room"), [404, "not_found"]);
  const elsewhere = await EventConnection.open(url("refused"), `Bearer ${joinToken("refused", "ada")}`, { origin: "https://evil.example" });
  assert.deepEqual([elsewhere.status, elsewhere.body.code], [403, "forbidden"]);
});

test("a key is good for its connection alone, and as long as that is open", async () => {
  const node = await MediaNode.start(edge);
  const ada = await Client.join(edge, "keys", "ada", { over: "events" });
  const { key } = ada.socket;
  const leave = JSON.stringify({ id: 9, type: "leave" });
  const forged = key.replace(/^./, (letter) => (letter === "0" ? "1" : "0"));
  for (const wrong of [forged, key.split(".")[0], key.split(".").slice(0, 2).join("."), "", `${key}0`]) {
    assert.equal((await ada.socket.post(leave, "", wrong)).status, 401, wrong);
  }
  const elsewhere = await fetch(url("another"), { method: "POST", body: leave, headers: { authorization: `Connection ${key}`, connection: "close" } });
  assert.equal(elsewhere.status, 401);
  assert.equal((await ada.socket.post("x".repeat(600_000))).status, 413);
  // Without a Content-Length nothing says beforehand how large it is.
  const unannounced = new ReadableStream({
    start(controller) {
      for (let chunk = 0; chunk < 12; chunk++) controller.enqueue(new TextEncoder().encode("x".repeat(65_536)));
      controller.close();
    },
  });
  assert.equal((await ada.socket.post(unannounced)).status, 413);
  assert.equal((await ada.socket.post("ping\n".repeat(33))).status, 400);
  assert.equal((await ada.socket.post("", "?close=soon")).status, 400);
  assert.equal(ada.closed, null, "nothing of that was carried out");
  await ada.request({ type: "leave" });
  await ada.ended();
  assert.equal((await ada.socket.post("ping")).status, 404);
  node.die();
});

test("a client whose page is gone is gone after the time of a reload, one that is lost after that to resume", async () => {
  const node = await MediaNode.start(edge);
  const grace = await Client.join(edge, "gone", "grace");
  const [ada, bob] = [await Client.join(edge, "gone", "ada", { over: "events" }), await Client.join(edge, "gone", "bob", { over: "events" })];
  ada.socket.close(1001);
  bob.terminate();
  const left = (id) => grace.find((frame) => frame.type === "participant_left" && frame.participant === id, `${id} left`);
  const away = (frame) => frame.type === "participant_updated" && frame.participant.id === "bob" && frame.participant.connection === "reconnecting";
  await Promise.all([left("ada"), grace.find(away, "bob is away")]);
  // The goodbye of a page may arrive after the loss of its connection was noticed.
  assert.equal((await bob.socket.post("", "?close=1001")).status, 404);
  await left("bob");
  await grace.close();
  node.die();
});

test("one client sends at most ten requests a second, however many connections it has had", async () => {
  const node = await MediaNode.start(edge);
  const keys = [];
  for (let time = 0; time < 4; time += 1) {
    const ada = await Client.join(edge, "posts", "ada", { over: "events" });
    keys.push(ada.socket.key);
    await ada.request({ type: "leave" });
    await ada.ended();
  }
  const ada = await Client.join(edge, "posts", "ada", { over: "events" });
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  const posts = Array.from({ length: 80 }, (_, index) => ada.socket.post("ping", "", keys[index % keys.length]));
  const statuses = (await Promise.all(posts)).map(({ status }) => status);
  const [closed, refused] = [404, 429].map((wanted) => statuses.filter((status) => status === wanted).length);
  assert.equal(closed + refused, 80);
  assert.ok(closed <= 60 && refused >= 20, `${closed} reached the room, ${refused} did not`);
  const bob = await Client.join(edge, "posts", "bob", { over: "events" });
  assert.equal((await bob.socket.post("ping")).status, 204, "others are not counted with it");
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  assert.equal((await ada.socket.post("ping")).status, 204);
  await Promise.all([ada.close(), bob.close()]);
  node.die();
});

test("pings of one request are answered once", async () => {
  const node = await MediaNode.start(edge);
  const ada = await Client.join(edge, "pings", "ada", { over: "events" });
  assert.equal((await ada.socket.post("ping\n".repeat(32))).status, 204);
  await ada.find((frame) => frame === "pong", "the pong");
  await ada.settle();
  assert.equal(ada.frames.filter((frame) => frame === "pong").length, 1);
  await ada.close();
  node.die();
});
