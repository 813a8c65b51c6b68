import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

type Identity = typeof import("./identity");
let givenToken: Identity["givenToken"];
let guestToken: Identity["guestToken"];
let waitInLobby: Identity["waitInLobby"];
let loginPage: Identity["loginPage"];
let isRecorded: Identity["isRecorded"];

/** Storage as in browsers (WHATWG HTML §12.2.1), as far as the app uses it. */
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

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

beforeEach(async () => {
  open("https://meet.example.org/r/daily");
  vi.stubGlobal("sessionStorage", new Memory());
  vi.stubGlobal("history", { state: null, replaceState: (_state: unknown, _title: string, path: string) => open(new URL(path, address).href) });
  vi.stubGlobal("fetch", asked);
  asked.mockReset();
  // Discards the page's own memory.
  vi.resetModules();
  ({ givenToken, guestToken, isRecorded, loginPage, waitInLobby } = await import("./identity"));
});

describe("a token that was given to the tab", () => {
  // Holds S-A7-15.
  test("comes in the fragment, leaves the address at once, and is there after a reload", () => {
    open(`https://meet.example.org/r/daily?auto=1#token=${token(inAnHour)}`);
    expect(givenToken("daily")).toBe(token(inAnHour));
    expect(address.href).toBe("https://meet.example.org/r/daily?auto=1");
    expect(givenToken("daily")).toBe(token(inAnHour));
    expect(givenToken("weekly")).toBeNull();
  });

  // Holds S-A7-15.
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

describe("a recorded call", () => {
  test("is asked about with the token of the tab, if it is still valid", async () => {
    asked.mockImplementation(async () => Response.json({ guests: "off", login_url: null, recorded: true }));
    open(`https://meet.example.org/r/daily#token=${token(inAnHour)}`);
    expect(await isRecorded("daily")).toBe(true);
    open(`https://meet.example.org/r/daily#token=${token(inAnHour - 7200)}`);
    expect(await isRecorded("daily")).toBe(true);
    expect(asked.mock.calls.map(([url, init]) => [url, init?.headers])).toEqual([
      ["/v1/guests?room=daily", { authorization: `Bearer ${token(inAnHour)}` }],
      ["/v1/guests?room=daily", {}],
    ]);
  });

  test("may be unknown", async () => {
    asked.mockImplementation(async () => Response.json({ guests: "off", login_url: null }));
    expect(await isRecorded("daily")).toBeNull();
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

describe("in the lobby", () => {
  /** Answers in turn; the first is the deployment's policy for guests. */
  const answers = (...given: [number, object][]): void => {
    asked.mockImplementation(async () => {
      const [status, body] = given.shift() ?? [500, {}];
      return Response.json(body, { status });
    });
  };
  const lobby: [number, object] = [200, { guests: "lobby", login_url: null }];
  const wait: [number, object] = [202, { pass: "p" }];

  test("a guest asks again by themselves until a moderator lets them in", async () => {
    vi.useFakeTimers();
    answers(lobby, wait, wait, [201, { token: "t", pass: "p" }]);
    const waiting = vi.fn();
    const done = waitInLobby("daily", "Ada", new AbortController().signal, waiting);
    await vi.advanceTimersByTimeAsync(5_999);
    expect([asked.mock.calls.length, waiting.mock.calls.length]).toEqual([3, 2]);
    await vi.advanceTimersByTimeAsync(1);
    await done;
    expect(asked).toHaveBeenCalledTimes(4);
  });

  test("a guest who is refused, gives up or hears nothing for ten minutes does not wait on", async () => {
    vi.useFakeTimers();
    answers(lobby, wait, [403, { code: "not_admitted" }]);
    const refused = expect(waitInLobby("daily", "Ada", new AbortController().signal, vi.fn())).rejects.toMatchObject({ code: "not_admitted" });
    await vi.advanceTimersByTimeAsync(3_000);
    await refused;
    const controller = new AbortController();
    asked.mockImplementation(async () => Response.json({ pass: "p" }, { status: 202 }));
    const left = expect(waitInLobby("daily", "Ada", controller.signal, vi.fn())).rejects.toMatchObject({ name: "AbortError" });
    controller.abort();
    await vi.advanceTimersByTimeAsync(3_000);
    await left;
    const late = expect(waitInLobby("daily", "Ada", new AbortController().signal, vi.fn())).rejects.toMatchObject({ detail: "nobody answered" });
    await vi.advanceTimersByTimeAsync(603_000);
    await late;
  });

  test("a guest who waits does so through a lost network and a restart of the edge, and is told so before", async () => {
    vi.useFakeTimers();
    answers(lobby, wait, [503, {}], wait, [201, { token: "t", pass: "p" }]);
    const waiting = vi.fn();
    const done = waitInLobby("daily", "Ada", new AbortController().signal, waiting);
    await vi.advanceTimersByTimeAsync(0);
    asked.mockImplementationOnce(() => Promise.reject(new TypeError("Failed to fetch")));
    await vi.advanceTimersByTimeAsync(12_000);
    await done;
    expect(waiting.mock.calls.flat()).toEqual(["moderator", "moderator", "moderator", "moderator"]);
    asked.mockImplementation(() => Promise.reject(new TypeError("Failed to fetch")));
    await expect(waitInLobby("daily", "Ada", new AbortController().signal, vi.fn())).rejects.toMatchObject({ code: "unreachable" });
  });

  test("a guest for whom there is no place asks again by themselves, ever less often", async () => {
    vi.useFakeTimers();
    vi.spyOn(Math, "random").mockReturnValue(1);
    const full: [number, object] = [409, { code: "room_full" }];
    const busy: [number, object] = [429, { code: "rate_limited" }];
    answers(lobby, full, busy, full, full, full, wait, full, [201, { token: "t", pass: "p" }]);
    const waiting = vi.fn();
    const done = waitInLobby("daily", "Ada", new AbortController().signal, waiting);
    let knocks = 1;
    for (const waitMs of [6_000, 12_000, 24_000, 30_000, 30_000, 3_000, 6_000]) {
      await vi.advanceTimersByTimeAsync(waitMs - 1);
      expect(asked).toHaveBeenCalledTimes(1 + knocks);
      await vi.advanceTimersByTimeAsync(1);
      knocks += 1;
      expect(asked).toHaveBeenCalledTimes(1 + knocks);
    }
    await done;
    const [place, moderator] = ["place", "moderator"];
    expect(waiting.mock.calls.flat()).toEqual([place, place, place, place, place, moderator, place]);
  });

  test("a guest for whom there is no place in ten minutes is told that it is full", async () => {
    vi.useFakeTimers();
    answers(lobby);
    const done = expect(waitInLobby("daily", "Ada", new AbortController().signal, vi.fn())).rejects.toMatchObject({ code: "room_full" });
    asked.mockImplementation(async () => Response.json({ code: "room_full" }, { status: 409 }));
    await vi.advanceTimersByTimeAsync(640_000);
    await done;
  });

  test("where guests come in at once nobody waits", async () => {
    answers([200, { guests: "open", login_url: null }]);
    await waitInLobby("daily", "Ada", new AbortController().signal, vi.fn());
    expect(asked).toHaveBeenCalledTimes(1);
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
