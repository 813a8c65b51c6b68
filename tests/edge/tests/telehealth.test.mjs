// The flow of the telehealth platform: a therapist, a patient, and a supervisor who only watches.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startEdge } from "../support/edge.mjs";
import { BOTH, Flow, HOST, RECEIVING, VIEWER, answer, asleep, candidates, offer } from "../support/flow.mjs";

let edge;
before(async () => {
  edge = await startEdge();
});
after(() => edge.stop());

/** A therapist, a patient, and a supervisor who only watches. */
async function appointment(flow) {
  // `participant-joined`.
  await flow.join("therapist", { grants: HOST });
  await flow.join("patient", {}, { therapist: ["joined patient"] });
  await flow.join("supervisor", { grants: VIEWER, tracks: [] }, { therapist: ["joined supervisor"], patient: ["joined supervisor"] });

  // `offer`, `answer`, `ice-candidate`: not for the supervisor.
  await flow.tell("therapist", "patient", offer(BOTH), { patient: ["offer from therapist"] });
  await flow.tell("patient", "therapist", answer(BOTH), { therapist: ["answer from patient"] });
  await flow.tell("patient", "therapist", candidates(), { therapist: ["candidates from patient"] });
  await flow.tell("therapist", "patient", candidates(), { patient: ["candidates from therapist"] });
  // A viewer sends no media past the therapist, under no name.
  await flow.tell("supervisor", "patient", offer(BOTH), { supervisor: ["error forbidden"] });
  await flow.tell("supervisor", "patient", offer(RECEIVING), { supervisor: ["error forbidden"] });
  await flow.tell("supervisor", "patient", answer(BOTH), { supervisor: ["error forbidden"] });
  await flow.tell("supervisor", "patient", answer(RECEIVING), { patient: ["answer from supervisor"] });

  // `media-state-changed`.
  await flow.ask("patient", { type: "set_muted", mid: "1", muted: true }, { patient: ["done", "updated patient"], therapist: ["updated patient"], supervisor: ["updated patient"] });
  assert.equal(flow.heard.get("therapist")[0].participant.tracks[1].muted, true);
  await flow.ask("supervisor", { type: "set_muted", mid: "1", muted: true }, { supervisor: ["error unknown_track"] });

  // Recording is refused without the grant; a moderator removes the supervisor, nobody else may.
  await flow.ask("patient", { type: "start_recording" }, { patient: ["error forbidden"] });
  await flow.ask("patient", { type: "kick", participant: "supervisor" }, { patient: ["error forbidden"] });
  await flow.ask("therapist", { type: "kick", participant: "supervisor" }, {
    therapist: ["done", "left supervisor kicked"],
    patient: ["left supervisor kicked"],
    supervisor: ["removed kicked"],
  });
  flow.people.delete("supervisor");

  // `participant-left`.
  await flow.ask("patient", { type: "leave" }, { therapist: ["left patient left"] });
  flow.people.delete("patient");
  await flow.tell("therapist", "patient", candidates(), { therapist: ["error unknown_participant"] });
}

test("an appointment, asleep after every step", () => Flow.play(edge, "telehealth", asleep, appointment));

test("an appointment, killed after every step", () => Flow.playKilled("telehealth", appointment));
