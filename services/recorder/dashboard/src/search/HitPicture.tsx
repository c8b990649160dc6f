import { Skeleton, Text } from "@mantine/core";
import { useInViewport } from "@mantine/hooks";
import { boundsOf, type Size, svgPoints, type TextBox } from "../image/geometry";
import { usePicture } from "../image/usePicture";
import { cropAround } from "./crop";
import classes from "./Search.module.css";

const RATIO = 4;
/** A crop is at least half the page wide, so this width keeps it sharp. */
const PAGE_WIDTH_PX = 1280;

interface Props {
  imagePath: string;
  boxes: readonly TextBox[];
}

/** The part of a page around its hits, each outlined; requested when it enters the viewport. */
export function HitPicture({ imagePath, boxes }: Props) {
  const { ref, inViewport } = useInViewport<HTMLDivElement>();
  const picture = usePicture(imagePath, { width: PAGE_WIDTH_PX, enabled: inViewport });
  return (
    <div ref={ref} className={classes.crop}>
      {picture.state === "loading" && <Skeleton h="100%" />}
      {picture.state === "missing" && (
        <Text size="xs" c="dimmed" p="xs">
          Picture not available
        </Text>
      )}
      {picture.state === "shown" && <Crop url={picture.url} page={picture.size} boxes={boxes} />}
    </div>
  );
}

function Crop({ url, page, boxes }: { url: string; page: Size; boxes: readonly TextBox[] }) {
  const regions = boxes.map((box) => boundsOf(box.bbox));
  const { left, top, right, bottom } = cropAround(regions, page, RATIO);
  return (
    <svg viewBox={`${left} ${top} ${right - left} ${bottom - top}`} aria-hidden>
      <image href={url} width={page.width} height={page.height} preserveAspectRatio="none" />
      {boxes.map((box, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a box has no identity but its index in the hit
        <polygon key={index} className={classes.hit} points={svgPoints(box.bbox)} />
      ))}
    </svg>
  );
}
