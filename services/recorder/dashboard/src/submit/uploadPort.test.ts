import { expect, it } from "vitest";
import { filesOf, filesOfFolder, isSupportedFile } from "./fileSelection";
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

it("filesOfFolder names a file by its path in the chosen folder", async () => {
  const chosen = ["scans/b.png", "scans/2024/a.png", "scans/.git/c.png", "scans/d.txt"].map(
    (path) =>
      Object.assign(new File(["x"], path.split("/").at(-1) ?? ""), { webkitRelativePath: path }),
  );
  const files = filesOfFolder(chosen);
  expect(files.map(({ name }) => name)).toEqual(["2024/a.png", "b.png"]);
  expect(await files[0]?.text()).toBe("x");
});

it("filesOf names a file by its path in the dropped folder, and a dropped file by its name", async () => {
  const file = (fullPath: string) => ({
    isFile: true,
    isDirectory: false,
    name: fullPath.split("/").at(-1) ?? "",
    fullPath,
    file: (resolve: (found: File) => void) =>
      resolve(new File(["x"], fullPath.split("/").at(-1) ?? "")),
  });
  const folder = (fullPath: string, children: object[]) => ({
    isFile: false,
    isDirectory: true,
    name: fullPath.split("/").at(-1) ?? "",
    fullPath,
    createReader: () => {
      const chunks = [children, []];
      return {
        readEntries: (resolve: (entries: object[]) => void) => resolve(chunks.shift() ?? []),
      };
    },
  });
  const entries = [
    folder("/scans", [folder("/scans/2024", [file("/scans/2024/a.png")]), file("/scans/b.png")]),
    file("/c.png"),
  ];
  const items = entries.map((entry) => ({ kind: "file", webkitGetAsEntry: () => entry }));
  const files = await filesOf({ items } as unknown as DataTransfer);
  expect(files.map(({ name }) => name)).toEqual(["2024/a.png", "b.png", "c.png"]);
});
