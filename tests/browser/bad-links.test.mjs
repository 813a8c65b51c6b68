// Calls on bad links, each for a few seconds: rate, delay and loss between two namespaces, with Chromium and Firefox as
// the viewer.
import { after, before } from "node:test";
import { Browser } from "./browsers.mjs";
import { HOST, Network, makeSwitch } from "./networks.mjs";
import { badLinkScenarios } from "./scenarios/bad-links.mjs";
import { Stack } from "./stack.mjs";
import { together } from "./together.mjs";

/** A publisher and viewers, each behind a link of its own. */
const world = { stack: null, publisher: null, viewers: [] };

before(async () => {
  makeSwitch();
  world.stack = await Stack.start({ address: HOST });
  const secure = world.stack.url;
  const start = async (kind) => {
    const network = await Network.make({ bad: true });
    const browser = await Browser.start(kind, { secure, network });
    return { network, browser, stop: () => browser.stop().then(() => network.stop()) };
  };
  [world.publisher, ...world.viewers] = await together(start("chromium"), start("chromium"), start("firefox"));
});

after(async () => {
  await Promise.all([world.stack, world.publisher, ...world.viewers].map((part) => part?.stop()));
});

badLinkScenarios(world);
