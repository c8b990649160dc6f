import { expect, it } from "vitest";
import { ApiError, unwrap } from "./errors";

const problem = { title: "No such batch", detail: "Batch 'b' does not exist" };

it("returns the body of a successful response", async () => {
  const response = new Response("{}", { status: 200 });
  expect(await unwrap(Promise.resolve({ data: { a: 1 }, response }))).toEqual({ a: 1 });
});

it("throws the title and detail of a problem document", async () => {
  const response = new Response(null, { status: 404, statusText: "Not Found" });
  const error = await unwrap(Promise.resolve({ error: problem, response })).catch((e) => e);
  expect(error).toBeInstanceOf(ApiError);
  expect(error).toMatchObject({ status: 404, ...problem, retryable: false });
});

it("throws the status text of a response that is no problem document", async () => {
  const response = new Response(null, { status: 502, statusText: "Bad Gateway" });
  const error = await unwrap(Promise.resolve({ error: "<html>", response })).catch((e) => e);
  expect(error).toMatchObject({ status: 502, title: "Bad Gateway" });
});

it("throws status 0 if the service does not respond", async () => {
  const error = await unwrap(Promise.reject(new TypeError("Failed to fetch"))).catch((e) => e);
  expect(error).toMatchObject({ status: 0, retryable: true });
});

it("rethrows that a request was aborted", async () => {
  const aborted = new DOMException("", "AbortError");
  await expect(unwrap(Promise.reject(aborted))).rejects.toBe(aborted);
});
