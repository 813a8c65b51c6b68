/** Parses the edge's frames; an unknown frame is ignored and never throws. */
import type { Check } from "./check";
import { isObject, object } from "./check";
import { FRAMES } from "./parse.gen";
import type { EdgeToClient } from "./protocol.gen";

const CHECKS: ReadonlyMap<string, Check> = new Map(
  Object.entries(FRAMES).map(([type, shape]) => [type, object(shape)]),
);

/** The message in a text frame, or `null` if this client does not know it. */
export function parseFrame(frame: string): EdgeToClient | null {
  let value: unknown;
  try {
    value = JSON.parse(frame);
  } catch {
    return null;
  }
  if (!isObject(value) || typeof value["type"] !== "string") {
    return null;
  }
  const check = CHECKS.get(value["type"]);
  // The check above justifies this cast.
  return check?.(value) === true ? (value as unknown as EdgeToClient) : null;
}
