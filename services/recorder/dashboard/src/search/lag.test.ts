import { describe, expect, it } from "vitest";
import { lagText } from "./lag";

const textFor = (waiting_images: number, oldest_waiting_s: number) =>
  lagText({ waiting_images, oldest_waiting_s });

describe("lagText", () => {
  it("is null for an index without lag", () => {
    expect(textFor(0, 0)).toBeNull();
  });

  it("has the number of waiting images and the age of the oldest", () => {
    expect(textFor(1, 2)).toMatch(/: 1 image, .* 2\.0 s\.$/);
    expect(textFor(2500, 300)).toMatch(/: 2,500 images, .* 5 min 0 s\.$/);
    expect(textFor(10_000, 10_800)).toMatch(/: 10,000 images or more, .* 3 h 0 min\.$/);
  });
});
