import type { Participant, Room, RoomSnapshot } from "@rotunda/client";
import { renderToString } from "react-dom/server";
import { describe, expect, test } from "vitest";
import { AuthProvider, permissionsOf, usePermissions } from "./auth";

const GRANTS = {
  publish: true,
  microphone: true,
  camera: true,
  screen: true,
  subscribe: true,
  chat: true,
  moderate: false,
  record: false,
  admit: false,
  hidden: false,
  metadata: false,
};

function self(grants: Partial<typeof GRANTS>, role = "participant"): Participant {
  const grantsOfAll = { ...GRANTS, ...grants };
  return { grants: grantsOfAll, role, attributes: { role: "therapist" } } as unknown as Participant;
}

/** The permissions that are on. */
function on(participant: Participant | null): string[] {
  return Object.entries(permissionsOf(participant)).flatMap(([name, value]) => (value === true ? [name] : []));
}

describe("permissions", () => {
  test("follow the grants", () => {
    expect(on(null)).toEqual([]);
    expect(on(self({}))).toEqual(["microphone", "camera", "screen", "subscribe", "chat"]);
    expect(on(self({ publish: false, chat: false }))).toEqual(["subscribe"]);
    expect(on(self({ microphone: false, screen: false }))).toEqual(["camera", "subscribe", "chat"]);
    expect(on(self({ admit: true }))).toContain("admit");
    expect(on(self({ moderate: true }))).toEqual(expect.arrayContaining(["moderate", "admit", "metadata"]));
    expect(permissionsOf(self({}, "host"))).toMatchObject({ role: "host", attributes: { role: "therapist" } });
  });

  // Holds S1-ROOM-03.
  test("reach the components inside the provider, and nobody else", () => {
    const Shown = () => <p>{usePermissions().moderate ? "moderates" : "listens"}</p>;
    const room = (participant: Participant): Room => ({ on: () => () => undefined, snapshot: { self: participant } as RoomSnapshot }) as unknown as Room;
    const shown = (participant: Participant): string => renderToString(<AuthProvider room={room(participant)}>{<Shown />}</AuthProvider>);
    expect(shown(self({}))).toContain("listens");
    expect(shown(self({ moderate: true }))).toContain("moderates");
    expect(() => renderToString(<Shown />)).toThrow("AuthProvider");
  });
});
