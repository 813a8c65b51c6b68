// The flow of SoulSeer: a consultation of two, with media control, chat and a recording, while a stranger is in the room.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startEdge } from "../support/edge.mjs";
import { BOTH, Flow, HOST, answer, asleep, candidates, offer, requestOffer } from "../support/flow.mjs";
import { Client, OFFER } from "../support/client.mjs";

let edge;
before(async () => {
  edge = await startEdge();
});
after(() => edge.stop());

const MUTED = (mid, muted) => ({ type: "set_muted", mid, muted });

/** Two with media control, chat and a recording, and a stranger. */
async function consultation(flow) {
  await flow.join("reader", { grants: HOST });
  await flow.join("client", {}, { reader: ["joined client"] });
  await flow.join("stranger", { tracks: [] }, { reader: ["joined stranger"], client: ["joined stranger"] });

  // `offer`, `answer`, `ice_candidate`: for the receiver alone, in one envelope.
  await flow.tell("reader", "client", offer(BOTH), { client: ["offer from reader"] });
  const [envelope] = flow.heard.get("client");
  const { type, from, to, sent_at: timestamp, message: messageId, signal: payload } = envelope;
  assert.deepEqual({ type, from, to, messageId, payload }, { type: "signaled", from: "reader", to: "client", messageId: "m-1", payload: offer(BOTH) });
  assert.ok(Number.isInteger(timestamp));
  await flow.tell("client", "reader", answer(BOTH), { reader: ["answer from client"] });
  await flow.tell("client", "reader", candidates(), { reader: ["candidates from client"] });
  await flow.tell("reader", "client", candidates(), { client: ["candidates from reader"] });

  // `connection_state`: for everybody.
  const everybody = (line) => ({ reader: [line], client: [line], stranger: [line] });
  await flow.step("the client's media is up", async () => {
    (await flow.node.serving(flow.room)).connected(flow.client("client").session.session);
    await flow.client("reader").next("participant_updated");
  }, everybody("updated client"));
  assert.equal(flow.heard.get("stranger")[0].participant.connection, "connected");

  // `media_request` and its response.
  await flow.tell("client", "reader", requestOffer, { reader: ["request_offer from client"] });
  await flow.tell("reader", "client", offer(BOTH), { client: ["offer from reader"] });

  // `mute_audio`, `mute_video`: everybody sees the state.
  await flow.ask("client", MUTED("0", true), { ...everybody("updated client"), client: ["done", "updated client"] });
  assert.deepEqual(flow.heard.get("reader")[0].participant.tracks.map(({ muted }) => muted), [true, false]);
  await flow.ask("client", MUTED("1", true), { ...everybody("updated client"), client: ["done", "updated client"] });
  await flow.ask("stranger", MUTED("0", true), { stranger: ["error unknown_track"] });

  // `chat_message`.
  await flow.ask("client", { type: "chat", message: "c-1", text: "hello" }, { ...everybody("chat client: hello"), client: ["done", "chat client: hello"] });

  // `start_recording`: refused without storage and without the grant.
  await flow.ask("client", { type: "start_recording" }, { client: ["error forbidden"] });
  await flow.ask("reader", { type: "start_recording" }, { reader: ["error recording_unavailable"] });

  // `end_session`: by the host only.
  await flow.ask("client", { type: "end_room" }, { client: ["error forbidden"] });
  await flow.ask("reader", { type: "end_room", reason: "time is up" }, {
    reader: ["done", "removed room_closed: time is up"],
    client: ["removed room_closed: time is up"],
    stranger: ["removed room_closed: time is up"],
  });
  flow.people.clear();
}

// Holds S0-SIG-03, S0-SIG-04, S0-SIG-10.
test("a consultation, asleep after every step", () => Flow.play(edge, "soulseer", asleep, consultation));

test("a consultation, killed after every step", () => Flow.playKilled("soulseer", consultation));

test("authentication happens before anybody joins, and another room hears nothing", () =>
  Flow.play(edge, "soulseer-door", asleep, async (flow) => {
    const nobody = await Client.connect(edge, "soulseer-door", "nobody", { token: "none" });
    assert.equal((await nobody.next("refused")).code, "bad_token");
    await flow.join("reader", { grants: HOST, tracks: [] });
    await flow.step("a stranger knocks with a message instead of a join", async () => {
      const stranger = await flow.connect("stranger");
      await stranger.request({ type: "signal", to: "reader", message: "m", signal: offer() });
    }, { stranger: ["error not_joined"] });
    const elsewhere = new Flow(edge, "soulseer-elsewhere");
    elsewhere.node = flow.node;
    await elsewhere.join("client", { offer: OFFER, tracks: [] });
    await flow.step("a message to somebody of another room", async () => {
      await elsewhere.client("client").request({ type: "signal", to: "reader", message: "m", signal: offer() });
    });
    assert.equal(elsewhere.client("client").frames.at(-1).code, "unknown_participant");
    elsewhere.client("client").terminate();
  }));
