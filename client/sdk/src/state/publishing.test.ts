import { describe, expect, test } from "vitest";
import type { EdgeToClient } from "../protocol.gen";
import { connection } from "../state";
import { ADA, Client, GRACE, negotiated, offerMade, resumed } from "./client.fixture";

describe("the right to publish", () => {
  const own = (publish: boolean): EdgeToClient => ({
    type: "participant_updated",
    participant: { ...GRACE, grants: { publish, subscribe: true, chat: true, moderate: false, record: false } },
  });

  test("taken away: nothing is published by the next offer, and given back: everything is", () => {
    const client = new Client().joined();
    client.frame(own(false));
    expect(client.state).toMatchObject({ publishes: false, media: { published: [] } });
    client.on({ ...offerMade(2), sections: [] });
    expect(client.lastSent()).toMatchObject({ type: "negotiate", reason: "sections", tracks: [] });
    client.frame(own(true));
    expect(client.state.publishes).toBe(true);
  });

  test("given to a participant that never wanted to publish changes nothing", () => {
    const client = new Client({ publishes: false }).joined();
    client.frame(own(false));
    client.frame(own(true));
    expect(client.state).toMatchObject({ publishes: false, media: { wanted: null } });
  });
});

describe("being muted by a moderator", () => {
  test("stops the source until the user opens it again", () => {
    const client = new Client().joined();
    client.frame({ type: "track_muted", mid: "0" });
    expect(client.commands.at(-1)).toEqual({ do: "silence", source: "microphone", isHeld: false });
    expect(client.does()).toEqual(["silence"]);
    client.on({ on: "set_muted", source: "microphone", muted: false });
    expect(client.lastSent()).toEqual({ id: 2, type: "set_muted", mid: "0", muted: false });
  });

  test("counts too where it happened while the socket was away", () => {
    const client = new Client().joined();
    client.reopen();
    const [microphone, camera] = GRACE.tracks;
    const silenced = { ...GRACE, tracks: [{ ...microphone!, muted: true }, camera!] };
    client.frame({ ...resumed(2), roster: [ADA, silenced] });
    expect(client.does()).toContain("silence");
    expect(client.state.muted.microphone).toBe(true);
  });
});

describe("what is published", () => {
  test("is not captured any more where the edge does not take it, and offered again where it may later", () => {
    const client = new Client().joined();
    client.on({ on: "sections_changed" });
    client.on(offerMade(2));
    client.frame({ type: "error", in_reply_to: 2, code: "rate_limited", message: "" });
    client.does();
    client.sleep();
    expect(client.does()).toEqual(["make_offer keep"]);
    client.on(offerMade(3));
    client.frame({ type: "error", in_reply_to: 3, code: "forbidden", message: "" });
    expect(client.does()).toEqual(["send negotiate", "report", "drop_screen"]);
    expect(connection(client.state)).toBe("connected");
  });

  test("changes with another offer, once the one before is answered", () => {
    const client = new Client().joined();
    client.on({ on: "sections_changed" });
    client.on({ on: "sections_changed" });
    expect(client.does()).toEqual(["make_offer keep"]);
    client.on({ ...offerMade(2), sections: [...offerMade(2).sections, { mid: "18", source: "screen" }] });
    expect(client.lastSent()).toMatchObject({ type: "negotiate", reason: "sections", tracks: [{}, {}, { mid: "18", source: "screen" }] });
    client.frame(negotiated(2, "s1"));
    client.on({ on: "answer_applied", offer: 2, moved: false });
    expect(client.does()).toEqual(["send negotiate", "apply_answer", "make_offer keep"]);
  });
});
