/** One batch on its way to ingest: files in groups, repeats of what may pass, refused files left out. */

import { ApiError } from "../api/errors";
import { divided, filesNamed, inGroups } from "./groups";
import { newId } from "./ids";

/** What is told of the batch, the same with every request. */
export interface BatchDescription {
  name: string;
  options: Record<string, unknown>;
}

/** A request of the batch; the same `key` again is the same request. */
export interface UploadRequest {
  key: string;
  batchId: string;
  description: BatchDescription;
  files: readonly File[];
  firstIndex: number;
  /** Images in all, or null: more follows, how much is not known yet. */
  batchTotal: number | null;
}

/** Where requests go; both methods throw ApiError. */
export interface UploadPort {
  /** Uploads files; answers how many images each of them became. */
  upload(
    request: UploadRequest,
    onBytes: (sentBytes: number) => void,
    signal: AbortSignal,
  ): Promise<number[]>;
  /** Tells the total of a batch whose images have all been uploaded. */
  close(batchId: string, description: BatchDescription, total: number): Promise<void>;
}

/** Told of the files as they get on; `images` are those that each file became. */
export interface Listener<T> {
  onSending(files: readonly T[], sentBytes: number): void;
  onSent(files: readonly T[], images: readonly number[]): void;
  onRefused(file: T, why: string): void;
}

/** Lets time pass; rejects once the signal is aborted. */
export type Pause = (seconds: number, signal: AbortSignal) => Promise<void>;

interface Group<T> {
  key: string;
  files: T[];
}

const ATTEMPTS = 5;
const LONGEST_PAUSE_S = 30;
/** Answers that are about files, so that others may pass without them. */
const ABOUT_FILES = new Set([413, 422]);

/**
 * Uploads files as one batch. Its images are counted through without a gap, and its total is told
 * last, so a file that ingest refuses is left out and the batch ends with all others.
 */
export class BatchUpload<T extends { file: File }> {
  readonly batchId = newId();
  /** Images that the system has by now. */
  acceptedImages = 0;
  readonly #description: BatchDescription;
  readonly #ingest: UploadPort;
  readonly #listener: Listener<T>;
  readonly #pause: Pause;
  #waiting: Group<T>[];
  #told: number | null = null;

  constructor(
    files: readonly T[],
    description: BatchDescription,
    ingest: UploadPort,
    listener: Listener<T>,
    pause: Pause,
  ) {
    this.#description = description;
    this.#ingest = ingest;
    this.#listener = listener;
    this.#pause = pause;
    const sized = files.map((one) => ({ one, size: one.file.size }));
    this.#waiting = inGroups(sized).map((group) => grouped(group.map(({ one }) => one)));
  }

  /**
   * Uploads what is not uploaded yet. Throws ApiError if ingest takes nothing now:
   * running it again goes on where it was, and nothing is submitted twice.
   */
  async run(signal: AbortSignal): Promise<void> {
    for (let group = this.#waiting[0]; group !== undefined; group = this.#waiting[0]) {
      const parts = await this.#send(group, signal);
      this.#waiting.splice(0, 1, ...parts.map(grouped));
    }
    await this.close(signal);
  }

  /** Makes what was uploaded the whole batch. */
  async close(signal: AbortSignal): Promise<void> {
    const total = this.acceptedImages;
    if (total === 0 || this.#told === total) return;
    await this.#insist(() => this.#ingest.close(this.batchId, this.#description, total), signal);
    this.#told = total;
  }

  /** Uploads a group; answers the groups that it is to be tried in instead, if it was refused. */
  async #send(group: Group<T>, signal: AbortSignal): Promise<T[][]> {
    const isLast = this.#waiting.length === 1;
    const request: UploadRequest = {
      key: group.key,
      batchId: this.batchId,
      description: this.#description,
      files: group.files.map(({ file }) => file),
      firstIndex: this.acceptedImages,
      batchTotal: isLast ? this.acceptedImages + group.files.length : null,
    };
    const onBytes = (sentBytes: number) => this.#listener.onSending(group.files, sentBytes);
    try {
      const images = await this.#insist(
        () => this.#ingest.upload(request, onBytes, signal),
        signal,
      );
      this.acceptedImages += images.reduce((sum, count) => sum + count, 0);
      this.#listener.onSent(group.files, images);
      if (isLast) this.#told = this.acceptedImages;
      return [];
    } catch (error) {
      if (!(error instanceof ApiError) || !isAboutFiles(error)) throw error;
      const [only, ...others] = group.files;
      if (others.length > 0) return divided(group.files, filesNamed(error.errors));
      if (only !== undefined) this.#listener.onRefused(only, error.detail);
      return [];
    }
  }

  async #insist<R>(ask: () => Promise<R>, signal: AbortSignal): Promise<R> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await ask();
      } catch (error) {
        if (!(error instanceof ApiError && error.passes) || attempt === ATTEMPTS) throw error;
        const pauseS = Math.max(0.5 * 2 ** attempt, error.retryAfterS);
        await this.#pause(Math.min(pauseS, LONGEST_PAUSE_S), signal);
      }
    }
  }
}

function grouped<T>(files: T[]): Group<T> {
  return { key: newId(), files };
}

function isAboutFiles(refusal: ApiError): boolean {
  if (!ABOUT_FILES.has(refusal.status)) return false;
  return refusal.status === 413 || filesNamed(refusal.errors).size > 0;
}
