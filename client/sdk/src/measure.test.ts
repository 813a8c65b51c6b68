import { describe, expect, test } from "vitest";
import type { ErrorCode } from "./protocol.gen";
import { RoomError } from "./errors";
import { roomUrl } from "./signal";
import { SPEAKING_HOLD_MS, Speaking } from "./speaking";
import { readCounters } from "./stats";
import { DEFAULT_GRANTS, readToken } from "./token";

describe("speaking", () => {
  test("begins when loud, is held through pauses, and ends", () => {
    const speaking = new Speaking();
    const take = (level: number, atMs: number): string[] => speaking.take(new Map([["ada", level]]), atMs);
    expect(take(0.001, 0)).toEqual([]);
    expect(take(0.3, 100)).toEqual(["ada"]);
    expect(take(0, 100 + SPEAKING_HOLD_MS)).toEqual(["ada"]);
    expect(take(0, 101 + SPEAKING_HOLD_MS)).toEqual([]);
  });

  test("ends for who is not heard any more, and names the latest first", () => {
    const speaking = new Speaking();
    speaking.take(new Map([["ada", 0.5]]), 0);
    expect(speaking.take(new Map([["alan", 0.5]]), 100)).toEqual(["alan", "ada"]);
    expect(speaking.take(new Map([["alan", 0.5]]), 1_000)).toEqual(["alan"]);
  });
});

describe("counters", () => {
  const entry = (type: string, values: object): RTCStats => ({ type: type as RTCStatsType, id: "", timestamp: 0, ...values });

  test("are added up from Chromium's report", () => {
    const report = [
      entry("inbound-rtp", { kind: "audio", packetsReceived: 100 }),
      entry("inbound-rtp", {
        kind: "video",
        packetsReceived: 300,
        packetsLost: 4,
        trackIdentifier: "v1",
        framesDecoded: 12,
        bytesReceived: 9_000,
        jitter: 0.004,
        jitterBufferDelay: 0.6,
        jitterBufferEmittedCount: 12,
        frameWidth: 640,
        frameHeight: 360,
        freezeCount: 1,
        nackCount: 3,
        pliCount: 2,
      }),
      { ...entry("outbound-rtp", { packetsSent: 70, mid: "0", bytesSent: 5_000, nackCount: 6 }), id: "out" },
      entry("remote-inbound-rtp", { localId: "out", fractionLost: 0.02, jitter: 0.003 }),
      entry("transport", { packetsReceived: 420, selectedCandidatePairId: "in use" }),
      entry("remote-inbound-rtp", { fractionLost: 0.25 }),
      entry("candidate-pair", { nominated: true, currentRoundTripTime: 0.3 }),
      {
        ...entry("candidate-pair", { nominated: true, currentRoundTripTime: 0.04, availableOutgoingBitrate: 900_000, requestsSent: 3, consentRequestsSent: 4, responsesReceived: 6 }),
        id: "in use",
      },
      entry("media-source", { kind: "video" }),
      entry("media-source", { kind: "audio", audioLevel: 0.25 }),
    ];
    expect(readCounters(report, 5)).toEqual({
      atMs: 5,
      heard: 426,
      media: 420,
      heardFromNode: 20,
      sent: 70,
      stunRequests: 7,
      stunReplies: 6,
      microphoneLevel: 0.25,
      framesDecoded: 12,
      streams: [
        {
          track: "v1",
          packets: 300,
          lost: 4,
          bytes: 9_000,
          frames: 12,
          freezes: 1,
          nacks: 3,
          plis: 2,
          jitterMs: 4,
          bufferedMs: 600,
          released: 12,
          width: 640,
          lines: 360,
        },
      ],
      sentStreams: [
        {
          mid: "0",
          rid: null,
          packets: 70,
          lost: 0,
          bytes: 5_000,
          frames: 0,
          freezes: 0,
          nacks: 6,
          plis: 0,
          lostPercent: 2,
          jitterMs: 3,
          width: null,
          lines: null,
        },
      ],
      rttMs: 40,
      availableBps: 900_000,
      sentLost: 0.25,
    });
  });

  test("are added up from Firefox's, which has no transport statistics", () => {
    const report = [
      entry("inbound-rtp", { kind: "audio", packetsReceived: 100 }),
      entry("remote-inbound-rtp", { roundTripTimeMeasurements: 5 }),
    ];
    expect(readCounters(report, 5)).toMatchObject({ heard: 105, heardFromNode: 5, microphoneLevel: null });
  });
});

describe("errors", () => {
  const cases: [ErrorCode, string, RegExp][] = [
    ["room_full", "signaling_error", /full/],
    ["bad_token", "security_error", /invitation/],
    ["no_media_node", "media_error", /media server/],
  ];
  test.each(cases)("%s is a %s", (code, kind, words) => {
    const error = new RoomError(code, "detail");
    expect([error.class, error.message]).toEqual([kind, `${code}: detail`]);
    expect(error.words).toMatch(words);
  });

  test("a code of a newer edge has words too", () => {
    expect(new RoomError("toString" as ErrorCode).words).toBe("Something went wrong.");
  });
});

describe("a room's address", () => {
  test.each([
    ["https://edge.example.org/r/daily", "wss://edge.example.org/v1/rooms/daily/socket"],
    ["http://127.0.0.1:8787", "ws://127.0.0.1:8787/v1/rooms/daily/socket"],
  ])("at %s is %s", (edge, url) => {
    expect(roomUrl(edge, "daily")).toBe(url);
  });
});

describe("a token", () => {
  const jwt = (claims: object): string => `e30.${btoa(JSON.stringify(claims)).replaceAll("=", "")}.sig`;

  test("says what it grants; what it does not say is the default", () => {
    const token = jwt({ sub: "ada", room: "daily", name: "Ada", grants: { moderate: true } });
    expect(readToken(token)).toEqual({
      sub: "ada",
      room: "daily",
      name: "Ada",
      grants: { ...DEFAULT_GRANTS, moderate: true },
    });
  });

  test.each(["", "x", "a.b.c", `e30.${btoa("null")}.s`])("that is not one says nothing: %s", (token) => {
    expect(readToken(token)).toBeNull();
  });
});
