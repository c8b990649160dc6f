import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";
import { budget } from "./budget.ts";

// Where `make up` tells that the recorder answers; for `npm run dev` only.
const recorder = process.env.RECORDER_URL ?? "http://127.0.0.1:8000";

// What the recorder answers with, so that a preview breaks where the real page would.
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; " +
  "connect-src 'self' http://127.0.0.1:*; base-uri 'none'; frame-ancestors 'none'; form-action 'none'";

const proxy = Object.fromEntries(
  ["/v1", "/docs", "/openapi.json", "/dashboard.json"].map((path) => [path, recorder]),
);

export default defineConfig({
  plugins: [react(), budget(300_000)],
  build: {
    outDir: "../src/ocrstream_recorder/dashboard",
    emptyOutDir: true,
    license: { fileName: "third-party-licences.md" },
    target: ["chrome111", "firefox114", "safari16.4"],
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: { proxy },
  preview: { proxy, headers: { "Content-Security-Policy": policy } },
});
