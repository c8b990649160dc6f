import { Table, Title } from "@mantine/core";
import type { ReactNode } from "react";

type Fact = [name: string, value: ReactNode];

/** A titled table of names and values; rows with an empty value are left out. */
export function FactTable({ id, title, facts }: { id: string; title: string; facts: Fact[] }) {
  const known = facts.filter(
    ([, value]) => value !== null && value !== undefined && value !== false && value !== "",
  );
  return (
    <section aria-labelledby={id}>
      <Title order={2} size="h4" id={id}>
        {title}
      </Title>
      <Table withRowBorders={false} verticalSpacing={2}>
        <Table.Tbody>
          {known.map(([name, value]) => (
            <Table.Tr key={name}>
              <Table.Th
                scope="row"
                style={{ whiteSpace: "nowrap", verticalAlign: "top" }}
                w="10rem"
              >
                {name}
              </Table.Th>
              <Table.Td style={{ overflowWrap: "anywhere" }}>{value}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </section>
  );
}
