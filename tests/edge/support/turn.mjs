// A TURN node as the edge sees it: it registers, and hears where media nodes are.
import { Socket } from "./socket.mjs";
import { nodeToken } from "./token.mjs";

/** Registers a TURN node; `urls` is what clients shall be told. */
export async function startTurnNode(edge, { id = "turn-1", region = "local", urls = ["turn:203.0.113.9:3478?transport=udp"] } = {}) {
  const socket = await Socket.open(`${edge.ws}/v1/nodes/socket`, "rotunda-node.v1", {
    headers: { authorization: `Bearer ${nodeToken(id, region)}` },
  });
  socket.send({ type: "register_turn", node: id, region, urls, allocations_max: 100 });
  await socket.next("registered");
  return socket;
}
