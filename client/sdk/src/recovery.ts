/** Classifies media failures and suggests a remedy. Pure. */

export type FailureClass = "ice_failure" | "dtls_failure" | "media_failure" | "unknown";

/** `restart_media` reopens the devices; `restart_connection` creates a new transport. */
export type Recovery = "restart_ice" | "restart_connection" | "restart_media";

/** Matched against the error message in order. */
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
