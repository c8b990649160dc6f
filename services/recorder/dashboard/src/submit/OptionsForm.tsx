import { Button, Checkbox, Group, NativeSelect, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import type { BatchDescription } from "./batchUpload";

const LANES = [
  { value: "", label: "default" },
  { value: "urgent", label: "urgent: before others" },
  { value: "gpu", label: "gpu: on workers with one" },
];
const BOXES = [
  { value: "", label: "lines" },
  { value: "word", label: "words" },
];

/** The batch's name and how its images are read. */
export function OptionsForm({ onSubmit }: { onSubmit(description: BatchDescription): void }) {
  const [name, setName] = useState("");
  const [lane, setLane] = useState("");
  const [boxes, setBoxes] = useState("");
  const [reuse, setReuse] = useState(false);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const options = { ...(lane && { lane }), ...(boxes && { boxes }), ...(reuse && { reuse }) };
    onSubmit({ name: name.trim(), options });
  };
  return (
    <Group component="form" onSubmit={submit} align="end" gap="sm" aria-label="Batch">
      <TextInput
        label="Batch name"
        placeholder="none"
        maxLength={255}
        value={name}
        onChange={(event) => setName(event.currentTarget.value)}
      />
      <NativeSelect
        label="Lane"
        data={LANES}
        value={lane}
        onChange={(event) => setLane(event.currentTarget.value)}
      />
      <NativeSelect
        label="Boxes around"
        data={BOXES}
        value={boxes}
        onChange={(event) => setBoxes(event.currentTarget.value)}
      />
      <Checkbox
        label="Reuse results of equal files"
        checked={reuse}
        onChange={(event) => setReuse(event.currentTarget.checked)}
        pb="xs"
      />
      <Button type="submit">Submit</Button>
    </Group>
  );
}
