// `kill -9` of workerd in the middle of a call: clients resume, and lose no announced state.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Client } from "../support/client.mjs";
import { MediaNode } from "../support/node.mjs";
import { withStoredEdge } from "../support/stored.mjs";

const ids = (roster) => roster.map(({ id }) => id).sort();

// Holds S3-ROOM-03, S3-DEP-10.
test("killed in the middle of a call, everybody comes back to the same room", () =>
  withStoredEdge({}, async (edge) => {
    const node = await MediaNode.start(edge);
    const ada = await Client.join(edge, "daily", "ada");
    const bob = await Client.join(edge, "daily", "bob");
    const link = await node.serving("daily");
    for (const { session } of [ada.session, bob.session]) link.connected(session);
    await ada.next((frame) => frame.participant?.id === "bob" && frame.participant.connection === "connected");
    assert.equal((await bob.request({ type: "set_muted", mid: "1", muted: true })).type, "done");
    assert.equal((await ada.request({ type: "chat", message: "m1", text: "before" })).type, "done");
    const { ticket, epoch } = node.assignments.at(-1);
    const forwards = [...link.forwards].filter(([, track]) => track).length;

    await edge.kill();
    await Promise.all([ada.ended(), bob.ended(), link.ended()]);
    await edge.again();

    // The node kept forwarding: it returns with its ticket and lists its connected sessions.
    const nodeAgain = await MediaNode.start(edge);
    const linkAgain = await nodeAgain.dial({ room: "daily", ticket, epoch }, [ada.session.session, bob.session.session]);
    const welcome = await linkAgain.next("welcome");
    assert.deepEqual(
      welcome.sessions.map(({ session }) => session).sort(),
      [ada.session.session, bob.session.session].sort(),
    );
    assert.equal(welcome.forwards.filter(({ track }) => track).length, forwards);

    const back = [];
    for (const { participant, session } of [ada, bob]) {
      const client = await Client.connect(edge, "daily", participant);
      const resumed = await client.resume(session);
      assert.equal(resumed.type, "resumed");
      assert.equal(resumed.transport_dead, false);
      assert.deepEqual(ids(resumed.roster), ["ada", "bob"]);
      assert.equal(resumed.roster.find(({ id }) => id === "bob").tracks[1].muted, true);
      back.push(client);
    }
    const [adaBack, bobBack] = back;
    await adaBack.next((frame) => frame.participant?.id === "bob" && frame.participant.connection === "connected");
    assert.equal((await bobBack.request({ type: "set_muted", mid: "1", muted: false })).type, "done");
    await adaBack.next((frame) => frame.type === "participant_updated" && !frame.participant.tracks[1].muted);
    const eve = await Client.join(edge, "daily", "eve");
    assert.deepEqual(ids(eve.joined.roster), ["ada", "bob", "eve"]);
    // Earlier messages reach later joiners, and repeating a message does not duplicate it.
    assert.equal((await adaBack.request({ type: "chat", message: "m1", text: "before" })).type, "done");
    assert.equal((await adaBack.request({ type: "chat", message: "m2", text: "after" })).type, "done");
    const read = [];
    while (read.length < 2) read.push(...(await eve.next("chat")).messages.map(({ number, text }) => `${number} ${text}`));
    assert.deepEqual(read, ["1 before", "2 after"]);
  }));

test("a participant that was answered joined is in, however soon afterwards the Worker dies", () =>
  withStoredEdge({}, async (edge) => {
    const node = await MediaNode.start(edge, { id: "n2" });
    for (let round = 0; round < 3; round += 1) {
      const ada = await Client.join(edge, `soon-${round}`, "ada");
      await edge.kill();
      await edge.again();
      const back = await Client.connect(edge, `soon-${round}`, "ada");
      assert.equal((await back.resume(ada.session)).type, "resumed");
      await MediaNode.start(edge, { id: `n3-${round}` });
    }
    node.die();
  }));
