// Masks as COCO's compressed run lengths, read and painted. No part of this file knows the page.

// The run lengths of `counts`: 6-bit characters from "0" on, 5 bits of the number each, lowest first, and one that says
// whether more follow; the highest bit of the last is the sign. From the fourth on, each is the difference to the one
// two before.
export function runsOf(counts) {
  const runs = [];
  for (let place = 0; place < counts.length; ) {
    let number = 0;
    let shift = 0;
    let more = true;
    while (more) {
      const bits = counts.charCodeAt(place++) - 48;
      number |= (bits & 31) << shift;
      shift += 5;
      more = (bits & 32) !== 0;
      if (!more && bits & 16 && shift < 32) number |= -1 << shift;
    }
    runs.push(runs.length > 2 ? number + runs[runs.length - 2] : number);
  }
  return runs;
}

// [column, first row, row after the last] one after the other, of every `step`-th column and row of a mask.
export function spansOf(counts, height, step) {
  const spans = [];
  const half = step >> 1;
  let start = 0;
  runsOf(counts).forEach((run, index) => {
    const end = start + run;
    if (index % 2 === 1) {
      for (let column = Math.floor(start / height); column * height < end; column++) {
        if ((column - half) % step !== 0) continue;
        const top = Math.max(start - column * height, 0);
        const bottom = Math.min(end - column * height, height);
        const first = Math.max(0, Math.ceil((top - half) / step));
        const last = Math.max(0, Math.ceil((bottom - half) / step));
        if (last > first) spans.push((column - half) / step, first, last);
      }
    }
    start = end;
  });
  return Int32Array.from(spans);
}

// Paints instances, the most confident first in `instances`, onto a transparent picture `zoom` times as large as the image.
// With `parted`, each pixel belongs to the most confident instance that has it; else masks lie over each other.
// `size`: {width, height} of the image in pixels. Each instance has `spans` and `colour` [red, green, blue].
// Returns {pixels: ImageData, top, left}: `top` holds for the pixel at (x, y), in x * height + y, one more than the
// index of the most confident instance there, 0 for none; `left` the indices of the instances that have a pixel left.
export function paint(instances, size, zoom, parted) {
  const top = new Uint16Array(size.width * size.height);
  const pixels = new ImageData(size.width * zoom, size.height * zoom);
  const left = [];
  for (let index = instances.length - 1; index >= 0; index--) {
    fill(top, instances[index].spans, size.height, index + 1);
    if (!parted) draw(pixels, top, instances[index], index + 1, size, zoom);
  }
  instances.forEach((instance, index) => {
    if (!parted || draw(pixels, top, instance, index + 1, size, zoom)) left.push(index);
  });
  return { pixels, top, left };
}

function fill(top, spans, height, mark) {
  for (let i = 0; i < spans.length; i += 3) {
    top.fill(mark, spans[i] * height + spans[i + 1], spans[i] * height + spans[i + 2]);
  }
}

const INSIDE = 0.4; // opacity
const SHADE = 0.55; // of the black line along the coloured one, which shows it on a ground of its own colour
const BLACK = [0, 0, 0];

// Draws the pixels of `instance` that `top` marks as its own; returns whether there are any.
function draw(pixels, top, instance, mark, size, zoom) {
  const { width, height } = size;
  const { spans, colour } = instance;
  let any = false;
  for (let i = 0; i < spans.length; i += 3) {
    const x = spans[i];
    for (let y = spans[i + 1]; y < spans[i + 2]; y++) {
      const place = x * height + y;
      if (top[place] !== mark) continue;
      any = true;
      const border = {
        left: x === 0 || top[place - height] !== mark,
        right: x === width - 1 || top[place + height] !== mark,
        above: y === 0 || top[place - 1] !== mark,
        below: y === height - 1 || top[place + 1] !== mark,
      };
      for (let dy = 0; dy < zoom; dy++) {
        for (let dx = 0; dx < zoom; dx++) {
          const depth = depthOf(border, dx, dy, zoom);
          const at = 4 * ((y * zoom + dy) * width * zoom + x * zoom + dx);
          blend(pixels.data, at, colour, depth === 0 ? 1 : INSIDE);
          if (depth === 1 && zoom > 2) blend(pixels.data, at, BLACK, SHADE);
        }
      }
    }
  }
  return any;
}

// How far the part (dx, dy) of a pixel painted `zoom` times enlarged lies from those of its sides that are borders.
function depthOf({ left, right, above, below }, dx, dy, zoom) {
  const far = zoom - 1;
  return Math.min(left ? dx : zoom, right ? far - dx : zoom, above ? dy : zoom, below ? far - dy : zoom);
}

// Lays `colour` over one pixel of a picture whose colours are not multiplied with their opacity.
function blend(data, place, colour, opacity) {
  const below = (data[place + 3] / 255) * (1 - opacity);
  const sum = opacity + below;
  for (let channel = 0; channel < 3; channel++) {
    data[place + channel] = (colour[channel] * opacity + data[place + channel] * below) / sum;
  }
  data[place + 3] = 255 * sum;
}
