// The buttons for microphone and camera match the devices, in whatever order they are pressed and however slowly the
// devices open.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Participant } from "../participant.mjs";
import { until } from "../until.mjs";

const HOST = { claims: { grants: { publish: true, subscribe: true, moderate: true } } };
const SLOW = { opensMs: 400 };
/** Every pending device has opened by then. */
const LATE_MS = 1_500;

export function deviceScenarios(world) {
  /** A participant in the lobby of a separate room, with slow devices. */
  const lobby = (room, options = {}) =>
    Participant.open(world.stack, world.chromium, room, "ada", { auto: false, devices: SLOW, ...options });

  describe("devices that open slowly", () => {
    test("the camera is pressed and Join 150 ms later: it is on, says so, and is off after leaving", async () => {
      const ada = await lobby("slow-camera", { query: { camera: 0, microphone: 0 } });
      await ada.press("lobby-camera");
      await wait(150);
      await join(ada);
      await ada.isInCall();
      await wait(LATE_MS);
      await saysWhatItDoes(ada, { microphone: false, camera: true });
      await ada.press("leave");
      await ada.reads(/You left the room/);
      await allIsOff(ada);
      await ada.close();
    });

    test("a camera that is turned off while it opens stays off", async () => {
      const ada = await lobby("off-while-opening", { query: { camera: 0, microphone: 0 } });
      await ada.press("lobby-camera");
      await wait(100);
      await ada.press("lobby-camera");
      await join(ada);
      await ada.isInCall();
      await wait(LATE_MS);
      await saysWhatItDoes(ada, { microphone: false, camera: false });
      await ada.close();
    });

    test("a microphone is chosen and muted at once: it stays muted", async () => {
      const ada = await lobby("choose-and-mute");
      await until("both are open", async () => (await inUse(ada)) === 2);
      await choose(ada.page, "Microphone", "headset");
      await ada.press("lobby-microphone");
      await wait(LATE_MS);
      assert.deepEqual(await hot(ada), ["front"]);
      assert.equal(await inUse(ada), 1);
      await ada.press("lobby-microphone");
      await until("the chosen one is on", async () => (await hot(ada)).includes("headset"));
      await ada.close();
    });

    test("a locked room refuses while everything is off: nothing opens again", async () => {
      const { stack, chromium } = world;
      const host = await Participant.join(stack, chromium, "refused-muted", "grace", HOST);
      await host.page.evaluate(() => window.rotunda.setLocked(true));
      const ada = await lobby("refused-muted");
      await until("both are open", async () => (await inUse(ada)) === 2);
      await ada.press("lobby-microphone");
      await ada.press("lobby-camera");
      await join(ada);
      await ada.reads(/The room is locked/);
      await wait(LATE_MS);
      await allIsOff(ada);
      assert.deepEqual(await lobbySays(ada), { microphone: false, camera: false });
      await Promise.all([host.close(), ada.close()]);
    });

    test("Join again keeps what was turned off in the call", async () => {
      const ada = await lobby("join-again");
      await until("both are open", async () => (await inUse(ada)) === 2);
      await join(ada);
      await ada.isInCall();
      await ada.press("camera");
      await ada.press("leave");
      await ada.page.click('::-p-aria([name="Join again"][role="button"])');
      await until("the microphone is on again", async () => (await hot(ada)).includes("desk-microphone"));
      await wait(LATE_MS);
      assert.deepEqual(await hot(ada), ["desk-microphone"]);
      assert.deepEqual(await lobbySays(ada), { microphone: true, camera: false });
      await ada.close();
    });

    test("buttons that are pressed while the joining is under way are obeyed", async () => {
      const ada = await lobby("pressed-while-joining", { query: { camera: 0 } });
      await join(ada);
      await ada.page.evaluate(() => {
        document.getElementById("lobby-microphone")?.click();
        document.getElementById("lobby-camera")?.click();
      });
      await ada.isInCall();
      await wait(LATE_MS);
      const { microphone, camera } = await ada.page.evaluate(() => window.rotunda.snapshot);
      await saysWhatItDoes(ada, { microphone: microphone.on, camera: camera.on });
      await ada.close();
    });

    test("twenty presses in a row end as the button says", async () => {
      const ada = await lobby("many-presses");
      for (let press = 0; press < 20; press += 1) {
        await ada.page.evaluate((kind) => document.getElementById(`lobby-${kind}`).click(), press % 3 === 0 ? "microphone" : "camera");
        await wait((press * 37) % 150);
      }
      await wait(LATE_MS);
      const says = await lobbySays(ada);
      const expected = [...(says.microphone ? ["desk-microphone"] : []), ...(says.camera ? ["front"] : [])];
      assert.deepEqual((await hot(ada)).sort(), expected.sort());
      await ada.close();
    });
  });

  describe("devices go off with the page", () => {
    test("by Back, out of the lobby, the joining and the call; nothing stays connected", async () => {
      for (const stage of ["lobby", "joining", "call"]) {
        const ada = await Participant.open(world.stack, world.chromium, `back-${stage}`, "ada", { auto: false, devices: SLOW, first: [[counted]] });
        // As from the home page: Back leads to a page of the app.
        await ada.page.evaluate(() => {
          const room = location.href;
          history.replaceState(null, "", "/");
          history.pushState(null, "", room);
        });
        if (stage !== "lobby") await join(ada);
        if (stage === "call") await ada.isInCall();
        await ada.page.evaluate(() => history.back());
        await ada.reads(/New room/);
        await wait(LATE_MS);
        await allIsOff(ada);
        assert.deepEqual(await ada.page.evaluate(() => window.stillOpen()), { sockets: 0, connections: 0 }, stage);
        await ada.close();
      }
    });

    test("by a crash of the page, which then says so", async () => {
      const ada = await lobby("crash", { devices: {} });
      await join(ada);
      await ada.isInCall();
      await until("both are open", async () => (await inUse(ada)) === 2);
      await ada.page.evaluate(() => {
        // The next render fails, whatever it renders.
        Array.prototype.reverse = () => {
          throw new Error("a mistake in the app");
        };
        window.rotunda.setMicrophone(false);
      });
      await ada.reads(/Something went wrong/);
      await allIsOff(ada);
      await ada.close();
    });
  });

  describe("devices come and go", () => {
    test("a camera that is unplugged in the lobby is replaced, and the last one is off", async () => {
      const ada = await lobby("unplugged", { devices: {} });
      await until("both are open", async () => (await inUse(ada)) === 2);
      await ada.page.evaluate(() => window.unplug("video"));
      await until("the other camera is used", async () => (await hot(ada)).includes("back"));
      await ada.page.evaluate(() => window.unplug("video"));
      await ada.reads(/No camera found/);
      assert.deepEqual(await lobbySays(ada), { microphone: true, camera: false });
      await join(ada);
      await ada.isInCall();
      await saysWhatItDoes(ada, { microphone: true, camera: false });
      await ada.close();
    });

    test("a phone, which opens one camera at a time, switches cameras", async () => {
      const ada = await lobby("phone", { devices: { oneCamera: true } });
      await until("both are open", async () => (await inUse(ada)) === 2);
      await choose(ada.page, "Camera", "back");
      await until("the back camera is on", async () => (await hot(ada)).includes("back"));
      await join(ada);
      await ada.isInCall();
      await openSettings(ada);
      await choose(ada.page, "Camera", "front");
      await until("the front camera is on", async () => (await hot(ada)).includes("front"));
      assert.equal(await inUse(ada), 2);
      await ada.close();
    });

    test("the sound of a shared screen ends alone: the others are told, and still see the screen", async () => {
      const { stack, chromium } = world;
      const options = { query: { microphone: 0, camera: 0 }, devices: { screenSound: "live" } };
      const [ada, grace] = [await Participant.join(stack, chromium, "screen-sound", "ada", options), await Participant.join(stack, chromium, "screen-sound", "grace")];
      const shares = (expected) =>
        until(`grace is told of ${expected}`, async () => {
          const sources = await grace.page.evaluate(() => window.rotunda.participants.flatMap(({ tracks }) => tracks.map(({ source }) => source)).filter((source) => source.startsWith("screen")));
          return sources.sort().join() === expected;
        });
      await ada.press("screen");
      await shares("screen,screen_audio");
      await ada.page.evaluate(() => window.endScreenSound());
      await shares("screen");
      assert.equal(await ada.page.evaluate(() => window.rotunda.snapshot.screen.readyState), "live");
      await Promise.all([ada.close(), grace.close()]);
    });

    test("a phone call interrupts the microphone in the lobby, which says so until it is over", async () => {
      const ada = await lobby("held", { devices: {} });
      const alert = () => ada.page.evaluate(() => document.querySelector(".lobby [role=alert]")?.textContent ?? "");
      await until("both are on", async () => Object.values(await lobbySays(ada)).every((isOn) => isOn) && (await inUse(ada)) === 2);
      await ada.page.evaluate(() => window.interrupt("audio", true));
      await until("the lobby says why it is off", async () => /Your microphone was interrupted/.test(await alert()));
      assert.deepEqual(await lobbySays(ada), { microphone: false, camera: true });
      await ada.page.evaluate(() => window.interrupt("audio", false));
      await until("it is on again", async () => (await alert()) === "" && (await lobbySays(ada)).microphone);
      await ada.close();
    });

    test("a phone call interrupts the microphone: the bar says off, and on again after it", async () => {
      const ada = await lobby("interrupted", { devices: {} });
      await join(ada);
      await ada.isInCall();
      const says = () => ada.page.evaluate(() => document.getElementById("microphone").getAttribute("aria-label"));
      await until("it is on", async () => (await inUse(ada)) === 2 && (await says()) === "Mute");
      await ada.page.evaluate(() => window.interrupt("audio", true));
      await ada.reads(/Your microphone was interrupted/);
      assert.equal(await says(), "Unmute");
      assert.equal(await ada.page.evaluate(() => window.rotunda.self.tracks.find(({ source }) => source === "microphone").muted), true);
      await ada.page.evaluate(() => window.interrupt("audio", false));
      await ada.reads(/Your microphone is on again/);
      assert.equal(await says(), "Mute");
      await ada.close();
    });

    test("the chosen devices, and what was off, survive a reload", async () => {
      const ada = await lobby("reloaded", { devices: {} });
      await until("both are open", async () => (await inUse(ada)) === 2);
      await choose(ada.page, "Microphone", "headset");
      await choose(ada.page, "Camera", "back");
      await until("the chosen ones are on", async () => (await hot(ada)).sort().join() === "back,headset");
      await ada.press("lobby-camera");
      await ada.page.reload();
      await until("the headset is on", async () => (await hot(ada)).join() === "headset");
      assert.deepEqual(await lobbySays(ada), { microphone: true, camera: false });
      await ada.press("lobby-camera");
      await until("the back camera is on", async () => (await hot(ada)).includes("back"));
      await ada.close();
    });

    // Holds S0-QUAL-01.
    test("a call without cameras reads the statistics once a second, not fifty times", async () => {
      const { stack, chromium } = world;
      const options = { query: { camera: 0 }, first: [[countStatistics]] };
      const [ada, grace] = [await Participant.join(stack, chromium, "audio-only", "ada", options), await Participant.join(stack, chromium, "audio-only", "grace", options)];
      await ada.hears([grace]);
      await ada.page.evaluate(() => (window.statisticsRead = 0));
      await wait(5_000);
      const read = await ada.page.evaluate(() => window.statisticsRead);
      // On a busy machine, audio may pause, and then the statistics are read more often for a moment.
      assert.ok(read >= 3 && read <= 12, `${read} times in five seconds`);
      await Promise.all([ada.close(), grace.close()]);
    });

    // Holds S0-CLI-05.
    test("the local stream is one object whose tracks come and go, and can be stopped", async () => {
      const ada = await lobby("local-stream", { devices: {} });
      await join(ada);
      await ada.isInCall();
      await until("both are open", async () => (await inUse(ada)) === 2);
      const kinds = () => ada.page.evaluate(() => {
        window.firstStream ??= window.rotunda.localStream;
        return [window.firstStream === window.rotunda.localStream, ...window.rotunda.localStream.getTracks().map(({ kind }) => kind).sort()];
      });
      assert.deepEqual(await kinds(), [true, "audio", "video"]);
      await ada.page.evaluate(() => window.rotunda.setCamera(false));
      assert.deepEqual(await kinds(), [true, "audio"]);
      await ada.page.evaluate(() => window.rotunda.setCamera(true));
      assert.deepEqual(await kinds(), [true, "audio", "video"]);
      await ada.page.evaluate(() => window.rotunda.stopLocalStream());
      assert.deepEqual(await kinds(), [true]);
      await allIsOff(ada);
      await ada.page.evaluate(() => window.rotunda.shareScreen());
      assert.equal(await ada.page.evaluate(() => window.rotunda.snapshot.screen?.readyState), "live");
      await ada.close();
    });
  });
}

/** Runs in the page, before the app: counts open resources. */
function counted() {
  const [sockets, connections] = [[], []];
  window.WebSocket = class extends window.WebSocket {
    constructor(...args) {
      super(...args);
      sockets.push(this);
    }
  };
  window.RTCPeerConnection = class extends window.RTCPeerConnection {
    constructor(...args) {
      super(...args);
      connections.push(this);
    }
  };
  window.stillOpen = () => ({
    sockets: sockets.filter(({ readyState }) => readyState < WebSocket.CLOSING).length,
    connections: connections.filter(({ signalingState }) => signalingState !== "closed").length,
  });
}

/** Runs in the page, before the app. */
function countStatistics() {
  window.statisticsRead = 0;
  const { getStats } = RTCPeerConnection.prototype;
  RTCPeerConnection.prototype.getStats = function (...args) {
    window.statisticsRead += 1;
    return getStats.apply(this, args);
  };
}

function wait(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

export function join(person) {
  return person.page.click('::-p-aria([name="Join"][role="button"])');
}

export async function openSettings(person) {
  await person.press("more");
  await person.page.click('[role="menuitem"][aria-label="Devices and settings"]');
}

/** Chooses an option of the select with this label. */
function choose(page, label, value) {
  return page.evaluate((name, id) => {
    const select = [...document.querySelectorAll("label.choice")].find((one) => one.textContent.startsWith(name)).querySelector("select");
    select.value = id;
    select.dispatchEvent(new Event("change", { bubbles: true }));
  }, label, value);
}

function hot(person) {
  return person.page.evaluate(() => window.devicesHot());
}

function inUse(person) {
  return person.page.evaluate(() => window.devicesInUse());
}

async function allIsOff(person) {
  assert.deepEqual(await hot(person), []);
  assert.equal(await inUse(person), 0);
}

function lobbySays(person) {
  return person.page.evaluate(() => {
    const isOn = (kind) => !document.getElementById(`lobby-${kind}`).classList.contains("off");
    return { microphone: isOn("microphone"), camera: isOn("camera") };
  });
}

/** Checks that the call's bar shows this state and the devices are in it. */
async function saysWhatItDoes(person, expected) {
  const says = await person.page.evaluate(() => {
    const isOn = (kind) => !document.getElementById(kind).classList.contains("off");
    return { microphone: isOn("microphone"), camera: isOn("camera") };
  });
  assert.deepEqual(says, expected);
  const devices = [...(expected.microphone ? ["desk-microphone"] : []), ...(expected.camera ? ["front"] : [])];
  assert.deepEqual((await hot(person)).sort(), devices.sort());
}
