// Calls over links with a rate, a delay and losses; one network namespace per browser.
import { after, before } from "node:test";
import { Browser } from "./browsers.mjs";
import { HOST, Network, makeSwitch } from "./networks.mjs";
import { badLinkScenarios } from "./scenarios/bad-links.mjs";
import { Stack } from "./stack.mjs";
import { together } from "./together.mjs";

/** Each browser with its network. */
const world = { stack: null, chromium: null, otherChromium: null, firefox: null };

before(async () => {
  makeSwitch();
  world.stack = await Stack.start({ address: HOST });
  const secure = world.stack.url;
  const start = async (kind) => {
    const network = await Network.make({ bad: true });
    return { network, browser: await Browser.start(kind, { secure, network }) };
  };
  [world.chromium, world.otherChromium, world.firefox] = await together(start("chromium"), start("chromium"), start("firefox"));
});

after(async () => {
  const places = [world.chromium, world.otherChromium, world.firefox].filter((place) => place !== null);
  await Promise.all([world.stack, ...places.map(({ browser }) => browser)].map((part) => part?.stop()));
  await Promise.all(places.map(({ network }) => network.stop()));
});

badLinkScenarios(world);
