import { describe, expect, test } from "vitest";
import type { FailureClass, Recovery } from "./recovery";
import { failureClass, recoveryOf } from "./recovery";

describe("a failure", () => {
  const failures: [unknown, FailureClass, Recovery][] = [
    [new Error("ICE failed"), "ice_failure", "restart_ice"],
    [new Error("ICE failed after 30 s"), "ice_failure", "restart_ice"],
    [new Error("DTLS handshake timed out"), "dtls_failure", "restart_connection"],
    [new Error("no media for 5 s"), "media_failure", "restart_media"],
    [new Error("out of cheese"), "unknown", "restart_connection"],
    ["DTLS", "dtls_failure", "restart_connection"],
    [new Error("media"), "media_failure", "restart_media"],
    ["media", "media_failure", "restart_media"],
    [new Error("ICE failed: no media"), "ice_failure", "restart_ice"],
    [new Error("DTLS failed: no media"), "dtls_failure", "restart_connection"],
    [new Error("ICE"), "unknown", "restart_connection"],
    [new Error(""), "unknown", "restart_connection"],
    [undefined, "unknown", "restart_connection"],
  ];
  test.each(failures)("%s is a %s and needs a %s", (error, kind, recovery) => {
    expect([failureClass(error), recoveryOf(error)]).toEqual([kind, recovery]);
  });
});
