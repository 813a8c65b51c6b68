import { beforeEach, describe, expect, test, vi } from "vitest";

type Identity = typeof import("./identity");
let givenToken: Identity["givenToken"];
let guestToken: Identity["guestToken"];
let loginPage: Identity["loginPage"];

/** Storage as browsers have it (WHATWG HTML §12.2.1), as far as it is used. */
class Memory {
  readonly #items = new Map<string, string>();
  getItem = (key: string): string | null => this.#items.get(key) ?? null;
  setItem = (key: string, value: string): void => void this.#items.set(key, value);
  removeItem = (key: string): void => void this.#items.delete(key);
}

const asked = vi.fn<(url: string, init?: RequestInit) => Promise<Response>>();
let address: URL;

function open(url: string): void {
  address = new URL(url);
  vi.stubGlobal("location", address);
}

function token(exp: number): string {
  return `head.${btoa(JSON.stringify({ exp })).replaceAll("=", "")}.signature`;
}

const inAnHour = Math.floor(Date.now() / 1000) + 3600;

beforeEach(async () => {
  open("https://meet.example.org/r/daily");
  vi.stubGlobal("sessionStorage", new Memory());
  vi.stubGlobal("history", { state: null, replaceState: (_state: unknown, _title: string, path: string) => open(new URL(path, address).href) });
  vi.stubGlobal("fetch", asked);
  asked.mockReset();
  // What the page remembers by itself is forgotten.
  vi.resetModules();
  ({ givenToken, guestToken, loginPage } = await import("./identity"));
});

describe("a token that was given to the tab", () => {
  test("comes in the fragment, leaves the address at once, and is there after a reload", () => {
    open(`https://meet.example.org/r/daily?auto=1#token=${token(inAnHour)}`);
    expect(givenToken("daily")).toBe(token(inAnHour));
    expect(address.href).toBe("https://meet.example.org/r/daily?auto=1");
    expect(givenToken("daily")).toBe(token(inAnHour));
    expect(givenToken("weekly")).toBeNull();
  });

  test("is not taken out of the query, which servers see and log", () => {
    open(`https://meet.example.org/r/daily?token=${token(inAnHour)}`);
    expect(givenToken("daily")).toBeNull();
  });

  test("spares the login page until it has run out", async () => {
    asked.mockImplementation(async () => Response.json({ guests: "off", login_url: "https://example.org/login" }));
    open(`https://meet.example.org/r/daily#token=${token(inAnHour)}`);
    expect(await loginPage("daily")).toBeNull();
    open(`https://meet.example.org/r/daily#token=${token(inAnHour - 7200)}`);
    expect(await loginPage("daily")).toMatch("https://example.org/login?room=daily&return=");
  });
});

describe("a guest", () => {
  test("asks for a token, and with the pass for the next one", async () => {
    asked.mockImplementation(async () => Response.json({ token: "t", pass: "p" }, { status: 201 }));
    expect(await guestToken("daily", "Ada")).toBe("t");
    await guestToken("daily", "Ada");
    const bodies = asked.mock.calls.map(([url, init]) => [url, JSON.parse(String(init?.body))]);
    expect(bodies).toEqual([
      ["/v1/guests", { room: "daily", name: "Ada" }],
      ["/v1/guests", { room: "daily", name: "Ada", pass: "p" }],
    ]);
  });

  test("who is not let in is told so", async () => {
    asked.mockImplementation(async () => Response.json({ code: "forbidden" }, { status: 403 }));
    await expect(guestToken("daily", "Ada")).rejects.toMatchObject({ code: "token_unavailable", detail: "forbidden" });
  });
});

describe("the login page", () => {
  test.each([
    ["off", "https://example.org/login", "https://example.org/login?room=daily&return=https%3A%2F%2Fmeet.example.org%2Fr%2Fdaily"],
    ["off", null, null],
    ["open", "https://example.org/login", null],
    ["lobby", "https://example.org/login", null],
  ])("with guests %s and %s is %s", async (guests, login, expected) => {
    asked.mockImplementation(async () => Response.json({ guests, login_url: login }));
    expect(await loginPage("daily")).toBe(expected);
  });
});
