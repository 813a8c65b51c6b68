// A large room goes through a whole call: joins, a mute, a departure, a redeployment, and the death of its node.
// `ROOM_SIZE=1000 node --test tests/size.test.mjs` plays it with the largest room.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Crowd, Member, publishersOf } from "../bench/crowd.mjs";
import { OFFER, TRACKS } from "../support/client.mjs";
import { DEPLOYED } from "../support/edge.mjs";
import { MediaNode } from "../support/node.mjs";
import { withStoredEdge } from "../support/stored.mjs";

const SIZE = Number(process.env.ROOM_SIZE ?? 150);
const ROOM = "hall";
/** The development build is slow, and built anyway. */
const BUILD = SIZE > 300 ? DEPLOYED : {};
/** Requests at the same time. */
const AT_ONCE = 16;

/** Calls `act` for each, a few at a time. */
async function each(items, act) {
  const left = [...items.entries()];
  const work = async () => {
    for (let next = left.shift(); next; next = left.shift()) await act(next[1], next[0]);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

test(`${SIZE} people go through a call`, (context) =>
  withStoredEdge({ ...BUILD, direct: true }, async (edge) => {
    const began = performance.now();
    const done = (what) => context.diagnostic(`${what} after ${Math.round(performance.now() - began)} ms`);
    const node = await MediaNode.start(edge);
    const crowd = new Crowd(edge, ROOM, SIZE);
    const sessions = [];
    const note = (joined) => {
      const { participant, session, resume_token } = JSON.parse(joined);
      sessions[Number(participant.slice(1))] = { session, resume_token };
    };
    note(await crowd.join());
    const link = await node.serving(ROOM);
    link.connected(sessions[0].session);
    for (let number = 1; number < SIZE; number++) {
      note(await crowd.join());
      // At once: while the rest joins, a client without media would have to send pings.
      link.connected(sessions[number].session);
    }
    done("everybody is in");

    const { members } = crowd;
    const [speaker, leaver, ...others] = members;
    const muted = Promise.all([leaver, ...others].map((member) => member.hears('"id":"p0"', '"source":"microphone","muted":true')));
    await speaker.request({ type: "set_muted", mid: "0", muted: true });
    await muted;
    done("everybody has heard of a mute");

    const gone = Promise.all([speaker, ...others].map((member) => member.hears('"participant":"p1","reason":"left"')));
    await leaver.request({ type: "leave" });
    await gone;
    done("everybody has heard of a departure");

    const { ticket, epoch } = node.assignments.at(-1);
    await edge.kill();
    await edge.again();
    const nodeAgain = await MediaNode.start(edge);
    const present = members.filter((member) => member !== leaver);
    const numberOf = ({ id }) => Number(id.slice(1));
    const connected = present.map((member) => sessions[numberOf(member)].session);
    const linkAgain = await nodeAgain.dial({ room: ROOM, ticket, epoch }, connected);
    await linkAgain.next("welcome");
    const [back, bytes, complete] = [[], [], []];
    await each(present, async (member, index) => {
      const { session, resume_token } = sessions[numberOf(member)];
      const again = await Member.open(edge, ROOM, numberOf(member), {}, resume_token);
      // An older client names no revision.
      const knows = index % 20 === 7 ? {} : { revision: member.revision };
      const text = await again.request({ type: "resume", session, resume_token, ...knows });
      const resumed = JSON.parse(text);
      assert.equal(resumed.type, "resumed", text);
      assert.equal(resumed.transport_dead, false);
      assert.equal(resumed.difference !== undefined, knows.revision !== undefined);
      (resumed.difference ? bytes : complete).push(text.length);
      back.push(again);
    });
    const mean = (list) => Math.round(list.reduce((sum, length) => sum + length, 0) / list.length);
    done("everybody has resumed after a redeployment");
    context.diagnostic(`a resume took ${mean(bytes)} bytes, ${mean(complete)} with the complete roster`);
    assert.ok(mean(bytes) * 2 < mean(complete));

    const dead = Promise.all(back.map((member) => member.hears('"type":"transport_dead"')));
    nodeAgain.die();
    linkAgain.terminate();
    await MediaNode.start(edge, { id: "n2", port: 7001 });
    await dead;
    await each(back, async (member) => {
      const tracks = numberOf(member) < publishersOf(SIZE) ? TRACKS : [];
      const reply = await member.request({ type: "negotiate", reason: "transport_dead", offer: OFFER, tracks });
      assert.ok(reply.startsWith('{"type":"negotiated"'), reply);
    });
    done("everybody has moved to another node");
    for (const member of [...back, ...members]) member.socket.terminate();
  }));
