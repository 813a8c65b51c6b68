import { afterEach, expect, test, vi } from "vitest";
import { recall, remember } from "./storage";

afterEach(() => vi.unstubAllGlobals());

/** With site data blocked, the property itself throws. */
function blockSiteData(): void {
  for (const name of ["localStorage", "sessionStorage"]) {
    vi.stubGlobal(name, undefined);
    Object.defineProperty(globalThis, name, {
      configurable: true,
      get: () => {
        throw new DOMException("blocked", "SecurityError");
      },
    });
  }
}

test("with site data blocked the app remembers for the life of the page", () => {
  blockSiteData();
  remember("local", "name", "Ada");
  expect(recall("local", "name")).toBe("Ada");
  expect(recall("session", "name")).toBeNull();
  remember("local", "name", null);
  expect(recall("local", "name")).toBeNull();
});

test("a full disk is no error", () => {
  vi.stubGlobal("localStorage", {
    getItem: () => null,
    removeItem: () => undefined,
    setItem: () => {
      throw new DOMException("full", "QuotaExceededError");
    },
  });
  remember("local", "theme", "dark");
  expect(recall("local", "theme")).toBe("dark");
});
