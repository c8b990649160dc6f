/** The image's source name with its page number, else the last part of its path. */
export function imageName(
  imagePath: string,
  sourceName: string | null | undefined,
  page: number | null | undefined,
): string {
  const name = sourceName || imagePath.split("/").filter(Boolean).at(-1) || imagePath;
  return page ? `${name}, page ${page}` : name;
}
