/** The camera on the other side of a phone. Pure. */
import type { Device } from "@rotunda/client";

/** In the labels of the large browsers' languages; a browser that tells the side needs none. */
const BACK = /back|rear|environment|rück|hinten|arrière|trasera|posteriore/i;
const FRONT = /front|user|selfie|vorn|avant|delantera|anteriore/i;

type Side = NonNullable<Device["facing"]>;

/** The first camera on the other side; without known sides, the next one. `null` if there is no other. */
export function otherCamera(cameras: readonly Device[], current: string | null): Device | null {
  const now = cameras.find(({ id }) => id === current) ?? cameras[0];
  const others = cameras.filter((camera) => camera !== now);
  if (now === undefined || others.length === 0) {
    return null;
  }
  const side = sideOf(now);
  const opposite: Side = side === "environment" ? "user" : "environment";
  const next = cameras[(cameras.indexOf(now) + 1) % cameras.length] ?? null;
  return side === null ? next : (others.find((camera) => sideOf(camera) === opposite) ?? next);
}

/** The side of a camera; `null` for a computer's. */
export function sideOf({ facing, label }: Device): Side | null {
  return facing ?? (BACK.test(label) ? "environment" : FRONT.test(label) ? "user" : null);
}
