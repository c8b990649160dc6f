import { expect, it } from "vitest";
import { isSupportedFile } from "./fileSelection";
import { imagesOfFiles } from "./uploadPort";

it("imagesOfFiles counts the pages of a document as images of one file", () => {
  const pages = [null, 1, 2, 3, 1, null].map((page) => ({ source_name: "same", page }));
  expect(imagesOfFiles({ images: pages })).toEqual([1, 3, 1, 1]);
});

it("isSupportedFile accepts image and PDF files that are not hidden", () => {
  const names = ["a.PNG", "b.pdf", "c.txt", ".d.png", "png", "e.tar.tiff"];
  expect(names.filter(isSupportedFile)).toEqual(["a.PNG", "b.pdf", "e.tar.tiff"]);
});
