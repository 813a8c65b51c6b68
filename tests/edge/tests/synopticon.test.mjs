// The flow of Synopticon: receivers seek, the broadcaster offers to each of them alone.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startEdge } from "../support/edge.mjs";
import { BROADCASTER, Flow, RECEIVER, RECEIVING, SENDING, answer, asleep, candidates, offer, requestOffer } from "../support/flow.mjs";

let edge;
before(async () => {
  edge = await startEdge();
});
after(() => edge.stop());

/** One broadcaster, two receivers; each step says who hears it. */
async function discovery(flow) {
  await flow.join("studio", { grants: BROADCASTER, tracks: [] });
  await flow.join("hall", { grants: RECEIVER, tracks: [] }, { studio: ["joined hall"] });
  await flow.join("foyer", { grants: RECEIVER, tracks: [] }, { studio: ["joined foyer"], hall: ["joined foyer"] });

  // Phase 1: discovery, for everybody else.
  await flow.ask("hall", { type: "seek" }, { studio: ["sought by hall"], foyer: ["sought by hall"] });
  const [sought] = flow.heard.get("studio");
  assert.deepEqual({ ...sought, sent_at: 0 }, { type: "sought", from: "hall", device: "on-hall", sent_at: 0 });
  assert.ok(Math.abs(Date.now() - sought.sent_at) < 60_000, "the room's time");
  // A participant without `subscribe` has nothing to seek.
  await flow.ask("studio", { type: "seek" }, { studio: ["error forbidden"] });

  // Phase 2: directly to the session that seeks, whose id came with the search.
  await flow.tell("hall", "studio", requestOffer, { studio: ["request_offer from hall"] });
  await flow.tell("studio", sought.from, offer(), { hall: ["offer from studio"] });
  const [offered] = flow.heard.get("hall");
  assert.deepEqual({ ...offered, sent_at: 0 }, {
    type: "signaled",
    from: "studio",
    device: "on-studio",
    sent_at: 0,
    to: "hall",
    message: "m-2",
    link: 1,
    signal: { kind: "offer", sdp: SENDING },
  });
  await flow.tell("hall", offered.from, answer(), { studio: ["answer from hall"] });
  assert.equal(flow.heard.get("studio")[0].signal.sdp, RECEIVING);

  // Phase 3: candidates in batches, both ways.
  await flow.tell("studio", "hall", candidates({ candidate: "", mid: "0" }), { hall: ["candidates from studio"] });
  assert.equal(flow.heard.get("hall")[0].signal.candidates.length, 2);
  await flow.tell("hall", "studio", candidates(), { studio: ["candidates from hall"] });

  // One broadcaster, many receivers: an offer for each.
  await flow.ask("foyer", { type: "seek" }, { studio: ["sought by foyer"], hall: ["sought by foyer"] });
  await flow.tell("studio", "foyer", offer(), { foyer: ["offer from studio"] });
  await flow.tell("foyer", "studio", answer(), { studio: ["answer from foyer"] });

  // A receiver offers nothing, and sends nothing in an answer.
  await flow.tell("hall", "foyer", offer(), { hall: ["error forbidden"] });
  await flow.tell("hall", "studio", offer(RECEIVING), { hall: ["error forbidden"] });
  await flow.tell("hall", "studio", answer(SENDING), { hall: ["error forbidden"] });
  await flow.tell("hall", "foyer", candidates(), { hall: ["error forbidden"] });
  await flow.tell("hall", "foyer", requestOffer, { hall: ["error forbidden"] });

  // A receiver's connection is lost: its place is kept, but it hears nothing until it is back.
  const { session } = flow.client("foyer");
  await flow.step("foyer's network is gone", async () => {
    flow.client("foyer").terminate();
    flow.people.delete("foyer");
    await flow.client("studio").next("participant_updated");
  }, { studio: ["updated foyer"], hall: ["updated foyer"] });
  await flow.tell("studio", "foyer", candidates(), { studio: ["error participant_away"] });
  await flow.step("foyer resumes", async () => {
    const foyer = await flow.connect("foyer");
    const resumed = await foyer.resume(session);
    foyer.session = { ...session, resume_token: resumed.resume_token };
  }, { foyer: ["resumed"], studio: ["updated foyer"], hall: ["updated foyer"] });
  await flow.tell("studio", "foyer", candidates(), { foyer: ["candidates from studio"] });

  // The sessions are cleaned up on disconnect.
  await flow.ask("hall", { type: "leave" }, { studio: ["left hall left"], foyer: ["left hall left"] });
  flow.people.delete("hall");
  await flow.tell("studio", "hall", offer(), { studio: ["error unknown_participant"] });
}

// Holds S4-SIG-01, S4-SIG-02, S4-SIG-03, S4-SIG-04, S4-ROOM-01, S4-ROOM-02, S4-TEST-01, S4-TEST-02, S4-TEST-03, S4-TEST-04.
test("receivers seek, and the broadcaster offers to each alone; asleep after every step", () =>
  Flow.play(edge, "synopticon", asleep, discovery));

test("receivers seek, and the broadcaster offers to each alone; killed after every step", () =>
  Flow.playKilled("synopticon", discovery));

// Holds S4-TEST-09.
test("should route discovery messages to all sessions", () =>
  Flow.play(edge, "unit-discovery", undefined, async (flow) => {
    await flow.join("a", { tracks: [] });
    await flow.join("b", { tracks: [] }, { a: ["joined b"] });
    await flow.join("c", { tracks: [] }, { a: ["joined c"], b: ["joined c"] });
    await flow.ask("b", { type: "seek" }, { a: ["sought by b"], c: ["sought by b"] });
  }));

test("should route offers directly to target session", () =>
  Flow.play(edge, "unit-offers", undefined, async (flow) => {
    await flow.join("a", { tracks: [] });
    await flow.join("b", { tracks: [] }, { a: ["joined b"] });
    await flow.join("c", { tracks: [] }, { a: ["joined c"], b: ["joined c"] });
    await flow.tell("a", "c", offer(), { c: ["offer from a"] });
  }));

test("should handle connection failures gracefully", () =>
  Flow.play(edge, "unit-failures", undefined, async (flow) => {
    await flow.join("a", { tracks: [] });
    await flow.join("b", { tracks: [] }, { a: ["joined b"] });
    await flow.step("b's network is gone", async () => {
      flow.client("b").terminate();
      flow.people.delete("b");
      await flow.client("a").next("participant_updated");
    }, { a: ["updated b"] });
    await flow.tell("a", "b", offer(), { a: ["error participant_away"] });
    await flow.join("b", { tracks: [] }, { a: ["updated b"] });
    await flow.tell("a", "b", offer(), { b: ["offer from a"] });
  }));

// Holds S4-DEP-02.
test("the migration path: targeted messages, the same ids everywhere, discovery first, and a log", () =>
  Flow.play(edge, "migration", undefined, async (flow) => {
    await flow.join("a", { tracks: [] });
    const joined = await flow.join("b", { tracks: [] }, { a: ["joined b"] });
    // An offer without a receiver, as earlier, is no broadcast but an error; so is the earlier wrapper.
    const untargeted = { type: "signal", message: "m", signal: offer() };
    await flow.ask("b", untargeted, { b: ["error invalid_message"] });
    await flow.ask("b", { type: "notification", topic: "webrtc_broadcast", data: offer() }, { b: ["error unknown_message"] });
    await flow.ask("b", { type: "seek" }, { a: ["sought by b"] });
    // The id of the search is the one of the roster, and the one to answer.
    const [{ from }] = flow.heard.get("a");
    assert.ok(joined.roster.some(({ id }) => id === from));
    // A sender cannot choose who it is: the room stamps its messages.
    const forged = { type: "signal", to: from, message: "m", signal: offer(), from: "c", device: "x", sent_at: 1 };
    await flow.ask("a", forged, { b: ["offer from a"] });
    const [{ device, sent_at: at }] = flow.heard.get("b");
    assert.equal(device, "on-a");
    assert.ok(at > 1_700_000_000_000);
    const [seek] = (await edge.logged("participant_seeks")).filter(({ room }) => room === "migration");
    assert.equal(seek.from, "b");
    const [line] = (await edge.logged("participant_signaled")).filter(({ room }) => room === "migration");
    assert.deepEqual([line.from, line.to, line.kind], ["a", "b", "offer"]);
    assert.ok(!JSON.stringify(edge.records()).includes("SAVPF"), "descriptions are not logged");
  }));
