import { Alert, Anchor, Button, Skeleton, Stack, Text } from "@mantine/core";
import { IconClockHour4 } from "@tabler/icons-react";
import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { SearchHit } from "../api/recorder";
import { linkOfBoxes } from "../image/boxLinks";
import { imageName } from "../image/names";
import { textOf } from "../image/text";
import { EmptyState } from "../shell/EmptyState";
import { ErrorState } from "../shell/ErrorState";
import { counted } from "../shell/format";
import { HitPicture } from "./HitPicture";
import { lagText } from "./lag";
import classes from "./Search.module.css";
import { type SearchParams, searchQuery } from "./searchQuery";

/** The hits of a search, page by page. */
export function Results({ search }: { search: SearchParams }) {
  const found = useInfiniteQuery({ ...searchQuery(search), placeholderData: keepPreviousData });
  if (found.isPending) return <Skeleton h="8rem" role="status" aria-label="Searching" />;
  if (found.isError) return <ErrorState error={found.error} retry={found.refetch} />;
  const hits = found.data.pages.flatMap((page) => page.items);
  const last = found.data.pages.at(-1);
  const lag = last ? lagText(last.index) : null;
  const none = hits.length === 0 && !found.hasNextPage;
  return (
    <Stack aria-busy={found.isPlaceholderData}>
      {lag !== null && (
        <Alert role="status" icon={<IconClockHour4 />} color="yellow" title="The search index lags">
          {lag}
        </Alert>
      )}
      {none ? (
        <EmptyState title={`No image contains “${search.q}”`}>
          Try fewer characters, or search anywhere instead of whole words. If the engine misread a
          part of the text, search for another part.
        </EmptyState>
      ) : (
        <Text role="status" size="sm" c="dimmed">
          {countText(hits.length, found.hasNextPage)}
        </Text>
      )}
      <ul className={classes.results} aria-label="Images found">
        {hits.map((hit) => (
          <Result key={hit.image_path} hit={hit} search={search} />
        ))}
      </ul>
      {found.hasNextPage && (
        <Button
          variant="light"
          loading={found.isFetchingNextPage}
          onClick={() => found.fetchNextPage()}
        >
          {hits.length === 0 ? "Search further" : "Load more"}
        </Button>
      )}
    </Stack>
  );
}

function countText(hits: number, more: boolean): string {
  if (hits === 0) return "No hits yet: the search has scanned only some of the images.";
  return more ? `${counted(hits, "image")} so far` : counted(hits, "image");
}

function Result({ hit, search }: { hit: SearchHit; search: SearchParams }) {
  const toImage = {
    to: "/images",
    search: { path: hit.image_path, box: linkOfBoxes(hit.text_boxes), q: search.q },
  } as const;
  const { batch_id: batchId } = hit;
  return (
    <li className={classes.result}>
      <Link {...toImage} className={classes.pictureLink} tabIndex={-1} aria-hidden>
        <HitPicture imagePath={hit.image_path} boxes={hit.text_boxes} />
      </Link>
      <div>
        <Anchor fw={600} renderRoot={(props) => <Link {...toImage} {...props} />}>
          {imageName(hit.image_path, hit.source_name, hit.page)}
        </Anchor>
        <Text className={classes.hitText} dir="auto" lineClamp={4}>
          {textOf(hit.text_boxes)}
        </Text>
        {batchId !== null && (
          <Anchor
            size="sm"
            c="dimmed"
            renderRoot={(props) => <Link to="/batches/$batchId" params={{ batchId }} {...props} />}
          >
            in batch {hit.batch_name || batchId}
          </Anchor>
        )}
      </div>
    </li>
  );
}
