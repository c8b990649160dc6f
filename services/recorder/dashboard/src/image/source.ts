/** What the user called the file that an image is of, and its page, if that was told. */
export interface Source {
  name?: string;
  page?: number;
}

/** Out of a chain's `input_data`, which may hold anything that a submission said. */
export function sourceOf(inputData: unknown): Source {
  if (typeof inputData !== "object" || inputData === null) return {};
  const { source_name: name, page } = inputData as Record<string, unknown>;
  return {
    ...(typeof name === "string" && { name }),
    ...(typeof page === "number" && { page }),
  };
}
