// Recordings over HTTP: real storage, and a node that does everything except recording.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { Client } from "../support/client.mjs";
import { KEYS, startEdge } from "../support/edge.mjs";
import { MediaNode } from "../support/node.mjs";
import { Recorder } from "../support/recorder.mjs";
import { checkRefused } from "../support/refused.mjs";
import { SECRET_ACCESS_KEY, Storage } from "../../browser/storage.mjs";
import { joinToken } from "../support/token.mjs";

const MAY_RECORD = { grants: { record: true } };

let storage;
let edge;
let node;
let recorder;
before(async () => {
  storage = await Storage.start();
  edge = await startEdge({ vars: storage.workerVars });
  node = await MediaNode.start(edge);
  recorder = new Recorder(edge, node, storage);
});
after(async () => {
  await edge.stop();
  await storage.kill();
});

const path = (room, rest = "") => `/v1/rooms/${room}/recordings${rest}`;

/** Calls the API with a join token in place of a key. */
function asParticipant(on, token, method, where) {
  return on.api(method, where, { key: null, headers: { authorization: `Bearer ${token}` } });
}

// Holds S0-REC-03, S0-SIG-07, S4-REC-01.
test("a recording is started, shown, stopped, played and deleted over HTTP, with sleeps in between", async () => {
  const room = "flow";
  checkRefused(await edge.api("POST", path(room)), 404, "unknown_room");
  assert.equal((await edge.api("POST", "/v1/rooms", { body: { name: room } })).status, 201);
  checkRefused(await edge.api("POST", path(room)), 409, "room_empty");
  const ada = await recorder.meet(room);
  assert.deepEqual((await edge.api("GET", path(room))).body, { recordings: [] });

  await edge.hibernate(room);
  const started = await edge.api("POST", path(room));
  assert.equal(started.status, 201);
  const { id, started_at, urls_expire_at, ...rest } = started.body;
  assert.ok(Math.abs(started_at - Date.now()) < 60_000);
  assert.ok(Math.abs(urls_expire_at - Date.now() - 3_600_000) < 60_000);
  const empty = { ended_at: null, code: null, duration_ms: null, bytes: 0, files: [], manifest_url: null };
  assert.deepEqual(rest, { state: "starting", started_by: null, ...empty });
  const told = await ada.find(({ type }) => type === "recording_updated", "everybody is told");
  assert.deepEqual([told.recording.id, told.recording.started_by], [id, null]);
  const order = await recorder.begin(room);
  assert.equal(order.recording, id);
  await ada.find(({ recording }) => recording?.state === "recording", "it runs");
  const again = await edge.api("POST", path(room));
  assert.deepEqual([again.status, again.body.id, again.body.state], [200, id, "recording"], "one that runs is left as it is");

  await edge.hibernate(room);
  const stopped = await edge.api("POST", path(room, `/${id}/stop`));
  assert.deepEqual([stopped.status, stopped.body.state], [200, "finishing"]);
  assert.ok(stopped.body.ended_at >= started_at);
  await ada.find(({ recording }) => recording?.state === "finishing", "everybody is told");
  await recorder.finish(order);
  await edge.hibernate(room);
  const shown = await edge.api("GET", path(room, `/${id}`));
  assert.equal(shown.headers.get("cache-control"), "no-store", "the URLs are keys");
  const { state, duration_ms, bytes, files, manifest_url } = shown.body;
  assert.deepEqual([state, duration_ms, bytes], ["ready", 2500, 20]);
  const [camera, screen] = files.map(({ url: _, ...file }) => file);
  assert.deepEqual(camera, { participant: "ada", name: "Ada", is_screen: false, starts_ms: 120, duration_ms: 1000, bytes: 10 });
  assert.deepEqual(screen, { participant: "ada", name: "Ada", is_screen: true, starts_ms: 500, duration_ms: 2000, bytes: 10 });
  const contents = await Promise.all([...files.map(({ url }) => url), manifest_url].map(async (url) => (await fetch(url)).text()));
  assert.deepEqual(contents, ["the camera", "the screen", "{}"]);
  assert.equal((await fetch(files[0].url.replace("ada-camera", "ada-screen"))).status, 403, "a URL opens one object only");

  // It outlives the room.
  assert.equal((await edge.api("DELETE", `/v1/rooms/${room}`)).status, 204);
  const [listed] = (await edge.api("GET", path(room))).body.recordings;
  assert.deepEqual([listed.id, listed.state, listed.files.length], [id, "ready", 2]);
  assert.equal((await edge.api("DELETE", path(room, `/${id}`))).status, 204);
  assert.deepEqual(storage.keys(`recordings/${room}/`), []);
  checkRefused(await edge.api("DELETE", path(room, `/${id}`)), 404, "unknown_room");
  checkRefused(await edge.api("GET", path(room)), 404, "unknown_room");
});

test("a join token with the grant lists and deletes recordings, others do not", async () => {
  const room = "granted";
  await recorder.meet(room);
  const { recording: id } = await recorder.record(room);
  const token = joinToken(room, "eve", MAY_RECORD);
  const listed = await asParticipant(edge, token, "GET", path(room));
  const server = await edge.api("GET", path(room));
  const unsigned = ({ body }) => JSON.stringify(body).replaceAll(/X-Amz-[^"]*|"urls_expire_at":\d+/g, "");
  assert.equal(unsigned(listed), unsigned(server), "one way to show it");
  assert.equal((await asParticipant(edge, token, "GET", path(room, `/${id}`))).body.id, id);

  const expired = { ...MAY_RECORD, iat: 1_700_000_000, exp: 1_700_000_600 };
  for (const [method, rest] of [["GET", ""], ["GET", `/${id}`], ["DELETE", `/${id}`]]) {
    const refusal = (token) => asParticipant(edge, token, method, path(room, rest));
    checkRefused(await refusal(joinToken(room, "eve")), 403, "forbidden");
    checkRefused(await refusal(joinToken("flow", "eve", MAY_RECORD)), 403, "wrong_room");
    checkRefused(await refusal(joinToken(room, "eve", expired)), 401, "token_expired");
    const forged = await refusal(joinToken(room, "eve", MAY_RECORD, { ...KEYS.token, secret: KEYS.node.secret }));
    checkRefused(forged, 401, "bad_token");
    assert.match(forged.headers.get("www-authenticate"), /^Bearer realm="rotunda"/);
    checkRefused(await refusal(""), 401, "bad_api_key");
    for (const key of [null, { ...KEYS.api, secret: KEYS.apiOld.secret }, KEYS.token]) {
      checkRefused(await edge.api(method, path(room, rest), { key }), 401, "bad_api_key");
    }
  }
  // Participants use signaling for this.
  checkRefused(await asParticipant(edge, token, "POST", path(room)), 401, "bad_api_key");
  checkRefused(await asParticipant(edge, token, "POST", path(room, `/${id}/stop`)), 401, "bad_api_key");
  checkRefused(await asParticipant(edge, token, "GET", `/v1/rooms/${room}`), 401, "bad_api_key");

  assert.equal((await asParticipant(edge, token, "DELETE", path(room, `/${id}`))).status, 204);
  checkRefused(await asParticipant(edge, token, "DELETE", path(room, `/${id}`)), 404, "unknown_recording");
});

test("a ban and a revoked grant void a token for recordings, in the call, after it and asleep", async () => {
  const room = "voided";
  await recorder.meet(room);
  const { recording } = await recorder.record(room);
  const tokens = Object.fromEntries(["eve", "bob"].map((name) => [name, joinToken(room, name, MAY_RECORD)]));
  const eve = await Client.join(edge, room, "eve", { token: tokens.eve });
  const check = async (name, ...expected) => {
    for (const [method, rest] of [["GET", ""], ["GET", `/${recording}`], ["DELETE", `/${recording}`]]) {
      checkRefused(await asParticipant(edge, tokens[name], method, path(room, rest)), ...expected);
    }
  };
  assert.equal((await asParticipant(edge, tokens.eve, "GET", path(room))).status, 200);
  const grants = { publish: true, subscribe: true, chat: true, moderate: false, record: false };
  assert.equal((await edge.api("PATCH", `/v1/rooms/${room}/participants/eve`, { body: { grants } })).status, 200);
  assert.equal((await edge.api("PUT", `/v1/rooms/${room}/bans/bob`, { body: {} })).status, 204);
  await check("eve", 403, "forbidden");
  await check("bob", 403, "banned");
  await eve.request({ type: "leave" });
  await edge.hibernate(room);
  await check("eve", 403, "forbidden");
  await check("bob", 403, "banned");
  assert.equal((await asParticipant(edge, joinToken(room, "ada", MAY_RECORD), "DELETE", path(room, `/${recording}`))).status, 204);
});

test("a guest lists, sees and deletes only the recordings that they started", async () => {
  const room = "guests";
  const host = await recorder.meet(room, "guest-host");
  assert.equal((await host.request({ type: "start_recording" })).type, "done");
  const order = await recorder.begin(room);
  assert.equal((await host.request({ type: "stop_recording" })).type, "done");
  await recorder.finish(order);
  const [{ id }] = (await edge.api("GET", path(room))).body.recordings;
  const as = (guest, method, rest = "") => asParticipant(edge, joinToken(room, guest, { ...MAY_RECORD, guest: { made: 1 } }), method, path(room, rest));
  // Another guest owns the room's name now, or did before; the room's existence makes no difference.
  for (const isOver of [false, true]) {
    if (isOver) assert.equal((await edge.api("DELETE", `/v1/rooms/${room}`)).status, 204);
    assert.deepEqual((await as("guest-eve", "GET")).body.recordings, []);
    checkRefused(await as("guest-eve", "GET", `/${id}`), 404, "unknown_recording");
    checkRefused(await as("guest-eve", "DELETE", `/${id}`), 404, "unknown_recording");
    assert.deepEqual((await as("guest-host", "GET")).body.recordings.map((one) => one.id), [id]);
    assert.equal((await as("guest-host", "GET", `/${id}`)).body.state, "ready");
  }
  assert.equal((await as("guest-host", "DELETE", `/${id}`)).status, 204);
});

test("who started it over signaling is named, and the server can stop it", async () => {
  const room = "signaled";
  const ada = await recorder.meet(room);
  assert.equal((await ada.request({ type: "start_recording" })).type, "done");
  const order = await recorder.begin(room);
  const [running] = (await edge.api("GET", path(room))).body.recordings;
  assert.equal(running.started_by, "ada");
  assert.equal((await edge.api("POST", path(room, `/${running.id}/stop`))).body.state, "finishing");
  await recorder.finish(order);
  const over = await edge.api("POST", path(room, `/${running.id}/stop`));
  assert.deepEqual([over.status, over.body.state], [200, "ready"], "one that has ended is left as it is");
});

test("what runs or is being finished is not deleted", async () => {
  const room = "running";
  await recorder.meet(room);
  const { id } = (await edge.api("POST", path(room))).body;
  checkRefused(await edge.api("DELETE", path(room, `/${id}`)), 409, "recording_not_over");
  const order = await recorder.begin(room);
  const parts = storage.keys(order.key_prefix);
  checkRefused(await edge.api("DELETE", path(room, `/${id}`)), 409, "recording_not_over");
  await edge.api("POST", path(room, `/${id}/stop`));
  checkRefused(await edge.api("DELETE", path(room, `/${id}`)), 409, "recording_not_over");
  assert.deepEqual(storage.keys(order.key_prefix), parts, "nothing is touched");
  await recorder.finish(order);
  assert.equal((await edge.api("DELETE", path(room, `/${id}`))).status, 204);
});

test("pages show every recording once, the newest first", async () => {
  const room = "paged";
  await recorder.meet(room);
  const made = [];
  for (let number = 0; number < 5; number++) made.unshift((await recorder.record(room)).recording);
  for (const limit of [1, 2, 5]) {
    const seen = [];
    for (let cursor = ""; cursor !== undefined; ) {
      const { status, body } = await edge.api("GET", path(room, `?limit=${limit}${cursor && `&cursor=${cursor}`}`));
      assert.equal(status, 200);
      assert.ok(body.recordings.length <= limit);
      seen.push(...body.recordings.map(({ id }) => id));
      cursor = body.next;
    }
    assert.deepEqual(seen, made);
  }
  checkRefused(await edge.api("GET", path(room, "?limit=51")), 400, "invalid_request");
  checkRefused(await edge.api("GET", path(room, "?cursor=0.flow-1")), 400, "invalid_request");
});

test("parts that nobody made files of are deleted too, and so is what a lost node brings later", async () => {
  const [room, mate] = ["lost", "lost-and-more"];
  const ada = await recorder.meet(room);
  const { id } = (await edge.api("POST", path(room))).body;
  const order = await recorder.begin(room, 2_500);
  const link = await node.serving(room);
  link.send({ type: "recording_state", recording: id, state: "failed", code: "recording_failed" });
  await ada.find(({ recording }) => recording?.state === "failed", "everybody is told");
  // Other recordings with similar keys keep their objects.
  const foreign = [`recordings/${mate}/${id}/manifest.json`, order.key_prefix.slice(0, -1) + "x/ada.webm"];
  for (const key of foreign) storage.put(key, "not ours");
  assert.equal((await edge.api("GET", path(room, `/${id}`))).body.state, "failed");
  const deleted = await edge.api("DELETE", path(room, `/${id}`));
  assert.equal(deleted.status, 204, JSON.stringify(deleted.body));
  assert.deepEqual(storage.keys(order.key_prefix), []);
  for (const key of foreign) assert.deepEqual(storage.keys(key), [key]);

  // Its node is alive after all, and stores the rest. It is told to leave, and all of it is deleted.
  await edge.hibernate(room);
  storage.put(`${order.key_prefix}segments/${order.epoch}/parts/t1/009999-1.webm`, "late");
  assert.deepEqual(await recorder.seal(order), { status: 200, body: { type: "leave" } });
  assert.deepEqual(storage.keys(order.key_prefix), []);
  assert.deepEqual((await recorder.deliver(order)).body, { type: "leave" });
  assert.deepEqual(storage.keys(order.key_prefix), []);
  checkRefused(await edge.api("GET", path(room, `/${id}`)), 404, "unknown_recording");
  assert.deepEqual((await edge.api("GET", path(room))).body, { recordings: [] });
});

test("while the storage is away nothing is forgotten, and the same request goes on later", async () => {
  const room = "away";
  await recorder.meet(room);
  const order = await recorder.record(room);
  const where = path(room, `/${order.recording}`);
  await storage.kill();
  try {
    checkRefused(await edge.api("DELETE", where), 503, "storage_unavailable");
    assert.equal((await edge.api("GET", where)).status, 200);
  } finally {
    await storage.again();
  }
  assert.equal((await edge.api("DELETE", where)).status, 204);
  assert.deepEqual(storage.keys(order.key_prefix), []);
  checkRefused(await edge.api("GET", where), 404, "unknown_recording");
});

test("a storage that overlooks the prefix, refuses, or never ends costs nobody anything", async () => {
  const requests = [];
  let answer;
  const strange = createServer((request, response) => {
    requests.push(request.method);
    const [status, body] = answer(request);
    request.resume().on("end", () => response.writeHead(status, { connection: "close" }).end(body));
  });
  await once(strange.listen(0, "127.0.0.1"), "listening");
  const endpoint = `http://127.0.0.1:${strange.address().port}`;
  const other = await startEdge({ vars: { ...storage.workerVars, RECORDING_ENDPOINT: endpoint } });
  try {
    const there = new Recorder(other, await MediaNode.start(other), storage);
    await there.meet("strange");
    const { recording, key_prefix } = await there.record("strange");
    const list = (key) => `<ListBucketResult><Contents><Key>${key}</Key></Contents></ListBucketResult>`;
    const refuse = async (say) => {
      requests.length = 0;
      answer = say;
      checkRefused(await other.api("DELETE", path("strange", `/${recording}`)), 503, "storage_unavailable");
      return requests.filter((method) => method === "POST").length;
    };
    assert.equal(await refuse(() => [200, list("somebody/else.txt")]), 0, "nothing of others is deleted");
    assert.equal(await refuse(() => [403, "<Error><Code>AccessDenied</Code></Error>"]), 0);
    assert.equal(await refuse(() => [200, "<html/>"]), 0, "what is no list is not taken for an empty one");
    const kept = "<DeleteResult><Error><Key>a</Key><Code>AccessDenied</Code></Error></DeleteResult>";
    assert.equal(await refuse(({ method }) => [200, method === "GET" ? list(`${key_prefix}a`) : kept]), 1);
    const gone = "<DeleteResult></DeleteResult>";
    assert.equal(await refuse(({ method }) => [200, method === "GET" ? list(`${key_prefix}a`) : gone]), 20, "it ends");
    assert.ok(requests.length < 50, "the platform allows 50");
    assert.equal((await other.api("GET", path("strange"))).body.recordings.length, 1, "it is still known");
  } finally {
    await other.stop();
    strange.close();
  }
});

test("statuses say what is wrong", async () => {
  const room = "wrong";
  await recorder.meet(room);
  for (const [method, rest] of [["GET", ""], ["POST", "/stop"], ["DELETE", ""]]) {
    checkRefused(await edge.api(method, path(room, `/nosuchrecording${rest}`)), 404, "unknown_recording");
    checkRefused(await edge.api(method, path("nosuchroom", `/nosuchrecording${rest}`)), 404, "unknown_room");
    checkRefused(await edge.api(method, path(room, `/no-id${rest}`)), 404, "not_found");
    checkRefused(await edge.api(method, path("no%20room", `/nosuchrecording${rest}`)), 404, "not_found");
    checkRefused(await edge.api(method, path(room, `/nosuchrecording${rest}?x=1`)), 400, "invalid_request");
  }
  // A recording belongs to its room only.
  await recorder.meet("foreign");
  const { recording } = await recorder.record("foreign");
  checkRefused(await edge.api("GET", path(room, `/${recording}`)), 404, "unknown_recording");
  checkRefused(await edge.api("DELETE", path(room, `/${recording}`)), 404, "unknown_recording");
  const other = await edge.api("PUT", path(room));
  checkRefused(other, 405, "method_not_allowed");
  assert.equal(other.headers.get("allow"), "GET, POST");
  assert.equal((await edge.api("PUT", path(room, `/${recording}`))).headers.get("allow"), "GET, DELETE");
});

test("where there is no storage, that is said", async () => {
  const bare = await startEdge();
  try {
    for (const [method, rest] of [["GET", ""], ["POST", ""], ["GET", "/r1"], ["POST", "/r1/stop"], ["DELETE", "/r1"]]) {
      checkRefused(await bare.api(method, path("any", rest)), 503, "recording_unavailable");
    }
  } finally {
    await bare.stop();
  }
});

test("requests with a join token are counted for their participant, and guesses for their address", async () => {
  const limited = await startEdge({ rateLimits: { API_RATE: 5 }, vars: storage.workerVars });
  try {
    const burst = async (token) => {
      const results = [];
      for (let index = 0; index < 11; index++) results.push(await asParticipant(limited, token, "GET", path("none")));
      return results.find(({ status }) => status === 429);
    };
    const refused = await burst(joinToken("none", "eve", MAY_RECORD));
    checkRefused(refused, 429, "rate_limited");
    assert.equal(refused.headers.get("retry-after"), "10");
    checkRefused(await asParticipant(limited, joinToken("none", "ada", MAY_RECORD), "GET", path("none")), 404, "unknown_room");
    checkRefused(await burst("guess"), 429, "rate_limited");
  } finally {
    await limited.stop();
  }
});

test("neither signed URLs nor the storage's secret reach the log", async () => {
  assert.ok(edge.lines.some((line) => line.includes("recording_not_deleted")), "the log is the one of the tests above");
  for (const secret of ["X-Amz-Signature", SECRET_ACCESS_KEY]) assert.ok(!edge.lines.some((line) => line.includes(secret)));
});
