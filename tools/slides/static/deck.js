// Draw the formulas, let each slide's type be as large as it may, and begin.

// Type sizes in pixels of a slide of 1280 × 720, from the largest to the smallest.
const STEPS = 12;
const SIZES = { "--text": [36, 22], "--code": [24, 18], "--formula": [36, 24] };
const BESIDE_A_FIGURE = { "--text": [32, 24] };

const larger = (part) =>
  part.scrollHeight > part.clientHeight + 2 || part.scrollWidth > part.clientWidth + 1;

const tooLarge = (slide) => {
  const edge = slide.getBoundingClientRect().right - 50;
  const formulas = [...slide.querySelectorAll("mjx-container > svg, table")];
  return (
    [slide, ...slide.querySelectorAll(".body, pre")].some(larger) ||
    formulas.some((formula) => formula.getBoundingClientRect().right > edge)
  );
};

const set = (slide, sizes, step) => {
  for (const [name, [most, least]] of Object.entries(sizes))
    slide.style.setProperty(name, `${most + ((least - most) * step) / STEPS}px`);
};

// Code first, if only its lines are too long; then everything, until it has room.
const fit = (slide) => {
  const sizes = { ...SIZES, ...(slide.querySelector(".picture") ? BESIDE_A_FIGURE : {}) };
  const code = { "--code": sizes["--code"] };
  let narrow = 0;
  set(slide, sizes, 0);
  const wide = (pre) => pre.scrollWidth > pre.clientWidth + 1;
  while (narrow < STEPS && [...slide.querySelectorAll("pre")].some(wide)) set(slide, code, ++narrow);
  for (let step = 0; step <= STEPS; step++) {
    set(slide, sizes, step);
    set(slide, code, Math.max(step, narrow));
    slide.dataset.step = step;
    if (!tooLarge(slide)) return;
  }
  slide.dataset.tooLarge = "yes";
};

const begin = async () => {
  await MathJax.startup.promise;
  await MathJax.typesetPromise([document.querySelector(".slides")]);
  document.querySelectorAll(".notes mjx-assistive-mml").forEach((double) => double.remove());
  await Promise.all([...document.images].map((image) => image.decode().catch(() => {})));
  document.querySelectorAll(".slide").forEach(fit);
  document.body.classList.remove("measuring");
  const deck = new Reveal({
    width: 1280, height: 720, margin: 0, minScale: 0.1, maxScale: 4, center: false,
    hash: true, slideNumber: "c/t", transition: "none", backgroundTransition: "none",
    navigationMode: "default", pdfSeparateFragments: false, plugins: [RevealNotes],
  });
  await deck.initialize();
  window.deck = deck;
  document.body.dataset.ready = "yes";
};

addEventListener("load", begin);
