import type { Message } from "@rotunda/client";
import { renderToStaticMarkup } from "react-dom/server";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { ChatPanel } from "./chat-panel";
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
});
