/** Uploads to ingest by XMLHttpRequest, since fetch does not report upload progress. */

import { type ApiError, networkError, toApiError, unwrap } from "../api/errors";
import type { Ingest } from "../api/ingest";
import type { BatchDescription, SentFile, UploadPort, UploadRequest } from "./batchUpload";
import { newId } from "./ids";

interface UploadResponse {
  images: { page: number | null; refused?: { reason: string; error: string } | null }[];
}

/** The upload port of ingest's API. */
export function uploadPortOf({ url, client }: Ingest): UploadPort {
  return {
    async upload(request, onBytes, signal) {
      const response = await post(
        `${url}/v1/images`,
        formOf(request),
        request.key,
        onBytes,
        signal,
      );
      return sentFiles(response);
    },
    async close(batchId, description, total) {
      await unwrap(
        client.POST("/v1/batches", {
          params: { header: { "Idempotency-Key": newId() } },
          body: { batch_id: batchId, batch_total: total, images: [], ...batchFields(description) },
        }),
      );
    },
  };
}

/** What became of each file: page 1 or no page begins a new file. */
export function sentFiles(response: UploadResponse): SentFile[] {
  const files: SentFile[] = [];
  for (const { page, refused } of response.images) {
    const before = files.at(-1);
    if (page === null || page === 1 || before === undefined) {
      files.push({ images: 1, refused: refused?.error ?? null });
    } else before.images += 1;
  }
  return files;
}

function batchFields({ name, options }: BatchDescription) {
  return {
    ...(name !== "" && { batch_name: name }),
    ...(Object.keys(options).length > 0 && { options }),
  };
}

function formOf(request: UploadRequest): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries(batchFields(request.description))) {
    form.append(name, typeof value === "string" ? value : JSON.stringify(value));
  }
  form.append("batch_id", request.batchId);
  form.append("first_index", String(request.firstIndex));
  form.append("index_pages", "true");
  if (request.batchTotal === null) form.append("batch_open", "true");
  else form.append("batch_total", String(request.batchTotal));
  // Fields precede files: ingest refuses a file as soon as it is too large.
  for (const file of request.files) form.append("files", file, file.name);
  return form;
}

function post(
  url: string,
  form: FormData,
  key: string,
  onBytes: (sentBytes: number) => void,
  signal: AbortSignal,
): Promise<UploadResponse> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", url);
    request.responseType = "json";
    request.setRequestHeader("Idempotency-Key", key);
    request.upload.onprogress = (event) => onBytes(event.loaded);
    request.onload = () => {
      if (request.status === 202 && request.response !== null) resolve(request.response);
      else reject(refusal(request));
    };
    request.onerror = () => reject(networkError());
    request.onabort = () => reject(new DOMException("The upload was stopped", "AbortError"));
    signal.addEventListener("abort", () => request.abort(), { once: true });
    request.send(form);
  });
}

function refusal(request: XMLHttpRequest): ApiError {
  const { status, statusText, response } = request;
  const headers = { get: (name: string) => request.getResponseHeader(name) };
  return toApiError({ status, statusText, headers }, response);
}
