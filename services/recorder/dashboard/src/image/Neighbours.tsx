import { Anchor, Button, Group } from "@mantine/core";
import { IconArrowLeft, IconChevronLeft, IconChevronRight } from "@tabler/icons-react";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { useEffect } from "react";
import type { BatchImage } from "../api/recorder";
import { BatchName } from "../batch/BatchName";
import { type ImageFilter, imageFilter } from "../batch/imageFilter";
import { chainQuery, imageQuery, neighboursQuery } from "./queries";

const route = getRouteApi("/images");
/** Elements that use the arrow keys themselves. */
const USES_ARROWS = "input, textarea, select, [role=slider], [role=menu]";

/** Leads to the images before and after this one, in the list that the page was opened from. */
export function Neighbours({ path }: { path: string }) {
  const search = route.useSearch();
  const image = useQuery(imageQuery(path)).data;
  const chain = useQuery(chainQuery(image?.chain_id)).data;
  const batchId = search.batch ?? chain?.batch_id;
  const chainId = search.chain ?? image?.chain_id;
  if (batchId == null || chainId == null) return null;
  return <InBatch batchId={batchId} chainId={chainId} filter={imageFilter(search)} />;
}

interface Props {
  batchId: string;
  chainId: string;
  filter: ImageFilter;
}

function InBatch({ batchId, chainId, filter }: Props) {
  const navigate = useNavigate();
  const found = useQuery({
    ...neighboursQuery(batchId, chainId, filter),
    placeholderData: keepPreviousData,
  });
  const known = found.isPlaceholderData ? undefined : found.data;
  const previous = linkTo(known?.previous, batchId, filter);
  const next = linkTo(known?.next, batchId, filter);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const { defaultPrevented, ctrlKey, metaKey, altKey, shiftKey, target } = event;
      if (defaultPrevented || ctrlKey || metaKey || altKey || shiftKey) return;
      if (target instanceof Element && target.closest(USES_ARROWS) !== null) return;
      const link = { ArrowLeft: previous, ArrowRight: next }[event.key];
      if (link) navigate(link);
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [navigate, previous, next]);
  return (
    <Group justify="space-between" component="nav" aria-label="Images of the batch">
      <Anchor
        size="sm"
        renderRoot={(props) => (
          <Link to="/batches/$batchId" params={{ batchId }} search={filter} {...props} />
        )}
      >
        <IconArrowLeft size={14} aria-hidden /> <BatchName batchId={batchId} />
      </Anchor>
      <Group gap="xs">
        <Button
          variant="default"
          size="xs"
          leftSection={<IconChevronLeft size={16} aria-hidden />}
          aria-keyshortcuts="ArrowLeft"
          disabled={previous === undefined}
          onClick={() => previous && navigate(previous)}
        >
          Previous
        </Button>
        <Button
          variant="default"
          size="xs"
          rightSection={<IconChevronRight size={16} aria-hidden />}
          aria-keyshortcuts="ArrowRight"
          disabled={next === undefined}
          onClick={() => next && navigate(next)}
        >
          Next
        </Button>
      </Group>
    </Group>
  );
}

/** The image's page; replaced, so that the browser's Back returns to the list. */
function linkTo(image: BatchImage | null | undefined, batch: string, filter: ImageFilter) {
  if (image == null || image.image_path === null) return undefined;
  const search = { path: image.image_path, chain: image.chain_id, batch, ...filter };
  return { to: "/images", search, replace: true } as const;
}
