import { describe, expect, it } from "vitest";
import { bytes, counted, duration, rate } from "./format";

describe("duration", () => {
  it.each([
    [0, "0 s"],
    [0.0002, "1 ms"],
    [0.25, "250 ms"],
    [2.34, "2.3 s"],
    [59.4, "59 s"],
    [60, "1 min 0 s"],
    [3_599.6, "1 h 0 min"],
    [12_000, "3 h 20 min"],
    [90_000, "1 d 1 h"],
  ])("formats %d s by its two largest units", (seconds, expected) => {
    expect(duration(seconds)).toBe(expected);
  });
});

describe("rate", () => {
  it.each([
    [0, "0/s"],
    [0.05, "3/min"],
    [0.5, "0.5/s"],
    [1234, "1,200/s"],
  ])("formats %d images per second", (imagesPerS, expected) => {
    expect(rate(imagesPerS)).toBe(expected);
  });
});

describe("counted", () => {
  it("is singular for one only", () => {
    expect([counted(0, "image"), counted(1, "image"), counted(2_000, "image")]).toEqual([
      "0 images",
      "1 image",
      "2,000 images",
    ]);
  });
});

it("formats a size in the unit that fits", () => {
  expect([0, 999, 1_000, 1_540_000, 3e12].map(bytes)).toEqual([
    "0 B",
    "999 B",
    "1 kB",
    "1.5 MB",
    "3,000 GB",
  ]);
});
