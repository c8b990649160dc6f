import { TextInput } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { useEffect, useRef, useState } from "react";
import filters from "./Filters.module.css";

const TYPING_MS = 300;

interface Props {
  label: string;
  placeholder: string;
  value: string;
  onChange: (value: string) => void;
}

/** A text filter that applies when typing pauses. */
export function DebouncedInput({ label, placeholder, value, onChange }: Props) {
  const [text, setText] = useState(value);
  const reported = useRef(value);
  const report = useDebouncedCallback((typed: string) => {
    reported.current = typed;
    onChange(typed);
  }, TYPING_MS);
  useEffect(() => {
    // A value that this input reported itself is older than the typed text.
    if (value !== reported.current) {
      reported.current = value;
      setText(value);
    }
  }, [value]);
  return (
    <TextInput
      label={label}
      placeholder={placeholder}
      value={text}
      onChange={(event) => {
        setText(event.currentTarget.value);
        report(event.currentTarget.value);
      }}
      className={filters.field}
    />
  );
}
