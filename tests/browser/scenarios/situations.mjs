// The app on small and large screens, in restrictive browsers, with strange names and links, in other languages.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join as path } from "node:path";
import { describe, test } from "node:test";
import { Participant } from "../participant.mjs";
import { until } from "../until.mjs";
import { join, openSettings } from "./devices.mjs";

/** A small phone, a desk at 400 % zoom (WCAG 1.4.10), a phone, a laptop, 4K. */
const SCREENS = [[320, 568], [320, 256], [360, 740], [1280, 800], [3840, 2160]];
const HOST = { grants: { publish: true, subscribe: true, chat: true, moderate: true, record: true } };
/** The maximum length that the edge accepts: 128 bytes, without a place to break. */
const LONG_NAME = "W".repeat(128);
const ARABIC_NAME = "\u0639\u0628\u062F \u0627\u0644\u0631\u062D\u0645\u0646 \u0628\u0646 \u0645\u062D\u0645\u062F ".repeat(2).trim();

export function situationScenarios(world) {
  describe("every control can be reached on every screen", () => {
    const room = "reach";
    const problems = [];
    let ada, others, shots;

    /** Checks that every control of this state is reachable, on every screen. */
    async function reachable(page, name) {
      for (const [width, height] of SCREENS) {
        await page.resize(width, height);
        await until("the page has this size", () => page.evaluate((wide) => window.innerWidth === wide, width));
        await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));
        await page.screenshot(path(shots, `${name}-${width}x${height}.png`));
        problems.push(...(await page.evaluate(outOfReach)).map((problem) => `${name} ${width}×${height}: ${problem}`));
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
        if (wide > 0) problems.push(`${name} ${width}×${height}: ${wide} pixels too wide`);
      }
    }

    test("before the call: the home page, a bad link, the lobby with a problem", async () => {
      const { stack, chromium } = world;
      shots = path(stack.logs, "screens");
      mkdirSync(shots, { recursive: true });
      const home = await chromium.page();
      await home.open(stack.url);
      await reachable(home, "home");
      await home.open(`${stack.url}/r/${"caf%C3%A9".repeat(30)}`);
      await reachable(home, "bad-link");
      await home.close();
      const lobby = await Participant.open(stack, chromium, "r".repeat(64), "ada", {
        auto: false,
        devices: { failing: { video: "NotReadableError", audio: "NotAllowedError" } },
      });
      await lobby.reads(/camera couldn’t be started/);
      await reachable(lobby.page, "lobby");
      await lobby.close();
    });

    test("in the call, with the longest names", async () => {
      const { stack, chromium } = world;
      ada = await Participant.join(stack, chromium, room, "ada", { claims: HOST });
      others = [
        await Participant.join(stack, chromium, room, "grace", { claims: { name: LONG_NAME } }),
        await Participant.join(stack, chromium, room, "alan", { claims: { name: ARABIC_NAME } }),
      ];
      await until("three are here", () => ada.page.evaluate(() => document.querySelectorAll("[data-participant]").length === 3));
      await reachable(ada.page, "call");
      for (const panel of ["chat", "people"]) {
        await ada.press(panel);
        await reachable(ada.page, panel);
        await ada.press(panel);
      }
      await ada.page.resize(1280, 800);
      await openSettings(ada);
      await reachable(ada.page, "settings");
      await ada.page.keys("Escape");
      await ada.press("more");
      await ada.page.click('[data-choice="diagnostics"]');
      await ada.reads(/Media node/);
      await reachable(ada.page, "diagnostics");
      await ada.page.keys("Escape");
      await ada.page.keys("l");
      await reachable(ada.page, "speaker");
      await ada.page.keys("l");
    });

    test("in the menus of the bar and of a tile", async () => {
      // Open while the page changes its size, as when a phone is turned.
      await ada.press("more");
      await reachable(ada.page, "more");
      await ada.page.keys("Escape");
      await ada.page.click("[data-participant=grace] .dots");
      await reachable(ada.page, "tile-menu");
      await ada.page.keys("Escape");
    });

    test("beside a shared screen, while the call is recorded", async () => {
      await others[0].press("screen");
      await until("the screen is there", () => ada.page.evaluate(() => document.querySelector("[data-screen]") !== null));
      await ada.page.evaluate(() => window.rotunda.startRecording());
      await until("the badge is there", () => ada.page.evaluate(() => document.querySelector(".recording-badge") !== null));
      await reachable(ada.page, "screen");
      await ada.press("people");
      await reachable(ada.page, "people-recorded");
      await ada.press("people");
    });

    test("people who join a recorded call are told", async () => {
      const lin = await Participant.join(world.stack, world.chromium, room, "lin");
      await until("lin is told", () => lin.page.evaluate(() => /This call is being recorded/.test(document.querySelector(".notice").textContent)));
      await lin.close();
      await ada.page.evaluate(() => window.rotunda.stopRecording());
    });

    // The screen has a section of its own, so the camera stays beside it and after it.
    // Holds S2-CLI-03.
    test("the latest of two shared screens is shown, not the latest joiner's", async () => {
      await others[1].press("screen");
      await until("alan's screen is shown", () => ada.page.evaluate(() => document.querySelector('[data-screen="alan"]') !== null));
      await others[0].press("screen");
      await until("grace shares no more", () => ada.page.evaluate(() => !window.rotunda.participants.find(({ id }) => id === "grace").tracks.some(({ source }) => source === "screen")));
      await others[0].press("screen");
      await until("grace's screen is shown", () => ada.page.evaluate(() => document.querySelector('[data-screen="grace"]') !== null));
      // The browser's own button, rather than the app's.
      await others[0].page.evaluate(() => window.stopSharing());
      await until("alan's screen is shown again", () => ada.page.evaluate(() => document.querySelector('[data-screen="alan"]') !== null));
      assert.equal(await others[0].page.evaluate(() => window.rotunda.snapshot.camera.on), true);
      await Promise.all([ada, ...others].map((person) => person.close()));
    });

    test("after a recorded call: the recordings cover nothing", async () => {
      const host = await Participant.join(world.stack, world.chromium, "after", "ada", { claims: HOST, first: [[fakeRecordings]] });
      await host.press("leave");
      await until("the recordings are there", () => host.page.evaluate(() => document.querySelectorAll(".recordings video").length === 4));
      await reachable(host.page, "ended");
      await host.page.click('::-p-aria([name="Join again"][role="button"])');
      await host.reads(/Ready to join/);
      await host.close();
      assert.deepEqual(problems, []);
    });
  });

  describe("unfriendly browsers", () => {
    const lobby = (room, options) => Participant.open(world.stack, world.chromium, room, "ada", { auto: false, ...options });

    test("site data is blocked: the app works", async () => {
      const ada = await lobby("no-storage", { first: [[blockStorage]] });
      await ada.reads(/Ready to join/);
      await join(ada);
      await ada.isInCall();
      await ada.close();
    });

    test("plain HTTP: the app says why there is no camera, and joins without", async () => {
      const ada = await lobby("insecure", { first: [[beInsecure]] });
      await ada.reads(/isn’t secure \(https\)/);
      await join(ada);
      await ada.isInCall();
      await ada.press("chat");
      await ada.page.fill(".writer textarea", "hello");
      await ada.page.click(".writer button");
      await until("the message is there", () => ada.page.evaluate(() => document.querySelector(".message:not(.pending)") !== null));
      await ada.close();
    });

    for (const [what, failing, words, refusal] of [
      ["no camera", { video: "NotFoundError" }, /No camera found/],
      ["a camera in use", { video: "NotReadableError" }, /Your camera couldn’t be started/],
      ["a blocked microphone", { audio: "NotAllowedError" }, /Your microphone is blocked/],
      ["a system that blocks the camera", { video: "NotAllowedError" }, /Your system blocks the camera/, "Permission denied by system"],
    ]) {
      test(`${what}: the message names the device, and the other one is on`, async () => {
        const ada = await lobby("failing", { devices: { failing, ...(refusal === undefined ? {} : { refusal }) } });
        await ada.reads(words);
        assert.equal(await ada.page.evaluate(() => window.devicesInUse()), 1);
        await join(ada);
        await ada.isInCall();
        await ada.close();
      });
    }

    test("a page that embeds the call without its devices: the app says so, and what helps", async () => {
      const failing = { video: "NotAllowedError", audio: "NotAllowedError" };
      const ada = await lobby("framed", { devices: { failing, refusal: "Permission denied" } });
      await ada.reads(/Your camera is blocked/);
      await ada.page.evaluate(() => {
        const frame = document.createElement("iframe");
        Object.assign(frame, { allow: "camera 'none'; microphone *", src: location.href });
        document.body.append(frame);
      });
      const words = /Your microphone is blocked[^]*The website around this call blocks your camera\. Open the call in its own tab/;
      await until("the framed page says so", async () => {
        const text = await ada.page.evaluate(() => document.querySelector("iframe").contentDocument?.body?.innerText ?? "");
        if (!words.test(text)) throw new Error(text.slice(0, 400));
        return true;
      });
      await ada.close();
    });

    test("no JavaScript: the page says so", async () => {
      const response = await fetch(`${world.stack.url}/r/x`);
      assert.match(await response.text(), /<noscript>[^]*JavaScript/);
    });

    test("a browser that translates pages leaves the app alone, whose texts it would replace under React", async () => {
      const response = await fetch(`${world.stack.url}/r/x`);
      assert.match(await response.text(), /<html lang="en" translate="no">/);
    });
  });

  describe("links, names and languages", () => {
    test("a bad link says so", async () => {
      const page = await world.chromium.page();
      for (const [address, shown] of [["r/caf%C3%A9", "café"], ["r/a%2Fb", "a/b"], ["nowhere", "/nowhere"]]) {
        await page.open(`${world.stack.url}/${address}`);
        await until(`it says ${shown}`, () => page.evaluate((text) => document.querySelector("[role=alert]")?.textContent.includes(text), shown));
      }
      await page.open(world.stack.url);
      assert.equal(await page.evaluate(() => document.querySelector("[role=alert]")), null);
      assert.equal(await page.evaluate(() => document.getElementById("room").autocapitalize), "none");
      await page.close();
    });

    test("new messages do not move the reader, and the title counts unread ones", async () => {
      const { stack, chromium } = world;
      const ada = await Participant.join(stack, chromium, "reading", "ada");
      const grace = await Participant.join(stack, chromium, "reading", "grace");
      const write = (person, text) => person.page.evaluate((words) => window.rotunda.sendMessage(words), text);
      // As many as the edge lets one participant write at once.
      for (let number = 0; number < 8; number += 1) await write(ada, `line ${number}\n`.repeat(6));
      await ada.press("chat");
      const top = () => ada.page.evaluate(() => document.querySelector(".messages").scrollTop);
      await until("the end is shown", async () => (await top()) > 100);
      await ada.page.evaluate(() => document.querySelector(".messages").scrollTo(0, 10));
      await until("the page has noticed", async () => (await top()) === 10);
      // The scroll event comes with the next frame.
      await ada.page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
      await write(grace, "news");
      await until("there are news", () => ada.page.evaluate(() => document.querySelector(".news-below") !== null));
      assert.equal(await top(), 10);
      await ada.page.click(".news-below");
      await until("the end is shown again", async () => (await top()) > 100);
      await ada.press("chat");
      await write(grace, "and https://en.wikipedia.org/wiki/Set_(mathematics)");
      await until("the title counts", () => ada.page.evaluate(() => document.title === "(1) reading · Rotunda"));
      await ada.press("chat");
      await until("the title is plain", () => ada.page.evaluate(() => document.title === "reading · Rotunda"));
      const link = await ada.page.evaluate(() => document.querySelector(".message a").href);
      assert.equal(link, "https://en.wikipedia.org/wiki/Set_(mathematics)");
      await Promise.all([ada.close(), grace.close()]);
    });

    test("after two hundred messages the chat still follows, and still says that there are new ones", async () => {
      const ada = await Participant.join(world.stack, world.chromium, "long-chat", "ada", { first: [[heldSockets]] });
      const say = (from, count) => ada.page.evaluate((first, number) => {
        const messages = Array.from({ length: number }, (_, index) => ({ number: first + index, message: `m${first + index}`, participant: "grace", name: "Grace", sent_at: 1_790_000_000_000, text: `line ${first + index}` }));
        window.receive({ type: "chat", messages });
      }, from, count);
      const list = () => ada.page.evaluate(() => {
        const { scrollTop, scrollHeight, clientHeight, children } = document.querySelector(".messages");
        return { count: children.length, fromEnd: Math.round(scrollHeight - scrollTop - clientHeight), last: children[children.length - 1]?.querySelector(".text").textContent };
      });
      await say(1, 200);
      await ada.press("chat");
      await until("the end is shown", async () => (await list()).fromEnd < 2);
      await say(201, 1);
      await until("the new end is shown", async () => {
        const { count, fromEnd, last } = await list();
        return count === 200 && fromEnd < 2 && last === "line 201";
      });
      await ada.page.evaluate(() => document.querySelector(".messages").scrollTo(0, 100));
      await ada.page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
      await say(202, 1);
      await until("there are news", () => ada.page.evaluate(() => document.querySelector(".news-below") !== null));
      // At the very start, the browser does not keep the reader's place when the first line goes.
      const place = () => ada.page.evaluate(() => {
        const line = [...document.querySelectorAll(".messages .text")].find(({ textContent }) => textContent === "line 5");
        return { top: Math.round(line.getBoundingClientRect().top), scrollTop: document.querySelector(".messages").scrollTop };
      });
      await ada.page.evaluate(() => document.querySelector(".messages").scrollTo(0, 0));
      await ada.page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
      const before = await place();
      await say(203, 1);
      await until("it is there", async () => (await list()).last === "line 203");
      assert.deepEqual(await place(), before);
      await ada.press("chat");
      await say(204, 2);
      await until("the title counts", () => ada.page.evaluate(() => document.title === "(2) long-chat · Rotunda"));
      await ada.close();
    });

    test("on a Cyrillic keyboard the key of M mutes; German times are German", async () => {
      const ada = await Participant.join(world.stack, world.chromium, "cyrillic", "ada");
      await ada.page.evaluate(() => window.dispatchEvent(new KeyboardEvent("keydown", { key: "\u044C", code: "KeyM" })));
      await until("it is muted", () => ada.page.evaluate(() => !window.rotunda.snapshot.microphone.on));
      await openSettings(ada);
      await ada.page.evaluate(() => {
        const select = document.getElementById("language");
        select.value = "de";
        select.dispatchEvent(new Event("change", { bubbles: true }));
        window.rotunda.sendMessage("hallo");
      });
      await ada.press("chat");
      const time = await until("the message has a time", () => ada.page.evaluate(() => document.querySelector(".message:not(.pending) small")?.textContent));
      assert.match(time, /^\d\d:\d\d$/);
      await ada.close();
    });

    test("nobody can imitate the mark beside one's own name", async () => {
      const { stack, chromium } = world;
      const ada = await Participant.join(stack, chromium, "imitation", "ada");
      const grace = await Participant.join(stack, chromium, "imitation", "grace", { claims: { name: "Ada (you)" } });
      const write = (person) => person.page.evaluate(() => window.rotunda.sendMessage("hello"));
      await write(ada);
      await write(grace);
      await ada.press("chat");
      const names = (selector) => ada.page.evaluate((within) => [...document.querySelectorAll(within)].map((one) => [one.querySelector("bdi").textContent, one.querySelector(".mark")?.textContent ?? null]), selector);
      const expected = [["Ada", "you"], ["Ada (you)", null]];
      await until("both have written", async () => (await names(".message .author")).length === 2);
      assert.deepEqual(await names(".message .author"), expected);
      expected.sort();
      assert.deepEqual((await names(".tile figcaption")).sort(), expected);
      await ada.press("people");
      assert.deepEqual((await names(".who")).sort(), expected);
      const roles = await ada.page.evaluate(() => [...document.querySelectorAll(".tile")].map((tile) => [tile.dataset.participant, tile.getAttribute("aria-roledescription")]));
      assert.deepEqual(roles.sort(), [["ada", "your own tile"], ["grace", null]]);
      await Promise.all([ada.close(), grace.close()]);
    });

    test("the buttons show their keys", async () => {
      const ada = await Participant.join(world.stack, world.chromium, "keys", "ada");
      const shown = await ada.page.evaluate(() => {
        document.getElementById("microphone").focus();
        return [...document.querySelectorAll(".tip kbd")].map(({ textContent }) => textContent).join("");
      });
      assert.equal(shown, "MVSHCP");
      await ada.close();
    });
  });
}

/** In the page: finds controls that cannot be clicked, or are not wholly on the screen after scrolling to them. */
function outOfReach() {
  const problems = [];
  const menu = document.querySelector("[role=menu]");
  const all = [...(menu ?? document).querySelectorAll("button, a[href], input, select, textarea, video[controls]")];
  const shown = all.filter((element) => element.checkVisibility({ visibilityProperty: true }) && !element.disabled && !element.matches(".skip"));
  // The user cannot scroll these.
  const boxes = [...document.querySelectorAll("*")].map((box) => [box, getComputedStyle(box)]);
  const fixed = (side) => boxes.filter(([, style]) => ["hidden", "clip"].includes(style[side])).map(([box]) => box);
  const [fixedX, fixedY] = [fixed("overflowX"), fixed("overflowY")];
  for (const element of shown) {
    element.scrollIntoView({ block: "center", inline: "center" });
    for (const box of fixedX) box.scrollLeft = 0;
    for (const box of fixedY) box.scrollTop = 0;
    const { left, top, right, bottom, width, height } = element.getBoundingClientRect();
    const name = element.getAttribute("aria-label") || element.textContent.trim().slice(0, 40) || element.id || element.tagName;
    const hit = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
    if (left < -1 || right > window.innerWidth + 1) problems.push(`${name} is cut off (${Math.round(left)} to ${Math.round(right)})`);
    else if (height <= window.innerHeight && (top < -1 || bottom > window.innerHeight + 1)) problems.push(`${name} is cut off (${Math.round(top)} to ${Math.round(bottom)})`);
    else if (width < 16 || height < 16) problems.push(`${name} is ${Math.round(width)} × ${Math.round(height)}`);
    else if (!hit || !(element.contains(hit) || hit.contains(element))) problems.push(`${name} is covered by ${hit?.className || hit?.tagName}`);
    else if (hit !== element && hit.contains(element) && !hit.closest("label")) problems.push(`${name} is under ${hit.className || hit.tagName}`);
  }
  return problems;
}

/** A room's recordings after a recorded call. */
function fakeRecordings() {
  const { fetch } = window;
  const file = (name) => ({ url: "data:video/webm;base64,", name, participant: "ada", type: "video/webm" });
  window.fetch = (request, options) =>
    /\/recordings$/.test(String(request?.url ?? request))
      ? Promise.resolve(Response.json({ recordings: [{ id: "one", state: "ready", started_at: 1_790_000_000_000, files: ["Ada", "Grace", "W".repeat(128), "Lin"].map(file) }] }))
      : fetch(request, options);
}

/** Runs in the page, before the app: the test can receive frames that no room sends so fast. */
function heldSockets() {
  let newest = null;
  window.WebSocket = class extends window.WebSocket {
    constructor(...args) {
      super(...args);
      newest = this;
    }
  };
  window.receive = (frame) => newest.dispatchEvent(new MessageEvent("message", { data: JSON.stringify(frame) }));
}

/** A browser with site data blocked. */
function blockStorage() {
  for (const name of ["localStorage", "sessionStorage"]) {
    Object.defineProperty(window, name, {
      get: () => {
        throw new DOMException("blocked", "SecurityError");
      },
    });
  }
}

/** A page on plain HTTP, without its missing APIs. */
function beInsecure() {
  Object.defineProperty(navigator, "mediaDevices", { value: undefined });
  Object.defineProperty(navigator, "clipboard", { value: undefined });
  Object.defineProperty(Crypto.prototype, "randomUUID", { value: undefined });
  Object.defineProperty(Crypto.prototype, "subtle", { value: undefined });
}
