// `node tests/browser/serve-stack.mjs` runs a Worker and a media node for tests in other languages, until its standard input ends. Prints one
// line of JSON when they are ready: where they are, and the keys with which to sign join tokens.
import { Stack } from "./stack.mjs";

const ended = new Promise((resolve) => process.stdin.on("end", resolve).resume());
const stack = await Stack.start({ logs: process.argv[2] });
console.log(JSON.stringify({ url: stack.url, token_keys: stack.tokenKeys }));
await ended;
await stack.stop();
