// The HTTP API as used by an application's server, alongside real sockets.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { Client } from "../support/client.mjs";
import { NAMES, randomBits } from "../support/bits.mjs";
import { KEYS, list, startEdge } from "../support/edge.mjs";
import { MediaNode } from "../support/node.mjs";
import { checkRefused } from "../support/refused.mjs";

let edge;
before(async () => {
  edge = await startEdge();
  await MediaNode.start(edge);
});
after(() => edge.stop());

async function listRooms(limit) {
  const names = [];
  for (let cursor = ""; cursor !== undefined; ) {
    const { status, body } = await edge.api("GET", `/v1/rooms?limit=${limit}${cursor && `&cursor=${cursor}`}`);
    assert.equal(status, 200);
    assert.ok(body.rooms.length <= limit);
    names.push(...body.rooms.map(({ name }) => name));
    cursor = body.next;
  }
  return names;
}

/** A socket with a token issued by the API. */
async function join(room, participant, extra = {}) {
  const { status, body } = await edge.api("POST", "/v1/tokens", { body: { room, participant, ...extra } });
  assert.equal(status, 201);
  return Client.join(edge, room, participant, { token: body.token });
}

// Holds S0-SIG-02, S0-ROOM-04, S3-ROOM-02.
test("a room is made, joined with an issued token, changed, cleared and ended, with sleeps in between", async () => {
  const made = await edge.api("POST", "/v1/rooms", { body: { name: "flow", participants_max: 2, metadata: "weekly" } });
  assert.equal(made.status, 201);
  const { created_at, ...rest } = made.body;
  assert.ok(Math.abs(created_at - Date.now()) < 60_000);
  const room = { name: "flow", participants: 0, locked: false, metadata: "weekly", participants_max: 2, empty_timeout_ms: 300_000, state: "created", duration_ms_max: null, starts_at: null, started_at: null, ends_at: null,
    room_type: "instant", public: false, quality: null, duplicates: "replace", region: null, lobby: false, invited: [],
    features: { chat: true, screen_share: true, file_transfer: true, recording: true, whiteboard: true, reactions: true } };
  assert.deepEqual(rest, room);
  await edge.hibernate("flow");
  const again = await edge.api("POST", "/v1/rooms", { body: { name: "flow", participants_max: 9 } });
  assert.deepEqual([again.status, again.body], [200, made.body], "what there is stays as it is");

  const ada = await join("flow", "ada", { name: "Ada", grants: { moderate: true } });
  const bob = await join("flow", "bob@example.org");
  assert.equal(ada.joined.room.metadata, "weekly");
  await edge.hibernate("flow");
  const everybody = await edge.api("GET", "/v1/rooms/flow/participants");
  assert.deepEqual(everybody.body.participants.map(({ id }) => id), ["ada", "bob@example.org"]);
  assert.ok((await listRooms(2)).includes("flow"));
  const shown = await edge.api("GET", "/v1/rooms/flow");
  assert.deepEqual([shown.status, shown.body.participants], [200, 2]);

  const patch = { body: { name: "Bob", metadata: "guest", grants: { publish: true, subscribe: false } } };
  const bobPath = "/v1/rooms/flow/participants/bob%40example.org";
  const updated = await edge.api("PATCH", bobPath, patch);
  assert.deepEqual([updated.status, updated.body.name, updated.body.metadata], [200, "Bob", "guest"]);
  await ada.find((frame) => frame.type === "participant_updated" && frame.participant.name === "Bob", "bob's new name");
  const [microphone] = updated.body.tracks;
  assert.equal((await edge.api("POST", `${bobPath}/tracks/${microphone.id}/mute`)).status, 204);
  await bob.find((frame) => frame.type === "track_muted" && frame.mid === microphone.mid, "bob is told");

  await edge.hibernate("flow");
  assert.equal((await edge.api("DELETE", `${bobPath}?reason=spam%20again`)).status, 204);
  const removed = await bob.find((frame) => frame.type === "removed", "bob is told");
  assert.deepEqual([removed.code, removed.reason], ["kicked", "spam again"]);
  checkRefused(await edge.api("GET", bobPath), 404, "unknown_participant");
  assert.equal((await edge.api("PATCH", "/v1/rooms/flow", { body: { locked: true } })).body.locked, true);
  await ada.find(({ type, room }) => type === "room_updated" && room.locked, "the room is locked");
  const late = await Client.connect(edge, "flow", "eve");
  assert.equal((await late.join()).code, "room_locked");

  await edge.hibernate("flow");
  assert.equal((await edge.api("DELETE", "/v1/rooms/flow?reason=over")).status, 204);
  const closed = await ada.find((frame) => frame.type === "removed", "ada is told");
  assert.deepEqual([closed.code, closed.reason], ["room_closed", "over"]);
  checkRefused(await edge.api("GET", "/v1/rooms/flow"), 404, "unknown_room");
  checkRefused(await edge.api("DELETE", "/v1/rooms/flow"), 404, "unknown_room");
  assert.ok(!(await listRooms(100)).includes("flow"));
});

// Holds S3-ROOM-02.
test("a host ends the room for everybody over signaling", async () => {
  const [ada, bob] = [await join("hosted", "ada", { grants: { moderate: true } }), await join("hosted", "bob")];
  assert.equal(await bob.refusal({ type: "end_room" }), "forbidden");
  assert.equal((await ada.request({ type: "update_room", metadata: "m" })).type, "done");
  await bob.find(({ type, room }) => type === "room_updated" && room.metadata === "m", "news");
  assert.equal((await ada.request({ type: "end_room", reason: "over" })).type, "done");
  const ended = await bob.find((frame) => frame.type === "removed", "the end");
  assert.deepEqual([ended.code, ended.reason], ["room_closed", "over"]);
});

test("the list has every room once, in pages of any size, and outlives the directory's memory", async () => {
  const names = Array.from({ length: 12 }, (_, index) => `page-${index}`);
  for (const name of names) assert.equal((await edge.api("POST", "/v1/rooms", { body: { name } })).status, 201);
  await edge.hibernateDirectory();
  for (const limit of [1, 5, 100]) {
    const listed = await listRooms(limit);
    assert.deepEqual(listed.filter((name) => name.startsWith("page-")).sort(), [...names].sort());
  }
});

test("a room that was joined without having been made is listed, and gone when it is forgotten", async () => {
  const ada = await join("walk-in", "ada");
  assert.equal((await edge.api("GET", "/v1/rooms/walk-in")).body.empty_timeout_ms, 60_000);
  assert.ok((await listRooms(100)).includes("walk-in"));
  assert.equal((await edge.api("PATCH", "/v1/rooms/walk-in", { body: { empty_timeout_ms: 1000 } })).status, 200);
  await ada.request({ type: "leave" });
  // Nobody asks, so the alarm must do it.
  await setTimeout(1500);
  checkRefused(await edge.api("GET", "/v1/rooms/walk-in"), 404, "unknown_room");
  assert.ok(!(await listRooms(100)).includes("walk-in"));
});

// Holds S0-ROOM-04, S-A7-15.
test("a room without a name gets one of 128 random bits, and so does every request", async () => {
  const make = () => edge.api("POST", "/v1/rooms", { body: { empty_timeout_ms: 1_000 } });
  const { status, body } = await make();
  assert.equal(status, 201);
  assert.match(body.name, /^[0-9a-f]{32}$/);
  assert.equal((await edge.api("GET", `/v1/rooms/${body.name}`)).status, 200);
  const rooms = [];
  for (let number = 0; number < NAMES; number++) rooms.push((await make()).body.name);
  assert.equal(randomBits(rooms), 128);
  const requests = [];
  for (let number = 0; number < NAMES; number++) requests.push((await edge.api("GET", "/v1/nowhere")).body.request_id);
  assert.equal(randomBits(requests), 128);
});

test("no key, half a key or another scheme is refused", async () => {
  const wrong = [
    null,
    { ...KEYS.api, secret: "" },
    { ...KEYS.api, secret: KEYS.api.secret.slice(0, -1) },
    { ...KEYS.api, secret: KEYS.apiOld.secret },
    { ...KEYS.api, id: "k9" },
    KEYS.token,
  ];
  for (const key of wrong) {
    const refused = await edge.api("GET", "/v1/rooms", { key });
    checkRefused(refused, 401, "bad_api_key");
    assert.match(refused.headers.get("www-authenticate"), /^Basic realm="rotunda"/);
  }
  for (const authorization of ["Bearer x", "Basic", "Basic !!", "Basic " + "A".repeat(5000)]) {
    checkRefused(await edge.api("GET", "/v1/rooms", { key: null, headers: { authorization } }), 401, "bad_api_key");
  }
});

// Holds S3-DEP-03.
test("a key is rotated without a gap: both are good, then only the new one", async () => {
  for (const key of [KEYS.api, KEYS.apiOld]) assert.equal((await edge.api("GET", "/v1/rooms", { key })).status, 200);
  const rotated = await startEdge({ vars: { API_KEYS: list(KEYS.api) } });
  try {
    assert.equal((await rotated.api("GET", "/v1/rooms")).status, 200);
    checkRefused(await rotated.api("GET", "/v1/rooms", { key: KEYS.apiOld }), 401, "bad_api_key");
  } finally {
    await rotated.stop();
  }
});

// Holds S3-DEP-04.
test("each key has its own rate limit, and guessing keys is slowed down", async () => {
  const limited = await startEdge({ rateLimits: { API_RATE: 5 } });
  try {
    // The platform's windows are aligned to its clock, so one of them may end during these.
    const burst = async (key, headersOf = () => ({})) => {
      const results = [];
      for (let index = 0; index < 11; index++) results.push(await limited.api("GET", "/v1/rooms/none", { key, headers: headersOf(index) }));
      return results;
    };
    const refused = (await burst(KEYS.api)).filter(({ status }) => status === 429);
    assert.ok(refused.length >= 1, "nobody was refused");
    checkRefused(refused[0], 429, "rate_limited");
    assert.equal(refused[0].headers.get("retry-after"), "10");
    checkRefused(await limited.api("GET", "/v1/rooms/none", { key: KEYS.apiOld }), 404, "unknown_room");
    assert.ok((await burst(null)).some(({ status }) => status === 429), "guessing goes on for ever");
    const ofOneCustomer = (index) => ({ "cf-connecting-ip": `2001:db8::${index}:1` });
    assert.ok((await burst(null, ofOneCustomer)).some(({ status }) => status === 429), "each address of a customer is counted alone");
  } finally {
    await limited.stop();
  }
});

test("statuses say what is wrong", async () => {
  const tokens = "/v1/tokens";
  const good = { room: "daily", participant: "ada" };
  checkRefused(await edge.api("POST", tokens, { body: "{" }), 400, "invalid_request");
  checkRefused(await edge.api("POST", tokens, { body: { ...good, nmae: "Ada" } }), 400, "invalid_request");
  checkRefused(await edge.api("POST", tokens, { body: { ...good, lifetime_s: 86_401 } }), 400, "invalid_request");
  checkRefused(await edge.api("POST", tokens, { body: { ...good, room: "not a room" } }), 400, "invalid_request");
  checkRefused(await edge.api("POST", `${tokens}?x=1`, { body: good }), 400, "invalid_request");
  checkRefused(await edge.api("GET", "/v1/rooms?limit=0"), 400, "invalid_request");
  checkRefused(await edge.api("GET", "/v1/rooms?cursor=x"), 400, "invalid_request");
  checkRefused(await edge.api("GET", "/v1/rooms/not%20a%20room"), 404, "not_found");
  checkRefused(await edge.api("GET", "/v1/rooms/%ff"), 404, "not_found");
  checkRefused(await edge.api("GET", "/v1/rooms/none"), 404, "unknown_room");
  checkRefused(await edge.api("POST", tokens, { body: good, headers: { "content-type": "text/plain" } }), 415, "unsupported_media_type");
  checkRefused(await edge.api("POST", tokens, { body: { ...good, name: "x".repeat(70_000) } }), 413, "body_too_large");
  const other = await edge.api("PUT", "/v1/rooms/daily");
  checkRefused(other, 405, "method_not_allowed");
  assert.equal(other.headers.get("allow"), "GET, PATCH, DELETE");
});

test("a body that hides its length is bounded all the same", async () => {
  const chunk = new TextEncoder().encode(" ".repeat(32 * 1024));
  const body = new ReadableStream({
    start(controller) {
      for (let index = 0; index < 4; index++) controller.enqueue(chunk);
      controller.close();
    },
  });
  const authorization = `Basic ${btoa(`${KEYS.api.id}:${KEYS.api.secret}`)}`;
  const headers = { authorization, connection: "close", "content-type": "application/json" };
  const response = await fetch(`${edge.http}/v1/tokens`, { method: "POST", headers, body, duplex: "half" });
  assert.equal(response.status, 413);
});

// Holds S0-SIG-12.
test("pages of other origins can read the document and nothing else", async () => {
  const headers = { origin: "https://evil.example" };
  const document = await edge.api("GET", "/v1/openapi.json", { key: null, headers });
  assert.deepEqual([document.status, document.headers.get("access-control-allow-origin")], [200, "*"]);
  assert.deepEqual(document.body, JSON.parse(readFileSync(new URL("../../../docs/openapi.json", import.meta.url), "utf8")));
  const rooms = await edge.api("GET", "/v1/rooms", { headers });
  assert.equal(rooms.headers.get("access-control-allow-origin"), null);
  const preflight = await edge.api("OPTIONS", "/v1/rooms", { key: null, headers: { ...headers, "access-control-request-method": "GET" } });
  assert.deepEqual([preflight.status, preflight.headers.get("access-control-allow-origin")], [403, null]);
});

test("secrets of the API reach no log", async () => {
  await edge.api("GET", "/v1/rooms", { key: { ...KEYS.api, secret: "a-guess-that-nobody-may-read" } });
  const { body } = await edge.api("POST", "/v1/tokens", { body: { room: "daily", participant: "ada" } });
  for (const secret of [KEYS.api.secret, "a-guess-that-nobody-may-read", body.token]) {
    assert.ok(!edge.lines.some((line) => line.includes(secret)));
  }
});
