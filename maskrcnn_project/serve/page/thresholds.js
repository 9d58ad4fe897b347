// The sliders: one score threshold for all classes, and one for each class that an image has.

export class Thresholds {
  constructor(slider, output, details, list, changed) {
    Object.assign(this, { slider, output, details, list, changed });
    this.values = []; // of each class of the model
    slider.addEventListener("input", () => {
      this.values.fill(Number(slider.value));
      this.draw();
      changed();
    });
  }

  start(model) {
    this.names = model.classes;
    this.values = [...model.thresholds];
    this.lowest = model.lowest;
    this.slider.min = model.lowest;
    this.draw();
  }

  keep(instance) {
    return instance.score >= Math.fround(this.values[instance.class]); // scores are single precision
  }

  // Sliders for the classes `present`, which are indices.
  offer(present, colour) {
    this.details.hidden = this.names.length < 2 || !present.length;
    this.list.replaceChildren(
      ...present.map((index) => {
        const row = document.createElement("div");
        row.className = "slider";
        const label = document.createElement("label");
        label.htmlFor = `threshold-${index}`;
        const swatch = document.createElement("span");
        swatch.className = "swatch";
        swatch.style.backgroundColor = colour(index);
        label.append(swatch, this.names[index]);
        const output = document.createElement("output");
        output.htmlFor = label.htmlFor;
        const slider = Object.assign(document.createElement("input"), {
          type: "range", id: label.htmlFor, min: this.lowest, max: 1, step: 0.01,
        });
        slider.dataset.class = index;
        slider.addEventListener("input", () => {
          this.values[index] = Number(slider.value);
          this.draw();
          this.changed();
        });
        row.append(label, output, slider);
        return row;
      }),
    );
    this.draw();
  }

  draw() {
    const [lowest, highest] = [Math.min(...this.values), Math.max(...this.values)];
    const several = lowest !== highest;
    this.slider.value = lowest;
    this.output.value = several ? `${lowest.toFixed(2)} to ${highest.toFixed(2)}` : lowest.toFixed(2);
    for (const slider of this.list.querySelectorAll("input")) {
      const value = this.values[slider.dataset.class];
      slider.value = value;
      slider.parentElement.querySelector("output").value = value.toFixed(2);
    }
  }
}
