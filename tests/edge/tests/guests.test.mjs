// Guests, for whom no application vouches: their admission, identity and permissions.
import assert from "node:assert/strict";
import { test } from "node:test";
import { NAMES, randomBits } from "../support/bits.mjs";
import { Client } from "../support/client.mjs";
import { DEPLOYED, startEdge } from "../support/edge.mjs";
import { MediaNode } from "../support/node.mjs";
import { joinToken } from "../support/token.mjs";

async function withEdge(options, body) {
  const edge = await startEdge(options);
  try {
    await body(edge);
  } finally {
    await edge.stop();
  }
}

function knock(edge, body, headers = {}) {
  return edge.api("POST", "/v1/guests", { key: null, body, headers });
}

async function gone(edge, room) {
  while ((await edge.api("GET", `/v1/rooms/${room}`)).status !== 404);
}

function claimsOf(token) {
  return JSON.parse(Buffer.from(token.split(".")[1], "base64url"));
}

// Holds S-A7-15.
test("where guests are let in, they get a token under an id of 128 random bits, which nobody else can choose", async () => {
  await withEdge({ vars: { GUESTS: "open" } }, async (edge) => {
    assert.deepEqual((await edge.api("GET", "/v1/guests", { key: null })).body, { guests: "open", login_url: null });
    const { status, body } = await knock(edge, { room: "daily", name: "Ada" });
    assert.equal(status, 201);
    assert.match(body.participant, /^guest-[0-9a-f]{32}$/);
    const guests = [];
    for (let number = 0; number < NAMES; number++) guests.push((await knock(edge, { room: "daily" })).body.participant.slice("guest-".length));
    assert.equal(randomBits(guests), 128);
    const { aud, sub, room, name, exp } = claimsOf(body.token);
    assert.deepEqual({ aud, sub, room, name }, { aud: "rotunda-join", sub: body.participant, room: "daily", name: "Ada" });
    assert.equal(exp, Math.floor(body.expires_at / 1000));
    await MediaNode.start(edge);
    const ada = await Client.join(edge, "daily", body.participant, { token: body.token });
    assert.equal(ada.joined.participant, body.participant);
    assert.equal((await knock(edge, { room: "daily", name: "Eve", participant: body.participant })).body.code, "invalid_request");
    assert.equal((await knock(edge, { room: "daily", name: "x".repeat(129) })).body.code, "invalid_request");
    assert.equal((await knock(edge, { room: "not a room" })).body.code, "invalid_request");
  });
});

test("a guest with a pass is the same guest again, in the same room alone", async () => {
  await withEdge({ vars: { GUESTS: "open" } }, async (edge) => {
    const first = (await knock(edge, { room: "daily", name: "Ada" })).body;
    const again = (await knock(edge, { room: "daily", name: "Ada L.", pass: first.pass })).body;
    assert.equal(again.participant, first.participant);
    assert.equal(claimsOf(again.token).name, "Ada L.");
    assert.deepEqual(claimsOf(again.token).grants, claimsOf(first.token).grants);
    for (const pass of [first.token, first.pass.slice(0, -2), "", joinToken("daily", "ada", { grants: { moderate: true } })]) {
      const other = (await knock(edge, { room: "daily", pass })).body;
      assert.notEqual(other.participant, first.participant);
      assert.equal(claimsOf(other.token).grants.moderate, false, "only the pass carries what a guest may do");
    }
    assert.notEqual((await knock(edge, { room: "weekly", pass: first.pass })).body.participant, first.participant);
    // A pass alone opens nothing.
    const socket = await Client.connect(edge, "daily", first.participant, { token: first.pass });
    assert.deepEqual(await socket.next("refused"), { type: "refused", code: "bad_token" });
  });
});

test("the guest who makes a room is its host, later guests are not, and no guest sees another room's recordings", async () => {
  await withEdge({ vars: { GUESTS: "open" } }, async (edge) => {
    const grants = async (body) => claimsOf((await knock(edge, body)).body.token).grants;
    const host = (await knock(edge, { room: "new", name: "Ada" })).body;
    assert.equal(claimsOf(host.token).grants.moderate, true);
    assert.equal((await grants({ room: "new", pass: host.pass })).moderate, true, "a reload keeps the host");
    assert.equal((await grants({ room: "new" })).moderate, false);
    assert.equal((await edge.api("POST", "/v1/rooms", { body: { name: "made" } })).status, 201);
    assert.deepEqual(await grants({ room: "made" }), { publish: true, subscribe: true, chat: true, moderate: false, record: false });
  });
});

test("a guest is host of the room they made, and of no later one of that name", async () => {
  await withEdge({ vars: { GUESTS: "open" } }, async (edge) => {
    await MediaNode.start(edge);
    const host = (await knock(edge, { room: "twice", name: "Ada" })).body;
    const ada = await Client.join(edge, "twice", host.participant, { token: host.token });
    assert.equal((await ada.request({ type: "end_room" })).type, "done");
    await gone(edge, "twice");
    const next = (await knock(edge, { room: "twice", name: "Bob" })).body;
    assert.equal(claimsOf(next.token).grants.moderate, true);
    const bob = await Client.join(edge, "twice", next.participant, { token: next.token });
    const again = (await knock(edge, { room: "twice", name: "Ada", pass: host.pass })).body;
    const { moderate, record } = claimsOf(again.token).grants;
    assert.deepEqual([moderate, record], [false, false]);
    // Her token of the first room remains valid, and moderates nothing.
    const late = await Client.join(edge, "twice", host.participant, { token: host.token });
    assert.equal(await late.refusal({ type: "kick", participant: bob.participant }), "forbidden");
    assert.equal((await bob.request({ type: "kick", participant: host.participant })).type, "done");
  });
});

test("a banned guest is no new guest at the same address, and the ban outlives the room and its object", async () => {
  await withEdge({ vars: { GUESTS: "open" } }, async (edge) => {
    await MediaNode.start(edge);
    const at = (address, body) => knock(edge, { room: "banned", ...body }, { "cf-connecting-ip": address });
    const [home, school] = ["2001:db8:1:200::1", "198.51.100.9"];
    const ada = await Client.join(edge, "banned", "ada", { claims: { grants: { moderate: true } } });
    const eve = (await at(home, {})).body;
    const headers = { "cf-connecting-ip": home };
    const socket = await Client.open(`${edge.ws}/v1/rooms/banned/socket`, ["rotunda.v1", `token.${eve.token}`], { headers });
    await socket.join();
    const neighbour = (await at(home, {})).body;
    const stocked = (await at(home, {})).body;
    await (await Client.join(edge, "banned", neighbour.participant, { token: neighbour.token, address: home })).request({ type: "leave" });
    assert.equal((await ada.request({ type: "kick", participant: eve.participant, ban: {} })).type, "done");
    const expectShut = async (when) => {
      for (const [address, body] of [[home, {}], ["2001:db8:1:2ff::9", {}], [school, { pass: eve.pass }], [home, { pass: stocked.pass }]]) {
        const { status, body: answer } = await at(address, body);
        assert.deepEqual([status, answer.code], [403, "banned"], `${when}: ${address}`);
      }
      assert.equal((await at("2001:db8:1:300::1", {})).status, 201, `${when}: another customer`);
      assert.equal((await at(home, { pass: neighbour.pass })).status, 201, `${when}: who was here before`);
      for (const { participant, token } of [eve, stocked]) {
        const back = await Client.connect(edge, "banned", participant, { token, address: home });
        assert.equal((await back.join()).code, "banned", when);
      }
    };
    await expectShut("at once");
    assert.equal((await ada.request({ type: "end_room" })).type, "done");
    await gone(edge, "banned");
    await edge.hibernate("banned");
    const { bans } = (await edge.api("GET", "/v1/rooms/banned/bans")).body;
    assert.deepEqual(bans.map(({ participant, until }) => [participant, until]), [[eve.participant, null]], "listed without a room");
    await expectShut("after the room");
    assert.equal((await edge.api("DELETE", `/v1/rooms/banned/bans/${eve.participant}`)).status, 204);
    assert.equal((await at(home, {})).status, 201);
  });
});

test("a guest who hosts a room by chance closes no later one to anybody", async () => {
  await withEdge({ vars: { GUESTS: "open" } }, async (edge) => {
    await MediaNode.start(edge);
    const host = (await knock(edge, { room: "chance" })).body;
    const ada = await Client.join(edge, "chance", host.participant, { token: host.token });
    assert.equal((await ada.request({ type: "kick", participant: "eve", ban: {} })).type, "done");
    const eve = await Client.connect(edge, "chance", "eve");
    assert.equal((await eve.join()).code, "banned");
    await edge.hibernate("chance");
    assert.equal((await ada.request({ type: "end_room" })).type, "done");
    await gone(edge, "chance");
    assert.equal((await (await Client.connect(edge, "chance", "eve")).join()).type, "joined");
  });
});

test("where guests stay outside, nobody gets a token, and people are told where to log in", async () => {
  await withEdge({ vars: { GUESTS: "off", LOGIN_URL: "https://example.org/login" } }, async (edge) => {
    const refused = await knock(edge, { room: "daily" });
    assert.deepEqual([refused.status, refused.body.code], [403, "forbidden"]);
    const policy = (await edge.api("GET", "/v1/guests", { key: null })).body;
    assert.deepEqual(policy, { guests: "off", login_url: "https://example.org/login" });
  });
});

test("production lets no guest in unless it says so", async () => {
  await withEdge(DEPLOYED, async (edge) => {
    assert.equal((await edge.api("GET", "/v1/guests", { key: null })).body.guests, "off");
    assert.equal((await knock(edge, { room: "daily" })).status, 403);
  });
});

test("pages of other origins and clients that ask too often get no token", async () => {
  await withEdge({ vars: { GUESTS: "open" }, rateLimits: { GUEST_RATE: 5 } }, async (edge) => {
    assert.equal((await knock(edge, { room: "daily" }, { origin: "https://evil.example" })).body.code, "forbidden");
    const statuses = [];
    for (let number = 0; number < 12; number++) statuses.push((await knock(edge, { room: "daily" }, { "cf-connecting-ip": "192.0.2.1" })).status);
    assert.ok(statuses.includes(429), statuses.join());
    assert.equal((await knock(edge, { room: "daily" }, { "cf-connecting-ip": "192.0.2.2" })).status, 201);
    const ofOneCustomer = [];
    for (let number = 0; number < 12; number++) ofOneCustomer.push((await knock(edge, { room: "daily" }, { "cf-connecting-ip": `2001:db8::${number}:1` })).status);
    assert.ok(ofOneCustomer.includes(429), ofOneCustomer.join());
  });
});

test("many addresses that ask for one room do not keep it busy, nor others out", async () => {
  await withEdge({ vars: { GUESTS: "open" }, rateLimits: { ROOM_RATE: 6, ADDRESS_RATE: 1 } }, async (edge) => {
    const [asks, tokens] = [[], []];
    for (let number = 0; number < 24; number++) {
      const headers = { "cf-connecting-ip": `192.0.2.${number % 3}` };
      tokens.push((await knock(edge, { room: "busy" }, headers)).status);
      asks.push((await edge.api("GET", "/v1/guests?room=busy", { key: null, headers })).body.recorded);
    }
    assert.ok(tokens.includes(429) && asks.includes(undefined), `${tokens.join()} ${asks.join()}`);
    const late = { "cf-connecting-ip": "198.51.100.1" };
    assert.equal((await knock(edge, { room: "busy" }, late)).status, 201, "the first of an address");
    assert.equal((await knock(edge, { room: "quiet" }, { "cf-connecting-ip": "192.0.2.0" })).status, 201, "another room");
  });
});

test("in the lobby each guest waits until a moderator admits or refuses them, and is never one", async () => {
  await withEdge({ vars: { GUESTS: "lobby" } }, async (edge) => {
    const early = await knock(edge, { room: "lobby", name: "Grace" });
    assert.deepEqual([early.status, early.body.token], [202, undefined], "there is no room");
    assert.equal(early.headers.get("retry-after"), "3");
    await MediaNode.start(edge);
    const { pass, participant } = early.body;
    const again = () => knock(edge, { room: "lobby", name: "Grace", pass });
    const viewer = await Client.join(edge, "lobby", "viewer");
    assert.equal((await again()).status, 202, "nobody moderates");
    const host = await Client.join(edge, "lobby", "host", { claims: { grants: { moderate: true } } });
    const [grace] = (await host.next("guests_waiting")).guests;
    assert.deepEqual([grace.participant, grace.name], [participant, "Grace"]);
    await edge.hibernate("lobby");
    const mallory = (await knock(edge, { room: "lobby", name: "Mallory" })).body;
    assert.deepEqual((await host.next("guests_waiting")).guests.map(({ name }) => name), ["Grace", "Mallory"]);
    assert.equal((await again()).status, 202, "asking again and again admits nobody");
    assert.equal(await viewer.refusal({ type: "admit_guest", participant }), "forbidden");
    assert.equal((await host.request({ type: "admit_guest", participant })).type, "done");
    assert.equal((await host.request({ type: "refuse_guest", participant: mallory.participant })).type, "done");
    const refused = await knock(edge, { room: "lobby", name: "Mallory", pass: mallory.pass });
    assert.deepEqual([refused.status, refused.body.code], [403, "not_admitted"]);
    const admitted = await again();
    assert.deepEqual([admitted.status, admitted.body.participant], [201, participant]);
    assert.equal(claimsOf(admitted.body.token).grants.moderate, false);
    const guest = await Client.join(edge, "lobby", participant, { token: admitted.body.token });
    assert.equal(guest.joined.participant, participant);
    assert.deepEqual(viewer.frames.filter(({ type }) => type === "guests_waiting"), []);
  });
});

test("at most fifty guests wait at once, ten of one address", async () => {
  await withEdge({ vars: { GUESTS: "lobby" } }, async (edge) => {
    await MediaNode.start(edge);
    const host = await Client.join(edge, "lobby", "host", { claims: { grants: { moderate: true } } });
    const addresses = new Map();
    const from = async (number) => {
      const answer = await knock(edge, { room: "lobby" }, { "cf-connecting-ip": `192.0.2.${number}` });
      addresses.set(answer.body.participant, number);
      return answer;
    };
    for (let number = 0; number < 10; number++) assert.equal((await from(0)).status, 202);
    const crowded = await from(0);
    assert.deepEqual([crowded.status, crowded.body.code], [429, "rate_limited"]);
    for (let number = 10; number < 50; number++) assert.equal((await from(Math.floor(number / 10))).status, 202);
    const { guests } = await host.next((frame) => frame.type === "guests_waiting" && frame.guests.length === 50);
    const late = await from(5);
    assert.equal(late.status, 202, "the last of an address with ten makes way");
    const names = (await host.next("guests_waiting")).guests.map(({ participant }) => participant);
    assert.ok(names.length === 50 && names.includes(late.body.participant) && names.includes(guests[0].participant));
    const displaced = guests.filter(({ participant }) => !names.includes(participant));
    assert.equal(displaced.length, 1);
    const full = await from(addresses.get(displaced[0].participant));
    assert.deepEqual([full.status, full.body.code], [409, "room_full"], "an address with the most makes nobody go");
    await host.request({ type: "refuse_guest", participant: guests[0].participant });
    assert.equal((await from(6)).status, 202, "the refused one makes room");
  });
});

test("who is banned while waiting in the lobby, or as a guest, is gone from the list and no new guest at that address", async () => {
  await withEdge({ vars: { GUESTS: "lobby" } }, async (edge) => {
    await MediaNode.start(edge);
    const host = await Client.join(edge, "lobby", "host", { claims: { grants: { moderate: true } } });
    const from = (address, body = {}) => knock(edge, { room: "lobby", ...body }, { "cf-connecting-ip": address });
    const mallory = (await from("192.0.2.1", { name: "Mallory" })).body;
    const trent = (await from("192.0.2.2", { name: "Trent" })).body;
    await host.next((frame) => frame.type === "guests_waiting" && frame.guests.length === 2);
    assert.equal((await host.request({ type: "kick", participant: mallory.participant, ban: {} })).type, "done");
    assert.deepEqual((await host.next("guests_waiting")).guests.map(({ name }) => name), ["Trent"]);
    assert.equal((await host.request({ type: "admit_guest", participant: trent.participant })).type, "done");
    const { token } = (await from("192.0.2.2", { name: "Trent", pass: trent.pass })).body;
    const guest = await Client.join(edge, "lobby", trent.participant, { token, address: "192.0.2.2" });
    assert.equal(guest.joined.type, "joined");
    assert.equal((await host.request({ type: "kick", participant: trent.participant, ban: {} })).type, "done");
    assert.equal((await guest.next("removed")).code, "kicked");
    await edge.hibernate("lobby");
    for (const [address, body] of [["192.0.2.1", {}], ["192.0.2.3", { pass: mallory.pass }], ["192.0.2.2", {}], ["192.0.2.3", { pass: trent.pass }]]) {
      const { status, body: answer } = await from(address, body);
      assert.deepEqual([status, answer.code], [403, "banned"], address);
    }
    const { bans } = await host.request({ type: "list_bans" });
    assert.deepEqual(bans.map(({ name }) => name).sort(), ["Mallory", "Trent"]);
    assert.equal((await from("192.0.2.3")).status, 202);
  });
});

test("one ban removes all guests of a connection and keeps them out, and spares moderators and people with a token", async () => {
  await withEdge({ vars: { GUESTS: "open" } }, async (edge) => {
    await MediaNode.start(edge);
    const room = "raided";
    const [home, sameHome, elsewhere] = ["2001:db8:1:200::1", "2001:db8:1:2ff::9", "198.51.100.9"];
    const at = (address, body = {}) => knock(edge, { room, ...body }, { "cf-connecting-ip": address });
    const comes = async (address) => {
      const { participant, token, pass } = (await at(address)).body;
      return Object.assign(await Client.join(edge, room, participant, { token, address }), { token, pass });
    };
    const host = await comes(home);
    const [eve, mallory, helper, grace] = [await comes(home), await comes(sameHome), await comes(home), await comes(elsewhere)];
    const ada = await Client.join(edge, room, "ada", { claims: { grants: { moderate: true } }, address: home });
    const grants = { publish: true, subscribe: true, chat: true, moderate: true, record: false };
    assert.equal((await ada.request({ type: "update_participant", participant: helper.participant, grants })).type, "done");
    assert.equal(await ada.refusal({ type: "kick", participant: "ada", ban: { address: true } }), "unknown_participant");
    assert.equal((await ada.request({ type: "kick", participant: eve.participant, ban: { lasts_ms: 3_600_000, address: true } })).type, "done");
    for (const raider of [eve, mallory]) assert.equal((await raider.next("removed")).code, "kicked");
    await edge.hibernate(room);
    for (const stays of [host, helper, grace, ada]) assert.equal((await stays.request({ type: "raise_hand", raised: true })).type, "done");
    for (const [address, body] of [[home, {}], [sameHome, {}], [home, { pass: mallory.pass }], [elsewhere, { pass: eve.pass }]]) {
      const { status, body: answer } = await at(address, body);
      assert.deepEqual([status, answer.code], [403, "banned"], `${address} ${Object.keys(body)}`);
    }
    const { token, participant } = mallory;
    assert.equal((await (await Client.connect(edge, room, participant, { token, address: home })).join()).code, "banned");
    for (const { pass } of [host, helper]) assert.equal((await at(home, { pass })).status, 201, "a moderator");
    assert.equal((await Client.join(edge, room, "bob", { address: home })).joined.type, "joined", "a token from the application");
    assert.equal((await at(elsewhere)).status, 201);
    const { bans } = (await edge.api("GET", `/v1/rooms/${room}/bans`)).body;
    assert.deepEqual(bans.map((ban) => [ban.participant, ban.address]), [[eve.participant, true]]);
    assert.deepEqual((await ada.request({ type: "list_bans" })).bans, bans);
    for (const client of [ada, host, eve]) assert.doesNotMatch(JSON.stringify(client.frames), /2001:db8|198\.51\.100/, "nobody is told an address");
    assert.equal((await edge.api("DELETE", `/v1/rooms/${room}/bans/${eve.participant}`)).status, 204);
    assert.equal((await at(home)).status, 201);
    assert.equal((await at(home, { pass: mallory.pass })).status, 201);
    assert.equal((await edge.api("PUT", `/v1/rooms/${room}/bans/${grace.participant}`, { body: { address: true } })).status, 204);
    assert.equal((await grace.next("removed")).code, "kicked");
    assert.equal((await at(elsewhere)).body.code, "banned");
  });
});

test("who may join is told beforehand whether the call is recorded, and nobody else", async () => {
  const storage = {
    RECORDING_BUCKET: "recordings",
    RECORDING_ENDPOINT: "http://127.0.0.1:9",
    RECORDING_REGION: "local",
    RECORDING_ACCESS_KEY_ID: "nobody-calls-it",
    RECORDING_SECRET_ACCESS_KEY: "nobody-calls-it",
  };
  for (const guests of ["open", "lobby", "off"]) {
    await withEdge({ vars: { GUESTS: guests, ...storage } }, async (edge) => {
      await MediaNode.start(edge);
      const told = async (room, token, headers = {}) => {
        const bearer = token === undefined ? {} : { authorization: `Bearer ${token}` };
        const { status, body } = await edge.api("GET", `/v1/guests?room=${room}`, { key: null, headers: { ...bearer, ...headers } });
        assert.deepEqual([status, body.guests], [200, guests]);
        return body.recorded;
      };
      const byGuests = guests === "off" ? undefined : true;
      const token = joinToken("daily", "grace");
      assert.equal(await told("daily", token), false, "nobody is there");
      assert.equal((await edge.api("GET", "/v1/rooms/daily")).status, 404, "asking makes no room");
      const ada = await Client.join(edge, "daily", "ada", { claims: { grants: { record: true, moderate: true } } });
      assert.equal((await ada.request({ type: "start_recording" })).type, "done");
      await edge.hibernate("daily");
      assert.equal(await told("daily", token), true);
      assert.equal(await told("daily"), byGuests);
      assert.equal(await told("weekly"), byGuests === undefined ? undefined : false);
      const late = Math.floor(Date.now() / 1000) - 3600;
      const others = [joinToken("weekly", "grace"), "nonsense", joinToken("daily", "grace", { iat: late - 60, exp: late })];
      for (const bad of others) assert.equal(await told("daily", bad), undefined);
      assert.equal(await told("daily", token, { origin: "https://evil.example" }), undefined);
      const { body: policy } = await edge.api("GET", "/v1/guests", { key: null });
      assert.ok(!("recorded" in policy), "no room was asked about");
      assert.equal((await ada.request({ type: "kick", participant: "grace", ban: {} })).type, "done");
      assert.equal(await told("daily", token), undefined, "a banned participant");
      assert.equal((await ada.request({ type: "stop_recording" })).type, "done");
      assert.equal(await told("daily", joinToken("daily", "bob")), false);
    });
  }
});

test("an address that asks too often about recordings gets the policy without them", async () => {
  await withEdge({ vars: { GUESTS: "open" }, rateLimits: { GUEST_RATE: 3 } }, async (edge) => {
    const ask = () => edge.api("GET", "/v1/guests?room=daily", { key: null, headers: { "cf-connecting-ip": "192.0.2.1" } });
    const answers = [];
    for (let number = 0; number < 6; number++) answers.push(await ask());
    assert.deepEqual(answers.map(({ status, body }) => [status, body.guests]), answers.map(() => [200, "open"]));
    assert.deepEqual([answers[0].body.recorded, answers[5].body.recorded], [false, undefined]);
    const headers = { "cf-connecting-ip": "192.0.2.1", authorization: `Bearer ${joinToken("daily", "ada")}` };
    assert.equal((await edge.api("GET", "/v1/guests?room=daily", { key: null, headers })).body.recorded, false, "a participant at that address");
    for (const query of ["room=not%20a%20room", "room=", "space=daily", "room=a&room=b"]) {
      assert.equal((await edge.api("GET", `/v1/guests?${query}`, { key: null })).body.code, "invalid_request", query);
    }
  });
});
