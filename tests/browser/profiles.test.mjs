// Cameras that follow a profile over an uplink with delays and losses.
import { after, before } from "node:test";
import { Browser } from "./browsers.mjs";
import { HOST, Network, makeSwitch } from "./networks.mjs";
import { profileScenarios } from "./scenarios/profiles.mjs";
import { Stack } from "./stack.mjs";
import { together } from "./together.mjs";

/** A viewer on a good link, and a publisher's browser with its network. */
const world = { stack: null, viewer: null, publisher: null, network: null };

before(async () => {
  makeSwitch();
  world.stack = await Stack.start({ address: HOST });
  world.network = await Network.make({ bad: true });
  const secure = world.stack.url;
  [world.viewer, world.publisher] = await together(Browser.start("chromium", { secure }), Browser.start("chromium", { secure, network: world.network }));
});

after(async () => {
  await Promise.all([world.stack, world.viewer, world.publisher].map((part) => part?.stop()));
  await world.network?.stop();
});

profileScenarios(world);
