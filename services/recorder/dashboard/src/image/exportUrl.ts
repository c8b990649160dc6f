/** Where one image is exported; what it can be exported as: docs/exports.md. */
export function exportUrl(imagePath: string, format: string): string {
  return `/v1/images/export?${new URLSearchParams({ image_path: imagePath, format })}`;
}
