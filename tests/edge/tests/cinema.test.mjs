// The flow of the cinema rooms: the state for a newcomer, messages with one receiver, a shared screen.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { OFFER } from "../support/client.mjs";
import { startEdge } from "../support/edge.mjs";
import { BOTH, Flow, HOST, VIEWER, answer, asleep, candidates, offer } from "../support/flow.mjs";

let edge;
before(async () => {
  edge = await startEdge();
});
after(() => edge.stop());

const MICROPHONE = { mid: "0", source: "microphone" };

/** A host, a guest who shares a screen, and a viewer. */
async function screening(flow) {
  // `join-room` → `room-state` and `transport-created` for the newcomer, `user-joined` for the others.
  await flow.join("host", { grants: { ...HOST } });
  await flow.ask("host", { type: "update_room", metadata: "the film" }, { host: ["done"] });
  const state = await flow.join("guest", { tracks: [MICROPHONE] }, { host: ["joined guest"] });
  assert.deepEqual(state.roster.map(({ id }) => id), ["host", "guest"]);
  assert.equal(state.room.metadata, "the film");
  assert.match(state.answer, /a=candidate:.*\r\n/);
  const [{ participant: joined }] = flow.heard.get("host");
  assert.deepEqual(joined.tracks.map(({ source, muted }) => [source, muted]), [["microphone", false]]);
  await flow.join("viewer", { grants: VIEWER, tracks: [] }, { host: ["joined viewer"], guest: ["joined viewer"] });

  // `webrtc-offer {targetUserId}` → `webrtc-offer {fromUserId}`, and no broadcast to the room.
  await flow.tell("guest", "host", offer(BOTH), { host: ["offer from guest"] });
  assert.deepEqual([flow.heard.get("host")[0].from, flow.heard.get("host")[0].signal.sdp], ["guest", BOTH]);
  await flow.tell("host", "guest", answer(BOTH), { guest: ["answer from host"] });
  await flow.tell("host", "guest", candidates(), { guest: ["candidates from host"] });
  await flow.tell("guest", "host", candidates(), { host: ["candidates from guest"] });
  await flow.tell("viewer", "host", offer(BOTH), { viewer: ["error forbidden"] });

  // `start-screen-share`, `stop-screen-share`: another section of the same connection, for everybody.
  const share = (more) => ({ type: "negotiate", offer: OFFER, tracks: [MICROPHONE, ...more], reason: "sections" });
  await flow.ask("guest", share([{ mid: "1", source: "screen" }]), { guest: ["negotiated", "updated guest"], host: ["updated guest"], viewer: ["updated guest"] });
  assert.deepEqual(flow.heard.get("host")[0].participant.tracks.map(({ source }) => source), ["microphone", "screen"]);
  await flow.ask("guest", share([]), { guest: ["negotiated", "updated guest"], host: ["updated guest"], viewer: ["updated guest"] });

  // `disconnect`: the place is kept, and everybody is told.
  await flow.step("the guest's network is gone", async () => {
    flow.client("guest").terminate();
    flow.people.delete("guest");
    await flow.client("host").next("participant_updated");
  }, { host: ["updated guest"], viewer: ["updated guest"] });
  await flow.tell("host", "guest", candidates(), { host: ["error participant_away"] });

  // `leave-room`.
  await flow.ask("viewer", { type: "leave" }, { host: ["left viewer left"] });
  flow.people.delete("viewer");

  // `error`: failed to join the room.
  await flow.ask("host", { type: "update_room", participants_max: 1 }, { host: ["done"] });
  await flow.step("another wants in", async () => {
    const late = await flow.connect("late");
    await late.join();
  }, { late: ["error room_full"] });
}

// Holds S0-SIG-04, S2-SIG-01, S2-SIG-02.
test("a screening, asleep after every step", () => Flow.play(edge, "cinema", asleep, screening));

test("a screening, killed after every step", () => Flow.playKilled("cinema", screening));
