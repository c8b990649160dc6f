/** The chosen files and their upload progress, kept while the user opens other pages. */

import { ApiError } from "../api/errors";
import { type BatchDescription, BatchUpload, type UploadPort } from "./batchUpload";

export interface ChosenFile {
  readonly id: number;
  readonly file: File;
  readonly state: "waiting" | "sending" | "sent" | "refused";
  readonly sentBytes: number;
  /** The number of its images, once it is sent: a document has one for each page. */
  readonly images: number;
  readonly error: string | null;
}

export interface UploadsState {
  readonly phase: "choosing" | "sending" | "interrupted" | "done";
  readonly files: readonly ChosenFile[];
  readonly batchId: string | null;
  readonly acceptedImages: number;
  /** Why the upload was interrupted. */
  readonly error: string | null;
  /** The number of files that were dropped during the upload and ignored. */
  readonly ignoredFiles: number;
}

const INITIAL_STATE: UploadsState = {
  phase: "choosing",
  files: [],
  batchId: null,
  acceptedImages: 0,
  error: null,
  ignoredFiles: 0,
};

/** A store for `useSyncExternalStore`; one upload at a time. */
export class Uploads {
  #state = INITIAL_STATE;
  #listeners = new Set<() => void>();
  #nextId = 1;
  #upload: BatchUpload<ChosenFile> | null = null;
  #stop = new AbortController();

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly state = (): UploadsState => this.#state;

  /** Adds files; after an upload they start the next batch. During an upload they are ignored. */
  add(files: readonly File[]): void {
    if (this.#state.phase === "sending" || this.#state.phase === "interrupted") {
      this.#set({ ignoredFiles: this.#state.ignoredFiles + files.length });
      return;
    }
    if (this.#state.phase === "done") this.clear();
    const chosen = files.map((file): ChosenFile => {
      return { id: this.#nextId++, file, state: "waiting", sentBytes: 0, images: 0, error: null };
    });
    this.#set({ files: [...this.#state.files, ...chosen] });
  }

  remove(ids: ReadonlySet<number>): void {
    this.#set({ files: this.#state.files.filter((one) => !ids.has(one.id)) });
  }

  /** Clears the files and the upload; submitted images stay submitted. */
  clear(): void {
    this.#upload = null;
    this.#set(INITIAL_STATE);
  }

  /** Sends the files as one batch. */
  async start(description: BatchDescription, ingest: UploadPort): Promise<void> {
    const listener = {
      onSending: (files: readonly ChosenFile[], sentBytes: number) => {
        let left = sentBytes;
        this.#change(files, ({ file }) => {
          const share = Math.min(left, file.size);
          left -= share;
          return { state: "sending", sentBytes: share };
        });
      },
      onSent: (files: readonly ChosenFile[], images: readonly number[]) =>
        this.#change(files, ({ file }, index) => {
          return { state: "sent", sentBytes: file.size, images: images[index] ?? 0 };
        }),
      onRefused: (one: ChosenFile, error: string) =>
        this.#change([one], () => ({ state: "refused", sentBytes: 0, error })),
    };
    this.#upload = new BatchUpload(this.#state.files, description, ingest, listener, pause);
    await this.resume();
  }

  /** Resumes an interrupted upload. */
  async resume(): Promise<void> {
    const upload = this.#upload;
    if (upload === null) return;
    this.#stop = new AbortController();
    this.#set({ phase: "sending", batchId: upload.batchId, error: null });
    await this.#finish(upload, () => upload.run(this.#stop.signal));
  }

  /** Stops sending; it can be resumed, or finished early. */
  stop(): void {
    this.#stop.abort();
  }

  /** Ends the batch with the images that were accepted before the interruption. */
  async finishEarly(): Promise<void> {
    const upload = this.#upload;
    if (upload === null) return;
    this.#set({ error: null });
    await this.#finish(upload, () => upload.close(new AbortController().signal));
  }

  async #finish(upload: BatchUpload<ChosenFile>, work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this.#set({ phase: "done", acceptedImages: upload.acceptedImages });
    } catch (error) {
      const { acceptedImages } = upload;
      this.#set({ phase: "interrupted", acceptedImages, error: errorText(error) });
    }
  }

  #change(
    files: readonly ChosenFile[],
    change: (one: ChosenFile, index: number) => Partial<ChosenFile>,
  ): void {
    const changed = new Map(files.map((one, index) => [one.id, change(one, index)]));
    this.#set({ files: this.#state.files.map((one) => ({ ...one, ...changed.get(one.id) })) });
  }

  #set(change: Partial<UploadsState>): void {
    this.#state = { ...this.#state, ...change };
    for (const listener of this.#listeners) listener();
  }
}

function errorText(error: unknown): string {
  if (error instanceof ApiError) return `${error.detail}. ${error.advice}`;
  if (error instanceof DOMException && error.name === "AbortError")
    return "You stopped the upload.";
  return String(error);
}

/** The dashboard's uploads. */
export const uploads = new Uploads();

function pause(seconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("The upload was stopped", "AbortError"));
    });
  });
}
