/** What a failure of the media is, and what helps against it. Pure. */

export type FailureClass = "ice_failure" | "dtls_failure" | "media_failure" | "unknown";

/** `restart_media` opens the devices anew; `restart_connection` makes a new transport. */
export type Recovery = "restart_ice" | "restart_connection" | "restart_media";

/** By what the message says; the first that fits counts. */
const SIGNS: readonly (readonly [string, FailureClass])[] = [
  ["ICE failed", "ice_failure"],
  ["DTLS", "dtls_failure"],
  ["media", "media_failure"],
];

const RECOVERIES: Readonly<Record<FailureClass, Recovery>> = {
  ice_failure: "restart_ice",
  dtls_failure: "restart_connection",
  media_failure: "restart_media",
  unknown: "restart_connection",
};

export function failureClass(error: unknown): FailureClass {
  const message = error instanceof Error ? error.message : String(error);
  return SIGNS.find(([sign]) => message.includes(sign))?.[1] ?? "unknown";
}

export function recoveryOf(error: unknown): Recovery {
  return RECOVERIES[failureClass(error)];
}
