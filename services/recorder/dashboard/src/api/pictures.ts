const THUMBNAIL_WIDTH = 320;

/** Where the recorder shows the picture of an image path. */
export function pictureUrl(imagePath: string): string {
  return `/v1/pictures?${new URLSearchParams({ image_path: imagePath })}`;
}

/** The same, small. */
export function thumbnailUrl(imagePath: string): string {
  return `${pictureUrl(imagePath)}&width=${THUMBNAIL_WIDTH}`;
}
