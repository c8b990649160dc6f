import { expect, it } from "vitest";
import { isSupportedFile } from "./fileSelection";
import { sentFiles } from "./uploadPort";

it("sentFiles counts the pages of a document as images of one file", () => {
  const pages = [null, 1, 2, 3, 1, null].map((page) => ({ page, refused: null }));
  expect(sentFiles({ images: pages }).map((file) => file.images)).toEqual([1, 3, 1, 1]);
});

it("sentFiles says why a file is refused", () => {
  const refused = { reason: "undecodable", error: "no PDF" };
  const images = [{ page: null }, { page: null, refused }, { page: 1, refused: null }];
  expect(sentFiles({ images }).map((file) => file.refused)).toEqual([null, "no PDF", null]);
});

it("isSupportedFile accepts image and PDF files that are not hidden", () => {
  const names = ["a.PNG", "b.pdf", "c.txt", ".d.png", "png", "e.tar.tiff"];
  expect(names.filter(isSupportedFile)).toEqual(["a.PNG", "b.pdf", "e.tar.tiff"]);
});
