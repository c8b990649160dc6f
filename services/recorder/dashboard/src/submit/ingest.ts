/** Ingest's API as uploads use it: XMLHttpRequest, since fetch does not tell how much was sent. */

import {
  type BatchDescription,
  type Ingest,
  Refused,
  Unreachable,
  type UploadRequest,
} from "./batch-upload";
import { newId } from "./ids";

interface UploadAnswer {
  images: { source_name: string | null; page: number | null }[];
}

/** Ingest at a URL. */
export function ingestAt(url: string): Ingest {
  return {
    async upload(request, onBytes, signal) {
      const answer = await post(`${url}/v1/images`, formOf(request), request.key, onBytes, signal);
      return imagesOfFiles(answer as UploadAnswer);
    },
    async close(batchId, description, total) {
      const told = { batch_id: batchId, batch_total: total, images: [], ...described(description) };
      await post(`${url}/v1/batches`, JSON.stringify(told), newId());
    },
  };
}

/** How many images each file became: the first page of a document, or no page, begins a file. */
export function imagesOfFiles(answer: UploadAnswer): number[] {
  const counts: number[] = [];
  for (const { page } of answer.images) {
    const before = counts.at(-1);
    if (page === null || page === 1 || before === undefined) counts.push(1);
    else counts[counts.length - 1] = before + 1;
  }
  return counts;
}

function described({ name, options }: BatchDescription): Record<string, unknown> {
  return {
    ...(name !== "" && { batch_name: name }),
    ...(Object.keys(options).length > 0 && { options }),
  };
}

function formOf(request: UploadRequest): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries(described(request.description))) {
    form.append(name, typeof value === "string" ? value : JSON.stringify(value));
  }
  form.append("batch_id", request.batchId);
  form.append("first_index", String(request.firstIndex));
  form.append("index_pages", "true");
  if (request.batchTotal === null) form.append("more", "true");
  else form.append("batch_total", String(request.batchTotal));
  // Fields come first: a file is refused as soon as it is too large.
  for (const file of request.files) form.append("files", file, file.name);
  return form;
}

function post(
  url: string,
  body: FormData | string,
  key: string,
  onBytes?: (sentBytes: number) => void,
  signal?: AbortSignal,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", url);
    request.responseType = "json";
    request.setRequestHeader("Idempotency-Key", key);
    if (typeof body === "string") request.setRequestHeader("Content-Type", "application/json");
    if (onBytes) request.upload.onprogress = (event) => onBytes(event.loaded);
    request.onload = () => {
      if (request.status === 202 && request.response !== null) resolve(request.response);
      else reject(refusal(request));
    };
    request.onerror = () => reject(new Unreachable(`${url} does not answer`));
    request.onabort = () => reject(new DOMException("The upload was stopped", "AbortError"));
    signal?.addEventListener("abort", () => request.abort(), { once: true });
    request.send(body);
  });
}

function refusal(request: XMLHttpRequest): Refused {
  const document = (request.response ?? {}) as {
    title?: string;
    detail?: string;
    errors?: unknown;
  };
  const message = document.detail ?? document.title ?? `Ingest answered ${request.status}`;
  const retryAfterS = Number(request.getResponseHeader("Retry-After")) || 0;
  return new Refused(request.status, message, document, retryAfterS);
}
