import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { FakeEdge } from "./call.fixture";
import { TOKEN_LIFETIME_MS, connections, endCalls, startCalls, token } from "./call.fixture";
import { Room } from "./room";
import { ADA, GRACE } from "./state/client.fixture";

const HOUR_MS = 60 * TOKEN_LIFETIME_MS;
const DEPLOYMENTS = 10;
/** The deployment whose first answer to a resume is lost. */
const LOSSY = 4;

/** Twelve hours take three seconds, and many times that while other programs want the same cores. */
const BUSY_MS = 60_000;

let edge: FakeEdge;
beforeEach(() => {
  edge = startCalls();
});
afterEach(endCalls);

describe("a call of twelve hours, on a token of a minute, over ten deployments", () => {
  // The edge's half is `tests/edge/tests/deployments.test.mjs`.
  test.each([
    ["a fixed token", () => token()],
    ["a source of tokens", () => () => Promise.resolve(token())],
  ])("with %s is one call: one join, one transport, everybody stays, and each secret resumes once", { timeout: BUSY_MS }, async (_, source) => {
    let asked = 0;
    const given = source();
    const counted = typeof given === "string" ? given : () => ((asked += 1), given());
    const joining = Room.join({ url: "ws://edge/v1/rooms/x/socket", token: counted });
    await vi.advanceTimersByTimeAsync(1_000);
    const room = await joining;
    const told: string[] = [];
    for (const name of ["participant_left", "participant_joined", "error", "ended"] as const) {
      room.on(name, () => told.push(name));
    }
    room.on("changed", ({ participants }) => {
      const others = participants.map(({ id }) => id).join();
      if (others !== ADA.id) {
        told.push(`with ${others}`);
      }
    });

    for (let deployment = 1; deployment <= DEPLOYMENTS; deployment += 1) {
      // Not in step with anything that the client does every ten seconds or every minute.
      await vi.advanceTimersByTimeAsync((12 * HOUR_MS) / DEPLOYMENTS - 1_000 - 777 * deployment);
      edge.losesNextAnswer = deployment === LOSSY;
      edge.deploy();
      expect(room.connection).toBe("reconnecting");
      await vi.advanceTimersByTimeAsync(2_000);
      expect(room.connection, `deployment ${deployment}`).toBe("connected");
    }
    await vi.advanceTimersByTimeAsync(TOKEN_LIFETIME_MS);
    expect(told).toEqual([]);
    expect([edge.joins.length, edge.refusals, asked]).toEqual([1, [], typeof given === "string" ? 0 : 1]);
    expect([edge.resumes.length, new Set(edge.resumes).size]).toEqual([DEPLOYMENTS, DEPLOYMENTS]);
    expect(connections.map(({ connectionState }) => connectionState)).toEqual(["connected"]);
    expect([room.self?.id, ...room.participants.map(({ id }) => id)]).toEqual([GRACE.id, ADA.id]);
    await Promise.all([room.leave(), vi.advanceTimersByTimeAsync(1_000)]);
  });

  test("asks for another token only where the room has forgotten the participant", async () => {
    const source = vi.fn(() => Promise.resolve(token()));
    const joining = Room.join({ url: "ws://edge/v1/rooms/x/socket", token: source });
    await vi.advanceTimersByTimeAsync(1_000);
    const room = await joining;
    await vi.advanceTimersByTimeAsync(HOUR_MS);
    edge.forget();
    await vi.advanceTimersByTimeAsync(5_000);
    expect([room.connection, edge.joins.length, edge.refusals, source.mock.calls.length]).toEqual([
      "connected",
      2,
      ["session_expired"],
      2,
    ]);
    await Promise.all([room.leave(), vi.advanceTimersByTimeAsync(1_000)]);
  });
});
