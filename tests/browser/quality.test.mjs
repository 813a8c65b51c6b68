// The visible quality of connections on links of limited rate; one network namespace per browser.
import { after, before } from "node:test";
import { Browser } from "./browsers.mjs";
import { HOST, Network, makeSwitch } from "./networks.mjs";
import { qualityScenarios } from "./scenarios/quality.mjs";
import { Stack } from "./stack.mjs";
import { together } from "./together.mjs";

/** One browser on a good link, one on a link that the scenarios limit. */
const world = { stack: null, home: null, limited: null, network: null };

before(async () => {
  makeSwitch();
  world.stack = await Stack.start({ address: HOST });
  world.network = await Network.make();
  const secure = world.stack.url;
  [world.home, world.limited] = await together(Browser.start("chromium", { secure }), Browser.start("chromium", { secure, network: world.network }));
});

after(async () => {
  await Promise.all([world.stack, world.home, world.limited].map((part) => part?.stop()));
  await world.network?.stop();
});

qualityScenarios(world);
