import { Anchor, Badge, Card, Group, List, Stack, Text } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { unwrap } from "../api/errors";
import { labelOf } from "../api/labels";
import { type Batch, type FailureGroup, recorder } from "../api/recorder";
import { EmptyState } from "../shell/EmptyState";
import { ErrorState } from "../shell/ErrorState";
import { counted } from "../shell/format";
import { LoadingState } from "../shell/LoadingState";
import { STATUS_COLORS } from "../shell/StatusBadge";
import { nameOf } from "./ImageTile";

/** The batch's failed and revoked images by reason, the most frequent reason first. */
export function FailureList({ batch }: { batch: Batch }) {
  const counts = [batch.failed_images, batch.revoked_images, batch.run];
  const { data, error, refetch } = useQuery({
    queryKey: ["batch", batch.batch_id, "failures", ...counts],
    queryFn: ({ signal }) =>
      unwrap(
        recorder.GET("/v1/batches/{batch_id}/failures", {
          params: { path: { batch_id: batch.batch_id }, query: { examples: 5 } },
          signal,
        }),
      ),
    placeholderData: keepPreviousData,
  });
  if (error !== null) {
    return <ErrorState error={error} retry={refetch} />;
  }
  if (data === undefined) {
    return <LoadingState />;
  }
  if (data.items.length === 0) {
    return (
      <EmptyState title="No failures">No image of this batch failed or was revoked.</EmptyState>
    );
  }
  return (
    <Stack>
      {data.items.map((group) => (
        <Failures key={`${group.status} ${group.reason}`} batchId={batch.batch_id} group={group} />
      ))}
    </Stack>
  );
}

function Failures({ batchId, group }: { batchId: string; group: FailureGroup }) {
  const reason = labelOf(group.reason ?? group.status);
  const search = { status: group.status, ...(group.reason !== null && { reason: group.reason }) };
  return (
    <Card withBorder component="section" aria-label={reason}>
      <Group justify="space-between">
        <Group gap="xs">
          <Badge color={STATUS_COLORS[group.status] ?? "gray"} variant="light">
            {reason}
          </Badge>
          <Text size="sm">{counted(group.images, "image")}</Text>
        </Group>
        {group.examples.length > 0 && (
          <Anchor
            size="sm"
            renderRoot={(props) => (
              <Link to="/batches/$batchId" params={{ batchId }} search={search} {...props} />
            )}
          >
            Show all
          </Anchor>
        )}
      </Group>
      <List size="sm" mt="xs" listStyleType="none">
        {group.examples.map((image) => (
          <List.Item key={image.chain_id}>
            {image.image_path === null ? (
              nameOf(image)
            ) : (
              <Anchor
                size="sm"
                underline="always"
                renderRoot={(props) => (
                  <Link
                    to="/images"
                    search={{
                      path: image.image_path ?? "",
                      chain: image.chain_id,
                      batch: batchId,
                      ...search,
                    }}
                    {...props}
                  />
                )}
              >
                {nameOf(image)}
              </Anchor>
            )}
            {image.error !== null && (
              <Text span size="sm" c="dimmed">
                {" "}
                {image.error}
              </Text>
            )}
          </List.Item>
        ))}
      </List>
    </Card>
  );
}
