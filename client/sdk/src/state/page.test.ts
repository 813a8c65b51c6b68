import { describe, expect, test } from "vitest";
import { CLOSE_PAGE_HIDDEN } from "../protocol.gen";
import { connection } from "../state";
import { Client, JOINED, negotiated, offerMade, resumed } from "./client.fixture";

describe("a page in the browser's back/forward cache", () => {
  test("has no socket and waits for nothing; back again, it resumes with a new transport", () => {
    const client = new Client().joined();
    client.on({ on: "page_hidden" });
    // Unlike after a loss, the others need not wait long.
    expect(client.commands.at(-2)).toEqual({ do: "close_socket", code: CLOSE_PAGE_HIDDEN });
    expect(client.does()).toEqual(["close_socket"]);
    expect(client.state.deadlines).toEqual({});
    expect(connection(client.state)).toBe("reconnecting");
    client.on({ on: "page_shown" });
    client.on({ on: "socket_opened" });
    expect(client.lastSent()).toMatchObject({ type: "resume", session: "s1" });
    client.frame(resumed(2));
    expect(client.does()).toEqual(["open_socket", "send resume", "make_offer new"]);
    client.on(offerMade(2));
    expect(client.lastSent()).toMatchObject({ type: "negotiate", reason: "new_transport" });
    client.frame(negotiated(3, "s2"));
    client.on({ on: "answer_applied", offer: 2, moved: false });
    client.on({ on: "transport_connected" });
    expect(connection(client.state)).toBe("connected");
  });

  test("joins anew where the room has given its place away meanwhile", () => {
    const client = new Client().joined();
    client.on({ on: "page_hidden" });
    client.on({ on: "page_shown" });
    client.on({ on: "socket_opened" });
    client.frame({ type: "error", in_reply_to: 2, code: "session_expired", message: "" });
    client.on(offerMade(2));
    client.reopened();
    expect(client.lastSent()).toMatchObject({ type: "join", attempt: "page-1", offer: "sdp 2" });
    client.frame({ ...JOINED, in_reply_to: 3, session: "s2" });
    expect(client.state.session?.id).toBe("s2");
  });

  test("that was joining begins again, with another attempt, because its offer's transport is closed", () => {
    const client = new Client().asked();
    client.on({ on: "page_hidden" });
    // Answers to earlier requests are too late.
    client.on(offerMade(1));
    client.frame(JOINED);
    expect(client.does()).toEqual(["close_socket"]);
    client.on({ on: "page_shown" });
    client.on({ on: "socket_opened" });
    expect(client.does()).toEqual(["make_offer new", "open_socket"]);
    client.on(offerMade(2));
    expect(client.lastSent()).toMatchObject({ type: "join", attempt: "page-1", offer: "sdp 2" });
    client.frame({ ...JOINED, in_reply_to: 2 });
    expect(client.state.admitted).toBe(true);
  });

  test("that was waiting for a lost socket waits no longer", () => {
    const client = new Client().joined();
    client.on({ on: "socket_closed", code: 1006 });
    client.on({ on: "page_hidden" });
    client.pass(60_000);
    client.on({ on: "network_changed" });
    expect(client.outcome()).toBe("closed");
    client.on({ on: "page_shown" });
    expect(client.outcome()).toBe("opening");
  });

  test("keeps what was written and fails what was asked", () => {
    const client = new Client().joined();
    client.on({ on: "write", message: "m1", text: "hello", ticket: 4 });
    client.on({ on: "ask", request: { type: "list_bans" }, ticket: 5 });
    client.on({ on: "page_hidden" });
    const settled = client.commands.filter((command) => command.do === "settle");
    expect(settled.map(({ ticket, failure }) => [ticket, failure?.code])).toEqual([[5, "disconnected"]]);
    client.on({ on: "page_shown" });
    client.on({ on: "socket_opened" });
    client.frame(resumed(4));
    expect(client.does().slice(-1)).toEqual(["send chat"]);
  });

  test("that was leaving has left, and one that has left or not yet begun stays so", () => {
    const leaving = new Client().joined();
    leaving.on({ on: "leave" });
    leaving.on({ on: "page_hidden" });
    expect(leaving.outcome()).toBe("end");
    leaving.does();
    const idle = new Client();
    for (const client of [leaving, idle]) {
      client.on({ on: "page_hidden" });
      client.on({ on: "page_shown" });
      expect(client.does()).toEqual([]);
    }
  });

  test("that is shown without having been hidden is left alone", () => {
    const client = new Client().joined();
    client.on({ on: "page_shown" });
    expect(client.does()).toEqual([]);
    expect(client.state.session?.id).toBe("s1");
  });
});
