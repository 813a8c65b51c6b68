// Failing storage and unreadable rows: only the affected item is lost, never the rest.
import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";
import { test } from "node:test";
import { Storage } from "../../browser/storage.mjs";
import { Client } from "../support/client.mjs";
import { MediaNode } from "../support/node.mjs";
import { Recorder } from "../support/recorder.mjs";
import { eachStored, keysOf, stored, withStoredEdge } from "../support/stored.mjs";

const OTHER_VERSION = JSON.stringify({ version: 2, row: {} });

/** `after` writes succeed, then `failures` fail; `outcome` says whether they are `done` nevertheless. */
async function failWrites(edge, failures, { after = 0, outcome = "undone" } = {}) {
  const path = `/v1/dev/fail-writes/${after}/${failures}/${outcome}`;
  assert.equal((await fetch(edge.http + path, { method: "POST" })).status, 200);
}

test("one participant whose row cannot be read joins anew; the others resume, and recordings wait for a version that can read them", async () => {
  await withStoredEdge({}, async (edge, folder) => {
    const node = await MediaNode.start(edge);
    const ada = await Client.join(edge, "spoilt", "ada");
    const bob = await Client.join(edge, "spoilt", "bob");
    const link = await node.serving("spoilt");
    for (const { session } of [ada.session, bob.session]) link.connected(session);
    await ada.settle();
    const { ticket, epoch } = node.assignments.at(-1);
    await edge.kill();
    stored(folder, "spoilt", (database) => {
      database.prepare("UPDATE core SET value = ? WHERE key = 'member/bob'").run(OTHER_VERSION);
      database.prepare("INSERT INTO core (key, value) VALUES ('recording/aaaabbbbccccdddd', ?)").run(OTHER_VERSION);
    });
    await edge.again();
    const again = await MediaNode.start(edge);
    await again.dial({ room: "spoilt", ticket, epoch }, [ada.session.session, bob.session.session]).then((link) => link.next("welcome"));

    const adaAgain = await Client.connect(edge, "spoilt", "ada");
    const resumed = await adaAgain.resume(ada.session);
    assert.equal(resumed.type, "resumed", JSON.stringify(resumed));
    assert.deepEqual(resumed.roster.map(({ id }) => id), ["ada"]);
    const bobAgain = await Client.connect(edge, "spoilt", "bob");
    assert.equal((await bobAgain.resume(bob.session)).code, "session_expired");
    assert.equal((await bobAgain.join()).type, "joined");

    const unreadable = await edge.logged("row_unreadable", 2);
    const outcomes = Object.fromEntries(unreadable.map(({ row, outcome }) => [row, outcome]));
    assert.deepEqual(outcomes, { "member/bob": "deleted", "recording/aaaabbbbccccdddd": "kept" });
    await edge.kill();
    assert.ok(keysOf(folder, "spoilt").includes("recording/aaaabbbbccccdddd"));
  });
});

test("a node whose row cannot be read registers again; the others keep theirs", async () => {
  await withStoredEdge({}, async (edge, folder) => {
    await MediaNode.start(edge, { id: "good" });
    await MediaNode.start(edge, { id: "bad", port: 7001 });
    await edge.kill();
    eachStored(folder, "FleetObject", (database) => {
      database.prepare("UPDATE core SET value = ? WHERE key = 'node/bad'").run(OTHER_VERSION);
    });
    await edge.again();
    await MediaNode.start(edge, { id: "bad", port: 7001 });
    const [{ row, outcome }] = await edge.logged("row_unreadable");
    assert.deepEqual([row, outcome], ["node/bad", "deleted"]);
    assert.equal((await Client.join(edge, "placed", "ada")).joined.type, "joined");
  });
});

test("an alarm that fails is tried again by the platform", async () => {
  await withStoredEdge({}, async (edge, folder) => {
    const body = { name: "forgetful", empty_timeout_ms: 1_000 };
    assert.equal((await edge.api("POST", "/v1/rooms", { body })).status, 201);
    await failWrites(edge, 1);
    await edge.logged("room_failed");
    // Nobody asks about the room, so only another alarm can complete its end.
    await setTimeout(5_000);
    await edge.kill();
    const left = [];
    eachStored(folder, "RoomObject", (database, { room }) => left.push(room));
    assert.deepEqual(left, []);
  });
});

test("a report on a recording that could not be stored is not taken for stored", async () => {
  const storage = await Storage.start();
  try {
    await withStoredEdge({ vars: storage.workerVars }, async (edge) => {
      const recorder = new Recorder(edge, await MediaNode.start(edge), storage);
      await recorder.meet("reported");
      const { body } = await edge.api("POST", "/v1/rooms/reported/recordings");
      const order = await recorder.begin("reported");
      assert.equal((await edge.api("POST", `/v1/rooms/reported/recordings/${body.id}/stop`)).status, 200);
      assert.equal((await recorder.seal(order)).body.type, "finish");
      await failWrites(edge, 1);
      const failed = await recorder.deliver(order);
      assert.deepEqual([failed.status, failed.body.code], [500, "internal"]);
      assert.deepEqual((await recorder.deliver(order)).body, { type: "done", is_complete: true });
      await edge.hibernate("reported");
      const { state, files } = (await edge.api("GET", `/v1/rooms/reported/recordings/${body.id}`)).body;
      assert.deepEqual([state, files.length], ["ready", 2]);
    });
  } finally {
    await storage.kill();
  }
});

test("a room that cannot answer hides no other one from the list", async () => {
  await withStoredEdge({}, async (edge, folder) => {
    for (const name of ["well", "broken"]) assert.equal((await edge.api("POST", "/v1/rooms", { body: { name } })).status, 201);
    await edge.kill();
    stored(folder, "broken", (database) => database.exec("UPDATE identity SET value = 'no JSON'"));
    await edge.again();
    const { status, body } = await edge.api("GET", "/v1/rooms");
    assert.equal(status, 200, JSON.stringify(body));
    assert.deepEqual(body.rooms.map(({ name }) => name), ["well"]);
    const [{ room }] = await edge.logged("room_not_listed");
    assert.equal(room, "broken");
  });
});

test("a name behind which there is no room is taken out of the list", async () => {
  await withStoredEdge({}, async (edge, folder) => {
    for (const name of ["well", "lost"]) assert.equal((await edge.api("POST", "/v1/rooms", { body: { name } })).status, 201);
    await edge.kill();
    stored(folder, "lost", (database) => database.exec("DELETE FROM core; DELETE FROM identity"));
    await edge.again();
    for (let time = 0; time < 2; time++) {
      assert.deepEqual((await edge.api("GET", "/v1/rooms")).body.rooms.map(({ name }) => name), ["well"]);
    }
    await setTimeout(500);
    assert.equal((await edge.logged("stale_listing")).length, 1, "the second list did not find it");
  });
});

test("a directory that cannot be told of a room's end is not asked again at once", async () => {
  await withStoredEdge({}, async (edge) => {
    assert.equal((await edge.api("POST", "/v1/rooms", { body: { name: "over", empty_timeout_ms: 1_000 } })).status, 201);
    await failWrites(edge, 1_000, { after: 1 });
    await edge.logged("directory_unreachable");
    await setTimeout(2_000);
    assert.equal((await edge.logged("directory_unreachable")).length, 1);
  });
});

/**
 * Ends a room while the directory is unreachable or fails to confirm; then runs `between`; then creates the room again.
 */
async function listedAgain(outcome, between) {
  const listed = [];
  await withStoredEdge({}, async (edge) => {
    const names = async () => (await edge.api("GET", "/v1/rooms")).body.rooms.map(({ name }) => name);
    const make = () => edge.api("POST", "/v1/rooms", { body: { name: "again", empty_timeout_ms: 1_000 } });
    assert.equal((await make()).status, 201);
    assert.deepEqual(await names(), ["again"]);
    // The room's own write succeeds, the directory's fails.
    await failWrites(edge, 1, { after: 1, outcome });
    await edge.logged("directory_unreachable");
    await between(names);
    assert.equal((await make()).status, 201);
    listed.push(...(await names()));
  });
  return listed;
}

test("a room that is made again while a list takes it out is listed", async () => {
  assert.deepEqual(await listedAgain("undone", async (names) => assert.deepEqual(await names(), [])), ["again"]);
});

test("a room that is made again is listed, although the directory lost the answer to its end", async () => {
  assert.deepEqual(await listedAgain("done", async () => {}), ["again"]);
});

test("a line of workerd's own hides no event of the Worker", async () => {
  await withStoredEdge({}, async (edge) => {
    edge.lines.push("workerd/io/worker.c++:1: info: disconnected: WebSocket peer disconnected", "*** Received signal ***");
    await Client.connect(edge, "heard", "ada");
    const [{ room }] = await edge.logged("client_connected");
    assert.equal(room, "heard");
  });
});
