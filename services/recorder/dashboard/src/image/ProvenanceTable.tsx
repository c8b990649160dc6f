import { Alert, List } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import { labelOf } from "../api/labels";
import type { Provenance } from "../api/recorder";
import { FactTable } from "./FactTable";
import { provenanceRows } from "./provenance";

/** The warnings about a result; renders nothing if it has none. */
export function Warnings({ provenance }: { provenance: Provenance }) {
  const { warnings } = provenance;
  return warnings.length === 0 ? null : (
    <Alert role="status" color="yellow" icon={<IconAlertTriangle />} title="The text may be wrong">
      <List size="sm">
        {warnings.map(({ code, detail }) => (
          <List.Item key={`${code} ${detail}`}>
            <strong>{labelOf(code)}.</strong> {detail}
          </List.Item>
        ))}
      </List>
    </Alert>
  );
}

/** The engine that read the image, and how the image was preprocessed. */
export function ProvenanceTable({ provenance }: { provenance: Provenance }) {
  return <FactTable id="provenance" title="Provenance" facts={provenanceRows(provenance)} />;
}
