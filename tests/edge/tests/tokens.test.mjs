// Tokens that open a signaling socket. A refusal is sent on the socket, because browsers hide a failed upgrade's
// status.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Client } from "../support/client.mjs";
import { KEYS, startEdge } from "../support/edge.mjs";
import { MediaNode } from "../support/node.mjs";
import { Socket, UpgradeRefused } from "../support/socket.mjs";
import { joinToken, nodeToken, sign } from "../support/token.mjs";

const DAY_SECS = 24 * 3600;
const now = () => Math.floor(Date.now() / 1000);

let edge;
before(async () => {
  edge = await startEdge();
});
after(() => edge.stop());

async function checkRefused(code, { room = "daily", protocols, token, headers = {} }) {
  const offered = protocols ?? ["rotunda.v1", `token.${token}`];
  const socket = await Socket.open(`${edge.ws}/v1/rooms/${room}/socket`, offered, { headers });
  assert.ok(!socket.protocol.startsWith("token."), "the token came back");
  const closed = await socket.ended();
  assert.deepEqual(socket.frames, [{ type: "refused", code }]);
  const isUnauthorized = ["bad_token", "token_expired", "wrong_room"].includes(code);
  assert.deepEqual(closed, { code: 1008, reason: isUnauthorized ? "Unauthorized" : code });
}

async function checkLetIn({ room = "daily", token, headers = {} }) {
  const socket = await Socket.open(`${edge.ws}/v1/rooms/${room}/socket`, ["rotunda.v1", `token.${token}`], { headers });
  assert.equal(socket.protocol, "rotunda.v1");
  socket.send("ping");
  await socket.next((frame) => frame === "pong");
  assert.deepEqual(socket.frames, ["pong"]);
  await socket.close();
}

// Holds S3-SIG-01.
test("a good token opens the socket, whichever key signed it", async () => {
  await checkLetIn({ token: joinToken("daily", "ada") });
  await checkLetIn({ token: joinToken("daily", "ada", { name: "Ada Lovelace €" }, KEYS.tokenOld) });
  const unnamedKey = sign({ aud: "rotunda-join", sub: "ada", room: "daily" }, KEYS.tokenOld, { alg: "HS256" });
  await checkLetIn({ token: unnamedKey });
});

// Holds S-A7-15.
test("a token in the query lets nobody in: servers log what they are asked for", async () => {
  const token = joinToken("daily", "ada", { grants: { record: true } });
  for (const name of ["token", "access_token", "resume"]) {
    const socket = await Socket.open(`${edge.ws}/v1/rooms/daily/socket?${name}=${token}`, ["rotunda.v1"]);
    assert.equal((await socket.ended()).code, 1008);
    assert.deepEqual(socket.frames, [{ type: "refused", code: "bad_token" }]);
    const { status } = await edge.api("GET", `/v1/rooms/daily/recordings?${name}=${token}`, { key: null });
    assert.equal(status, 401);
  }
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.deepEqual(edge.lines.filter((line) => line.includes(token.split(".")[2])), []);
});

// Holds S3-SIG-01.
test("a good token opens no socket on another path", async () => {
  const protocols = ["rotunda.v1", `token.${joinToken("daily", "ada")}`];
  const paths = ["/", "/v1", "/v1/rooms/daily", "/v1/rooms/daily/socket/", "/v1/rooms/daily/sockets", "/ws/webrtc", "/v1/guests", "/healthz"];
  for (const path of paths) {
    const refused = await Socket.open(edge.ws + path, protocols).catch((error) => error);
    assert.ok(refused instanceof UpgradeRefused, `${path}: ${refused}`);
  }
  // Nodes' paths require the nodes' protocol and token.
  for (const path of ["/v1/rooms/daily/node", "/v1/nodes/socket"]) {
    const refused = await Socket.open(edge.ws + path, protocols).catch((error) => error);
    assert.deepEqual([refused.status, JSON.parse(refused.body).code], [400, "unsupported_version"], path);
  }
});

// Holds S3-SIG-03, S3-DEP-03.
test("an unreadable or forged token is a bad one", async () => {
  const good = joinToken("daily", "ada");
  await checkRefused("bad_token", { token: "nonsense" });
  await checkRefused("bad_token", { token: good.slice(0, -2) });
  await checkRefused("bad_token", { token: "x".repeat(4097) });
  await checkRefused("bad_token", { token: joinToken("daily", "ada", {}, { id: "t1", secret: "somebody else's secret of 32 bytes!" }) });
  const [, body] = good.split(".");
  const none = Buffer.from('{"alg":"none"}').toString("base64url");
  await checkRefused("bad_token", { token: `${none}.${body}.x` });
});

test("a token for another purpose, or one that says too much, is a bad one", async () => {
  await checkRefused("bad_token", { token: nodeToken("n1", "local") });
  await checkRefused("bad_token", { token: joinToken("daily", "ada", { aud: "rotunda-node" }) });
  await checkRefused("bad_token", { token: joinToken("daily", "not a participant") });
  await checkRefused("bad_token", { token: joinToken("daily", "ada", { name: "a".repeat(129) }) });
  await checkRefused("bad_token", { token: joinToken("daily", "ada", { grants: { fly: true } }) });
});

// Holds S0-SIG-11, S4-SEC-01.
test("without a token nobody gets in", async () => {
  await checkRefused("bad_token", { protocols: ["rotunda.v1"] });
});

test("a token has its time", async () => {
  await checkRefused("token_expired", { token: joinToken("daily", "ada", { iat: now() - 7200, exp: now() - 3600 }) });
  await checkRefused("token_expired", { token: joinToken("daily", "ada", { nbf: now() + 600 }) });
  await checkRefused("token_expired", { token: joinToken("daily", "ada", { exp: now() + DAY_SECS + 60 }) });
});

test("a token is for one room", async () => {
  await checkRefused("wrong_room", { room: "weekly", token: joinToken("daily", "ada") });
});

test("a version that is not spoken here is refused on a socket that the browser accepts", async () => {
  await checkRefused("unsupported_version", { protocols: ["rotunda.v9", `token.${joinToken("daily", "ada")}`] });
});

test("no room can have such a name", async () => {
  await checkRefused("not_found", { room: "b%C3%A4d", token: joinToken("daily", "ada") });
  await checkRefused("not_found", { room: "r".repeat(65), token: joinToken("daily", "ada") });
});

// Holds S0-SIG-12, S2-SIG-04, S2-SEC-01.
test("only pages of listed origins and of our own may connect", async () => {
  const token = joinToken("daily", "ada");
  await checkLetIn({ token, headers: { origin: "https://app.example.org" } });
  await checkLetIn({ token, headers: { origin: edge.http } });
  await checkRefused("forbidden", { token, headers: { origin: "https://evil.example" } });
  await checkRefused("forbidden", { token, headers: { origin: "null" } });
});

// Holds S4-SIG-05.
test("what the Worker tells its objects cannot be said from outside", async () => {
  const introduction = { claims: { sub: "eve", room: "daily", name: "", grants: {} }, continent: null, request_id: "" };
  const headers = { "x-rotunda-introduction": encodeURIComponent(JSON.stringify(introduction)) };
  await checkRefused("bad_token", { token: "nonsense", headers });
});

test("the largest token's attachment fits on the socket", async () => {
  const room = "r".repeat(64);
  const claims = { name: `${"\u{1F600}".repeat(127)}€`, participants_max: 4294967295 };
  await checkLetIn({ room, token: joinToken(room, "p".repeat(64), claims) });
});

test("a token with a jti opens one join, which may be repeated, and resuming needs none", async () => {
  await MediaNode.start(edge);
  const { body } = await edge.api("POST", "/v1/tokens", { body: { room: "once", participant: "ada", single_use: true } });
  const options = { token: body.token, attempt: "first" };
  const ada = await Client.join(edge, "once", "ada", options);
  assert.equal(ada.joined.type, "joined");
  ada.terminate();
  const again = await Client.join(edge, "once", "ada", options);
  assert.equal(again.joined.session, ada.joined.session, "the same join");
  const second = await Client.connect(edge, "once", "ada", options);
  assert.equal((await second.join({ attempt: "second" })).code, "token_used");
  again.terminate();
  const back = await Client.open(`${edge.ws}/v1/rooms/once/socket`, ["rotunda.v1", `resume.${again.session.resume_token}`]);
  assert.equal((await back.resume(again.session)).type, "resumed");
  assert.equal((await back.request({ type: "leave" })).type, "done");
  await edge.hibernate("once");
  const later = await Client.connect(edge, "once", "ada", options);
  assert.equal((await later.join({ attempt: "third" })).code, "token_used", "after leaving and a sleep");
});
