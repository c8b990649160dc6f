import { Alert, Anchor, Badge, Group, Skeleton, Stack, Text } from "@mantine/core";
import { IconAlertTriangle, IconArrowLeft, IconHourglass } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useCallback } from "react";
import type { Image } from "../api/recorder";
import { EmptyState } from "../shell/EmptyState";
import { ErrorState } from "../shell/ErrorState";
import { PageTitle } from "../shell/PageTitle";
import { Details } from "./Details";
import { ImageView } from "./ImageView";
import { Neighbours } from "./Neighbours";
import { imageName } from "./names";
import { ProvenanceTable, Warnings } from "./ProvenanceTable";
import { chainQuery, imageQuery, isNotFound, POLL_MS, resultVersionsQuery } from "./queries";
import { ResultVersions } from "./ResultVersions";
import { sourceOf } from "./source";
import { usePicture } from "./usePicture";

const route = getRouteApi("/images");

/** An image: its picture, its text boxes, and how they were read. */
export function ImagePage() {
  const { path } = route.useSearch();
  if (path === undefined) return <NoImage />;
  return (
    <Stack>
      <Neighbours path={path} />
      <OneImage key={path} path={path} />
    </Stack>
  );
}

function NoImage() {
  return (
    <Stack>
      <PageTitle title="Image" />
      <EmptyState title="No image selected">
        Open an image from a{" "}
        <Anchor renderRoot={(props) => <Link to="/" {...props} />}>batch</Anchor>, or{" "}
        <Anchor renderRoot={(props) => <Link to="/search" {...props} />}>search</Anchor> for its
        text.
      </EmptyState>
    </Stack>
  );
}

function OneImage({ path }: { path: string }) {
  const { box = "", q } = route.useSearch();
  const navigate = route.useNavigate();
  const versions = useQuery(resultVersionsQuery(path)).data?.items ?? [];
  const reprocessing = versions[0]?.new === null;
  const image = useQuery({
    ...imageQuery(path),
    ...(reprocessing && { refetchInterval: POLL_MS }),
  });
  const chain = useQuery(chainQuery(image.data?.chain_id));
  const picture = usePicture(path);
  const select = useCallback(
    (link: string) => navigate({ search: (now) => ({ ...now, box: link }), replace: true }),
    [navigate],
  );
  const { name, page } = sourceOf(chain.data?.input_data);
  return (
    <Stack>
      {q !== undefined && (
        <Anchor size="sm" renderRoot={(props) => <Link to="/search" search={{ q }} {...props} />}>
          <IconArrowLeft size={14} aria-hidden /> Back to the search for “{q}”
        </Anchor>
      )}
      <Group gap="sm">
        <PageTitle title={imageName(path, name, page)} />
        {image.data && <Outcome image={image.data} />}
        {reprocessing && <Badge color="blue">reprocessing</Badge>}
      </Group>
      {isNotFound(image.error) && (
        <Alert role="status" icon={<IconHourglass />} title="Not read yet">
          The recorder has no result for this path yet. The page shows the result as soon as it
          arrives.
        </Alert>
      )}
      {image.error && !isNotFound(image.error) && (
        <ErrorState error={image.error} retry={image.refetch} />
      )}
      {image.data && image.data.status !== "success" && <Failure image={image.data} />}
      {image.data?.provenance && <Warnings provenance={image.data.provenance} />}
      {image.isPending ? (
        <Skeleton h="30rem" role="status" aria-label="Loading the image" />
      ) : (
        <ImageView
          imagePath={path}
          picture={picture}
          boxes={image.data?.text_boxes ?? []}
          link={box}
          onLink={select}
        />
      )}
      {versions.length > 0 && <ResultVersions versions={versions} />}
      {image.data?.provenance && <ProvenanceTable provenance={image.data.provenance} />}
      {image.data && <Details image={image.data} chain={chain.data} />}
    </Stack>
  );
}

function Outcome({ image }: { image: Image }) {
  return image.status === "success" ? (
    <Badge color="green" variant="light">
      read
    </Badge>
  ) : (
    <Badge color="red" variant="light">
      {image.reason ?? image.status ?? "unknown"}
    </Badge>
  );
}

/** Why the image has no text, and what the user can do about it. */
function Failure({ image }: { image: Image }) {
  const hasNoText = image.reason === "no_text";
  return (
    <Alert
      icon={<IconAlertTriangle />}
      color={hasNoText ? "gray" : "red"}
      title={hasNoText ? "No text found" : "The image was not read"}
    >
      {!hasNoText && (
        <Text size="sm">{image.error ?? image.reason ?? "The result has no reason."}</Text>
      )}
      <Text size="sm">
        {hasNoText
          ? "If the image has text, reprocess it with another engine: ocrstream reprocess."
          : "Retry its batch to read the image again."}
      </Text>
    </Alert>
  );
}
