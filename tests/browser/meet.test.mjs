// The meet app in Chromium: its devices, its pages at every size, and effects of the user's browser.
import { after, before } from "node:test";
import { Browser } from "./browsers.mjs";
import { audienceScenarios } from "./scenarios/audience.mjs";
import { comfortScenarios } from "./scenarios/comfort.mjs";
import { deviceScenarios } from "./scenarios/devices.mjs";
import { guestScenarios } from "./scenarios/guests.mjs";
import { lobbyScenarios } from "./scenarios/lobby.mjs";
import { microphoneScenarios } from "./scenarios/microphone.mjs";
import { situationScenarios } from "./scenarios/situations.mjs";
import { stageScenarios } from "./scenarios/stage.mjs";
import { Stack } from "./stack.mjs";
import { together } from "./together.mjs";

const world = { stack: null, chromium: null };

before(async () => {
  [world.stack, world.chromium] = await together(Stack.start(), Browser.start("chromium"));
});

after(() => Promise.all([world.stack, world.chromium].map((part) => part?.stop())));

deviceScenarios(world);
microphoneScenarios(world);
guestScenarios(world);
lobbyScenarios(world);
situationScenarios(world);
stageScenarios(world);
comfortScenarios(world);
audienceScenarios(world);
