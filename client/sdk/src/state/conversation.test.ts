import { describe, expect, test } from "vitest";
import type { ChatMessage } from "../protocol.gen";
import type { Event } from "../state";
import { Client, resumed } from "./client.fixture";
import { CHAT_MESSAGES_MAX } from "../protocol.gen";
import { messagesSince } from "../snapshot";
import { OUTBOX_MAX } from "./conversation";

describe("conversation", () => {
  const said = (number: number, message: string, participant = "ada"): ChatMessage => ({
    number,
    message,
    participant,
    name: participant,
    sent_at: 0,
    text: message,
  });
  const write = (message: string, ticket = 7): Event => ({ on: "write", message, text: message, ticket });
  const settled = (client: Client): unknown[] =>
    client.commands.flatMap((command) => (command.do === "settle" ? [[command.ticket, command.failure?.code ?? null]] : []));

  test("a message is sent at once and settled by its answer", () => {
    const client = new Client().joined();
    client.on(write("m1"));
    expect(client.lastSent()).toEqual({ id: 2, type: "chat", message: "m1", text: "m1" });
    client.frame({ type: "done", in_reply_to: 2 });
    expect([client.state.outbox, settled(client)]).toEqual([[], [[7, null]]]);
  });

  test("what may be lost with the socket is sent again, after what was missed is asked for", () => {
    const client = new Client().joined();
    client.frame({ type: "chat", messages: [said(4, "m0")] });
    client.on(write("m1"));
    client.reopen();
    expect(client.lastSent()).toMatchObject({ type: "resume", chat_after: 4 });
    client.frame(resumed(3));
    expect(client.lastSent()).toMatchObject({ id: 4, type: "chat", message: "m1" });
    expect(settled(client)).toEqual([]);
    // The message had arrived: the room sends it with the others, and the user sees it once.
    client.frame({ type: "chat", messages: [said(5, "m1", "grace")] });
    client.frame({ type: "done", in_reply_to: 4 });
    expect(settled(client)).toEqual([[7, null]]);
    expect(client.state.chat.map(({ message }) => message)).toEqual(["m0", "m1"]);
  });

  test("what was written while the socket was away is sent when it is back", () => {
    const client = new Client().joined();
    client.on({ on: "socket_closed", code: 1006 });
    client.on(write("m1"));
    client.reopened();
    client.frame(resumed(2));
    expect(client.lastSent()).toMatchObject({ type: "chat", message: "m1" });
  });

  test("a refused message is given back", () => {
    const client = new Client().joined();
    client.on(write("m1"));
    client.frame({ type: "error", in_reply_to: 2, code: "rate_limited", message: "" });
    expect([client.state.outbox, settled(client)]).toEqual([[], [[7, "rate_limited"]]]);
  });

  test("nothing comes twice, whatever is told again", () => {
    const client = new Client().joined();
    client.frame({ type: "chat", messages: [said(1, "a"), said(2, "b")] });
    client.frame({ type: "chat", messages: [said(2, "b"), said(3, "c")] });
    expect(client.state.chat.map(({ number }) => number)).toEqual([1, 2, 3]);
  });

  test("what is said after two hundred messages is news, also under an id that somebody else has used", () => {
    const client = new Client().joined();
    const all = Array.from({ length: CHAT_MESSAGES_MAX }, (_, index) => said(index + 2, `m${index}`));
    client.frame({ type: "chat", messages: all });
    const news = (...messages: ChatMessage[]): (number | null)[] => {
      const before = client.state;
      client.frame({ type: "chat", messages });
      expect(client.state.chat).toHaveLength(CHAT_MESSAGES_MAX);
      return messagesSince(before, client.state).map(({ number }) => number);
    };
    expect(news(said(300, "new"))).toEqual([300]);
    expect(news(said(301, "new", "eve"), said(302, "own", "grace"))).toEqual([301]);
    expect(news(said(302, "own", "grace"))).toEqual([]);
  });

  test("leaving gives back what was not sent, and so many wait at most", () => {
    const client = new Client().joined();
    client.on({ on: "socket_closed", code: 1006 });
    for (let ticket = 0; ticket <= OUTBOX_MAX; ticket += 1) {
      client.on(write(`m${ticket}`, ticket));
    }
    expect(settled(client)).toEqual([[OUTBOX_MAX, "rate_limited"]]);
    client.on({ on: "leave" });
    expect(settled(client)).toHaveLength(OUTBOX_MAX + 1);
  });

  test("signs are shown and not kept", () => {
    const client = new Client().joined();
    client.frame({ type: "reacted", participant: "ada", reaction: "clap" });
    expect(client.commands.at(-1)).toEqual({ do: "show_reaction", participant: "ada", reaction: "clap" });
  });
});
