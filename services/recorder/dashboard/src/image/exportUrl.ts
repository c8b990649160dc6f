/** The URL of an image's export; formats: docs/exports.md. */
export function exportUrl(imagePath: string, format: string): string {
  return `/v1/images/export?${new URLSearchParams({ image_path: imagePath, format })}`;
}
