const THUMBNAIL_WIDTH = 320;

/** The URL of an image's picture. */
export function pictureUrl(imagePath: string): string {
  return `/v1/pictures?${new URLSearchParams({ image_path: imagePath })}`;
}

/** The URL of an image's thumbnail. */
export function thumbnailUrl(imagePath: string): string {
  return `${pictureUrl(imagePath)}&width=${THUMBNAIL_WIDTH}`;
}
