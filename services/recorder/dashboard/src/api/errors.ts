/** Statuses after which the same request may succeed; 0: no response. */
const RETRYABLE_STATUSES = new Set([0, 409, 429, 502, 503, 504]);

interface ApiErrorOptions {
  errors?: unknown;
  retryAfterS?: number;
  cause?: unknown;
}

/** A failed request: the problem, and what the user can do about it. */
export class ApiError extends Error {
  /** HTTP status; 0 if there was no response. */
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  /** The member `errors` of the problem document: the parts of the request that are wrong. */
  readonly errors: unknown;
  /** The header Retry-After, in seconds; 0 if the response has none. */
  readonly retryAfterS: number;

  constructor(status: number, title: string, detail: string, options: ApiErrorOptions = {}) {
    super(`${title}: ${detail}`, { cause: options.cause });
    this.name = "ApiError";
    this.status = status;
    this.title = title;
    this.detail = detail;
    this.errors = options.errors;
    this.retryAfterS = options.retryAfterS ?? 0;
  }

  /** What the user can do about it. */
  get advice(): string {
    if (this.status === 0) {
      return "Check that the services run (`make status`) and that this browser reaches them, then try again.";
    }
    if (this.status === 404) {
      return "The recorder may not have applied its events yet: try again in some seconds. Otherwise it was deleted, or the link is wrong.";
    }
    if (this.status === 429 || this.status === 503) {
      return "This is usually temporary: try again in some seconds.";
    }
    if (this.status < 500) {
      return "Correct the request, then try again.";
    }
    return "Try again. If it fails again, see the service's log.";
  }

  /** Whether the same request may succeed later. */
  get retryable(): boolean {
    return RETRYABLE_STATUSES.has(this.status);
  }
}

/** The response's body; throws ApiError unless the request succeeded. */
export async function unwrap<T>(
  request: Promise<{ data?: T; error?: unknown; response: Response }>,
): Promise<T> {
  const { data, error, response } = await withNetworkErrors(request);
  if (!response.ok) {
    throw toApiError(response, error);
  }
  return data as T;
}

async function withNetworkErrors<T>(request: Promise<T>): Promise<T> {
  try {
    return await request;
  } catch (error) {
    throw error instanceof TypeError ? networkError(error) : error;
  }
}

/** The error of a request that got no response. */
export function networkError(cause?: unknown): ApiError {
  return new ApiError(0, "Service unreachable", "The browser received no response", { cause });
}

/** The error of a response: a problem document (RFC 9457), or the body that a proxy sent. */
export function toApiError(response: ErrorResponse, body: unknown): ApiError {
  const problem = typeof body === "object" && body !== null ? body : {};
  const title =
    "title" in problem && typeof problem.title === "string" ? problem.title : response.statusText;
  const detail = "detail" in problem && typeof problem.detail === "string" ? problem.detail : "";
  return new ApiError(
    response.status,
    title || `Status ${response.status}`,
    detail || "The response has no details",
    {
      errors: "errors" in problem ? problem.errors : undefined,
      retryAfterS: Number(response.headers.get("Retry-After")) || 0,
    },
  );
}

/** The parts of a response that describe the error; fetch and XMLHttpRequest both have them. */
type ErrorResponse = Pick<Response, "status" | "statusText"> & { headers: Pick<Headers, "get"> };
