/** What one image can be exported as (docs/exports.md), and what people call it. */
export const FORMATS = [
  { format: "pdf", label: "PDF with text to search" },
  { format: "txt", label: "Text" },
  { format: "md", label: "Markdown" },
  { format: "csv", label: "CSV, a line a box" },
  { format: "jsonl", label: "JSON Lines" },
  { format: "hocr", label: "hOCR" },
  { format: "alto", label: "ALTO" },
] as const;

export function exportUrl(imagePath: string, format: string): string {
  return `/v1/images/export?${new URLSearchParams({ image_path: imagePath, format })}`;
}
