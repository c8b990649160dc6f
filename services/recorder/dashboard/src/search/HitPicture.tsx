import { Skeleton, Text } from "@mantine/core";
import { useInViewport } from "@mantine/hooks";
import { boundsOf, type Size, svgPoints, type TextBox } from "../image/geometry";
import { usePicture } from "../image/usePicture";
import { cropAround } from "./crop";
import classes from "./Search.module.css";

const RATIO = 4;
/** Crops are half a page wide or more: so much of a page that they are sharp. */
const PAGE_WIDTH_PX = 1280;

interface Props {
  imagePath: string;
  boxes: readonly TextBox[];
}

/** The part of a page where its hits are, with a line around each; asked for when it is seen. */
export function HitPicture({ imagePath, boxes }: Props) {
  const { ref, inViewport } = useInViewport<HTMLDivElement>();
  const picture = usePicture(imagePath, { width: PAGE_WIDTH_PX, wanted: inViewport });
  return (
    <div ref={ref} className={classes.crop}>
      {picture.state === "loading" && <Skeleton h="100%" />}
      {picture.state === "missing" && (
        <Text size="xs" c="dimmed" p="xs">
          The picture cannot be shown.
        </Text>
      )}
      {picture.state === "shown" && <Crop url={picture.url} page={picture.size} boxes={boxes} />}
    </div>
  );
}

function Crop({ url, page, boxes }: { url: string; page: Size; boxes: readonly TextBox[] }) {
  const places = boxes.map((box) => boundsOf(box.bbox));
  const { left, top, right, bottom } = cropAround(places, page, RATIO);
  return (
    <svg viewBox={`${left} ${top} ${right - left} ${bottom - top}`} aria-hidden>
      <image href={url} width={page.width} height={page.height} preserveAspectRatio="none" />
      {boxes.map((box, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: its place in the hit is what a box is
        <polygon key={index} className={classes.hit} points={svgPoints(box.bbox)} />
      ))}
    </svg>
  );
}
