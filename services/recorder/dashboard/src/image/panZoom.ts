import type { Point, Region, Size } from "./geometry";
import { focusOn, pan, reveal, type View, wholeView, within, zoom } from "./view";

const DRAG_FROM_PX = 4;
const REST_MS = 150;
const KEY_STEP_PX = 80;
const KEY_FACTOR = 1.25;
const LINE_PX = 16;

/** A layer that was painted larger than it is shown is painted anew below this share of its size. */
const LEAST_SHARE = 0.5;
/** How much smaller it is painted then, so that it is not soon done again. */
const AHEAD = 3;

/**
 * Moves a layer on its stage, by pointers, wheel and keys.
 *
 * A frame sets one CSS transform, so that the compositor moves what is painted already; React and the
 * boxes know nothing of it. At rest the layer is given the size that it is shown at, and is painted
 * anew. A browser paints a layer that is to move in its own pixels, so none is painted to begin with.
 */
export class PanZoom {
  private view: View;
  /** The scale that the layer is painted at. */
  private painted = 0;
  private fitted = true;
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

  /** Listens on `stage` until `end`; `onRest` is told the scale when the layer has come to rest. */
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
    this.comeToRest();
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

  /** Larger or smaller, around the middle of the stage. */
  zoom(factor: number): void {
    const { width, height } = this.stageSize;
    this.zoomAt(factor, [width / 2, height / 2]);
  }

  /** The region comes on the stage by the least move. */
  reveal(region: Region): void {
    this.show(reveal(this.view, region, this.picture, this.stageSize));
  }

  /** The region comes into the middle, at a size that can be read. */
  focusOn(region: Region): void {
    this.show(focusOn(region, this.picture, this.stageSize));
  }

  private zoomAt(factor: number, point: Point): void {
    this.show(zoom(this.view, factor, point, this.picture, this.stageSize));
  }

  private panBy(dx: number, dy: number): void {
    this.show(pan(this.view, dx, dy, this.picture, this.stageSize));
  }

  private show(view: View, fitted = false): void {
    this.view = view;
    this.fitted = fitted;
    this.frame ||= requestAnimationFrame(this.draw);
  }

  private readonly draw = () => {
    this.frame = 0;
    const { x, y, scale } = this.view;
    if (scale < this.painted * LEAST_SHARE) {
      this.paintAt(Math.max(scale / AHEAD, wholeView(this.picture, this.stageSize).scale));
    }
    this.layer.style.transform = `translate(${x}px, ${y}px) scale(${scale / this.painted})`;
    clearTimeout(this.rest);
    this.rest = window.setTimeout(this.comeToRest, REST_MS);
  };

  private readonly comeToRest = () => {
    const { x, y, scale } = this.view;
    this.paintAt(scale);
    // Between pixels it would be blurred.
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
    if (this.fitted) this.showAll();
    else this.show(within(this.view, this.picture, this.stageSize));
  }

  private readonly onWheel = (event: WheelEvent) => {
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_LINE ? LINE_PX : 1);
    // A pinch on a touchpad comes as a wheel with Ctrl, in smaller steps.
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
      if (this.pressedAt && distance(this.pressedAt, now) < DRAG_FROM_PX) return;
      this.dragging = true;
      // Not before: a captured pointer's click would miss the box that it is on.
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
    // A click that belongs to a drag comes before this.
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
