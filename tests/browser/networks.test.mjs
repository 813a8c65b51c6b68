// Calls whose participants lose their network, change it, sleep, or are behind a firewall; one network namespace per
// browser.
import { after, before } from "node:test";
import { Browser } from "./browsers.mjs";
import { makeCertificate } from "./certificate.mjs";
import { HOST, Network, makeSwitch } from "./networks.mjs";
import { firewallScenarios } from "./scenarios/firewalls.mjs";
import { networkScenarios } from "./scenarios/networks.mjs";
import { reachScenarios } from "./scenarios/reach.mjs";
import { Stack } from "./stack.mjs";

/** Shared by all scenarios: two browsers that change networks, each with its own, and one with a stable network. */
const world = { stack: null, travellers: [], home: null, certificate: null };

before(async () => {
  makeSwitch();
  world.stack = await Stack.start({ address: HOST });
  world.certificate = makeCertificate("turn.test", HOST);
  const [secure, trusts] = [world.stack.url, world.certificate];
  const travel = async (kind) => {
    const network = await Network.make();
    return { network, browser: await Browser.start(kind, { network, secure, trusts }) };
  };
  [world.home, ...world.travellers] = await Promise.all([Browser.start("chromium", { secure }), travel("chromium"), travel("firefox")]);
  console.log(world.travellers.map(({ browser }) => browser.version).join(", "));
});

after(async () => {
  await Promise.all([world.stack, world.home, ...world.travellers.map(({ browser }) => browser)].map((part) => part?.stop()));
  await Promise.all(world.travellers.map(({ network }) => network.stop()));
});

firewallScenarios(world);
networkScenarios(world);
reachScenarios(world);
