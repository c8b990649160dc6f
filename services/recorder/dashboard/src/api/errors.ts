/** What went wrong with a request, and what whoever sees it can do. */
export class ApiError extends Error {
  /** HTTP status; 0 if there was no answer at all. */
  readonly status: number;
  readonly title: string;
  readonly detail: string;

  constructor(status: number, title: string, detail: string, options?: ErrorOptions) {
    super(`${title}: ${detail}`, options);
    this.name = "ApiError";
    this.status = status;
    this.title = title;
    this.detail = detail;
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
    return this.status === 0 || this.status === 429 || this.status === 503;
  }
}

/** The answer's body; raises ApiError for everything but a success. */
export async function answered<T>(
  request: Promise<{ data?: T; error?: unknown; response: Response }>,
): Promise<T> {
  const { data, error, response } = await reached(request);
  if (!response.ok) {
    throw asApiError(response.status, response.statusText, error);
  }
  return data as T;
}

async function reached<T>(request: Promise<T>): Promise<T> {
  try {
    return await request;
  } catch (error) {
    if (error instanceof TypeError) {
      throw new ApiError(0, "No answer", "The service cannot be reached", { cause: error });
    }
    throw error;
  }
}

/** An error document (RFC 9457), or whatever a proxy in between answered. */
export function asApiError(status: number, statusText: string, body: unknown): ApiError {
  const problem = typeof body === "object" && body !== null ? body : {};
  const title =
    "title" in problem && typeof problem.title === "string" ? problem.title : statusText;
  const detail = "detail" in problem && typeof problem.detail === "string" ? problem.detail : "";
  return new ApiError(status, title || `Status ${status}`, detail || "The answer tells no more");
}
