interface Point {
  x: number;
  y: number;
}

/** Where a pointer is on the canvas, whose own pixels may be other than the screen's. */
export function place(
  at: Point,
  box: { left: number; top: number; width: number; height: number },
  size: { width: number; height: number },
): Point {
  return {
    x: ((at.x - box.left) / (box.width || 1)) * size.width,
    y: ((at.y - box.top) / (box.height || 1)) * size.height,
  };
}

/** The largest type in which a name of this width (measured at 100 px) fits. */
export function fitting(width: number, room: number): number {
  return Math.max(24, Math.min(110, Math.floor((100 * room) / Math.max(width, 1))));
}

/** A pad for a signature by finger, pen or mouse; a name that is typed is written into it. */
export function signature(box: HTMLElement): void {
  const pad = box.querySelector<HTMLElement>("[data-signature-pad]");
  const canvas = box.querySelector("canvas");
  const image = box.querySelector<HTMLInputElement>("[data-signature-image]");
  const brush = canvas?.getContext("2d");
  if (!pad || !canvas || !image || !brush) return; // the file input stays
  pad.hidden = false;
  const tools = box.querySelector<HTMLElement>("[data-signature-tools]");
  const name = box.querySelector<HTMLInputElement>("[data-signature-name]");
  if (tools) tools.hidden = false;
  const file = box.querySelector<HTMLElement>("[data-signature-file]");
  if (file) file.hidden = true;
  brush.lineWidth = 4;
  brush.lineCap = "round";
  brush.lineJoin = "round";
  brush.strokeStyle = brush.fillStyle = "#101828";

  const wipe = () => {
    brush.clearRect(0, 0, canvas.width, canvas.height);
    image.value = "";
  };
  const keep = () => {
    image.value = canvas.toDataURL("image/png");
  };
  const where = (event: PointerEvent) =>
    place({ x: event.clientX, y: event.clientY }, canvas.getBoundingClientRect(), canvas);

  let drawing = false;
  canvas.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    if (name?.value) {
      name.value = "";
      wipe();
    }
    drawing = true;
    canvas.setPointerCapture(event.pointerId);
    const at = where(event);
    brush.beginPath();
    brush.moveTo(at.x, at.y);
    brush.lineTo(at.x + 0.1, at.y);
    brush.stroke();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!drawing) return;
    const at = where(event);
    brush.lineTo(at.x, at.y);
    brush.stroke();
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, () => {
      if (drawing) keep();
      drawing = false;
    });
  }
  name?.addEventListener("input", () => {
    wipe();
    const text = name.value.trim();
    if (!text) return;
    brush.font = "100px KaiTi, STKaiti, cursive, serif";
    const size = fitting(brush.measureText(text).width, canvas.width - 60);
    brush.font = `${size}px KaiTi, STKaiti, cursive, serif`;
    brush.textBaseline = "middle";
    brush.textAlign = "center";
    brush.fillText(text, canvas.width / 2, canvas.height / 2);
    keep();
  });
  box.querySelector("[data-signature-clear]")?.addEventListener("click", () => {
    wipe();
    if (name) name.value = "";
  });
}
