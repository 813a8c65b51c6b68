// Calls whose participants lose their network, get another one, or sleep; one network namespace per browser.
import { after, before } from "node:test";
import { Browser } from "./browsers.mjs";
import { HOST, Network, makeSwitch } from "./networks.mjs";
import { networkScenarios } from "./scenarios/networks.mjs";
import { Stack } from "./stack.mjs";

/** What all scenarios share: two browsers that travel, each in a network of its own, and one that stays. */
const world = { stack: null, travellers: [], home: null };

before(async () => {
  makeSwitch();
  world.stack = await Stack.start({ address: HOST });
  const secure = world.stack.url;
  const travel = async (kind) => {
    const network = await Network.make();
    return { network, browser: await Browser.start(kind, { network, secure }) };
  };
  [world.home, ...world.travellers] = await Promise.all([Browser.start("chromium", { secure }), travel("chromium"), travel("firefox")]);
  console.log(world.travellers.map(({ browser }) => browser.version).join(", "));
});

after(async () => {
  await Promise.all([world.stack, world.home, ...world.travellers.map(({ browser }) => browser)].map((part) => part?.stop()));
  await Promise.all(world.travellers.map(({ network }) => network.stop()));
});

networkScenarios(world);
