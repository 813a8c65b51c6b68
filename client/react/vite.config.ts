/** For the tests: `@rotunda/client` is its sources, as the type checker has it. */
import { defineConfig } from "vitest/config";

export default defineConfig({ resolve: { tsconfigPaths: true } });
