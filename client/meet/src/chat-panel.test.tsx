import type { Message } from "@rotunda/client";
import { renderToStaticMarkup } from "react-dom/server";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { ChatPanel, withForgotten } from "./chat-panel";
import { PreferencesProvider } from "./preferences";

const message = (name: string, isSelf: boolean, text = "hello"): Message => ({ id: `${name}/${text}`, number: 1, participant: name, name, isSelf, sentAt: 1_790_000_000_000, text });

beforeAll(() => void vi.stubGlobal("navigator", { languages: ["en"] }));
afterAll(() => void vi.unstubAllGlobals());

function panel(messages: readonly Message[], draft: string | null = null): string {
  const chat = { messages, unread: 0, send: () => Promise.resolve() };
  const written = draft === null ? null : { text: draft, set: () => undefined };
  return renderToStaticMarkup(
    <PreferencesProvider>
      <ChatPanel chat={chat} draft={written} notify={() => undefined} onClose={() => undefined} />
    </PreferencesProvider>,
  );
}

describe("the chat", () => {
  test("marks the user's own messages outside of the name, where no name can imitate it", () => {
    const shown = panel([message("Ada", true), message("Ada (you)", false)]);
    expect(shown).toMatch(/<bdi>Ada<\/bdi> <span class="mark" role="note">you<\/span>/);
    expect(shown).toMatch(/<bdi>Ada \(you\)<\/bdi><\/strong>/);
  });

  test.each([
    ["nothing", "", true, false],
    ["zero-width letters", "\u200B", true, false],
    ["a message", "hello", false, false],
    ["more than the edge accepts", "a".repeat(2_001), true, true],
    ["as much as the edge accepts, and blanks around it", ` ${"a".repeat(2_000)} `, false, false],
  ])("with %s in the box says what can be sent", (_, draft, isDisabled, isTooLong) => {
    const shown = panel([], draft);
    expect(/<button type="submit"[^>]* disabled/.test(shown)).toBe(isDisabled);
    expect(shown.includes("This message is too long")).toBe(isTooLong);
  });

  test("keeps what the room has forgotten for a user who reads it, in order and within bounds", () => {
    const some = (from: number, to: number): Message[] =>
      Array.from({ length: to - from }, (_, index) => ({ ...message("Ada", false, `${from + index}`), number: from + index }));
    const unsent: Message = { ...message("Ada", true, "unsent"), number: null, sentAt: null };
    const numbers = (messages: readonly Message[]): (number | null)[] => messages.map(({ number }) => number);
    expect(numbers(withForgotten([...some(1, 5), unsent], [...some(3, 7), unsent]))).toEqual([1, 2, 3, 4, 5, 6, null]);
    expect(withForgotten([], [unsent])).toEqual([unsent]);
    const room = some(900, 1_100);
    expect(withForgotten(room, room)).toBe(room);
    expect(numbers(withForgotten(some(1, 1_050), room)).slice(0, 2)).toEqual([100, 101]);
  });
});
