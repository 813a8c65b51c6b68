import type { Device } from "@rotunda/client";
import { expect, test } from "vitest";
import { otherCamera } from "./other-camera";

const camera = (id: string, label = id, facing: Device["facing"] = null): Device => ({ id, label, facing });

test.each<[string, Device[], string | null, string | null]>([
  ["one camera", [camera("a")], "a", null],
  ["none", [], null, null],
  ["two of a computer take turns", [camera("a"), camera("b")], "b", "a"],
  ["the browser tells the side", [camera("a", "", "user"), camera("b", "", "user"), camera("c", "", "environment")], "a", "c"],
  ["and back to the first one in front", [camera("a", "", "user"), camera("b", "", "environment"), camera("c", "", "environment")], "c", "a"],
  ["a phone with three at the back", [camera("w", "camera2 2, facing back"), camera("b", "camera2 0, facing back"), camera("f", "camera2 1, facing front")], "b", "f"],
  ["an iPhone in German", [camera("f", "Frontkamera"), camera("b", "Rückkamera")], "f", "b"],
  ["the default one is the first", [camera("f", "Front camera"), camera("b", "Back camera")], null, "b"],
  ["no other side: the next one", [camera("a", "Front one"), camera("b", "Front two")], "a", "b"],
])("%s", (_, cameras, current, expected) => {
  expect(otherCamera(cameras, current)?.id ?? null).toBe(expected);
});
