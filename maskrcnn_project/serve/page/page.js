// The page: takes images, asks the server what is in them, and shows it at the thresholds that are set.

import { classColour, css, instanceColour } from "./colours.js";
import { paint, spansOf } from "./masks.js";
import { Table } from "./table.js";
import { Thresholds } from "./thresholds.js";
import { View } from "./view.js";

const PATIENCE = 120; // milliseconds without a further change before the server is asked for measurements
const PAINTED = 4e6; // pixels: masks of smaller images are painted enlarged, so that their outlines are thin
const MOST_ENLARGED = 4;

const $ = (id) => document.getElementById(id);
const view = new View($("canvas"), (index) => point(index, "picture"));
const table = new Table($("head"), $("rows"), (index, from) => point(index, from));
const thresholds = new Thresholds($("threshold"), $("threshold-value"), $("per-class"), $("class-sliders"), refresh);

let model = null; // what /api/model said
let result = null; // what /api/predict said, with a picture and spans
let painted = null; // what paint() gave, with .shown: the instances in the order of its indices
let highlighted = null; // the instance that is pointed at, else the one whose row has the focus
const pointed = { picture: null, table: null, keys: null };
let waiting = 0; // timer of the next request for measurements
let measuring = false; // whether one is under way
let changes = 0; // count them, as an answer to what has changed since then is dropped
let sent = 0; // counts images: the answer to one that is no longer wanted is dropped
let exampleNumber = 0;

start().catch(complain);

async function start() {
  model = await answer(await fetch("/api/model"));
  document.title = `${model.title} – try the model`;
  const names = model.classes;
  $("model").textContent =
    `${model.title}: finds ${names.slice(0, 12).join(", ")}${names.length > 12 ? ` and ${names.length - 12} more` : ""}.`;
  $("limits").textContent = `JPEG, PNG, TIFF, WebP, BMP or PPM; up to ${model.megabytes} MB and ${model.megapixels} megapixels.`;
  $("example").hidden = !model.examples.length;
  $("by-class").checked = names.length > 1;
  $("by-class-choice").hidden = names.length === 1;
  thresholds.start(model);
  listen();
}

function listen() {
  $("choose").addEventListener("click", () => $("file").click());
  $("file").addEventListener("change", () => {
    if ($("file").files.length) send($("file").files[0]);
    $("file").value = ""; // the same file can be chosen again
  });
  $("example").addEventListener("click", () => tryExample().catch(complain));
  document.addEventListener("paste", (event) => event.clipboardData?.files.length && send(event.clipboardData.files[0]));
  document.addEventListener("dragover", (event) => {
    event.preventDefault(); // else the browser opens the file in place of the page
    document.body.classList.add("dropping");
  });
  document.addEventListener("dragleave", (event) => event.relatedTarget ?? document.body.classList.remove("dropping"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    if (event.dataTransfer.files.length) send(event.dataTransfer.files[0]);
    else complain(new Error("No file was dropped: drag an image file, or copy the picture and paste it here."));
  });
  for (const input of document.querySelectorAll("fieldset input:not([type=range])")) {
    input.addEventListener("change", refresh);
  }
  for (const id of ["pixel-size", "unit"]) $(id).addEventListener("input", measureSoon);
  $("smaller").addEventListener("click", () => view.zoom(1 / 1.4));
  $("larger").addEventListener("click", () => view.zoom(1.4));
  $("fit").addEventListener("click", () => view.fit());
  $("save-picture").addEventListener("click", async () => save(await view.png(), `${stem(result.name)}.found.png`));
}

async function tryExample() {
  const number = exampleNumber++ % model.examples.length;
  const response = await fetch(`/api/examples/${number}`);
  if (!response.ok) await answer(response);
  send(new File([await response.blob()], model.examples[number]));
}

async function send(file) {
  $("error").textContent = "";
  if (file.size > model.megabytes * 2 ** 20) {
    complain(new Error(`${file.name} has ${(file.size / 2 ** 20).toFixed(0)} MB, but at most ${model.megabytes} MB are taken.`));
    return;
  }
  const asked = ++sent;
  $("status").textContent = `Looking at ${file.name || "the image"} …`;
  $("work").classList.add("busy");
  try {
    const response = await fetch(`/api/predict?name=${encodeURIComponent(file.name || "pasted image")}`, {
      method: "POST",
      headers: { "Content-Type": "application/octet-stream" },
      body: file,
    });
    const found = await answer(response);
    found.picture = await pictureOf(found.token);
    if (asked === sent) open(found);
  } catch (error) {
    if (asked === sent) {
      $("status").textContent = "";
      complain(error);
    }
  } finally {
    if (asked === sent) $("work").classList.remove("busy");
  }
}

async function pictureOf(token) {
  const response = await fetch(`/api/results/${token}/picture`);
  if (!response.ok) await answer(response);
  return createImageBitmap(await response.blob());
}

function open(found) {
  const { size, step } = found;
  for (const instance of found.instances) {
    instance.spans = instance.counts === null ? new Int32Array() : spansOf(instance.counts, size[0], step);
    instance.box = instance.box.map((side) => side / step);
  }
  result = found;
  highlighted = pointed.picture = pointed.table = pointed.keys = null;
  $("work").hidden = $("measurements").hidden = false;
  $("drop").classList.add("small");
  const least = model.lowest.toFixed(2);
  $("status").textContent =
    `${found.name}: ${size[1]} × ${size[0]} pixels, looked at in ${found.seconds.toFixed(2)} s. ` +
    `${found.instances.length} ${found.instances.length === 1 ? "instance" : "instances"} with a score of ${least} or more.`;
  $("remarks").replaceChildren(...found.remarks.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
  if (found.instances.length && found.instances.every((one) => one.counts === null)) $("show-boxes").checked = true;
  const present = [...new Set(found.instances.map((instance) => instance.class))].sort((a, b) => a - b);
  thresholds.offer(present, (index) => css(classColour(index)));
  view.open(found.picture);
  refresh();
}

// Everything anew from what is set on the page. The picture at once; measurements when the user pauses.
function refresh() {
  if (!result) return;
  const shown = result.instances.map((instance, index) => ({ ...instance, index })).filter((i) => thresholds.keep(i));
  for (const instance of shown) instance.colour = colourOf(instance.index);
  const size = { width: result.picture.width, height: result.picture.height };
  const zoom = Math.max(1, Math.min(MOST_ENLARGED, Math.floor(Math.sqrt(PAINTED / (size.width * size.height)))));
  painted = paint(shown, size, zoom, overlap() === "highest");
  painted.size = size;
  painted.zoom = zoom;
  // an image shown reduced may have lost all pixels of an instance: then the server's answer tells what is left
  const exact = result.step === 1 && overlap() === "highest" && result.instances.every((i) => i.counts !== null);
  painted.shown = exact ? painted.left.map((index) => shown[index]) : shown;
  painted.all = shown;
  painted.canvas = canvasOf(painted.pixels);
  count(painted.shown.length);
  redraw();
  measureSoon();
}

function redraw() {
  const { shown, all, size } = painted;
  const highlight = shown.some((instance) => instance.index === highlighted) ? highlighted : null;
  view.show({
    instances: shown.map((instance, place) => ({
      ...instance,
      text: labelOf(instance, instance.index === highlight ? place + 1 : null),
      boxed: $("show-boxes").checked,
      labelled: $("show-labels").checked,
    })),
    masks: $("show-masks").checked ? painted.canvas : null,
    single: highlight === null ? null : singleMask(highlight),
    at: (x, y) => at(all, shown, x, y, size.height),
    highlight,
  });
}

// What stands on an instance; with its number in the table where that is given.
function labelOf(instance, number) {
  const name = model.classes.length > 1 || number ? `${model.classes[instance.class]} ` : "";
  return `${number ? `${number}: ` : ""}${name}${instance.score.toFixed(2)}`;
}

function at(all, shown, x, y, height) {
  const mark = painted.top[x * height + y];
  if (mark) return all[mark - 1].index;
  if (shown.some((instance) => instance.spans.length)) return null;
  const round = shown.find(({ box }) => x >= box[0] && y >= box[1] && x < box[2] && y < box[3]); // no masks: boxes
  return round ? round.index : null;
}

// The mask of one instance as it is shown, {canvas, x, y, width, height} in pixels of the image; null if it has none.
function singleMask(index) {
  const { all, size, zoom, top } = painted;
  const place = all.findIndex((instance) => instance.index === index);
  const { spans, colour } = all[place];
  const own = [];
  for (let i = 0; i < spans.length; i += 3) {
    if (overlap() === "keep") own.push(spans.subarray(i, i + 3));
    else {
      for (let y = spans[i + 1]; y < spans[i + 2]; y++) {
        if (top[spans[i] * size.height + y] === place + 1) own.push([spans[i], y, y + 1]);
      }
    }
  }
  if (!own.length) return null;
  const [x, y] = [own[0][0], own.reduce((least, span) => Math.min(least, span[1]), size.height)];
  const room = { width: own.at(-1)[0] + 1 - x, height: own.reduce((most, span) => Math.max(most, span[2]), 0) - y };
  const moved = own.flatMap(([column, first, last]) => [column - x, first - y, last - y]);
  return { canvas: canvasOf(paint([{ spans: moved, colour }], room, zoom, false).pixels), x, y, ...room };
}

function canvasOf(pixels) {
  const canvas = document.createElement("canvas");
  canvas.width = pixels.width;
  canvas.height = pixels.height;
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return canvas;
}

function point(index, from) {
  pointed[from] = index;
  const next = pointed.picture ?? pointed.table ?? pointed.keys;
  if (next === highlighted || !painted) return;
  highlighted = next;
  $("canvas").style.cursor = pointed.picture === null ? "" : "pointer";
  table.highlight(next);
  if (pointed.picture !== null) table.reveal(next);
  redraw();
}

function colourOf(index) {
  return $("by-class").checked ? classColour(result.instances[index].class) : instanceColour(index);
}

function overlap() {
  return document.querySelector("input[name=overlap]:checked").value;
}

function count(number) {
  const found = `${number} of ${result.instances.length} instances`;
  $("count").textContent = found;
  $("canvas").setAttribute("aria-label", `${result.name}, with ${found} drawn on it`);
}

// One request at a time: of thousands of instances it may take seconds, in which the sliders go on moving.
function measureSoon() {
  changes++;
  clearTimeout(waiting);
  waiting = setTimeout(measureInTurn, PATIENCE);
}

async function measureInTurn() {
  if (measuring) return; // who measures looks for changes afterwards
  measuring = true;
  $("measurements").classList.add("busy");
  let asked;
  do {
    asked = changes;
    await measure(asked).catch(complain);
  } while (asked !== changes);
  measuring = false;
  $("measurements").classList.remove("busy");
}

async function measure(asked) {
  if (!result) return;
  const query = new URLSearchParams({
    thresholds: thresholds.values.join(","),
    overlap: overlap(),
    pixel_size: $("pixel-size").value || "1",
    unit: $("unit").value.trim(),
  });
  const place = `/api/results/${result.token}/measurements`;
  const found = await answer(await fetch(`${place}?${query}`));
  if (asked !== changes) return;
  $("error").textContent = "";
  $("csv").href = `${place}.csv?${query}`;
  $("csv").download = `${stem(result.name)}.measurements.csv`;
  $("nothing").hidden = found.rows.length > 0;
  const boxes = new Map(found.rows.map((row) => [row.instance, row.box.map((side) => side / result.step)]));
  painted.shown = painted.all.filter(({ index }) => boxes.has(index)).map((i) => ({ ...i, box: boxes.get(i.index) }));
  count(found.rows.length);
  redraw();
  table.show(found.columns, found.rows, (index) => css(colourOf(index)));
  table.highlight(highlighted);
}

// The content of a response; throws the server's sentence.
async function answer(response) {
  const content = await response.json().catch(() => null);
  if (response.ok && content) return content;
  throw new Error(content?.error ?? `The server answered with status ${response.status}; its terminal may say more.`);
}

function complain(error) {
  // what fetch throws itself where nobody answers
  $("error").textContent = error instanceof TypeError ? "The server does not answer: is it still running?" : error.message;
}

function save(blob, name) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function stem(name) {
  return name.split(/[\\/]/).pop().replace(/\.[^.]*$/, "") || "image";
}
