/**
 * Uploads one batch: groups files into requests, retries temporary errors, leaves out refused
 * files.
 */

import { ApiError } from "../api/errors";
import { groupFiles, namedFileIndexes, splitGroup } from "./groups";
import { newId } from "./ids";

/** The batch's name and options, the same in every request. */
export interface BatchDescription {
  name: string;
  options: Record<string, unknown>;
}

/** A request of the batch; `key` is its idempotency key. */
export interface UploadRequest {
  key: string;
  batchId: string;
  description: BatchDescription;
  files: readonly File[];
  firstIndex: number;
  /** The batch's total; null while more files follow. */
  batchTotal: number | null;
}

/** The number of images of a file, and why ingest refused it: its one image has failed then. */
export interface SentFile {
  images: number;
  refused: string | null;
}

/** Sends the requests; both methods throw ApiError. */
export interface UploadPort {
  /** Uploads files; returns what became of each. */
  upload(
    request: UploadRequest,
    onBytes: (sentBytes: number) => void,
    signal: AbortSignal,
  ): Promise<SentFile[]>;
  /** Announces the total of a batch whose images are all uploaded. */
  close(batchId: string, description: BatchDescription, total: number): Promise<void>;
}

/** Receives the progress of files; `images` is the number of images of each file. */
export interface Listener<T> {
  onSending(files: readonly T[], sentBytes: number): void;
  onSent(files: readonly T[], images: readonly number[]): void;
  onRefused(file: T, why: string): void;
}

/** Waits; rejects once the signal is aborted. */
export type Pause = (seconds: number, signal: AbortSignal) => Promise<void>;

interface Group<T> {
  key: string;
  files: T[];
}

const MAX_ATTEMPTS = 5;
const MAX_PAUSE_S = 30;
/** Statuses about single files: the request may succeed without them. */
const FILE_ERROR_STATUSES = new Set([413, 422]);

/**
 * Uploads files as one batch. Image indexes have no gap, and the last request announces the total,
 * so a batch completes without the files that ingest refuses.
 */
export class BatchUpload<T extends { file: File }> {
  readonly batchId = newId();
  /** Images that the batch has, those of refused files among them. */
  acceptedImages = 0;
  readonly #description: BatchDescription;
  readonly #ingest: UploadPort;
  readonly #listener: Listener<T>;
  readonly #pause: Pause;
  #waiting: Group<T>[];
  #announcedTotal: number | null = null;

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
    this.#waiting = groupFiles(sized).map((group) => newGroup(group.map(({ one }) => one)));
  }

  /**
   * Uploads the remaining files. Throws ApiError if ingest keeps failing; another call resumes, and
   * submits nothing twice.
   */
  async run(signal: AbortSignal): Promise<void> {
    for (let group = this.#waiting[0]; group !== undefined; group = this.#waiting[0]) {
      const parts = await this.#send(group, signal);
      this.#waiting.splice(0, 1, ...parts.map(newGroup));
    }
    await this.close(signal);
  }

  /** Announces the accepted images as the batch's total. */
  async close(signal: AbortSignal): Promise<void> {
    const total = this.acceptedImages;
    if (total === 0 || this.#announcedTotal === total) return;
    await this.#withRetries(
      () => this.#ingest.close(this.batchId, this.#description, total),
      signal,
    );
    this.#announcedTotal = total;
  }

  /** Uploads a group; if ingest refuses it, returns the smaller groups to try instead. */
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
      const sent = await this.#withRetries(
        () => this.#ingest.upload(request, onBytes, signal),
        signal,
      );
      const images = sent.map((file) => file.images);
      this.acceptedImages += images.reduce((sum, count) => sum + count, 0);
      this.#listener.onSent(group.files, images);
      group.files.forEach((file, index) => {
        const why = sent[index]?.refused ?? null;
        if (why !== null) this.#listener.onRefused(file, why);
      });
      if (isLast) this.#announcedTotal = this.acceptedImages;
      return [];
    } catch (error) {
      if (!(error instanceof ApiError) || !isFileError(error)) throw error;
      const [only, ...others] = group.files;
      if (others.length > 0) return splitGroup(group.files, namedFileIndexes(error.errors));
      if (only !== undefined) this.#listener.onRefused(only, error.detail);
      return [];
    }
  }

  async #withRetries<R>(ask: () => Promise<R>, signal: AbortSignal): Promise<R> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await ask();
      } catch (error) {
        if (!(error instanceof ApiError && error.retryable) || attempt === MAX_ATTEMPTS)
          throw error;
        const pauseS = Math.max(0.5 * 2 ** attempt, error.retryAfterS);
        await this.#pause(Math.min(pauseS, MAX_PAUSE_S), signal);
      }
    }
  }
}

function newGroup<T>(files: T[]): Group<T> {
  return { key: newId(), files };
}

function isFileError(error: ApiError): boolean {
  if (!FILE_ERROR_STATUSES.has(error.status)) return false;
  return error.status === 413 || namedFileIndexes(error.errors).size > 0;
}
