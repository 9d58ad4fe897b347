// The picture on its canvas: zoomed, moved, with masks, boxes and labels over it, and pointed at.

import { css, ink } from "./colours.js";

const MOST_ZOOM = 40; // screen pixels for one of the image,
const LEAST_ZOOM = 8; // but in any case so many times as large as all of it at once
const STEP = 1.4; // of one press of a zoom button
const MOVE = 60; // screen pixels of one press of an arrow
const FONT = 12; // screen pixels
const DIMMED = 0.35; // of everything while one instance is pointed at

// As the drawn pictures of predict.py: enlarged until the short edge has this many pixels, at most so many times.
const SAVED_EDGE = 480;
const SAVED_SCALE = 4;

export class View {
  // `pointed(index)` is called with the number of the instance under the pointer, or null.
  constructor(canvas, pointed) {
    this.canvas = canvas;
    this.pointed = pointed;
    this.picture = null; // with .width and .height
    this.content = { instances: [], masks: null, single: null, at: () => null, highlight: null };
    this.scale = 1; // screen pixels for one of the image
    this.x = this.y = 0; // where the image's upper left corner lies, in screen pixels
    this.fitted = true;
    this.listenToPointer();
    this.listenToKeys();
    new ResizeObserver(() => this.fitted && this.fit()).observe(canvas.parentElement);
  }

  open(picture) {
    this.picture = picture;
    this.fit();
  }

  // `content`: {instances: most confident first, each {index, box, colour, text, boxed, labelled}; masks: a canvas or null;
  // single: the mask of the highlighted one, {canvas, x, y, width, height} in pixels of the image, or null;
  // at(x, y): index or null; highlight: index or null}
  show(content) {
    this.content = content;
    this.draw();
  }

  fit() {
    if (!this.picture) return;
    const { width, height } = this.picture;
    const room = this.canvas.parentElement.clientWidth;
    const tall = Math.max(240, Math.min(window.innerHeight * 0.78, (room * height) / width));
    this.canvas.style.height = `${tall}px`;
    this.scale = this.fitScale = Math.min(room / width, tall / height);
    this.x = (room - width * this.scale) / 2;
    this.y = (tall - height * this.scale) / 2;
    this.fitted = true;
    this.canvas.style.touchAction = "auto";
    this.draw();
  }

  zoom(factor, x = this.canvas.clientWidth / 2, y = this.canvas.clientHeight / 2) {
    const scale = Math.min(Math.max(MOST_ZOOM, LEAST_ZOOM * this.fitScale), this.scale * factor);
    if (scale <= this.fitScale) {
      this.fit();
      return;
    }
    this.move(x - ((x - this.x) * scale) / this.scale - this.x, y - ((y - this.y) * scale) / this.scale - this.y, scale);
  }

  move(dx, dy, scale = this.scale) {
    this.scale = scale;
    this.fitted = false;
    this.canvas.style.touchAction = "none"; // a finger moves the image, not the page
    this.x = within(this.x + dx, this.canvas.clientWidth, this.picture.width * scale);
    this.y = within(this.y + dy, this.canvas.clientHeight, this.picture.height * scale);
    this.draw();
  }

  draw() {
    if (!this.picture || this.waiting) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = 0;
      const { canvas } = this;
      const ratio = window.devicePixelRatio || 1;
      canvas.width = Math.round(canvas.clientWidth * ratio);
      canvas.height = Math.round(canvas.clientHeight * ratio);
      const context = canvas.getContext("2d");
      context.scale(ratio, ratio);
      compose(context, this.picture, this.content, this);
    });
  }

  // The whole picture as a PNG file, with what is shown on it.
  png() {
    const { width, height } = this.picture;
    const scale = Math.max(1, Math.min(SAVED_SCALE, SAVED_EDGE / Math.min(width, height)));
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    compose(canvas.getContext("2d"), this.picture, { ...this.content, highlight: null }, { scale, x: 0, y: 0 });
    return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  }

  listenToPointer() {
    const { canvas } = this;
    let grip = null;
    canvas.addEventListener("pointerdown", (event) => {
      grip = this.fitted ? null : event;
      if (grip) canvas.setPointerCapture(event.pointerId);
      this.point(event);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!grip) {
        this.point(event);
        return;
      }
      this.move(event.clientX - grip.clientX, event.clientY - grip.clientY);
      grip = event;
    });
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (grip = null));
    canvas.addEventListener("pointerleave", () => this.pointed(null));
    canvas.addEventListener(
      "wheel",
      (event) => {
        if (!event.ctrlKey || !this.picture) return; // the page scrolls; pinching comes with ctrlKey
        event.preventDefault();
        this.zoom(Math.exp(-event.deltaY / 200), event.offsetX, event.offsetY);
      },
      { passive: false },
    );
  }

  listenToKeys() {
    const keys = {
      "+": () => this.zoom(STEP),
      "=": () => this.zoom(STEP),
      "-": () => this.zoom(1 / STEP),
      0: () => this.fit(),
      ArrowLeft: () => this.move(MOVE, 0),
      ArrowRight: () => this.move(-MOVE, 0),
      ArrowUp: () => this.move(0, MOVE),
      ArrowDown: () => this.move(0, -MOVE),
    };
    this.canvas.addEventListener("keydown", (event) => {
      const arrow = event.key.startsWith("Arrow");
      if (!keys[event.key] || (arrow && this.fitted) || event.ctrlKey || event.metaKey || !this.picture) return;
      event.preventDefault();
      keys[event.key]();
    });
  }

  point(event) {
    if (!this.picture) return;
    const x = (event.offsetX - this.x) / this.scale;
    const y = (event.offsetY - this.y) / this.scale;
    const inside = x >= 0 && y >= 0 && x < this.picture.width && y < this.picture.height;
    this.pointed(inside ? this.content.at(Math.floor(x), Math.floor(y)) : null);
  }
}

// `start`, moved so that a picture of `length` screen pixels covers a room of `room`, or lies in its middle.
function within(start, room, length) {
  return length <= room ? (room - length) / 2 : Math.min(0, Math.max(room - length, start));
}

function compose(context, picture, content, { scale, x, y }) {
  const place = [x, y, picture.width * scale, picture.height * scale];
  const lit = content.highlight !== null;
  context.imageSmoothingEnabled = scale < 8; // from there on one wants to see the pixels
  context.drawImage(picture, ...place);
  context.globalAlpha = lit ? DIMMED : 1;
  if (content.masks) context.drawImage(content.masks, ...place);
  const rest = content.instances.filter((instance) => instance.index !== content.highlight);
  for (const instance of rest) if (instance.boxed) drawBox(context, instance, scale, x, y);
  if (!lit) drawLabels(context, rest, scale, x, y);
  context.globalAlpha = 1;
  for (const instance of content.instances) {
    if (instance.index !== content.highlight) continue;
    if (content.single) {
      const { canvas, x: left, y: top, width, height } = content.single;
      context.drawImage(canvas, x + left * scale, y + top * scale, width * scale, height * scale);
    }
    drawBox(context, instance, scale, x, y);
    drawLabels(context, [{ ...instance, labelled: true }], scale, x, y);
  }
}

function drawBox(context, { box, colour }, scale, x, y) {
  context.lineWidth = 1.5;
  context.strokeStyle = css(colour);
  context.strokeRect(x + box[0] * scale, y + box[1] * scale, (box[2] - box[0]) * scale, (box[3] - box[1]) * scale);
}

// The labels of the most confident first; one that would lie on another is left out.
function drawLabels(context, instances, scale, x, y) {
  const taken = [];
  const height = FONT + 5;
  context.font = `600 ${FONT}px system-ui, sans-serif`;
  context.textBaseline = "middle";
  const room = context.canvas.width / context.getTransform().a; // its own pixels per unit
  for (const { box, colour, text, labelled } of instances) {
    if (!labelled) continue;
    const width = context.measureText(text).width + 8;
    const left = Math.max(0, Math.min(x + box[0] * scale, room - width));
    const top = Math.max(0, y + box[1] * scale - height);
    if (taken.some((t) => left < t.left + t.width && t.left < left + width && Math.abs(top - t.top) < height)) continue;
    taken.push({ left, top, width });
    context.fillStyle = css(colour);
    context.fillRect(left, top, width, height);
    context.fillStyle = ink(colour);
    context.fillText(text, left + 4, top + height / 2 + 0.5);
  }
}
