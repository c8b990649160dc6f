import { Button, Group, Paper, Text } from "@mantine/core";
import { type ChangeEvent, useRef, useState } from "react";
import classes from "./DropZone.module.css";
import { filesOf, filesOfFolder, SUPPORTED_KINDS } from "./fileSelection";

/** A target to drop files and folders on, with buttons to choose them. */
export function DropZone({ onFiles }: { onFiles(files: File[]): void }) {
  const [over, setOver] = useState(false);
  const files = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  const choose = (event: ChangeEvent<HTMLInputElement>, select: (chosen: File[]) => File[]) => {
    onFiles(select([...(event.currentTarget.files ?? [])]));
    // Otherwise choosing the same files again would fire no change event.
    event.currentTarget.value = "";
  };
  return (
    <Paper
      withBorder
      p="xl"
      className={classes.zone}
      data-over={over || undefined}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={async (event) => {
        event.preventDefault();
        setOver(false);
        onFiles(await filesOf(event.dataTransfer));
      }}
    >
      <Text ta="center">Drop images, PDF or TIFF files, or folders of them here.</Text>
      <Text ta="center" size="sm" c="dimmed">
        Supported: {SUPPORTED_KINDS}
      </Text>
      <Group justify="center" mt="md">
        <Button onClick={() => files.current?.click()}>Choose files</Button>
        <Button variant="default" onClick={() => folder.current?.click()}>
          Choose a folder
        </Button>
      </Group>
      <input
        ref={files}
        type="file"
        multiple
        hidden
        aria-label="Files"
        onChange={(event) => choose(event, (chosen) => chosen)}
      />
      <input
        ref={folder}
        type="file"
        webkitdirectory=""
        hidden
        aria-label="Folder"
        onChange={(event) => choose(event, filesOfFolder)}
      />
    </Paper>
  );
}
