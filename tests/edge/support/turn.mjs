// A TURN node without relaying: it registers, and receives the media nodes' addresses.
import { Socket } from "./socket.mjs";
import { nodeToken } from "./token.mjs";

/** Registers a TURN node; clients are offered `urls`. */
export async function startTurnNode(edge, { id = "turn-1", region = "local", urls = ["turn:203.0.113.9:3478?transport=udp"] } = {}) {
  const socket = await Socket.open(`${edge.ws}/v1/nodes/socket`, "rotunda-node.v1", {
    headers: { authorization: `Bearer ${nodeToken(id, region)}` },
  });
  socket.send({ type: "register_turn", node: id, region, urls, allocations_max: 100 });
  await socket.next("registered");
  return socket;
}
