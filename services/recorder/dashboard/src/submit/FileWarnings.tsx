import { Alert, Button, Text } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import { counted } from "../shell/format";
import { fileWarning, SUPPORTED_KINDS } from "./fileSelection";
import type { ChosenFile } from "./uploads";

const MAX_NAMES = 5;

interface Props {
  files: readonly ChosenFile[];
  onLeaveOut(ids: ReadonlySet<number>): void;
}

/** Warns of chosen files that will probably fail, and can leave them out. */
export function FileWarnings({ files, onLeaveOut }: Props) {
  const doubtful = files.filter(({ file }) => fileWarning(file) !== null);
  if (doubtful.length === 0) return null;
  const named = doubtful
    .slice(0, MAX_NAMES)
    .map(({ file }) => `${file.name} (${fileWarning(file)})`)
    .join(", ");
  return (
    <Alert
      role="status"
      color="yellow"
      icon={<IconAlertTriangle />}
      title={`${counted(doubtful.length, "file")} will probably fail`}
    >
      <Text size="sm">
        {named}
        {doubtful.length > MAX_NAMES && ` and ${doubtful.length - MAX_NAMES} more`}. Supported
        kinds: {SUPPORTED_KINDS}.
      </Text>
      <Button
        mt="xs"
        size="xs"
        variant="default"
        onClick={() => onLeaveOut(new Set(doubtful.map(({ id }) => id)))}
      >
        {doubtful.length === 1 ? "Leave it out" : "Leave them out"}
      </Button>
    </Alert>
  );
}
