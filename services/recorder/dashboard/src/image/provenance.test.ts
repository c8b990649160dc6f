import { expect, it } from "vitest";
import type { Provenance } from "../api/recorder";
import { provenanceRows } from "./provenance";

const plain: Provenance = {
  engine: "rapidocr",
  versions: {},
  models: {},
  device: "cpu",
  boxes: "line",
  width: null,
  height: null,
  turn: 0,
  skew: 0,
  turned_lines: 0,
  tiles: 1,
  shrink: 1,
  ordered: true,
  warnings: [],
  timings_s: {},
  reused: false,
  attempt: 1,
};

function nonEmptyRows(provenance: Provenance) {
  return Object.fromEntries(provenanceRows(provenance).filter(([, value]) => value));
}

it("has only the engine of a page without preprocessing", () => {
  expect(nonEmptyRows(plain)).toEqual({ Engine: "rapidocr on cpu" });
});

it("has each preprocessing step of a page", () => {
  const done = nonEmptyRows({
    ...plain,
    versions: { ocrstream: "2", rapidocr: "3.10.0" },
    models: { "detection/det.onnx": "0" },
    width: 9000,
    height: 576,
    turn: 270,
    skew: -1.25,
    turned_lines: 1,
    tiles: 4,
    shrink: 1.6,
    timings_s: { decode: 0.25, recognise: 12 },
    reused: true,
    attempt: 2,
  });
  expect(done).toEqual({
    Engine: "rapidocr on cpu",
    Versions: "ocrstream 2, rapidocr 3.10.0",
    Models: "detection/det.onnx",
    Image: "9000 × 576 pixels",
    Rotated: "by 270° clockwise",
    Skew: "-1.3°",
    "Upside-down lines": "1",
    Tiles: "4",
    Downscaled: "to 63 % of its side length",
    Timings: "recognise 12 s, decode 250 ms",
    Attempt: "2",
    Reused: "result of an identical file",
  });
});
