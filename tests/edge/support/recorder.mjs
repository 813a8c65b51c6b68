// A media node's handling of recordings, without any media: it stores objects and reports to the edge.
import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";
import { Client } from "./client.mjs";
import { nodeToken } from "./token.mjs";

const LOOK_MS = 20;

export class Recorder {
  constructor(edge, node, storage) {
    Object.assign(this, { edge, node, storage });
  }

  /** Joins a participant that publishes. */
  async meet(room, participant = "ada", claims = { grants: { record: true } }) {
    const client = await Client.join(this.edge, room, participant, { claims });
    await this.node.serving(room);
    return client;
  }

  /** Starts recording as ordered, with some parts already in storage; resolves with the order and its epoch. */
  async begin(room, parts = 3) {
    const link = await this.node.serving(room);
    if (!link.order) await link.next((frame) => frame.type === "set_recording" && frame.recording !== null);
    const { order } = link;
    const { epoch } = this.node.assignments.findLast((assignment) => assignment.room === room);
    const segment = `${order.key_prefix}segments/${epoch}/`;
    this.storage.put(`${segment}manifest.json`, "{}");
    for (let part = 0; part < parts; part++) this.storage.put(`${segment}parts/t1/${String(part).padStart(6, "0")}-${part * 5000}.webm`, "part");
    link.send({ type: "recording_state", recording: order.recording, state: "recording", code: null });
    return { room, epoch, ...order };
  }

  /** Reports that the segment is stored, and returns the edge's verdict. */
  seal(order) {
    return this.#report(order, { type: "sealed", epoch: order.epoch });
  }

  /** Builds the files, deletes their parts, and reports. */
  async finish(order) {
    assert.equal((await this.seal(order)).body.type, "finish");
    const verdict = await this.deliver(order);
    assert.deepEqual(verdict.body, { type: "done", is_complete: true });
    this.storage.remove(`${order.key_prefix}segments/`);
  }

  /** Stores files and reports them. */
  deliver(order) {
    const file = { key: `${order.key_prefix}ada-camera.webm`, participant: "ada", name: "Ada", is_screen: false };
    const screen = { ...file, key: `${order.key_prefix}ada-screen.webm`, is_screen: true };
    const manifest = `${order.key_prefix}manifest.json`;
    this.storage.put(file.key, "the camera");
    this.storage.put(screen.key, "the screen");
    this.storage.put(manifest, "{}");
    const files = [
      { ...file, starts_ms: 120, duration_ms: 1000, bytes: 10 },
      { ...screen, starts_ms: 500, duration_ms: 2000, bytes: 10 },
    ];
    return this.#report(order, { type: "finished", epoch: order.epoch, segments: [order.epoch], files, manifest });
  }

  /** Makes a complete recording in a room with a participant; resolves with its id. */
  async record(room) {
    const { status, body } = await this.edge.api("POST", `/v1/rooms/${room}/recordings`);
    assert.equal(status, 201, JSON.stringify(body));
    const order = await this.begin(room);
    assert.equal((await this.edge.api("POST", `/v1/rooms/${room}/recordings/${body.id}/stop`)).status, 200);
    await this.finish(order);
    return order;
  }

  /** Follows the room's orders until `signal` aborts; loses the same data as a lost node. */
  async keepRecording(room, signal) {
    let order = null;
    while (!signal.aborted) {
      const link = this.node.rooms.get(room);
      const wanted = link && !link.closed ? link.order : null;
      try {
        if (wanted && wanted.recording !== order?.recording) order = await this.begin(room);
        if (!wanted && order) await this.finish(order);
      } catch (error) {
        console.error(`a recording of ${room} is lost: ${error.message}`);
      }
      if (!wanted) order = null;
      await setTimeout(LOOK_MS);
    }
  }

  async #report({ room, recording }, outcome) {
    const response = await fetch(`${this.edge.http}/v1/nodes/recordings`, {
      method: "POST",
      headers: { authorization: `Bearer ${nodeToken(this.node.id, this.node.region)}`, connection: "close" },
      body: JSON.stringify({ room, recording, outcome }),
    });
    return { status: response.status, body: await response.json() };
  }
}
