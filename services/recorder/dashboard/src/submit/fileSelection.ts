/** Selects files of a folder, as the `ocrstream submit` command does. */

const SUFFIXES = new Set(
  "avif bmp gif jfif jp2 jpeg jpg pbm pdf pgm png ppm tif tiff webp".split(" "),
);

/** Whether a file of a folder is submitted; a file chosen by itself always is. */
export function isSupportedFile(name: string): boolean {
  const suffix = /^[^.].*\.([^.]+)$/.exec(name)?.[1];
  return suffix !== undefined && SUFFIXES.has(suffix.toLowerCase());
}

/** The supported kinds, by the ends of their names. */
export const SUPPORTED_KINDS = [...SUFFIXES].join(", ");

/** Why the system will probably not read a file; null if nothing speaks against it. */
export function fileWarning(file: Pick<File, "name" | "size">): string | null {
  if (file.size === 0) return "empty";
  return isSupportedFile(file.name) ? null : "not a supported kind";
}

/**
 * The files of a folder that the user chose, selected and named as those of a dropped folder.
 */
export function filesOfFolder(chosen: Iterable<File>): File[] {
  return [...chosen]
    .filter(({ name, webkitRelativePath }) => {
      const [, ...inside] = webkitRelativePath.split("/");
      return isSupportedFile(name) && !inside.some((part) => part.startsWith("."));
    })
    .sort((one, other) => (one.webkitRelativePath < other.webkitRelativePath ? -1 : 1))
    .map((file) => namedByPath(file, file.webkitRelativePath));
}

/**
 * The files of a drop and of its folders, sorted by name within each folder; the name of a file in a
 * folder is its path within that folder.
 */
export async function filesOf(dropped: DataTransfer): Promise<File[]> {
  // Entries are available only during the event: read all of them before the first await.
  const entries = [...dropped.items]
    .filter((item) => item.kind === "file")
    .map((item) => item.webkitGetAsEntry() ?? item.getAsFile());
  const found: File[] = [];
  for (const entry of entries) {
    if (entry instanceof File) found.push(entry);
    else if (entry !== null) found.push(...(await filesIn(entry, false)));
  }
  return found;
}

async function filesIn(entry: FileSystemEntry, inFolder: boolean): Promise<File[]> {
  if (isFile(entry)) {
    if (inFolder && !isSupportedFile(entry.name)) return [];
    const file = await new Promise<File>((resolve, reject) => entry.file(resolve, reject));
    // The full path begins with a slash.
    return [inFolder ? namedByPath(file, entry.fullPath.slice(1)) : file];
  }
  if (!isFolder(entry) || (inFolder && entry.name.startsWith("."))) return [];
  const children = await entriesOf(entry);
  children.sort((one, other) => (one.name < other.name ? -1 : 1));
  const found: File[] = [];
  for (const child of children) found.push(...(await filesIn(child, true)));
  return found;
}

/** The same file, named by its path without the folder that was submitted: `2024/a.png`. */
function namedByPath(file: File, path: string): File {
  const { type, lastModified } = file;
  return new File([file], path.slice(path.indexOf("/") + 1), { type, lastModified });
}

async function entriesOf(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader();
  const entries: FileSystemEntry[] = [];
  for (;;) {
    // A reader returns entries in chunks, and an empty list at the end.
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (some.length === 0) return entries;
    entries.push(...some);
  }
}

function isFile(entry: FileSystemEntry): entry is FileSystemFileEntry {
  return entry.isFile;
}

function isFolder(entry: FileSystemEntry): entry is FileSystemDirectoryEntry {
  return entry.isDirectory;
}
