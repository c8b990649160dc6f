import type { Point, Region, Size } from "./geometry";
import { focusOn, pan, reveal, type View, wholeView, within, zoom } from "./view";

const DRAG_THRESHOLD_PX = 4;
const REST_MS = 150;
const KEY_STEP_PX = 80;
const KEY_FACTOR = 1.25;
const LINE_PX = 16;

/** Below this ratio of shown to painted scale the layer is painted again. */
const MIN_SCALE_RATIO = 0.5;
/**
 * It is then painted at a scale smaller by this factor, so that further zooming out does not paint
 * again soon.
 */
const REPAINT_FACTOR = 3;

/**
 * Pans and zooms a layer in its stage by pointer, wheel and keys.
 *
 * Each frame sets one CSS transform, so the compositor moves the painted layer without React. At
 * rest the layer gets the size at which it is shown, so that the browser paints it sharp.
 */
export class PanZoom {
  private view: View;
  /** The scale at which the layer is painted. */
  private painted = 0;
  private fitsStage = true;
  private frame = 0;
  private rest = 0;
  private readonly pointers = new Map<number, Point>();
  private pressedAt: Point | null = null;
  private dragging = false;
  private stageSize: Size;
  private readonly stage: HTMLElement;
  private readonly layer: HTMLElement;
  private readonly picture: Size;
  private readonly onRest: (scale: number) => void;
  private readonly ended = new AbortController();
  private readonly resized: ResizeObserver;

  /** Listens on `stage` until `end`; calls `onRest` with the scale when the layer comes to rest. */
  constructor(
    stage: HTMLElement,
    layer: HTMLElement,
    picture: Size,
    onRest: (scale: number) => void,
  ) {
    this.stage = stage;
    this.layer = layer;
    this.picture = picture;
    this.onRest = onRest;
    this.stageSize = sizeOf(stage);
    const { signal } = this.ended;
    stage.addEventListener("wheel", this.onWheel, { signal, passive: false });
    stage.addEventListener("pointerdown", this.onDown, { signal });
    stage.addEventListener("pointermove", this.onMove, { signal });
    stage.addEventListener("pointerup", this.onUp, { signal });
    stage.addEventListener("pointercancel", this.onUp, { signal });
    stage.addEventListener("click", this.onClick, { signal, capture: true });
    stage.addEventListener("keydown", this.onKey, { signal });
    this.resized = new ResizeObserver(() => this.onResize());
    this.resized.observe(stage);
    this.view = wholeView(picture, this.stageSize);
    this.settle();
  }

  end(): void {
    this.ended.abort();
    this.resized.disconnect();
    cancelAnimationFrame(this.frame);
    clearTimeout(this.rest);
  }

  showAll(): void {
    this.show(wholeView(this.picture, this.stageSize), true);
  }

  /** Zooms around the centre of the stage. */
  zoom(factor: number): void {
    const { width, height } = this.stageSize;
    this.zoomAt(factor, [width / 2, height / 2]);
  }

  /** Pans by the least distance that makes the region visible. */
  reveal(region: Region): void {
    this.show(reveal(this.view, region, this.picture, this.stageSize));
  }

  /** Centres the region at a readable scale. */
  focusOn(region: Region): void {
    this.show(focusOn(region, this.picture, this.stageSize));
  }

  private zoomAt(factor: number, point: Point): void {
    this.show(zoom(this.view, factor, point, this.picture, this.stageSize));
  }

  private panBy(dx: number, dy: number): void {
    this.show(pan(this.view, dx, dy, this.picture, this.stageSize));
  }

  private show(view: View, fitsStage = false): void {
    this.view = view;
    this.fitsStage = fitsStage;
    this.frame ||= requestAnimationFrame(this.draw);
  }

  private readonly draw = () => {
    this.frame = 0;
    const { x, y, scale } = this.view;
    if (scale < this.painted * MIN_SCALE_RATIO) {
      this.paintAt(Math.max(scale / REPAINT_FACTOR, wholeView(this.picture, this.stageSize).scale));
    }
    this.layer.style.transform = `translate(${x}px, ${y}px) scale(${scale / this.painted})`;
    clearTimeout(this.rest);
    this.rest = window.setTimeout(this.settle, REST_MS);
  };

  private readonly settle = () => {
    const { x, y, scale } = this.view;
    this.paintAt(scale);
    // A fractional offset would blur it.
    this.layer.style.transform = `translate(${Math.round(x)}px, ${Math.round(y)}px)`;
    this.onRest(scale);
  };

  private paintAt(scale: number): void {
    this.painted = scale;
    this.layer.style.width = `${this.picture.width * scale}px`;
    this.layer.style.height = `${this.picture.height * scale}px`;
  }

  private onResize(): void {
    this.stageSize = sizeOf(this.stage);
    if (this.fitsStage) this.showAll();
    else this.show(within(this.view, this.picture, this.stageSize));
  }

  private readonly onWheel = (event: WheelEvent) => {
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_LINE ? LINE_PX : 1);
    // Browsers report a touchpad pinch as a wheel event with Ctrl, in smaller steps.
    const speed = event.ctrlKey ? 0.01 : 0.002;
    this.zoomAt(Math.exp(-Math.max(-200, Math.min(200, pixels)) * speed), this.pointOf(event));
  };

  private readonly onDown = (event: PointerEvent) => {
    if (event.pointerType === "mouse" && event.button !== 0) return;
    this.pointers.set(event.pointerId, this.pointOf(event));
    this.pressedAt = this.pointOf(event);
    this.dragging = this.pointers.size > 1;
  };

  private readonly onMove = (event: PointerEvent) => {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const now = this.pointOf(event);
    if (!this.dragging) {
      if (this.pressedAt && distance(this.pressedAt, now) < DRAG_THRESHOLD_PX) return;
      this.dragging = true;
      // Not earlier: a captured pointer's click would not reach the box under it.
      this.stage.setPointerCapture(event.pointerId);
    }
    const other = [...this.pointers].find(([id]) => id !== event.pointerId)?.[1];
    this.pointers.set(event.pointerId, now);
    if (!other) {
      this.panBy(now[0] - before[0], now[1] - before[1]);
      return;
    }
    const middle: Point = [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2];
    const grown = distance(now, other) / Math.max(1, distance(before, other));
    this.view = pan(
      this.view,
      (now[0] - before[0]) / 2,
      (now[1] - before[1]) / 2,
      this.picture,
      this.stageSize,
    );
    this.zoomAt(grown, middle);
  };

  private readonly onUp = (event: PointerEvent) => {
    this.pointers.delete(event.pointerId);
    // Deferred: the click event of the drag comes first.
    if (this.pointers.size === 0) setTimeout(() => (this.dragging = false));
  };

  private readonly onClick = (event: MouseEvent) => {
    if (this.dragging) event.stopPropagation();
  };

  private readonly onKey = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = this.keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  };

  private readonly keys: Record<string, (() => void) | undefined> = {
    "+": () => this.zoom(KEY_FACTOR),
    "=": () => this.zoom(KEY_FACTOR),
    "-": () => this.zoom(1 / KEY_FACTOR),
    "0": () => this.showAll(),
    ArrowLeft: () => this.panBy(KEY_STEP_PX, 0),
    ArrowRight: () => this.panBy(-KEY_STEP_PX, 0),
    ArrowUp: () => this.panBy(0, KEY_STEP_PX),
    ArrowDown: () => this.panBy(0, -KEY_STEP_PX),
  };

  private pointOf(event: MouseEvent): Point {
    const { left, top } = this.stage.getBoundingClientRect();
    return [
      event.clientX - left - this.stage.clientLeft,
      event.clientY - top - this.stage.clientTop,
    ];
  }
}

function sizeOf(element: HTMLElement): Size {
  return { width: element.clientWidth, height: element.clientHeight };
}

function distance([x, y]: Point, [otherX, otherY]: Point): number {
  return Math.hypot(x - otherX, y - otherY);
}
