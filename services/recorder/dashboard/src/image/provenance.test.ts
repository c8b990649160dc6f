import { expect, it } from "vitest";
import type { Provenance } from "../api/recorder";
import { facts } from "./provenance";

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

function told(provenance: Provenance) {
  return Object.fromEntries(facts(provenance).filter(([, value]) => value));
}

it("tells no more of a plain page than what read it", () => {
  expect(told(plain)).toEqual({ Engine: "rapidocr on cpu" });
});

it("tells what was done to a page", () => {
  const done = told({
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
    Turned: "by 270° clockwise",
    Skew: "-1.3°",
    "Other way up": "1 line",
    "Read in": "4 pieces",
    Shrunk: "to 63 % of a side",
    Time: "recognise 12 s, decode 250 ms",
    Attempt: "2",
    Reused: "from a file of the same bytes",
  });
});
