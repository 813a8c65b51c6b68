// Roles: named grants of the deployment, given by tokens, by attributes and by moderators.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Client } from "../support/client.mjs";
import { startEdge } from "../support/edge.mjs";
import { MediaNode } from "../support/node.mjs";
import { checkRefused } from "../support/refused.mjs";

const ROLES = {
  roles: { therapist: { moderate: true, record: true, admit: true }, patient: { screen: false }, observer: { hidden: true } },
  attributes: { role: { therapist: "therapist", patient: "patient" }, staff: { yes: "admin" } },
  successors: ["cohost", "participant"],
  host_absence_ms: 1000,
};

let edge;
before(async () => {
  edge = await startEdge({ vars: { ROLES: JSON.stringify(ROLES) } });
  await MediaNode.start(edge);
});
after(() => edge.stop());

const self = ({ joined }) => joined.roster.find(({ id }) => id === joined.participant);
const updated = (client, id, role) =>
  client.find(({ type, participant }) => type === "participant_updated" && participant.id === id && (participant.role ?? "participant") === role, `${id} as ${role}`);

// Holds S1-ROOM-01, S0-SEC-02.
test("a token's role, or its attributes, decide what its holder may do; without either the participant has the default role", async () => {
  const admit = async (name, claims) => Client.join(edge, "clinic", name, { claims, tracks: [] });
  const therapist = await admit("therapist", { attributes: { role: "therapist" } });
  assert.equal(self(therapist).role, "therapist");
  assert.deepEqual(self(therapist).attributes, { role: "therapist" });
  assert.equal((await therapist.request({ type: "update_room", locked: false })).type, "done");
  const patient = await admit("patient", { attributes: { role: "patient" }, grants: { moderate: true } });
  assert.equal(self(patient).role, "patient");
  assert.equal(await patient.refusal({ type: "update_room", locked: true }), "forbidden");
  const admin = await admit("admin", { attributes: { staff: "yes" } });
  assert.equal(self(admin).role, "admin");
  const host = await admit("host", { role: "host" });
  assert.equal(self(host).role, "host");
  const other = await admit("other", {});
  assert.deepEqual([self(other).role, self(other).attributes], [undefined, undefined]);
  const bad = await Client.connect(edge, "clinic", "eve", { claims: { role: "doctor" } });
  await bad.ended();
  assert.equal(bad.frames.at(-1)?.code, "bad_token");
  const { participants } = (await edge.api("GET", "/v1/rooms/clinic/participants")).body;
  assert.deepEqual(Object.fromEntries(participants.map(({ id, role = "participant" }) => [id, role])), {
    therapist: "therapist",
    patient: "patient",
    admin: "admin",
    host: "host",
    other: "participant",
  });
});

// Holds S2-ROOM-02.
test("everybody sees id, name, role, media state and time of joining, and the role changes in the call", async () => {
  const { body } = await edge.api("POST", "/v1/tokens", { body: { room: "cinema", participant: "ada", name: "Ada", role: "host", attributes: { seat: "a-1" } } });
  const host = await Client.join(edge, "cinema", "ada", { token: body.token });
  const viewer = await Client.connect(edge, "cinema", "bob", { claims: { role: "viewer" } });
  assert.equal((await viewer.join()).code, "forbidden", "a viewer publishes nothing");
  viewer.joined = await viewer.join({ tracks: [] });
  const [ada, bob] = viewer.joined.roster;
  assert.deepEqual([ada.id, ada.name, ada.role, ada.attributes], ["ada", "Ada", "host", { seat: "a-1" }]);
  assert.deepEqual(ada.tracks.map(({ source, muted }) => [source, muted]), [["microphone", false], ["camera", false]]);
  assert.ok(Math.abs(ada.joined_at - Date.now()) < 60_000);
  assert.deepEqual([bob.role, bob.tracks], ["viewer", []]);
  assert.equal(await viewer.refusal({ type: "chat", message: "m1", text: "hello" }), "forbidden");
  await edge.hibernate("cinema");
  assert.equal((await host.request({ type: "update_participant", participant: "bob", role: "participant" })).type, "done");
  await updated(viewer, "bob", "participant");
  assert.equal((await viewer.request({ type: "chat", message: "m2", text: "hello" })).type, "done");
  const patch = (role) => edge.api("PATCH", "/v1/rooms/cinema/participants/bob", { body: { role } });
  assert.equal((await patch("cohost")).body.role, "cohost");
  await updated(host, "bob", "cohost");
  checkRefused(await patch("doctor"), 404, "unknown_role");
  checkRefused(await edge.api("POST", "/v1/tokens", { body: { room: "cinema", participant: "eve", role: "doctor" } }), 404, "unknown_role");
});

test("a host hands over, and is succeeded after an absence, even while the room sleeps", async () => {
  const ada = await Client.join(edge, "stage", "ada", { claims: { role: "host" } });
  const bob = await Client.join(edge, "stage", "bob");
  const cleo = await Client.join(edge, "stage", "cleo");
  assert.equal((await ada.request({ type: "update_participant", participant: "cleo", role: "host" })).type, "done");
  await Promise.all([updated(bob, "ada", "cohost"), updated(bob, "cleo", "host")]);
  assert.equal(await ada.refusal({ type: "kick", participant: "cleo" }), "forbidden", "a co-host does not depose the host");
  assert.equal((await cleo.request({ type: "update_participant", participant: "ada", role: "participant" })).type, "done");
  await cleo.request({ type: "leave" });
  await edge.hibernate("stage");
  await updated(bob, "ada", "host");
  const acts = (await edge.api("GET", "/v1/rooms/stage/audit?limit=1")).body;
  assert.deepEqual(acts.acts.map(({ by, act, participant, role }) => [by, act, participant, role]), [[null, "succeed_host", "ada", "host"]]);
});

test("a microphone that is held cannot be unmuted, and the node forwards nothing of it", async () => {
  const ada = await Client.join(edge, "held", "ada", { claims: { role: "host" } });
  const bob = await Client.join(edge, "held", "bob");
  const [track] = self(bob).tracks;
  assert.equal((await edge.api("POST", `/v1/rooms/held/participants/bob/tracks/${track.id}/mute?hold=true`)).status, 204);
  const held = await ada.find(({ type, participant }) => type === "participant_updated" && participant.id === "bob" && participant.tracks[0].muted, "bob is muted");
  assert.equal(held.participant.grants.microphone, false);
  await edge.hibernate("held");
  assert.equal(await bob.refusal({ type: "set_muted", mid: "0", muted: false }), "forbidden");
  assert.equal((await bob.request({ type: "set_muted", mid: "1", muted: true })).type, "done");
  assert.equal((await ada.request({ type: "update_participant", participant: "bob", grants: {} })).type, "done");
  assert.equal((await bob.request({ type: "set_muted", mid: "0", muted: false })).type, "done");
});

test("the hidden are in nobody's roster", async () => {
  const ada = await Client.join(edge, "seen", "ada");
  const observer = await Client.join(edge, "seen", "observer", { claims: { role: "observer" }, tracks: [] });
  assert.deepEqual(observer.joined.roster.map(({ id }) => id), ["ada", "observer"]);
  const bob = await Client.join(edge, "seen", "bob");
  assert.deepEqual(bob.joined.roster.map(({ id }) => id), ["ada", "bob"]);
  await ada.find(({ type }) => type === "participant_joined", "bob came");
  assert.ok(!ada.frames.some((frame) => JSON.stringify(frame).includes("observer")));
  assert.equal(await observer.refusal({ type: "chat", message: "m1", text: "hello" }), "forbidden");
});
