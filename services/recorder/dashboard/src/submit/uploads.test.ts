import { describe, expect, it } from "vitest";
import { ApiError } from "../api/errors";
import type { UploadPort } from "./batchUpload";
import { Uploads } from "./uploads";

const DESCRIPTION = { name: "", options: {} };

function files(...names: string[]): File[] {
  return names.map((name) => new File(["xx"], name));
}

function taking(refuse: () => Error | null): UploadPort {
  return {
    async upload(request, onBytes) {
      onBytes(3);
      const error = refuse();
      if (error) throw error;
      return request.files.map(() => ({ images: 1, refused: null }));
    },
    async close() {},
  };
}

describe("Uploads", () => {
  it("reports the progress of each file, and the batch id", async () => {
    const uploads = new Uploads();
    const seen: number[][] = [];
    uploads.subscribe(() => seen.push(uploads.state().files.map((one) => one.sentBytes)));
    uploads.add(files("a", "b"));
    await uploads.start(
      DESCRIPTION,
      taking(() => null),
    );
    expect(seen).toContainEqual([2, 1]);
    const { phase, files: sent, batchId, acceptedImages } = uploads.state();
    expect([phase, acceptedImages]).toEqual(["done", 2]);
    expect(batchId).not.toBeNull();
    expect(sent.map((one) => one.state)).toEqual(["sent", "sent"]);
  });

  it("reports why it was interrupted, and resumes", async () => {
    const uploads = new Uploads();
    let full = true;
    uploads.add(files("a"));
    await uploads.start(
      DESCRIPTION,
      taking(() => (full ? new ApiError(507, "Refused", "the disk is full") : null)),
    );
    expect([uploads.state().phase, uploads.state().error]).toEqual([
      "interrupted",
      "the disk is full. Try again. If it fails again, see the service's log.",
    ]);
    full = false;
    await uploads.resume();
    expect([uploads.state().phase, uploads.state().error]).toEqual(["done", null]);
  });

  it("ignores files added during an upload, and counts them", async () => {
    const uploads = new Uploads();
    uploads.add(files("a"));
    await uploads.start(
      DESCRIPTION,
      taking(() => new ApiError(500, "Refused", "broken")),
    );
    uploads.add(files("b", "c"));
    expect(uploads.state().files).toHaveLength(1);
    expect(uploads.state().ignoredFiles).toBe(2);
  });

  it("starts the next batch with files added after an upload", async () => {
    const uploads = new Uploads();
    uploads.add(files("a"));
    await uploads.start(
      DESCRIPTION,
      taking(() => null),
    );
    uploads.add(files("b"));
    expect(uploads.state()).toMatchObject({ phase: "choosing", batchId: null });
    expect(uploads.state().files.map((one) => one.file.name)).toEqual(["b"]);
  });
});
