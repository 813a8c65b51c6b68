/// <reference types="node" />
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), "utf8");

test("the code in the README is the example that the type checker reads", () => {
  const [, code] = /```tsx\n(.*?)```/s.exec(read("../../../README.md")) ?? [];
  expect(code).toBe(read("./readme.example.tsx"));
});
