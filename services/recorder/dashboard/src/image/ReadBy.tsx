import { Alert, List } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import type { Provenance } from "../api/recorder";
import { inWords } from "../api/vocabulary";
import { FactTable } from "./FactTable";
import { facts } from "./provenance";

/** What speaks against what was read; nothing if nothing does. */
export function Warnings({ provenance }: { provenance: Provenance }) {
  const { warnings } = provenance;
  return warnings.length === 0 ? null : (
    <Alert
      role="status"
      color="yellow"
      icon={<IconAlertTriangle />}
      title="What was read may be wrong"
    >
      <List size="sm">
        {warnings.map(({ code, detail }) => (
          <List.Item key={`${code} ${detail}`}>
            <strong>{inWords(code)}.</strong> {detail}
          </List.Item>
        ))}
      </List>
    </Alert>
  );
}

/** What read the image, and what was done to the page for it. */
export function ReadBy({ provenance }: { provenance: Provenance }) {
  return <FactTable id="read-by" title="Read by" facts={facts(provenance)} />;
}
