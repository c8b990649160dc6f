import { describe, expect, it } from "vitest";
import { ApiError, networkError } from "../api/errors";
import { BatchUpload, type SentFile, type UploadPort, type UploadRequest } from "./batchUpload";

const DESCRIPTION = { name: "n", options: {} };
const ALWAYS = new AbortController().signal;

/** A fake ingest: calls `respond`, and records its requests. */
class ScriptedIngest implements UploadPort {
  uploads: UploadRequest[] = [];
  totals: number[] = [];

  readonly #respond: (names: string[], requestCount: number) => SentFile[];

  constructor(respond: (names: string[], requestCount: number) => SentFile[]) {
    this.#respond = respond;
  }

  async upload(request: UploadRequest): Promise<SentFile[]> {
    this.uploads.push(request);
    return this.#respond(
      request.files.map((file) => file.name),
      this.uploads.length,
    );
  }

  async close(_batchId: string, _description: unknown, total: number): Promise<void> {
    this.totals.push(total);
  }
}

function uploading(names: string[], ingest: UploadPort) {
  const refused: string[] = [];
  const files = names.map((name) => ({ file: new File(["x"], name) }));
  const listener = {
    onSending: () => {},
    onSent: () => {},
    onRefused: ({ file }: { file: File }) => refused.push(file.name),
  };
  const upload = new BatchUpload(files, DESCRIPTION, ingest, listener, async () => {});
  return { upload, refused };
}

const sentAs = (images: number) => ({ images, refused: null });
const oneEach = (names: string[]) => names.map(() => sentAs(1));

describe("an upload", () => {
  it("of one request announces its total in it", async () => {
    const ingest = new ScriptedIngest(oneEach);
    const { upload } = uploading(["a", "b"], ingest);
    await upload.run(ALWAYS);
    expect(ingest.uploads.map((one) => [one.firstIndex, one.batchTotal])).toEqual([[0, 2]]);
    expect(ingest.totals).toEqual([]);
  });

  it("numbers its images without a gap, pages too, and announces the total last", async () => {
    const ingest = new ScriptedIngest((names) =>
      names.map((name) => sentAs(name === "f3" ? 4 : 1)),
    );
    const { upload } = uploading(
      Array.from({ length: 120 }, (_, index) => `f${index}`),
      ingest,
    );
    await upload.run(ALWAYS);
    const requests = ingest.uploads.map((one) => [one.firstIndex, one.batchTotal]);
    expect(requests).toEqual([
      [0, null],
      [53, null],
      [103, 123],
    ]);
    expect(upload.acceptedImages).toBe(123);
  });

  it("leaves out a refused file, and uploads the others", async () => {
    const ingest = new ScriptedIngest((names) => {
      const index = names.indexOf("bad.pdf");
      if (index < 0) return oneEach(names);
      throw new ApiError(422, "Refused", "encrypted", {
        errors: [{ pointer: `#/files/${index}` }],
      });
    });
    const { upload, refused } = uploading(["a", "bad.pdf", "c"], ingest);
    await upload.run(ALWAYS);
    expect(refused).toEqual(["bad.pdf"]);
    expect(ingest.uploads.at(-1)?.firstIndex).toBe(1);
    expect(ingest.uploads.at(-1)?.batchTotal).toBe(2);
  });

  it("counts a refused file that is a failed image of the batch, and names it", async () => {
    const ingest = new ScriptedIngest((names) =>
      names.map((name) => ({ images: 1, refused: name === "bad.pdf" ? "no PDF" : null })),
    );
    const { upload, refused } = uploading(["a", "bad.pdf", "c"], ingest);
    await upload.run(ALWAYS);
    expect(refused).toEqual(["bad.pdf"]);
    expect(ingest.uploads.map((one) => one.batchTotal)).toEqual([3]);
    expect(upload.acceptedImages).toBe(3);
  });

  it("announces the total although the last file is refused", async () => {
    const ingest = new ScriptedIngest((names) => {
      if (names.includes("large")) throw new ApiError(413, "Refused", "too large");
      return oneEach(names);
    });
    const { upload, refused } = uploading(["a", "b", "large"], ingest);
    await upload.run(ALWAYS);
    expect(refused).toEqual(["large"]);
    expect(ingest.totals).toEqual([2]);
  });

  it("announces no batch if all files are refused", async () => {
    const ingest = new ScriptedIngest(() => {
      throw new ApiError(413, "Refused", "too large");
    });
    const { upload, refused } = uploading(["a", "b"], ingest);
    await upload.run(ALWAYS);
    expect(refused).toEqual(["a", "b"]);
    expect(ingest.totals).toEqual([]);
  });

  it("retries a temporary error with the same idempotency key", async () => {
    const ingest = new ScriptedIngest((names, requestCount) => {
      if (requestCount === 1) throw networkError();
      if (requestCount === 2) throw new ApiError(503, "Refused", "busy");
      return oneEach(names);
    });
    const { upload } = uploading(["a"], ingest);
    await upload.run(ALWAYS);
    expect(new Set(ingest.uploads.map((one) => one.key)).size).toBe(1);
    expect(ingest.uploads).toHaveLength(3);
  });

  it("stops after the last attempt, and resumes with the same key", async () => {
    let unreachable = true;
    const ingest = new ScriptedIngest((names) => {
      if (unreachable) throw networkError();
      return oneEach(names);
    });
    const { upload } = uploading(["a"], ingest);
    await expect(upload.run(ALWAYS)).rejects.toMatchObject({ status: 0 });
    unreachable = false;
    await upload.run(ALWAYS);
    expect(new Set(ingest.uploads.map((one) => one.key)).size).toBe(1);
    expect(upload.acceptedImages).toBe(1);
  });

  it("splits no group for an error that is not about files", async () => {
    const ingest = new ScriptedIngest(() => {
      throw new ApiError(422, "Refused", "options", { errors: [{ pointer: "#/options" }] });
    });
    const { upload, refused } = uploading(["a", "b"], ingest);
    await expect(upload.run(ALWAYS)).rejects.toThrow("options");
    expect(ingest.uploads).toHaveLength(1);
    expect(refused).toEqual([]);
  });

  it("can end the batch with the accepted images", async () => {
    const ingest = new ScriptedIngest((names, requestCount) => {
      if (requestCount > 1) throw new ApiError(507, "Refused", "disk full");
      return oneEach(names);
    });
    const { upload } = uploading(
      Array.from({ length: 60 }, (_, index) => `f${index}`),
      ingest,
    );
    await expect(upload.run(ALWAYS)).rejects.toThrow("disk full");
    await upload.close(ALWAYS);
    await upload.close(ALWAYS);
    expect(ingest.totals).toEqual([50]);
  });
});
