import { expect, test } from "vitest";
import { ProfileController } from "./profile";
import { NO_PICTURE, Uplink } from "./uplink";

const look = (second: number, availableBps: number | null, sentLost = 0): Parameters<Uplink["take"]>[0] => ({
  atMs: second * 1_000,
  rttMs: 20,
  sentLost,
  availableBps,
});

test("without a profile nothing is limited until the uplink carries no picture", () => {
  const uplink = new Uplink(null);
  const news = Array.from({ length: 7 }, (_, second) => uplink.take(look(second, 50_000), true));
  expect(news.slice(0, 5)).toEqual([{}, {}, {}, {}, {}]);
  expect(news.slice(5)).toEqual([{ limit: NO_PICTURE, audioOnly: true }, {}]);
  expect(uplink.take(look(8, 50_000), false)).toEqual({ limit: null, audioOnly: false });
});

test("a profile limits the camera, and comes back after the picture was gone", () => {
  const uplink = new Uplink(new ProfileController("soulseer"));
  expect(uplink.take(look(0, 5_000_000), true)).toEqual({ limit: { bitrateBps: 3_000_000, lines: 1_080, framesPerSecond: 30 } });
  for (let second = 1; second <= 6; second += 1) {
    uplink.take(look(second, 50_000), true);
  }
  expect(uplink.limit).toBe(NO_PICTURE);
  for (let second = 7; second <= 21; second += 1) {
    uplink.take(look(second, 5_000_000), true);
  }
  expect(uplink.limit?.lines).toBe(1_080);
});

test("loss is told in percent", () => {
  const uplink = new Uplink(new ProfileController("kaa"));
  expect(uplink.take(look(0, null, 0.09), true)).toEqual({});
  expect(uplink.take(look(5, null, 0.11), true)).toMatchObject({ warning: { type: "packet_loss", value: 11 } });
});
