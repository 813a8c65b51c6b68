/** Builds the meet app into `dist`, which the Worker serves as its static assets. */
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// The edge for `npm run dev`; `cargo xtask dev` prints its address.
const EDGE = process.env["ROTUNDA_EDGE"] ?? "http://127.0.0.1:8787";

export default defineConfig({
  plugins: [react()],
  // The other packages' sources, as the type checker has them.
  resolve: { tsconfigPaths: true },
  build: { target: "es2023", sourcemap: true, reportCompressedSize: true },
  server: { proxy: { "/v1": { target: EDGE, ws: true } } },
});
