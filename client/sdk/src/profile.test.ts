import { describe, expect, test } from "vitest";
import type { CameraLimit, Profile, UplinkLook } from "./profile";
import { ProfileController } from "./profile";

/** Samples one second apart, as round trip and loss; the resulting limits, in kbit/s. */
function play(profile: Profile, looks: readonly (readonly [number | null, number | null])[]): (number | null)[] {
  const controller = new ProfileController(profile);
  return looks.map(([rttMs, lostPercent], second) => {
    const { limit } = controller.take({ atMs: second * 1_000, rttMs, lostPercent });
    return limit === null ? null : limit.bitrateBps / 1_000;
  });
}

describe("soulseer", () => {
  const grades: [number, number, CameraLimit][] = [
    [99, 0.9, { bitrateBps: 3_000_000, lines: 1_080, framesPerSecond: 30 }],
    [199, 2.9, { bitrateBps: 2_000_000, lines: 720, framesPerSecond: 25 }],
    [399, 4.9, { bitrateBps: 1_000_000, lines: 480, framesPerSecond: 20 }],
    [400, 0, { bitrateBps: 500_000, lines: 360, framesPerSecond: 15 }],
    [0, 5, { bitrateBps: 500_000, lines: 360, framesPerSecond: 15 }],
  ];
  test.each(grades)("a round trip of %d ms and a loss of %d %% allow %o", (rttMs, lostPercent, expected) => {
    const controller = new ProfileController("soulseer");
    controller.take({ atMs: 0, rttMs, lostPercent });
    expect(controller.limit).toEqual(expected);
  });

  test("begins in the middle, looks every second and acts on changes alone", () => {
    const controller = new ProfileController("soulseer");
    expect(controller.limit).toEqual({ bitrateBps: 2_000_000, lines: 720, framesPerSecond: 25 });
    const at = (atMs: number, rttMs: number | null): number | undefined => controller.take({ atMs, rttMs, lostPercent: null }).limit?.lines ?? undefined;
    expect(at(0, null)).toBeUndefined();
    expect([at(1_000, 50), at(1_999, 500), at(2_000, 500), at(3_000, 500), at(4_000, 150)]).toEqual([1_080, undefined, 360, undefined, 720]);
  });
});

describe("cinema", () => {
  // Holds S-A7-03.
  test("falls by a fifth while packets are lost, down to 200 kbit/s", () => {
    expect(new ProfileController("cinema").limit.bitrateBps).toBe(1_000_000);
    const lossy = play("cinema", Array.from({ length: 9 }, () => [100, 2.1] as const));
    expect(lossy).toEqual([800, 640, 512, 409.6, 327.68, 262.144, 209.715, 200, null]);
    expect(play("cinema", [[100, 2]])).toEqual([null]);
  });

  test("falls while the last five round trips are above 450 ms on average", () => {
    const looks = [[450, 0], [450, 0], [450, 0], [450, 0], [450, 0], [451, 0]] as const;
    expect(play("cinema", looks)).toEqual([null, null, null, null, null, 800]);
    // A sixth sample is not averaged: five of 100 ms outweigh one of 9 s.
    expect(play("cinema", [[9_000, 0], ...Array.from({ length: 5 }, () => [100, 1] as const)]).slice(-2)).toEqual([expect.any(Number), null]);
  });

  test("grows by a fifth below 210 ms and half a percent, up to 3 Mbit/s", () => {
    const calm = play("cinema", Array.from({ length: 8 }, () => [209, 0.4] as const));
    expect(calm).toEqual([1_200, 1_440, 1_728, 2_073.6, 2_488.32, 2_985.984, 3_000, null]);
    expect(play("cinema", [[210, 0]])).toEqual([null]);
    expect(play("cinema", [[100, 0.5]])).toEqual([null]);
    expect(play("cinema", [[null, 0]])).toEqual([null]);
  });
});

describe("kaa", () => {
  const every = (ms: number, looks: readonly number[]): ReturnType<ProfileController["take"]>[] => {
    const controller = new ProfileController("kaa");
    return looks.map((lostPercent, index) => controller.take({ atMs: index * ms, rttMs: 20, lostPercent }));
  };

  test("looks every five seconds", () => {
    const warned = every(1_000, Array.from({ length: 11 }, () => 11)).map(({ warning }) => warning !== null);
    expect(warned).toEqual([true, false, false, false, false, true, false, false, false, false, true]);
  });

  test("takes no look that comes a millisecond sooner", () => {
    const controller = new ProfileController("kaa");
    const look = (atMs: number): unknown => controller.take({ atMs, rttMs: 20, lostPercent: 50 }).warning;
    expect([look(0), look(4_999), look(5_000), look(9_999), look(10_000)].map((warning) => warning !== null)).toEqual([true, false, true, false, true]);
  });

  test("warns above a tenth, however little", () => {
    const [, justAbove] = every(5_000, [10, 10.1]);
    expect(justAbove?.warning).toEqual({ type: "packet_loss", value: 10.1, severity: "warning" });
    expect(justAbove?.limit?.bitrateBps).toBe(1_855_000);
    expect(every(5_000, [20.1])[0]?.warning?.severity).toBe("critical");
    expect(every(5_000, [20])[0]?.warning?.severity).toBe("warning");
  });

  // Holds S3-QUAL-03, S-A7-12.
  test("warns when more than a tenth is lost, in percent, and lowers the bit rate", () => {
    const [fine, lossy, worse, calm] = every(5_000, [10, 11, 25, 1]);
    expect(fine).toEqual({ limit: null, warning: null });
    expect(lossy?.warning).toEqual({ type: "packet_loss", value: 11, severity: "warning" });
    expect(worse?.warning).toEqual({ type: "packet_loss", value: 25, severity: "critical" });
    expect([lossy, worse, calm].map((taken) => taken?.limit?.bitrateBps)).toEqual([1_855_000, 1_298_500, 1_428_350]);
    expect(calm?.warning).toBeNull();
  });

  test("leaves the lowest layer, and no more than all three", () => {
    const controller = new ProfileController("kaa");
    const look = (index: number, lostPercent: number): UplinkLook => ({ atMs: index * 5_000, rttMs: 20, lostPercent });
    Array.from({ length: 20 }, (_, index) => controller.take(look(index, 50)));
    expect(controller.limit.bitrateBps).toBe(150_000);
    Array.from({ length: 60 }, (_, index) => controller.take(look(20 + index, 0)));
    expect(controller.limit.bitrateBps).toBe(2_650_000);
  });
});
