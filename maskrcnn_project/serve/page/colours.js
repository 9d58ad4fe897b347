// Colours of classes and instances, as [red, green, blue].

// After Okabe and Ito: told apart by people who see colours differently, on dark and bright pictures.
const FEW = [
  [230, 159, 0],
  [86, 180, 233],
  [0, 158, 115],
  [240, 228, 66],
  [213, 94, 0],
  [204, 121, 167],
  [0, 114, 178],
];
const GOLDEN_ANGLE = 137.508; // degrees: successive hues, however many, stay far apart

export function classColour(index) {
  return index < FEW.length ? FEW[index] : hue(index * GOLDEN_ANGLE);
}

export function instanceColour(index) {
  return hue(200 + index * GOLDEN_ANGLE);
}

export function css(colour) {
  return `rgb(${colour.join(" ")})`;
}

// Black or white, whichever is read better on `colour`.
export function ink(colour) {
  return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2] > 140 ? "#000" : "#fff";
}

function hue(degrees) {
  const saturation = 0.85;
  const lightness = 0.58;
  const spread = saturation * Math.min(lightness, 1 - lightness);
  return [0, 8, 4].map((offset) => {
    const place = (offset + degrees / 30) % 12;
    return Math.round(255 * (lightness - spread * Math.max(-1, Math.min(place - 3, 9 - place, 1))));
  });
}
