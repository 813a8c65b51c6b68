// Deployments: every socket breaks, and the state in memory is lost.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { Client } from "../support/client.mjs";
import { MediaNode } from "../support/node.mjs";
import { withStoredEdge } from "../support/stored.mjs";

const DEPLOYMENTS = 10;
const TOKEN_SECS = 5;
/** A token is accepted for this long after its expiry. */
const LEEWAY_SECS = 30;

test("a call whose join tokens have expired survives ten deployments", () =>
  withStoredEdge({}, async (edge) => {
    // The edge's clock cannot be moved, so the tokens expire long before the first deployment, as in a twelve-hour
    // call.
    const [room, now] = ["long", Math.floor(Date.now() / 1000)];
    const claims = { iat: now - 60, exp: now - LEEWAY_SECS + TOKEN_SECS };
    let node = await MediaNode.start(edge, { id: "long-1" });
    let ada = await Client.join(edge, room, "ada", { claims });
    const { session } = ada.session;
    const link = await node.serving(room);
    link.connected(session);
    const { ticket, epoch } = node.assignments.at(-1);
    await setTimeout((TOKEN_SECS + 1) * 1000);
    const secrets = new Set();
    for (let deployment = 1; deployment <= DEPLOYMENTS; deployment++) {
      node.die();
      await edge.kill();
      await edge.again();
      const late = await Client.connect(edge, room, "ada", { claims });
      assert.deepEqual(await late.next("refused"), { type: "refused", code: "token_expired" });
      node = await MediaNode.start(edge, { id: "long-1", dials: false });
      const welcome = await (await node.dial({ room, ticket, epoch }, [session])).next("welcome");
      assert.deepEqual(welcome.sessions.map((known) => known.session), [session]);
      secrets.add(ada.session.resume_token);
      const protocols = ["rotunda.v1", `resume.${ada.session.resume_token}`];
      const back = await Client.open(`${edge.ws}/v1/rooms/${room}/socket`, protocols);
      const resumed = await back.resume(ada.session);
      assert.deepEqual([resumed.type, resumed.transport_dead], ["resumed", false], `deployment ${deployment}`);
      back.session = { session, resume_token: resumed.resume_token };
      ada = back;
    }
    assert.equal(secrets.size, DEPLOYMENTS, "a secret opens one deployment");
    assert.equal((await ada.request({ type: "raise_hand", raised: true })).type, "done");
    node.die();
  }));
