import { Button, Checkbox, Group, NativeSelect, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import type { BatchDescription } from "./batchUpload";

const LANES = [
  { value: "", label: "default" },
  { value: "urgent", label: "urgent: before others" },
  { value: "gpu", label: "gpu: workers with a GPU only" },
];
const BOXES = [
  { value: "", label: "one per line" },
  { value: "word", label: "one per word" },
];

/** The batch's name and options. */
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
        label="Text boxes"
        data={BOXES}
        value={boxes}
        onChange={(event) => setBoxes(event.currentTarget.value)}
      />
      <Checkbox
        label="Reuse results of identical files"
        checked={reuse}
        onChange={(event) => setReuse(event.currentTarget.checked)}
        pb="xs"
      />
      <Button type="submit">Submit</Button>
    </Group>
  );
}
