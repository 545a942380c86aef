// One player for all moving figures. A figure gives
//   choices: {name: [label, {value: text}]}   what one can switch, the first value to start with
//   frames(choice) -> how many frames there are
//   draw(choice, frame) -> {svg, says}        a picture, and one sentence on what it shows
//   start (optional): where `choice` does not begin with the first value, or holds more
//   address (optional): a name; the state then stands in the address, as #name=…, and can be sent
//   touch (optional): (choice, frame, key | {x, y, first}) -> [choice, frame]   keys and pointer;
//                     it may change the choice, and the controls follow
// and `play(root, figure)` puts it into the page: scrubber, buttons, keys, a sentence that is read
// aloud. It starts paused. Where motion is not wanted, nothing runs by itself.

const OWN_KEYS = 'data-lm-suppress-shortcuts="true"'; // JupyterLab's shortcuts stay out
const PACE = 900; // milliseconds a frame is shown

function play(root, figure) {
  root.dataset.ready = "yes";
  const names = Object.keys(figure.choices);
  const choice = {};
  for (const name of names) choice[name] = Object.keys(figure.choices[name][1])[0];
  Object.assign(choice, figure.start);
  root.innerHTML = `${root.querySelector("style").outerHTML}<div class="stage"></div>
    <p role="status" aria-live="polite"></p>
    <div class="controls" role="group" aria-label="${figure.name}">${controls(figure)}</div>`;
  const find = (selector) => root.querySelector(selector);
  const [stage, status, scrubber, button] = [".stage", "[role=status]", "[type=range]", "button"].map(find);
  let frame = 0, timer = null, later = null;

  function show() {
    const last = figure.frames(choice) - 1;
    frame = Math.min(Math.max(frame, 0), last);
    const { svg, says } = figure.draw(choice, frame);
    stage.innerHTML = svg;
    status.textContent = says;
    Object.assign(scrubber, { max: last, value: frame, hidden: last === 0 });
    scrubber.setAttribute("aria-valuetext", says);
    button.hidden = last === 0 || still();
    listen(stage.firstElementChild);
    for (const name of names) find(`[name="${name}"]`).value = choice[name];
  }

  // Something was chosen: show it, and when the hand rests, let the address say so.
  function chosen() {
    show();
    clearTimeout(later);
    if (figure.address) later = setTimeout(remember, 300);
  }
  function remember() {
    const state = [...names.map((name) => choice[name]), frame + 1].join(",");
    try {
      history.replaceState(history.state, "", `#${figure.address}=${state.replaceAll(" ", "%20")}`);
    } catch {} // a frame that has no address
  }
  function recall() {
    const [name, state] = location.hash.slice(1).split("=");
    if (!state || name !== figure.address) return;
    const values = state.replaceAll("%20", " ").split(",");
    names.forEach((name, n) => {
      if (Object.hasOwn(figure.choices[name][1], values[n])) choice[name] = values[n];
    });
    frame = (parseInt(values[names.length], 10) || 1) - 1;
    show();
    root.scrollIntoView();
  }

  function act(what) {
    pause();
    [, frame] = figure.touch(choice, frame, what);
    chosen();
  }

  function listen(picture) {
    if (!figure.touch) return;
    picture.setAttribute("tabindex", "0");
    picture.addEventListener("keydown", (event) => {
      if (!event.key.startsWith("Arrow")) return;
      event.preventDefault();
      act(event.key);
      stage.firstElementChild.focus();
    });
  }

  // Pointers are heard by the stage, which stays when its picture is drawn anew.
  function listenToPointers() {
    const at = (event, first) => {
      const picture = stage.firstElementChild;
      const box = picture.getBoundingClientRect();
      const [, , width, height] = picture.getAttribute("viewBox").split(" ").map(Number);
      const [x, y] = [event.clientX - box.left, event.clientY - box.top];
      act({ x: (x / box.width) * width, y: (y / box.height) * height, first });
    };
    let dragging = false;
    stage.addEventListener("pointerdown", (event) => {
      dragging = event.pointerType === "mouse" || event.target.closest(".drag") !== null;
      if (!dragging) return; // a finger that scrolls the page
      stage.setPointerCapture(event.pointerId);
      at(event, true);
    });
    stage.addEventListener("pointermove", (event) => dragging && event.buttons && at(event, false));
    stage.addEventListener("pointerup", () => (dragging = false));
    stage.addEventListener("click", (event) => event.pointerType === "touch" && at(event, true));
  }

  function pause() {
    clearInterval(timer);
    timer = null;
    button.textContent = "Play";
  }
  function run() {
    if (frame === figure.frames(choice) - 1) frame = -1;
    button.textContent = "Pause";
    timer = setInterval(() => {
      frame += 1;
      show();
      if (frame === figure.frames(choice) - 1) pause();
    }, PACE);
  }

  button.addEventListener("click", () => (timer ? pause() : run()));
  scrubber.addEventListener("input", () => {
    pause();
    frame = Number(scrubber.value);
    chosen();
  });
  for (const name of names)
    find(`[name="${name}"]`).addEventListener("input", (event) => {
      pause();
      choice[name] = event.target.value;
      chosen();
    });
  if (figure.touch) {
    root.classList.add("can-touch");
    listenToPointers();
  }
  show();
  recall();
  window.addEventListener("hashchange", recall);
}

function still() {
  return window.matchMedia("(prefers-reduced-motion: reduce)").matches;
}

function controls({ choices }) {
  const selects = Object.entries(choices).map(([name, [label, values]]) => {
    const options = Object.entries(values).map(([v, text]) => `<option value="${v}">${text}</option>`);
    return `<label>${label} <select name="${name}" ${OWN_KEYS}>${options.join("")}</select></label>`;
  });
  return `<button type="button" ${OWN_KEYS}>Play</button>
    <input type="range" min="0" step="1" aria-label="step" ${OWN_KEYS}>${selects.join("")}`;
}
