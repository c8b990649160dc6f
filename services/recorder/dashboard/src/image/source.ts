/** The name of an image's source file and the page in it, if the submission gave them. */
export interface Source {
  name?: string;
  page?: number;
}

/** Reads a chain's `input_data`, which may be any JSON of a submission. */
export function sourceOf(inputData: unknown): Source {
  if (typeof inputData !== "object" || inputData === null) return {};
  const { source_name: name, page } = inputData as Record<string, unknown>;
  return {
    ...(typeof name === "string" && { name }),
    ...(typeof page === "number" && { page }),
  };
}
