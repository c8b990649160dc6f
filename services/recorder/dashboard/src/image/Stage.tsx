import { ActionIcon, Group, Paper, Text, Tooltip, VisuallyHidden } from "@mantine/core";
import { IconMaximize, IconMinus, IconPlus } from "@tabler/icons-react";
import {
  type ReactNode,
  type Ref,
  useId,
  useImperativeHandle,
  useLayoutEffect,
  useRef,
  useState,
} from "react";
import type { Size } from "./geometry";
import classes from "./Image.module.css";
import { PanZoom } from "./panZoom";

const STEP = 1.5;

interface Props {
  ref: Ref<PanZoom | null>;
  size: Size;
  /** Fills a layer with the aspect ratio of `size`. */
  children: ReactNode;
}

/** A viewport in which the user pans and zooms a picture; `ref` controls it from outside. */
export function Stage({ ref, size, children }: Props) {
  const stage = useRef<HTMLElement>(null);
  const layer = useRef<HTMLDivElement>(null);
  const [panZoom, setPanZoom] = useState<PanZoom | null>(null);
  const [scale, setScale] = useState(1);
  const help = useId();
  const { width, height } = size;
  useLayoutEffect(() => {
    if (!stage.current || !layer.current) return;
    const moving = new PanZoom(stage.current, layer.current, { width, height }, setScale);
    setPanZoom(moving);
    return () => moving.end();
  }, [width, height]);
  useImperativeHandle<PanZoom | null, PanZoom | null>(ref, () => panZoom, [panZoom]);
  return (
    <div className={classes.frame}>
      <section
        ref={stage}
        className={classes.stage}
        aria-label="Picture"
        aria-describedby={help}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: keys move the picture
        tabIndex={0}
      >
        <div ref={layer} className={classes.layer}>
          {children}
        </div>
      </section>
      <VisuallyHidden id={help}>
        Arrow keys move the picture, plus and minus zoom, 0 shows the whole picture.
      </VisuallyHidden>
      <Paper className={classes.tools} withBorder p={4}>
        <Group gap={4} role="toolbar" aria-label="Zoom">
          <Tool label="Zoom out" onClick={() => panZoom?.zoom(1 / STEP)}>
            <IconMinus />
          </Tool>
          <Text size="sm" w="3.2rem" ta="center">
            {Math.round(scale * 100)} %
          </Text>
          <Tool label="Zoom in" onClick={() => panZoom?.zoom(STEP)}>
            <IconPlus />
          </Tool>
          <Tool label="Show the whole picture" onClick={() => panZoom?.showAll()}>
            <IconMaximize />
          </Tool>
        </Group>
      </Paper>
    </div>
  );
}

function Tool({
  label,
  onClick,
  children,
}: {
  label: string;
  onClick: () => void;
  children: ReactNode;
}) {
  return (
    <Tooltip label={label}>
      <ActionIcon variant="subtle" aria-label={label} onClick={onClick}>
        {children}
      </ActionIcon>
    </Tooltip>
  );
}
