// All calls between real browsers through the real programs; they share one stack and two browsers.
import { after, before } from "node:test";
import { Browser } from "./browsers.mjs";
import { broadcastScenarios } from "./scenarios/broadcast.mjs";
import { callScenarios } from "./scenarios/call.mjs";
import { codecScenarios } from "./scenarios/codecs.mjs";
import { edgeLostScenarios } from "./scenarios/edge-lost.mjs";
import { layersScenarios } from "./scenarios/layers.mjs";
import { leavingScenarios } from "./scenarios/leaving.mjs";
import { meetingScenarios } from "./scenarios/meeting.mjs";
import { pageScenarios } from "./scenarios/pages.mjs";
import { proxyScenarios } from "./scenarios/proxies.mjs";
import { recordingScenarios } from "./scenarios/recording.mjs";
import { refusalScenarios } from "./scenarios/refusal.mjs";
import { relayScenarios } from "./scenarios/relay.mjs";
import { resilienceScenarios } from "./scenarios/resilience.mjs";
import { Stack } from "./stack.mjs";
import { together } from "./together.mjs";

/** Shared by all scenarios; each has its own room. */
const world = { stack: null, chromium: null, firefox: null, nodesStarted: 1 };

before(async () => {
  [world.stack, world.chromium, world.firefox] = await together(
    Stack.start({ nodes: world.nodesStarted }),
    Browser.start("chromium"),
    Browser.start("firefox"),
  );
  console.log(`${world.chromium.version}, ${world.firefox.version}`);
});

after(() => Promise.all([world.stack, world.chromium, world.firefox].map((part) => part?.stop())));

callScenarios(world);
codecScenarios(world);
layersScenarios(world);
leavingScenarios(world);
meetingScenarios(world);
pageScenarios(world);
proxyScenarios(world);
recordingScenarios(world);
refusalScenarios(world);
resilienceScenarios(world);
edgeLostScenarios(world);
relayScenarios(world);
broadcastScenarios(world);
