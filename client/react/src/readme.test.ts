/// <reference types="node" />
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));
const read = (relative: string): string => readFileSync(path(relative), "utf8");

function snippet(readme: string): string {
  const [, code] = /```tsx\n(.*?)```/s.exec(readme) ?? [];
  return code ?? "";
}

test("the code in the README is the example that the type checker reads", () => {
  expect(snippet(read("../../../README.md"))).toBe(read("./readme.example.tsx"));
});

describe("the code in the package's README", () => {
  const code = snippet(read("../README.md"));

  test("compiles as it stands, but for the token that it is given", () => {
    expect(code).toContain("Room.join(");
    expect(typeErrors("whole", code)).toBe("");
  });

  test.each([
    ["a hook that returns nothing of that name", "speakerId }", "speakersId }"],
    ["a component without what it needs", ' unblockLabel="Turn on sound"', ""],
    ["an option of another kind", "microphone: true", "microphone: 1"],
  ])("would not compile with %s", (what, wanted, wrong) => {
    expect(code).toContain(wanted);
    expect(typeErrors(what.replaceAll(" ", "-"), code.replace(wanted, wrong))).not.toBe("");
  });
});

/** The TypeScript compiler's errors for a module of this package that has a `token`. */
function typeErrors(name: string, code: string): string {
  const folder = path("../node_modules/.readme");
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}/given.d.ts`, "declare const token: string;\n");
  writeFileSync(`${folder}/${name}.tsx`, code);
  const config = { extends: path("../tsconfig.json"), include: [], files: ["given.d.ts", `${name}.tsx`] };
  writeFileSync(`${folder}/${name}.json`, JSON.stringify(config));
  try {
    const tsc = path("../../../node_modules/typescript/bin/tsc");
    execFileSync(process.execPath, [tsc, "--noEmit", "--project", `${folder}/${name}.json`], { encoding: "utf8", stdio: "pipe" });
    return "";
  } catch (error) {
    return String((error as { stdout?: unknown }).stdout);
  }
}
