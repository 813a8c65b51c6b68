// The meet app in Chromium: its devices, its pages in every size, and what people's browsers do to it.
import { after, before } from "node:test";
import { Browser } from "./browsers.mjs";
import { deviceScenarios } from "./scenarios/devices.mjs";
import { lobbyScenarios } from "./scenarios/lobby.mjs";
import { situationScenarios } from "./scenarios/situations.mjs";
import { Stack } from "./stack.mjs";
import { together } from "./together.mjs";

const world = { stack: null, chromium: null };

before(async () => {
  [world.stack, world.chromium] = await together(Stack.start(), Browser.start("chromium"));
});

after(() => Promise.all([world.stack, world.chromium].map((part) => part?.stop())));

deviceScenarios(world);
lobbyScenarios(world);
situationScenarios(world);
