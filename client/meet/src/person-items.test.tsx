import type { Participant, RoomSnapshot } from "@rotunda/client";
import { expect, test } from "vitest";
import { personItems } from "./person-items";
import { en } from "./texts/en";
import type { Actions } from "./use-actions";

const GRANTS = { publish: true, microphone: true, camera: true };
const person = (id: string, role: string): Participant => ({ id, role, grants: GRANTS, tracks: [], hasHandUp: false }) as unknown as Participant;

/** The items of the menu of a person, as a moderator with another role sees it. */
function items(role: string, own: string, others: readonly string[] = []): (string | undefined)[] {
  const participant = person("bob", role);
  const self = person("ada", own);
  const participants = [participant, ...others.map((other) => person(other, other))];
  const snapshot = { self, participants, spotlight: [] } as unknown as RoomSnapshot;
  const all = personItems(en, { participant, name: "Bob", actions: {} as Actions, snapshot, onVolume: () => undefined });
  return all.map(({ id, label }) => id ?? label);
}

const ALL = ["volume", "block_microphone", "block_camera", "spotlight", "cohost", "host", en.removeName("Bob")];

test("only an administrator is offered to decide about administrators", () => {
  expect(items("admin", "admin")).toEqual(ALL);
  expect(items("admin", "host")).toEqual(["volume", "spotlight"]);
  expect(items("admin", "cohost")).toEqual(["volume", "spotlight"]);
});

test("only the host and administrators are offered to decide about the host", () => {
  expect(items("participant", "host")).toEqual(ALL);
  expect(items("host", "cohost")).toEqual(["volume", "spotlight"]);
  expect(items("host", "admin")).toEqual(ALL.filter((id) => id !== "cohost" && id !== "host"));
  expect(items("participant", "cohost", ["host"])).toEqual(ALL.filter((id) => id !== "host"));
});
