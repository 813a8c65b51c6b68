// The Worker in a process of its own, so that a test can kill it. Says where it is in one line of JSON.
import { startEdge } from "./edge.mjs";

const [persist] = process.argv.slice(2);
const edge = await startEdge({ persist });
console.log(JSON.stringify({ http: edge.http, ws: edge.ws }));
