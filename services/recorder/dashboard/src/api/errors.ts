/** Answers after which the same request may succeed. */
const PASSING = new Set([0, 409, 429, 502, 503, 504]);

interface More {
  errors?: unknown;
  retryAfterS?: number;
  cause?: unknown;
}

/** What went wrong with a request, and what whoever sees it can do. */
export class ApiError extends Error {
  /** HTTP status; 0 if there was no answer at all. */
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  /** Which parts of the request it is about, as the problem document tells them. */
  readonly errors: unknown;
  /** How long the service asks to be left alone, in seconds; 0 if it does not say. */
  readonly retryAfterS: number;

  constructor(status: number, title: string, detail: string, more: More = {}) {
    super(`${title}: ${detail}`, { cause: more.cause });
    this.name = "ApiError";
    this.status = status;
    this.title = title;
    this.detail = detail;
    this.errors = more.errors;
    this.retryAfterS = more.retryAfterS ?? 0;
  }

  /** What to do about it. */
  get advice(): string {
    if (this.status === 0) {
      return "See whether the services run (`make status`) and can be reached from here, then try again.";
    }
    if (this.status === 404) {
      return "Events may take some seconds to arrive. If it was deleted or the link is wrong, go back to the list.";
    }
    if (this.status === 429 || this.status === 503) {
      return "It passes by itself mostly: try again in some seconds.";
    }
    if (this.status < 500) {
      return "Change what was asked for, then try again.";
    }
    return "Try again; if it stays, the service's log tells more.";
  }

  /** Whether the same request may succeed in a moment. */
  get passes(): boolean {
    return PASSING.has(this.status);
  }
}

/** The answer's body; raises ApiError for everything but a success. */
export async function answered<T>(
  request: Promise<{ data?: T; error?: unknown; response: Response }>,
): Promise<T> {
  const { data, error, response } = await reached(request);
  if (!response.ok) {
    throw asApiError(response, error);
  }
  return data as T;
}

async function reached<T>(request: Promise<T>): Promise<T> {
  try {
    return await request;
  } catch (error) {
    throw error instanceof TypeError ? noAnswer(error) : error;
  }
}

/** That a service gave no answer at all. */
export function noAnswer(cause?: unknown): ApiError {
  return new ApiError(0, "No answer", "The service cannot be reached", { cause });
}

/** An error document (RFC 9457), or whatever a proxy in between answered. */
export function asApiError(response: Answer, body: unknown): ApiError {
  const problem = typeof body === "object" && body !== null ? body : {};
  const title =
    "title" in problem && typeof problem.title === "string" ? problem.title : response.statusText;
  const detail = "detail" in problem && typeof problem.detail === "string" ? problem.detail : "";
  return new ApiError(
    response.status,
    title || `Status ${response.status}`,
    detail || "The answer tells no more",
    {
      errors: "errors" in problem ? problem.errors : undefined,
      retryAfterS: Number(response.headers.get("Retry-After")) || 0,
    },
  );
}

/** What of an answer tells what went wrong, whoever received it. */
type Answer = Pick<Response, "status" | "statusText"> & { headers: Pick<Headers, "get"> };
