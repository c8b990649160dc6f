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
import { imageName } from "./names";
import { chainQuery, imageQuery, isUnknown, resultVersionsQuery, SOON_MS } from "./queries";
import { ReadBy, Warnings } from "./ReadBy";
import { ResultVersions } from "./ResultVersions";
import { sourceOf } from "./source";
import { usePicture } from "./usePicture";

const route = getRouteApi("/images");

/** One image: what it looks like, and what was read on it. */
export function ImagePage() {
  const { path } = route.useSearch();
  return path === undefined ? <NoImage /> : <OneImage key={path} path={path} />;
}

function NoImage() {
  return (
    <Stack>
      <PageTitle title="Image" />
      <EmptyState title="This address names no image">
        Choose one in a <Anchor renderRoot={(props) => <Link to="/" {...props} />}>batch</Anchor>,
        or <Anchor renderRoot={(props) => <Link to="/search" {...props} />}>search</Anchor> for what
        it says.
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
    ...(reprocessing && { refetchInterval: SOON_MS }),
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
          <IconArrowLeft size={14} aria-hidden /> Search for “{q}”
        </Anchor>
      )}
      <Group gap="sm">
        <PageTitle title={imageName(path, name, page)} />
        {image.data && <Outcome image={image.data} />}
        {reprocessing && <Badge color="blue">being reprocessed</Badge>}
      </Group>
      {isUnknown(image.error) && (
        <Alert role="status" icon={<IconHourglass />} title="Not read yet">
          No result has come for this path. It is shown here as soon as there is one.
        </Alert>
      )}
      {image.error && !isUnknown(image.error) && (
        <ErrorState error={image.error} retry={image.refetch} />
      )}
      {image.data && image.data.status !== "success" && <Failure image={image.data} />}
      {image.data?.provenance && <Warnings provenance={image.data.provenance} />}
      {image.isPending ? (
        <Skeleton h="30rem" role="status" aria-label="The image is being loaded" />
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
      {image.data?.provenance && <ReadBy provenance={image.data.provenance} />}
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

/** Why there is no text, and what can be done. */
function Failure({ image }: { image: Image }) {
  const blank = image.reason === "no_text";
  return (
    <Alert
      icon={<IconAlertTriangle />}
      color={blank ? "gray" : "red"}
      title={blank ? "No text was found on it" : "It was not read"}
    >
      {!blank && <Text size="sm">{image.error ?? image.reason ?? "It is not said why."}</Text>}
      <Text size="sm">
        {blank
          ? "If there is some, reprocess it with another engine: ocrstream reprocess."
          : "A retry of its batch reads it again."}
      </Text>
    </Alert>
  );
}
